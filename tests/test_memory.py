from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from pydantic import ValidationError

import cnncalc
from cnncalc import DocumentError
from cnncalc.eager import CATEGORIES, timeline
from cnncalc.memory import NOT_MODELLED, SCHEMA_VERSION, MemoryReport, Setup, from_json, json_schema, memory, to_json

# Bytes of 4: images of 48 values, 72 behind the convolution and the ReLU, 18 behind the pool, 5 classes;
# 54 + 3 and 90 + 5 parameters, 608 bytes.
SMALL = """\
name: small
input: 4x6x2
layers:
  - conv: {out_channels: 3, kernel_size: 3, padding: 1}
  - relu
  - max_pool: 2
  - linear: 5
"""

RUNS = [
    pytest.param(Setup(), id="prediction"),
    pytest.param(Setup(batch=3, device="cuda"), id="prediction-on-cuda"),
    pytest.param(Setup(batch=2, training=True), id="sgd"),
    pytest.param(Setup(batch=2, training=True, optimizer="adam", weight_decay=True), id="adam"),
    pytest.param(Setup(batch=3, training=True, optimizer="momentum", device="cuda"), id="momentum-on-cuda"),
    pytest.param(Setup(batch=2, training=True, optimizer="", loss="none", dtype="float64"), id="no-loss"),
]
NETWORKS = ["lenet5", "alexnet", "squeezenet1_1", "googlenet_aux", "mobilenet_v2", "unet"]


@pytest.fixture(scope="module")
def small() -> MemoryReport:
    return memory(cnncalc.loads(SMALL, name="small.yaml"), Setup(batch=2, training=True))


def figures(report: MemoryReport) -> dict[str, int]:
    return {model.model: model.bytes for model in report.models}


# Sums -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", RUNS)
@pytest.mark.parametrize("name", NETWORKS)
def test_everything_adds_up(name: str, setup: Setup) -> None:
    """Terms to their model's figure, the difference to the gap, categories to the bytes of each event."""
    if name == "unet" and setup.training:
        setup = Setup(training=True, batch=1)
    report = memory(cnncalc.load(name), setup)
    for model in report.models:
        assert sum(term.bytes for term in model.terms) == model.bytes, model.model
    found = figures(report)
    assert sum(term.bytes for term in report.difference) == found["eager"] - found["textbook"]
    for event in report.timeline:
        assert sum(event.categories.values()) == event.bytes
        assert min(event.categories.values()) >= 0
        assert list(event.categories) == list(CATEGORIES)
    peak = report.peak
    assert sum(peak.categories.values()) == peak.bytes == found["eager"]
    assert peak.bytes == max(event.bytes for event in report.timeline)
    assert peak.categories == report.timeline[peak.event].categories
    # a Python number of the operator (8 bytes on CPU) is no tensor
    assert peak.bytes - sum(tensor.bytes for tensor in peak.tensors) in (0, 8)
    sizes = [tensor.bytes for tensor in peak.tensors]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("setup", RUNS)
def test_the_peak_is_the_first_of_the_largest(setup: Setup) -> None:
    report = memory(cnncalc.load("lenet5"), setup)
    lives = [event.bytes for event in report.timeline]
    event = report.timeline[lives.index(max(lives))]
    assert report.peak.event == lives.index(max(lives))
    assert (report.peak.step, report.peak.phase, report.peak.layer, report.peak.operator) == (
        event.step,
        event.phase,
        event.layer,
        event.operator,
    )
    assert [step.peak for step in report.steps] == [
        max(event.bytes for event in report.timeline if event.step == step.number) for step in report.steps
    ]


# By hand --------------------------------------------------------------------------------------------------------------


def test_models_of_prediction() -> None:
    """The widest pair is 2 · 288 bytes an image; torch holds the images too, the textbook does not."""
    report = memory(cnncalc.loads(SMALL), Setup(batch=2))
    outputs = 2 * 4 * (72 + 72 + 18 + 5)
    assert figures(report) == {
        "textbook": 2 * 576 + 608,
        "sum": outputs,
        "liveness": 2 * 576 + 608 + 384,
        "eager": 2 * 576 + 608 + 384,
    }
    assert {model.of for model in report.models} == {"prediction"}
    assert [(term.name, term.bytes) for term in report.difference] == [("the network's input", 384)]
    assert (report.optimizer, report.loss, report.weight_decay) == ("", "", False), "they have no meaning here"
    assert (report.kept, len(report.steps)) == ({}, 1)


def test_models_of_training(small: MemoryReport) -> None:
    outputs = 2 * 4 * (72 + 72 + 18 + 5)
    assert figures(small) == {"textbook": 384 + outputs + 608, "sum": 2 * outputs, "eager": 3_164}
    assert {model.of for model in small.models} == {"training"}


