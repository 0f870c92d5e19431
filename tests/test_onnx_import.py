"""ONNX files: every operator of the table by hand, torch's exporters, and files that are wrong."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
from onnx import TensorProto, helper

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.graph import Network
from cnncalc.onnx_import import load

F = TensorProto.FLOAT
Shape = tuple[int, ...]


def node(type: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    """`node("Conv", "x w b", kernel_shape=[3, 3])`; `_` is an input left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(type, names, outputs.split(), **attributes)


def tensor(name: str, values: Any, shape: Sequence[int] | None = None) -> Any:
    """A tensor of the file: whole numbers, or real ones; of a shape alone it has zeros."""
    real = any(isinstance(value, float) for value in values)
    sizes = [len(values)] if shape is None else list(shape)
    return helper.make_tensor(name, F if real else TensorProto.INT64, sizes, values)


def proto(
    nodes: Sequence[Any],
    shape: Sequence[Any] = ("N", 3, 8, 10),
    weights: Mapping[str, Shape] | None = None,
    tensors: Sequence[Any] = (),
    outputs: Sequence[str] = ("y",),
    opset: int = 21,
    stated: Sequence[Any] = (),
) -> Any:
    held = [
        helper.make_tensor(name, F, list(sizes), bytes(4 * int(_count(sizes))), raw=True)
        for name, sizes in (weights or {}).items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", F, list(shape))],
        [helper.make_tensor_value_info(name, F, None) for name in outputs],
        [*held, *tensors],
        value_info=list(stated),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _count(sizes: Sequence[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


Read = Callable[..., Network]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The network of nodes and tensors as a file."""

    def network(*arguments: Any, settings: Sequence[str] = (), **options: Any) -> Network:
        path = tmp_path / "small.onnx"
        path.write_bytes(proto(*arguments, **options).SerializeToString())
        return load(path, settings)

    return network


def refusal(read: Read, *arguments: Any, **options: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        read(*arguments, **options)
    return "\n".join(
        f"[{one.code}] {one.message.split('small.onnx')[-1].lstrip(': ')}" for one in caught.value.diagnostics
    )


# One operator, one layer ----------------------------------------------------------------------------------------------

# On an input of 3 channels, 8 x 10, unless a row says another. Parameters and MACs are counted by hand beside the row.
ROWS = [
    # 4·3·3·3 + 4 = 112; 8 x 10 - 2 = 6 x 8: 6·8·4·27 = 5,184
    ("conv", node("Conv", "x w b"), {"w": (4, 3, 3, 3), "b": (4,)}, "conv", (4, 6, 8), 112, 5184),
    # ⌊(8 + 3 - 3)/2⌋ + 1 = 5, ⌊(10 + 1 - 3)/2⌋ + 1 = 5: 5·5·4·27 = 2,700
    (
        "conv, sides of their own",
        node("Conv", "x w", strides=[2, 2], pads=[1, 0, 2, 1]),
        {"w": (4, 3, 3, 3)},
        "conv",
        (4, 5, 5),
        108,
        2700,
    ),
    # spans 2·2 + 1 = 5: 8 - 4 = 4, 10 - 4 = 6; 6 filters of 1 channel: 4·6·6·9 = 1,296
    (
        "conv, dilated in groups",
        node("Conv", "x w", dilations=[2, 2], group=3),
        {"w": (6, 1, 3, 3)},
        "conv",
        (6, 4, 6),
        54,
        1296,
    ),
    # ⌈8/3⌉ = 3, ⌈10/3⌉ = 4: 3·4·2·(3·4) = 288
    (
        "conv, same upper",
        node("Conv", "x w", strides=[3, 3], auto_pad="SAME_UPPER"),
        {"w": (2, 3, 2, 2)},
        "conv",
        (2, 3, 4),
        24,
        288,
    ),
    # 8·10·2·12 = 1,920
    ("conv, same lower", node("Conv", "x w", auto_pad="SAME_LOWER"), {"w": (2, 3, 2, 2)}, "conv", (2, 8, 10), 24, 1920),
    ("conv, valid", node("Conv", "x w", auto_pad="VALID"), {"w": (2, 3, 2, 2)}, "conv", (2, 7, 9), 24, 7 * 9 * 2 * 12),
    # (8 - 1)·2 - 2 + 3 + 1 = 16, (10 - 1)·2 - 2 + 3 = 19; every input times 4·9: 3·80·36 = 8,640; 3·4·9 + 4 = 112
    (
        "conv transpose",
        node("ConvTranspose", "x w b", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0]),
        {"w": (3, 4, 3, 3), "b": (4,)},
        "conv_transpose",
        (4, 16, 19),
        112,
        8640,
    ),
    (
        "conv transpose to a size",
        node("ConvTranspose", "x w", strides=[2, 2], output_shape=[16, 20]),
        {"w": (3, 4, 3, 3)},
        "conv_transpose",
        (4, 16, 20),
        108,
        8640,
    ),
    (
        "conv transpose, same",
        node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER"),
        {"w": (3, 4, 3, 3)},
        "conv_transpose",
        (4, 16, 20),
        108,
        8640,
    ),
    (
        "batch norm",
        node("BatchNormalization", "x a b m v"),
        dict.fromkeys("abmv", (3,)),
        "batch_norm",
        (3, 8, 10),
        6,
        0,
    ),
    (
        "instance norm",
        node("InstanceNormalization", "x a b"),
        dict.fromkeys("ab", (3,)),
        "instance_norm",
        (3, 8, 10),
        6,
        0,
    ),
    (
        "group norm",
        node("GroupNormalization", "x a b", num_groups=3),
        dict.fromkeys("ab", (3,)),
        "group_norm",
        (3, 8, 10),
        6,
        0,
    ),
    (
        "layer norm",
        node("LayerNormalization", "x a b", axis=1),
        dict.fromkeys("ab", (3, 8, 10)),
        "layer_norm",
        (3, 8, 10),
        480,
        0,
    ),
    ("layer norm, last", node("LayerNormalization", "x a", axis=-1), {"a": (10,)}, "layer_norm", (3, 8, 10), 10, 0),
    ("lrn", node("LRN", "x", size=5), {}, "local_response_norm", (3, 8, 10), 0, 0),
    ("length", node("LpNormalization", "x", axis=1, p=2), {}, "l2_norm", (3, 8, 10), 0, 0),
    ("relu", node("Relu", "x"), {}, "relu", (3, 8, 10), 0, 0),
    ("leaky relu", node("LeakyRelu", "x", alpha=0.2), {}, "leaky_relu", (3, 8, 10), 0, 0),
    ("prelu", node("PRelu", "x w"), {"w": (3, 1, 1)}, "prelu", (3, 8, 10), 3, 0),
    ("prelu of one slope", node("PRelu", "x w"), {"w": (1,)}, "prelu", (3, 8, 10), 1, 0),
    ("elu", node("Elu", "x"), {}, "elu", (3, 8, 10), 0, 0),
    ("selu", node("Selu", "x"), {}, "selu", (3, 8, 10), 0, 0),
    ("gelu", node("Gelu", "x"), {}, "gelu", (3, 8, 10), 0, 0),
    ("sigmoid", node("Sigmoid", "x"), {}, "sigmoid", (3, 8, 10), 0, 0),
    ("tanh", node("Tanh", "x"), {}, "tanh", (3, 8, 10), 0, 0),
    ("softplus", node("Softplus", "x"), {}, "softplus", (3, 8, 10), 0, 0),
    ("hard swish", node("HardSwish", "x"), {}, "hard_swish", (3, 8, 10), 0, 0),
    ("hard sigmoid", node("HardSigmoid", "x", alpha=1 / 6), {}, "hard_sigmoid", (3, 8, 10), 0, 0),
    ("mish", node("Mish", "x"), {}, "mish", (3, 8, 10), 0, 0),
    ("softmax", node("Softmax", "x", axis=1), {}, "softmax", (3, 8, 10), 0, 0),
    ("log softmax", node("LogSoftmax", "x", axis=1), {}, "log_softmax", (3, 8, 10), 0, 0),
    # ⌊(8 + 2 - 3)/2⌋ + 1 = 4, ⌊(10 + 2 - 3)/2⌋ + 1 = 5
    (
        "max pool",
        node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        {},
        "max_pool",
        (3, 4, 5),
        0,
        0,
    ),
    # ⌈(8 - 3)/2⌉ + 1 = 4, ⌈(10 - 3)/2⌉ + 1 = 5; floor gives 3 and 4
    (
        "max pool, ceil",
        node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        {},
        "max_pool",
        (3, 4, 5),
        0,
        0,
    ),
    ("max pool, dilated", node("MaxPool", "x", kernel_shape=[3, 3], dilations=[2, 2]), {}, "max_pool", (3, 4, 6), 0, 0),
    ("avg pool", node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2]), {}, "avg_pool", (3, 4, 5), 0, 0),
    # ⌊(8 + 1 - 3)/2⌋ + 1 = 4, ⌊(10 + 1 - 3)/2⌋ + 1 = 5
    (
        "avg pool, one side",
        node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
        {},
        "avg_pool",
        (3, 4, 5),
        0,
        0,
    ),
    ("lp pool", node("LpPool", "x", kernel_shape=[2, 2], strides=[2, 2]), {}, "lp_pool", (3, 4, 5), 0, 0),
    ("global average", node("GlobalAveragePool", "x"), {}, "global_avg_pool", (3, 1, 1), 0, 0),
    ("global maximum", node("GlobalMaxPool", "x"), {}, "global_max_pool", (3, 1, 1), 0, 0),
    ("mean over the map", node("ReduceMean", "x axes"), {}, "global_avg_pool", (3, 1, 1), 0, 0),
    ("sum over rows", node("ReduceSum", "x rows", keepdims=0), {}, "reduce", (3, 10), 0, 0),
    ("flatten", node("Flatten", "x"), {}, "flatten", (240,), 0, 0),
    ("reshape", node("Reshape", "x shape"), {}, "reshape", (6, 40), 0, 0),
    ("transpose", node("Transpose", "x", perm=[0, 3, 1, 2]), {}, "permute", (10, 3, 8), 0, 0),
    ("slice", node("Slice", "x one minus rows"), {}, "slice", (3, 6, 10), 0, 0),
    ("pad", node("Pad", "x pads"), {}, "pad", (3, 10, 13), 0, 0),
    ("resize by a factor", node("Resize", "x _ scales"), {}, "upsample", (3, 16, 30), 0, 0),
    ("resize to a size", node("Resize", "x _ _ sizes", mode="linear"), {}, "upsample", (3, 5, 7), 0, 0),
    ("depth to space", node("DepthToSpace", "x", blocksize=1), {}, "pixel_shuffle", (3, 8, 10), 0, 0),
    ("space to depth", node("SpaceToDepth", "x", blocksize=2), {}, "space_to_depth", (12, 4, 5), 0, 0),
    ("dropout", node("Dropout", "x"), {}, "dropout", (3, 8, 10), 0, 0),
    ("identity", node("Identity", "x"), {}, "identity", (3, 8, 10), 0, 0),
    ("cast", node("Cast", "x", to=F), {}, "identity", (3, 8, 10), 0, 0),
    ("add", node("Add", "x x"), {}, "add", (3, 8, 10), 0, 0),
    ("sum", node("Sum", "x x x"), {}, "add", (3, 8, 10), 0, 0),
    ("subtract", node("Sub", "x x"), {}, "subtract", (3, 8, 10), 0, 0),
    ("multiply", node("Mul", "x x"), {}, "multiply", (3, 8, 10), 0, 0),
    ("divide", node("Div", "x x"), {}, "divide", (3, 8, 10), 0, 0),
    ("mean", node("Mean", "x x"), {}, "mean", (3, 8, 10), 0, 0),
    ("concat", node("Concat", "x x", axis=1), {}, "concat", (6, 8, 10), 0, 0),
    ("concat, columns", node("Concat", "x x", axis=-1), {}, "concat", (3, 8, 20), 0, 0),
    ("times a factor a channel", node("Mul", "w x"), {"w": (3, 1, 1)}, "scale", (3, 8, 10), 3, 0),
    ("plus a tensor", node("Add", "x w"), {"w": (1, 3, 8, 10)}, "arithmetic", (3, 8, 10), 240, 0),
    ("times a number", node("Mul", "x half"), {}, "arithmetic", (3, 8, 10), 0, 0),
    ("one minus", node("Sub", "half x"), {}, "arithmetic", (3, 8, 10), 0, 0),
    ("power", node("Pow", "x half"), {}, "arithmetic", (3, 8, 10), 0, 0),
    ("exponential", node("Exp", "x"), {}, "function", (3, 8, 10), 0, 0),
    ("softmax along rows", node("Softmax", "x", axis=-1), {}, "softmax", (3, 8, 10), 0, 0),
    # along the last dimension, at 3·8 places: 10·4 weights, 24·40 = 960
    ("matrix product", node("MatMul", "x w"), {"w": (10, 4)}, "linear", (3, 8, 4), 40, 960),
]
TENSORS = [
    tensor("axes", [2, 3]),
    tensor("rows", [2]),
    tensor("one", [1]),
    tensor("minus", [-1]),
    tensor("shape", [0, 6, -1]),
    tensor("pads", [0, 0, 1, 2, 0, 0, 1, 1]),
    tensor("scales", [1.0, 1.0, 2.0, 3.0]),
    tensor("sizes", [1, 3, 5, 7]),
    tensor("half", [0.5], ()),
]


@pytest.mark.parametrize(
    ("made", "weights", "kind", "output", "parameters", "macs"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_an_operator(
    read: Read, made: Any, weights: dict[str, Shape], kind: str, output: Shape, parameters: int, macs: int
) -> None:
    network = read([made], weights=weights, tensors=TENSORS)
    (layer,) = network.nodes
    assert (layer.layer.kind, layer.output) == (kind, output)
    totals = cnncalc.analyze(network).totals
    assert (totals.parameters, totals.macs) == (parameters, macs)
    assert totals.buffers == (6 if kind == "batch_norm" else 0)
    assert network.outputs == (layer,)


@pytest.mark.parametrize(("made", "weights"), [row[1:3] for row in ROWS], ids=[row[0] for row in ROWS])
def test_onnx_infers_the_same_shape(read: Read, made: Any, weights: dict[str, Shape]) -> None:
    """The other side: onnx's own inference of shapes."""
    if made.op_type == "GroupNormalization":
        pytest.skip("onnx infers no shape for it")
    model = proto([made], ("x", 3, 8, 10), weights, TENSORS)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", F, [1, 3, 8, 10]))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output[0]
    sizes = [dim.dim_value for dim in inferred.type.tensor_type.shape.dim]
    assert sizes == [1, *read([made], weights=weights, tensors=TENSORS).outputs[0].output]


@pytest.mark.parametrize(
    ("auto", "padding"),
    [("SAME_UPPER", "same"), ("SAME_LOWER", ((1, 0), (1, 1))), ("VALID", 0)],
)
def test_the_odd_one_of_same_padding(read: Read, auto: str, padding: Any) -> None:
    """A window of 2 x 3 at a stride of 1 lacks 1 row and 2 columns: lower puts the odd one before."""
    (layer,) = read([node("Conv", "x w", auto_pad=auto)], weights={"w": (2, 3, 2, 3)}).nodes
    assert layer.layer.values()["padding"] == padding


def test_every_operator_of_the_table_has_a_row() -> None:
    from cnncalc.onnx_import.operators import OPERATORS

    tested = {row[1].op_type for row in ROWS}
    elsewhere = {
        # what patterns become, and operators with tests of their own below
        *("Silu", "HardSigmoid6", "GeluTanh", "GroupNorm", "LayerNorm", "Linear", "Affine"),
        *(
            "SplitToSequence",
            "SequenceAt",
            "Gemm",
            "Clip",
            "Swish",
            "Split",
            "Gather",
            "Squeeze",
            "Unsqueeze",
            "Upsample",
            "CastLike",
        ),
        *("ReduceMax", "ReduceMin", "ReduceL2", "Min", "Max"),
        *("Abs", "Neg", "Sign", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos"),
    }
    assert set(OPERATORS) == tested | elsewhere
    assert not tested & elsewhere


# Operators that need more of a graph ----------------------------------------------------------------------------------


def kinds(network: Network) -> list[str]:
    return [layer.layer.kind for layer in network]


@pytest.mark.parametrize("turned", [0, 1])
def test_gemm(read: Read, turned: int) -> None:
    """240·5 + 5 = 1,205 parameters, 1,200 MACs, whichever way the matrix lies."""
    weights = {"w": (5, 240) if turned else (240, 5), "b": (5,)}
    network = read([node("Flatten", "x", "f"), node("Gemm", "f w b", transB=turned)], weights=weights)
    assert kinds(network) == ["flatten", "linear"]
    assert network["y"].facts.weights + network["y"].facts.biases == 1205
    assert network["y"].facts.macs == 1200


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.0, 6.0, ["relu6"]), (0.0, None, ["relu"]), (-1.0, 1.0, ["arithmetic"] * 2)]
)
@pytest.mark.parametrize("opset", [6, 13])
def test_clip(read: Read, low: float, high: float | None, found: list[str], opset: int) -> None:
    bounds = {"min": low} | ({} if high is None else {"max": high})
    if opset == 6:
        network = read([node("Clip", "x", **bounds)], opset=opset)
    else:
        names = "x min" if high is None else "x min max"
        network = read([node("Clip", names)], tensors=[tensor(name, [value], ()) for name, value in bounds.items()])
    assert kinds(network) == found


@pytest.mark.parametrize(
    ("opset", "made", "tensors"),
    [
        (11, node("Split", "x", "p q r", axis=2, split=[1, 5, 2]), []),
        (13, node("Split", "x sizes", "p q r", axis=2), [tensor("sizes", [1, 5, 2])]),
        (18, node("Split", "x", "p q r", axis=2, num_outputs=3), []),  # ⌈8/3⌉ = 3, 3, 2
    ],
)
def test_split(read: Read, opset: int, made: Any, tensors: list[Any]) -> None:
    network = read([made], tensors=tensors, outputs=("p", "q", "r"), opset=opset)
    rows = [value.output[1] for value in network.outputs]
    assert rows == ([3, 3, 2] if opset == 18 else [1, 5, 2])
    assert kinds(network) == ["slice"] * 3
    assert network.output_names == ("p", "q", "r")


def test_a_split_into_a_sequence(read: Read) -> None:
    nodes = [node("SplitToSequence", "x size", "s", axis=2), node("SequenceAt", "s last")]
    network = read(nodes, tensors=[tensor("size", [3], ()), tensor("last", [-1], ())])
    assert network.outputs[0].output == (3, 2, 10)  # 8 rows are 3, 3 and 2


def test_a_branch_that_is_always_taken(read: Read) -> None:
    def branch(type: str) -> Any:
        return helper.make_graph([node(type, "x", "b")], type, [], [helper.make_tensor_value_info("b", F, None)])

    nodes = [
        node("Shape", "x", "s", start=1, end=2),
        node("Equal", "s three", "is_three"),
        helper.make_node("If", ["is_three"], ["y"], then_branch=branch("Relu"), else_branch=branch("Tanh")),
    ]
    assert kinds(read(nodes, tensors=[tensor("three", [3])])) == ["relu"]
    assert kinds(read(nodes, tensors=[tensor("three", [4])])) == ["tanh"]


def test_gather(read: Read) -> None:
    """One index is a slice without its dimension, all indices in order are the value itself."""
    network = read([node("Gather", "x i", axis=1)], tensors=[tensor("i", [2], ())])
    assert (kinds(network), network.outputs[0].output) == (["slice", "reshape"], (8, 10))
    network = read([node("Gather", "x i", "g", axis=1), node("Relu", "g")], tensors=[tensor("i", [0, 1, 2])])
    assert kinds(network) == ["relu"]
    network = read([node("Gather", "x i", axis=1)], tensors=[tensor("i", [2, 0])])
    assert network.nodes[0].facts.unknown == "Gather"


@pytest.mark.parametrize("opset", [11, 13])
def test_squeeze_and_unsqueeze(read: Read, opset: int) -> None:
    """They cancel: nothing is left of them but the layers around."""
    nodes = [node("GlobalAveragePool", "x", "g")]
    if opset == 11:
        nodes += [node("Squeeze", "g", "s", axes=[2, 3]), node("Unsqueeze", "s", "u", axes=[2, 3])]
        tensors = []
    else:
        nodes += [node("Squeeze", "g axes", "s"), node("Unsqueeze", "s axes", "u")]
        tensors = [tensor("axes", [2, 3])]
    network = read([*nodes, node("Mul", "x u")], tensors=tensors, opset=opset)
    assert kinds(network) == ["global_avg_pool", "multiply"]
    assert kinds(read(nodes[:2], tensors=tensors, outputs=("s",), opset=opset)) == ["global_avg_pool", "flatten"]


@pytest.mark.parametrize(
    ("opset", "type", "inputs"), [(7, "Upsample", "x"), (9, "Upsample", "x s"), (10, "Resize", "x s")]
)
def test_older_upsampling(read: Read, opset: int, type: str, inputs: str) -> None:
    scales = [1.0, 1.0, 2.0, 2.0]
    made = node(type, inputs, **({"scales": scales} if opset == 7 else {}))
    network = read([made], tensors=[tensor("s", scales)] if opset > 7 else [], opset=opset)
    assert (kinds(network), network.outputs[0].output) == (["upsample"], (3, 16, 20))


def test_a_product_of_two_values(read: Read) -> None:
    """8x10 by 10x8 in each of 3 channels: 3·64 sums of 10."""
    network = read([node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")])
    assert kinds(network) == ["permute", "matmul"]
    assert (network.outputs[0].output, network.nodes[-1].facts.macs) == ((3, 8, 8), 1920)


def test_a_product_that_repeats_a_value(read: Read) -> None:
    nodes = [node("ReduceMean", "x", "m", axes=[1]), node("Transpose", "m", "t", perm=[0, 1, 3, 2])]
    network = read([*nodes, node("MatMul", "x t")], opset=13)
    assert network.nodes[-1].facts.unknown == "MatMul"


def test_softmax_along_the_dimension_that_the_file_means(read: Read) -> None:
    """Of a value that waits for a transpose, the channels are the last."""
    turned = [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Softmax", "t", "s", axis=-1)]
    network = read([*turned, node("Transpose", "s", perm=[0, 3, 1, 2])])
    assert [(layer.layer.kind, layer.layer.values()["axis"]) for layer in network.nodes] == [("softmax", 0)]
    network = read([turned[0], node("LogSoftmax", "t", "s", axis=2), node("Transpose", "s", perm=[0, 3, 1, 2])])
    assert [(layer.layer.kind, layer.layer.values()["axis"]) for layer in network.nodes] == [("log_softmax", 2)]


def test_softmax_of_older_versions_is_over_all_that_follows(read: Read) -> None:
    network = read([node("Softmax", "x", axis=1)], opset=11)
    assert network.nodes[0].facts.unknown == "Softmax"
    network = read([node("Flatten", "x", "f"), node("Softmax", "f")], opset=11)
    assert kinds(network) == ["flatten", "softmax"]


def test_depth_to_space(read: Read) -> None:
    network = read([node("DepthToSpace", "x", blocksize=2)], ("N", 12, 4, 5))
    assert network.outputs[0].output == (3, 8, 10)


def test_reductions(read: Read) -> None:
    for type, by in {"ReduceMin": "min", "ReduceL2": "norm", "ReduceMax": "max"}.items():
        (layer,) = read([node(type, "x axes")], tensors=[tensor("axes", [1])]).nodes
        assert (layer.layer.kind, layer.layer.values()["by"], layer.output) == ("reduce", by, (1, 8, 10))
    assert kinds(read([node("ReduceMax", "x axes")], tensors=[tensor("axes", [-1, -2])])) == ["global_max_pool"]
    gone = read([node("ReduceMean", "x", axes=[2, 3], keepdims=0)], opset=13)
    assert (kinds(gone), gone.outputs[0].output) == (["global_avg_pool", "flatten"], (3,))


@pytest.mark.parametrize("type", ["Abs", "Neg", "Sign", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos"])
def test_functions(read: Read, type: str) -> None:
    (layer,) = read([node(type, "x")]).nodes
    assert (layer.layer.kind, layer.layer.values()["of"]) == ("function", type.lower())


@pytest.mark.parametrize(("type", "operation"), [("Min", "minimum"), ("Max", "maximum")])
def test_bounds(read: Read, type: str, operation: str) -> None:
    (layer,) = read([node(type, "x h")], tensors=[tensor("h", [0.5], ())]).nodes
    assert layer.layer.values()["operation"] == operation
    assert read([node(type, "x x")]).nodes[0].facts.unknown == type


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutions_of_every_rank(read: Read, rank: int) -> None:
    """5 filters of 2 channels and 3^rank: 10·3^r weights; a map of 6^r gives 4^r places."""
    network = read([node("Conv", "x w")], ("N", 2, *[6] * rank), {"w": (5, 2, *[3] * rank)})
    (layer,) = network.nodes
    assert layer.output == (5, *[4] * rank)
    assert layer.facts.macs == 4**rank * 10 * 3**rank


# Several operators, one layer -----------------------------------------------------------------------------------------

NUMBERS = {
    "three": 3.0,
    "zero": 0.0,
    "six": 6.0,
    "sixth": 1 / 6,
    "half": 0.5,
    "one": 1.0,
    "two": 2.0,
    "root2": 2**0.5,
    "cubic": 0.044715,
    "factor": 0.7978845608,
    "eps": 1e-5,
}
PATTERNS = {
    "silu": [node("Sigmoid", "x", "s"), node("Mul", "x s")],
    "mish": [node("Softplus", "x", "s"), node("Tanh", "s", "t"), node("Mul", "t x")],
    "hard_swish": [
        node("Add", "x three", "a"),
        node("Clip", "a zero six", "c"),
        node("Mul", "x c", "m"),
        node("Div", "m six"),
    ],
    "hard_swish of hard_sigmoid": [node("HardSigmoid", "x", "s", alpha=1 / 6), node("Mul", "s x")],
    "hard_sigmoid": [node("Add", "x three", "a"), node("Clip", "a zero six", "c"), node("Mul", "c sixth")],
    "gelu": [
        node("Div", "x root2", "d"),
        node("Erf", "d", "e"),
        node("Add", "e one", "a"),
        node("Mul", "x a", "m"),
        node("Mul", "m half"),
    ],
    "gelu, half first": [
        node("Mul", "x half", "h"),
        node("Div", "x root2", "d"),
        node("Erf", "d", "e"),
        node("Add", "one e", "a"),
        node("Mul", "h a"),
    ],
    "gelu by tanh": [
        node("Pow", "x three", "c"),
        node("Mul", "c cubic", "p"),
        node("Add", "x p", "q"),
        node("Mul", "factor q", "r"),
        node("Tanh", "r", "t"),
        node("Add", "t one", "a"),
        node("Mul", "x half", "h"),
        node("Mul", "h a"),
    ],
    "swish": [node("Swish", "x")],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_an_activation_in_parts(read: Read, name: str) -> None:
    tensors = [tensor(number, [value], ()) for number, value in NUMBERS.items()]
    if name == "swish" and onnx.defs.onnx_opset_version() < 24:
        pytest.skip("this onnx has no Swish")
    (layer,) = read(PATTERNS[name], tensors=tensors, opset=24 if name == "swish" else 21).nodes
    kind = {"swish": "silu"}.get(name, name.split(" ")[0].strip(","))
    assert (layer.layer.kind, layer.output, layer.name) == (kind, (3, 8, 10), "y")
    if name == "gelu by tanh":
        assert layer.layer.values()["approximate"] == "tanh"


def test_parts_that_are_read_elsewhere_stay(read: Read) -> None:
    nodes = [node("Sigmoid", "x", "s"), node("Mul", "x s", "m"), node("Add", "m s")]
    assert kinds(read(nodes)) == ["sigmoid", "multiply", "add"]


def test_another_number_is_another_function(read: Read) -> None:
    tensors = [tensor(number, [value], ()) for number, value in (NUMBERS | {"three": 2.5}).items()]
    assert kinds(read(PATTERNS["hard_sigmoid"], tensors=tensors)) == ["arithmetic", "relu6", "arithmetic"]


def test_a_layer_norm_in_parts(read: Read) -> None:
    nodes = [
        node("ReduceMean", "x axes", "m"),
        node("Sub", "x m", "d"),
        node("Pow", "d two", "q"),
        node("ReduceMean", "q axes", "v"),
        node("Add", "v eps", "e"),
        node("Sqrt", "e", "r"),
        node("Div", "d r", "n"),
        node("Mul", "n w", "p"),
        node("Add", "p b"),
    ]
    tensors = [tensor("axes", [-1]), *[tensor(name, [value], ()) for name, value in NUMBERS.items()]]
    (layer,) = read(nodes, weights={"w": (10,), "b": (10,)}, tensors=tensors).nodes
    assert (layer.layer.kind, layer.facts.weights + layer.facts.biases) == ("layer_norm", 20)


def test_a_group_norm_in_parts(read: Read) -> None:
    """Torch's: an instance norm of ones over 3 groups, then a factor and a bias of each of 6 channels."""
    nodes = [
        node("Reshape", "x split", "s"),
        node("InstanceNormalization", "s ones zeros", "i"),
        node("Reshape", "i back", "g"),
        node("Mul", "g w", "m"),
        node("Add", "m b"),
    ]
    tensors = [
        tensor("split", [0, 3, -1]),
        tensor("back", [1, 6, 4, 5]),
        tensor("ones", [1.0] * 3),
        tensor("zeros", [0.0] * 3),
    ]
    (layer,) = read(nodes, (1, 6, 4, 5), {"w": (6, 1, 1), "b": (6, 1, 1)}, tensors).nodes
    assert (layer.layer.kind, layer.layer.values()["num_groups"]) == ("group_norm", 3)
    assert (layer.facts.weights, layer.facts.biases) == (6, 6)


def test_a_product_and_a_bias_are_one_layer(read: Read) -> None:
    nodes = [node("MatMul", "x w", "m"), node("Add", "b m")]
    (layer,) = read(nodes, ("N", 7), {"w": (7, 4), "b": (4,)}).nodes
    assert (layer.layer.kind, layer.facts.weights, layer.facts.biases, layer.facts.macs) == ("linear", 28, 4, 28)


def test_a_factor_and_a_shift_are_one_layer(read: Read) -> None:
    nodes = [node("Mul", "x w", "m"), node("Add", "m b")]
    (layer,) = read(nodes, weights={"w": (3, 1, 1), "b": (3, 1, 1)}).nodes
    assert (layer.layer.kind, layer.facts.weights, layer.facts.biases) == ("scale", 3, 3)
    network = read(nodes, weights={"w": (8, 10), "b": (8, 10)})
    assert kinds(network) == ["arithmetic", "arithmetic"]


def test_a_channel_shuffle(read: Read) -> None:
    nodes = [
        node("Reshape", "x split", "s"),
        node("Transpose", "s", "t", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "t joined"),
    ]
    tensors = [tensor("split", [1, 2, 3, 4, 5]), tensor("joined", [1, 6, 4, 5])]
    (layer,) = read(nodes, (1, 6, 4, 5), tensors=tensors).nodes
    assert (layer.layer.kind, layer.layer.values()) == ("channel_shuffle", {"groups": 2})


def test_channels_last_and_back_leave_no_trace(read: Read) -> None:
    """ConvNeXt's way: a layer norm and a dense layer on the channels, which a transpose puts last."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "t a b", "n"),
        node("MatMul", "n w", "m"),
        node("Relu", "m", "r"),
        node("Transpose", "r", perm=[0, 3, 1, 2]),
    ]
    network = read(nodes, weights={"a": (3,), "b": (3,), "w": (3, 7)})
    assert kinds(network) == ["layer_norm", "conv", "relu"]
    assert [layer.output for layer in network] == [(3, 8, 10), (7, 8, 10), (7, 8, 10)]
    assert network["m"].facts.macs == 80 * 21
    assert cnncalc.analyze(network).layers[-1].receptive_field is not None


# Shapes that the graph computes ---------------------------------------------------------------------------------------


def test_a_reshape_to_a_computed_shape(read: Read) -> None:
    """x.view(x.size(0), -1), as torch's first exporter writes it."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "u"),
        node("Concat", "u minus", "to", axis=0),
        node("Reshape", "x to"),
    ]
    tensors = [tensor("zero", [0], ()), tensor("axes", [0]), tensor("minus", [-1])]
    network = read(nodes, tensors=tensors)
    assert (kinds(network), network.outputs[0].output) == (["flatten"], (240,))


def test_half_of_the_channels(read: Read) -> None:
    """chunk(2, 1): the size of a dimension, plus one, halved, times one and two."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s one", "c", axis=0),
        node("Add", "c one", "d"),
        node("Div", "d two", "h"),
        node("Mul", "h one", "start"),
        node("Slice", "x zero start one", "y"),
    ]
    tensors = [tensor("zero", [0]), tensor("one", [1]), tensor("two", [2])]
    assert read(nodes, tensors=tensors).outputs[0].output == (2, 8, 10)


@pytest.mark.parametrize("batch", [1, 4, "N", -1, 0])
def test_counts_are_for_one_image(read: Read, batch: Any) -> None:
    shape = tensor("shape", [batch if isinstance(batch, int) and batch > 0 else 1, 240])
    nodes = [node("Reshape", "x shape", "f"), node("Gemm", "f w b", transB=1)]
    network = read(nodes, (batch, 3, 8, 10), {"w": (5, 240), "b": (5,)}, [shape])
    assert network.inputs[0].output == (3, 8, 10)
    assert cnncalc.analyze(network).totals.macs == 1200


def test_dimensions_without_a_number(read: Read) -> None:
    arguments: tuple[Any, ...] = ([node("Conv", "x w")], ("N", 3, "height", "width"), {"w": (4, 3, 3, 3)})
    assert (
        refusal(read, *arguments) == "[onnx-input-size] input `x` is [N, 3, height, width]: its sizes are not all known"
    )
    for settings in (["input=8x10x3"], ["x=[3, 8, 10]"], ["height=8", "width=10"]):
        assert read(*arguments, settings=settings).outputs[0].output == (4, 6, 8)
    assert "[unknown-arg]" in refusal(read, *arguments, settings=["depth=3"])
    assert "[bad-setting]" in refusal(read, *arguments, settings=["height"])
    assert "[bad-setting]" in refusal(read, *arguments, settings=["height=0"])


# Names ----------------------------------------------------------------------------------------------------------------


def test_names_of_torchs_first_exporter(read: Read) -> None:
    relu = "/layer1/layer1.0/relu"
    nodes = [
        node("Conv", "x w", "a", name="/layer1/layer1.0/conv1/Conv"),
        node("Relu", "a", "b", name=f"{relu}/Relu"),
        node("Relu", "b", "c", name=f"{relu}/Relu_1"),
        node("Add", "c b", "d", name="/layer1/layer1.0/Add"),
        node("Add", "d b", "e", name="/layer1/layer1.0/Add_1"),
        node("Flatten", "e", "y", name="/Flatten"),
    ]
    network = read(nodes, weights={"w": (3, 3, 1, 1)})
    assert [layer.name for layer in network] == [
        "layer1.0.conv1",
        "layer1.0.relu",
        "layer1.0.relu_2",
        "layer1.0.add",
        "layer1.0.add_2",
        "flatten",
    ]


def test_other_names(read: Read) -> None:
    """A weight's name says more than a number; what a file calls nothing has the name of its value, or its kind."""
    nodes = [
        node("Conv", "x stem.conv.weight", "1"),
        node("Relu", "1", "2", name="act one"),
        node("Relu", "2", "act:one"),
        node("Relu", "act:one", "4"),
        node("Sigmoid", "4", "y", name="model/block/out/Sigmoid2"),
    ]
    network = read(nodes, weights={"stem.conv.weight": (3, 3, 1, 1)})
    names = [layer.name for layer in network]
    assert names == ["stem.conv", "act_one", "act_one_2", "relu", "model.block.out.Sigmoid2"]


# Weights --------------------------------------------------------------------------------------------------------------


def test_shared_weights_are_counted_once(read: Read) -> None:
    nodes = [node("Conv", "x w", "a"), node("Identity", "w", "v"), node("Conv", "a v")]
    network = read(nodes, weights={"w": (3, 3, 1, 1)})
    first, second = network.nodes
    assert second.shared is first
    assert first.shared is None
    assert [layer.name for layer in network] == ["a", "y"]
    assert [layer.facts.macs for layer in network] == [720, 720]
    totals = cnncalc.analyze(network).totals
    assert (totals.parameters, totals.macs) == (9, 1440)


def test_a_shared_bias_is_counted_once(read: Read) -> None:
    """But for one of equal numbers, which exporters make of several: a bias starts with zeros in every layer."""
    nodes = [node("Conv", "x w b", "a"), node("Conv", "a v b")]
    weights = {"w": (3, 3, 1, 1), "v": (3, 3, 1, 1)}
    for values, second in (([1.0, 2.0, 3.0], 0), ([0.0, 0.0, 0.0], 3)):
        bias = helper.make_tensor("b", TensorProto.FLOAT, [3], values)
        network = read(nodes, weights=weights, tensors=[bias])
        assert [(layer.facts.weights, layer.facts.biases) for layer in network] == [(9, 3), (9, second)]
        assert network.nodes[1].shared is (None if second else network.nodes[0])


def test_zeros_that_no_tensor_holds_are_no_bias(read: Read) -> None:
    """What torch's exporter writes of a convolution without one when it does not optimise."""
    nodes = [node("ConstantOfShape", "four", "b"), node("Conv", "x w b")]
    network = read(nodes, weights={"w": (4, 3, 3, 3)}, tensors=[tensor("four", [4])])
    assert network.nodes[0].facts.biases == 0


def test_external_weights_need_not_be_there(tmp_path: Path) -> None:
    model = proto([node("Conv", "x w")], weights={"w": (4, 3, 3, 3)})
    path = tmp_path / "model.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    assert load(path).nodes[0].facts.weights == 108


def test_a_shape_beside_the_file_is_read_from_its_folder_only(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], struct.pack("<2q", 1, 240), raw=True)
    model = proto([node("Reshape", "x shape")], tensors=[shape])
    path = tmp_path / "inside" / "model.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="shapes", size_threshold=0)
    assert kinds(load(path)) == ["flatten"]
    (tmp_path / "inside" / "shapes").rename(tmp_path / "shapes")
    with pytest.raises(DocumentError, match="onnx-unknown-shape"):
        load(path)
    again = onnx.load(str(path), load_external_data=False)
    again.graph.initializer[0].external_data[0].value = "../shapes"
    path.write_bytes(again.SerializeToString())
    with pytest.raises(DocumentError, match="onnx-unknown-shape"):
        load(path)


def test_functions_of_the_file_are_put_in(read: Read, tmp_path: Path) -> None:
    body = [node("Sigmoid", "a", "s"), node("Mul", "a s", "b")]
    function = helper.make_function("mine", "Gate", ["a"], ["b"], body, [helper.make_opsetid("", 21)])
    model = proto([helper.make_node("Gate", ["x"], ["y"], domain="mine")])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    path = tmp_path / "functions.onnx"
    path.write_bytes(model.SerializeToString())
    assert kinds(load(path)) == ["silu"]


# What no kind is ------------------------------------------------------------------------------------------------------


def test_an_unknown_operator_has_a_shape_and_says_so(read: Read) -> None:
    stated = [helper.make_tensor_value_info("u", F, ["N", 3, 8, 10])]
    made = helper.make_node("Whatever", ["x", "w"], ["u"], domain="com.example")
    model = proto([made, node("Relu", "u")], weights={"w": (5, 7)}, stated=stated)
    assert refusal(read, [made, node("Relu", "u")], weights={"w": (5, 7)}, stated=stated).startswith("[onnx-domain]")
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    network = _saved(model)
    unknown, relu = network.nodes
    assert (unknown.facts.unknown, unknown.output, unknown.facts.macs) == ("com.example.Whatever", (3, 8, 10), 0)
    assert unknown.facts.weights == 35  # its weights are known, its work is not
    assert relu.inputs == (unknown,)
    (remark,) = network.said
    assert remark.message == "`com.example.Whatever` is no kind of layer here: its work is in no count"
    assert cnncalc.analyze(network).totals.unknown == 1


def _saved(model: Any) -> Network:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return load(path)


def test_onnx_infers_what_a_file_does_not_state(read: Read) -> None:
    nodes = [node("NonZero", "x", "n"), node("TopK", "x k", "v i"), node("Relu", "v")]
    network = read(nodes[1:], tensors=[tensor("k", [2])])
    assert (kinds(network), network.outputs[0].output) == (["unknown", "relu"], (3, 8, 2))
    assert refusal(read, [nodes[0], node("Cast", "n", to=F)]).startswith(
        "[onnx-unknown-shape] `n` (NonZero) is no layer that is known here, and the shape it gives is not stated"
    )


# Files that are wrong -------------------------------------------------------------------------------------------------


def test_no_model(tmp_path: Path) -> None:
    def said(name: str) -> str:
        with pytest.raises(DocumentError) as caught:
            load(tmp_path / name)
        return "\n".join(f"[{one.code}] {one.message}" for one in caught.value.diagnostics).replace(f"{tmp_path}/", "")

    assert said("none.onnx") == "[no-such-file] there is no file none.onnx"
    (tmp_path / "folder.onnx").mkdir()
    assert said("folder.onnx") == "[is-a-directory] folder.onnx is a directory, not a model"
    for content in (b"name: text\n", b"\x00" * 50, b"PK\x03\x04zip"):
        (tmp_path / "text.onnx").write_bytes(content)
        assert said("text.onnx") == "[not-onnx] text.onnx is not an ONNX model, or only part of one"
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert said("empty.onnx") == "[not-onnx] empty.onnx is empty"
    whole = proto([node("Relu", "x")])
    (tmp_path / "part.onnx").write_bytes(whole.SerializeToString()[:-3])
    assert said("part.onnx") == "[not-onnx] part.onnx is not an ONNX model, or only part of one"
    whole.ClearField("graph")
    (tmp_path / "model.onnx").write_bytes(whole.SerializeToString())
    assert said("model.onnx") == "[onnx-no-graph] model.onnx has no graph"


def test_a_file_of_more_than_two_gibibytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(DocumentError, match="onnx-too-large"):
        load(path)


def test_versions_that_are_not_known(read: Read) -> None:
    assert refusal(read, [node("Relu", "x")], opset=999) == "[onnx-opset] uses version 999 of ONNX's operators"
    model = proto([node("Relu", "x")])
    del model.opset_import[:]
    with pytest.raises(DocumentError, match="does not say which version"):
        _saved(model)


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([node("Relu", "z")], {}, "[onnx-missing-input] `y` (Relu) reads `z`, which nothing makes"),
        ([node("Relu", "x", "z")], {}, "[onnx-missing-input] the output `y` is made by nothing"),
        (
            [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")],
            {},
            "[onnx-circle] `a` (Add) (and 1 more) needs its own result",
        ),
        ([node("Relu", "x"), node("Relu", "x")], {}, "[onnx-made-twice] `y` (Relu) makes `y`, which is there"),
        ([node("Relu", "x")], {"shape": ("N", 3, -8, 8)}, "[onnx-shape] input `x` has the shape [N, 3, -8, 8]"),
        ([node("Conv", "x")], {}, "[onnx-operator] `y` (Conv): it has no input 2"),
        (
            [node("Conv", "x w")],
            {"weights": {"w": (4, 5, 3, 3)}},
            "[onnx-weights-differ] `y` (Conv) has weights [4, 5, 3, 3], 180 in all: 108 are needed",
        ),
        (
            [node("Conv", "x w")],
            {"weights": {"w": (4, 3, 9, 9)}},
            "[window-exceeds-input] `y` (Conv): a 9x9 window does not fit a 8x10 input",
        ),
        (
            [node("Conv", "x w", strides=[0, 1])],
            {"weights": {"w": (4, 3, 3, 3)}},
            "[onnx-operator] `y` (Conv): kernel, strides and dilations are 1 or more",
        ),
        (
            [node("Conv", "x w", strides="two")],
            {"weights": {"w": (4, 3, 3, 3)}},
            "[onnx-operator] `y` (Conv): `strides` has to be a list of 2 whole numbers",
        ),
        (
            [node("Flatten", "x", "f"), node("Gemm", "f w")],
            {"weights": {"w": (100, 5)}},
            "[onnx-operator] `y` (Gemm): weights for 100 values do not fit 240",
        ),
        (
            [node("Concat", "x p", axis=7), node("Relu", "x", "p")],
            {},
            "[onnx-operator] `y` (Concat): axis 7 does not exist in 4 dimensions",
        ),
        (
            [node("Transpose", "x", perm=[0, 1, 1, 2])],
            {},
            "[onnx-operator] `y` (Transpose): perm [0, 1, 1, 2] does not name each of 4 dimensions once",
        ),
        (
            [node("Reshape", "x s")],
            {"tensors": [tensor("s", [1, 7, -1])]},
            "[onnx-operator] `y` (Reshape): [1, 3, 8, 10] does not fit [1, 7, -1]",
        ),
        (
            [node("Split", "x", "y z", axis=1, num_outputs=9)],
            {},
            "[onnx-operator] `y` (Split): 3 does not split into [1, 1, 1] for 2 outputs",
        ),
    ],
)
def test_a_graph_that_cannot_be(read: Read, nodes: list[Any], options: dict[str, Any], message: str) -> None:
    assert refusal(read, nodes, **options) == message


def test_operators_in_any_order(read: Read) -> None:
    network = read([node("Relu", "a"), node("Sigmoid", "x", "a")])
    assert kinds(network) == ["sigmoid", "relu"]


def test_broken_bytes_never_end_in_a_traceback(tmp_path: Path) -> None:
    """Cut, flipped, inserted, left out, 400 times: a network, or a diagnostic."""
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("Sigmoid", "c", "s"),
        node("Mul", "c s", "m"),
        node("Reshape", "m shape", "f"),
        node("Gemm", "f v", transB=1),
    ]
    weights = {"w": (2, 3, 3, 3), "b": (2,), "v": (4, 160)}
    data = proto(nodes, (1, 3, 8, 10), weights, [tensor("shape", [1, -1])]).SerializeToString()
    rng = random.Random(8)
    path = tmp_path / "broken.onnx"
    ends = {"network": 0, "diagnostic": 0}
    header = data.index(bytes(200))  # what comes before the numbers of the weights
    for _ in range(400):
        broken = bytearray(data)
        if rng.random() < 0.2:
            del broken[rng.randrange(len(broken)) :]
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(max(1, min(header, len(broken))))
            broken[place : place + rng.randrange(2)] = rng.randbytes(rng.randrange(3))
        path.write_bytes(broken)
        try:
            cnncalc.analyze(load(path))
            ends["network"] += 1
        except DocumentError:
            ends["diagnostic"] += 1
    assert min(ends.values()) > 5


# torch's exporters ----------------------------------------------------------------------------------------------------

EXPORTED = ["mobilenet_v3_small", "shufflenet_v2_x1_0", "squeezenet1_0", "convnext_tiny", "regnet_x_400mf"]
WAYS = [  # whether by the newer exporter, and whether batch norms are folded into convolutions
    *[("resnet18", dynamo, folds) for dynamo in (True, False) for folds in (True, False)],
    *[(name, *way) for name in EXPORTED for way in ((True, True), (False, False))],
]


def exporters() -> None:
    """Skip where what exports is not installed. (Importing torchvision is left to `exported_models`.)"""
    for package in ("torch", "torchvision", "onnxscript"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A model's file and what torch says of the model; each is exported once."""
    exporters()
    import torch
    from exported_models import MODELS, export, facts, model

    folder = tmp_path_factory.mktemp("exported")
    built: dict[str, Any] = {}

    def exported(name: str, dynamo: bool, folds: bool) -> Any:
        path = folder / f"{name}-{dynamo}-{folds}.onnx"
        if name not in built:
            module, input = model(name), torch.zeros(1, 3, MODELS[name], MODELS[name])
            built[name] = (module, input, facts(module, input))
        module, input, said = built[name]
        if not path.exists():
            export(module, input, path, dynamo, folds)
        return path, said

    return exported


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "dynamo", "folds"), WAYS)
def test_torchvision(models: Callable[..., Any], name: str, dynamo: bool, folds: bool) -> None:
    path, said = models(name, dynamo, folds)
    from exported_models import differences

    assert differences(load(path), said, folds) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_free_batch(tmp_path: Path, dynamo: bool) -> None:
    """`x.view(x.size(0), -1)` and the like are computed in the graph where the batch has no number."""
    exporters()
    import torch
    from exported_models import differences, export, facts, model

    module, input = model("shufflenet_v2_x1_0"), torch.zeros(2, 3, 64, 64)
    path = tmp_path / "free.onnx"
    free: dict[str, Any] = {"dynamic_axes": {"x": {0: "N"}}, "input_names": ["x"]}
    if dynamo:
        free = {"dynamic_shapes": ({0: torch.export.Dim("N")},)}
    export(module, input, path, dynamo, **free)
    assert differences(load(path), facts(module, input[:1]), True) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_windows_of_every_sort(tmp_path: Path, dynamo: bool) -> None:
    """Rounded up, sides of their own, transposed, resized, three-dimensional: shapes and MACs as torch has them."""
    exporters()
    import torch
    from exported_models import differences, export, facts
    from torch import nn

    module = nn.Sequential(
        nn.ZeroPad2d((1, 2, 0, 3)),
        nn.Conv2d(3, 8, (3, 5), stride=2, dilation=(2, 1)),
        nn.PReLU(8),
        nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
        nn.Conv2d(8, 12, 4, padding="same", groups=2),
        nn.GroupNorm(3, 12),
        nn.GELU(approximate="tanh"),
        nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False),
        nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1, output_padding=1),
        nn.InstanceNorm2d(6),
        nn.Mish(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.PixelUnshuffle(2),
        nn.LocalResponseNorm(3),
        nn.PixelShuffle(2),
        nn.Hardswish(),
        nn.ReflectionPad2d(1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(6, 5),
        nn.LogSoftmax(dim=1),
    ).eval()
    for parameter in module.parameters():
        parameter.data.uniform_(0.5, 1.5)
    input = torch.zeros(1, 3, 45, 38)
    path = tmp_path / "windows.onnx"
    export(module, input, path, dynamo)
    assert differences(load(path), facts(module, input), True) == []
