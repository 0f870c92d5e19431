"""Networks held to what their documents expect. Whole messages are in tests/errors/expect.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import cnncalc
from cnncalc import DocumentError
from cnncalc.checks import Outcome, Verdict, check, check_document, verdicts
from cnncalc.eager import Setup, timeline
from cnncalc.expectations import OF_LAYER, OF_NETWORK

# Counted by hand, with H != W. The window leaves 6x7 of 8x9.
NETWORK = """\
name: small
input: 8x9x3
blocks:
  unit: {layers: [{conv: {out_channels: 4, kernel_size: 3}}, batch_norm, relu]}
layers:
  - {name: stem, unit: {}}
  - {name: scores, linear: 5}
"""

TOTALS = {
    "output": "5",
    "parameters": "965",  # (3·3·3·4 + 4) + (4 + 4) + (168·5 + 5)
    "weights": "952",  # 108 + 4 + 840
    "biases": "13",  # 4 + 4 + 5
    "buffers": "8",  # a mean and a variance for each of 4 channels
    "macs": "5376",  # 168·27 + 168·5
    "multiplies": "5544",  # the MACs, and one for each of 168 values in the norm
    "flops": "11429",  # 2·5376 + 168 + 5 for biases, 2·168 for the norm, 168 comparisons
    "activations": "509",  # 3·168 + 5
    "connections": "5885",  # 5376 + 168 + 5, and 2·168 of the norm
    "receptive_field": "8x9",
    "depth": "2",
    "layers": "4",
    "memory.prediction": "6108 B",  # the same by `liveness`, below
    "memory.training": "10900 B",  # of the memory model, below
}
OF_BLOCK = {
    "output": "6x7x4",
    "parameters": "120",  # 112 + 8
    "weights": "112",
    "biases": "8",
    "buffers": "8",
    "macs": "4536",
    "multiplies": "4704",  # 4536 + 168
    "flops": "9744",  # 2·4536 + 168, 2·168, 168
    "activations": "504",
    "connections": "5040",  # 4536 + 168, 2·168
    "receptive_field": "3x3",
    "layers": "3",
}
OF_DENSE = {
    "output": "5",
    "parameters": "845",
    "weights": "840",
    "biases": "5",
    "buffers": "0",
    "macs": "840",
    "multiplies": "840",
    "flops": "1685",  # 2·840 + 5
    "activations": "5",
    "connections": "845",
    "receptive_field": "8x9",
    "layers": "1",
}


def held(expect: str, document: str = NETWORK, *settings: str) -> list[Verdict]:
    return verdicts(cnncalc.loads(f"{document}expect:\n  {expect}\n", settings, name="net.yaml"))


def actual(expect: str, document: str = NETWORK) -> str:
    (verdict,) = held(expect, document)
    return verdict.actual


def holds(expect: str, document: str = NETWORK) -> bool:
    (verdict,) = held(expect, document)
    return verdict.failure is None


def codes(expect: str, document: str = NETWORK, *settings: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        held(expect, document, *settings)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


# Quantities -----------------------------------------------------------------------------------------------------------


def test_every_quantity_is_below() -> None:
    assert TOTALS.keys() == OF_NETWORK.keys()
    assert OF_BLOCK.keys() == OF_DENSE.keys() == OF_LAYER.keys()


@pytest.mark.parametrize("quantity", OF_NETWORK)
def test_of_the_network(quantity: str) -> None:
    assert holds(f"{quantity}: {TOTALS[quantity]}")
    number = TOTALS[quantity].removesuffix(" B")
    assert not holds(f"{quantity}: {TOTALS[quantity].replace(number, f'{number[:-1]}{(int(number[-1]) + 1) % 10}')}")


@pytest.mark.parametrize("quantity", OF_LAYER)
@pytest.mark.parametrize(("layer", "numbers"), [("stem", OF_BLOCK), ("scores", OF_DENSE)])
def test_of_a_block_and_of_a_layer(layer: str, numbers: dict[str, str], quantity: str) -> None:
    assert holds(f"layers: {{{layer}: {{{quantity}: {numbers[quantity]}}}}}")
    assert not holds(f"layers: {{{layer}: {{{quantity}: 777}}}}")


def test_blocks_and_layers_add_up() -> None:
    """What is a sum is that of the two parts of the network."""
    for quantity in OF_LAYER.keys() - {"output", "receptive_field"}:
        assert int(TOTALS[quantity]) == int(OF_BLOCK[quantity]) + int(OF_DENSE[quantity])


def test_layers_inside_blocks_and_repeats() -> None:
    document = "input: 8x9x3\nlayers:\n  - {name: stem, conv: {out_channels: 4, kernel_size: 3}, repeat: 2}\n"
    assert actual("layers: {stem.0: {parameters: 1}}", document) == "112"
    assert actual("layers: {stem.1: {parameters: 1}}", document) == "148"  # 4·9·4 + 4
    assert actual("layers: {stem: {parameters: 1}}", document) == "260"
    assert actual("layers: {stem: {output: 1x1x1}}", document) == "4x5x4"
    assert actual("layers: {stem.batch_norm: {output: 1x1x1}}") == "6x7x4"


def test_a_name_is_not_the_beginning_of_another() -> None:
    document = (
        "input: 8x9x3\nlayers:\n  - {name: a, conv: {out_channels: 4, kernel_size: 3}}\n  - {name: ab, linear: 5}\n"
    )
    assert actual("layers: {a: {parameters: 1}}", document) == "112"


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["4.5k", "4.54k", "4.536k", "4536", "4_536", '"4,536"', "4.5360k", "5k", "0.0M", "0.0045M"]
)
def test_a_figure_is_equal_to_the_digits_written(written: str) -> None:
    assert holds(f"layers: {{stem: {{macs: {written}}}}}")


@pytest.mark.parametrize("written", ["4.53k", "4.535k", "4.537k", "4k", "0.0046M", "4535"])
def test_a_figure_that_is_not(written: str) -> None:
    assert not holds(f"layers: {{stem: {{macs: {written}}}}}")


def dense(inputs: int, outputs: int) -> str:
    return f"input: {inputs}\nlayers:\n  - linear: {{out_features: {outputs}, bias: false}}\n"


# 15.5G is what is nearer to it than to 15.4G and 15.6G: from 15,450,000,000 to 15,550,000,000, both ends included.
@pytest.mark.parametrize(
    ("inputs", "expected"), [(154_499, False), (154_500, True), (155_000, True), (155_500, True), (155_501, False)]
)
def test_both_ends_of_a_figure(inputs: int, expected: bool) -> None:
    assert holds("macs: 15.5G", dense(inputs, 100_000)) is expected


@pytest.mark.parametrize(("inputs", "expected"), [(14, False), (15, True), (25, True), (26, False)])
def test_both_ends_of_a_figure_without_decimals(inputs: int, expected: bool) -> None:
    assert holds("macs: 2k", dense(inputs, 100)) is expected


@pytest.mark.parametrize(
    ("sign", "below", "same", "above"),
    [
        ("=", False, True, False),
        ("==", False, True, False),
        ("<", False, False, True),
        ("<=", False, True, True),
        ("≤", False, True, True),
        (">", True, False, False),
        (">=", True, True, False),
        ("≥", True, True, False),
    ],
)
def test_bounds(sign: str, below: bool, same: bool, above: bool) -> None:
    """Of 4,536 MACs: the bound below them, the bound they are, the bound above."""
    bounds = ("4_535", "4_536", "4.537k")
    assert [holds(f'layers: {{stem: {{macs: "{sign} {bound}"}}}}') for bound in bounds] == [below, same, above]


def test_a_bound_is_exact_where_a_figure_is_rounded() -> None:
    assert holds("layers: {stem: {macs: 4.5k}}")
    assert not holds("layers: {stem: {macs: <= 4.5k}}")
    assert holds('layers: {stem: {macs: "> 4.5k"}}')


@pytest.mark.parametrize("written", ["6x7x4", "[4, 6, 7]", '">= 6x7x4"', "<= 6x7x4", "< 7x8x5", '"> 5x6x3"'])
def test_shapes(written: str) -> None:
    assert holds(f"layers: {{stem: {{output: {written}}}}}")


@pytest.mark.parametrize(
    "written", ["4x6x7", "[6, 7, 4]", "168", "6x7x4x1", "< 6x8x5", '"> 5x6x4"', "<= 6x6x9", "<= 9"]
)
def test_shapes_that_are_others(written: str) -> None:
    """Bounds are of every size."""
    assert not holds(f"layers: {{stem: {{output: {written}}}}}")


def test_a_shape_is_shown_as_it_is_expected() -> None:
    assert actual("layers: {stem: {output: 1x1x1}}") == "6x7x4"
    assert actual("layers: {stem: {output: [1, 1, 1]}}") == "[4, 6, 7]"
    channels_first = NETWORK.replace("8x9x3", "[3, 8, 9]")
    assert actual("layers: {stem: {output: 1x1x1}}", channels_first) == "6x7x4"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("3x3", True), ("[3, 3]", True), ('">= 3x2"', True), ("<= 2x3", False), ("3", False), ("3x3x3", False)],
)
def test_receptive_fields(written: str, expected: bool) -> None:
    assert holds(f"layers: {{stem: {{receptive_field: {written}}}}}") is expected


def test_a_field_that_is_not_square() -> None:
    document = "input: 8x9x3\nlayers:\n  - conv: {out_channels: 4, kernel_size: [3, 5]}\n"
    assert holds("receptive_field: 3x5", document)
    assert not holds("receptive_field: 5x3", document)


# Outputs --------------------------------------------------------------------------------------------------------------

OUTPUTS = """\
input: 8x9x3
args: {auxiliary: true}
blocks:
  unit: {layers: [{conv: {out_channels: 4, kernel_size: 3}}, relu]}
