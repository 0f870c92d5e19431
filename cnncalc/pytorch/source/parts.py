"""What torch lacks. The writer copies from this file into a model's source those parts that the model uses.

The writer reads the text and does not import it. Each definition has to stand alone but for the others here, and to fit
the width of the written source (`code.WIDTH`), which is less than this repository's.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Functions ------------------------------------------------------------------------------------------------------------


def make_divisible(value: int, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, and at least 90 % of `value`."""
    nearest = max(divisor, (value + divisor // 2) // divisor * divisor)
    return nearest + divisor if 10 * nearest < 9 * value else nearest


def pad_same(
    x: Tensor,
    window: tuple[int, ...],
    stride: tuple[int, ...],
    value: float = 0.0,
) -> Tensor:
    """TensorFlow's SAME: an output for every stride begun, the odd pixel after."""
    padding: list[int] = []
    for size, w, s in zip(x.shape[2:], window, stride, strict=True):
        total = max((size - 1) // s * s + w - size, 0)
        padding = [total // 2, total - total // 2, *padding]
    return F.pad(x, padding, value=value)


# Padding --------------------------------------------------------------------------------------------------------------


class PadSame(nn.Module):
    """SAME padding for the window that follows."""

    def __init__(
        self,
        window: tuple[int, ...],
        stride: tuple[int, ...],
        value: float = 0.0,
    ) -> None:
        super().__init__()
        self.window, self.stride, self.value = window, stride, value

    def forward(self, x: Tensor) -> Tensor:
        return pad_same(x, self.window, self.stride, self.value)


class Conv1dSame(nn.Conv1d):
    """A convolution with SAME padding at any stride."""

    def forward(self, x: Tensor) -> Tensor:
        sizes = zip(self.kernel_size, self.dilation, strict=True)
        window = tuple(d * (k - 1) + 1 for k, d in sizes)
        return super().forward(pad_same(x, window, self.stride))


class Conv2dSame(nn.Conv2d):
    """A convolution with SAME padding at any stride."""

    def forward(self, x: Tensor) -> Tensor:
        sizes = zip(self.kernel_size, self.dilation, strict=True)
        window = tuple(d * (k - 1) + 1 for k, d in sizes)
        return super().forward(pad_same(x, window, self.stride))


class Conv3dSame(nn.Conv3d):
    """A convolution with SAME padding at any stride."""

    def forward(self, x: Tensor) -> Tensor:
        sizes = zip(self.kernel_size, self.dilation, strict=True)
        window = tuple(d * (k - 1) + 1 for k, d in sizes)
        return super().forward(pad_same(x, window, self.stride))


class Crop(nn.Module):
    """Takes `sides` off: (before, after) for each spatial dimension."""

    def __init__(self, sides: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        for dim, (before, after) in enumerate(self.sides, start=2):
            x = x.narrow(dim, before, x.shape[dim] - before - after)
        return x


class CenterCrop(nn.Module):
    """The middle of a map; where that is not exact, one more goes after than before."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        for dim, size in enumerate(self.size, start=2):
            x = x.narrow(dim, (x.shape[dim] - size) // 2, size)
        return x


# Convolutions and dense layers ----------------------------------------------------------------------------------------


class PartialConv(nn.Module):
    """A convolution whose output channels each read the input channels listed for them.

    `weight` has one kernel for each pair of channels, in the order of `connections`;
    `padding` is as `F.pad` takes it, the last dimension first.
    """

    def __init__(
        self,
        connections: list[list[int]],
        kernel_size: tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        dilation: int | tuple[int, ...] = 1,
        padding: tuple[int, ...] = (),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.dilation, self.padding = stride, dilation, padding
        self.sources = [channel for reads in connections for channel in reads]
        self.counts = [len(reads) for reads in connections]
        self.weight = nn.Parameter(torch.empty(len(self.sources), *kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(connections))) if bias else None
        bound = (len(connections) / self.weight.numel()) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        rank = x.dim() - 2
        x = F.pad(x, self.padding)[:, self.sources]
        convolve = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
        kernels = self.weight.unsqueeze(1)
        pairs = len(self.sources)
        x = convolve(x, kernels, None, self.stride, 0, self.dilation, pairs)
        x = torch.stack([maps.sum(1) for maps in torch.split(x, self.counts, 1)], 1)
        return x if self.bias is None else x + self.bias.view(-1, *[1] * rank)


class DynamicConv(nn.Module):
    """A convolution with filters that are computed, other ones for each image.

    The images stand beside one another as groups of channels.
    """

    def __init__(
        self,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.out_channels, self.kernel_size = out_channels, kernel_size
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups

    def forward(self, x: Tensor, filters: Tensor) -> Tensor:
        batch, channels = x.shape[:2]
        rows, read = batch * self.out_channels, channels // self.groups
        filters = filters.reshape(rows, read, *self.kernel_size)
        x = x.reshape(1, batch * channels, *x.shape[2:])
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]
        groups = batch * self.groups
        x = convolve(x, filters, None, self.stride, self.padding, self.dilation, groups)
        return x.reshape(batch, self.out_channels, *x.shape[2:])


class LocallyConnected(nn.Module):
    """A convolution with weights and biases of its own at every position of the output.

    `padding` is as `F.pad` takes it, the last dimension first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        positions: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        padding: tuple[int, ...] = (),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.dilation, self.padding = dilation, padding
        shape = (out_channels, *positions)
        self.weight = nn.Parameter(torch.empty(*shape, in_channels, *kernel_size))
        self.bias = nn.Parameter(torch.zeros(*shape)) if bias else None
        bound = torch.Size((in_channels, *kernel_size)).numel() ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        rank = len(self.kernel_size)
        x = F.pad(x, self.padding)
        for axis in range(rank):
            k, s, d = self.kernel_size[axis], self.stride[axis], self.dilation[axis]
            x = x.unfold(axis + 2, d * (k - 1) + 1, s)[..., ::d]
        positions = x.shape[2 : 2 + rank]
        # To [positions, batch, inputs] and [positions, inputs, out_channels]
        x = x.movedim(1, 1 + rank).flatten(1 + rank).flatten(1, rank).transpose(0, 1)
        weight = self.weight.flatten(1 + rank).flatten(1, rank).permute(1, 2, 0)
        x = torch.bmm(x, weight).permute(1, 2, 0)
        x = x.reshape(*x.shape[:2], *positions)
        return x if self.bias is None else x + self.bias


class Rbf(nn.Module):
    """Squared distances to `out_features` centres, fixed unless `trainable`."""

    centers: Tensor

    def __init__(self, in_features: int, out_features: int, trainable: bool) -> None:
        super().__init__()
        centers = torch.empty(out_features, in_features).bernoulli_() * 2 - 1
        if trainable:
            self.centers = nn.Parameter(centers)
        else:
            self.register_buffer("centers", centers)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) - self.centers).square().sum(2)


# Pooling --------------------------------------------------------------------------------------------------------------


class PaddedAvgPool(nn.Module):
    """The mean of each window, paddings as `F.pad` takes them, last dimension first.

    `padding` counts as zeros where `count_include_pad`; `extra` never counts.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...],
        padding: tuple[int, ...],
        extra: tuple[int, ...],
        count_include_pad: bool,
    ) -> None:
        super().__init__()
        self.window = kernel_size, stride
        self.padding, self.extra = padding, extra
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.dim() - 3]
        ones = x.new_ones(1, 1, *x.shape[2:])
        ones = F.pad(ones, self.padding, value=float(self.count_include_pad))
        counts = pool(F.pad(ones, self.extra), *self.window)
        return pool(F.pad(F.pad(x, self.padding), self.extra), *self.window) / counts


class Subsample(nn.Module):
    """A window's sum times a learned coefficient plus a bias, one of each a channel.

    `extra` is what the last windows may reach beyond the input, as `F.pad` takes it.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: tuple[int, ...],
        stride: int | tuple[int, ...],
        extra: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.extra = kernel_size, stride, extra
        mean = 1 / torch.Size(kernel_size).numel()
        self.weight = nn.Parameter(torch.full((channels,), mean))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        rank = x.dim() - 2
        convolve = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
        kernels = self.weight.view(-1, 1, *[1] * rank).expand(-1, 1, *self.kernel_size)
        x = F.pad(x, self.extra)
        return convolve(x, kernels, self.bias, self.stride, groups=x.shape[1])


class DepthPool(nn.Module):
    """The largest value, or the mean, of windows of channels."""

    def __init__(self, kernel_size: int, stride: int, mode: str) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.mode = kernel_size, stride, mode

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(1, self.kernel_size, self.stride)
        return windows.amax(-1) if self.mode == "max" else windows.mean(-1)


class Maxout(nn.Module):
    """The largest of each `pieces` consecutive channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, self.pieces, *x.shape[2:]).amax(2)


# Normalisation --------------------------------------------------------------------------------------------------------


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class VectorResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation of vectors."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(2)).squeeze(2)


class L2Norm(nn.Module):
    """Each place's channels divided by their length."""

    def __init__(self, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1, eps=self.eps)


class Scale(nn.Module):
    """A learned factor, and perhaps a bias, a channel."""

    def __init__(self, channels: int, init: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(init)))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.dim() - 2))
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


