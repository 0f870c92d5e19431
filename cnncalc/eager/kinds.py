"""What torch does with each kind of layer: `TABLE`, from a kind to the operators that its module runs.

The modules are those that `pytorch/build.py` makes; a function here reads like such a module's `forward`, with
operators that account for memory in the place of those that compute. Backward needs no table of its own: each operator
records what its gradient does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import prod
from typing import Any

from cnncalc.eager import kernels, pointwise, views
from cnncalc.eager.autocast import raised
from cnncalc.eager.machine import Refused, Sizes, Tensor
from cnncalc.layers import KINDS
from cnncalc.layers.base import per_axis, sides
from cnncalc.layers.window import Axis

Pairs = list[tuple[int, int]]  # (before, after) for each spatial dimension


@dataclass(slots=True)
class Call:
    """One layer's turn: its fields, its parameters and buffers by name, its output's shape with the batch."""

    layer: Any
    held: dict[str, Tensor]
    output: Sizes
    training: bool

    def __getitem__(self, name: str) -> Tensor | None:
        return self.held.get(name)


# Windows --------------------------------------------------------------------------------------------------------------


def _axes(call: Call, x: Tensor) -> tuple[Axis, ...]:
    axes: tuple[Axis, ...] = call.layer.axes(x.shape[1:])
    return axes


def _extra(axes: Sequence[Axis]) -> list[int]:
    """What the last window reads beyond the padding, where a layer rounds up."""
    ends = [(axis.output - 1) * axis.stride + axis.effective_kernel for axis in axes]
    return [max(0, end - axis.before - axis.input - axis.after) for end, axis in zip(ends, axes, strict=True)]


def _around(axes: Sequence[Axis]) -> Pairs:
    return [(axis.before, axis.after + more) for axis, more in zip(axes, _extra(axes), strict=True)]


def _symmetric(axes: Sequence[Axis]) -> bool:
    return all(axis.before == axis.after for axis in axes)


def _fused(call: Call, x: Tensor) -> Tensor:
    """The activation that a layer applies to its own output, in place where torch can."""
    name = call.layer.activation
    if name is None:
        return x
    kind = KINDS[name]
    activation = kind(inplace=True) if "inplace" in kind.fields else kind()
    return TABLE[name](Call(activation, {}, x.shape, call.training), x)


# Convolutions and dense layers ----------------------------------------------------------------------------------------


def _weight(call: Call) -> Tensor:
    return call.held["weight"]


def conv(call: Call, x: Tensor) -> Tensor:
    if getattr(call.layer, "connections", None) is not None:
        return partial_conv(call, x)
    axes = _axes(call, x)
    groups = getattr(call.layer, "groups", x.shape[1])  # a depthwise one's are its channels
    sliding = kernels.Sliding(groups, _stepped(axes))
    if not _symmetric(axes) or any(_extra(axes)):
        around = _around(axes)
        output = kernels.convolution(kernels.pad(x, around), _weight(call), call["bias"], call.output, sliding)
    else:
        output = kernels.convolution(x, _weight(call), call["bias"], call.output, sliding)
    return _fused(call, output)


def _stepped(axes: Sequence[Axis]) -> bool:
    return any(axis.stride > 1 or axis.dilation > 1 for axis in axes)


def partial_conv(call: Call, x: Tensor) -> Tensor:
    """One group a pair of maps, the pairs of an output summed."""
    counts = [len(read) for read in call.layer.connections]
    batch, _, *positions = call.output
    axes = _axes(call, x)
    read = kernels.gathered_channels(kernels.pad(x, _around(axes)), sum(counts))
    kernel = views.unsqueeze(_weight(call), 1)
    sliding = kernels.Sliding(sum(counts), _stepped(axes))
    maps = kernels.convolution(read, kernel, None, (batch, sum(counts), *positions), sliding)
    del kernel
    output = _sums(maps, counts)
    if call["bias"] is not None:
        output = pointwise.bias_added(output, call.held["bias"], len(positions))
    return _fused(call, output)


def _sums(maps: Tensor, counts: Sequence[int]) -> Tensor:
    return views.stack([kernels.total(part, (1,), False) for part in views.split(maps, counts, 1)], 1)


def conv_transpose(call: Call, x: Tensor) -> Tensor:
    rank = len(x.shape) - 2
    paddings = sides(call.layer.padding, rank, "padding")
    strides = per_axis(call.layer.stride, rank, "stride")
    dilations = per_axis(call.layer.dilation, rank, "dilation")
    extras = per_axis(call.layer.output_padding, rank, "output_padding")
    far = any(extra >= stride for extra, stride in zip(extras, strides, strict=True))
    sliding = kernels.Sliding(call.layer.groups, max(*strides, *dilations) > 1, True, far)
    if all(before == after for before, after in paddings):
        return _fused(call, kernels.convolution(x, _weight(call), call["bias"], call.output, sliding))
    sizes = [size + before + after for size, (before, after) in zip(call.output[2:], paddings, strict=True)]
    output = kernels.convolution(x, _weight(call), call["bias"], (*call.output[:2], *sizes), sliding)
    output = _cropped(output, call.output)
    return _fused(call, output)


def dynamic_conv(call: Call, x: Tensor, filters: Tensor) -> Tensor:
    """The images' channels beside one another, a group or more for each image, which meets its own filters."""
    axes = _axes(call, x)
    if not _symmetric(axes) or any(_extra(axes)):
        x = kernels.pad(x, _around(axes))
    (batch, channels, *sizes), (_, out, *positions) = x.shape, call.output
    groups = call.layer.groups
    filters = views.reshape(filters, (batch * out, channels // groups, *[axis.kernel for axis in axes]))
    x = views.reshape(x, (1, batch * channels, *sizes))
    sliding = kernels.Sliding(batch * groups, _stepped(axes))
    made = kernels.convolution(x, filters, None, (1, batch * out, *positions), sliding)
    return views.reshape(made, call.output)


def locally_connected(call: Call, x: Tensor) -> Tensor:
    axes = _axes(call, x)
    rank = len(axes)
    windows = kernels.pad(x, _around(axes))
    for dim, axis in enumerate(axes):
        windows = views.unfold(windows, dim + 2, axis.effective_kernel, axis.stride)
        last = len(windows.shape) - 1
        windows = views.alias(windows) if axis.dilation == 1 else views.part(windows, last, axis.kernel, axis.dilation)
    positions = windows.shape[2 : 2 + rank]
    read = _rows(windows, rank)
    weight = views.permute(views.flatten(views.flatten(_weight(call), 1 + rank), 1, rank), (1, 2, 0))
    output = views.reshape(
        views.permute(kernels.bmm(read, weight), (1, 2, 0)), (x.shape[0], call.output[1], *positions)
    )
    if call["bias"] is not None:
        output = pointwise.add(output, call.held["bias"])
    return _fused(call, output)


def _rows(windows: Tensor, rank: int) -> Tensor:
    """[batch, in, *positions, *kernel] as a matrix of in · kernel columns for each position."""
    return views.transpose(views.flatten(views.flatten(views.movedim(windows, 1, 1 + rank), 1 + rank), 1, rank), 0, 1)


def linear(call: Call, x: Tensor) -> Tensor:
    if not call.layer.flatten and len(x.shape) > 2:
        return _fused(call, kernels.linear_along_the_last(x, _weight(call), call["bias"]))
    output = kernels.linear(views.flatten(x, 1) if len(x.shape) > 2 else x, _weight(call), call["bias"])
    return _fused(call, output)


def rbf(call: Call, x: Tensor) -> Tensor:
    return kernels.total(
        pointwise.power(pointwise.subtract(views.unsqueeze(views.flatten(x, 1), 1), call.held["centers"])), (2,), False
    )


# Pooling --------------------------------------------------------------------------------------------------------------


def _pools_in_torch(axes: Sequence[Axis]) -> bool:
    """Whether torch's own pooling takes these windows, as `pytorch/build.py` has it."""
    if not _symmetric(axes) or any(2 * axis.before > axis.kernel for axis in axes):
        return False
    if not any(axis.before for axis in axes):
        return True
    return all(axis.dilation == 1 and axis.kernel <= axis.input for axis in axes)


def max_pool(call: Call, x: Tensor) -> Tensor:
    axes = _axes(call, x)
    if _pools_in_torch(axes):
        return _max_pooled(x, call.output)
    return _max_pooled(kernels.pad(x, _around(axes)), call.output)


def _max_pooled(x: Tensor, shape: Sizes) -> Tensor:
    if len(shape) > 3:
        return kernels.max_pool(x, shape, f"max_pool{len(shape) - 2}d_with_indices")[0]
    if x.edge is None and not x.machine.cuda:
        return _max_pooled_without_gradient(x, shape)
    return _max_pooled_1d(x, shape, "max_pool2d_with_indices")


def _max_pooled_without_gradient(x: Tensor, shape: Sizes) -> Tensor:
    """In one dimension torch then needs no indices, but its input in order."""
    made = x.like(shape)
    x.tick("empty")
    views.contiguous_of(x)
    return made


def _max_pooled_1d(x: Tensor, shape: Sizes, operator: str) -> Tensor:
    """A 1-D pooling as torch runs it: over maps of height 1, which the values and the indices then lose."""
    made, indices = kernels.max_pool(views.unsqueeze(x, -2), _with_height(shape), operator)
    views.squeeze(indices, -2)
    return views.squeeze(made, -2)


def _with_height(shape: Sizes) -> Sizes:
    return (*shape[:-1], 1, shape[-1])


def avg_pool(call: Call, x: Tensor) -> Tensor:
    axes = _axes(call, x)
    if _pools_in_torch(axes):
        return _averaged(x, call.output)
    ones = x.like((1, 1, *x.shape[2:]))
    x.tick("new_ones")
    counted = kernels.pad(ones, [(axis.before, axis.after) for axis in axes])
    del ones
    padded = kernels.pad(x, [(axis.before, axis.after) for axis in axes])
    extra = [(0, more) for more in _extra(axes)]
    sums = _averaged(kernels.pad(padded, extra), call.output)
    counts = _averaged(kernels.pad(counted, extra), (1, 1, *call.output[2:]))
    del padded
    return pointwise.divide(sums, counts)


def _averaged(x: Tensor, shape: Sizes) -> Tensor:
    rank = len(shape) - 2
    if rank == 1:
        return views.squeeze(kernels.avg_pool(views.unsqueeze(x, -2), _with_height(shape), "avg_pool2d"), -2)
    return kernels.avg_pool(x, shape, f"avg_pool{rank}d")


def lp_pool(call: Call, x: Tensor) -> Tensor:
    out = _averaged(pointwise.power(x), call.output)
    return pointwise.power(
        pointwise.scaled(pointwise.multiply(pointwise.function(out, "sign"), _positive(pointwise.function(out, "abs"))))
    )


def _positive(x: Tensor) -> Tensor:
    return pointwise.unary(x, "relu", "threshold_backward", saves="result")


def subsample(call: Call, x: Tensor) -> Tensor:
    axes = _axes(call, x)
    rank = len(axes)
    sums = pointwise.scaled(_averaged(kernels.pad(x, _around(axes)), call.output))
    shape = (call.output[1], *[1] * rank)
    output = pointwise.add(
        pointwise.multiply(sums, views.view(_weight(call), shape)), views.view(call.held["bias"], shape)
    )
    return _fused(call, output)


def depth_pool(call: Call, x: Tensor) -> Tensor:
    size = call.layer.kernel_size
    windows = views.unfold(x, 1, size, call.layer.stride or size)
    reduction = kernels.amax if call.layer.mode == "max" else kernels.mean
    return reduction(windows, (len(windows.shape) - 1,), False)


def maxout(call: Call, x: Tensor) -> Tensor:
    grouped = views.reshape(x, (x.shape[0], x.shape[1] // call.layer.pieces, call.layer.pieces, *x.shape[2:]))
    return kernels.amax(grouped, (2,), False)


def adaptive_avg_pool(call: Call, x: Tensor) -> Tensor:
    return _adaptive(x, call.output)


def _adaptive(x: Tensor, shape: Sizes) -> Tensor:
    rank = len(shape) - 2
    if rank == 1:
        return views.squeeze(_adaptive(views.unsqueeze(x, -2), _with_height(shape)), -2)
    full = raised(x, f"adaptive_avg_pool{rank}d")
    if set(shape[2:]) == {1}:
        return kernels.mean_in_format(full, tuple(range(2, rank + 2)))
    return kernels.avg_pool(full, shape, f"_adaptive_avg_pool{rank}d")


def adaptive_max_pool(call: Call, x: Tensor) -> Tensor:
    rank = len(call.output) - 2
    if rank == 1:
        return _max_pooled_1d(x, call.output, "adaptive_max_pool2d")
    return kernels.max_pool(x, call.output, f"adaptive_max_pool{rank}d")[0]


def global_avg_pool(call: Call, x: Tensor) -> Tensor:
    return kernels.mean(x, tuple(range(2, len(x.shape))), True)


def global_max_pool(call: Call, x: Tensor) -> Tensor:
    return kernels.amax(x, tuple(range(2, len(x.shape))), True)


# Normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(call: Call, x: Tensor) -> Tensor:
    tracked = call.layer.track_running_stats
    batch_statistics = call.training or not tracked
    if batch_statistics:
        _check_values(x, prod(x.shape) // x.shape[1])
    if call.training and tracked:
        x.tick("add_", scalar=True)  # num_batches_tracked
    running = (call.held["running_mean"], call.held["running_var"]) if tracked else ()
    return kernels.batch_norm(x, call["weight"], call["bias"], running, batch_statistics)


def _check_values(x: Tensor, values: int) -> None:
    """torch normalises no single value."""
    if values == 1:
        layer = x.machine.layer
        reason = f"`{layer}` would normalise a single value, a batch of 1 image giving no more"
        raise Refused(layer, "one-value-to-normalise", reason, "use a larger batch, or a larger input")


def group_norm(call: Call, x: Tensor) -> Tensor:
    _check_values(x, prod(x.shape) // call.layer.num_groups)
    return kernels.group_norm(x, call["weight"], call["bias"], call.layer.num_groups)


def layer_norm(call: Call, x: Tensor) -> Tensor:
    if call.layer.axes == "channels":
        return views.movedim(kernels.layer_norm(views.movedim(x, 1, -1), call["weight"], call["bias"], 1), -1, 1)
    dims = 1 if call.layer.axes == "last" else len(x.shape) - 1
    return kernels.layer_norm(x, call["weight"], call["bias"], dims)


def instance_norm(call: Call, x: Tensor) -> Tensor:
    tracked = call.layer.track_running_stats
    running = (call.held["running_mean"], call.held["running_var"]) if tracked else None
    return kernels.instance_norm(x, call["weight"], call["bias"], running, call.training or not tracked)


def local_response_norm(call: Call, x: Tensor) -> Tensor:
    if len(x.shape) == 2:
        return views.squeeze(_neighbours_divided(views.unsqueeze(x, 2), call.layer.size), 2)
    return _neighbours_divided(views.contiguous_of(x), call.layer.size)


def _neighbours_divided(x: Tensor, size: int) -> Tensor:
    """x / (k + alpha · mean of the squares of neighbouring channels)^beta, as torch.nn.functional composes it."""
    squares = pointwise.multiply(x, x)
    around: Pairs = [(size // 2, (size - 1) // 2)]
    if len(x.shape) == 3:
        squares = views.unsqueeze(squares, 1)
        padded = kernels.pad(squares, [*around, (0, 0)])
        del squares
        means = views.squeeze(kernels.avg_pool(padded, (x.shape[0], 1, *x.shape[1:]), "avg_pool2d"), 1)
        del padded
    else:
        batch, channels, *sizes = x.shape
        squares = views.view(squares, (batch, 1, channels, sizes[0], prod(sizes[1:])))
        padded = kernels.pad(squares, [*around, (0, 0), (0, 0)])
        del squares
        means = views.squeeze(
            kernels.avg_pool(padded, (batch, 1, channels, sizes[0], prod(sizes[1:])), "avg_pool3d"), 1
        )
        del padded
        means = views.view(means, x.shape)
    divisor = pointwise.power(pointwise.add(pointwise.scaled(means), pointwise.number(means)))
    del means
    return pointwise.divide(x, divisor)


def l2_norm(call: Call, x: Tensor) -> Tensor:
    length = views.expand(
        pointwise.clamp(kernels.vector_norm(x, (1,), True), least=True, operator="clamp_min"), x.shape
    )
    return pointwise.divide(x, length)


def scale(call: Call, x: Tensor) -> Tensor:
    shape = (x.shape[1], *[1] * (len(x.shape) - 2))
    output = pointwise.multiply(x, views.view(_weight(call), shape))
    return output if call["bias"] is None else pointwise.add(output, views.view(call.held["bias"], shape))


# Activations ----------------------------------------------------------------------------------------------------------

Operator = Callable[[Call, Tensor], Tensor]


def activation(operator: str, backward: str, saves: str = "input", saves_in_place: str = "") -> Operator:
    """`saves` is what is kept for backward, in place `saves_in_place`: the result, or a copy of the input."""

    def run(call: Call, x: Tensor) -> Tensor:
        in_place = getattr(call.layer, "inplace", False)
        return pointwise.unary(x, operator, backward, (in_place and saves_in_place) or saves, in_place)

    return run


def prelu(call: Call, x: Tensor) -> Tensor:
    return kernels.prelu(x, _weight(call))


# Regularisation and values moved about --------------------------------------------------------------------------------


def dropout(call: Call, x: Tensor) -> Tensor:
    if not call.training or call.layer.p == 0:
        return x
    return pointwise.dropout(x, call.layer.inplace)


def drop_path(call: Call, x: Tensor) -> Tensor:
    return pointwise.drop_path(x, call.layer.p) if call.training else x


def flatten(call: Call, x: Tensor) -> Tensor:
    return views.flatten(x, 1)


def reshape(call: Call, x: Tensor) -> Tensor:
    return views.reshape(x, call.output)


def permute(call: Call, x: Tensor) -> Tensor:
    return views.permute(x, (0, *[dim + 1 for dim in call.layer.dims]))


def pad(call: Call, x: Tensor) -> Tensor:
    return kernels.pad(x, sides(call.layer.padding, len(x.shape) - 2, "padding"), call.layer.mode)


def crop(call: Call, x: Tensor) -> Tensor:
    return _cropped(x, call.output)


def _cropped(x: Tensor, shape: Sizes) -> Tensor:
    for dim in range(2, len(shape)):
        x = views.part(x, dim, shape[dim])
    return x


def slice(call: Call, x: Tensor) -> Tensor:
    kept = call.layer.indices(x.shape[1:])
    dim = call.layer.axis + 1
    if len(kept) == x.shape[dim] and kept.step == 1:
        return views.alias(x)
    return views.part(x, dim, len(kept), kept.step)


def upsample(call: Call, x: Tensor) -> Tensor:
    rank = len(call.output) - 2
    mode = f"nearest{rank}d" if call.layer.mode == "nearest" else f"{call.layer.mode}{rank}d"
    return kernels.upsample(x, call.output, f"upsample_{mode}")


def pixel_shuffle(call: Call, x: Tensor) -> Tensor:
    batch, _, *sizes = x.shape
    rank, r = len(sizes), call.layer.upscale_factor
    blocks = views.reshape(x, (batch, call.output[1], *[r] * rank, *sizes))
    order = [dim for axis in range(rank) for dim in (2 + rank + axis, 2 + axis)]
    return views.reshape(views.permute(blocks, (0, 1, *order)), call.output)


def space_to_depth(call: Call, x: Tensor) -> Tensor:
    batch, channels, *sizes = x.shape
    rank, b = len(sizes), call.layer.block_size
    blocks = views.reshape(x, (batch, channels, *[part for size in sizes for part in (size // b, b)]))
    order = [3 + 2 * axis for axis in range(rank)] + [2 + 2 * axis for axis in range(rank)]
    return views.reshape(views.permute(blocks, (0, 1, *order)), call.output)


def channel_shuffle(call: Call, x: Tensor) -> Tensor:
    groups = call.layer.groups
    split = views.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return views.flatten(views.transpose(split, 1, 2), 1, 2)


# Arithmetic -----------------------------------------------------------------------------------------------------------

_IN_PLACE: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "add": pointwise.add,
    "subtract": pointwise.subtract,
    "multiply": pointwise.multiply,
    "divide": pointwise.divide,
}


def arithmetic(call: Call, x: Tensor) -> Tensor:
    """Some numbers become tensors, others do not."""
    name, own, in_place = call.layer.operation, call["weight"], call.layer.inplace
    if name in _IN_PLACE:
        return _IN_PLACE[name](x, pointwise.number(x) if own is None else own, in_place)
    if own is None:
        return _with_number(call, x)
    if name == "subtract_from":
        return pointwise.subtract(own, x)
    if name == "divide_into":
        return pointwise.divide(own, x)
    if name == "power":
        return pointwise.power_of(x, own, in_place)
    return pointwise.clamp_by(x, own, name == "maximum", in_place)


def _with_number(call: Call, x: Tensor) -> Tensor:
    name, in_place = call.layer.operation, call.layer.inplace
    if name == "subtract_from":
        return pointwise.subtracted_from_number(x)
    if name == "divide_into":
        return pointwise.scaled(pointwise.function(x, "reciprocal"))
    if name == "power":
        return (pointwise.power if call.layer.number else pointwise.power_of_zero)(x, in_place)
    return pointwise.clamp(x, name == "maximum", in_place=in_place)


def function(call: Call, x: Tensor) -> Tensor:
    return pointwise.function(x, call.layer.of, call.layer.inplace)


_REDUCTIONS: dict[str, Callable[[Tensor, Sequence[int], bool], Tensor]] = {
    "sum": kernels.total,
    "mean": kernels.mean,
    "max": kernels.amax,
    "min": kernels.amin,
    "norm": kernels.vector_norm,
}


def reduce_(call: Call, x: Tensor) -> Tensor:
    made = _REDUCTIONS[call.layer.by](x, [axis + 1 for axis in call.layer.over], call.layer.keep)
    return made if len(made.shape) > 1 else views.unsqueeze(made, 1)


# Merges ---------------------------------------------------------------------------------------------------------------


def fold(operator: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda call, *paths: reduce(operator, paths)


def mean(call: Call, *paths: Tensor) -> Tensor:
    total = reduce(pointwise.add, paths)
    return pointwise.divide(total, pointwise.number(total))


def concat(call: Call, *paths: Tensor) -> Tensor:
    return views.cat(paths, call.layer.axis + 1)


# The table ------------------------------------------------------------------------------------------------------------

TABLE: dict[str, Callable[..., Tensor]] = {
    # convolutions and dense layers
    "conv": conv,
    "depthwise_conv": conv,
    "conv_transpose": conv_transpose,
    "locally_connected": locally_connected,
    "dynamic_conv": dynamic_conv,
    "linear": linear,
    "rbf": rbf,
    # pooling
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "lp_pool": lp_pool,
    "depth_pool": depth_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "adaptive_max_pool": adaptive_max_pool,
    "global_avg_pool": global_avg_pool,
    "global_max_pool": global_max_pool,
    "subsample": subsample,
    "maxout": maxout,
    # normalisation
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "l2_norm": l2_norm,
    "scale": scale,
    # activations: the operator, its gradient's, and what is kept
    "relu": activation("relu", "threshold_backward", "result"),
    "relu6": activation("hardtanh", "hardtanh_backward"),
    "leaky_relu": activation("leaky_relu", "leaky_relu_backward", "input", "result"),
    "prelu": prelu,
    "elu": activation("elu", "elu_backward", "input", "result"),
    "selu": activation("elu", "elu_backward", "input", "result"),
    "gelu": activation("gelu", "gelu_backward"),
    "silu": activation("silu", "silu_backward"),
    "mish": activation("mish", "mish_backward"),
    "sigmoid": activation("sigmoid", "sigmoid_backward", "result"),
    "tanh": activation("tanh", "tanh_backward", "result"),
    "softplus": activation("softplus", "softplus_backward"),
    "hard_swish": activation("hardswish", "hardswish_backward"),
    "hard_sigmoid": activation("hardsigmoid", "hardsigmoid_backward"),
    "softmax": lambda call, x: kernels.softmax(raised(x, "softmax")),  # along whichever axis
    "log_softmax": lambda call, x: kernels.softmax(raised(x, "log_softmax"), "_log_softmax"),
    # arithmetic
    "arithmetic": arithmetic,
    "function": function,
    "reduce": reduce_,
    # regularisation
    "dropout": dropout,
    "drop_path": drop_path,
    # shape
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "pixel_shuffle": pixel_shuffle,
    "space_to_depth": space_to_depth,
    "channel_shuffle": channel_shuffle,
    "slice": slice,
    "identity": lambda call, x: x,
    # merges
    "add": lambda call, *paths: reduce(partial(pointwise.add, in_place=call.layer.inplace), paths),
    "subtract": fold(pointwise.subtract),
    "multiply": fold(pointwise.multiply),
    "divide": fold(pointwise.divide),
    "mean": mean,
    "concat": concat,
    "matmul": lambda call, *paths: kernels.matmul(*paths),
}
