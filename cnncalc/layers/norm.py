"""Normalisation: values made comparable across a batch, a group of channels, a neighbourhood; and learned scales.

Operations are those of prediction: a batch norm's running statistics and factors are constants there, one multiply and
one add an element; norms that compute their statistics from the input count that too.
"""

from typing import Annotated, Literal

from cnncalc import formulas
from cnncalc.layers.base import (
    EVERYTHING,
    POINTWISE,
    UNTRACKED,
    Layer,
    LayerError,
    Operations,
    Parameter,
    Reach,
    across_channels,
    check_divides,
    spatial,
)
from cnncalc.layers.fields import Flag, NonNegativeReal, OptionalReal, PositiveInt, PositiveReal, Real, choice
from cnncalc.shapes import Shape


def affine_parameters(shape: Shape, count: int, bias: bool = True) -> tuple[Parameter, ...]:
    weight = Parameter("weight", shape, "weight", count)
    return (weight, Parameter("bias", shape, "bias", count)) if bias else (weight,)


def channel_parameters(channels: int, bias: bool = True) -> tuple[Parameter, ...]:
    return affine_parameters((channels,), formulas.channel_parameters(channels), bias)


def running_statistics(channels: int) -> tuple[Parameter, ...]:
    count = formulas.channel_parameters(channels)
    return (
        Parameter("running_mean", (channels,), "buffer", count),
        Parameter("running_var", (channels,), "buffer", count),
        Parameter("num_batches_tracked", (), "counter", 1),
    )


def normalisation(count: int, groups: int, affine: Operations) -> Operations:
    """Mean and variance of each of `groups` sets, then (x - mean) · 1/√(variance + ε), then `affine` an element.

    An element: an add for the mean; a subtraction, a multiply and an add for the variance; a multiply by 1/√.
    A set: two divisions by its size, an add of ε, a root, the division 1/√.
    """
    element = Operations(adds=3, multiplies=2) + affine
    statistics = Operations(divisions=3, adds=1, roots=1)
    return element.times(count) + statistics.times(groups, formulas.per_set)


def affine_uses(output: Shape, bias: bool = True) -> int:
    """Uses of a learned factor, and of a shift."""
    return formulas.per_element(1 + bias, formulas.output_elements(*output))


AFFINE = Operations(multiplies=1, adds=1)
NOTHING = Operations()


class ChannelNorm(Layer):
    """Statistics of each channel, running ones where they are tracked; a learned factor and shift where affine."""

    eps: PositiveReal = 1e-5
    momentum: OptionalReal = 0.1
    affine: Flag = True
    track_running_stats: Flag = True

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        learned = channel_parameters(input[0]) if self.affine else ()
        return learned + (running_statistics(input[0]) if self.track_running_stats else ())

    def operations(self, input: Shape, output: Shape) -> Operations:
        if self.track_running_stats:
            return AFFINE.times(formulas.output_elements(*output))
        return normalisation(formulas.output_elements(*output), input[0], AFFINE if self.affine else NOTHING)

    def connection_count(self, input: Shape, output: Shape) -> int:
        return affine_uses(output) if self.affine else 0


class BatchNorm(ChannelNorm):
    """Batch normalisation (Ioffe & Szegedy 2015), with running statistics at prediction."""

    kind = "batch_norm"
    summary = "batch normalisation; running statistics are buffers"

    def reach(self, input: Shape, output: Shape) -> Reach:
        return POINTWISE if self.track_running_stats or len(input) == 1 else EVERYTHING


class GroupNorm(Layer):
    """Group normalisation (Wu & He 2018): statistics of each group of channels over all positions."""

    kind = "group_norm"
    main = "num_groups"
    summary = "normalisation over groups of channels and all positions"
    num_groups: PositiveInt
    eps: NonNegativeReal = 1e-5
    affine: Flag = True

    def check(self, input: Shape) -> None:
        check_divides(input[0], self.num_groups, "num_groups")

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        return channel_parameters(input[0]) if self.affine else ()

    def operations(self, input: Shape, output: Shape) -> Operations:
        return normalisation(formulas.output_elements(*output), self.num_groups, AFFINE if self.affine else NOTHING)

    def connection_count(self, input: Shape, output: Shape) -> int:
        return affine_uses(output) if self.affine else 0

    def reach(self, input: Shape, output: Shape) -> Reach:
        return EVERYTHING if len(input) > 1 else across_channels(input, all_of_them=self.num_groups == 1)


