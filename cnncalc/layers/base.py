"""What every layer kind is made of: its base classes, the facts a layer answers with, and the types of its fields.

A kind is a frozen record (its fields are the words a document writes) plus what is true of that kind alone:
`check`, `output`, `parameters`, `operations`, `reach`. The engine asks once, through `facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

from cnncalc import formulas
from cnncalc.closed import NoClosedForm, beside
from cnncalc.indexing import IndexMap, PeriodTooLong
from cnncalc.layers.fields import Declared, SideSizes
from cnncalc.readings import Dimension, part
from cnncalc.shapes import Shape, elements, sizes_text

# What a layer answers with --------------------------------------------------------------------------------------------

Role = Literal["weight", "bias", "buffer", "counter"]


class Parameter(NamedTuple):
    """A named tensor a layer holds.

    `weight` and `bias` are trained; a `buffer` is not (running statistics, fixed centres); a `counter` is an int64
    scalar that a framework keeps beside them (torch's num_batches_tracked) and that counts as nothing here. `size` is
    how many numbers it holds, by the formula that says why: the product of its shape.
    """

    name: str
    shape: Shape
    role: Role
    size: int


class Operations(NamedTuple):
    """Exact counts of arithmetic for one image.

    An accumulation of n products is n multiplies and n adds, a bias one add more: so 2 · macs + biases + every other
    operation is what adding all these up gives. Sign changes, copies and indexing are not arithmetic.
    """

    multiplies: int = 0
    adds: int = 0  # subtractions too
    comparisons: int = 0
    divisions: int = 0
    exponentials: int = 0
    logarithms: int = 0
    roots: int = 0  # square roots
    powers: int = 0  # any other exponent
    error_functions: int = 0

    def __add__(self, other: Operations) -> Operations:  # type: ignore[override]
        return Operations(*[sum_of((a, b)) for a, b in zip(self, other, strict=True)])

    def times(self, count: int, of: Callable[[int, int], int] = formulas.per_element) -> Operations:
        """These for each of `count` values, or of what else the formula `of` speaks."""
        return Operations(*[of(operation, count) if operation else 0 for operation in self])


NO_OPERATIONS = Operations()


def sum_of(terms: Iterable[int]) -> int:
    """The sum of those terms that are not 0 (a size that is left open is no int, and may be); of one term, itself."""
    counted = [term for term in terms if not issubclass(type(term), int) or term]
    return formulas.total(*counted) if len(counted) > 1 else counted[0] if counted else 0


class Work(NamedTuple):
    """A line of the ledger: what a layer, or an activation fused into it, does for one image, and over how much.

    Every count of arithmetic comes from these lines, ours and those of other tools.
    """

    kind: str  # the layer's, or that of the activation
    inputs: int  # elements that it reads, of all its paths
    outputs: int  # elements that it makes
    macs: int = 0  # multiply-accumulates: of weights and activations, or of the activations of two paths
    bias_adds: int = 0  # biases added to sums of such products
    others: Operations = NO_OPERATIONS  # all other arithmetic

    @property
    def operations(self) -> Operations:
        """All of it: an accumulation of n products is n multiplies and n adds, a bias one add more."""
        multiplies, adds, *rest = self.others
        adds = sum_of((adds, self.bias_adds))
        if self.macs:
            multiplies, adds = formulas.with_macs(multiplies, self.macs), formulas.with_macs(adds, self.macs)
        return Operations(multiplies, adds, *rest)


class Filters(NamedTuple):
    """What a convolution with shared weights is: a window's sizes along each dimension, and which channels it joins."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    in_channels: int
    out_channels: int
    bias: bool


class AxisReach(NamedTuple):
    """Along one spatial axis: the first and the last input index that output index o reads."""

    low: IndexMap
    high: IndexMap


class Everything:
    """Each output unit reads the whole input (a dense layer, global pooling)."""


class Rearranged:
    """Each output unit is one input unit, but places are gone: a flatten, a reshape."""


class Pointwise:
    """Each output unit reads the place it stands at, and nothing else along any axis."""


class AxesSwapped(NamedTuple):
    """Spatial axes in another order; `order[a]` is the input axis that output axis a was."""

    order: tuple[int, ...]


class Untracked:
    """Units read different parts of the input, as no window does (a spatial concat, channels of a vector)."""


@dataclass(frozen=True, slots=True)
class PathByPath:
    """A merge that reads each of its paths in a way of its own."""

    paths: tuple[Reach, ...]


Reach = Pointwise | Everything | Rearranged | AxesSwapped | Untracked | PathByPath | tuple[AxisReach, ...]

POINTWISE, EVERYTHING, REARRANGED, UNTRACKED = Pointwise(), Everything(), Rearranged(), Untracked()


class Remark(NamedTuple):
    """Something a layer has to say that is no error; `field` is the field it speaks of."""

    code: str
    message: str
    field: str = ""


@dataclass(slots=True, eq=False)  # not frozen: that trebles the time to make one, and every distinct layer makes one
class Facts:
    """All that is true of a layer given its inputs; every count for one image. Nothing changes it once it is made."""

    output: Shape
    parameters: tuple[Parameter, ...]
    weights: int
    biases: int
    buffers: int
    work: tuple[Work, ...]
    macs: int
    operations: Operations
    connections: int
    activations: int
    reach: Reach
    remarks: tuple[Remark, ...]
    unknown: str = ""  # an operator that no kind stands for: its work is in none of these counts

    def holding(self, parameters: Iterable[Parameter]) -> Facts:
        """Those of a layer that holds these parameters; others are another layer's, and counted there."""
        held = tuple(parameters)
        sizes = {role: sum_of([one.size for one in held if one.role == role]) for role in ("weight", "bias", "buffer")}
        return replace(self, parameters=held, weights=sizes["weight"], biases=sizes["bias"], buffers=sizes["buffer"])


class Aside(NamedTuple):
    """A number, or sizes, that a homework asks beside those of `Facts`; `name` is a key of `messages`."""

    name: str
    value: int | tuple[int, ...]


class LayerError(Exception):
    """A layer that cannot be: raised by kinds, turned into a Diagnostic where the layer's place is known.

    `message` and `help` may hold `{0}`, `{1}` ...: the given shapes, written as the document writes shapes. `field` is
    the field at fault; `sources` are the positions of inputs whose origin a note should name.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *shapes: Shape,
        field: str = "",
        label: str = "",
        help: str = "",
        sources: Iterable[int] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.shapes = code, message, shapes
        self.field, self.label, self.help, self.sources = field, label, help, tuple(sources)


# Sizes ----------------------------------------------------------------------------------------------------------------


def per_axis(value: int | tuple[int, ...], rank: int, field: str) -> tuple[int, ...]:
    """A size for each of `rank` spatial dimensions."""
    if isinstance(value, int):
        return (value,) * rank
    check_length(value, rank, field)
    return value


def sides(value: SideSizes, rank: int, field: str) -> list[tuple[int, int]]:
    """(before, after) for each of `rank` spatial dimensions."""
    if isinstance(value, int):
        return [(value, value)] * rank
    check_length(value, rank, field)
    return [(side, side) if isinstance(side, int) else side for side in value]


def along(a: int, rank: int) -> part:
    """What is calculated inside is of spatial dimension a: the height, the width."""
    return part(Dimension(a, rank))


def check_length(value: tuple[Any, ...], rank: int, field: str) -> None:
    if len(value) != rank:
        raise LayerError(
            "wrong-number-of-sizes",
            f"`{field}` has {len(value)} {'size' if len(value) == 1 else 'sizes'}, "
            f"but the input has {rank} spatial {'dimension' if rank == 1 else 'dimensions'}",
            field=field,
            label=f"{rank} needed" if rank else "",
            help=f"give one number, or a list of {rank}" if rank else "put this layer where the input is still spatial",
        )


def spatial(input: Shape, kind: str) -> tuple[int, ...]:
    """The spatial sizes; an error where there are none."""
    if len(input) == 1:
        raise LayerError(
            "no-spatial-dimensions",
            f"`{kind}` needs a spatial input, but gets a vector of {input[0]}",
            sources=(0,),
            help="put it before the layer that flattens, or use `reshape` first",
        )
    return input[1:]


def check_divides(channels: int, groups: int, field: str) -> None:
    if channels % groups:
        raise LayerError(
            "groups-divide-channels",
            f"{channels} channels do not split into {groups} equal groups",
            field=field,
            label=f"must divide {channels}",
            sources=(0,),
        )


def check_axis(axis: int, input: Shape, field: str) -> None:
    if axis >= len(input):
        raise LayerError(
            "no-such-axis",
            f"axis {axis} does not exist in {{0}}",
            input,
            field=field,
            sources=(0,),
            help=f"use 0 (channels) to {len(input) - 1}",
        )


# The base classes -----------------------------------------------------------------------------------------------------


class Kind(Declared):
    """What layers and merges have in common."""

    kind: ClassVar[str]
    main: ClassVar[str] = ""  # the field that `kind: value` sets
    summary: ClassVar[str]  # one line for the table of kinds
    weighted: ClassVar[str] = ""  # counts towards depth, as "convolution" or "dense"

    def facts(self, inputs: tuple[Shape, ...]) -> Facts:
        """What is true of this layer given the shapes that enter it; raises `LayerError` where it cannot be."""
        raise NotImplementedError

    @property
    def shares_input(self) -> bool:
        """Whether the output is the input's own memory (a view, or in place), so that it makes no tensor."""
        return False

    def title(self, inputs: tuple[Shape, ...]) -> str:
        """What a table shows beside the kind, e.g. `3x3/2`."""
        return ""

    def filters(self, input: Shape) -> Filters | None:
        """The filters that this layer slides over the whole input, the same at every position; None if it has none."""
        return None

    def asides(self, input: Shape, output: Shape, width: int) -> tuple[Aside, ...]:
        """What else a homework asks, `width` being the bytes of a number."""
        return ()

    def answer(
        self,
        output: Shape,
        work: tuple[Work, ...],
        parameters: tuple[Parameter, ...] = (),
        connections: int = 0,
        reach: Reach = POINTWISE,
        remarks: tuple[Remark, ...] = (),
    ) -> Facts:
        """Facts, with the sums that follow from what a kind says."""
        counts: dict[Role, list[int]] = {"weight": [], "bias": [], "buffer": [], "counter": []}
        for parameter in parameters:
            counts[parameter.role].append(parameter.size)
        first, *fused = work
        operations = first.operations
        for line in fused:
            operations += line.operations
        return Facts(
            output=output,
            parameters=parameters,
            weights=sum_of(counts["weight"]),
            biases=sum_of(counts["bias"]),
            buffers=sum_of(counts["buffer"]),
            work=work,
            macs=first.macs,
            operations=operations,
            connections=connections,
            activations=0 if self.shares_input else formulas.output_elements(*output),
            reach=reach,
            remarks=remarks,
        )


class Layer(Kind):
    """A kind with one input. A page overrides what it has something to say about; the defaults change nothing."""

    def check(self, input: Shape) -> None:
        """Raise `LayerError` if this layer cannot take this input."""

    def output(self, input: Shape) -> Shape:
        return input

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        return ()

    def operations(self, input: Shape, output: Shape) -> Operations:
        """Arithmetic of one image beyond its multiply-accumulates and their biases."""
        return NO_OPERATIONS

    def work(self, input: Shape, output: Shape) -> tuple[Work, ...]:
        """The layer's lines of the ledger: its own, and that of an activation fused into it."""
        return (Work(self.kind, elements(input), elements(output), others=self.operations(input, output)),)

    def connection_count(self, input: Shape, output: Shape) -> int:
        """Uses of a weight or bias beyond the multiply-accumulates (LeCun et al. 1998 count both)."""
        return 0

    def reach(self, input: Shape, output: Shape) -> Reach:
        return POINTWISE

    def remarks(self, input: Shape, output: Shape) -> tuple[Remark, ...]:
        return ()

    def facts(self, inputs: tuple[Shape, ...]) -> Facts:
        (input,) = inputs
        self.check(input)
        output = self.output(input)
        work = self.work(input, output)
        macs, uses = work[0].macs, self.connection_count(input, output)
        return self.answer(
            output,
            work,
            self.parameters(input),
            formulas.connections(macs, uses) if macs and uses else macs or uses,
            self._tracked_reach(input, output),
            known_remarks(self.remarks, input, output),
        )

    def _tracked_reach(self, input: Shape, output: Shape) -> Reach:
        try:
            with beside():
                return self.reach(input, output)
        except PeriodTooLong:
            return UNTRACKED


def known_remarks(remarks: Callable[..., tuple[Remark, ...]], *shapes: Any) -> tuple[Remark, ...]:
    """A layer's remarks; none where sizes that are not known decide on them."""
    try:
        with beside():
            return remarks(*shapes)
    except NoClosedForm:
        return ()


def across_channels(input: Shape, all_of_them: bool = False) -> Reach:
    """The reach of a layer that mixes the channels of one place: nothing on a map, other units on a vector."""
    if len(input) > 1:
        return POINTWISE
    return EVERYTHING if all_of_them else UNTRACKED


def window_title(kernel: tuple[int, ...], stride: tuple[int, ...]) -> str:
    """`3x3/2`: a window's size and, where it is not 1, its stride."""
    step = "" if set(stride) == {1} else f"/{stride[0]}" if len(set(stride)) == 1 else f"/{sizes_text(stride)}"
    return sizes_text(kernel) + step
