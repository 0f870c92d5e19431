from __future__ import annotations

from typing import NamedTuple

import pytest

import cnncalc
from cnncalc.passes.memory import every_output, liveness, textbook

# `textbook` -----------------------------------------------------------------------------------------------------------

CONV = "conv: {out_channels: 4, kernel_size: 3, padding: 1, bias: false}"


class Held(NamedTuple):
    """In elements of 1 byte, for one image: parameters, input, outputs, the widest pair and the layer that makes it."""

    parameters: int
    input: int
    outputs: int
    pair: int
    widest: str | None


def held(layers: str, input: str = "5x6x2") -> Held:
    found = textbook(cnncalc.loads(f"input: {input}\nlayers: [{layers}]"), dtype="int8")
    name = found.widest.name if found.widest is not None else None
    return Held(found.parameters, found.input, found.outputs, found.widest_pair, name)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # 30 places: 60 values come in, 120 go out; the input is no layer's output
        pytest.param(f"{{{CONV}}}", Held(4 * 2 * 9, 60, 120, 120, "conv"), id="one-layer"),
        pytest.param(
            f"{{{CONV}}}, batch_norm, {{max_pool: 2}}",
            Held(72 + 8, 60, 120 + 120 + 4 * 2 * 3, 120 + 120, "batch_norm"),
            id="two-consecutive-layers",
        ),
        # 120 stay, written over in place; then 120 + 24
        pytest.param(
            f"{{{CONV}}}, {{relu: {{inplace: true}}}}, {{max_pool: 2}}",
            Held(72, 60, 120 + 24, 120 + 24, "max_pool"),
            id="in-place",
        ),
        pytest.param(
            f"{{{CONV}}}, flatten, {{linear: 7}}", Held(72 + 7 * 120 + 7, 60, 127, 127, "linear"), id="a-view"
        ),
        pytest.param(
            f"{{{CONV}}}, flatten, {{relu: {{inplace: true}}}}, {{reshape: [4, 5, 6]}}, {{max_pool: 2}}",
            Held(72, 60, 120 + 24, 120 + 24, "max_pool"),
            id="views-of-views",
        ),
        # three equal volumes: the first pair is named
        pytest.param(f"{{{CONV}}}, sigmoid, tanh", Held(72, 60, 360, 240, "sigmoid"), id="the-first-of-equals"),
        # fused: no tensor of its own
        pytest.param(
            "{conv: {out_channels: 4, kernel_size: 3, padding: 1, bias: false, activation: relu}}",
            Held(72, 60, 120, 120, "conv"),
            id="fused-activation",
        ),
        # the merge reads 120 and 120 and makes 240
        pytest.param(
            f"{{concat: [[{{{CONV}}}], [{{{CONV}}}]]}}",
            Held(2 * 72, 60, 240 + 240, 480, "concat"),
            id="all-that-a-merge-reads",
        ),
        # x + x is one tensor read twice, and one made
        pytest.param(f"{{{CONV}, name: x}}, {{add: [x, x]}}", Held(72, 60, 240, 240, "add"), id="the-same-read-twice"),
        # the shortcut and the conv's output, 120 each, and the sum: more than any two layers in a row
        pytest.param(
            f"{{{CONV}}}, {{add: [[{{{CONV}}}], identity]}}",
            Held(72 + 144, 60, 360, 360, "add"),
            id="residual",
        ),
        # in place on one path writes over what the other reads: still one tensor
        pytest.param(
            f"{{{CONV}}}, {{add: [[{{relu: {{inplace: true}}}}], identity]}}",
            Held(72, 60, 240, 240, "add"),
            id="residual-around-in-place",
        ),
        pytest.param("{relu: {inplace: true}}", Held(0, 60, 0, 0, None), id="nothing-is-made"),
        pytest.param("{relu: {inplace: true}}, {max_pool: 5}", Held(0, 60, 2, 2, "max_pool"), id="the-input-in-place"),
        # buffers are kept but are no parameters: the model leaves them out
        pytest.param("batch_norm", Held(4, 60, 60, 60, "batch_norm"), id="buffers"),
    ],
)
def test_by_hand(layers: str, expected: Held) -> None:
    assert held(layers) == expected