def test_the_peak_of_training(small: MemoryReport) -> None:
    """In the gradient of the ReLU: what comes in and goes out, and its own output, which it needs, 576 bytes each.

    Beside them 4 bytes each of the loss and its gradient, the classifier's output, and its parameters' gradients.
    """
    peak = small.peak
    assert (peak.step, peak.phase, peak.layer, peak.operator) == (1, "backward", "relu", "threshold_backward")
    assert {name: size for name, size in peak.categories.items() if size} == {
        "parameters": 608,
        "input": 384 + 2 * 8,
        "activations": 40 + 4,
        "saved": 576,
        "gradients": 576 + 576 + 360 + 20 + 4,
    }
    assert [(tensor.bytes, tensor.layer, tensor.name, tensor.output) for tensor in peak.tensors[:6]] == [
        (576, "relu", "", True),
        (576, "max_pool", "", False),
        (576, "relu", "", False),
        (384, "", "input", False),
        (360, "linear", "linear.weight", False),
        (360, "linear", "linear.weight", False),
    ]
    assert peak.tensors[0].shape == [2, 3, 4, 6]
    assert (small.at_rest, small.steps[0].end) == (608 + 400, 608 + 400 + 44 + 608)


def test_why_torch_differs(small: MemoryReport) -> None:
    """The convolution's output went with the ReLU, which keeps its own; the pool's once its gradient had been used."""
    assert [(term.name, term.bytes) for term in small.difference] == [
        ("outputs gone by then (`conv`, `max_pool`)", -(576 + 144)),
        ("gradients of parameters", 380),
        ("gradients on their way back", 576 + 576 + 4),
        ("classes of the images", 16),
        ("the loss", 4),
    ]


@pytest.mark.parametrize(
    ("after", "which", "values"),
    [("flatten", "`conv`, `linear`", 1 + 2), ("relu", "3 layers", 1 + 1 + 2)],
    ids=["two-are-named", "three-are-counted"],
)
def test_a_peak_in_the_forward_pass(after: str, which: str, values: int) -> None:
    """Two outputs of 12x12x2, then a window that leaves one number: what comes after the peak is not there yet."""
    layers = f"sigmoid, tanh, {{conv: {{out_channels: 1, kernel_size: 12}}}}, {after}, {{linear: 2}}"
    setup = Setup(training=True, frozen=("*",), loss="none")
    report = memory(cnncalc.loads(f"{{input: 12x12x2, layers: [{layers}]}}"), setup)
    assert (report.peak.phase, report.peak.layer) == ("forward", "tanh")
    assert report.difference[0].name == f"outputs not made yet, or gone ({which})"
    assert report.difference[0].bytes == -4 * values


def test_what_layers_keep(small: MemoryReport) -> None:
    """The ReLU its output, the pool its indices (8 bytes each), the classifier its input, the loss its logarithms."""
    assert small.kept == {"relu": 576, "max_pool": 2 * 18 * 8, "linear": 144, "": 40 + 4}


def test_on_cuda(small: MemoryReport) -> None:
    """Every tensor takes whole blocks of 512 bytes."""
    report = memory(cnncalc.loads(SMALL), Setup(batch=2, training=True, device="cuda"))
    assert all(tensor.bytes % 512 == 0 for tensor in report.peak.tensors)
    terms = {term.name: term.bytes for term in report.difference}
    assert terms["parameters, in whole blocks"] == 4 * 512 - 608
    assert terms["classes of the images, in whole blocks"] == 2 * 512 - 384
    assert report.not_modelled == NOT_MODELLED["cuda"]
    assert small.not_modelled == NOT_MODELLED["cpu"]


def test_a_later_step_may_hold_more() -> None:
    """Adam has two means of each parameter and a count of 4 bytes for each of four tensors from the first step's end.

    The first step's peak is in the optimizer: the output and the loss, 44, all gradients, 608, and for the classifier's
    weights two temporaries of 360 beside the 12 bytes left from the bias before and a Python number.
    """
    report = memory(cnncalc.loads(SMALL), Setup(batch=2, training=True, optimizer="adam"))
    first, second = report.steps
    assert (first.number, second.number) == (1, 2)
    state = 2 * 608 + 4 * 4
    assert first.peak == 608 + 400 + 44 + 608 + state + 360 + 360 + 12 + 8
    assert second.peak == 3_164 + state
    assert (first.end, second.end) == (608 + 400 + 44 + 608 + state + 20, 608 + 400 + 44 + 608 + state + 20)
    assert report.peak.step == 2


def test_nothing_runs() -> None:
    report = memory(cnncalc.loads("{input: 4x6x2, layers: [identity]}"), Setup(batch=2))
    assert (report.peak.bytes, report.at_rest, report.peak.event) == (384, 384, -1)
    assert {model.model: model.bytes for model in report.models}["eager"] == 384
    assert sum(term.bytes for term in report.difference) == 384
    assert (report.timeline, report.steps[0].peak) == ([], 384)


