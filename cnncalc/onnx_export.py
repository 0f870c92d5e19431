"""A network as an ONNX file, for runtimes, viewers and converters.

`TABLE` says which operators a layer kind becomes, from ONNX's documentation of operators; it reads a layer's fields and
its shapes, as `cnncalc.pytorch.build` does. The batch is free, and named `batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod, sqrt
from typing import Any, Literal

from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.graph import Network, Node
from cnncalc.layers import KINDS
from cnncalc.shapes import Shape

OPSET = 21  # the first in which a group norm has a factor a channel
IR_VERSION = 10
MAX_BYTES = 2**31 - 1  # what a protocol buffer can be
SEED = 0

Weights = Literal["random", "zeros"]


class NoOperator(Exception):
    """ONNX has no operators for a layer; the message says what of it they lack."""


class Graph:
    """The file as it grows."""

    def __init__(self, network: Network, weights: Weights) -> None:
        import numpy
        import onnx

        self.numpy, self.helper, self.onnx = numpy, onnx.helper, onnx
        self.weights = weights
        self.random = numpy.random.default_rng(SEED)
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.bytes = 0
        self.held: set[str] = set()  # names of tensors, which several layers may use
        self.taken = {*[value.name for value in network.inputs], *[node.name for node in network.nodes]}

    def name(self, layer: str, what: str) -> str:
        """A name for a value inside a layer."""
        name = f"{layer}_{what}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def tensor(self, name: str, shape: Shape, fan_in: int = 0, value: float = 0.0) -> str:
        """A learned tensor: between ±1/√fan_in, or all `value` where that is 0; with `zeros` all 0."""
        if name in self.held:
            return name
        self.held.add(name)
        self.bytes += 4 * prod(shape)
        if self.bytes > MAX_BYTES:
            raise DocumentError(
                Diagnostic("onnx-too-large", f"the weights take more than the {MAX_BYTES:,} bytes that a file can have")
            )
        if self.weights == "zeros":
            numbers = self.numpy.zeros(shape, "float32")
        elif fan_in:
            bound = 1 / sqrt(fan_in)
            numbers = self.random.random(shape, "float32") * self.numpy.float32(2 * bound) - self.numpy.float32(bound)
        else:
            numbers = self.numpy.full(shape, value, "float32")
        self.tensors.append(self.onnx.numpy_helper.from_array(numbers, name))
        return name

    def constant(self, name: str, numbers: Sequence[float], real: bool = False, shape: Shape | None = None) -> str:
        """Numbers that are not learned: a shape, an axis, a bound."""
        array = self.numpy.array(numbers, "float32" if real else "int64")
        tensor = self.onnx.numpy_helper.from_array(array.reshape((len(numbers),) if shape is None else shape), "")
        self.nodes.append(self.helper.make_node("Constant", [], [name], name=name, value=tensor))
        return name


class At:
    """A layer at its place, for the table to read and write."""

    def __init__(self, graph: Graph, node: Node, inputs: Sequence[str], output: str) -> None:
        self.graph, self.node, self.inputs, self.output = graph, node, inputs, output
        self.layer: Any = node.layer
        self.shape = node.input_shapes[0]
        all_shared = node.shared is not None and not node.facts.weights
        self.holder = node.shared.name if node.shared is not None and all_shared else node.name

    @property
    def rank(self) -> int:
        return len(self.shape) - 1

    def put(self, type: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """One operator; its output is the layer's, or with `to` a value on the way there."""
        name = self.graph.name(self.node.name, to) if to else self.node.name
        output = name if to else self.output
        made = self.graph.helper.make_node(type, list(inputs or self.inputs), [output], name=name, **attributes)
        self.graph.nodes.append(made)
        return output

    def numbers(self, what: str, numbers: Sequence[float], real: bool = False, shape: Shape | None = None) -> str:
        return self.graph.constant(self.graph.name(self.node.name, what), numbers, real, shape)

    def held(self, what: str, shape: Shape, fan_in: int = 0, value: float = 0.0) -> str:
        return self.graph.tensor(f"{self.holder}.{what}", shape, fan_in, value)

    def scales(self, shape: Shape, learned: bool, bias: bool = True) -> list[str]:
        """Factor and shift of a norm: learned, or ones and zeros."""
        if learned:
            named = [self.held("weight", shape, value=1.0)]
            return [*named, self.held("bias", shape)] if bias else named
        ones = self.filled("ones", shape, 1.0)
        return [ones, self.filled("noughts", shape, 0.0)] if bias else [ones]

    def filled(self, what: str, shape: Shape, value: float) -> str:
        """A tensor of one number that is not learned."""
        number = self.graph.onnx.numpy_helper.from_array(self.graph.numpy.array([value], "float32"), "")
        return self.put("ConstantOfShape", self.numbers(f"{what}_shape", shape), to=what, value=number)

    def turned(self, value: str, order: Sequence[int], to: str = "") -> str:
        """Dimensions of an image in another order; the batch stays."""
        return self.put("Transpose", value, to=to, perm=[0, *[axis + 1 for axis in order]])

    def reshaped(self, value: str, shape: Sequence[int], what: str, to: str = "") -> str:
        return self.put("Reshape", value, self.numbers(what, [0, *shape]), to=to)


