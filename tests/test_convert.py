"""Dense layers as convolutions: against hand counts, against torch on every crop, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

import cnncalc
from cnncalc.convert import Conversion, converted, dense_to_conv, input_shape, to_json
from cnncalc.diagnostics import DocumentError

UNPADDED = "24x24x3 -> CONV5-4 p0 -> RELU -> POOL2 -> CONV3-6 p0 -> POOL2 -> FLATTEN -> FC-7 -> TANH -> DROPOUT -> FC-5"


def refusal(text: str, shape: tuple[int, ...] | None = None) -> str:
    with pytest.raises(DocumentError) as caught:
        dense_to_conv(cnncalc.loads(text) if "layers" in text else cnncalc.load(text), shape)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code}: {diagnostic.message}"


def test_vgg16() -> None:
    """CS231n notes: 12x12x512 features, 6x6x1000 scores, 36 positions.

    The convolutions take (384 / 224)² times their multiply-accumulates, the dense layers 36 times theirs.
    """
    network = cnncalc.load("vgg16")
    dense = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000
    convolutions = 15_470_264_320 - dense
    found = dense_to_conv(network, (3, 384, 384))
    assert converted(network, (3, 384, 384))["stage5.max_pool"].output == (512, 12, 12)
    assert [(one.name, one.output, one.positions, one.step) for one in found.outputs] == [
        ("fc8", [1000, 6, 6], 36, ["32", "32"])
    ]
    assert found.macs_of_crop == 15_470_264_320
    assert found.macs_at_once == convolutions * 384**2 // 224**2 + 36 * dense == 49_551_114_240
    assert found.macs_of_crops == 36 * 15_470_264_320
    assert found.gain == "11.24"  # 556,929,515,520 / 49,551,114,240 = 11.2395
    assert found.parameters == 138_357_544
    assert not found.exact
    assert [(change.before, change.after, change.output) for change in found.changes] == [
        ("linear", "conv 7x7", [4096, 6, 6]),
        ("linear", "conv 1x1", [4096, 6, 6]),
        ("linear", "conv 1x1", [1000, 6, 6]),
    ]


def test_on_its_own_input() -> None:
    found = dense_to_conv(cnncalc.load("vgg16"))
    assert (found.outputs[0].output, found.gain) == ([1000, 1, 1], "1.00")
    assert found.macs_at_once == found.macs_of_crop == found.macs_of_crops


@pytest.mark.parametrize("name", ["vgg16", "vgg11_lrn", "resnet18", "densenet121", "alexnet_torchvision", "googlenet"])
def test_parameters_stay(name: str) -> None:
    network = cnncalc.load(name)
    found = dense_to_conv(network, (3, 320, 352))
    assert found.parameters == cnncalc.analyze(network).totals.parameters
    report = cnncalc.analyze(cnncalc.loads(found.document))
    assert (report.totals.parameters, report.totals.macs) == (found.parameters, found.macs_at_once)
    assert [output.shape for output in report.outputs] == [output.output for output in found.outputs]


def test_a_global_pool() -> None:
    """A crop's 7x7 map slides over the 12x12 map of a 384x384 image: 6 places, as with dense layers."""
    network = converted(cnncalc.load("resnet50"), (3, 384, 384))
    assert network["avgpool"].layer.values()["kernel_size"] == 7
    assert network["avgpool"].layer.values()["stride"] == 1
    assert (network["avgpool"].output, network["fc"].output) == ((2048, 6, 6), (1000, 6, 6))


def test_an_adaptive_pool() -> None:
    """To 6x6 from 12x12 are 2x2 windows; over the 16x20 of a larger image they give 8x10, the 6x6 kernels 3x5."""
    text = "input: 12x12x3\nlayers: [{adaptive_avg_pool: 6}, {linear: 4}]\n"
    found = dense_to_conv(cnncalc.loads(text), (3, 16, 20))
    assert [(change.after, change.output) for change in found.changes] == [
        ("avg_pool 2x2/2", [3, 8, 10]),
        ("conv 6x6", [4, 3, 5]),
    ]
    assert (found.outputs[0].positions, found.outputs[0].step, found.exact) == (15, ["2", "2"], True)


