"""Inputs that a network takes, and inputs that give an output: the network is loaded with one size after another.

Nothing is assumed about its layers. Where the output grows with the input the ends of a range are found by bisection,
and held against every other size that was tried; where it does not, sizes are tried one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, Source, choices, did_you_mean, near, quoted
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.language.load import network_of
from cnncalc.layers.window import Window
from cnncalc.models import source
from cnncalc.shapes import Layout, Shape, shape_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
MOST_LAYERS = 120_000  # layers made in one search, all sizes together: about a second
LEAST_SIZES = 24  # that are tried all the same
MOST_SIZES = 2_048
BEYOND = 72  # sizes tried above the document's own, so that multiples of 32 show
LONGEST_PERIOD = 128
MOST_HELD = 64  # sizes of a range that are all tried
LARGEST_INPUT = 1 << 20  # where looking for a larger input ends

Sizes = tuple[int, ...]


# The answers ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Pattern:
    """Which sizes of those tried: some `single` ones, and from `start` on those whose remainder by `period` is listed.

    `period` 0: no rule holds at the end of what was tried (`single` then has all of them).
    """

    single: list[int]
    period: int
    remainders: list[int]
    start: int


@dataclass(slots=True)
class Accepted:
    """The square inputs that a network takes, of those from 1 to `tried`.

    `exact`: every window's stride divides; `read`: no window leaves input after it unread. `parameters` are at the
    document's own input, `other_parameters` at the square size `other`, where they differ; `resized` is the first layer
    whose parameters do. `refused` is the nearest size that is not taken though a smaller one is, or the largest that is
    too small, and `refusal` says why.
    """

    schema_version: int
    name: str
    source: str
    layout: Layout
    input: list[int]
    tried: int
    smallest: int | None
    accepted: Pattern
    exact: Pattern
    read: Pattern
    parameters: int
    other: int | None
    other_parameters: int | None
    resized: str
    refused: int | None
    refusal: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class AxisInputs:
    """Along one axis, the others as in the document: the first and last input that give the output, None for none.

    `sizes` are all of them where not every one in between does. `below` and `above` are the nearest outputs, each with
    the first and the last input seen to give it. `limited`: larger inputs give it too.
    """

    output: int
    first: int | None
    last: int | None
    sizes: list[int] | None
    limited: bool
    below: tuple[int, int] | None  # the output below, and the largest input that gives it
    above: tuple[int, int] | None  # the output above, and the smallest input that gives it


@dataclass(slots=True)
class Inputs:
    """The inputs that give an output at a layer.

    `separable`: any height of the first axis goes with any width of the second, tried at the corners; where that is not
    so, `squares` are the inputs with equal sides that give the output. `passed` is the network's own output where that
    has no places left, so that `layer` stands before it.
    """

    schema_version: int
    name: str
    source: str
    layout: Layout
    input: list[int]
    layer: str
    output: list[int]
    passed: str
    separable: bool
    squares: list[int]
    axes: list[AxisInputs]

    @property
    def found(self) -> bool:
        return all(axis.first is not None for axis in self.axes) if self.separable else bool(self.squares)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# Loading --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Document:
    """A document that is loaded again and again; each input once."""

    source: Source
    folder: Path | None
    settings: tuple[str, ...]
    own: Network = field(init=False)
    known: dict[Sizes, Network | DocumentError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own = network_of(self.source, self.folder, self.settings)
        if len(self.own.inputs) != 1:
            names = choices([value.name for value in self.own.inputs])
            message = f"the network has {len(self.own.inputs)} inputs, {names}: which one is to be found?"
            raise _refused("several-inputs", message, "`solve` looks for the input of networks that have one")
        if len(self.input.output) == 1:
            message = f"the network's input is a vector of {self.input.output[0]}, without height and width"
            raise _refused("no-spatial-dimensions", message)
        self.known[self.sizes] = self.own

    @property
    def input(self) -> Input:
        return self.own.inputs[0]

    @property
    def sizes(self) -> Sizes:
        return self.input.output[1:]

    @property
    def most(self) -> int:
        """How many sizes are tried one by one at most."""
        return max(LEAST_SIZES, min(MOST_SIZES, MOST_LAYERS // max(1, len(self.own))))

    def at(self, sizes: Sizes) -> Network | DocumentError:
        """The network with another input, or why it cannot have that."""
        known = self.known.get(sizes)
        if known is None:
            shape = shape_text((self.input.output[0], *sizes), self.own.layout)
            try:
                known = network_of(self.source, self.folder, (*self.settings, f"{self.input.name}={shape}"))
            except DocumentError as error:
                known = error
            self.known[sizes] = known
        return known

    def square(self, size: int) -> Network | DocumentError:
        return self.at((size,) * len(self.sizes))


def _document(path: str | Path, settings: Iterable[str]) -> _Document:
    return _Document(*source(path, settings))


def _refused(code: str, message: str, help: str = "") -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))


# What is taken --------------------------------------------------------------------------------------------------------


def accepted(path: str | Path, settings: Iterable[str] = ()) -> Accepted:
    """The square inputs that the network of a document takes. Raises `DocumentError`."""
    with collection_paused():
        return _accepted(_document(path, settings))


def _accepted(document: _Document) -> Accepted:
    own = max(document.sizes)
    tried = min(own + BEYOND, document.most)
    made = {size: document.square(size) for size in range(1, tried + 1)}
    networks = {size: network for size, network in made.items() if isinstance(network, Network)}
    smallest = min(networks, default=None) or _smallest_beyond(document, tried, own)
    other, resized = _resized(document.own, networks)
    refused, refusal = _refusal(made, own)
    return Accepted(
        SCHEMA_VERSION,
        document.own.name,
        document.own.source,
        document.own.layout,
        list(document.input.output),
        tried,
        smallest,
        pattern(networks, tried),
        pattern([size for size, network in networks.items() if _is_exact(network)], tried),
        pattern([size for size, network in networks.items() if _reads_all(network)], tried),
        _parameters(document.own),
        other,
        _parameters(networks[other]) if other is not None else None,
        resized,
        refused,
        refusal,
    )


def _smallest_beyond(document: _Document, tried: int, own: int) -> int | None:
    """The smallest size that is taken above those tried one by one, as if every size above it were, too."""
    span = range(tried + 1, own + 1)
    place = bisect_left(span, True, key=lambda size: isinstance(document.square(size), Network))
    return span[place] if place < len(span) else None


def _is_exact(network: Network) -> bool:
    """Whether no window's division is rounded."""
    for node in network.nodes:
        if isinstance(node.layer, Window):
            for axis in node.layer.axes(node.input_shapes[0]):
                span = (axis.output - 1) * axis.stride + axis.effective_kernel
                if span != axis.input + axis.before + axis.after:
                    return False
    return True


