"""Convolutions: learned filters at every position of a window (LeCun et al. 1998), shared or not."""

from math import gcd, isqrt, prod
from typing import Annotated, Any

from cnncalc import formulas
from cnncalc.indexing import scaled_down
from cnncalc.layers.base import (
    UNTRACKED,
    AxisReach,
    Filters,
    LayerError,
    Parameter,
    Reach,
    per_axis,
    sides,
    spatial,
    window_title,
)
from cnncalc.layers.fields import (
    NonNegativeSizes,
    PositiveInt,
    Sides,
    Sizes,
    Takes,
)
from cnncalc.layers.weighted import Weighted
from cnncalc.layers.window import Padding, Rounding, Window
from cnncalc.shapes import Shape, elements


def _indices(value: Any) -> bool:
    return type(value) is tuple and all(type(index) is int and index >= 0 for index in value)


Connections = Annotated[
    tuple[tuple[int, ...], ...] | None,
    Takes(
        "a list that names, for each output channel, the input channels it reads (from 0)",
        lambda value: value is None or (type(value) is tuple and all(map(_indices, value))),
    ),
]


class Convolution(Window, Weighted):
    """What the sliding convolutions share."""

    stride: Sizes = 1
    padding: Padding = 0
    dilation: Sizes = 1
    rounding: Rounding = "floor"

    def sliding(self, input: Shape, groups: int, out_channels: int) -> Filters:
        axes = self.axes(input)
        return Filters(
            kernel=tuple([axis.kernel for axis in axes]),
            stride=tuple([axis.stride for axis in axes]),
            dilation=tuple([axis.dilation for axis in axes]),
            groups=groups,
            in_channels=input[0],
            out_channels=out_channels,
            bias=self.bias,
        )