def test_vectors_before_the_first_dense_layer() -> None:
    """Flattened maps stay maps: a reshape, dropout and an activation between them and the dense layer too."""
    text = "input: 6x5x2\nlayers: [{reshape: -1}, {dropout: 0.5}, relu, {add: [identity, [tanh]]}, {linear: 3}]\n"
    network = converted(cnncalc.loads(text), (2, 8, 6))
    assert [node.output for node in network] == [(2, 8, 6)] * 4 + [(3, 3, 2)]
    assert network.nodes[-1].layer.values()["kernel_size"] == (6, 5)


def test_functional_layers_stay() -> None:
    """Also the dense layer that becomes a convolution: the code calls that as a function, too."""
    text = "input: 6x5x2\nlayers: [{tanh: {}, functional: true}, relu, {linear: 3, functional: true}, linear: 2]\n"
    found = dense_to_conv(cnncalc.loads(text))
    again = [(node.layer.kind, node.functional) for node in cnncalc.loads(found.document)]
    assert again == [("tanh", True), ("relu", False), ("conv", True), ("conv", False)]


def test_shared_parameters_stay_shared() -> None:
    """Also those of dense layers that become convolutions."""
    text = (
        "input: 6x5x2\nlayers:\n"
        "  - {name: one, conv: {out_channels: 2, kernel_size: 3, padding: 1}}\n"
        "  - {conv: {out_channels: 2, kernel_size: 3, padding: 1}, shares: one}\n"
        "  - linear: 4\n  - {name: first, linear: 4}\n  - {linear: 4, shares: first}\n"
    )
    network = cnncalc.loads(dense_to_conv(cnncalc.loads(text)).document)
    assert [node.shared.name if node.shared else "" for node in network][-1] == "first"
    assert sum(node.facts.weights + node.facts.biases for node in network) == 2 * 18 + 2 + 60 * 4 + 4 + 4 * 4 + 4


def test_several_outputs() -> None:
    text = (
        "input: 8x8x3\nlayers: [{name: early, linear: 2}, {max_pool: 2, from: input}, {name: late, linear: 4}]\n"
        "outputs: [early, late]\n"
    )
    found = dense_to_conv(cnncalc.loads(text), (3, 10, 12))
    assert [(one.name, one.output, one.positions) for one in found.outputs] == [
        ("early", [2, 3, 5], 15),
        ("late", [4, 2, 3], 6),
    ]
    assert (found.macs_of_crops, found.gain) == (None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("squeezenet1_1", "no-dense-layers: SqueezeNet 1.1 has no dense layers: there is nothing to convert"),
        ("lenet5", "cannot-slide: `output` cannot slide: it is no weighted sum, and no convolution is the same"),
        ("100 -> FC-2", "no-spatial-dimensions: the input is a vector of 100: dense layers on it see no image"),
        ("inputs: {a: 4x4x1, b: 4x4x1}\nlayers: [{add: [a, b]}, {linear: 2}]", "several-inputs: <text> has 2 inputs"),
        ("8x8x3 -> LAYER_NORM -> FC-2", "cannot-slide: `layer_norm` cannot slide: its parameters belong to"),
        ("8x8x3 -> LOCALLY_CONNECTED3-4 -> FC-2", "cannot-slide: `locally_connected` cannot slide: its parameters"),
        ("8x8x4 -> GROUP_NORM2 -> FC-2", "cannot-slide: `group_norm` cannot slide: it computes with values of all"),
        ("8x8x4 -> FC-6 -> GROUP_NORM2", "cannot-slide: `group_norm` cannot slide: it computes with values of all"),
        ("8x8x4 -> FLATTEN -> BN -> FC-6", "cannot-slide: `batch_norm` cannot slide: its parameters belong to"),
        ("8x8x4 -> FLATTEN -> SOFTMAX -> FC-6", "cannot-slide: `softmax` cannot slide: it computes with values of all"),
        (
            "input: 7x7x3\nlayers: [{adaptive_avg_pool: 3}, {linear: 4}]",
            "cannot-slide: `adaptive_avg_pool` cannot slide: its windows on 7x7 are not all alike",
        ),
        (
            "input: 8x8x3\nlayers: [{multiply: [identity, [global_avg_pool]]}, {linear: 4}]",
            "cannot-slide: `multiply` cannot slide: on the larger image `multiply` cannot join 16x16x3 and 9x9x3",
        ),
    ],
)
def test_what_cannot_slide(text: str, message: str) -> None:
    shape = None if text == "lenet5" or text.startswith("100") else (4 if "x4 " in text else 3, 16, 16)
    assert refusal(text, shape).startswith(message)


