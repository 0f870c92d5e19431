"""`explain`: where a number comes from, as workings: each a formula in letters, with its numbers, and what comes out.

Nothing is calculated here. The network is analysed inside a recording, so that every number of its report remembers
the steps it was made in (`readings.py`); a derivation reads them off, back from the number that is asked for. A step of
another layer is named, not explained again. Words are keys of `messages`, which a format looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from cnncalc import formulas
from cnncalc.analysis import analyze
from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near, quoted
from cnncalc.graph import Network, Node, Value
from cnncalc.layers.base import AxisReach, Operations, along, sum_of
from cnncalc.passes.receptive_field import Field, receptive_fields
from cnncalc.readings import Dimension, Step, in_letters, part, recording
from cnncalc.report import LayerReport, Report
from cnncalc.shapes import DTYPE_BYTES, Layout, Shape, elements
from cnncalc.tree import Tree


@dataclass(slots=True)
class Term:
    """One term of a sum over layers: the layer, and the last step in which its number was made."""

    layer: str
    step: Step

    @property
    def value(self) -> int:
        return self.step.value


@dataclass(slots=True)
class Working:
    """One formula with its numbers.

    `letters` stand for these numbers; those that come from another layer have its name in `sources`. `called` are the
    letters under which later workings use the value; `dimensions` are those it is the same along. `terms` are a sum's
    over layers, and empty for everything else.
    """

    formula: Callable[..., int]
    letters: dict[str, int]
    value: int
    sources: dict[str, str] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    dimensions: list[Dimension] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)

    @property
    def expression(self) -> Tree | int:
        """The formula in its letters."""
        return in_letters(self.formula, len(self.letters))

    @property
    def unit(self) -> str:
        """What the value counts, a key of `messages`."""
        unit: str = self.formula.unit  # type: ignore[attr-defined]
        return unit


@dataclass(slots=True)
class Derivation:
    """How one quantity of a layer, a block or (`layer` empty) the whole network comes about.

    `value` is a number or sizes, a shape being [channels, *spatial], and None where nothing describes it; the last
    working's value is the number. Without workings the layer gives the sizes, or there is nothing to count. `unit` is a
    key of `messages`, or what the sizes are of: a "shape", "matrix" or "tensor".
    """

    layer: str
    quantity: str
    steps: list[Working]
    value: int | list[int] | None
    unit: str


@dataclass(slots=True)
class Explanation:
    """Derivations of a network for a batch and number format: what a format writes."""

    name: str
    source: str
    layout: Layout
    batch: int
    dtype: str
    derivations: list[Derivation]


# What can be asked ----------------------------------------------------------------------------------------------------

SORTS = Operations._fields
COUNTS: dict[str, str] = {
    "parameters": "parameters",
    "weights": "weights",
    "biases": "biases",
    "buffers": "values",
    "macs": "MACs",
    "connections": "connections",
    "neurons": "neurons",
    "activations": "values",
    "memory": "bytes",
    **{sort: sort for sort in SORTS},
    "flops": "operations",
}
OF_LAYERS = ("output", "receptive_field", *COUNTS)
OF_NETWORKS = ("output", "receptive_field", *COUNTS, "prediction", "training", "depth")
SEVERAL = {"operations": SORTS}

# What is told where nothing particular is asked.
USUAL_OF_LAYERS = ("output", "parameters", "buffers", "macs", "memory", "receptive_field", "neurons", "connections")
USUAL_OF_NETWORKS = ("parameters", "buffers", "macs", "memory", "prediction", "training", "depth")


def explain(
    network: Network, layer: str | None = None, quantity: str | None = None, batch: int = 1, dtype: str = "float32"
) -> list[Derivation]:
    """How a quantity of a layer, of a block (its name), or of the whole network (no name) comes about.

    Without a quantity the usual ones that are not 0, and for a layer what a homework asks beside. Counts are for one
    image, bytes for `batch` images of a number format. Raises `DocumentError` for a layer or quantity that is not
    there, ValueError for a batch below 1 or an unknown dtype.
    """
    return Explained(network, batch, dtype).derivations(layer, quantity)


class Explained:
    """A network analysed once, whose numbers remember how they were made."""

    def __init__(self, network: Network, batch: int = 1, dtype: str = "float32") -> None:
        self.batch, self.dtype = batch, dtype
        with recording(), collection_paused():
            self.network = _recorded(network)
            self.report = analyze(self.network, batch, dtype)
            self.fields = receptive_fields(self.network)
        self.rows = {row.name: (node, row) for node, row in zip(self.network, self.report.layers, strict=True)}

    def explanation(self, layers: Sequence[str] = (), quantities: Sequence[str] = ()) -> Explanation:
        """These quantities of these layers and blocks; where none is named, the whole network and the usual ones."""
        found: list[Derivation] = []
        usual: list[str | None] = [None]
        for layer in layers or [""]:
            for quantity in quantities or usual:
                found += self.derivations(layer, quantity)
        network = self.network
        return Explanation(network.name, network.source, network.layout, self.batch, self.dtype, found)

    def derivations(self, layer: str | None = None, quantity: str | None = None) -> list[Derivation]:
        """See `explain`."""
        with recording():
            if not layer:
                return list(self._of_network(quantity))
            if layer in self.rows:
                return list(self._of_layer(*self.rows[layer], quantity))
            return list(self._of_block(layer, quantity))

    # A layer ----------------------------------------------------------------------------------------------------------

    def _of_layer(self, node: Node, row: LayerReport, asked: str | None) -> Iterator[Derivation]:
        asides = list(self._asides(node)) if asked not in (*OF_LAYERS, *SEVERAL) else []
        if asked is not None:
            asides = [aside for aside in asides if f"{aside.quantity}_".startswith(f"{asked}_")]
        for quantity in [] if asked and asides else _quantities(asked, OF_LAYERS, USUAL_OF_LAYERS):
            if quantity == "output":
                yield _shape(row.name, quantity, row.output)
            elif quantity == "receptive_field":
                yield from self._field(node, row)
            else:
                with part(row.name):
                    value = _counted(row, quantity)
                yield from _told(asked, row.name, quantity, value)
        yield from asides

    def _asides(self, node: Node) -> Iterator[Derivation]:
        """Of a layer with one input, which is looked at before it was flattened."""
        if len(node.inputs) != 1:
            return
        before = _before_views(node.inputs[0])
        with part(node.name):
            asides = node.layer.asides(_plain(before.output), node.output, DTYPE_BYTES[self.dtype])
        for name, value in asides:
            if isinstance(value, tuple):
                yield replace(_shape(node.name, name, list(value)), unit="matrix" if len(value) == 2 else "tensor")
            else:
                yield _derivation(node.name, name, value, "")

    def _field(self, node: Node, row: LayerReport) -> Iterator[Derivation]:
        field = self.fields[node]
        if field is None:
            yield Derivation(row.name, "receptive_field", [], None, "pixels")
            return
        windowed = self._through_windows(node, field)
        if windowed is not None:
            yield from windowed
            return
        workings = _Workings(None)
        for size in field.size:
            workings.add(size)
        yield Derivation(row.name, "receptive_field", workings.found, list(map(int, field.size)), "pixels")

    def _through_windows(self, node: Node, field: Field) -> list[Derivation] | None:
        """The textbook's recurrence, where it holds: a window over units that lie at even distances."""
        before = self._seen_by(node.inputs[0]) if len(node.inputs) == 1 else None
        reach = node.facts.reach
        if before is None or before.jump is None or before.start is None or not isinstance(reach, tuple):
            return None
        if field.jump is None or field.start is None or len(reach) != len(field.size):
            return None
        sizes, jumps, starts = [], [], []
        for a, own in enumerate(reach):
            if not (isinstance(own, AxisReach) and len(own.low.steps) == 1 == len(own.high.steps)):
                return None
            j = before.jump[a]
            if j.denominator != 1 or own.low.advance != own.high.advance:
                return None
            P, F = -own.low.steps[0], own.high.steps[0] - own.low.steps[0] + 1
            with part(node.name), along(a, len(reach)):
                sizes.append(formulas.field_size(int(before.size[a]), F, int(j)))
                jumps.append(formulas.field_jump(int(j), own.low.advance))
                starts.append(formulas.field_start(before.start[a], P, int(j)))
        if (*sizes, *jumps, *starts) != (*field.size, *field.jump, *field.start):
            return None
        named = {"receptive_field": sizes, "jump": jumps, "start": starts}
        return [replace(_shape(node.name, name, values), unit="pixels") for name, values in named.items()]

    def _seen_by(self, value: Value) -> Field | None:
        if isinstance(value, Node):
            return self.fields[value]
        rank = len(value.output) - 1
        return Field(value, (1,) * rank, (Fraction(1),) * rank, (0,) * rank)

    # A block ----------------------------------------------------------------------------------------------------------

    def _of_block(self, block: str, asked: str | None) -> Iterator[Derivation]:
        members = [pair for name, pair in self.rows.items() if name.startswith(block + ".")]
        if not members:
            raise _unknown_layer(block, self.report)
        rows = [row for _, row in members]
        for quantity in _quantities(asked, OF_LAYERS, USUAL_OF_LAYERS):
            if quantity in ("output", "receptive_field"):
                yield from [replace(one, layer=block) for one in self._of_layer(*members[-1], quantity)]
            else:
                yield from _told(asked, block, quantity, _sum(block, rows, quantity))

    # The whole network ------------------------------------------------------------------------------------------------

    def _of_network(self, asked: str | None) -> Iterator[Derivation]:
        totals = self.report.totals
        for quantity in _quantities(asked, OF_NETWORKS, USUAL_OF_NETWORKS):
            if quantity in ("output", "receptive_field"):
                for value in self.network.outputs:
                    if isinstance(value, Node):
                        yield from self._of_layer(*self.rows[value.name], quantity)
            elif quantity == "prediction":
                yield _derivation("", quantity, totals.memory.prediction, "bytes")
            elif quantity == "training":
                yield _derivation("", quantity, totals.memory.training, "bytes")
            elif quantity == "depth":
                yield self._depth()
            elif quantity == "neurons":
                yield from _told(asked, "", quantity, _sum("", self.report.layers, quantity))
            else:
                yield from _told(asked, "", quantity, _counted(totals, quantity))

    def _depth(self) -> Derivation:
        sorts = self.report.totals.depth.sorts
        found = _derivation("", "depth", formulas.total(*sorts.values()), "layers")
        found.steps[-1].sources = dict(zip(found.steps[-1].letters, sorts, strict=True))
        return found