def test_what_torch_refuses() -> None:
    document = "{input: 8x8x3, layers: [{conv: {out_channels: 2, kernel_size: 8}}, batch_norm]}"
    with pytest.raises(DocumentError, match="would normalise a single value"):
        memory(cnncalc.loads(document), Setup(training=True))


def test_the_report_says_what_was_run() -> None:
    setup = Setup(
        batch=3,
        dtype="float32",
        device="cuda",
        training=True,
        optimizer="adamw",
        weight_decay=True,
        loss="none",
        frozen=("*.bias",),
        checkpointed=("conv",),
        amp="bfloat16",
    )
    found = memory(cnncalc.loads(SMALL, name="small.yaml"), setup)
    assert (found.name, found.source, found.layout) == ("small", "small.yaml", "hwc")
    for name in ("batch", "dtype", "device", "training", "optimizer", "weight_decay", "loss", "amp"):
        assert getattr(found, name) == getattr(setup, name), name
    assert (found.frozen, found.checkpointed) == (["*.bias"], ["conv"])


# The homework ---------------------------------------------------------------------------------------------------------


def test_homework() -> None:
    """12,613,600 bytes and 565,613,600; torch holds a padded copy of each odd side, and gradients."""
    network = cnncalc.load("homework_3_layers")
    assert figures(memory(network))["textbook"] == 12_613_600
    report = memory(network, Setup(batch=50, training=True))
    assert figures(report) == {"textbook": 565_613_600, "sum": 2 * 526_000_000, "eager": 915_936_608}
    padded, images = 4 * 50 * 100 * 101 * 151, 4 * 50 * 3 * 201 * 301
    assert {term.name: term.bytes for term in report.difference} == {
        "outputs gone by then (`conv1`, `conv2`)": -(300_000_000 + 150_000_000),
        "kept for backward beside outputs": padded + images,
        "gradients of parameters": 4 * (180_200 + 720_400),
        "gradients on their way back": padded + 150_000_000 + 4,
        "classes of the images": 50 * 25 * 38 * 8,
        "the loss": 4,
    }


# JSON -----------------------------------------------------------------------------------------------------------------

# What other programs read: these names are a promise, and a change of them is a new `schema_version`.
FIELDS = [
    "schema_version",
    "name",
    "source",
    "layout",
    "batch",
    "dtype",
    "device",
    "training",
    "optimizer",
    "weight_decay",
    "loss",
    "frozen",
    "checkpointed",
    "amp",
    "models",
    "difference",
    "at_rest",
    "peak",
    "steps",
    "kept",
    "not_modelled",
    "timeline",
]


def test_json(small: MemoryReport) -> None:
    written = json.loads(to_json(small))
    assert list(written) == FIELDS
    assert written["schema_version"] == SCHEMA_VERSION == 1
    assert list(written["models"][0]) == ["model", "of", "bytes", "terms", "why"]
    assert list(written["peak"]) == ["bytes", "event", "step", "phase", "layer", "operator", "categories", "tensors"]
    assert list(written["peak"]["tensors"][0]) == ["bytes", "shape", "category", "layer", "operator", "name", "output"]
    assert list(written["steps"][0]) == ["number", "peak", "end"]
    assert list(written["timeline"][0]) == ["step", "phase", "layer", "operator", "bytes", "categories"]
    assert written == small.to_dict()


@pytest.mark.parametrize("setup", RUNS)
def test_json_there_and_back(setup: Setup) -> None:
    report = memory(cnncalc.load("lenet5"), setup)
    assert from_json(to_json(report)) == report
    assert from_json(to_json(report, indent=None)) == report


def test_json_that_is_none(small: MemoryReport) -> None:
    written = small.to_dict()
    del written["peak"]
    with pytest.raises(ValidationError, match="peak"):
        from_json(json.dumps(written))


def test_schema() -> None:
    schema = json_schema()
    assert list(schema["properties"]) == FIELDS == [field.name for field in fields(MemoryReport)]
    assert schema["required"] == FIELDS


def test_autocast_on_cuda_is_bounded() -> None:
    """The bound needs no rule that was measured on CPU: float32's peak, and copies of what is read and made."""
    network = cnncalc.loads("input: 6x5x3\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}, relu, {linear: 7}]")
    setup = Setup(batch=2, training=True, amp="bfloat16", device="cuda")
    values = (6 * 5 * 3 + 4 * 3 * 4) + (4 * 3 * 4 + 7)  # into and out of the convolution and the dense layer
    copies = 2 * (2 * values + (27 * 4 + 4) + (48 * 7 + 7))
    bound = timeline(network, replace(setup, amp="")).bytes + 2 * copies
    found = memory(network, setup)
    assert f"at most {bound:,} bytes" in found.not_modelled[0]
    assert found.peak.bytes <= bound
    assert memory(network, replace(setup, device="cpu")).not_modelled == memory(network, Setup()).not_modelled