# Windows --------------------------------------------------------------------------------------------------------------


def each(value: int | Sequence[int], rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def sides(value: Any, rank: int) -> list[tuple[int, int]]:
    pairs = [value] * rank if isinstance(value, int) else value
    return [(pair, pair) if isinstance(pair, int) else pair for pair in pairs]


def pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """All befores, then all afters."""
    return [*[before for before, _ in pairs], *[after for _, after in pairs]]


def window(at: At) -> dict[str, Any]:
    """The attributes of a convolution or pooling; what rounding up adds is left to the caller."""
    layer, rank = at.layer, at.rank
    kernel = each(layer.kernel_size, rank)
    strides = kernel if layer.stride is None else each(layer.stride, rank)
    dilations = each(getattr(layer, "dilation", 1), rank)
    padding = getattr(layer, "padding", 0)
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    if padding == "same":
        return {**attributes, "auto_pad": "SAME_UPPER"}
    if padding == "full":
        spans = [D * (K - 1) for K, D in zip(kernel, dilations, strict=True)]
        return {**attributes, "pads": [*spans, *spans]}
    return {**attributes, "pads": pads(sides(0 if padding == "valid" else padding, rank))}


def rounded_up(at: At, attributes: dict[str, Any]) -> dict[str, Any]:
    """The window of a convolution with what rounding up needs after the padding, which ONNX's does not know."""
    if at.layer.rounding != "ceil" or "pads" not in attributes:
        return attributes
    rank, padded = at.rank, list(attributes["pads"])
    for axis, (W, O) in enumerate(zip(at.shape[1:], at.node.output[1:], strict=True)):
        span = attributes["dilations"][axis] * (attributes["kernel_shape"][axis] - 1) + 1
        needed = (O - 1) * attributes["strides"][axis] + span - padded[axis] - W
        padded[rank + axis] = max(padded[rank + axis], needed)
    return {**attributes, "pads": padded}


def convolution(at: At, groups: int) -> None:
    attributes = rounded_up(at, window(at))
    out_channels = at.node.output[0]
    weight = (out_channels, at.shape[0] // groups, *attributes["kernel_shape"])
    inputs = [at.inputs[0], at.held("weight", weight, prod(weight[1:]))]
    if at.layer.bias:
        inputs.append(at.held("bias", (out_channels,), prod(weight[1:])))
    at.put("Conv", *inputs, group=groups, **attributes)


def conv(at: At) -> None:
    if at.layer.connections is not None:
        raise NoOperator("its filters read different channels")
    convolution(at, at.layer.groups)


def conv_transpose(at: At) -> None:
    layer, rank = at.layer, at.rank
    kernel = each(layer.kernel_size, rank)
    weight = (at.shape[0], layer.out_channels // layer.groups, *kernel)
    fan_in = prod(weight[1:])
    inputs = [at.inputs[0], at.held("weight", weight, fan_in)]
    if layer.bias:
        inputs.append(at.held("bias", (layer.out_channels,), fan_in))
    at.put(
        "ConvTranspose",
        *inputs,
        kernel_shape=kernel,
        strides=each(layer.stride, rank),
        dilations=each(layer.dilation, rank),
        pads=pads(sides(layer.padding, rank)),
        output_padding=each(layer.output_padding, rank),
        group=layer.groups,
    )


def pool(at: At, type: str, **options: Any) -> None:
    """A pooling. Rounding up, ONNX counts a window that would start in the padding after the map; torch does not."""
    attributes, rank = {**options, **window(at)}, at.rank
    if at.layer.rounding == "ceil" and "pads" in attributes:
        kernel, strides, dilations, padding = [
            attributes[name] for name in ("kernel_shape", "strides", "dilations", "pads")
        ]
        spans = [D * (K - 1) + 1 for K, D in zip(kernel, dilations, strict=True)]
        sides = zip(at.shape[1:], padding[:rank], padding[rank:], spans, strict=True)
        steps = list(zip([W + before + after - span for W, before, after, span in sides], strides, strict=True))
        up = at.node.output[1:] == tuple([-(-length // S) + 1 for length, S in steps])
        if not up and at.node.output[1:] != tuple([length // S + 1 for length, S in steps]):
            raise NoOperator("its windows round up along one dimension alone")
        attributes["ceil_mode"] = int(up)
    at.put(type, **attributes)


def max_pool(at: At) -> None:
    pool(at, "MaxPool")


def avg_pool(at: At) -> None:
    pool(at, "AveragePool", count_include_pad=int(at.layer.count_include_pad))


def lp_pool(at: At) -> None:
    if at.layer.norm_type != int(at.layer.norm_type):
        raise NoOperator("its norm is not a whole number")
    pool(at, "LpPool", p=int(at.layer.norm_type))


def adaptive(pool: str, whole: str) -> Writer:
    """Windows of one size where they divide the map."""

    def write(at: At) -> None:
        sizes = list(zip(at.shape[1:], at.node.output[1:], strict=True))
        if all(O == 1 for _, O in sizes):
            at.put(whole)
            return
        if any(W % O for W, O in sizes):
            raise NoOperator("its windows differ in size: the map does not divide into them")
        each_window = [W // O for W, O in sizes]
        at.put(pool, kernel_shape=each_window, strides=each_window)

    return write


# Dense layers and norms -----------------------------------------------------------------------------------------------


def linear(at: At) -> None:
    layer = at.layer
    flat = getattr(layer, "flatten", True)
    features = prod(at.shape) if flat else at.shape[-1]
    value = at.inputs[0]
    if flat and len(at.shape) > 1:
        value = at.put("Flatten", to="flatten")
    if flat or len(at.shape) == 1:
        inputs = [value, at.held("weight", (layer.out_features, features), features)]
        if layer.bias:
            inputs.append(at.held("bias", (layer.out_features,), features))
        at.put("Gemm", *inputs, transB=1)
        return
    weight = at.held("weight", (features, layer.out_features), features)
    product = at.put("MatMul", value, weight, to="product" if layer.bias else "")
    if layer.bias:
        at.put("Add", product, at.held("bias", (layer.out_features,), features))


def batch_norm(at: At) -> None:
    layer = at.layer
    if not layer.track_running_stats:
        raise NoOperator("it keeps no running statistics")
    channels = at.shape[:1]
    statistics = [at.held("running_mean", channels), at.held("running_var", channels, value=1.0)]
    momentum = 1 - (0.1 if layer.momentum is None else layer.momentum)
    scales = at.scales(channels, layer.affine)
    at.put("BatchNormalization", at.inputs[0], *scales, *statistics, epsilon=layer.eps, momentum=momentum)


def instance_norm(at: At) -> None:
    if at.layer.track_running_stats:
        raise NoOperator("it keeps running statistics")
    at.put("InstanceNormalization", at.inputs[0], *at.scales(at.shape[:1], at.layer.affine), epsilon=at.layer.eps)


def group_norm(at: At) -> None:
    layer = at.layer
    scales = at.scales(at.shape[:1], layer.affine)
    at.put("GroupNormalization", at.inputs[0], *scales, epsilon=layer.eps, num_groups=layer.num_groups)


def layer_norm(at: At) -> None:
    layer, rank = at.layer, len(at.shape)
    shape = {"all": at.shape, "channels": at.shape[:1], "last": at.shape[-1:]}[layer.axes]
    scales = at.scales(shape, layer.elementwise_affine, layer.bias and layer.elementwise_affine)
    axis = 1 if layer.axes == "all" else -1
    if layer.axes != "channels" or rank == 1:
        at.put("LayerNormalization", at.inputs[0], *scales, axis=axis, epsilon=layer.eps)
        return
    last = at.turned(at.inputs[0], (*range(1, rank), 0), to="channels_last")
    made = at.put("LayerNormalization", last, *scales, to="norm", axis=axis, epsilon=layer.eps)
    at.turned(made, (rank - 1, *range(rank - 1)))


def local_response_norm(at: At) -> None:
    layer = at.layer
    if len(at.shape) != 3:
        raise NoOperator("its input is not a map of two dimensions")
    at.put("LRN", size=layer.size, alpha=float(layer.alpha), beta=float(layer.beta), bias=float(layer.k))


def scale(at: At) -> None:
    shape = (at.shape[0], *[1] * at.rank)
    weight = at.held("weight", shape, value=at.layer.init)
    made = at.put("Mul", at.inputs[0], weight, to="product" if at.layer.bias else "")
    if at.layer.bias:
        at.put("Add", made, at.held("bias", shape))


# Activations and arithmetic -------------------------------------------------------------------------------------------


def one(type: str, **attributes: str) -> Writer:
    """One operator; an attribute takes its value from the field of the layer that is named."""

    def write(at: At) -> None:
        numbers: dict[str, Any] = {name: float(getattr(at.layer, of)) for name, of in attributes.items()}
        at.put(type, **numbers)

    return write


def relu6(at: At) -> None:
    at.put("Clip", at.inputs[0], at.numbers("low", [0.0], True, ()), at.numbers("high", [6.0], True, ()))


def prelu(at: At) -> None:
    slopes = at.layer.num_parameters
    shape = (slopes, *[1] * at.rank) if slopes > 1 else (1,)
    at.put("PRelu", at.inputs[0], at.held("weight", shape, value=0.25))


def silu(at: At) -> None:
    at.put("Mul", at.inputs[0], at.put("Sigmoid", to="sigmoid"))


def softplus(at: At) -> None:
    if at.layer.threshold < 20:  # from there on a float32 does not tell it from a line
        raise NoOperator("it is a line from its threshold on")
    if at.layer.beta == 1:
        at.put("Softplus")
        return
    beta = at.numbers("beta", [at.layer.beta], True, ())
    inner = at.put("Softplus", at.put("Mul", at.inputs[0], beta, to="product"), to="softplus")
    at.put("Div", inner, beta)


def dropout(at: At) -> None:
    at.put("Dropout", at.inputs[0], at.numbers("ratio", [at.layer.p], True, ()))


_ARITHMETIC = {
    "add": "Add",
    "subtract": "Sub",
    "subtract_from": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "divide_into": "Div",
    "power": "Pow",
    "minimum": "Min",
    "maximum": "Max",
}


def arithmetic(at: At) -> None:
    layer = at.layer
    if layer.number is not None:
        other = at.numbers("number", [layer.number], True, ())
    elif layer.trainable:
        other = at.held("weight", layer.tensor, value=1.0)
    else:
        other = at.filled("constant", layer.tensor, 1.0)
    inputs = [other, at.inputs[0]] if layer.operation in ("subtract_from", "divide_into") else [at.inputs[0], other]
    at.put(_ARITHMETIC[layer.operation], *inputs)


def function(at: At) -> None:
    if at.layer.of == "rsqrt":
        at.put("Reciprocal", at.put("Sqrt", to="sqrt"))
    else:
        at.put(at.layer.of.capitalize())


def reduce(at: At) -> None:
    type = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "norm": "ReduceL2"}
    axes = at.numbers("axes", [axis + 1 for axis in at.layer.over])
    if not at.layer.keep and len(at.layer.over) == len(at.shape):
        kept = at.put(type[at.layer.by], at.inputs[0], axes, to="kept", keepdims=1)
        at.reshaped(kept, (1,), "shape")
    else:
        at.put(type[at.layer.by], at.inputs[0], axes, keepdims=int(at.layer.keep))


# Values moved about ---------------------------------------------------------------------------------------------------


def pad(at: At) -> None:
    layer, rank = at.layer, at.rank
    mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[layer.mode]
    padded = at.numbers("pads", pads([(0, 0), (0, 0), *sides(layer.padding, rank)]))
    value = [at.numbers("value", [layer.value], True, ())] if layer.mode == "constant" else []
    at.put("Pad", at.inputs[0], padded, *value, mode=mode)


def crop(at: At) -> None:
    kept = at.node.output[1:]
    cuts = at.layer.cuts(at.shape)
    starts = [before for before, _ in cuts]
    ends = [start + size for start, size in zip(starts, kept, strict=True)]
    part(at, starts, ends, [axis + 2 for axis in range(at.rank)], [1] * at.rank)


def part(at: At, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]) -> None:
    named = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    at.put("Slice", at.inputs[0], *[at.numbers(name, numbers) for name, numbers in named.items()])


def slice_(at: At) -> None:
    kept = at.layer.indices(at.shape)
    part(at, [kept.start], [kept[-1] + 1], [at.layer.axis + 1], [kept.step])


def upsample(at: At) -> None:
    layer = at.layer
    mode = "nearest" if layer.mode == "nearest" else "linear"
    coordinates = "align_corners" if layer.align_corners else "half_pixel" if mode == "linear" else "asymmetric"
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": "floor"}
    if layer.scale_factor is not None:
        scales = at.numbers("scales", [1, 1, *each(layer.scale_factor, at.rank)], True)
        at.put("Resize", at.inputs[0], "", scales, **attributes)
        return
    if at.layer.size is None:
        raise NoOperator("it has neither a factor nor a size")
    axes = [axis + 2 for axis in range(at.rank)]
    sizes = at.numbers("sizes", at.node.output[1:])
    at.put("Resize", at.inputs[0], "", "", sizes, axes=axes, **attributes)


def channel_shuffle(at: At) -> None:
    channels, *sizes = at.shape
    groups = at.layer.groups
    split = at.reshaped(at.inputs[0], (groups, channels // groups, *sizes), "split_shape", to="split")
    turned = at.turned(split, (1, 0, *range(2, len(sizes) + 2)), to="turned")
    at.reshaped(turned, at.shape, "shape")


def pixel_shuffle(at: At) -> None:
    if at.rank != 2:
        raise NoOperator("its input is not a map of two dimensions")
    at.put("DepthToSpace", blocksize=at.layer.upscale_factor, mode="CRD")


def space_to_depth(at: At) -> None:
    """Torch's order of channels, which is not that of ONNX's SpaceToDepth."""
    if at.rank != 2:
        raise NoOperator("its input is not a map of two dimensions")
    (C, H, W), b = at.shape, at.layer.block_size
    split = at.reshaped(at.inputs[0], (C, H // b, b, W // b, b), "split_shape", to="split")
    at.reshaped(at.turned(split, (0, 2, 4, 1, 3), to="turned"), at.node.output, "shape")


# Several values -------------------------------------------------------------------------------------------------------


def folded(type: str) -> Writer:
    """An operator of two values, one value after the other."""

    def write(at: At) -> None:
        made, *others = at.inputs
        for place, other in enumerate(others, 2):
            made = at.put(type, made, other, to="" if place == len(at.inputs) else f"part{place}")

    return write


def add(at: At) -> None:
    at.put("Add" if len(at.inputs) == 2 else "Sum")


# The table ------------------------------------------------------------------------------------------------------------

Writer = Callable[[At], object]

TABLE: Mapping[str, Writer] = {
    # convolutions and dense layers
    "conv": conv,
    "depthwise_conv": lambda at: convolution(at, at.shape[0]),
    "conv_transpose": conv_transpose,
    "linear": linear,
    # pooling
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "lp_pool": lp_pool,
    "adaptive_avg_pool": adaptive("AveragePool", "GlobalAveragePool"),
    "adaptive_max_pool": adaptive("MaxPool", "GlobalMaxPool"),
    "global_avg_pool": one("GlobalAveragePool"),
    "global_max_pool": one("GlobalMaxPool"),
    # normalisation
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "l2_norm": lambda at: at.put("LpNormalization", axis=1, p=2),
    "scale": scale,
    # activations
    "relu": one("Relu"),
    "relu6": relu6,
    "leaky_relu": one("LeakyRelu", alpha="negative_slope"),
    "prelu": prelu,
    "elu": one("Elu", alpha="alpha"),
    "selu": one("Selu"),
    "gelu": lambda at: at.put("Gelu", approximate=at.layer.approximate),
    "silu": silu,
    "mish": one("Mish"),
    "sigmoid": one("Sigmoid"),
    "tanh": one("Tanh"),
    "softplus": softplus,
    "hard_swish": one("HardSwish"),
    "hard_sigmoid": lambda at: at.put("HardSigmoid", alpha=1 / 6, beta=0.5),
    "softmax": lambda at: at.put("Softmax", axis=at.layer.axis + 1),
    "log_softmax": lambda at: at.put("LogSoftmax", axis=at.layer.axis + 1),
    # regularisation
    "dropout": dropout,
    "drop_path": one("Identity"),
    # arithmetic
    "arithmetic": arithmetic,
    "function": function,
    "reduce": reduce,
    # shape
    "flatten": lambda at: at.put("Flatten"),
    "reshape": lambda at: at.reshaped(at.inputs[0], at.node.output, "shape"),
    "permute": lambda at: at.turned(at.inputs[0], at.layer.dims),
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "pixel_shuffle": pixel_shuffle,
    "space_to_depth": space_to_depth,
    "channel_shuffle": channel_shuffle,
    "slice": slice_,
    "identity": one("Identity"),
    # merges
    "add": add,
    "subtract": folded("Sub"),
    "multiply": folded("Mul"),
    "divide": folded("Div"),
    "mean": one("Mean"),
    "concat": lambda at: at.put("Concat", axis=at.layer.axis + 1),
    "matmul": one("MatMul"),
}

# Kinds that ONNX has no operators for, or none that keep what is counted.
WITHOUT = frozenset({"locally_connected", "dynamic_conv", "rbf", "depth_pool", "subsample", "maxout", "unknown"})


def document(network: Network, weights: Weights = "random") -> bytes:
    """The file's bytes. `weights` are random, the same ones each time, or zeros.

    Raises `DocumentError` for layers that ONNX has no operators for, all of them at once, for weights of more than
    2 GiB, and where the package onnx is missing.
    """
    try:
        graph = Graph(network, weights)
    except ImportError:
        help = "pip install 'cnncalc[onnx]'"
        raise DocumentError(
            Diagnostic("needs-onnx", "this needs the package onnx, which is not installed", help=help)
        ) from None
    names: dict[Any, str] = {value: value.name for value in network.inputs}
    wrong = []
    for node in network.nodes:
        names[node] = node.name
        try:
            write(graph, node, [names[value] for value in node.inputs])
        except NoOperator as reason:
            wrong.append(_without(node, str(reason)))
        if getattr(node.layer, "inplace", False):  # what reads its input later reads what is written over it
            over = names[node.inputs[0]]
            names |= {value: node.name for value, name in names.items() if name == over}
    if wrong:
        raise DocumentError(*wrong)
    outputs = {names[value]: value.output for value in network.outputs}
    value_info, floats = graph.helper.make_tensor_value_info, graph.onnx.TensorProto.FLOAT
    proto = graph.helper.make_graph(
        graph.nodes,
        network.name or "network",
        [value_info(value.name, floats, ["batch", *value.output]) for value in network.inputs],
        [value_info(name, floats, ["batch", *shape]) for name, shape in outputs.items()],
        graph.tensors,
        value_info=[
            value_info(node.name, floats, ["batch", *node.output]) for node in network.nodes if node.name not in outputs
        ],
    )
    import cnncalc

    model = graph.helper.make_model(
        proto,
        producer_name="cnncalc",
        producer_version=cnncalc.__version__,
        ir_version=IR_VERSION,
        opset_imports=[graph.helper.make_opsetid("", OPSET)],
    )
    made: bytes = model.SerializeToString()
    return made


def write(graph: Graph, node: Node, inputs: Sequence[str]) -> None:
    """The operators of one layer, and of the activation fused into it."""
    kind = node.layer.kind
    writer = TABLE.get(kind)
    if writer is None:
        raise NoOperator("")
    fused = getattr(node.layer, "activation", None)
    sums = graph.name(node.name, "sums") if fused else node.name
    writer(At(graph, node, inputs, sums))
    if fused:
        activation = KINDS[fused]()
        alone = Node(graph.name(node.name, fused), activation, (node,), activation.facts((node.output,)), None)
        TABLE[fused](At(graph, alone, [sums], node.name))


def _without(node: Node, reason: str) -> Diagnostic:
    because = f": {reason}" if reason else ""
    message = f"ONNX has no operator for `{node.name}` ({node.layer.kind}){because}"
    return Diagnostic("onnx-no-operator", message, node.span)