def test_inputs_that_do_not_fit() -> None:
    assert refusal("vgg16", (3, 200, 224)).endswith("on the larger image a 7x7 window does not fit a 6x7 input")
    assert refusal("vgg16", (4, 384, 384)) == "input-differs: --input 384x384x4 is no larger 224x224x3"
    assert refusal("vgg16", (3, 384)) == "input-differs: --input 384x3 is no larger 224x224x3"
    assert input_shape("384x320x3") == input_shape("[3, 384, 320]") == (3, 384, 320)
    with pytest.raises(DocumentError, match="`large` is not the size of an image"):
        input_shape("large")


def test_json() -> None:
    found = dense_to_conv(cnncalc.load(UNPADDED), (3, 32, 28))
    data = json.loads(to_json(found))
    gain = data.pop("gain")
    assert gain == found.gain
    outputs, changes = data.pop("outputs"), data.pop("changes")
    assert outputs[0] == {"name": "linear2", "output": [5, 3, 2], "positions": 6, "step": ["4", "4"]}
    assert len(changes) == len(found.changes)
    assert Conversion(**data, outputs=found.outputs, changes=found.changes) == found


# torch ----------------------------------------------------------------------------------------------------------------


def scores(text: str, shape: tuple[int, ...]) -> tuple[Any, Any, bool]:
    """The converted network's scores in torch, and those of each crop by the network itself, with the same weights."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from cnncalc.pytorch.build import build

    torch.manual_seed(0)
    network = cnncalc.load(text) if "->" in text else cnncalc.loads(text)
    found = dense_to_conv(network, shape)
    before, after = build(network).double().eval(), build(converted(network, shape)).double().eval()
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        new.data = old.data.reshape(new.shape)
    image = torch.randn(1, *shape, dtype=torch.float64)
    crop = network.inputs[0].output[1:]
    (output,) = found.outputs
    assert output.step is not None
    rows, columns = output.output[1:]
    step = [int(one) for one in output.step]
    with torch.no_grad():
        one_by_one = torch.stack(
            [
                before(image[:, :, y * step[0] : y * step[0] + crop[0], x * step[1] : x * step[1] + crop[1]])
                for y in range(rows)
                for x in range(columns)
            ],
            -1,
        )
        at_once = after(image)
    return at_once.flatten(2), one_by_one.reshape(1, output.output[0], -1), found.exact


@pytest.mark.parametrize(
    "text",
    [
        UNPADDED,
        "24x24x3 -> CONV5-4 p0 -> POOL2 -> GAP -> FC-5 -> SOFTMAX",
        "24x24x3 -> AVGPOOL3/3 -> FC-6 -> BN -> RELU -> FC-5",
        "input: 24x24x3\nlayers: [{adaptive_avg_pool: 8}, "
        "{add: [[{conv: {out_channels: 3, kernel_size: 1}}], identity]}, "
        "{linear: {out_features: 5, activation: relu, bias: false}}]",
    ],
)
def test_the_scores_are_those_of_the_crops(text: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    at_once, one_by_one, exact = scores(text, (3, 32, 36))
    assert exact
    torch.testing.assert_close(at_once, one_by_one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "24x24x3 -> CONV3-4 -> FC-5",
        "input: 25x25x3\nlayers: [{max_pool: {kernel_size: 2, rounding: ceil}}, {linear: 5}]",
        "input: 24x24x3\nlayers: [{conv: {out_channels: 4, kernel_size: 2, stride: 2, padding: [[1, 0], [1, 0]]}}, "
        "{linear: 5}]",
    ],
)
def test_scores_that_differ(text: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    at_once, one_by_one, exact = scores(text, (3, 32, 36))
    assert not exact
    assert not torch.allclose(at_once, one_by_one, rtol=1e-9, atol=1e-9)


def test_wrong_sizes() -> None:
    for text in ("384,384,3", "384x", "0x3x3", "true"):
        with pytest.raises(DocumentError) as caught:
            input_shape(text)
        assert caught.value.diagnostics[0].code == "input-sizes"
