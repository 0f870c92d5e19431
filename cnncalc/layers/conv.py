"""Convolutions: learned filters at every position of a window (LeCun et al. 1998), shared or not."""

from math import gcd, isqrt
from typing import Annotated, Any

from cnncalc import formulas
from cnncalc.indexing import scaled_down
from cnncalc.layers.base import (
    EVERYTHING,
    UNTRACKED,
    Aside,
    AxisReach,
    Filters,
    LayerError,
    Parameter,
    PathByPath,
    Reach,
    Remark,
    Work,
    along,
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
from cnncalc.layers.merge import Merge
from cnncalc.layers.weighted import Weighted
from cnncalc.layers.window import Padding, Rounding, Sliding, Window, effective_kernel
from cnncalc.shapes import Shape, elements, sizes_text


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


def convolution_asides(
    input: Shape, output: Shape, C: int, G: int, K: tuple[int, ...], bias: bool, width: int
) -> tuple[Aside, ...]:
    """One filter; the layer without sharing and as a dense one; and as a product of matrices, im2col (CS231n).

    Each filter reads C channels, in G groups; the matrices are those of a group.
    """
    E, N = formulas.output_elements(*output), output[0]
    unshared = formulas.unshared_weights(E, C, *K)
    dense = formulas.dense_equivalent_weights(formulas.input_elements(*input), E)
    biases = formulas.unshared_biases(E) if bias else 0
    rows, columns = formulas.im2col_rows(C, *K), formulas.im2col_columns(*output[1:])
    filters = formulas.group_filters(N, G) if G > 1 else N
    values = formulas.im2col_elements(rows, columns, G)
    return (
        Aside("filter_parameters", formulas.filter_parameters(int(bias), C, *K)),
        Aside("unshared_parameters", formulas.parameters(unshared, biases)),
        Aside("dense_parameters", formulas.parameters(dense, biases)),
        Aside("im2col_input", (rows, columns)),
        Aside("im2col_weights", (filters, rows)),
        Aside("im2col_output", (filters, columns)),
        Aside("im2col_bytes", formulas.tensor_bytes(values, width, 1)),
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

    def channels_read(self, input: Shape) -> int:
        """Of the input, by each filter."""
        return formulas.group_channels(input[0], self.groups) if self.groups > 1 else input[0]

    def output(self, input: Shape) -> Shape:
        return (self.out_channels, *self.output_sizes(input))

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        C, N, K = self.channels_read(input), self.out_channels, self.kernels(input)
        biases = formulas.filter_biases(N)
        if self.pairs is not None:
            return self.weights_and_bias((self.pairs, *K), formulas.partial_weights(self.pairs, *K), (N,), biases)
        return self.weights_and_bias((N, C, *K), formulas.convolution_weights(N, C, *K), (N,), biases)

    def macs(self, input: Shape, output: Shape) -> int:
        E = formulas.output_elements(*output)
        if self.pairs is not None:
            return formulas.partial_macs(self.pairs, E, self.out_channels, *self.kernels(input))
        return formulas.convolution_macs(E, self.channels_read(input), *self.kernels(input))

    def asides(self, input: Shape, output: Shape, width: int) -> tuple[Aside, ...]:
        if self.pairs is not None:
            return ()
        C, K = self.channels_read(input), self.kernels(input)
        return convolution_asides(input, output, C, self.groups, K, self.bias, width)

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
        return (formulas.depthwise_channels(input[0], self.multiplier), *self.output_sizes(input))

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        K = self.kernels(input)
        N = formulas.depthwise_channels(input[0], self.multiplier)
        weights = formulas.convolution_weights(N, 1, *K)
        return self.weights_and_bias((N, 1, *K), weights, (N,), formulas.filter_biases(N))

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.convolution_macs(formulas.output_elements(*output), 1, *self.kernels(input))

    def asides(self, input: Shape, output: Shape, width: int) -> tuple[Aside, ...]:
        return convolution_asides(input, output, 1, input[0], self.kernels(input), self.bias, width)

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
        C, K, output = input[0], self.kernels(input), self.output(input)
        E = formulas.output_elements(*output)
        weights = formulas.unshared_weights(E, C, *K)
        return self.weights_and_bias((*output, C, *K), weights, output, formulas.unshared_biases(E))

    def macs(self, input: Shape, output: Shape) -> int:
        return formulas.convolution_macs(formulas.output_elements(*output), input[0], *self.kernels(input))


class DynamicConv(Sliding, Merge):
    """A convolution of the first path with filters that the second path ends in, other ones for each image.

    The second path holds `out_channels` · `in_channels` / `groups` · kernel numbers, filter after filter, in whatever
    shape. Whatever computes them holds the parameters: a dense layer (De Brabandere et al. 2016, dynamic filter
    networks), whose weights are the experts and whose input is their mixture in CondConv (Yang et al. 2019).
    """

    kind = "dynamic_conv"
    summary = "convolution of the first path with filters that the second path computes, for each image its own"
    weighted = "convolution"
    out_channels: PositiveInt
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Padding = 0
    dilation: Sizes = 1
    rounding: Rounding = "floor"
    groups: PositiveInt = 1

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        self.check_two(inputs, "put first the path to convolve, then the one that ends in the filters")
        map, filters = inputs
        check_groups(self.groups, map[0], self.out_channels)
        sizes = self.output_sizes(map)
        wanted = (self.out_channels, map[0] // self.groups, *self.kernels(map))
        if elements(filters) != elements(wanted):
            raise LayerError(
                "filters-do-not-fit",
                f"{self.out_channels} filters of {sizes_text(wanted[2:])} over {wanted[1]} channels are "
                f"{elements(wanted)} numbers, and path 2 ends in {elements(filters)}: {{0}}",
                filters,
                sources=(1,),
                help=f"end path 2 with `linear: {elements(wanted)}`",
            )
        return (self.out_channels, *sizes)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Work, ...]:
        map, filters = inputs
        channels = formulas.group_channels(map[0], self.groups) if self.groups > 1 else map[0]
        macs = formulas.convolution_macs(formulas.output_elements(*output), channels, *self.kernels(map))
        return (Work(self.kind, elements(map) + elements(filters), elements(output), macs),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        """A window of the first path, and all filters' numbers."""
        return PathByPath((self.reach_of_window(inputs[0]), EVERYTHING))

    def remarks(self, inputs: tuple[Shape, ...]) -> tuple[Remark, ...]:
        return self.remarks_on_window(inputs[0])


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

    @property
    def filters_reached(self) -> int:
        """By each input."""
        return formulas.group_filters(self.out_channels, self.groups) if self.groups > 1 else self.out_channels

    def kernels(self, input: Shape) -> tuple[int, ...]:
        return per_axis(self.kernel_size, len(input) - 1, "kernel_size")

    def _axes(self, input: Shape) -> list[tuple[int, int, int, int, int, int, int]]:
        """Along each dimension: input, effective kernel, stride, dilation, padding before and after, output padding."""
        sizes = spatial(input, self.kind)
        rank = len(sizes)
        kernels = self.kernels(input)
        strides = per_axis(self.stride, rank, "stride")
        dilations = per_axis(self.dilation, rank, "dilation")
        extras = per_axis(self.output_padding, rank, "output_padding")
        paddings = sides(self.padding, rank, "padding")
        axes = []
        for a in range(rank):
            with along(a, rank):
                F = effective_kernel(kernels[a], dilations[a])
            axes.append((sizes[a], F, strides[a], dilations[a], *paddings[a], extras[a]))
        return axes

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
        sizes = []
        for a, (W, F, S, _, before, after, extra) in enumerate(self._axes(input)):
            with along(a, len(input) - 1):
                sizes.append(formulas.output_size_transposed(W, F, before, after, S, extra))
        if any(size < 1 for size in sizes):
            raise LayerError(
                "no-output",
                f"padding leaves no output: {min(sizes)} along a dimension",
                field="padding",
                sources=(0,),
                help="use less padding or a larger kernel",
            )
        return (self.out_channels, *sizes)

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        C, N, K = input[0], self.filters_reached, self.kernels(input)
        biases = formulas.filter_biases(self.out_channels)
        weights = formulas.transposed_weights(C, N, *K)
        return self.weights_and_bias((C, N, *K), weights, (self.out_channels,), biases)

    def macs(self, input: Shape, output: Shape) -> int:
        inputs = formulas.input_elements(*input)
        return formulas.transposed_macs(inputs, self.filters_reached, *self.kernels(input))

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
