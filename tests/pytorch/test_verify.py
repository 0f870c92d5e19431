from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.indexing import IndexMap
from cnncalc.language.load import zoo_names
from cnncalc.layers.base import AxisReach, Facts, Parameter

torch = pytest.importorskip("torch", reason="torch is not installed")

from cnncalc.pytorch import Verification, diagnostics, verify
from cnncalc.pytorch.build import TABLE
from cnncalc.pytorch.verify import text

SMALL = """\
input: 9x8x2
layers:
  - name: first
    conv: {out_channels: 3, kernel_size: 3, padding: 1}
  - batch_norm
  - max_pool: {kernel_size: 2, rounding: ceil}
  - {name: head, linear: 5}
"""


def failures(report: Verification) -> list[tuple[str | None, str, Any, Any]]:
    return [(layer and layer.name, c.quantity, c.engine, c.torch) for layer, c in report.disagreements]


def quantities(report: Verification, name: str) -> dict[str, Any]:
    """What torch answered about one layer."""
    (layer,) = [layer for layer in report.layers if layer.name == name]
    assert all(comparison.agrees for comparison in layer.comparisons)
    return {comparison.quantity: comparison.torch for comparison in layer.comparisons}


# Networks that agree --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_on_meta(name: str) -> None:
    network = cnncalc.load(name)
    report = verify(network, device="meta")
    assert failures(report) == []
    assert len(report.layers) == len(network)
    # two of shapes and bytes, one of MACs, five of parameters and buffers; three in all
    assert report.compared == 8 * len(network) + 3


@pytest.mark.parametrize(
    "name", ["lenet5", "mnist_cnn", "cifar_pattern", "paddle_cnn", "squeezenet1_1", "mobilenet_v2"]
)
def test_small_networks_of_the_zoo_on_the_cpu(name: str) -> None:
    network = cnncalc.load(name)
    report = verify(network, device="cpu")
    assert failures(report) == []
    compared = [comparison.quantity for _, comparison in report]
    assert compared.count("receptive field") >= len(network) - 2
    assert compared.count("gradients") == sum(bool(node.facts.weights) for node in network)
    assert compared.count("backward pass") == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
@pytest.mark.parametrize("name", ["lenet5", "mnist_cnn", "resnet18", "vgg16", "ssd300_vgg16", "densenet121"])
def test_networks_of_the_zoo_on_a_gpu(name: str) -> None:
    assert failures(verify(cnncalc.load(name), device="cuda")) == []


def test_what_torch_answers() -> None:
    """Every quantity of a small network, for a batch of 3, by hand."""
    report = verify(cnncalc.loads(SMALL), batch=3)
    assert quantities(report, "first") == {
        "output shape": [3, 3, 9, 8],
        "output bytes": 3 * (3 * 9 * 8) * 4,
        "MACs": 3 * (3 * 3 * 2) * (3 * 9 * 8),
        "parameters": {"weight": [3, 2, 3, 3], "bias": [3]},
        "weights": 3 * 2 * 3 * 3,
        "biases": 3,
        "buffers": {},
        "buffer elements": 0,
        "gradients": {"weight": [3, 2, 3, 3], "bias": [3]},
        "receptive field": "unit 4, 3 sees 3..5 × 2..4; unit 5, 4 sees 4..6 × 3..5",
    }
    norm = quantities(report, "batch_norm")
    assert norm["buffers"] == {"running_mean": [3], "running_var": [3], "num_batches_tracked": []}
    assert norm["buffer elements"] == 6
    pool = quantities(report, "max_pool")
    assert pool["output shape"] == [3, 3, 5, 4]
    assert pool["receptive field"] == "unit 2, 1 sees 3..6 × 1..4; unit 3, 2 sees 5..8 × 3..6"
    assert quantities(report, "head")["receptive field"] == "unit 0 sees 0..8 × 0..7"
    assert [(c.quantity, c.torch) for c in report.totals] == [
        ("backward pass", "runs"),
        ("parameters in all", 57 + 6 + 60 * 5 + 5),
        ("buffer elements in all", 6),
        ("MACs in all", 3 * (18 * 216 + 300)),
    ]


