"""What each ATen operator is among the kinds of layers: `TABLE`, written from torch's documentation.

An entry reads one call of the operator by the names of its arguments and gives a kind, several one after the other, a
list of either where the operator has several results, or the value that it passes on. It raises `NoKind` where the
operator does something that no kind does. Shapes of values are those of one image; tensors that the module holds have
all their dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeGuard

from cnncalc.graph import Input, Node, Value
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
from cnncalc.layers.merge import Add, Concat, Divide, Matmul, Multiply, Subtract
from cnncalc.layers.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Scale
from cnncalc.layers.pointwise import FUNCTIONS, Arithmetic, Function, Reduce
from cnncalc.layers.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from cnncalc.layers.regularize import Dropout
from cnncalc.layers.reshape import (
    ChannelShuffle,
    Crop,
    Flatten,
    Pad,
    Permute,
    PixelShuffle,
    Reshape,
    Slice,
    SpaceToDepth,
)
from cnncalc.layers.resize import Upsample
from cnncalc.pytorch.capture.trace import Held
from cnncalc.shapes import Shape, elements

LOWEST = -3.4028234663852886e38  # of float32's numbers: what minus infinity pads, a maximum sees no more than this


class NoKind(Exception):
    """No kind of layer does what the operator does here; the message says why, where the operator is in the table."""


class Call:
    """One call of an operator: its arguments by name (`call.stride`), and what torch says comes out.

    `output` is the shape of one image's result, or those of several.
    """

    def __init__(
        self,
        arguments: dict[str, Any],
        output: Any,
        make: Callable[..., Value],
    ) -> None:
        self.arguments, self.output, self.make = arguments, output, make

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)

    @property
    def values(self) -> list[Value]:
        """The arguments that come from the network's inputs, in order."""
        return [value for argument in self.arguments.values() for value in _each(argument) if is_value(value)]

    @property
    def input(self) -> Value:
        """The first argument, which has to be such a value."""
        first = next(iter(self.arguments.values()))
        if not is_value(first):
            raise NoKind("its input is not a value of the network")
        return first

    @property
    def rank(self) -> int:
        """Spatial dimensions of the input."""
        return len(self.input.output) - 1

    def axis(self, dim: int) -> int:
        """torch's number of a dimension as one of an image, channels being 0."""
        return axis_of(dim, self.rank + 2)

    def held(self, name: str) -> Held:
        """An argument that has to be a tensor of the module's own."""
        value = self.arguments[name]
        if not isinstance(value, Held):
            raise NoKind(f"its {name} is computed from the input")
        return value

    def only_held(self, *names: str) -> None:
        """Check that these arguments are the module's own, or not there."""
        for name in names:
            if self.arguments.get(name) is not None:
                self.held(name)


Result = Any  # a kind, a tuple of kinds, a list of results, a value, a Held
Entry = Callable[[Call], Result]


def is_value(value: Any) -> TypeGuard[Value]:
    """Whether this comes from the network's inputs."""
    return isinstance(value, Node | Input)


def _each(argument: Any) -> Sequence[Any]:
    return argument if isinstance(argument, (list, tuple)) else (argument,)


def axis_of(dim: int, dims: int) -> int:
    """torch's number of one of so many dimensions, the batch's among them, as one of an image."""
    axis = (dim if dim >= 0 else dim + dims) - 1
    if axis < 0:
        raise NoKind("it works across the images of a batch")
    return axis


def short(sizes: Sequence[int]) -> Any:
    """One number where all sizes are the same."""
    sizes = tuple(sizes)
    return sizes[0] if len(set(sizes)) == 1 else sizes


def spread(sizes: Any, rank: int) -> tuple[int, ...]:
    """A size for each dimension; torch's lists may have one for all."""
    every: tuple[int, ...] = tuple(_each(sizes))
    return every * rank if len(every) == 1 else every


# Convolutions and dense layers ----------------------------------------------------------------------------------------


def conv(call: Call) -> Kind:
    out_channels, _, *kernel = call.held("weight").shape
    call.only_held("bias")
    window = sliding(call.arguments, kernel)
    return Conv(out_channels=out_channels, groups=call.groups, bias=call.bias is not None, **window)


