"""Networks as ONNX files: valid, read back with the same counts, and run with the same results as in torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import numpy
import onnx
from hypothesis import HealthCheck, assume, given, settings

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.layers import KINDS, pointwise
from cnncalc.onnx_export import TABLE, WITHOUT, document
from cnncalc.onnx_import import load

sys.path.insert(0, str(Path(__file__).parent))
from random_networks import documents

# Layers on a map of 8 channels, 12 x 14, by kind; each as a network of its own.
MAP = [
    "conv: {out_channels: 6, kernel_size: 3}",
    "conv: {out_channels: 4, kernel_size: [3, 5], stride: [2, 3], padding: [[0, 1], [2, 1]], groups: 2, bias: false}",
    "conv: {out_channels: 4, kernel_size: 4, stride: 3, padding: same}",
    "conv: {out_channels: 4, kernel_size: 3, stride: 4, rounding: ceil}",
    "conv: {out_channels: 4, kernel_size: 3, padding: full, dilation: 2, activation: silu}",
    "depthwise_conv: {kernel_size: 3, multiplier: 2, padding: 1}",
    "conv_transpose: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1, output_padding: 1, groups: 2}",
    "conv_transpose: {out_channels: 5, kernel_size: 4, dilation: 2, bias: false}",
    "linear: {out_features: 7, activation: relu}",
    "linear: {out_features: 7, flatten: false}",
    "linear: {out_features: 7, flatten: false, bias: false}",
    "max_pool: {kernel_size: 3, stride: 2, padding: 1}",
    "max_pool: {kernel_size: 3, stride: 4, rounding: ceil, dilation: 2}",
    "max_pool: {kernel_size: 4, stride: 3, padding: same}",
    "max_pool: {kernel_size: 3, padding: [[0, 1], [1, 0]], rounding: ceil}",  # a window would start in the padding
    "avg_pool: {kernel_size: 3, stride: 2, padding: 1, count_include_pad: false}",
    "avg_pool: {kernel_size: 3, stride: 2, padding: 1}",
    "lp_pool: 2",
    "adaptive_avg_pool: [4, 7]",
    "adaptive_avg_pool: 1",
    "adaptive_max_pool: [3, 2]",
    "global_avg_pool",
    "global_max_pool",
    "batch_norm",
    "batch_norm: {affine: false}",
    "group_norm: 4",
    "group_norm: {num_groups: 2, affine: false}",
    "layer_norm",
    "layer_norm: {elementwise_affine: false}",
    "layer_norm: channels",
    "layer_norm: {axes: channels, bias: false}",
    "layer_norm: last",
    "instance_norm",
    "instance_norm: {affine: true}",
    "local_response_norm: 5",
    "l2_norm",
    "scale",
    "scale: {bias: true, init: 0.5}",
    "relu",
    "relu6",
    "leaky_relu: 0.2",
    "prelu",
    "prelu: 8",
    "elu: 0.5",
    "selu",
    "gelu",
    "gelu: tanh",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "softplus",
    "softplus: 2.0",
    "hard_swish",
    "hard_sigmoid",
    "softmax",
    "log_softmax",
    "softmax: {axis: 2}",
    "log_softmax: {axis: 1}",
    "dropout",
    "drop_path: 0.1",
    *[f"arithmetic: {{operation: {operation}, number: 0.5}}" for operation in pointwise.OPERATIONS],
    "arithmetic: {operation: add, shape: [8, 1, 14]}",
    "arithmetic: {operation: multiply, shape: [8, 12, 14], trainable: false}",
    "arithmetic: {operation: divide_into, shape: [8, 1, 1]}",
    "arithmetic: {operation: maximum, shape: [1, 12, 1]}",
    *[f"function: {of}" for of in pointwise.FUNCTIONS],
    *[f"reduce: {{by: {by}, axes: [1]}}" for by in ("sum", "mean", "max", "min", "norm")],
    "reduce: {by: sum, axes: [0, 2], keep: false}",
    "reduce: {by: max, axes: [0, 1, 2], keep: false}",
    "flatten",
    "reshape: [4, 2, 168]",
    "permute: [2, 0, 1]",
    "pad: {padding: [[1, 2], [0, 3]], value: 0.5}",
    "pad: {padding: 2, mode: reflect}",
    "pad: {padding: 2, mode: replicate}",
    "crop: [5, 8]",
    "crop: {sides: [[1, 0], 2]}",
    "upsample: 2",
    "upsample: {size: [17, 20], mode: bilinear}",
    "upsample: {scale_factor: [2, 3], mode: bilinear, align_corners: true}",
    "pixel_shuffle: 2",
    "space_to_depth: 2",
    "channel_shuffle: 4",
    "slice: {start: 1, stop: 7, step: 2}",
    "slice: {start: -5, axis: 2}",
    "identity",
    "add: [{conv: {out_channels: 8, kernel_size: 1}}, identity]",
    "add: [relu, sigmoid, identity]",
    "subtract: [relu, sigmoid]",
    "multiply: [global_avg_pool, identity]",
    "divide: [relu, {function: exp}]",
    "mean: [relu, sigmoid, tanh]",
    "concat: [relu, {conv: {out_channels: 3, kernel_size: 1}}]",
    "matmul: [relu, [sigmoid, {permute: [0, 2, 1]}]]",
]
OTHERS = [
    "input: 20x4\nlayers: [{conv: {out_channels: 6, kernel_size: 3}}, batch_norm, {max_pool: 2}, {linear: 3}]",
    "input: 6x7x8x2\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}, {avg_pool: 2}, relu, {linear: 3}]",
    "input: 9\nlayers: [{linear: 5}, relu, batch_norm, softmax]",
    "input: 9\nlayers: [{linear: 5, name: l}, {tanh: {inplace: true}}, {arithmetic: {number: 2, inplace: true}}, "
    "relu, {add: [l, identity]}]",
]
DOCUMENTS = [*[f"input: 12x14x8\nlayers:\n  - {layer}" for layer in MAP], *OTHERS]
IDS = [*MAP, "1-D", "3-D", "a vector", "read when it is written over"]

SAME = ("parameters", "weights", "biases", "buffers", "macs")


def saved(text: str, folder: Path, **options: Any) -> tuple[cnncalc.Network, Path]:
    network = cnncalc.loads(text)
    path = folder / "model.onnx"
    path.write_bytes(document(network, **options))
    return network, path


@pytest.mark.parametrize("text", DOCUMENTS, ids=IDS)
def test_a_layer_there_and_back(tmp_path: Path, text: str) -> None:
    network, path = saved(text, tmp_path)
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    back = load(path)
    ours, theirs = cnncalc.analyze(network).totals, cnncalc.analyze(back).totals
    assert {name: getattr(theirs, name) for name in SAME} == {name: getattr(ours, name) for name in SAME}
    if "softplus: 2.0" not in text:  # whose factor is two layers more
        assert theirs.operations == ours.operations
    assert [value.output for value in back.outputs] == [value.output for value in network.outputs]
    assert {node.name for node in network} <= {node.name for node in back}


@pytest.mark.parametrize("text", DOCUMENTS, ids=IDS)
def test_onnx_runs_it_as_torch_does(tmp_path: Path, text: str, one_thread: None) -> None:
    network, path = saved(text, tmp_path)
    if is_wrong_in_evaluator(network):
        pytest.skip("onnx's evaluator fails here")
    runs_as_torch_does(network, path, 2e-5)


@settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=documents())
def test_onnx_runs_random_networks_as_torch_does(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        network, path = saved(text, tmp_path_factory.mktemp("random"))
    except DocumentError:  # for want of an operator
        assume(False)
    assume(not is_wrong_in_evaluator(network))
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    runs_as_torch_does(network, path, 1e-4)


def is_wrong_in_evaluator(network: cnncalc.Network) -> bool:
    """Whether onnx's evaluator fails at a layer, or is known to compute something else than torch."""

    def is_wrong(layer: Any, rank: int) -> bool:
        return (
            layer.kind == "local_response_norm"  # leaves out the last channel of a window
            or (layer.kind == "conv_transpose" and layer.groups > 1)  # fails
            or (layer.kind in ("global_max_pool", "adaptive_max_pool") and rank != 2)  # gives another shape
            or (
                layer.kind in ("avg_pool", "lp_pool") and layer.rounding == "ceil"
            )  # other divisors in the last windows
            or (layer.kind == "lp_pool" and layer.norm_type % 2 == 1)  # torch adds up with signs
        )

    return any(is_wrong(node.layer, len(node.input_shapes[0]) - 1) for node in network)