@pytest.mark.parametrize(
    ("dtype", "width"), [("float64", 8), ("float32", 4), ("bfloat16", 2), pytest.param("float16", 2, id="float16")]
)
def test_number_formats(dtype: str, width: int) -> None:
    report = verify(cnncalc.loads(SMALL), dtype=dtype, batch=2)
    assert failures(report) == []
    assert quantities(report, "head")["output bytes"] == 2 * 5 * width


def test_a_batch_of_one_runs_as_in_prediction() -> None:
    """Batch normalisation of one image and one position cannot train."""
    network = cnncalc.loads("input: 4x4x2\nlayers: [global_avg_pool, batch_norm]")
    assert failures(verify(network, batch=1)) == []
    assert failures(verify(network, batch=2)) == []


def test_several_inputs_and_outputs_and_a_layer_nothing_uses() -> None:
    report = verify(
        cnncalc.loads(
            """
inputs: {image: 9x8x2, mask: 9x8x1, code: 7}
layers:
  - {name: features, conv: {out_channels: 4, kernel_size: 3, padding: same}, from: image}
  - {name: gated, multiply: [features, mask]}
  - {name: dense, linear: 4, from: code}
  - {name: unused, linear: 3, from: dense}
  - {name: pooled, global_avg_pool: {}, from: gated}
  - {name: flat, flatten: {}}
  - {name: joined, add: [flat, dense]}
outputs: [joined, gated]
"""
        )
    )
    assert failures(report) == []
    assert quantities(report, "unused")["gradients"] == {"weight": [3, 4], "bias": [3]}


def test_layers_without_parameters_have_nothing_to_run_back_to() -> None:
    assert failures(verify(cnncalc.loads("input: 4x4x2\nlayers: [relu, global_max_pool]"))) == []


def test_layers_in_place() -> None:
    layers = "[{conv: {out_channels: 3, kernel_size: 3}}, batch_norm, {relu: {inplace: true}}, {dropout: 0.5}]"
    assert failures(verify(cnncalc.loads(f"input: 8x8x2\nlayers: {layers}"))) == []


def test_partly_filled_fields_carry_a_note() -> None:
    """The crop begins at pixel 6: unit 0 of the convolution reads padding where the engine counts pixel 5."""
    conv = "{conv: {out_channels: 1, kernel_size: 3, padding: 1}}"
    report = verify(cnncalc.loads(f"input: 20x1\nlayers: [{{crop: {{sides: [[6, 12]]}}}}, {conv}]"))
    assert report.agrees
    (field,) = [c for layer, c in report if layer and layer.name == "conv" and c.quantity == "receptive field"]
    assert field.engine == "unit 0 sees 5..7; unit 1 sees 6..8"
    assert field.torch == "unit 0 sees 6..7; unit 1 sees 6..7"
    assert field.note == "padding or gaps on the way take the place of the other pixels"


# Numbers that are wrong -----------------------------------------------------------------------------------------------

Change = Callable[[Facts], Facts]


def first_parameter(change: Callable[[Parameter], Parameter]) -> Change:
    return lambda facts: replace(facts, parameters=(change(facts.parameters[0]), *facts.parameters[1:]))


