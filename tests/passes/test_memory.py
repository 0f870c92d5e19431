from __future__ import annotations

from typing import NamedTuple

import pytest

import cnncalc
from cnncalc.passes.memory import textbook

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