def runs_as_torch_does(network: cnncalc.Network, path: Path, atol: float) -> None:
    """The same weights and input in torch's modules and in onnx's own (slow, simple) evaluator."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from onnx.reference import ReferenceEvaluator

    from cnncalc.pytorch.build import build, layer_of

    model = onnx.load(str(path))
    module = build(network).eval()
    last_axis = {node.name for node in network if node.layer.kind == "linear" and len(node.output) > 1}
    for tensor in model.graph.initializer:
        numbers = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        layer, what = tensor.name.rsplit(".", 1)
        held = layer_of(module, layer).state_dict()[what]
        held.copy_(numbers.T if layer in last_axis and what == "weight" else numbers.reshape(held.shape))
    torch.manual_seed(8)
    input = torch.randn(2, *network.inputs[0].output)
    with torch.no_grad():
        expected = module(input.clone()).numpy()
    with numpy.errstate(all="ignore"):
        (found,) = ReferenceEvaluator(model).run(None, {network.inputs[0].name: input.numpy()})
    assert found.shape == expected.shape
    numpy.testing.assert_allclose(found, expected, rtol=2e-4, atol=atol)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_0"])
def test_a_network_of_the_zoo(tmp_path: Path, name: str) -> None:
    network = cnncalc.load(name)
    path = tmp_path / "model.onnx"
    path.write_bytes(document(network, "zeros"))
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    ours, theirs = cnncalc.analyze(network).totals, cnncalc.analyze(load(path)).totals
    assert {key: getattr(theirs, key) for key in SAME} == {key: getattr(ours, key) for key in SAME}
    assert theirs.operations == ours.operations


def test_every_kind_is_in_the_table_or_named_as_without() -> None:
    assert set(TABLE) | WITHOUT >= set(KINDS)
    assert not set(TABLE) & WITHOUT
    tested = {node.layer.kind for text in DOCUMENTS for node in cnncalc.loads(text)}
    assert set(TABLE) <= tested


def test_random_weights_are_the_same_each_time_and_zeros_are_zeros(tmp_path: Path) -> None:
    text = "input: 8x8x3\nlayers: [{name: c, conv: {out_channels: 4, kernel_size: 3}}, {name: b, batch_norm: {}}]"
    network = cnncalc.loads(text)
    assert document(network) == document(network)
    _, path = saved(text, tmp_path)
    held = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(str(path)).graph.initializer}
    assert {name: values.shape for name, values in held.items()} == {
        "c.weight": (4, 3, 3, 3),
        "c.bias": (4,),
        "b.weight": (4,),
        "b.bias": (4,),
        "b.running_mean": (4,),
        "b.running_var": (4,),
    }
    assert 0 < abs(held["c.weight"]).max() <= 27**-0.5
    assert (held["b.running_var"] == 1).all()
    _, path = saved(text, tmp_path, weights="zeros")
    assert all(not onnx.numpy_helper.to_array(one).any() for one in onnx.load(str(path)).graph.initializer)


def test_layers_without_an_operator_are_all_named() -> None:
    text = (
        "input: 8x8x4\nlayers: [{maxout: 2}, relu, {softplus: {threshold: 5}}, {subsample: 2}, {adaptive_avg_pool: 3}, "
        "{max_pool: {kernel_size: 2, stride: [3, 2], padding: [[0, 1], 0], rounding: ceil}}]"
    )
    with pytest.raises(DocumentError) as caught:
        document(cnncalc.loads(text))
    assert [(one.code, one.message) for one in caught.value.diagnostics] == [
        ("onnx-no-operator", "ONNX has no operator for `maxout` (maxout)"),
        (
            "onnx-no-operator",
            "ONNX has no operator for `softplus` (softplus): it is a line from its threshold on",
        ),
        ("onnx-no-operator", "ONNX has no operator for `subsample` (subsample)"),
        (
            "onnx-no-operator",
            "ONNX has no operator for `adaptive_avg_pool` (adaptive_avg_pool): "
            "its windows differ in size: the map does not divide into them",
        ),
        (
            "onnx-no-operator",
            "ONNX has no operator for `max_pool` (max_pool): its windows round up along one dimension alone",
        ),
    ]


def test_weights_beyond_what_a_file_holds() -> None:
    network = cnncalc.loads("input: 100_000\nlayers: [{linear: 10_000}]")
    with pytest.raises(DocumentError, match="onnx-too-large"):
        document(network, "zeros")


def test_a_layer_that_shares_weights_reads_those_of_the_other(tmp_path: Path) -> None:
    network = cnncalc.loads(
        "input: 8x8x4\nlayers:\n"
        "  - {name: one, conv: {out_channels: 4, kernel_size: 3, padding: 1}}\n"
        "  - relu\n"
        "  - {name: two, conv: {out_channels: 4, kernel_size: 3, padding: 1}, shares: one}\n"
    )
    model = onnx.load_from_string(document(network, "random"))
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.initializer] == ["one.weight", "one.bias"]
    (tmp_path / "net.onnx").write_bytes(document(network, "random"))
    again = load(tmp_path / "net.onnx")
    assert [node.facts.weights + node.facts.biases for node in again] == [4 * 36 + 4, 0, 0]
