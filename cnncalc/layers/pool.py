"""Pooling: windows that summarise, over positions or over channels, with or without learned factors."""

from math import prod
from typing import Annotated, Literal

from cnncalc import formulas
from cnncalc.indexing import IndexMap, scaled_down
from cnncalc.layers.activation import FusedActivation, fused_work
from cnncalc.layers.base import (
    AxisReach,
    Layer,
    LayerError,
    Operations,
    Parameter,
    Reach,
    Work,
    across_channels,
    check_divides,
    per_axis,
    spatial,
)
from cnncalc.layers.fields import (
    Flag,
    OptionalCount,
    OptionalSizes,
    PositiveInt,
    PositiveReal,
    Sizes,
    choice,
)
from cnncalc.layers.window import PoolPadding, Rounding, Window
from cnncalc.shapes import Shape, elements, sizes_text


class Pool(Window):
    """A pooling window; its stride is its size unless a document says otherwise."""

    kernel_size: Sizes
    stride: OptionalSizes = None
    rounding: Rounding = "floor"


class PaddedPool(Pool):
    padding: PoolPadding = 0

    def check(self, input: Shape) -> None:
        """Explicit padding of at most half the kernel, dilated or not (torch's rule)."""
        if self.padding == "same":
            return
        for axis in self.axes(input):
            if max(axis.before, axis.after) * 2 > axis.kernel:
                raise LayerError(
                    "pool-padding-at-most-half",
                    f"padding {max(axis.before, axis.after)} is more than half of the kernel's {axis.kernel}",
                    field="padding",
                    help=f"use at most {axis.kernel // 2}",
                )


class MaxPool(PaddedPool):
    kind = "max_pool"
    main = "kernel_size"
    summary = "the largest value of each window"
    dilation: Sizes = 1

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=(self.positions(input) - 1) * elements(output))


class AvgPool(PaddedPool):
    """The mean of each window; `count_include_pad` says whether padding counts in the divisor."""

    kind = "avg_pool"
    main = "kernel_size"
    summary = "the mean of each window"
    count_include_pad: Flag = True

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(adds=(self.positions(input) - 1) * elements(output), divisions=elements(output))


class LpPool(Pool):
    """(Σ |x|^p)^(1/p) over each window."""

    kind = "lp_pool"
    main = "kernel_size"
    summary = "the p-norm of each window"
    norm_type: PositiveReal = 2.0

    def operations(self, input: Shape, output: Shape) -> Operations:
        taps, outputs = self.positions(input) * elements(output), elements(output)
        adds = taps - outputs
        if self.norm_type == 1:
            return Operations(adds=adds)
        if self.norm_type == 2:
            return Operations(multiplies=taps, adds=adds, roots=outputs)
        return Operations(powers=taps + outputs, adds=adds)


class Subsample(Pool):
    """LeNet-5's trainable subsampling: a window's sum times a coefficient plus a bias, one of each a channel."""

    kind = "subsample"
    main = "kernel_size"
    summary = "window sum times a learned coefficient plus a bias, one of each a channel (LeNet-5)"
    weighted = "subsampling"
    activation: FusedActivation = None

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", (input[0],), "weight"), Parameter("bias", (input[0],), "bias"))

    def operations(self, input: Shape, output: Shape) -> Operations:
        outputs = elements(output)
        return Operations(adds=self.positions(input) * outputs, multiplies=outputs)

    def work(self, input: Shape, output: Shape) -> tuple[Work, ...]:
        return super().work(input, output) + fused_work(self.activation, output)

    def connection_count(self, input: Shape, output: Shape) -> int:
        """Each unit reads its window and a bias (LeCun et al. 1998: S2 has 5,880)."""
        return (self.positions(input) + 1) * elements(output)


class DepthPool(Layer):
    """Pooling across channels: windows of `kernel_size` channels at each place (Géron 2019, chapter 14)."""

    kind = "depth_pool"
    main = "kernel_size"
    summary = "max or mean over windows of channels at each place"
    kernel_size: PositiveInt
    stride: OptionalCount = None
    mode: Annotated[Literal["max", "avg"], choice("max", "avg")] = "max"

    def output(self, input: Shape) -> Shape:
        if self.kernel_size > input[0]:
            raise LayerError(
                "window-exceeds-input",
                f"a window of {self.kernel_size} channels does not fit {input[0]} channels",
                field="kernel_size",
                sources=(0,),
                help=f"use at most {input[0]}",
            )
        return (formulas.output_size(input[0], self.kernel_size, 0, self.stride or self.kernel_size), *input[1:])

    def operations(self, input: Shape, output: Shape) -> Operations:
        rest = (self.kernel_size - 1) * elements(output)
        return Operations(comparisons=rest) if self.mode == "max" else Operations(adds=rest, divisions=elements(output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return across_channels(input)


class Maxout(Layer):
    """The largest of each group of `pieces` consecutive channels (Goodfellow et al. 2013)."""

    kind = "maxout"
    main = "pieces"
    summary = "the largest of each `pieces` consecutive channels"
    pieces: PositiveInt

    def output(self, input: Shape) -> Shape:
        check_divides(input[0], self.pieces, "pieces")
        return (input[0] // self.pieces, *input[1:])

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=(self.pieces - 1) * elements(output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return across_channels(input)


class AdaptivePool(Layer):
    """Pooling to a given size: window o of O reads from ⌊o·W/O⌋ to ⌈(o+1)·W/O⌉ (torch.nn.AdaptiveAvgPool2d)."""

    main = "output_size"
    output_size: Sizes

    def output(self, input: Shape) -> Shape:
        return (input[0], *per_axis(self.output_size, len(spatial(input, self.kind)), "output_size"))

    def taps(self, input: Shape, output: Shape) -> int:
        """Input elements that all windows read, together, for one image."""
        return input[0] * prod([formulas.adaptive_taps(W, O) for W, O in zip(input[1:], output[1:], strict=True)])

    def reach(self, input: Shape, output: Shape) -> Reach:
        """From ⌊o·W/O⌋ to ⌈(o+1)·W/O⌉ - 1, which is ⌊(o·W + W - 1)/O⌋."""
        return tuple(
            [AxisReach(scaled_down(W, O), scaled_down(W, O, W - 1)) for W, O in zip(input[1:], output[1:], strict=True)]
        )

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return f"to {sizes_text(per_axis(self.output_size, len(inputs[0]) - 1, 'output_size'))}"


class AdaptiveAvgPool(AdaptivePool):
    kind = "adaptive_avg_pool"
    summary = "means over windows that give `output_size`"

    def operations(self, input: Shape, output: Shape) -> Operations:
        outputs = elements(output)
        return Operations(adds=self.taps(input, output) - outputs, divisions=outputs)


class AdaptiveMaxPool(AdaptivePool):
    kind = "adaptive_max_pool"
    summary = "largest values over windows that give `output_size`"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=self.taps(input, output) - elements(output))


class GlobalPool(Layer):
    """One value a channel; the spatial dimensions stay, with size 1."""

    def output(self, input: Shape) -> Shape:
        return (input[0], *[1 for _ in spatial(input, self.kind)])

    def reach(self, input: Shape, output: Shape) -> Reach:
        return tuple([AxisReach(IndexMap((0,), 0), IndexMap((W - 1,), 0)) for W in input[1:]])


class GlobalAvgPool(GlobalPool):
    kind = "global_avg_pool"
    summary = "the mean of each channel"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(adds=elements(input) - elements(output), divisions=elements(output))


class GlobalMaxPool(GlobalPool):
    kind = "global_max_pool"
    summary = "the largest value of each channel"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=elements(input) - elements(output))
