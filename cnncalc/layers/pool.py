"""Pooling: windows that summarise, over positions or over channels, with or without learned factors."""

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
    along,
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
from cnncalc.messages import told
from cnncalc.shapes import Shape, sizes_text


def per_output(output: Shape) -> int:
    """One operation for each value of the output."""
    return formulas.per_element(1, formulas.output_elements(*output))


class Pool(Window):
    """A pooling window; its stride is its size unless a document says otherwise."""

    kernel_size: Sizes
    stride: OptionalSizes = None
    rounding: Rounding = "floor"

    def joins(self, input: Shape, output: Shape) -> int:
        """Steps that make one value of each window's."""
        return formulas.window_joins(formulas.output_elements(*output), *self.kernels(input))


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
        return Operations(comparisons=self.joins(input, output))


class AvgPool(PaddedPool):
    """The mean of each window; `count_include_pad` says whether padding counts in the divisor."""

    kind = "avg_pool"
    main = "kernel_size"
    summary = "the mean of each window"
    count_include_pad: Flag = True

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(adds=self.joins(input, output), divisions=per_output(output))


class LpPool(Pool):
    """(Σ |x|^p)^(1/p) over each window."""

    kind = "lp_pool"
    main = "kernel_size"
    summary = "the p-norm of each window"
    norm_type: PositiveReal = 2.0

    def operations(self, input: Shape, output: Shape) -> Operations:
        E, K = formulas.output_elements(*output), self.kernels(input)
        adds = self.joins(input, output)
        if self.norm_type == 1:
            return Operations(adds=adds)
        if self.norm_type == 2:
            return Operations(multiplies=formulas.window_values(E, *K), adds=adds, roots=per_output(output))
        return Operations(powers=formulas.window_values_and_one(E, *K), adds=adds)


class Subsample(Pool):
    """LeNet-5's trainable subsampling: a window's sum times a coefficient plus a bias, one of each a channel."""

    kind = "subsample"
    main = "kernel_size"
    summary = "window sum times a learned coefficient plus a bias, one of each a channel (LeNet-5)"
    weighted = "subsampling"
    activation: FusedActivation = None

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        count = formulas.channel_parameters(input[0])
        return (Parameter("weight", (input[0],), "weight", count), Parameter("bias", (input[0],), "bias", count))

    def operations(self, input: Shape, output: Shape) -> Operations:
        read = formulas.window_values(formulas.output_elements(*output), *self.kernels(input))
        return Operations(adds=read, multiplies=per_output(output))

    def work(self, input: Shape, output: Shape) -> tuple[Work, ...]:
        return super().work(input, output) + fused_work(self.activation, output)

    def connection_count(self, input: Shape, output: Shape) -> int:
        """Each unit reads its window and a bias (LeCun et al. 1998: S2 has 5,880)."""
        return formulas.window_values_and_one(formulas.output_elements(*output), *self.kernels(input))


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
        rest = formulas.window_joins(formulas.output_elements(*output), self.kernel_size)
        return (
            Operations(comparisons=rest) if self.mode == "max" else Operations(adds=rest, divisions=per_output(output))
        )

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
        return (formulas.joined_channels(input[0], self.pieces), *input[1:])

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=formulas.window_joins(formulas.output_elements(*output), self.pieces))

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
        taps = []
        for a, (W, O) in enumerate(zip(input[1:], output[1:], strict=True)):
            with along(a, len(input) - 1):
                taps.append(formulas.adaptive_taps(W, O))
        return formulas.adaptive_values(input[0], *taps)

    def joins(self, input: Shape, output: Shape) -> int:
        """Steps that make one value of each window's."""
        return formulas.joins(self.taps(input, output), formulas.output_elements(*output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        """From ⌊o·W/O⌋ to ⌈(o+1)·W/O⌉ - 1, which is ⌊(o·W + W - 1)/O⌋."""
        return tuple(
            [AxisReach(scaled_down(W, O), scaled_down(W, O, W - 1)) for W, O in zip(input[1:], output[1:], strict=True)]
        )

    def title(self, inputs: tuple[Shape, ...]) -> str:
        sizes = per_axis(self.output_size, len(inputs[0]) - 1, "output_size")
        return told("title.to-size", sizes=sizes_text(sizes))


class AdaptiveAvgPool(AdaptivePool):
    kind = "adaptive_avg_pool"
    summary = "means over windows that give `output_size`"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(adds=self.joins(input, output), divisions=per_output(output))


class AdaptiveMaxPool(AdaptivePool):
    kind = "adaptive_max_pool"
    summary = "largest values over windows that give `output_size`"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=self.joins(input, output))


class GlobalPool(Layer):
    """One value a channel; the spatial dimensions stay, with size 1."""

    def output(self, input: Shape) -> Shape:
        return (input[0], *[1 for _ in spatial(input, self.kind)])

    def reach(self, input: Shape, output: Shape) -> Reach:
        return tuple([AxisReach(IndexMap((0,), 0), IndexMap((W - 1,), 0)) for W in input[1:]])

    def joins(self, input: Shape, output: Shape) -> int:
        """Steps that make one value of each channel's."""
        return formulas.joins(formulas.input_elements(*input), formulas.output_elements(*output))


class GlobalAvgPool(GlobalPool):
    kind = "global_avg_pool"
    summary = "the mean of each channel"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(adds=self.joins(input, output), divisions=per_output(output))


class GlobalMaxPool(GlobalPool):
    kind = "global_max_pool"
    summary = "the largest value of each channel"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(comparisons=self.joins(input, output))