# From numbers to workings ---------------------------------------------------------------------------------------------


class _Workings:
    """The steps of one place that numbers were made in, each after those that it uses; equal ones once."""

    def __init__(self, place: str | None) -> None:
        self.place = place  # None: any
        self.found: list[Working] = []
        self.known: dict[object, Working] = {}

    def add(self, number: int) -> Working | None:
        """The working of a number; None where it is none of this place's: given, or made elsewhere."""
        step = _step(number)
        if step is None or self.place not in (None, step.place):
            return None
        terms = [Term(term.place, term) for t in step.letters.values() if (term := _step(t)) is not None]
        over_layers = step.formula is formulas.total and any(term.layer != step.place for term in terms)
        if not over_layers:
            for letter, given in step.letters.items():
                if (before := self.add(given)) is not None and letter not in before.called:
                    before.called.append(letter)
        key = step.formula, tuple(step.letters.values())
        working = self.known.get(key)
        if working is None or over_layers:
            letters = {letter: int(given) for letter, given in step.letters.items()}
            working = self.known[key] = Working(step.formula, letters, step.value)
            working.terms = terms if over_layers else []
            self.found.append(working)
        if self.place is not None and not over_layers:
            for letter, given in step.letters.items():
                if (term := _step(given)) is not None and term.place != self.place:
                    working.sources[letter] = term.place
        if step.dimension is not None and step.dimension not in working.dimensions:
            working.dimensions.append(step.dimension)
        return working


