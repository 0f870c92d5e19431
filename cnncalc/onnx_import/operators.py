"""The table of operators: which layer kind each is, its attributes in the words of that kind.

Written from ONNX's documentation of operators (onnx.ai/onnx/operators). An entry gives a value, or several; it raises
`NoKind` where no kind does the same arithmetic, and `ValueError` where the file contradicts itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import floor, isfinite, prod
from typing import Any

from cnncalc.layers import Kind
from cnncalc.layers.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    LogSoftmax,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from cnncalc.layers.conv import Conv, ConvTranspose
from cnncalc.layers.linear import Linear
from cnncalc.layers.merge import Add, Concat, Divide, Matmul, Mean, Multiply, Subtract
from cnncalc.layers.norm import BatchNorm, GroupNorm, InstanceNorm, L2Norm, LayerNorm, LocalResponseNorm, Scale
from cnncalc.layers.pointwise import Arithmetic, Function, Reduce
from cnncalc.layers.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, LpPool, MaxPool
from cnncalc.layers.regularize import Dropout
from cnncalc.layers.reshape import Identity, Pad, PixelShuffle, Slice, SpaceToDepth
from cnncalc.layers.resize import Upsample
from cnncalc.onnx_import import constants
from cnncalc.onnx_import.patterns import is_torch_hard_sigmoid
from cnncalc.onnx_import.walk import At, Handler, NoKind, Pieces, Value, turn

Sides = list[tuple[int, int]]

LOWEST = -3.4028234663852886e38  # of float32, for the minus infinity around a maximum


# Windows --------------------------------------------------------------------------------------------------------------


def short(sizes: Sequence[Any]) -> Any:
    """One size where all are the same, as a person writes it."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def padding(sides: Sides) -> Any:
    """`1`, `(1, 2)` or `((0, 1), (0, 1))`."""
    if all(before == after for before, after in sides):
        return short([before for before, _ in sides])
    return tuple(sides)


def written_sides(at: At, rank: int) -> Sides:
    """(before, after) for each dimension, of `pads`: all befores, then all afters."""
    pads = at.numbers("pads", 2 * rank, 0)
    if min(pads, default=0) < 0:
        raise NoKind("its padding is negative")
    return list(zip(pads[:rank], pads[rank:], strict=True))


