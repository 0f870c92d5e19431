"""Layers that `torch.nn` does not have, or has for other paddings only. Tensors are [batch, channels, *spatial]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pairs = Sequence[tuple[int, int]]  # (before, after) for each spatial dimension, heights first

CONVOLUTION: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
MAX_POOL: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def padded(input: Tensor, sides: Pairs, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with `sides` around it; torch wants them from the last dimension to the first."""
    return F.pad(input, [size for pair in reversed(sides) for size in pair], mode, value)


# Padding, cropping and an activation around torch's own convolutions --------------------------------------------------


class Pad(nn.Module):
    """Values around a map."""

    def __init__(self, sides: Pairs, mode: str = "constant", value: float | None = None) -> None:
        super().__init__()
        self.sides, self.mode, self.value = tuple(sides), mode, value

    def forward(self, input: Tensor) -> Tensor:
        return padded(input, self.sides, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{list(self.sides)}, mode={self.mode!r}"


class Crop(nn.Module):
    """A map without `sides`."""

    def __init__(self, sides: Pairs) -> None:
        super().__init__()
        self.sides = tuple(sides)

    def forward(self, input: Tensor) -> Tensor:
        for dim, (before, after) in enumerate(self.sides, start=2):
            input = input.narrow(dim, before, input.shape[dim] - before - after)
        return input

    def extra_repr(self) -> str:
        return str(list(self.sides))


class Surrounded(nn.Module):
    """Mixin: steps before and after what a torch layer does, in one module, so that its parameters keep their names."""

    def __init__(
        self,
        *args: Any,
        before: nn.Module | None = None,
        after: nn.Module | None = None,
        activation: nn.Module | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.before, self.after, self.activation = before, after, activation

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = super().forward(input if self.before is None else self.before(input))
        for step in (self.after, self.activation):
            output = output if step is None else step(output)
        return output


class Conv1d(Surrounded, nn.Conv1d): ...


class Conv2d(Surrounded, nn.Conv2d): ...


class Conv3d(Surrounded, nn.Conv3d): ...


class ConvTranspose1d(Surrounded, nn.ConvTranspose1d): ...  # type: ignore[misc]  # no output_size


class ConvTranspose2d(Surrounded, nn.ConvTranspose2d): ...  # type: ignore[misc]  # no output_size


class ConvTranspose3d(Surrounded, nn.ConvTranspose3d): ...  # type: ignore[misc]  # no output_size


class Linear(Surrounded, nn.Linear): ...


# Other convolutions and dense layers ----------------------------------------------------------------------------------


class PartialConv(nn.Module):
    """A convolution in which each output channel reads some of the input channels.

    `weight` holds one kernel for each pair of an output and an input channel, in the order of `connections`.
    """

    def __init__(
        self,
        connections: Sequence[Sequence[int]],
        kernel: Sequence[int],
        stride: Sequence[int],
        dilation: Sequence[int],
        sides: Pairs,
        bias: bool,
        activation: nn.Module | None,
    ) -> None:
        super().__init__()
        self.sources = [channel for read in connections for channel in read]
        self.counts = [len(read) for read in connections]
        self.stride, self.dilation = tuple(stride), tuple(dilation)
        self.sides = tuple(sides)
        self.weight = nn.Parameter(torch.empty(len(self.sources), *kernel))
        self.bias = nn.Parameter(torch.empty(len(self.counts))) if bias else None
        self.activation = activation
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform, narrower for a channel that reads more, as `nn.Conv2d` does."""
        first = 0
        for channel, count in enumerate(self.counts):
            bound = 1 / sqrt(count * prod(self.weight.shape[1:]))
            nn.init.uniform_(self.weight[first : first + count], -bound, bound)
            if self.bias is not None:
                nn.init.uniform_(self.bias[channel], -bound, bound)
            first += count

    def forward(self, input: Tensor) -> Tensor:
        read = padded(input, self.sides)[:, self.sources]
        convolve = CONVOLUTION[len(self.stride)]
        maps = convolve(read, self.weight.unsqueeze(1), None, self.stride, 0, self.dilation, groups=len(self.sources))
        output = torch.stack([part.sum(1) for part in torch.split(maps, self.counts, 1)], 1)
        if self.bias is not None:
            output = output + self.bias.view(-1, *[1] * len(self.stride))
        return output if self.activation is None else self.activation(output)


class DynamicConv(nn.Module):
    """A convolution with filters that come from the network, other ones for each image.

    The images stand beside one another as groups of channels, each of which meets its own filters.
    """

    def __init__(
        self,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        before: nn.Module | None,
    ) -> None:
        super().__init__()
        self.out_channels, self.kernel, self.groups, self.before = out_channels, tuple(kernel), groups, before
        self.stride, self.padding, self.dilation = tuple(stride), tuple(padding), tuple(dilation)

    def forward(self, input: Tensor, filters: Tensor) -> Tensor:
        if self.before is not None:
            input = self.before(input)
        batch, channels, *sizes = input.shape
        filters = filters.reshape(batch * self.out_channels, channels // self.groups, *self.kernel)
        input = input.reshape(1, batch * channels, *sizes)
        convolution = CONVOLUTION[len(self.kernel)]
        output = convolution(input, filters, None, self.stride, self.padding, self.dilation, batch * self.groups)
        return output.reshape(batch, self.out_channels, *output.shape[2:])

    def extra_repr(self) -> str:
        return f"{self.out_channels}, kernel_size={self.kernel}, stride={self.stride}, groups={self.groups}"


class LocallyConnected(nn.Module):
    """A convolution's connections with a weight [out, *positions, in, *kernel] and a bias [out, *positions]."""

    def __init__(
        self,
        shape: Sequence[int],
        in_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        dilation: Sequence[int],
        sides: Pairs,
        bias: bool,
        activation: nn.Module | None,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = tuple(kernel), tuple(stride), tuple(dilation)
        self.sides = tuple(sides)
        self.weight = nn.Parameter(torch.empty(*shape, in_channels, *kernel))
        self.bias = nn.Parameter(torch.empty(*shape)) if bias else None
        self.activation = activation
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / sqrt(prod(self.weight.shape[-len(self.kernel) - 1 :]))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        rank = len(self.kernel)
        windows = padded(input, self.sides)
        for axis, (kernel, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            windows = windows.unfold(axis + 2, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        # windows is [batch, in, *positions, *kernel]; a matrix product at each position, over in · kernel
        positions = windows.shape[2 : 2 + rank]
        read = windows.movedim(1, 1 + rank).flatten(1 + rank).flatten(1, rank).transpose(0, 1)
        weight = self.weight.flatten(1 + rank).flatten(1, rank).permute(1, 2, 0)
        output = torch.bmm(read, weight).permute(1, 2, 0).reshape(len(input), -1, *positions)
        if self.bias is not None:
            output = output + self.bias
        return output if self.activation is None else self.activation(output)


class Rbf(nn.Module):
    """Squared distances from the flattened input to `centers` [out, in], which are fixed unless `trainable`."""

    centers: Tensor

    def __init__(self, in_features: int, out_features: int, trainable: bool) -> None:
        super().__init__()
        centers = torch.empty(out_features, in_features)
        if trainable:
            self.centers = nn.Parameter(centers)
        else:
            self.register_buffer("centers", centers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Corners of the cube, as LeNet-5's bitmaps are."""
        with torch.no_grad():
            self.centers.bernoulli_(0.5).mul_(2).sub_(1)

    def forward(self, input: Tensor) -> Tensor:
        return (input.flatten(1).unsqueeze(1) - self.centers).square().sum(2)


# Pooling --------------------------------------------------------------------------------------------------------------


class PaddedMaxPool(nn.Module):
    """The largest value of each window, with paddings that torch's own layers do not take. Padding is never largest."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], sides: Pairs) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = tuple(kernel), tuple(stride), tuple(dilation)
        self.sides = tuple(sides)

    def forward(self, input: Tensor) -> Tensor:
        pool = MAX_POOL[len(self.kernel)]
        return pool(padded(input, self.sides, value=-torch.inf), self.kernel, self.stride, 0, self.dilation)


class PaddedAvgPool(nn.Module):
    """The mean of each window, with paddings that torch's own layers do not take.

    Positions that `rounding: ceil` adds at the end (`extra`) never count in the divisor; padding does if asked.
    """

    def __init__(
        self, kernel: Sequence[int], stride: Sequence[int], sides: Pairs, extra: Sequence[int], count_include_pad: bool
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.sides = tuple(kernel), tuple(stride), tuple(sides)
        self.extra = [(0, size) for size in extra]
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        pool = AVG_POOL[len(self.kernel)]
        counted = padded(input.new_ones(1, 1, *input.shape[2:]), self.sides, value=float(self.count_include_pad))
        sums, counts = [
            pool(padded(each, self.extra), self.kernel, self.stride) for each in (padded(input, self.sides), counted)
        ]
        return sums / counts


class Subsample(nn.Module):
    """A window's sum times a weight plus a bias, one of each a channel; windows may end outside, where nothing is."""

    def __init__(
        self, channels: int, kernel: Sequence[int], stride: Sequence[int], sides: Pairs, activation: nn.Module | None
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.sides = tuple(kernel), tuple(stride), tuple(sides)
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.activation = activation
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """An average at first."""
        nn.init.constant_(self.weight, 1 / prod(self.kernel))
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        rank = len(self.kernel)
        sums = AVG_POOL[rank](padded(input, self.sides), self.kernel, self.stride) * prod(self.kernel)
        output = sums * self.weight.view(-1, *[1] * rank) + self.bias.view(-1, *[1] * rank)
        return output if self.activation is None else self.activation(output)


class DepthPool(nn.Module):
    """The largest value or the mean of windows of channels."""

    def __init__(self, kernel: int, stride: int, mode: str) -> None:
        super().__init__()
        self.kernel, self.stride, self.mode = kernel, stride, mode

    def forward(self, input: Tensor) -> Tensor:
        windows = input.unfold(1, self.kernel, self.stride)
        return windows.amax(-1) if self.mode == "max" else windows.mean(-1)


class Maxout(nn.Module):
    """The largest of each `pieces` consecutive channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, input: Tensor) -> Tensor:
        return input.reshape(len(input), -1, self.pieces, *input.shape[2:]).amax(2)


class GlobalPool(nn.Module):
    """The mean or the largest value of each channel; the spatial dimensions stay, with size 1."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        spatial = tuple(range(2, input.dim()))
        return input.amax(spatial, keepdim=True) if self.mode == "max" else input.mean(spatial, keepdim=True)

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}"


# Normalisation --------------------------------------------------------------------------------------------------------


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class LocalResponseNorm(nn.LocalResponseNorm):
    """torch's, for vectors too (it wants a spatial dimension) and for permuted maps (it wants them in memory order)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == 2:
            return super().forward(input.unsqueeze(2)).squeeze(2)
        return super().forward(input.contiguous())


class L2Norm(nn.Module):
    """Each place's channel vector divided by its length."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        return F.normalize(input, dim=1, eps=self.eps)


class Scale(nn.Module):
    """A learned factor, and perhaps a bias, a channel."""

    def __init__(self, channels: int, init: float, bias: bool) -> None:
        super().__init__()
        self.init = init
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.weight, self.init)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        shape = (-1, *[1] * (input.dim() - 2))
        output = input * self.weight.view(shape)
        return output if self.bias is None else output + self.bias.view(shape)


# Arithmetic -----------------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "add": lambda x, other: x + other,
    "subtract": lambda x, other: x - other,
    "subtract_from": lambda x, other: other - x,
    "multiply": lambda x, other: x * other,
    "divide": lambda x, other: x / other,
    "divide_into": lambda x, other: other / x,
    "power": lambda x, other: x**other,
    "minimum": lambda x, other: torch.clamp(x, max=other),
    "maximum": lambda x, other: torch.clamp(x, min=other),
}
IN_PLACE: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "add": Tensor.add_,
    "subtract": Tensor.sub_,
    "multiply": Tensor.mul_,
    "divide": Tensor.div_,
    "power": Tensor.pow_,
    "minimum": lambda x, other: x.clamp_(max=other),
    "maximum": lambda x, other: x.clamp_(min=other),
}


class Arithmetic(nn.Module):
    """Every element and a number, or a tensor of the module's own, trained or not."""

    def __init__(
        self, operation: str, number: float | None, shape: Sequence[int] | None, trainable: bool, inplace: bool
    ) -> None:
        super().__init__()
        self.operation, self.number, self.inplace = operation, number, inplace
        if shape is not None:
            weight = torch.empty(shape)
            if trainable:
                self.weight = nn.Parameter(weight)
            else:
                self.register_buffer("weight", weight)
            self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.number is None:
            nn.init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        other = self.weight if self.number is None else self.number
        return (IN_PLACE if self.inplace else OPERATIONS)[self.operation](input, other)

    def extra_repr(self) -> str:
        return self.operation


class Function(nn.Module):
    """One of torch's functions of each element."""

    def __init__(self, name: str, inplace: bool) -> None:
        super().__init__()
        self.name = f"{name}_" if inplace else name

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = getattr(input, self.name)()
        return output

    def extra_repr(self) -> str:
        return self.name


class Reduce(nn.Module):
    """A sum, mean, maximum, minimum or length along dimensions."""

    def __init__(self, by: str, dims: Sequence[int], keep: bool) -> None:
        super().__init__()
        self.by, self.dims, self.keep = by, list(dims), keep

    def forward(self, input: Tensor) -> Tensor:
        function = {"max": torch.amax, "min": torch.amin, "norm": torch.linalg.vector_norm}.get(self.by)
        function = function or getattr(torch, self.by)
        output: Tensor = function(input, dim=self.dims, keepdim=self.keep)
        return output if output.dim() > 1 else output.unsqueeze(1)

    def extra_repr(self) -> str:
        return f"{self.by} over {self.dims}"


# Activations and regularisation ---------------------------------------------------------------------------------------


class SigmoidInPlace(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid_()


class TanhInPlace(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return input.tanh_()


class DropPath(nn.Module):
    """In training, each image's path is dropped with probability p, and what stays is scaled by 1 / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        kept = input.new_empty(input.shape[0], *[1] * (input.dim() - 1)).bernoulli_(1 - self.p)
        return input * (kept / (1 - self.p) if self.p < 1 else kept)

    def extra_repr(self) -> str:
        return f"p={self.p}"


# Values moved about ---------------------------------------------------------------------------------------------------


class Reshape(nn.Module):
    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, input: Tensor) -> Tensor:
        return input.reshape(input.shape[0], *self.shape)

    def extra_repr(self) -> str:
        return str(list(self.shape))


class Permute(nn.Module):
    """Dimensions in another order; 0 stands for the channels, as the batch is not counted."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, input: Tensor) -> Tensor:
        return input.permute(0, *[dim + 1 for dim in self.dims])

    def extra_repr(self) -> str:
        return str(list(self.dims))


class Slice(nn.Module):
    """`start:stop:step` of one dimension, 0 being the channels."""

    def __init__(self, start: int, stop: int | None, step: int, axis: int) -> None:
        super().__init__()
        self.part, self.axis = slice(start, stop, step), axis

    def forward(self, input: Tensor) -> Tensor:
        return input[(slice(None),) * (self.axis + 1) + (self.part,)]

    def extra_repr(self) -> str:
        return f"{self.part}, axis={self.axis}"


class PixelShuffle(nn.Module):
    """Channels become positions, in torch's order (`nn.PixelShuffle`), in any number of dimensions."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, input: Tensor) -> Tensor:
        batch, _, *sizes = input.shape
        rank, r = len(sizes), self.factor
        blocks = input.reshape(batch, -1, *[r] * rank, *sizes)  # [batch, out, r, r, H, W]
        order = [dim for axis in range(rank) for dim in (2 + rank + axis, 2 + axis)]
        return blocks.permute(0, 1, *order).reshape(batch, -1, *[size * r for size in sizes])


class SpaceToDepth(nn.Module):
    """Positions become channels, in torch's order (`nn.PixelUnshuffle`), in any number of dimensions."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, input: Tensor) -> Tensor:
        batch, channels, *sizes = input.shape
        rank, b = len(sizes), self.block
        split = [part for size in sizes for part in (size // b, b)]
        blocks = input.reshape(batch, channels, *split)  # [batch, in, H/b, b, W/b, b]
        order = [3 + 2 * axis for axis in range(rank)] + [2 + 2 * axis for axis in range(rank)]
        return blocks.permute(0, 1, *order).reshape(batch, -1, *[size // b for size in sizes])


class ChannelShuffle(nn.Module):
    """Channels of `groups` groups dealt out in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return input.reshape(len(input), self.groups, -1, *input.shape[2:]).transpose(1, 2).flatten(1, 2)


# Merges ---------------------------------------------------------------------------------------------------------------


class Fold(nn.Module):
    """An operation of two values carried through all paths from the first on; size-1 dimensions are repeated."""

    def __init__(self, operation: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, *paths: Tensor) -> Tensor:
        return reduce(self.operation, paths)

    def extra_repr(self) -> str:
        return str(self.operation.__name__)


class Mean(nn.Module):
    def forward(self, *paths: Tensor) -> Tensor:
        return reduce(torch.add, paths) / len(paths)


class Concat(nn.Module):
    """Paths one after the other along `axis`, 0 being the channels."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *paths: Tensor) -> Tensor:
        return torch.cat(paths, self.axis + 1)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