def _reads_all(network: Network) -> bool:
    return not any(remark.code == "input-unread" for node in network.nodes for remark in node.facts.remarks)


def _parameters(network: Network) -> int:
    return sum([node.facts.weights + node.facts.biases for node in network.nodes])


def _resized(own: Network, networks: Mapping[int, Network]) -> tuple[int | None, str]:
    """The smallest size, or else the largest, at which layers have other parameters, and the first such layer."""
    for size in (min(networks, default=None), max(networks, default=None)):
        if size is not None:
            for node, same in zip(own.nodes, networks[size].nodes, strict=False):
                if node.facts.parameters != same.facts.parameters:
                    return size, node.name
    return None, ""


def _refusal(made: Mapping[int, Network | DocumentError], own: int) -> tuple[int | None, str]:
    """The refused size that tells most, and why: the nearest above a size that is taken, or the last one too small."""
    refused = {size: network for size, network in made.items() if isinstance(network, DocumentError)}
    smallest = min((size for size in made if size not in refused), default=own)
    above = [size for size in refused if size > smallest]
    told = min(above, key=lambda size: (abs(size - own), size)) if above else max(refused, default=None)
    return (None, "") if told is None else (told, refused[told].diagnostics[0].message)


def pattern(members: Iterable[int], last: int) -> Pattern:
    """The rule by which sizes from 1 to `last` are members: the one that holds from the smallest size on.

    A rule has to be seen through two periods.
    """
    inside = [False] * (last + 1)
    for size in members:
        inside[size] = True
    best: tuple[int, int] | None = None
    for period in range(1, min(LONGEST_PERIOD, last // 2) + 1):
        start = last - period
        while start >= 1 and inside[start] == inside[start + period]:
            start -= 1
        start += 1
        if last - start + 1 >= 2 * period and (best is None or start < best[0]):
            best = (start, period)
    listed = [size for size in range(1, last + 1) if inside[size]]
    if best is None:
        return Pattern(listed, 0, [], last + 1)
    start, period = best
    inner = [size for size in range(start, start + period) if inside[size]]
    if not inner:
        return Pattern(listed, 1, [], start)
    remainders = sorted(size % period for size in inner)
    return Pattern([size for size in listed if size < start], period, remainders, inner[0])


# What gives an output -------------------------------------------------------------------------------------------------


def inputs_for(
    path: str | Path, output: Sizes, layer: str = "", settings: Iterable[str] = (), channels: int | None = None
) -> Inputs:
    """The inputs that give an output of `output` places, one number an axis, at a layer or at the network's end.

    One number is the same along all axes. Raises `DocumentError`, also where the output has other `channels`.
    """
    with collection_paused():
        return _inputs_for(_document(path, settings), output, layer, channels)


def _inputs_for(document: _Document, output: Sizes, layer: str, channels: int | None) -> Inputs:
    end = _named(document.own, layer) if layer else document.own.outputs[0]
    place = end if layer else _last_map(end)
    rank = len(document.sizes)
    if len(place.output) != rank + 1:
        message = f"the output of {quoted(place.name)} has no height and width: {_shape(document.own, place.output)}"
        raise _refused("no-spatial-dimensions", message, "name a layer before it: --layer")
    if channels not in (None, place.output[0]):
        message = (
            f"the output of {quoted(place.name)} has {place.output[0]} channels whatever the input, not {channels}"
        )
        raise _refused("other-channels", message)
    wanted = output * rank if len(output) == 1 else output
    if len(wanted) != rank:
        message = f"the output has {rank} spatial sizes, not {len(output)}"
        raise _refused("wrong-number-of-sizes", message, "give one number, or one for each of them")
    along = [_Along(document, place.name, axis) for axis in range(rank)]
    axes = [one.answer(size) for one, size in zip(along, wanted, strict=True)]
    separable = _separable(document, place.name, axes)
    return Inputs(
        SCHEMA_VERSION,
        document.own.name,
        document.own.source,
        document.own.layout,
        list(document.input.output),
        place.name,
        list(wanted),
        end.name if place is not end else "",
        separable,
        [] if separable else _squares(document, place.name, wanted),
        axes,
    )


def _shape(network: Network, shape: Shape) -> str:
    return shape_text(shape, network.layout)


def _named(network: Network, name: str) -> Value:
    """The layer of that name, or the last one of a block of that name."""
    inside = [node for node in network.nodes if node.name == name or node.name.startswith(f"{name}.")]
    if inside:
        return inside[-1]
    if network.inputs[0].name == name:
        return network.inputs[0]
    help = did_you_mean(near(name, [node.name for node in network.nodes]), "`cnncalc analyze` lists the layers")
    raise _refused("unknown-layer", f"there is no layer {quoted(name)}", help)


def _last_map(value: Value) -> Value:
    """The last value with more than one place on the way to this one."""
    while isinstance(value, Node) and (len(value.output) == 1 or max(value.output[1:]) == 1):
        value = value.inputs[0]
    return value


def _separable(document: _Document, layer: str, axes: Sequence[AxisInputs]) -> bool:
    """Whether axes do not ask for one another.

    The ends of the ranges have to give the output in every combination, and an input that is taken when all axes grow
    has to be taken when one does.
    """
    for step in (1, 2, 32):
        grown = tuple(size + step for size in document.sizes)
        if _output(document, layer, grown) is not None:
            for axis, size in enumerate(grown):
                one = (*document.sizes[:axis], size, *document.sizes[axis + 1 :])
                if _output(document, layer, one) is None:
                    return False
    if any(axis.first is None for axis in axes):
        return True
    corners: list[Sizes] = [()]
    for answer in axes:
        ends = [end for end in dict.fromkeys((answer.first, answer.last)) if end is not None]
        corners = [(*corner, end) for corner in corners for end in ends]
    return all(_output(document, layer, corner) == tuple(answer.output for answer in axes) for corner in corners)


def _squares(document: _Document, layer: str, wanted: Sizes) -> list[int]:
    """The inputs with equal sides that give the output, as far as sizes are tried one by one."""
    rank = len(document.sizes)
    tried = range(1, min(max(document.sizes) + BEYOND, document.most) + 1)
    return [size for size in tried if _output(document, layer, (size,) * rank) == wanted]


def _output(document: _Document, layer: str, sizes: Sizes) -> Sizes | None:
    """The spatial sizes of a layer's output; None where the network does not take the input."""
    network = document.at(sizes)
    if isinstance(network, DocumentError):
        return None
    value = network.inputs[0] if layer == network.inputs[0].name else network[layer]
    return value.output[1:]


@dataclass(slots=True)
class _Along:
    """A network's output along one axis as the input changes along it, the other axes as in the document."""

    document: _Document
    layer: str
    axis: int
    outputs: dict[int, int] = field(default_factory=dict)  # 0 where the network does not take the input

    def output(self, size: int) -> int:
        if size not in self.outputs:
            sizes = list(self.document.sizes)
            sizes[self.axis] = size
            output = _output(self.document, self.layer, tuple(sizes))
            self.outputs[size] = 0 if output is None else output[self.axis]
        return self.outputs[size]

    def answer(self, wanted: int) -> AxisInputs:
        own = self.document.sizes[self.axis]
        if all(self.output(size) for size in range(own, own + 4)):
            top = self.top(wanted, own)
            span = range(1, top + 1)
            first = bisect_left(span, wanted, key=self.output) + 1
            after = bisect_left(span, wanted + 1, key=self.output) + 1
            if (
                all(self.output(size) == wanted for size in range(first, min(after, first + MOST_HELD)))
                and self.grows()
            ):
                return self.ranged(wanted, first, after, top)
        return self.listed(wanted, own)

    def top(self, wanted: int, own: int) -> int:
        """An input that gives more than what is wanted, or the largest that is tried."""
        size = max(own, 2)
        while self.output(size) <= wanted and self.output(size) and size < LARGEST_INPUT:
            size *= 2
        return size if self.output(size) else size // 2

    def grows(self) -> bool:
        """Whether the outputs seen so far never shrink as the input grows, what is refused counting as 0."""
        seen = [self.outputs[size] for size in sorted(self.outputs)]
        return seen == sorted(seen)

    def ranged(self, wanted: int, first: int, after: int, top: int) -> AxisInputs:
        below = (self.output(first - 1), first - 1) if first > 1 and self.output(first - 1) else None
        above = (self.output(after), after) if after <= top else None
        if first == after:
            return AxisInputs(wanted, None, None, None, False, below, above)
        return AxisInputs(wanted, first, after - 1, None, after > top, below, above)

    def listed(self, wanted: int, own: int) -> AxisInputs:
        """By trying one size after another, as far as the output could come from."""
        likely = 2 * own * wanted // max(1, self.output(own))
        last = max(own + BEYOND, min(likely, self.document.most // (2 * len(self.document.sizes))))
        tried = range(max(1, last - self.document.most), last + 1)
        outputs = {size: output for size in tried if (output := self.output(size))}
        sizes = [size for size, output in outputs.items() if output == wanted]
        below = max([(output, size) for size, output in outputs.items() if output < wanted], default=None)
        above = min([(output, size) for size, output in outputs.items() if output > wanted], default=None)
        if not sizes:
            return AxisInputs(wanted, None, None, None, False, below, above)
        closed = len(sizes) == sizes[-1] - sizes[0] + 1
        return AxisInputs(wanted, sizes[0], sizes[-1], None if closed else sizes, False, below, above)


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(found: Accepted | Inputs, indent: int | None = 2) -> str:
    text: str = _adapter(type(found)).dump_json(found, indent=indent).decode()
    return text


def _adapter(answer: type[Accepted] | type[Inputs]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(answer)