# Activations and regularisation ---------------------------------------------------------------------------------------


class SigmoidInPlace(nn.Module):
    """The logistic function, written over its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid_()


class TanhInPlace(nn.Module):
    """The hyperbolic tangent, written over its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh_()


class DropPath(nn.Module):
    """Drops a whole path of an image with probability `p`, in training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.p)
        return x * keep if self.p == 1 else x * keep / (1 - self.p)


# Values moved about ---------------------------------------------------------------------------------------------------


class Reshape(nn.Module):
    """Another shape for the values of each image."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


class Permute(nn.Module):
    """Dimensions in another order; the batch is 0 and stays."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, *self.dims)


class Slice(nn.Module):
    """`start:stop:step` of one dimension."""

    def __init__(
        self,
        start: int,
        stop: int | None,
        step: int = 1,
        dim: int = 1,
    ) -> None:
        super().__init__()
        self.index = (slice(None),) * dim + (slice(start, stop, step),)

    def forward(self, x: Tensor) -> Tensor:
        return x[self.index]


class PixelShuffle(nn.Module):
    """Channels become positions, in any number of dimensions."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        batch, _, *sizes = x.shape
        rank, r = len(sizes), self.factor
        x = x.reshape(batch, -1, *[r] * rank, *sizes)  # [batch, out, r, r, H, W]
        order = [dim for axis in range(rank) for dim in (2 + rank + axis, 2 + axis)]
        return x.permute(0, 1, *order).reshape(batch, -1, *[size * r for size in sizes])


class SpaceToDepth(nn.Module):
    """Positions become channels, in any number of dimensions."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, *sizes = x.shape
        rank, b = len(sizes), self.block
        split = [part for size in sizes for part in (size // b, b)]
        x = x.reshape(batch, channels, *split)  # [batch, in, H/b, b, W/b, b]
        order = [*range(3, 3 + 2 * rank, 2), *range(2, 2 + 2 * rank, 2)]
        x = x.permute(0, 1, *order)
        return x.reshape(batch, -1, *[size // b for size in sizes])


class ChannelShuffle(nn.Module):
    """Channels of `groups` groups dealt out in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        groups = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        return groups.transpose(1, 2).flatten(1, 2)