layers:
  - {name: stem, unit: {}, repeat: 2}
  - {name: early, linear: 2, from: stem.0, when: auxiliary}
  - {name: scores, linear: 5, from: stem}
outputs: [stem, {name: early, when: auxiliary}, scores]
"""


def test_several_outputs_by_name() -> None:
    found = held("output: {scores: 5, early: [2], stem: 4x5x4}", OUTPUTS)
    assert [(verdict.name, verdict.actual, verdict.failure) for verdict in found] == [
        ("output.scores", "5", None),
        ("output.early", "[2]", None),
        ("output.stem", "4x5x4", None),
    ]
    assert not holds("output: {stem: 5}", OUTPUTS)


def test_one_output_by_name() -> None:
    assert holds("output: {scores: 5}", NETWORK + "outputs: [scores]\n")
    assert holds("output: 5", NETWORK + "outputs: [scores]\n")


def test_the_output_need_not_be_the_last_layer() -> None:
    document = NETWORK + "outputs: [stem]\n"
    assert actual("output: 1", document) == "6x7x4"
    assert actual("receptive_field: 1x1", document) == "3x3"


def test_an_output_that_is_passed_through() -> None:
    """Its layer is left out, and its name stands for what enters it."""
    document = NETWORK.replace("linear: 5}", "linear: 5, when: false}") + "outputs: [scores]\n"
    assert actual("output: {scores: 1}", document) == "6x7x4"


def test_an_output_that_is_left_out_is_a_mistake() -> None:
    assert codes("output: {early: 2}", OUTPUTS, "auxiliary=false") == ["unknown-output"]


def test_a_network_that_is_its_input() -> None:
    document = "input: 8x9x3\nlayers:\n  - {relu: {}, when: false}\n"
    assert actual("output: 1", document) == "8x9x3"
    assert actual("receptive_field: 1x1", document) == ""


def test_a_network_without_output() -> None:
    document = "inputs: {a: 8x9x3, b: 8x9x3}\nlayers:\n  - {concat: [a, b], when: false}\n"
    (output, field) = held("output: 8x9x3\n  receptive_field: 1x1", document)
    assert output.failure is not None
    assert field.failure is not None
    assert output.failure.message == "`output` does not exist: the network has no output"


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("{model: textbook}", "5,204 bytes"),  # two maps of 168 and 965 parameters, four bytes each
        ("{model: textbook, batch: 3}", "7,892 bytes"),  # 3·1,344 + 3,860
        ("{model: textbook, dtype: float16}", "2,602 bytes"),
        ("{model: sum}", "2,036 bytes"),  # 509 values
        ("{model: sum, batch: 3}", "6,108 bytes"),
        ("{model: liveness}", "6,108 bytes"),  # and 216 inputs, 8 buffers, a counter of 8 bytes
        ("{model: eager}", "6,108 bytes"),
        ("{}", "6,108 bytes"),
        ("{batch: 2, dtype: float16}", "4,162 bytes"),  # (2·216 + 2·336 + 965 + 8)·2 + 8
    ],
)
def test_memory_for_predicting(run: str, expected: str) -> None:
    options = run[1:-1] + (", " if run != "{}" else "")
    assert actual(f"memory.prediction: {{{options}exactly: 1 B}}") == expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("{model: textbook, batch: 3}", "12,560 bytes"),  # 3·(216 + 509)·4 + 3,860
        ("{model: sum, batch: 3}", "12,216 bytes"),  # 2·3·2,036
    ],
)
def test_memory_for_training(run: str, expected: str) -> None:
    assert actual(f"memory.training: {{{run[1:-1]}, exactly: 1 B}}") == expected


@pytest.mark.parametrize(
    ("options", "setup"),
    [
        ("batch: 1", Setup(1, training=True)),
        ("batch: 3, optimizer: adam", Setup(3, training=True, optimizer="adam")),
        ("batch: 3, optimizer: momentum", Setup(3, training=True, optimizer="momentum")),
        ("batch: 3, optimizer: none", Setup(3, training=True, optimizer="")),
        ("batch: 3, dtype: bfloat16", Setup(3, "bfloat16", training=True)),
        ("batch: 3, device: cuda", Setup(3, device="cuda", training=True)),
    ],
)
def test_memory_for_training_is_that_of_the_model(options: str, setup: Setup) -> None:
    expected = timeline(cnncalc.loads(NETWORK), setup).bytes
    assert actual(f"memory.training: {{{options}, exactly: 1 B}}") == f"{expected:,} bytes"
    assert holds(f"memory.training: {{{options}, exactly: {expected} B}}")
    assert not holds(f"memory.training: {{{options}, exactly: {expected + 1} B}}")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("6.1 kB", True),  # of 6,108 bytes
        ("6.11 kB", True),
        ("6.10 kB", False),
        ("5.96 KiB", True),  # 5.9648
        ("5.97 KiB", False),
        ("<= 6108 B", True),
        ("< 6108 B", False),
        ("<= 6.1 kB", False),
        ("{at_most: 6_108 B}", True),
        ("{at_most: 6_107 B}", False),
        ("{at_least: 6_108 B}", True),
        ("{at_least: 6_109 B}", False),
        ("{exactly: 6_108 B}", True),
        ("{exactly: 6.108 kB}", True),
        ("{exactly: 6.1 kB}", False),  # `exactly` is to the byte
    ],
)
def test_amounts_of_memory(written: str, expected: bool) -> None:
    assert holds(f"memory.prediction: {written}") is expected


def test_bounds_on_both_sides_are_two_expectations() -> None:
    found = held("memory.prediction: {at_most: 7 kB, at_least: 6.5 kB}")
    assert [(verdict.name, verdict.expected, verdict.failure is None) for verdict in found] == [
        ("memory.prediction.at_most", "at most 7 kB", True),
        ("memory.prediction.at_least", "at least 6.5 kB", False),
    ]


def test_a_run_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import cnncalc.eager

    runs: list[Setup] = []

    def counted(network: cnncalc.Network, setup: Setup) -> object:
        runs.append(setup)
        return timeline(network, setup)

    monkeypatch.setattr(cnncalc.eager, "timeline", counted)
    held("memory.training: {batch: 3, at_most: 1 GB, at_least: 1 B}\n  memory.prediction: 1 B")
    assert runs == [Setup(3, training=True), Setup(1)]


# Nothing is met by omission -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("layers: {stemm: {output: 1}}", ["unknown-layer"]),
        ("layers: {stem.conv1: {output: 1}}", ["unknown-layer"]),
        ("layers: {input: {output: 8x9x3}}", ["unknown-layer"]),
        ("layers: {unit: {output: 1}}", ["unknown-layer"]),  # a block's definition is none of the network's layers
        ("layers: {a: {output: 1, macs: 1}, b: {output: 1}}", ["unknown-layer", "unknown-layer"]),
        ("layers: {a: {output: 1}}\n  parameters: 1", ["unknown-layer"]),  # and no failure beside it
    ],
)
def test_a_layer_that_is_not_there(expect: str, expected: list[str]) -> None:
    assert codes(expect) == expected


def test_a_layer_that_is_left_out() -> None:
    assert codes("layers: {early: {output: 2}}", OUTPUTS, "auxiliary=false") == ["unknown-layer"]


@pytest.mark.parametrize("quantity", ["output: 5", "receptive_field: 8x9"])
def test_several_outputs_and_none_named(quantity: str) -> None:
    assert codes(quantity, OUTPUTS) == ["which-output"]


def test_without_expectations_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncalc.checks.analyze", None)
    assert verdicts(cnncalc.loads(NETWORK)) == []


# Words ----------------------------------------------------------------------------------------------------------------


def message(expect: str) -> str:
    (verdict,) = held(expect)
    assert verdict.failure is not None
    return verdict.failure.message.partition(" is ")[0]


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("macs: 1", "`macs`"),
        ("layers: {stem: {macs: 1}}", "`macs` of `stem`"),
        ("memory.prediction: 1 B", "memory for predicting 1 image (eager)"),
        ("memory.prediction: {batch: 1_000, exactly: 1 B}", "memory for predicting a batch of 1,000 (eager)"),
        ("memory.training: 1 B", "memory for training 1 image with sgd (eager)"),
        ("memory.training: {optimizer: none, exactly: 1 B}", "memory for training 1 image with no optimizer (eager)"),
        ("memory.training: {model: sum, exactly: 1 B}", "memory for training 1 image (sum)"),
        ("memory.training: {batch: 2, exactly: 1 B}", "memory for training a batch of 2 with sgd (eager)"),
        (
            "memory.prediction: {dtype: float16, device: cuda, exactly: 1 B}",
            "memory for predicting 1 image (eager, float16, cuda)",
        ),
    ],
)
def test_what_is_spoken_of(expect: str, expected: str) -> None:
    assert message(expect) == expected


TWO = NETWORK.replace(", batch_norm, relu", ", relu")


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("output: 1", ["it is that of `scores`, net.yaml:7:5"]),
        ("receptive_field: 1", ["it is that of `scores`, net.yaml:7:5"]),
        ("parameters: 1", []),
        ("layers: {scores: {parameters: 1}}", ["it is that of `scores`, net.yaml:7:5"]),
        ("layers: {stem: {output: 1}}", ["it is that of `stem.relu`, net.yaml:4:62"]),
        ("layers: {stem: {receptive_field: 1}}", ["it is that of `stem.relu`, net.yaml:4:62"]),
        ("layers: {stem: {parameters: 1}}", []),  # of two layers together
        ("layers: {stem.conv: {parameters: 1}}", ["it is that of `stem.conv`, net.yaml:4:19"]),
    ],
)
def test_where_it_is_written(expect: str, expected: list[str]) -> None:
    (verdict,) = held(expect, TWO)
    assert verdict.failure is not None
    assert [str(note) for note in verdict.failure.notes] == expected


def test_outputs_without_names() -> None:
    """As a network may have that was read from no document."""
    network = cnncalc.loads(NETWORK + "outputs: [stem, scores]\nexpect: {output: {scores: 5}}\n")
    (expectation,) = network.expectations
    unnamed = replace(network, output_names=(), expectations=(replace(expectation, output=""),))
    with pytest.raises(DocumentError) as caught:
        verdicts(unnamed)
    assert caught.value.diagnostics[0].help == "write `{stem.relu: ..., scores: ...}`"


# Outcomes -------------------------------------------------------------------------------------------------------------


def outcome(tmp_path: Path, text: str) -> Outcome:
    file = tmp_path / "net.yaml"
    file.write_text(text, "utf-8")
    return check_document(str(file))


def test_a_document_that_is_as_expected(tmp_path: Path) -> None:
    found = outcome(tmp_path, NETWORK + "expect: {output: 5, depth: 2}\n")
    assert (found.name, found.layers, found.expectations, found.status, found.exit_code) == ("small", 4, 2, "ok", 0)
    assert found.diagnostics == []
    assert found.verdicts == [Verdict("output", "5", "5"), Verdict("depth", "2", "2")]


def test_a_document_that_is_not(tmp_path: Path) -> None:
    found = outcome(tmp_path, NETWORK + "expect: {output: 6, depth: 2, macs: 1}\n")
    assert (found.expectations, found.status, found.exit_code) == (3, "failed", 1)
    assert found.diagnostics == found.failures
    assert [failure.message for failure in found.failures] == [
        "`output` is 5, expected 6",
        "`macs` is 5,376, expected 1",
    ]
    assert [verdict.failure for verdict in found.verdicts if verdict.failure] == found.failures


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("layers: [relu]\n", "missing-field"),
        (NETWORK + "expect: {outputs: 5}\n", "unknown-quantity"),
        (NETWORK + "expect: {layers: {head: {output: 5}}, output: 6}\n", "unknown-layer"),
        ("\tinput: 8\n", "not-yaml"),
    ],
)
def test_a_document_that_is_wrong(tmp_path: Path, text: str, code: str) -> None:
    found = outcome(tmp_path, text)
    assert (found.name, found.layers, found.expectations, found.status, found.exit_code) == ("", 0, 0, "wrong", 2)
    assert [diagnostic.code for diagnostic in found.diagnostics] == [code]


def test_a_document_that_is_not_there() -> None:
    found = check_document("no/such/file.yaml")
    assert (found.source, found.status) == ("no/such/file.yaml", "wrong")
    assert found.diagnostics[0].code == "no-such-file"


def test_check_gives_the_failures() -> None:
    network = cnncalc.loads(NETWORK + "expect: {output: 6, depth: 2}\n")
    assert [failure.code for failure in check(network)] == ["expectation-failed"]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("965", ""),
        ("964", "1 too many, 0.1 %"),
        ("1.0M", "999,035 too few, 99.9 %"),
        ("0", "965 too many"),
        ("< 965", "the bound itself is not within it"),
    ],
)
def test_by_how_much(written: str, label: str) -> None:
    (verdict,) = held(f"parameters: {written}")
    assert (verdict.failure.label if verdict.failure else "") == label


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("9_999_999_999", "1 too many, under 0.01 %"),
        ("9_998_000_000", "2,000,000 too many, 0.02 %"),
        ("9_990_000_000", "10,000,000 too many, 0.1 %"),
        ("10.1G", "100,000,000 too few, 1.0 %"),
    ],
)
def test_by_how_much_in_small_shares(written: str, label: str) -> None:
    (verdict,) = held(f"parameters: {written}", dense(100_000, 100_000))
    assert verdict.failure is not None
    assert verdict.failure.label == label
