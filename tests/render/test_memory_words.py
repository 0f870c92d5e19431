from __future__ import annotations

from dataclasses import replace

import pytest

import cnncalc
from cnncalc.memory import MemoryReport, Setup, Tensor, memory
from cnncalc.render.memory_words import category, place, setting, shape_of, share, tenths, title, unit_of, what

# 608 bytes of parameters, images of 192, outputs of 288, 288, 72 and 20; tests/test_memory.py counts it by hand.
NETWORK = """\
name: small
input: 4x6x2
layers:
  - conv: {out_channels: 3, kernel_size: 3, padding: 1}
  - relu
  - max_pool: 2
  - linear: 5
"""


@pytest.fixture(scope="module")
def trained() -> MemoryReport:
    return memory(cnncalc.loads(NETWORK, name="small.yaml"), Setup(batch=2, training=True))


@pytest.fixture(scope="module")
def predicted() -> MemoryReport:
    return memory(cnncalc.loads(NETWORK, name="small.yaml"))


# What is run ----------------------------------------------------------------------------------------------------------


def test_title(predicted: MemoryReport) -> None:
    assert title(predicted) == "small (small.yaml)"
    assert title(replace(predicted, name="")) == "small.yaml"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Training on a batch of 2 images: SGD, cross-entropy, float32, on CPU."),
        (
            {"batch": 1, "optimizer": "momentum"},
            "Training on 1 image: SGD with momentum, cross-entropy, float32, on CPU.",
        ),
        (
            {"batch": 1024, "optimizer": "adamw", "weight_decay": True, "device": "cuda"},
            "Training on a batch of 1,024 images: AdamW with weight decay, cross-entropy, float32, on CUDA.",
        ),
        (
            {"optimizer": "", "loss": "none", "dtype": "bfloat16"},
            "Training on a batch of 2 images: no optimizer, no loss (outputs get gradients of ones), bfloat16, on CPU.",
        ),
        (
            {"optimizer": "adam", "amp": "bfloat16", "frozen": ["a.*", "b"], "checkpointed": ["stage1"]},
            "Training on a batch of 2 images: Adam, cross-entropy, float32, autocast to bfloat16, on CPU; "
            "frozen: `a.*`, `b`; checkpointed: `stage1`.",
        ),
        (
            {"training": False, "batch": 3},
            "Predicting a batch of 3 images in float32, on CPU; nothing is kept for a gradient.",
        ),
        ({"training": False, "batch": 1}, "Predicting 1 image in float32, on CPU; nothing is kept for a gradient."),
    ],
)
def test_setting(trained: MemoryReport, changes: dict[str, object], said: str) -> None:
    assert setting(replace(trained, **changes)) == said  # type: ignore[arg-type]


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "unit"), [(999_999, ("kB", 1000)), (1_000_000, ("MB", 1_000_000))])
def test_unit(trained: MemoryReport, size: int, unit: tuple[str, int]) -> None:
    assert unit_of(replace(trained, peak=replace(trained.peak, bytes=size))) == unit