class LayerNorm(Layer):
    """Layer normalisation (Ba et al. 2016): over all values of an image, over the channels of each place, or, as of
    tokens, over the last dimension.
    """

    kind = "layer_norm"
    main = "axes"
    summary = "normalisation over everything (`axes: all`), each place's channels (`channels`), the `last` axis"
    axes: Annotated[Literal["all", "channels", "last"], choice("all", "channels", "last")] = "all"
    eps: NonNegativeReal = 1e-5
    elementwise_affine: Flag = True
    bias: Flag = True

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        if not self.elementwise_affine:
            return ()
        if self.axes == "all":
            count = formulas.element_parameters(formulas.input_elements(*input))
            return affine_parameters(input, count, self.bias)
        if self.axes == "channels":
            return channel_parameters(input[0], self.bias)
        return affine_parameters(input[-1:], formulas.last_axis_parameters(input[-1]), self.bias)

    def operations(self, input: Shape, output: Shape) -> Operations:
        affine = Operations(multiplies=1, adds=int(self.bias)) if self.elementwise_affine else NOTHING
        sets = (
            1 if self.axes == "all" else formulas.positions(*(output[1:] if self.axes == "channels" else output[:-1]))
        )
        return normalisation(formulas.output_elements(*output), sets, affine)

    def connection_count(self, input: Shape, output: Shape) -> int:
        return affine_uses(output, self.bias) if self.elementwise_affine else 0

    def reach(self, input: Shape, output: Shape) -> Reach:
        if self.axes == "last" and len(input) > 1:
            return UNTRACKED
        return EVERYTHING if self.axes == "all" else across_channels(input, all_of_them=True)


class InstanceNorm(ChannelNorm):
    """Instance normalisation (Ulyanov et al. 2016): each channel over its positions."""

    kind = "instance_norm"
    summary = "normalisation of each channel over its positions"
    affine: Flag = False
    track_running_stats: Flag = False

    def check(self, input: Shape) -> None:
        positions = formulas.positions(*spatial(input, self.kind))
        if positions == 1:
            raise LayerError(
                "one-value-to-normalise",
                "instance_norm needs more than one position a channel, but gets {0}",
                input,
                sources=(0,),
                help="put it where the map is larger than one position",
            )

    def reach(self, input: Shape, output: Shape) -> Reach:
        return POINTWISE if self.track_running_stats else EVERYTHING


class LocalResponseNorm(Layer):
    """Division by a power of the neighbouring channels' squares (Krizhevsky et al. 2012, section 3.3)."""

    kind = "local_response_norm"
    main = "size"
    summary = "x / (k + α/n · Σ x² over `size` neighbouring channels)^β"
    size: PositiveInt
    alpha: Real = 1e-4
    beta: Real = 0.75
    k: Real = 1.0

    def operations(self, input: Shape, output: Shape) -> Operations:
        element = Operations(multiplies=2, adds=self.size, powers=1, divisions=1)
        return element.times(formulas.output_elements(*output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return across_channels(input)


class L2Norm(Layer):
    """Each place's channel vector divided by its length (Liu et al. 2015, ParseNet)."""

    kind = "l2_norm"
    summary = "each place's channel vector made length one"
    eps: PositiveReal = 1e-12

    def operations(self, input: Shape, output: Shape) -> Operations:
        element = Operations(multiplies=1, divisions=1).times(formulas.output_elements(*output))
        place = Operations(roots=1, comparisons=1).times(formulas.positions(*output[1:]), formulas.per_set)
        return element + place + Operations(adds=formulas.channel_joins(*output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return across_channels(input, all_of_them=True)


class Scale(Layer):
    """A learned factor, and with `bias: true` a learned shift, a channel."""

    kind = "scale"
    main = "init"
    summary = "a learned factor (and bias) a channel"
    init: Real = 1.0
    bias: Flag = False

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        return channel_parameters(input[0], self.bias)

    def operations(self, input: Shape, output: Shape) -> Operations:
        return Operations(multiplies=1, adds=int(self.bias)).times(formulas.output_elements(*output))

    def connection_count(self, input: Shape, output: Shape) -> int:
        return affine_uses(output, self.bias)