@pytest.mark.parametrize(
    ("layer", "change", "expected"),
    [
        pytest.param(
            "first",
            lambda facts: replace(facts, output=(3, 9, 7)),
            ("output shape", [2, 3, 9, 7], [2, 3, 9, 8]),
            id="output",
        ),
        pytest.param(
            "first",
            lambda facts: replace(facts, activations=217),
            ("output bytes", 2 * 4 * 217, 2 * 4 * 216),
            id="activations",
        ),
        pytest.param("first", lambda facts: replace(facts, macs=3889), ("MACs", 2 * 3889, 2 * 3888), id="macs"),
        pytest.param("first", lambda facts: replace(facts, weights=53), ("weights", 53, 54), id="weights"),
        pytest.param("first", lambda facts: replace(facts, biases=0), ("biases", 0, 3), id="biases"),
        pytest.param("batch_norm", lambda facts: replace(facts, buffers=3), ("buffer elements", 3, 6), id="buffers"),
        pytest.param(
            "first",
            first_parameter(lambda weight: weight._replace(shape=(2, 3, 3, 3))),
            ("parameters", {"weight": [2, 3, 3, 3], "bias": [3]}, {"weight": [3, 2, 3, 3], "bias": [3]}),
            id="parameter-shape",
        ),
        pytest.param(
            "head",
            first_parameter(lambda weight: weight._replace(name="kernel")),
            ("gradients", {"kernel": [5, 60], "bias": [5]}, {"weight": [5, 60], "bias": [5]}),
            id="parameter-name",
        ),
        pytest.param(
            "batch_norm",
            lambda facts: replace(facts, parameters=facts.parameters[:3]),
            (
                "buffers",
                {"running_mean": [3]},
                {"running_mean": [3], "running_var": [3], "num_batches_tracked": []},
            ),
            id="buffer-missing",
        ),
        pytest.param(
            "first",
            lambda facts: replace(facts, reach=(AxisReach(IndexMap((-1,), 1), IndexMap((1,), 1)),) * 2),
            None,
            id="the-right-reach",
        ),
        pytest.param(
            "first",
            lambda facts: replace(facts, reach=(facts.reach[0], AxisReach(IndexMap((-1,), 1), IndexMap((2,), 1)))),
            (
                "receptive field",
                "unit 4, 3 sees 3..5 × 2..5; unit 5, 4 sees 4..6 × 3..6",
                "unit 4, 3 sees 3..5 × 2..4; unit 5, 4 sees 4..6 × 3..5",
            ),
            id="reach",
        ),
    ],
)
def test_a_broken_number_is_reported_with_both_values(
    layer: str, change: Change, expected: tuple[str, Any, Any] | None
) -> None:
    network = cnncalc.loads(SMALL)
    network[layer].facts = change(network[layer].facts)
    found = failures(verify(network))
    if expected is None:
        assert found == []
    else:
        assert (layer, *expected) in found


def test_totals_are_compared_too() -> None:
    network = cnncalc.loads(SMALL)
    network["first"].facts = replace(network["first"].facts, weights=55, biases=4, buffers=2, macs=3900)
    in_all = [found for found in failures(verify(network, device="meta")) if found[0] is None]
    assert in_all == [
        (None, "parameters in all", 370, 368),
        (None, "buffer elements in all", 8, 6),
        (None, "MACs in all", 2 * 4200, 2 * 4188),
    ]


def test_a_disagreement_is_a_diagnostic_at_its_place() -> None:
    network = cnncalc.loads(SMALL, name="small.yaml")
    network["first"].facts = replace(network["first"].facts, macs=3889)
    report = verify(network, device="meta")
    assert "\n".join(map(str, diagnostics(report, network))) == (
        """\
small.yaml:3:5: error[torch-disagrees]: `first` (conv): MACs is 7,778 by cnncalc, 7,776 in torch
  |
3 |   - name: first
  |     ^^^^^^^^^^^
error[torch-disagrees]: MACs in all is 8,378 by cnncalc, 8,376 in torch"""
    )


def test_a_refusal_is_a_diagnostic_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(layer: Any, input: Any) -> Any:
        raise ValueError("kernel too square")

    monkeypatch.setitem(TABLE, "max_pool", refuse)
    network = cnncalc.loads(SMALL)
    (diagnostic,) = diagnostics(verify(network), network)
    assert diagnostic.message == "`max_pool` (max_pool): torch refuses the output shape: kernel too square"
    assert diagnostic.span == network["max_pool"].span


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (1234567, "1,234,567"),
        ([2, 3, 4], "[2, 3, 4]"),
        ({"weight": [3, 2], "bias": [3]}, "weight [3, 2], bias [3]"),
        ({}, "none"),
        ("refused: too large", "refused: too large"),
    ],
)
def test_answers_in_words(answer: Any, words: str) -> None:
    assert text(answer) == words


def test_torchs_refusal_to_build_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(layer: Any, input: Any) -> Any:
        raise ValueError("kernel too square\nand more")

    monkeypatch.setitem(TABLE, "max_pool", refuse)
    report = verify(cnncalc.loads(SMALL))
    assert failures(report) == [("max_pool", "output shape", [2, 3, 5, 4], "refused: kernel too square")]
    assert [layer.name for layer in report.layers] == ["max_pool"]