def sliding(arguments: Mapping[str, Any], kernel: Sequence[int]) -> dict[str, Any]:
    """The fields of a convolution's window."""
    dilation = spread(arguments["dilation"], len(kernel))
    return {
        "kernel_size": short(kernel),
        "stride": short(spread(arguments["stride"], len(kernel))),
        "padding": _padding(arguments["padding"], kernel, dilation),
        "dilation": short(dilation),
    }


def _padding(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Any:
    """torch's `same` is for strides of 1, the odd one after."""
    if padding == "valid":
        return 0
    if padding != "same":
        return short(spread(padding, len(kernel)))
    totals = [D * (K - 1) for K, D in zip(kernel, dilation, strict=True)]
    if all(total % 2 == 0 for total in totals):
        return short([total // 2 for total in totals])
    return tuple([(total // 2, total - total // 2) for total in totals])


def conv_transpose(call: Call) -> Kind:
    _, per_group, *kernel = call.held("weight").shape
    call.only_held("bias")
    rank = len(kernel)
    return ConvTranspose(
        out_channels=per_group * call.groups,
        kernel_size=short(kernel),
        stride=short(spread(call.stride, rank)),
        padding=short(spread(call.padding, rank)),
        output_padding=short(spread(call.output_padding, rank)),
        dilation=short(spread(call.dilation, rank)),
        groups=call.groups,
        bias=call.bias is not None,
    )


def convolution(call: Call) -> Kind:
    return conv_transpose(call) if call.transposed else conv(call)


def linear(call: Call) -> Kind:
    weight = call.held("weight").shape
    call.only_held("bias")
    return _dense(call, weight[0], call.bias is not None)


def _dense(call: Call, out_features: int, bias: bool) -> Kind:
    return Linear(out_features=out_features, bias=bias, flatten=len(call.input.output) == 1)


def matmul(call: Call) -> Kind:
    """Weights of the module's own on the right are a dense layer; two values are multiplied image by image."""
    assert call.input
    other = next(name for name in ("other", "mat2") if name in call.arguments)
    if is_value(call.arguments[other]):
        return Matmul()
    weight = call.held(other).shape
    if len(weight) != 2:
        raise NoKind("its weights are not one matrix")
    return _dense(call, weight[1], False)


def addmm(call: Call) -> Kind:
    call.only_held("self")
    return Linear(out_features=call.held("mat2").shape[1])


# Pooling --------------------------------------------------------------------------------------------------------------


def _pool(call: Call) -> dict[str, Any]:
    """What pooling layers share; torch's empty stride is the kernel's size."""
    rank = call.rank
    kernel = spread(call.kernel_size, rank)
    stride = spread(call.stride, rank) if call.stride else kernel
    return {
        "kernel_size": short(kernel),
        "stride": None if stride == kernel else short(stride),
        "padding": short(spread(call.padding, rank)),
        "rounding": "ceil" if call.ceil_mode else "floor",
    }


def max_pool(call: Call) -> Kind:
    return MaxPool(**_pool(call), dilation=short(spread(call.dilation, call.rank)))


def max_pool_with_indices(call: Call) -> list[Kind | None]:
    return [max_pool(call), None]


def avg_pool(call: Call) -> Kind:
    if call.get("divisor_override") is not None:
        raise NoKind("it divides by a number of its own")
    return AvgPool(**_pool(call), count_include_pad=call.count_include_pad)


def adaptive_avg_pool(call: Call) -> Kind:
    return AdaptiveAvgPool(output_size=short(spread(call.output_size, call.rank)))


def adaptive_max_pool(call: Call) -> list[Kind | None]:
    return [AdaptiveMaxPool(output_size=short(spread(call.output_size, call.rank))), None]


# Sums along dimensions ------------------------------------------------------------------------------------------------


By = Literal["sum", "mean", "max", "min", "norm"]


def reduced(by: By) -> Entry:
    """A sum, mean, maximum along dimensions; over all positions it is global pooling."""
    over_positions = {"mean": GlobalAvgPool, "max": GlobalMaxPool}.get(by)

    def entry(call: Call) -> Result:
        dims = call.get("dim")
        every = list(range(call.rank + 2))
        axes = sorted({call.axis(dim) for dim in (every if dims is None or dims == [] else _each(dims))})
        keep = bool(call.get("keepdim"))
        if over_positions and call.rank and axes == list(range(1, call.rank + 1)):
            return over_positions() if keep else (over_positions(), Flatten())
        if by == "norm" and call.get("ord", 2) != 2:
            raise NoKind("it is no sum of squares")
        return Reduce(by=by, axes=axes[0] if len(axes) == 1 else tuple(axes), keep=keep)

    return entry


def with_places(by: Literal["max", "min"]) -> Entry:
    """`max(dim=)` gives the values and where they are."""

    def entry(call: Call) -> Result:
        if "other" in call.arguments:
            return binary({"max": "maximum", "min": "minimum"}[by])(call)
        made = reduced(by)(call)
        return [made, None] if "dim" in call.arguments else made

    return entry


# Normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(call: Call) -> Kind:
    call.only_held("weight", "bias", "running_mean", "running_var")
    if (call.weight is None) != (call.bias is None):
        raise NoKind("it has a factor without a shift")
    return BatchNorm(
        eps=call.eps,
        momentum=call.get("momentum"),
        affine=call.weight is not None,
        track_running_stats=call.running_mean is not None,
    )


def instance_norm(call: Call) -> Kind:
    call.only_held("weight", "bias", "running_mean", "running_var")
    return InstanceNorm(
        eps=call.eps,
        momentum=call.momentum,
        affine=call.weight is not None,
        track_running_stats=call.running_mean is not None,
    )


def group_norm(call: Call) -> Kind:
    call.only_held("weight", "bias")
    return GroupNorm(num_groups=call.num_groups, eps=call.eps, affine=call.weight is not None)


def layer_norm(call: Call) -> Kind:
    call.only_held("weight", "bias")
    over, shape = tuple(call.normalized_shape), call.input.output
    if over not in (shape, shape[-1:]):
        raise NoKind("it normalises over some of the dimensions")
    return LayerNorm(
        axes="all" if over == shape else "last",
        eps=call.eps,
        elementwise_affine=call.weight is not None,
        bias=call.bias is not None or call.weight is None,
    )


# Activations and other functions of an element ------------------------------------------------------------------------


def of(make: Callable[[Call], Kind]) -> Entry:
    def entry(call: Call) -> Kind:
        assert call.input
        return make(call)

    return entry


def function(name: Any) -> Entry:
    return of(lambda call: Function(of=name))


def hardtanh(call: Call) -> Result:
    return Relu6() if (call.min_val, call.max_val) == (0, 6) else _between(call.min_val, call.max_val)


def clamp(call: Call) -> Result:
    low, high = call.get("min"), call.get("max")
    if any(isinstance(bound, Held) or is_value(bound) for bound in (low, high)):
        raise NoKind("its bounds are tensors")
    return Relu6() if (low, high) == (0, 6) else _between(low, high)


def _between(low: float | None, high: float | None) -> Result:
    made: list[Kind] = []
    if low is not None:
        made.append(Arithmetic(operation="maximum", number=float(low)))
    if high is not None:
        made.append(Arithmetic(operation="minimum", number=float(high)))
    return tuple(made)


def elu(call: Call) -> Kind:
    """SELU comes as an ELU with its two constants."""
    if (call.scale, call.input_scale) != (1, 1):
        raise NoKind("it is scaled")
    return Elu(alpha=float(call.alpha))


def prelu(call: Call) -> Kind:
    return Prelu(num_parameters=elements(call.held("weight").shape))


def along_an_axis(kind: type[Softmax | LogSoftmax]) -> Entry:
    return of(lambda call: kind(axis=call.axis(call.dim)))


def dropout(call: Call) -> Kind:
    return Dropout(p=float(call.p))


def glu(call: Call) -> Value:
    """Half of the channels, gated by the sigmoid of the other half."""
    axis = call.axis(call.dim)
    half = call.input.output[axis] // 2
    value = call.make(Slice(stop=half, axis=axis), call.input)
    gate = call.make(Sigmoid(), call.make(Slice(start=half, axis=axis), call.input))
    return call.make(Multiply(), value, gate)


# Two operands ---------------------------------------------------------------------------------------------------------

_MERGES: dict[str, type[Kind]] = {"add": Add, "subtract": Subtract, "multiply": Multiply, "divide": Divide}
_TURNED = {"subtract": "subtract_from", "divide": "divide_into"}


def binary(operation: str) -> Entry:
    """Two values merge; a value meets a number, or a tensor of the module's own."""

    def entry(call: Call) -> Result:
        left = call.arguments.get("self", call.arguments.get("base"))
        right = call.arguments.get("other", call.arguments.get("exponent"))
        if call.get("alpha", 1) != 1 or call.get("rounding_mode"):
            raise NoKind("it scales or rounds")
        if is_value(left) and is_value(right):
            if operation not in _MERGES or len(left.output) != len(right.output):
                raise NoKind("its operands have different ranks" if operation in _MERGES else "")
            return _MERGES[operation]()
        if is_value(left):
            return _with(operation, left, right)
        if is_value(right):
            return _with(_TURNED.get(operation, operation), right, left)
        raise NoKind("neither of its operands is a value of the network")

    return entry


def _with(operation: Any, value: Value, other: Any) -> Kind:
    if isinstance(other, Held) and not other.shape and not other.origins:
        other = other.number
        if other is None:
            raise NoKind("it computes with a number that only a run shows")
    if isinstance(other, (int, float)):
        return Arithmetic(operation=operation, number=float(other))
    shape = own_shape(other, len(value.output))
    trainable = any(origin.role in ("weight", "bias") for origin in other.origins)
    if operation == "multiply" and trainable and set(shape[1:]) <= {1} and shape[0] == value.output[0]:
        return Scale()
    return Arithmetic(operation=operation, shape=short_shape(shape), trainable=trainable)


def own_shape(held: Held, rank: int) -> Shape:
    """The shape of a held tensor against an image of so many dimensions; it has to be the same for every image."""
    shape = (1,) * (rank + 1 - len(held.shape)) + held.shape
    if len(shape) != rank + 1 or shape[0] != 1:
        raise NoKind("it is another for each image of the batch")
    return shape[1:]


def short_shape(shape: Shape) -> int | Shape:
    return shape[0] if len(shape) == 1 else shape


def reversed_subtract(call: Call) -> Kind:
    return _with("subtract_from", call.input, call.other)


def addcmul(call: Call) -> Value:
    """self + value · tensor1 · tensor2; of which one, with the module's own tensors, is a scale and a shift."""
    value, factor = call.tensor1, call.tensor2
    if not is_value(value):
        value, factor = factor, value
    if not is_value(value) or not isinstance(factor, Held) or call.value != 1:
        raise NoKind("it is no factor and shift of one value")
    scaled = call.make(_with("multiply", value, factor), value, held=(factor,))
    shift = call.arguments["self"]
    if is_value(shift):
        return call.make(Add(), shift, scaled)
    return call.make(_with("add", scaled, shift), scaled, held=(shift,))


# Values moved about ---------------------------------------------------------------------------------------------------


def cat(call: Call) -> Result:
    tensors = call.tensors
    if not all(map(is_value, tensors)):
        raise NoKind("it joins tensors of the module's own with others")
    if len(tensors) == 1:
        return tensors[0]
    return Concat(axis=axis_of(call.dim, len(tensors[0].output) + 1))


def stack(call: Call) -> Value:
    """A new dimension, along which they are joined."""
    tensors = call.tensors
    if not all(map(is_value, tensors)):
        raise NoKind("it joins tensors of the module's own with others")
    shape = tensors[0].output
    axis = axis_of(call.dim, len(shape) + 2)
    longer = (*shape[:axis], 1, *shape[axis:])
    return call.make(Concat(axis=axis), *[call.make(Reshape(shape=longer), tensor) for tensor in tensors])


def reshape(call: Call) -> Result:
    value, output = call.input, call.output
    if value.output == output:
        return value
    return Flatten() if len(output) == 1 else Reshape(shape=output)


def permute(call: Call) -> Result:
    dims = [dim % (call.rank + 2) for dim in call.dims]
    return _permuted(call, dims)


def transpose(call: Call) -> Result:
    rank = call.rank + 2
    dims = list(range(rank))
    a, b = [call.arguments[name] % rank for name in ("dim0", "dim1")]
    dims[a], dims[b] = b, a
    return _permuted(call, dims)


def transposed_matrices(call: Call) -> Result:
    *others, rows, columns = range(call.rank + 2)
    return _permuted(call, [*others, columns, rows])


def _permuted(call: Call, dims: list[int]) -> Result:
    if dims[0] != 0:
        raise NoKind("it works across the images of a batch")
    order = tuple([dim - 1 for dim in dims[1:]])
    return call.input if order == tuple(range(len(order))) else Permute(dims=order)


def movedim(call: Call) -> Result:
    rank = call.rank + 2
    sources = [dim % rank for dim in _each(call.source)]
    places = [dim % rank for dim in _each(call.destination)]
    moved = dict(zip(places, sources, strict=True))
    rest = iter([dim for dim in range(rank) if dim not in sources])
    return _permuted(call, [moved[place] if place in moved else next(rest) for place in range(rank)])


def pad(call: Call) -> Result:
    """torch's list begins with the last dimension; what is negative cuts off."""
    mode = call.get("mode", "constant")
    flat = list(call.pad)
    pairs = [(flat[place], flat[place + 1]) for place in range(0, len(flat), 2)][::-1]
    extra = [(0, 0)] * (call.rank + 1 - len(pairs))
    every = [*extra, *pairs]
    channels, spatial = every[0], every[1:]
    if len(pairs) > call.rank + 1 or channels != (0, 0):
        raise NoKind("it pads channels")
    if all(side == 0 for pair in spatial for side in pair):
        return call.input
    around = [(max(0, before), max(0, after)) for before, after in spatial]
    cut = [(max(0, -before), max(0, -after)) for before, after in spatial]
    steps: list[Kind] = []
    if any(map(any, around)):
        value = float(call.get("value") or 0)
        steps.append(Pad(padding=sides(around), mode=mode, value=max(LOWEST, value)))
    if any(map(any, cut)):
        steps.append(Crop(sides=sides(cut)))
    return tuple(steps)


def sides(pairs: Sequence[tuple[int, int]]) -> Any:
    """Padding as a document would write it: one number where all sides are the same."""
    if len({side for pair in pairs for side in pair}) == 1:
        return pairs[0][0]
    return tuple([before if before == after else (before, after) for before, after in pairs])


def slice_(call: Call) -> Result:
    axis = call.axis(call.dim)
    size = call.input.output[axis]
    kept = range(*slice(call.start, call.end, call.step).indices(size))
    if len(kept) == size:
        return call.input
    return Slice(start=kept.start, stop=kept.stop if kept.stop < size else None, step=kept.step, axis=axis)


def narrow(call: Call) -> Result:
    return part(call.start, call.length, call.axis(call.dim))


def part(start: int, length: int, axis: int) -> Kind:
    return Slice(start=start, stop=start + length, axis=axis)


def select(call: Call) -> Result:
    """One place of a dimension, which is gone."""
    axis = call.axis(call.dim)
    return one_place(call.index % call.input.output[axis], axis, call.output)


def one_place(place: int, axis: int, output: Shape) -> tuple[Kind, ...]:
    cut = part(place, 1, axis)
    return (cut, Reshape(shape=output)) if output else (cut,)


def parts(call: Call) -> list[Kind]:
    """Pieces one after the other, of the sizes that come out."""
    axis = call.axis(call.get("dim", 0))
    pieces, start = [], 0
    for shape in call.output:
        pieces.append(part(start, shape[axis], axis))
        start += shape[axis]
    return pieces


def unbind(call: Call) -> list[tuple[Kind, ...]]:
    axis = call.axis(call.dim)
    return [one_place(place, axis, shape) for place, shape in enumerate(call.output)]


def upsample(mode: str) -> Entry:
    def entry(call: Call) -> Kind:
        before, after = call.input.output[1:], call.output[1:]
        options: dict[str, Any] = {"mode": mode}
        if call.get("align_corners"):
            options["align_corners"] = True
        whole = [out // size for size, out in zip(before, after, strict=True)]
        scaled = call.get("scale_factors") is not None or call.get("output_size") is None
        if scaled and all(size * factor == out for size, factor, out in zip(before, whole, after, strict=True)):
            return Upsample(scale_factor=short(whole), **options)
        return Upsample(size=short(after), **options)

    return entry


def same(call: Call) -> Any:
    """It passes its input on."""
    return next(iter(call.arguments.values()))


def expand(call: Call) -> Any:
    """Sizes of 1 are repeated, which takes nothing by itself: a value that meets another is repeated anyway."""
    return call.input


_EXPAND = ("expand", "expand_as", "broadcast_to")
# Operators that repeat sizes of 1 by themselves.
REPEATING = frozenset(
    {*("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide"), "addcmul", *_EXPAND}
)

# The table ------------------------------------------------------------------------------------------------------------

TABLE: dict[str, Entry] = {
    # convolutions and dense layers
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], conv),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], conv_transpose),
    "convolution": convolution,
    "linear": linear,
    **dict.fromkeys(["matmul", "mm", "bmm"], matmul),
    "addmm": addmm,
    # pooling
    **dict.fromkeys(["max_pool1d", "max_pool2d", "max_pool3d"], max_pool),
    **dict.fromkeys(
        ["max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"], max_pool_with_indices
    ),
    **dict.fromkeys(["avg_pool1d", "avg_pool2d", "avg_pool3d"], avg_pool),
    **dict.fromkeys(["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"], adaptive_avg_pool),
    **dict.fromkeys(["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"], adaptive_max_pool),
    # sums along dimensions
    "mean": reduced("mean"),
    "sum": reduced("sum"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "max": with_places("max"),
    "min": with_places("min"),
    "linalg_vector_norm": reduced("norm"),
    # normalisation
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    # activations
    "relu": of(lambda call: Relu()),
    "relu6": of(lambda call: Relu6()),
    "hardtanh": hardtanh,
    "leaky_relu": of(lambda call: LeakyRelu(negative_slope=float(call.negative_slope))),
    "prelu": prelu,
    "elu": elu,
    "celu": of(lambda call: Elu(alpha=float(call.alpha))),
    "selu": of(lambda call: Selu()),
    "gelu": of(lambda call: Gelu(approximate=call.approximate)),
    "silu": of(lambda call: Silu()),
    "mish": of(lambda call: Mish()),
    "sigmoid": of(lambda call: Sigmoid()),
    "tanh": of(lambda call: Tanh()),
    "softplus": of(lambda call: Softplus(beta=float(call.beta), threshold=float(call.threshold))),
    "hardswish": of(lambda call: HardSwish()),
    "hardsigmoid": of(lambda call: HardSigmoid()),
    **dict.fromkeys(["softmax", "_softmax"], along_an_axis(Softmax)),
    **dict.fromkeys(["log_softmax", "_log_softmax"], along_an_axis(LogSoftmax)),
    "glu": glu,
    "dropout": dropout,
    "feature_dropout": dropout,
    # arithmetic
    "add": binary("add"),
    "sub": binary("subtract"),
    "subtract": binary("subtract"),
    "rsub": reversed_subtract,
    "mul": binary("multiply"),
    "multiply": binary("multiply"),
    "div": binary("divide"),
    "divide": binary("divide"),
    "true_divide": binary("divide"),
    "maximum": binary("maximum"),
    "minimum": binary("minimum"),
    "pow": binary("power"),
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp,
    "square": of(lambda call: Arithmetic(operation="power", number=2.0)),
    "addcmul": addcmul,
    **{name: function(name) for name in FUNCTIONS},
    # values moved about
    "cat": cat,
    "concat": cat,
    "stack": stack,
    **dict.fromkeys(["view", "reshape", "flatten", "squeeze", "unsqueeze", "_unsafe_view", "view_as"], reshape),
    "unflatten": reshape,
    "permute": permute,
    **dict.fromkeys(["transpose", "swapaxes", "swapdims"], transpose),
    "mT": transposed_matrices,
    **dict.fromkeys(["movedim", "moveaxis"], movedim),
    "pad": pad,
    "constant_pad_nd": pad,
    "slice": slice_,
    "narrow": narrow,
    "select": select,
    **dict.fromkeys(["chunk", "split", "split_with_sizes", "tensor_split"], parts),
    "unbind": unbind,
    **{f"upsample_nearest{rank}d": upsample("nearest") for rank in (1, 2, 3)},
    "upsample_linear1d": upsample("linear"),
    "upsample_bilinear2d": upsample("bilinear"),
    "upsample_trilinear3d": upsample("trilinear"),
    "pixel_shuffle": of(lambda call: PixelShuffle(upscale_factor=call.upscale_factor)),
    "pixel_unshuffle": of(lambda call: SpaceToDepth(block_size=call.downscale_factor)),
    "channel_shuffle": of(lambda call: ChannelShuffle(groups=call.groups)),
    **dict.fromkeys(_EXPAND, expand),
    # nothing happens to the values
    **dict.fromkeys(
        ["contiguous", "clone", "detach", "alias", "to", "_to_copy", "type_as", "float", "lift_fresh_copy", "identity"],
        same,
    ),
}