def window(at: At, kernel: tuple[int, ...]) -> dict[str, Any]:
    """Kernel, stride, dilation and padding of a convolution or pooling."""
    rank = len(kernel)
    if rank != at.rank or not rank:
        raise ValueError(f"a window of {rank} dimensions does not fit {at.rank}")
    stride, dilation = at.numbers("strides", rank, 1), at.numbers("dilations", rank, 1)
    if min(*kernel, *stride, *dilation) < 1:
        raise ValueError("kernel, strides and dilations are 1 or more")
    auto = at.text("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        padded: Any = "same"
    elif auto == "SAME_LOWER":
        sizes = at.value().dims[1:]
        spans = [D * (K - 1) + 1 for K, D in zip(kernel, dilation, strict=True)]
        totals = [max((-(-W // S) - 1) * S + F - W, 0) for W, F, S in zip(sizes, spans, stride, strict=True)]
        padded = padding([(total - total // 2, total // 2) for total in totals])
    elif auto == "VALID":
        padded = 0
    else:
        padded = padding(written_sides(at, rank))
    return {"kernel_size": short(kernel), "stride": short(stride), "dilation": short(dilation), "padding": padded}


def kernel_shape(at: At) -> tuple[int, ...]:
    kernel = at.operator.attributes.get("kernel_shape")
    return at.numbers("kernel_shape", at.rank, 0) if kernel is None else at.numbers("kernel_shape", len(kernel), 0)


def conv(at: At) -> Value:
    out_channels, *rest = at.weight()
    if len(rest) != at.rank + 1:
        raise ValueError(f"weights of {len(rest) + 1} dimensions do not fit an input of {at.rank} spatial dimensions")
    if "kernel_shape" in at.operator.attributes and kernel_shape(at) != tuple(rest[1:]):
        raise ValueError(f"`kernel_shape` is {list(kernel_shape(at))}, but its weights are {list(at.weight())}")
    bias = at.has_bias(2)
    kind = Conv(out_channels=out_channels, groups=at.number("group", 1), bias=bias, **window(at, tuple(rest[1:])))
    return at.layer(kind, weights=(1, 2) if bias else (1,))


def conv_transpose(at: At) -> Value:
    _, per_group, *kernel = at.weight()
    rank = at.rank
    if len(kernel) != rank or not rank:
        raise ValueError(f"a window of {len(kernel)} dimensions does not fit {rank}")
    stride, dilation = at.numbers("strides", rank, 1), at.numbers("dilations", rank, 1)
    extra = at.numbers("output_padding", rank, 0)
    spans = [D * (K - 1) + 1 for K, D in zip(kernel, dilation, strict=True)]
    auto, wanted = at.text("auto_pad", "NOTSET"), at.operator.attributes.get("output_shape")
    if wanted or auto.startswith("SAME"):
        sizes = at.value().dims[1:]
        wanted = at.numbers("output_shape", len(wanted), 0)[-rank:] if wanted else None
        outputs = wanted or [W * S for W, S in zip(sizes, stride, strict=True)]
        totals = [
            S * (W - 1) + F + more - out
            for W, F, S, more, out in zip(sizes, spans, stride, extra, outputs, strict=True)
        ]
        extra = tuple([more + max(0, -total) for more, total in zip(extra, totals, strict=True)])
        totals = [max(0, total) for total in totals]
        halves = [(total // 2, total - total // 2) for total in totals]
        sides = halves if auto == "SAME_UPPER" else [(after, before) for before, after in halves]
    else:
        sides = [(0, 0)] * rank if auto == "VALID" else written_sides(at, rank)
    groups, bias = at.number("group", 1), at.has_bias(2)
    kind = ConvTranspose(
        out_channels=per_group * groups,
        kernel_size=short(kernel),
        stride=short(stride),
        dilation=short(dilation),
        padding=padding(sides),
        output_padding=short(extra),
        groups=groups,
        bias=bias,
    )
    return at.layer(kind, weights=(1, 2) if bias else (1,))


def pooled(at: At) -> dict[str, Any]:
    fields = window(at, kernel_shape(at))
    if isinstance(fields["padding"], (int, tuple)):
        kernel = kernel_shape(at)
        sides = written_sides(at, len(kernel)) if at.text("auto_pad", "NOTSET") == "NOTSET" else []
        if any(2 * max(side) > size for side, size in zip(sides, kernel, strict=False)):
            raise NoKind("its padding is more than half of its window")
    return {**fields, "rounding": "ceil" if at.number("ceil_mode", 0) else "floor"}


def max_pool(at: At) -> Value:
    return at.layer(MaxPool(**pooled(at)))


def avg_pool(at: At) -> Value:
    fields = pooled(at)
    if fields.pop("dilation") != 1:
        raise NoKind("its window is dilated")
    return at.layer(AvgPool(count_include_pad=bool(at.number("count_include_pad", 0)), **fields))


def lp_pool(at: At) -> Value:
    fields = pooled(at)
    if fields.pop("dilation") != 1 or fields.pop("padding") != 0:
        raise NoKind("its window is dilated or padded")
    return at.layer(LpPool(norm_type=at.real("p", 2.0), **fields))


def global_pool(kind: type[Kind]) -> Handler:
    return lambda at: at.layer(kind())


def reduced(by: Any, pool: type[Kind] | None = None) -> Handler:
    """A mean, a sum ... over some dimensions; over all spatial ones some are a `pool`."""

    def handler(at: At) -> Value:
        value = at.value()
        axes = at.setting("axes", 1)
        if axes is None:
            if at.number("noop_with_empty_axes", 0):
                return at.pointwise(Identity())
            raise NoKind("it puts the images of a batch together")
        ours = {value.axis(axis) for axis in axes}
        keep = bool(at.number("keepdims", 1))
        step = turn([value])
        inner = {step.order[axis] for axis in ours} if step else ours
        rank = len(value.dims)
        if pool is not None and rank > 1 and inner == set(range(1, rank)):
            made = at.pointwise(pool())
            if keep:
                return made
            gone = {constants.axis_of(axis, len(value.shape)) for axis in axes}
            kept = tuple([size for axis, size in enumerate(made.shape) if axis not in gone])
            return at.walk.reshaped(made, kept, at.operator)
        made = at.layer(Reduce(by=by, axes=short(sorted(ours)), keep=keep))
        if len(ours) == rank and not keep and value.apart:  # nothing is left but the batch
            return Value(made.source, value.shape[:1], ())
        return made

    return handler


# Dense layers ---------------------------------------------------------------------------------------------------------


def dense(at: At, out_features: int, in_features: int) -> Value:
    """A dense layer on the last dimension; on the channels of a map that has them last, a 1x1 convolution."""
    dims, bias = at.value().dims, at.has_bias(2)
    weights = (1, 2) if bias else (1,)
    if dims[-1] != in_features:
        raise ValueError(f"weights for {in_features} values do not fit {dims[-1]}")
    if not channels_last(at.value()):
        return at.layer(Linear(out_features=out_features, bias=bias, flatten=len(dims) == 1), weights=weights)
    kind = Conv(out_channels=out_features, kernel_size=1, bias=bias)
    return at.on_channels(len(dims) - 1, kind, weights)


def channels_last(value: Value) -> bool:
    """Whether a value is a map whose channels a transpose has moved to the end."""
    step = turn([value])
    return step is not None and step.order[-1] == 0


def gemm(at: At) -> Value:
    shape = at.weight()
    if len(shape) != 2:
        raise ValueError(f"weights of {len(shape)} dimensions")
    if at.number("transA", 0):
        raise NoKind("it transposes its input")
    inputs, outputs = reversed(shape) if at.number("transB", 0) else shape
    bias = at.constant(2)
    if bias is not None and bias.shape is not None and prod(bias.shape) != outputs:
        raise NoKind("its bias is not one number an output")
    return dense(at, outputs, inputs)


def matmul(at: At) -> Value:
    """Weights on the right, where MatMul and the Add after it come here as one; or two values."""
    values = [one for one in at.inputs if isinstance(one, Value)]
    if len(values) == 2:
        if not all(value.apart for value in values):
            raise NoKind("it works across the images of a batch")
        left, right = [value.dims for value in values]
        if min(len(left), len(right)) < 2 or left[:-2] != right[:-2]:
            raise NoKind("it has not a matrix of one for each of the other")
        return at.layer(Matmul(), *values)
    shape = at.weight()
    if len(shape) != 2:
        raise NoKind("its weights are not one matrix")
    return dense(at, shape[1], shape[0])


# Normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(at: At) -> Value:
    affine = at.learns(1, 2)
    kind = BatchNorm(eps=at.real("epsilon", 1e-5), momentum=round(1 - at.real("momentum", 0.9), 6), affine=affine)
    return at.layer(kind, weights=(1, 2, 3, 4) if affine else (3, 4))


def instance_norm(at: At) -> Value:
    affine = at.learns(1, 2)
    return at.layer(InstanceNorm(eps=at.real("epsilon", 1e-5), affine=affine), weights=(1, 2) if affine else ())


def group_norm(at: At) -> Value:
    if prod(at.weight()) != at.value().dims[0]:
        raise NoKind("it has a factor a group, not one a channel")
    affine = at.learns(1, 2)
    kind = GroupNorm(num_groups=at.number("num_groups", 1), eps=at.real("epsilon", 1e-5), affine=affine)
    return at.layer(kind, weights=(1, 2) if affine else ())


def split_group_norm(at: At) -> Value:
    """Group norm as exporters write it: an instance norm of groups, then a factor and a bias a channel."""
    groups = prod(at.weight(3))
    if prod(at.weight(1)) != at.value().dims[0] or prod(at.weight(2)) != at.value().dims[0]:
        raise NoKind("it has a factor a group, not one a channel")
    return at.layer(GroupNorm(num_groups=groups), weights=(1, 2))


def layer_norm(at: At) -> Value:
    value = at.value()
    return normalised(at, value.axis(at.number("axis", -1)), at.real("epsilon", 1e-5))


def written_layer_norm(at: At) -> Value:
    """Layer norm as means, differences and a root."""
    axes = at.operator.attributes.get("axes") or ()
    rank = len(at.value().shape)
    places = sorted([constants.axis_of(axis, rank) for axis in axes])
    if places != list(range(rank - len(places), rank)) or not places:
        raise NoKind("it normalises other dimensions than the last")
    return normalised(at, at.value().axis(places[0]), 1e-5)


def normalised(at: At, axis: int, eps: float) -> Value:
    """A layer norm over dimension `axis` of an image and all after it."""
    dims = at.value().dims
    if prod(at.weight(1)) != prod(dims[axis:]):
        raise NoKind("its factors are shared")
    affine, bias = at.learns(1, 2), at.constant(2) is not None
    weights = ((1, 2) if bias else (1,)) if affine else ()
    fields: dict[str, Any] = {"eps": eps, "elementwise_affine": affine, "bias": bias or not affine}
    if axis == 0:
        return at.layer(LayerNorm(axes="all", **fields), weights=weights)
    if axis < len(dims) - 1:
        raise NoKind("it normalises some of the dimensions")
    if not channels_last(at.value()):
        return at.layer(LayerNorm(axes="last", **fields), weights=weights)
    return at.on_channels(axis, LayerNorm(axes="channels", **fields), weights)


def local_response_norm(at: At) -> Value:
    kind = LocalResponseNorm(
        size=at.number("size", 1), alpha=at.real("alpha", 1e-4), beta=at.real("beta", 0.75), k=at.real("bias", 1.0)
    )
    return at.layer(kind)


def lp_normalization(at: At) -> Value:
    value = at.value()
    axis = value.axis(at.number("axis", -1))
    if at.number("p", 2) != 2:
        raise NoKind("it is not the length of each place's channels")
    return at.layer(L2Norm()) if axis == 0 else at.on_channels(axis, L2Norm())


# Activations ----------------------------------------------------------------------------------------------------------


def activation(make: Callable[[At], Kind]) -> Handler:
    return lambda at: at.pointwise(make(at))


def along_an_axis(kind: type[Softmax | LogSoftmax]) -> Handler:
    """Softmax and its logarithm; before version 13 over the named dimension and all after it, together."""

    def handler(at: At) -> Value:
        value = at.value()
        old = at.walk.graph.version < 13
        axis = value.axis(at.number("axis", 1 if old else -1))
        if old and axis < len(value.dims) - 1 and prod(value.dims[axis + 1 :]) > 1:
            raise NoKind("it works over several dimensions")
        step = turn([value])
        return at.pointwise(kind(axis=step.order[axis] if step else axis))

    return handler


def clip(at: At) -> Value:
    low = at.operator.attributes.get("min") if len(at.inputs) < 2 else first(at.setting("min", 1))
    high = at.operator.attributes.get("max") if len(at.inputs) < 3 else first(at.setting("max", 2))
    above = high is None or high > 3e38
    if low == 0 and (above or high == 6):
        return at.pointwise(Relu() if above else Relu6())
    made = at.value()
    sides: tuple[tuple[Any, Any], ...] = ((low, "maximum"), (high, "minimum"))
    for bound, operation in sides:
        if bound is not None and abs(bound) < 3e38:
            made = at.pointwise(Arithmetic(operation=operation, number=float(bound)), made)
    return made


def first(values: tuple[Any, ...] | None) -> Any:
    return values[0] if values else None


def prelu(at: At) -> Value:
    value, shape = at.value(), at.weight()
    slopes = prod(shape)
    aligned = (*(1,) * (len(value.shape) - len(shape)), *shape)
    if slopes != 1 and (aligned[1:2] != (slopes,) or value.dims[0] != slopes):
        raise NoKind("its slopes are not one a channel")
    return at.layer(Prelu(num_parameters=slopes), weights=(1,))


def hard_sigmoid(at: At) -> Value:
    if not is_torch_hard_sigmoid(at.operator):
        raise NoKind("its slope is not 1/6")
    return at.pointwise(HardSigmoid())


def selu(at: At) -> Value:
    return at.pointwise(Selu())


def gelu(at: At) -> Value:
    approximate: Any = at.text("approximate", "none")
    return at.pointwise(Gelu(approximate=approximate))


def swish(at: At) -> Value:
    if at.real("alpha", 1.0) != 1:
        raise NoKind("its factor is not 1")
    return at.pointwise(Silu())


def dropout(at: At) -> Value:
    ratio = at.operator.attributes.get("ratio")
    if ratio is None:
        ratio = first(at.setting("ratio", 1))
    return at.pointwise(Dropout(p=0.5 if ratio is None else float(ratio)))


def identity(at: At) -> Value:
    return at.pointwise(Identity())


# Several values -------------------------------------------------------------------------------------------------------


def merged(kind: type[Kind] | None, operation: Any = "", turned: Any = "") -> Handler:
    """Values joined element by element. With a constant that is `operation`, or `turned` where the constant is first;
    a learned factor a channel is `scale`."""

    def handler(at: At) -> Value:
        values = [one for one in at.inputs if isinstance(one, Value)]
        if len(values) == 1 and len(at.inputs) == 2 and operation:
            place = 1 if at.inputs[0] is values[0] else 0
            if operation == "multiply" and by_channel(at, values[0], place):
                return at.pointwise(Scale(), values[0], weights=(place,))
            return arithmetic(at, values[0], place, operation if place else turned or operation)
        if len(values) < len(at.inputs) or kind is None:
            raise NoKind("its inputs are not all values")
        constants.broadcast(*[value.shape for value in values])
        if len({(len(value.shape), value.apart) for value in values}) > 1:
            raise NoKind("its inputs have different numbers of dimensions")
        return at.pointwise(kind(), *values) if len(values) > 1 else at.pointwise(Identity())

    return handler


def image_shape(value: Value, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A constant's shape against the source of a value: a size for each of its dimensions, 1 where it is repeated."""
    if len(shape) > len(value.shape):
        raise NoKind("its constant has more dimensions than its value")
    aligned = (*(1,) * (len(value.shape) - len(shape)), *shape)
    if value.apart and aligned[0] != 1:
        raise NoKind("its constant is different for each image")
    sizes = aligned[1:] if value.apart else aligned
    if len(sizes) != len(value.dims):
        raise NoKind("it works across the images of a batch")
    step = turn([value])
    if step is None:
        return sizes
    return tuple([sizes[step.order.index(axis)] for axis in range(len(sizes))])


def by_channel(at: At, value: Value, *places: int) -> bool:
    """Whether the constants there are tensors of the file, one number for each channel of a value."""
    if value.steps and not turn([value]):
        return False
    for place in places:
        constant = at.constant(place)
        if constant is None or not constant.shape or not constant.tensors:
            return False
        channels, *rest = image_shape(value, constant.shape)
        if channels != value.source.output[0] or channels == 1 or set(rest) - {1}:
            return False
    return True


def arithmetic(at: At, value: Value, place: int, operation: Any) -> Value:
    """A value and a number, or a tensor of the file."""
    constant = at.constant(place)
    if constant is None or constant.shape is None:
        raise NoKind("the shape of its constant is not known")
    if prod(constant.shape) == 1 and value.shape != ():
        if constant.values is None or not isfinite(constant.values[0]):
            raise NoKind("its number is not written in the file")
        return at.pointwise(Arithmetic(operation=operation, number=float(constant.values[0])), value)
    shape = image_shape(value, constant.shape)
    kind = Arithmetic(operation=operation, shape=shape, trainable=bool(constant.tensors))
    if not turn([value]):
        return at.layer(kind, value, weights=(place,))
    return at.pointwise(kind, value, weights=(place,))


def function(of: Any) -> Handler:
    return lambda at: at.pointwise(Function(of=of))


def affine(at: At) -> Value:
    """A value times a constant plus another."""
    value = at.value()
    if by_channel(at, value, 1, 2):
        return at.pointwise(Scale(bias=True), weights=(1, 2))
    return arithmetic(at, arithmetic(at, value, 1, "multiply"), 2, "add")


def concat(at: At) -> Value:
    values = [at.value(place) for place in range(len(at.inputs))]
    first, *others = values
    if any(len(value.shape) != len(first.shape) for value in others):
        raise ValueError("values of different numbers of dimensions are joined")
    axis, *different = sorted({value.axis(at.number("axis", 1)) for value in values})
    if different:
        raise NoKind("it joins values with and without a batch")
    if not others:
        return at.pointwise(Identity())
    step = turn(values)
    return at.pointwise(Concat(axis=step.order[axis] if step else axis), *values)


# Values moved about ---------------------------------------------------------------------------------------------------


def reshaped(target: Callable[..., tuple[int, ...] | None]) -> Handler:
    def handler(at: At) -> Value:
        shape = target(at.operator, at.inputs, at.value().shape)
        if shape is None:
            raise NoKind("the shape it gives is not written in the file")
        return at.reshaped(shape)

    return handler


def transpose(at: At) -> Value:
    value = at.value()
    return at.walk.permuted(value, constants.permutation(at.operator, len(value.shape)), at.operator)


def part(at: At, value: Value, axis: int, taken: range) -> Value:
    """Part of one dimension of the file's."""
    size = value.shape[axis]
    if taken == range(size):
        return value
    if not taken:
        raise ValueError(f"it leaves nothing of {size}")
    if taken.step < 0:
        raise NoKind("it turns a dimension round")
    stop = taken[-1] + 1
    kind = Slice(start=taken.start, stop=None if stop == size else stop, step=taken.step, axis=value.axis(axis))
    return at.layer(kind, value)


def sliced(at: At) -> Value:
    value = at.value()
    taken = constants.slices(at.operator, at.inputs, value.shape)
    if taken is None:
        raise NoKind("what it takes is not written in the file")
    for axis, indices in taken.items():
        value = part(at, value, axis, indices)
    return value


def split(at: At) -> list[Value | None]:
    value, count = at.value(), len(at.operator.outputs)
    axis = constants.axis_of(at.number("axis", 0), len(value.shape))
    size = value.shape[axis]
    parts = at.setting("split", 1)
    if parts is None:
        each = -(-size // at.number("num_outputs", count))
        parts = tuple([min(each, size - start) for start in range(0, size, each)])
    if len(parts) != count or sum(parts) != size or min(parts) < 1:
        raise ValueError(f"{size} does not split into {list(parts)} for {count} outputs")
    edges = [sum(parts[:place]) for place in range(count + 1)]
    return [
        part(at, value, axis, range(start, end)) if name in at.walk.read else None
        for (start, end), name in zip(pairwise(edges), at.operator.outputs, strict=True)
    ]


def split_to_sequence(at: At) -> Pieces:
    value = at.value()
    axis = constants.axis_of(at.number("axis", 0), len(value.shape))
    size, parts = value.shape[axis], at.setting("split", 1)
    if parts is None or not at.number("keepdims", 1):
        raise NoKind("it takes single places")
    constant = at.constant(1)
    if constant is not None and constant.shape == () and parts[0] > 0:  # one number: the size of each but the last
        parts = tuple([min(parts[0], size - start) for start in range(0, size, parts[0])])
    if sum(parts) != size or min(parts) < 1:
        raise ValueError(f"{size} does not split into {list(parts)}")
    edges = [sum(parts[:place]) for place in range(len(parts) + 1)]
    return Pieces(tuple([part(at, value, axis, range(start, end)) for start, end in pairwise(edges)]))


def sequence_at(at: At) -> Value:
    pieces, place = at.inputs[0], at.constant(1)
    if not isinstance(pieces, Pieces) or place is None or not place.values:
        raise NoKind("which one it takes is not written in the file")
    if not -len(pieces.values) <= place.values[0] < len(pieces.values):
        raise ValueError(f"there is no piece {place.values[0]} of {len(pieces.values)}")
    return pieces.values[place.values[0]]


def gather(at: At) -> Value:
    """Indices that follow one another are a slice, all of them the value itself."""
    value, indices = at.value(), at.constant(1)
    axis = constants.axis_of(at.number("axis", 0), len(value.shape))
    if indices is None or not indices.values or indices.shape is None:
        raise NoKind("what it takes is not written in the file")
    size = value.shape[axis]
    places = [index % size if -size <= index < size else size for index in indices.values]
    taken = range(places[0], places[0] + len(places))
    if size in places:
        raise ValueError(f"an index is not among {size}")
    if list(taken) != places:
        raise NoKind("what it takes is no range")
    kept = part(at, value, axis, taken)
    shape = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    return at.walk.reshaped(kept, shape, at.operator)


_PAD_MODES: Mapping[str, Any] = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(at: At) -> Value:
    value = at.value()
    rank = len(value.shape)
    pads = at.setting("pads", 1) or at.operator.attributes.get("paddings")
    axes = at.setting("axes", 3) or tuple(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        raise ValueError(f"`pads` has to have two numbers for each of {len(axes)} dimensions")
    sides = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        sides[constants.axis_of(axis, rank)] = (before, after)
    if any(min(side) < 0 for side in sides):
        raise NoKind("its padding is negative")
    if not any(map(any, sides)):
        return at.pointwise(Identity())
    step = turn([value])
    order = step.order if step else tuple(range(len(value.dims)))
    ours = [(0, 0)] * len(value.dims)
    for axis, side in enumerate(sides[1:]):
        ours[order[axis]] = side
    if any(sides[0]) or any(ours[0]) or not value.apart:
        raise NoKind("it pads channels or images")
    mode = at.text("mode", "constant")
    if mode not in _PAD_MODES:
        raise NoKind(f"its mode is {mode}")
    fill = at.operator.attributes.get("value")
    fill = float((first(at.setting("value", 2)) if fill is None else fill) or 0.0)
    kind = Pad(padding=padding(ours[1:]), mode=_PAD_MODES[mode], value=fill if isfinite(fill) else LOWEST)
    return at.pointwise(kind)


def resize(at: At) -> Value:
    value = at.value()
    newer = at.operator.type == "Resize" and at.walk.graph.version >= 11
    sizes = at.setting("sizes", 3) if newer else None
    scales = at.setting("scales", 2 if newer else 1)
    axes = at.operator.attributes.get("axes") or tuple(range(len(value.shape)))
    places = [constants.axis_of(axis, len(value.shape)) for axis in axes]
    if at.text("keep_aspect_ratio_policy", "stretch") != "stretch" or at.number("antialias", 0):
        raise NoKind("it keeps the aspect ratio, or smooths")
    given = sizes or scales
    if not given or len(given) != len(places):
        raise ValueError(f"it needs `scales` or `sizes` for {len(places)} dimensions")
    shape = list(value.shape)
    for place, one in zip(places, given, strict=True):
        shape[place] = int(one) if sizes else floor(value.shape[place] * one + 1e-6)
    if min(shape) < 1:
        raise ValueError(f"{shape} is not a shape")
    if shape[:2] != list(value.shape[:2]) or not value.apart:
        raise NoKind("it resizes channels or images")
    if shape == list(value.shape):
        return at.pointwise(Identity())
    mode = at.text("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise NoKind(f"its mode is {mode}")
    named: Any = mode if mode == "nearest" else {1: "linear", 2: "bilinear", 3: "trilinear"}.get(at.rank)
    if named is None:
        raise NoKind(f"it works in {at.rank} dimensions")
    corners = mode == "linear" and at.text("coordinate_transformation_mode", "half_pixel") == "align_corners"
    pairs = list(zip(value.shape[2:], shape[2:], strict=True))
    if sizes is None and not any(after % before for before, after in pairs):
        factors = short([after // before for before, after in pairs])
        return at.layer(Upsample(scale_factor=factors, mode=named, align_corners=corners))
    return at.layer(Upsample(size=short(shape[2:]), mode=named, align_corners=corners))


def block(kind: type[Kind], field: str) -> Handler:
    return lambda at: at.layer(kind(**{field: at.number("blocksize", 0)}))


# The table ------------------------------------------------------------------------------------------------------------

OPERATORS: Mapping[str, Handler] = {
    # convolutions and dense layers
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "Linear": matmul,
    # pooling
    "MaxPool": max_pool,
    "AveragePool": avg_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": global_pool(GlobalAvgPool),
    "GlobalMaxPool": global_pool(GlobalMaxPool),
    "ReduceMean": reduced("mean", GlobalAvgPool),
    "ReduceMax": reduced("max", GlobalMaxPool),
    "ReduceMin": reduced("min"),
    "ReduceSum": reduced("sum"),
    "ReduceL2": reduced("norm"),
    # normalisation
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "GroupNorm": split_group_norm,
    "LayerNormalization": layer_norm,
    "LayerNorm": written_layer_norm,
    "LRN": local_response_norm,
    "LpNormalization": lp_normalization,
    "Affine": affine,
    # activations
    "Relu": activation(lambda at: Relu()),
    "Clip": clip,
    "LeakyRelu": activation(lambda at: LeakyRelu(negative_slope=at.real("alpha", 0.01))),
    "PRelu": prelu,
    "Elu": activation(lambda at: Elu(alpha=at.real("alpha", 1.0))),
    "Selu": selu,
    "Gelu": gelu,
    "GeluTanh": activation(lambda at: Gelu(approximate="tanh")),
    "Sigmoid": activation(lambda at: Sigmoid()),
    "Tanh": activation(lambda at: Tanh()),
    "Softplus": activation(lambda at: Softplus()),
    "HardSwish": activation(lambda at: HardSwish()),
    "HardSigmoid": hard_sigmoid,
    "HardSigmoid6": activation(lambda at: HardSigmoid()),
    "Silu": activation(lambda at: Silu()),
    "Swish": swish,
    "Mish": activation(lambda at: Mish()),
    "Softmax": along_an_axis(Softmax),
    "LogSoftmax": along_an_axis(LogSoftmax),
    # regularisation
    "Dropout": dropout,
    # several values
    "Add": merged(Add, "add"),
    "Sum": merged(Add, "add"),
    "Sub": merged(Subtract, "subtract", "subtract_from"),
    "Mul": merged(Multiply, "multiply"),
    "Div": merged(Divide, "divide", "divide_into"),
    "Mean": merged(Mean),
    "Pow": merged(None, "power"),
    "Min": merged(None, "minimum"),
    "Max": merged(None, "maximum"),
    **{
        name: function(name.lower())
        for name in ("Abs", "Neg", "Sign", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos")
    },
    "Concat": concat,
    # values moved about
    "Identity": identity,
    "Cast": identity,
    "CastLike": identity,
    "Flatten": reshaped(constants.flatten_target),
    "Reshape": reshaped(constants.reshape_target),
    "Squeeze": reshaped(constants.squeeze_target),
    "Unsqueeze": reshaped(constants.unsqueeze_target),
    "Transpose": transpose,
    "Slice": sliced,
    "Split": split,
    "SplitToSequence": split_to_sequence,
    "SequenceAt": sequence_at,
    "Gather": gather,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": block(PixelShuffle, "upscale_factor"),
    "SpaceToDepth": block(SpaceToDepth, "block_size"),
}