def test_homework() -> None:
    """Géron 2019, chapter 14, exercise 2: 12.6 MB to predict, and for 50 images half a gigabyte and more to train."""
    network = cnncalc.load("homework_3_layers")
    one, fifty = textbook(network), textbook(network, batch=50)
    parameters = (27 * 100 + 100) + (900 * 200 + 200) + (1800 * 400 + 400)
    outputs = [100 * 100 * 150, 200 * 50 * 75, 400 * 25 * 38]
    assert one.parameters == fifty.parameters == 4 * parameters == 3_613_600
    assert one.widest_pair == 4 * (outputs[0] + outputs[1]) == 9_000_000
    assert one.widest is network.nodes[1]
    assert one.prediction == 9_000_000 + 3_613_600 == 12_613_600
    assert fifty.input == 50 * 4 * 200 * 300 * 3 == 36_000_000
    assert fifty.outputs == 50 * 4 * sum(outputs) == 526_000_000
    assert fifty.training == 36_000_000 + 526_000_000 + 3_613_600 == 565_613_600


def test_vgg16() -> None:
    """The two volumes of 224x224x64 are the widest; with the image all are 15,237,608 values (the table of CS231n)."""
    network = cnncalc.load("vgg16")
    found = textbook(network)
    assert found.widest is network["stage1.conv.1"]
    assert found.widest_pair == 4 * 2 * 224 * 224 * 64
    assert found.input + found.outputs == 4 * 15_237_608
    assert found.prediction == 4 * (2 * 224 * 224 * 64 + 138_357_544)
    assert found.training == 4 * (15_237_608 + 138_357_544)


@pytest.mark.parametrize(("dtype", "width"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("uint8", 1)])
def test_batch_and_number_format(dtype: str, width: int) -> None:
    found = textbook(cnncalc.loads(f"input: 5x6x2\nlayers: [{{{CONV}}}, {{max_pool: 2}}]"), batch=7, dtype=dtype)
    assert found.batch == 7
    assert found.parameters == 72 * width
    assert found.input == 60 * width * 7
    assert found.outputs == (120 + 24) * width * 7
    assert found.prediction == (120 + 24) * width * 7 + 72 * width
    assert found.training == (60 + 120 + 24) * width * 7 + 72 * width


def test_several_inputs() -> None:
    found = textbook(
        cnncalc.loads("{inputs: {a: 5x6x2, b: 5x6x1}, layers: [{concat: [a, b]}]}"),
        dtype="int8",
    )
    assert (found.input, found.outputs, found.widest_pair) == (60 + 30, 90, 90)


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "unet", "densenet121"])
def test_bounds(name: str) -> None:
    """Prediction keeps less than training, and no pair is smaller than the largest output."""
    network = cnncalc.load(name)
    found = textbook(network)
    assert found.prediction < found.training
    largest = max(node.facts.activations for node in network)
    assert 4 * largest <= found.widest_pair <= found.outputs + found.input


# `sum` ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "outputs"),
    [
        pytest.param(f"{{{CONV}}}", 120, id="one-layer"),
        # none is freed: 120, 120 and 24
        pytest.param(f"{{{CONV}}}, batch_norm, {{max_pool: 2}}", 120 + 120 + 24, id="chain"),
        pytest.param(f"{{{CONV}}}, {{relu: {{inplace: true}}}}, {{max_pool: 2}}", 120 + 24, id="in-place"),
        pytest.param(f"{{{CONV}}}, flatten, {{linear: 7}}", 120 + 7, id="a-view"),
        pytest.param(f"{{concat: [[{{{CONV}}}], [{{max_pool: 1}}]]}}", 120 + 60 + 180, id="branches"),
        pytest.param("{relu: {inplace: true}}", 0, id="nothing-is-made"),
    ],
)
def test_every_output_by_hand(layers: str, outputs: int) -> None:
    found = every_output(cnncalc.loads(f"input: 5x6x2\nlayers: [{layers}]"), dtype="int8")
    assert (found.outputs, found.input) == (outputs, 60), "the input stands apart"
    assert (found.prediction, found.training) == (outputs, 2 * outputs)


