"""What convolutions and poolings share: a window that slides over the spatial dimensions."""

from functools import reduce
from math import gcd
from typing import Annotated, Any, Literal, NamedTuple

from cnncalc import formulas
from cnncalc.indexing import IndexMap
from cnncalc.layers.base import (
    AxisReach,
    Kind,
    Layer,
    LayerError,
    Reach,
    Remark,
    along,
    check_length,
    per_axis,
    spatial,
    window_title,
)
from cnncalc.layers.fields import SideSizes, choice, sides_or
from cnncalc.messages import Told, told
from cnncalc.readings import remembered
from cnncalc.shapes import Shape, sizes_text

Rounding = Annotated[Literal["floor", "ceil", "exact"], choice("floor", "ceil", "exact")]
Padding = Annotated[SideSizes | Literal["valid", "same", "full"], sides_or("valid", "same", "full")]
PoolPadding = Annotated[SideSizes | Literal["valid", "same"], sides_or("valid", "same")]


LARGEST_COUNTED = 1_000_000  # positions that a remark is worth looking at one by one


class Axis(NamedTuple):
    """A window along one spatial dimension, padding and output resolved."""

    input: int
    kernel: int
    effective_kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output: int
    remainder: int  # what the division leaves over: positions of the padded input after the last window

    @property
    def unread_input(self) -> int:
        """Input positions, at the end, after the last window."""
        end = (self.output - 1) * self.stride - self.before + self.effective_kernel
        return self.input - min(max(end, 0), self.input)

    @property
    def skipped(self) -> int:
        """Input positions that no window reads, where some lie between windows (a stride beyond the window)."""
        if self.stride <= self.effective_kernel:
            return self._missed_by_dilation if self.dilation > 1 else 0
        # In the padded input, where windows start at multiples of the stride.
        first, last = self.before, min((self.output - 1) * self.stride, self.input + self.before)
        between = max(0, last - first - self._read_before(last) + self._read_before(first))
        return between + self.unread_input if between else 0

    @property
    def _missed_by_dilation(self) -> int:
        """Input positions between the first and the last window that the holes of a dilated kernel always fall on."""
        if min(self.kernel, self.stride // gcd(self.stride, self.dilation)) == self.stride:
            return 0  # every phase of the stride meets some kernel position
        if self.output * self.kernel + self.input > LARGEST_COUNTED:
            return 0
        read = {o * self.stride + k * self.dilation for k in range(self.kernel) for o in range(self.output)}
        return sum(position + self.before not in read for position in range(self.input))

    def _read_before(self, position: int) -> int:
        """Positions before this one of the padded input that windows read, where none overlap."""
        windows, rest = divmod(position, self.stride)
        return windows * self.effective_kernel + min(rest, self.effective_kernel)


@remembered
def window_axes(
    sizes: tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None,
    padding: Any,
    dilation: int | tuple[int, ...],
    rounding: str,
) -> tuple[Axis, ...]:
    """The window along each dimension; raises `LayerError` where it does not fit."""
    rank = len(sizes)
    kernels = per_axis(kernel_size, rank, "kernel_size")
    strides = kernels if stride is None else per_axis(stride, rank, "stride")
    dilations = per_axis(dilation, rank, "dilation")
    if isinstance(padding, tuple):
        check_length(padding, rank, "padding")
    sides = padding if isinstance(padding, tuple) else (padding,) * rank
    axes = []
    for a, asked in enumerate(zip(sizes, kernels, strides, dilations, sides, strict=True)):
        with along(a, rank):
            axes.append(_axis(*asked, rounding))
    too_small = [axis for axis in axes if axis.effective_kernel > axis.input + axis.before + axis.after]
    if too_small:
        raise _does_not_fit(axes)
    if rounding == "exact":
        for a, axis in enumerate(axes):
            if axis.remainder:
                raise _not_exact(axis, a, rank)
    return tuple(axes)


def effective_kernel(K: int, D: int) -> int:
    """What a kernel spans, dilated or not."""
    return formulas.effective_kernel(K, D) if D > 1 else K


@remembered  # one object for equal axes, most windows being square
def _axis(W: int, K: int, S: int, D: int, padding: Any, rounding: str) -> Axis:
    F = effective_kernel(K, D)
    if padding == "same":
        out = formulas.output_size_same(W, S)
        total = formulas.padding_same(W, F, S, out)
        before, after = formulas.padding_before(total), formulas.padding_after(total)
        return Axis(W, K, F, S, D, before, after, out, max(0, W - F - (out - 1) * S))
    if padding == "full":
        before = after = formulas.padding_full(F)
    elif padding == "valid":
        before = after = 0
    elif isinstance(padding, int):
        before = after = padding
    else:
        before, after = padding
    if rounding == "ceil":
        out = formulas.output_size_ceil(W, F, before, after, S)
        return Axis(W, K, F, S, D, before, after, out, 0)
    if before == after:
        out = formulas.output_size(W, F, before, S)
    else:
        out = formulas.output_size_sided(W, F, before, after, S)
    return Axis(W, K, F, S, D, before, after, out, formulas.remainder(W, F, before, after, S))


def _does_not_fit(axes: list[Axis]) -> LayerError:
    window = sizes_text(tuple(axis.effective_kernel for axis in axes))
    input = sizes_text(tuple(axis.input for axis in axes))
    dilated = any(axis.dilation > 1 for axis in axes)
    padded = any(axis.before or axis.after for axis in axes)
    with_padding = sizes_text(tuple(axis.input + axis.before + axis.after for axis in axes))
    return LayerError(
        "window-exceeds-input",
        f"a {window} window{' (dilated)' if dilated else ''} does not fit a {input} input"
        + (f", {with_padding} with its padding" if padded else ""),
        field="kernel_size",
        label=f"larger than {with_padding}",
        sources=(0,),
        help="use a larger input, a smaller kernel, more padding, or fewer strides before it",
    )


def _not_exact(axis: Axis, a: int, rank: int) -> LayerError:
    padding = f"2·{axis.before}" if axis.before == axis.after else f"{axis.before} + {axis.after}"
    where = f" along spatial dimension {a + 1}" if rank > 1 else ""
    up = formulas.output_size_ceil(axis.input, axis.effective_kernel, axis.before, axis.after, axis.stride)
    rounded = f"`floor` gives {axis.output}, `ceil` {up}" if up != axis.output else f"`floor` and `ceil` give {up}"
    return LayerError(
        "does-not-divide",
        f"({axis.input} - {axis.effective_kernel} + {padding}) / {axis.stride} is not whole{where}: "
        f"the remainder is {axis.remainder}",
        field="rounding",
        label="refuses what does not divide",
        sources=(0,),
        help=f"change the padding, stride or kernel, or let it round: {rounded}",
    )


@remembered
def _reach(P: int, F: int, S: int) -> AxisReach:
    """Output o reads from o·S - P to o·S - P + F - 1."""
    return AxisReach(IndexMap((-P,), S), IndexMap((F - 1 - P,), S))


def _places(key: str, counts: list[int], axes: tuple[Axis, ...]) -> Told:
    """So many of the rows and so many of the columns, of dimensions that have any."""
    units = {1: ("positions",), 2: ("rows", "columns"), 3: ("frames", "rows", "columns")}.get(len(axes))
    places = []
    for a, (count, axis) in enumerate(zip(counts, axes, strict=True)):
        unit = told(f"unit.{units[a]}") if units else told("places.of-dimension", position=a + 1)
        places += [told(key, count=count, size=axis.input, unit=unit)] if count else []
    return reduce(lambda first, last: told("places.and", first=first, last=last), places)


class Sliding(Kind):
    """A kind that slides a window. Subclasses declare those of these as fields that they let a document set."""

    def axes(self, input: Shape) -> tuple[Axis, ...]:
        """The window along each spatial dimension of this input; those of the last input asked for are kept."""
        last: tuple[Shape, tuple[Axis, ...]] | None = self.__dict__.get("_last_axes")
        if last is not None and last[0] is input:
            return last[1]
        axes = window_axes(
            spatial(input, self.kind),
            getattr(self, "kernel_size"),  # noqa: B009
            getattr(self, "stride", 1),
            getattr(self, "padding", 0),
            getattr(self, "dilation", 1),
            getattr(self, "rounding", "floor"),
        )
        self.__dict__["_last_axes"] = (input, axes)
        return axes

    def kernels(self, input: Shape) -> tuple[int, ...]:
        """The kernel's size along each spatial dimension."""
        return tuple([axis.kernel for axis in self.axes(input)])

    def output_sizes(self, input: Shape) -> tuple[int, ...]:
        return tuple([axis.output for axis in self.axes(input)])

    def reach_of_window(self, input: Shape) -> tuple[AxisReach, ...]:
        reaches: list[AxisReach] = []
        axes = self.axes(input)
        for a, axis in enumerate(axes):
            if a and axis is axes[a - 1]:
                reaches.append(reaches[-1])
                continue
            reaches.append(_reach(axis.before, axis.effective_kernel, axis.stride))
        return tuple(reaches)

    def remarks_on_window(self, input: Shape) -> tuple[Remark, ...]:
        """What of the input no window reads."""
        axes = self.axes(input)
        if not any(axis.unread_input or axis.skipped for axis in axes):
            return ()
        skipped = [axis.skipped for axis in axes]
        if any(skipped):
            message = told("remark.stride-exceeds-window", places=_places("places.some", skipped, axes))
            return (Remark("stride-exceeds-window", message, "stride"),)
        lost = [axis.unread_input for axis in axes]
        return (
            Remark("input-unread", told("remark.input-unread", places=_places("places.last", lost, axes)), "stride"),
        )

    def title(self, inputs: tuple[Shape, ...]) -> str:
        axes = self.axes(inputs[0])
        return window_title(tuple([axis.kernel for axis in axes]), tuple([axis.stride for axis in axes]))


class Window(Sliding, Layer):
    """A layer that slides a window over its one input, channel by channel where it says nothing else."""

    def output(self, input: Shape) -> Shape:
        return (input[0], *self.output_sizes(input))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return self.reach_of_window(input)

    def remarks(self, input: Shape, output: Shape) -> tuple[Remark, ...]:
        return self.remarks_on_window(input)