def _step(number: int) -> Step | None:
    step: Step | None = getattr(number, "step", None)
    return step


def _derivation(layer: str, quantity: str, value: int, unit: str) -> Derivation:
    """Of one number; that of a single other layer becomes a sum of one term. No unit: that of its last step."""
    step = _step(value)
    if step is not None and step.place != layer:
        with part(layer):
            value = formulas.total(value)
    workings = _Workings(layer)
    last = workings.add(value)
    return Derivation(layer, quantity, workings.found, int(value), unit or (last.unit if last is not None else ""))


def _shape(layer: str, quantity: str, sizes: list[int]) -> Derivation:
    workings = _Workings(layer)
    for size in sizes:
        workings.add(size)
    return Derivation(layer, quantity, workings.found, list(map(int, sizes)), "shape")


def _told(asked: str | None, layer: str, quantity: str, value: int) -> Iterator[Derivation]:
    """A count, if it is not 0 or was asked for by its name."""
    if value or asked == quantity:
        yield _derivation(layer, quantity, value, COUNTS[quantity])


def _counted(of: Any, quantity: str) -> int:
    """A count of a layer's row or of the totals."""
    if quantity in SORTS:
        count: int = of.operations.get(quantity, 0)
    elif quantity == "flops":
        count = sum_of(of.operations.values())
    else:
        count = getattr(of, "activation_bytes" if quantity == "memory" else quantity)
    return count