def test_three_convolutions() -> None:
    """CS231n, "Convolutional Neural Networks": three 3x3 convolutions of 64 on an image, and their gradients."""
    conv = "{conv: {out_channels: 64, kernel_size: 3, padding: 1}}"
    found = every_output(cnncalc.loads(f"input: 224x224x3\nlayers: [{conv}, {conv}, {conv}]"))
    assert found.outputs == 4 * 9_633_792
    assert found.training == 77_070_336


def test_vgg16_as_cs231n_counts_it() -> None:
    """The table's 15,237,608 values less the image's; 58.1 MiB with it, which the notes round to 60 and print as 93."""
    found = every_output(cnncalc.load("vgg16"), batch=2)
    assert found.outputs == 2 * 4 * (15_237_608 - 224 * 224 * 3)
    assert found.input == 2 * 4 * 224 * 224 * 3
    assert found.parameters == 4 * 138_357_544, "once, whatever the batch"
    assert found.training == 2 * found.outputs


# `liveness` -----------------------------------------------------------------------------------------------------------


class Alive(NamedTuple):
    """In elements of 1 byte, for one image: outputs, the layer that runs then, and whose outputs they are."""

    outputs: int
    at: str | None
    alive: tuple[str, ...]


WIDE = "conv: {out_channels: 6, kernel_size: 3, padding: 1, bias: false}"  # 180 values of a 5x6 map


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(f"{{{CONV}}}", Alive(120, "conv", ("conv",)), id="one-layer"),
        # 120, 240, then 120 and 24
        pytest.param(
            f"{{{CONV}}}, batch_norm, {{max_pool: 2}}",
            Alive(240, "batch_norm", ("conv", "batch_norm")),
            id="an-output-goes-after-its-reader",
        ),
        # 12, 12 and 96, 96 and 120
        pytest.param(
            "{max_pool: 2}, {conv: {out_channels: 16, kernel_size: 1}}, {conv: {out_channels: 20, kernel_size: 1}}",
            Alive(16 * 6 + 20 * 6, "conv2", ("conv1", "conv2")),
            id="a-pair-that-grows",
        ),
        pytest.param(
            f"{{{CONV}}}, {{relu: {{inplace: true}}}}, {{max_pool: 2}}",
            Alive(120 + 24, "max_pool", ("conv", "max_pool")),
            id="in-place-is-the-same-output",
        ),
        pytest.param(
            f"{{{CONV}}}, flatten, {{linear: 7}}", Alive(127, "linear", ("conv", "linear")), id="a-view-keeps-it"
        ),
        pytest.param(
            f"{{{CONV}}}, flatten, {{relu: {{inplace: true}}}}, {{reshape: [4, 5, 6]}}, {{max_pool: 2}}",
            Alive(144, "max_pool", ("conv", "max_pool")),
            id="views-of-views",
        ),
        # `x` waits for the sum while the path runs: 120 + 180 + 120 in its second layer, 120 + 120 + 120 at the sum
        pytest.param(
            f"{{{CONV}, name: x}}, {{add: [[{{{WIDE}, name: a}}, {{{CONV}, name: b}}], identity]}}",
            Alive(420, "b", ("x", "a", "b")),
            id="a-shortcut-waits",
        ),
        # the first path's 2·3·2 wait while the second runs: 12 + 180 + 120; the input of both is the network's
        pytest.param(
            f"{{concat: [[{{max_pool: 2, name: p}}], [{{{WIDE}, name: a}}, {{{CONV}, name: b}}, {{max_pool: 2}}]]}}",
            Alive(312, "b", ("p", "a", "b")),
            id="a-path-waits",
        ),
        # one tensor, read twice
        pytest.param(f"{{{CONV}, name: x}}, {{add: [x, x]}}", Alive(240, "add", ("x", "add")), id="read-twice"),
        # read through a view by one, and itself by another that comes later: 120 + 7, then 120 + 7 + 24
        pytest.param(
            f"{{{CONV}, name: x}}, flatten, {{linear: 7, name: l}}, {{max_pool: 2, from: x, name: m}}, "
            "{flatten: {}, name: f}, {concat: [l, f]}",
            Alive(120 + 7 + 24, "m", ("x", "l", "m")),
            id="a-view-and-what-it-shows",
        ),
        # nothing reads `end`: it is made, and goes; then 120 + 24
        pytest.param(
            f"{{{CONV}, name: x}}, {{relu: {{}}, name: end}}, {{max_pool: 2, from: x}}",
            Alive(240, "end", ("x", "end")),
            id="nothing-reads-it",
        ),
        # three equal moments: the first is named
        pytest.param(f"{{{CONV}}}, sigmoid, tanh", Alive(240, "sigmoid", ("conv", "sigmoid")), id="the-first"),
        pytest.param("{relu: {inplace: true}}", Alive(0, None, ()), id="nothing-is-made"),
        pytest.param(
            "{relu: {inplace: true}}, {max_pool: 5}", Alive(2, "max_pool", ("max_pool",)), id="input-in-place"
        ),
    ],
)
def test_liveness_by_hand(layers: str, expected: Alive) -> None:
    found = liveness(cnncalc.loads(f"input: 5x6x2\nlayers: [{layers}]"), dtype="int8")
    at = found.at.name if found.at is not None else None
    assert Alive(found.outputs, at, tuple(node.name for node in found.alive)) == expected
    assert found.input == 60
    assert found.prediction == 60 + expected.outputs + found.parameters + found.buffers