def test_torchs_refusal_to_run_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses(torch.nn.Module):
        def forward(self, input: Any) -> Any:
            if input.device.type == "meta":
                return torch.nn.functional.max_pool2d(input, 2, ceil_mode=True)
            raise RuntimeError("not on this machine")

    monkeypatch.setitem(TABLE, "max_pool", lambda layer, input: Refuses())
    found = failures(verify(cnncalc.loads(SMALL)))
    assert found == [("max_pool", "output shape", [2, 3, 5, 4], "refused: not on this machine")]


def test_a_network_that_cannot_be_trained_is_reported() -> None:
    """The second layer writes over what the sigmoid keeps for its gradient."""
    layers = "[{conv: {out_channels: 1, kernel_size: 1}}, sigmoid, {relu: {inplace: true}}]"
    report = verify(cnncalc.loads(f"input: 4x4x1\nlayers: {layers}"))
    backward = next(comparison for comparison in report.totals if comparison.quantity == "backward pass")
    assert not backward.agrees
    assert "modified by an inplace operation" in str(backward.torch)
    assert ("conv", "gradients", {"weight": [1, 1, 1, 1], "bias": [1]}, {}) in failures(report)


# The report -----------------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_run() -> None:
    report = verify(cnncalc.loads(SMALL, name="small.yaml"), batch=4, dtype="float64", seed=7)
    said = report.to_dict()
    assert json.loads(json.dumps(said)) == said
    assert {name: said[name] for name in ("source", "device", "dtype", "batch", "seed", "torch")} == {
        "source": "small.yaml",
        "device": "cpu",
        "dtype": "float64",
        "batch": 4,
        "seed": 7,
        "torch": torch.__version__,
    }
    assert said["layers"][1]["place"] == {"file": "small.yaml", "line": 5, "column": 5}


def test_the_callers_random_numbers_are_left_alone() -> None:
    network = cnncalc.loads(SMALL)
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    verify(network, seed=1)
    assert torch.equal(torch.rand(5), expected)


def test_a_seed_repeats_the_weights_and_the_images() -> None:
    network = cnncalc.loads(SMALL)

    def outputs(seed: int) -> list[Any]:
        seen: list[Any] = []
        watch = torch.nn.modules.module.register_module_forward_hook(lambda module, inputs, output: seen.append(output))
        with watch:
            verify(network, seed=seed)
        return [output for output in seen if output.device.type == "cpu"]

    first, again, other = outputs(1), outputs(1), outputs(2)
    assert len(first) > len(network)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], other[0])


def test_progress_counts_up_to_every_layer() -> None:
    network = cnncalc.loads(SMALL)
    told: list[tuple[str, int, int]] = []
    verify(network, progress=lambda *said: told.append(said))
    assert [(done, of) for doing, done, of in told if doing == "forward"] == [(k, 4) for k in (1, 2, 3, 4)]
    assert [(done, of) for doing, done, of in told if doing == "receptive fields"] == [(k, 4) for k in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"device": "tpu"}, "unknown-device", id="device"),
        pytest.param({"dtype": "int8"}, "unknown-dtype", id="dtype"),
        pytest.param({"batch": 0}, "batch-size", id="batch"),
        pytest.param(
            {"device": "cuda"},
            "no-such-device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
            id="no-cuda",
        ),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], code: str) -> None:
    with pytest.raises(DocumentError) as refusal:
        verify(cnncalc.loads(SMALL), **options)
    assert [diagnostic.code for diagnostic in refusal.value.diagnostics] == [code]


def test_auto_takes_what_there_is() -> None:
    report = verify(cnncalc.loads(SMALL), device="auto")
    assert report.device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_too_little_memory_is_said() -> None:
    """A dense layer of 10^16 weights: torch's allocator refuses, and meta does not mind."""
    network = cnncalc.loads("input: 100_000_000\nlayers: [{linear: 100_000_000}]")
    assert failures(verify(network, device="meta")) == []
    with pytest.raises(DocumentError) as refusal:
        verify(network, device="cpu")
    assert refusal.value.diagnostics[0].code == "out-of-memory"


def test_a_long_chain_of_layers() -> None:
    """Two thousand nodes deep, where recursion over inputs would end."""
    network = cnncalc.loads("input: 4x4x1\nlayers: [{conv: {out_channels: 1, kernel_size: 1}, repeat: 2000}]")
    assert failures(verify(network)) == []