@pytest.mark.parametrize(
    ("size", "unit", "text"),
    [
        (0, 1000, "0.0"),
        (49, 1000, "0.0"),
        (50, 1000, "0.1"),
        (1_949_999, 10**6, "1.9"),
        (1_950_000, 10**6, "2.0"),
        (4_284_923_136, 10**6, "4,284.9"),
        (915_936_608, 2**20, "873.5"),
    ],
)
def test_tenths(size: int, unit: int, text: str) -> None:
    assert tenths(size, unit) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (1, 2001, "<0.1 %"), (1, 2000, "0.1 %"), (5, 5, "100.0 %")],
)
def test_share(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_the_input_of_a_loss_has_classes(trained: MemoryReport, predicted: MemoryReport) -> None:
    assert category("input", trained) == "images, and the classes of the loss"
    assert category("input", predicted) == "what the network is given"
    assert category("input", replace(trained, loss="none")) == "what the network is given"
    assert category("gradients", trained) == "of parameters, and on their way back"


# The peak -------------------------------------------------------------------------------------------------------------


def test_place_of_a_small_peak(predicted: MemoryReport) -> None:
    """608 + 192 + 288 + 288."""
    assert place(predicted) == ["The peak: 1,376 bytes (1.4 kB), in prediction, when `relu` of `relu` ends."]


@pytest.mark.parametrize(
    ("phase", "layer", "operator", "said"),
    [
        ("forward", "conv", "convolution", "the forward pass of each step, when `convolution` of `conv` ends."),
        ("loss", "", "_log_softmax", "the loss of each step, when `_log_softmax` ends."),
        ("backward", "", "ones_like", "the backward pass of each step, when `ones_like` ends."),
        (
            "recompute",
            "fc",
            "addmm",
            "the backward pass of each step, as it computes again what was not kept, when `addmm` of `fc` ends.",
        ),
        ("optimizer", "fc", "div", "the optimizer's part of each step, when `div` of `fc` ends."),
    ],
)
def test_place_in_training(trained: MemoryReport, phase: str, layer: str, operator: str, said: str) -> None:
    peak = replace(trained.peak, bytes=1_048_576, phase=phase, layer=layer, operator=operator)
    first, end = place(replace(trained, peak=peak))
    assert first == f"The peak: 1,048,576 bytes (1.0 MB, 1.0 MiB), in {said}"
    assert end == "A step ends with 1,660 bytes (1.7 kB)."


def test_place_where_steps_differ() -> None:
    """tests/test_memory.py counts the two peaks."""
    report = memory(cnncalc.loads(NETWORK), Setup(batch=2, training=True, optimizer="adam"))
    assert place(report) == [
        "The peak: 4,396 bytes (4.4 kB), in the backward pass of step 2, when `threshold_backward` of `relu` ends.",
        "Step 1 peaks at 3,632 bytes (3.6 kB), later steps at 4,396 bytes (4.4 kB): the optimizer's state is there "
        "from the end of step 1. A step ends with 2,912 bytes (2.9 kB).",
    ]


def test_place_where_nothing_runs() -> None:
    report = memory(cnncalc.loads("{input: 4x6x2, layers: [identity]}"))
    assert place(report) == ["The peak: 192 bytes (0.2 kB), before anything runs."]


# Tensors --------------------------------------------------------------------------------------------------------------

TENSOR = Tensor(bytes=4, shape=[2, 3, 4, 6], category="saved", layer="conv", operator="sqrt", name="", output=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"category": "parameters", "name": "fc6.weight"}, "weights of fc6"),
        ({"category": "parameters", "name": "stage1.0.conv.bias"}, "bias of stage1.0.conv"),
        ({"category": "buffers", "name": "norm.running_mean"}, "running_mean of norm"),
        ({"category": "input", "name": "input"}, "input"),
        ({"category": "input", "name": "left"}, "input left"),
        ({"category": "input", "name": "target"}, "classes of the images"),
        ({"category": "optimizer state", "name": "fc6.weight"}, "state of SGD for fc6.weight"),
        ({"category": "gradients", "name": "fc6.weight"}, "gradient of fc6.weight"),
        ({"category": "gradients"}, "gradient that conv passes back"),
        ({"category": "gradients", "layer": ""}, "gradient that the loss passes back"),
        ({"category": "temporary"}, "temporary of conv (sqrt)"),
        ({"category": "activations", "output": True}, "output of conv"),
        ({"category": "activations", "layer": "", "operator": "add"}, "the loss"),
        ({"output": True}, "output of conv, kept for backward"),
        ({"operator": "constant_pad_nd"}, "padded copy made by conv, kept for backward"),
        ({"operator": "_log_softmax", "layer": ""}, "log-probabilities made by the loss, kept for backward"),
        ({"operator": "pow"}, "made by conv (pow), kept for backward"),
    ],
)
def test_what(trained: MemoryReport, changes: dict[str, object], said: str) -> None:
    assert what(replace(TENSOR, **changes), trained) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, "2 of 4x6x3"),
        ({"shape": [2, 5]}, "2 of 5"),
        ({"shape": [7, 5]}, "[7, 5]"),
        ({"shape": []}, "[]"),
        ({"shape": [2]}, "[2]"),
        ({"category": "input", "name": "input"}, "2 of 4x6x3"),
        ({"category": "parameters", "name": "fc.weight", "shape": [2, 3, 4, 6]}, "[2, 3, 4, 6]"),
        ({"category": "gradients", "name": "fc.weight", "shape": [2, 3]}, "[2, 3]"),
    ],
)
def test_shape(trained: MemoryReport, changes: dict[str, object], written: str) -> None:
    assert shape_of(replace(TENSOR, **changes), trained) == written  # type: ignore[arg-type]


def test_shape_of_one_image_and_channels_first(trained: MemoryReport) -> None:
    one = replace(TENSOR, shape=[1, 3, 4, 6])
    assert shape_of(one, replace(trained, batch=1)) == "4x6x3"
    assert shape_of(TENSOR, replace(trained, layout="chw")) == "[2, 3, 4, 6]"