class Conv(Convolution):
    """Convolution in one, two or three dimensions, in groups (Krizhevsky et al. 2012), dilated (Yu & Koltun 2016).

    `connections` lists the input channels of each output channel where not all are read (LeCun et al. 1998, table I);
    a filter then has weights for the channels it reads and no others.
    """

    kind = "conv"
    summary = "convolution: `out_channels` filters of `kernel_size`, in 1-D, 2-D or 3-D"
    weighted = "convolution"
    out_channels: PositiveInt
    kernel_size: Sizes
    groups: PositiveInt = 1
    connections: Connections = None

    def check(self, input: Shape) -> None:
        check_groups(self.groups, input[0], self.out_channels)
        if self.connections is not None:
            self._check_connections(self.connections, input[0])

    def _check_connections(self, connections: tuple[tuple[int, ...], ...], channels: int) -> None:
        if self.groups != 1:
            raise LayerError("connections-in-groups", "`connections` and `groups` exclude each other", field="groups")
        if len(connections) != self.out_channels:
            raise LayerError(
                "connections-match-channels",
                f"`connections` lists {len(connections)} output channels; the layer has {self.out_channels}",
                field="connections",
            )
        for channel, read in enumerate(connections):
            if not read or len(set(read)) < len(read) or max(read) >= channels:
                raise LayerError(
                    "connections-match-channels",
                    f"output channel {channel} reads {list(read)}, "
                    f"which has to be some of the {channels} input channels (0 to {channels - 1}), each once",
                    field="connections",
                    sources=(0,),
                )

    @property
    def pairs(self) -> int | None:
        """How many pairs of an input and an output channel are connected, where `connections` says."""
        return None if self.connections is None else sum(map(len, self.connections))

    def output(self, input: Shape) -> Shape:
        return (self.out_channels, *self.output_sizes(input))

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        kernels = tuple([axis.kernel for axis in self.axes(input)])
        if self.pairs is not None:
            return self.weights_and_bias((self.pairs, *kernels), (self.out_channels,))
        return self.weights_and_bias((self.out_channels, input[0] // self.groups, *kernels), (self.out_channels,))

    def macs(self, input: Shape, output: Shape) -> int:
        if self.pairs is not None:
            return formulas.partial_macs(self.positions(input), self.pairs, elements(output[1:]))
        return formulas.convolution_macs(self.positions(input), input[0], self.groups, elements(output))

    def filters(self, input: Shape) -> Filters | None:
        return self.sliding(input, self.groups, self.out_channels) if self.connections is None else None


class DepthwiseConv(Convolution):
    """Each input channel convolved by itself, `multiplier` times (Howard et al. 2017)."""

    kind = "depthwise_conv"
    main = "kernel_size"
    summary = "each channel convolved by itself, with `multiplier` filters a channel"
    weighted = "convolution"
    kernel_size: Sizes
    multiplier: PositiveInt = 1

    def output(self, input: Shape) -> Shape:
        return (input[0] * self.multiplier, *self.output_sizes(input))

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        channels = input[0] * self.multiplier
        kernels = tuple([axis.kernel for axis in self.axes(input)])
        return self.weights_and_bias((channels, 1, *kernels), (channels,))

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.convolution_macs(self.positions(input), input[0], input[0], elements(output))

    def filters(self, input: Shape) -> Filters | None:
        return self.sliding(input, input[0], input[0] * self.multiplier)


class LocallyConnected(Convolution):
    """A convolution's connections with weights and biases of their own at every position (LeCun 1989)."""

    kind = "locally_connected"
    summary = "a convolution whose weights and biases are not shared between positions"
    weighted = "convolution"
    out_channels: PositiveInt
    kernel_size: Sizes

    def output(self, input: Shape) -> Shape:
        return (self.out_channels, *self.output_sizes(input))

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        output = self.output(input)
        kernels = tuple([axis.kernel for axis in self.axes(input)])
        return self.weights_and_bias((*output, input[0], *kernels), output)

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.convolution_macs(self.positions(input), input[0], 1, elements(output))


class ConvTranspose(Weighted):
    """The transpose of a strided convolution, which enlarges (Dumoulin & Visin 2016, chapter 4)."""

    kind = "conv_transpose"
    summary = "transposed (up-) convolution: (W - 1)·S - 2P + F + output_padding"
    weighted = "convolution"
    out_channels: PositiveInt
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Sides = 0
    output_padding: NonNegativeSizes = 0
    dilation: Sizes = 1
    groups: PositiveInt = 1

    def _axes(self, input: Shape) -> list[tuple[int, int, int, int, int, int, int]]:
        """Along each dimension: input, effective kernel, stride, dilation, padding before and after, output padding."""
        sizes = spatial(input, self.kind)
        rank = len(sizes)
        kernels = per_axis(self.kernel_size, rank, "kernel_size")
        strides = per_axis(self.stride, rank, "stride")
        dilations = per_axis(self.dilation, rank, "dilation")
        extras = per_axis(self.output_padding, rank, "output_padding")
        paddings = sides(self.padding, rank, "padding")
        return [
            (
                sizes[a],
                formulas.effective_kernel(kernels[a], dilations[a]),
                strides[a],
                dilations[a],
                *paddings[a],
                extras[a],
            )
            for a in range(rank)
        ]

    def positions(self, input: Shape) -> int:
        """Kernel positions, K in the formulas."""
        return prod(per_axis(self.kernel_size, len(input) - 1, "kernel_size"))

    def check(self, input: Shape) -> None:
        check_groups(self.groups, input[0], self.out_channels)
        for _, _, stride, dilation, _, _, extra in self._axes(input):
            if extra >= max(stride, dilation):
                raise LayerError(
                    "output-padding-below-stride",
                    f"output_padding {extra} has to be smaller than the stride {stride} or the dilation {dilation}",
                    field="output_padding",
                    help=f"use at most {max(stride, dilation) - 1}",
                )

    def output(self, input: Shape) -> Shape:
        sizes = tuple(
            [
                formulas.output_size_transposed(W, F, before, after, S, extra)
                for W, F, S, _, before, after, extra in self._axes(input)
            ]
        )
        if min(sizes) < 1:
            raise LayerError(
                "no-output",
                f"padding leaves no output: {min(sizes)} along a dimension",
                field="padding",
                sources=(0,),
                help="use less padding or a larger kernel",
            )
        return (self.out_channels, *sizes)

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        kernels = per_axis(self.kernel_size, len(input) - 1, "kernel_size")
        weight = (input[0], self.out_channels // self.groups, *kernels)
        return self.weights_and_bias(weight, (self.out_channels,))

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.transposed_macs(self.positions(input), self.out_channels, self.groups, elements(input))

    def reach(self, input: Shape, output: Shape) -> Reach:
        """Output o gets input i where o = i·S - P + k·D for some kernel position k.

        Strided and dilated at once, neighbouring outputs get inputs in an order of their own, or none at all.
        """
        axes = self._axes(input)
        if any(F > 1 and S > 1 and D > 1 for _, F, S, D, _, _, _ in axes):
            return UNTRACKED
        # From ⌈(o + P - F + 1) / S⌉ to ⌊(o + P) / S⌋.
        return tuple(
            [
                AxisReach(scaled_down(1, S, before - F + S), scaled_down(1, S, before))
                for _, F, S, _, before, _, _ in axes
            ]
        )

    def title(self, inputs: tuple[Shape, ...]) -> str:
        rank = len(inputs[0]) - 1
        return window_title(per_axis(self.kernel_size, rank, "kernel_size"), per_axis(self.stride, rank, "stride"))


def _divisors(number: int) -> list[int]:
    small = [divisor for divisor in range(1, isqrt(number) + 1) if number % divisor == 0]
    return small + [number // divisor for divisor in reversed(small) if divisor * divisor != number]


def check_groups(groups: int, channels: int, out_channels: int) -> None:
    for count, which, sources in ((channels, "input", (0,)), (out_channels, "output", ())):
        if count % groups:
            common = _divisors(gcd(channels, out_channels))
            shown = common if len(common) < 8 else [*common[:6], common[-1]]
            raise LayerError(
                "groups-divide-channels",
                f"{count} {which} channels do not split into {groups} equal groups",
                field="groups",
                label=f"must divide {channels} and {out_channels}",
                sources=sources,
                help=f"use {' or '.join(filter(None, (', '.join(map(str, shown[:-1])), str(shown[-1]))))}",
            )