def _sum(block: str, rows: list[LayerReport], quantity: str) -> int:
    with part(block):
        if quantity == "parameters":
            return formulas.parameters(_sum(block, rows, "weights"), _sum(block, rows, "biases"))
        if quantity == "flops":
            return sum_of([_sum(block, rows, sort) for sort in SORTS])
        return sum_of([_counted(row, quantity) for row in rows])


# The network ----------------------------------------------------------------------------------------------------------


def _recorded(network: Network) -> Network:
    """The same network, each layer's facts found again inside a recording, from sizes that are simply given."""
    made: dict[Value, Value] = {value: value for value in network.inputs}
    nodes = []
    for node in network.nodes:
        inputs = tuple([made[value] for value in node.inputs])
        with part(node.name):
            facts = node.layer.facts(tuple([_plain(value.output) for value in inputs]))
        nodes.append(replace(node, inputs=inputs, facts=facts))
        made[node] = nodes[-1]
    return replace(network, nodes=tuple(nodes), outputs=tuple([made[value] for value in network.outputs]))


def _plain(shape: Shape) -> Shape:
    return tuple([int(size) for size in shape])


def _before_views(value: Value) -> Value:
    """What a vector was before it was flattened."""
    while len(value.output) == 1 and isinstance(value, Node) and value.layer.shares_input:
        (before,) = value.inputs
        if elements(before.output) != elements(value.output):
            break
        value = before
    return value


# What cannot be asked -------------------------------------------------------------------------------------------------


def _quantities(asked: str | None, known: tuple[str, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    if asked is None:
        return usual
    if asked in SEVERAL:
        return SEVERAL[asked]
    if asked not in known:
        names = [*known, *SEVERAL]
        help = did_you_mean(near(asked, names), f"known: {', '.join(names)}")
        raise DocumentError(Diagnostic("unknown-quantity", f"`{asked}` is nothing that can be explained", help=help))
    return (asked,)


def _unknown_layer(name: str, report: Report) -> DocumentError:
    names = [row.name for row in report.layers]
    blocks = {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}
    help = did_you_mean(near(name, [*names, *sorted(blocks)]), f"`cnncalc analyze {report.source}` lists the layers")
    return DocumentError(Diagnostic("unknown-layer", f"no layer or block {quoted(name)}", help=help))