def test_results_stay_alive() -> None:
    """`a`, 120, is a result: it is there beside `b`, 24, and `c`, 7; without it 24 and 7 would be."""
    layers = f"[{{{CONV}, name: a}}, {{max_pool: 2, name: b}}, {{relu: {{}}}}, {{linear: 7, name: c}}]"
    alone = liveness(cnncalc.loads(f"{{input: 5x6x2, layers: {layers}, outputs: [c]}}"), dtype="int8")
    both = liveness(cnncalc.loads(f"{{input: 5x6x2, layers: {layers}, outputs: [a, c]}}"), dtype="int8")
    assert (alone.outputs, both.outputs) == (120 + 24, 120 + 24 + 24)
    assert both.at is not None
    assert both.at.name == "relu"


def test_liveness_of_several_inputs() -> None:
    """All inputs are held by whoever gave them: 60 and 30, beside 60 of one path and 90 of the merge."""
    document = "{inputs: {a: 5x6x2, b: 5x6x1}, layers: [{relu: {}, from: a, name: r}, {concat: [r, b]}]}"
    found = liveness(cnncalc.loads(document), dtype="int8")
    assert (found.input, found.outputs) == (60 + 30, 60 + 90)


@pytest.mark.parametrize(("dtype", "width"), [("float64", 8), ("float32", 4), ("bfloat16", 2)])
def test_liveness_of_a_batch_in_a_number_format(dtype: str, width: int) -> None:
    """Running means and variances of 4 channels; the counter of batches is 8 bytes in any format."""
    found = liveness(cnncalc.loads(f"input: 5x6x2\nlayers: [{{{CONV}}}, batch_norm]"), batch=7, dtype=dtype)
    assert found.parameters == (72 + 8) * width
    assert found.buffers == (4 + 4) * width + 8
    assert (found.input, found.outputs) == (60 * width * 7, 240 * width * 7)
    assert found.prediction == (72 + 8 + 8 + 7 * (60 + 240)) * width + 8


def test_liveness_of_the_homework() -> None:
    """The image, 720,000 bytes, more than the textbook's 12,613,600."""
    found = liveness(cnncalc.load("homework_3_layers"))
    assert found.prediction == 12_613_600 + 4 * 200 * 300 * 3 == 13_333_600


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "unet", "densenet121", "ssd300_vgg16"])
def test_what_is_alive_adds_up(name: str) -> None:
    """As the textbook says, but for shortcuts and paths that wait; never more than all outputs."""
    network = cnncalc.load(name)
    found, least = liveness(network, batch=3), textbook(network, batch=3)
    assert found.outputs == 3 * 4 * sum(node.facts.activations for node in found.alive)
    assert found.outputs <= every_output(network, batch=3).outputs
    assert found.outputs >= 3 * 4 * max(node.facts.activations for node in network)
    assert (found.parameters, found.input) == (least.parameters, least.input)
