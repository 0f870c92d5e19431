"""How `expect:` is read; tests/test_checks.py has what it is held against, tests/errors/expect.md whole messages."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnncalc
from cnncalc import DocumentError
from cnncalc.eager.setup import DEVICES, DTYPES, OPTIMIZERS
from cnncalc.expectations import OF_NETWORK, Amount, Expectation, Run
from cnncalc.language.expect import OF_RUN

NETWORK = (
    "input: 8x9x3\nlayers:\n  - {name: stem, conv: {out_channels: 4, kernel_size: 3}}\n  - {name: scores, linear: 5}\n"
)


def read(expect: str, more: str = "") -> tuple[Expectation, ...]:
    return cnncalc.loads(f"{NETWORK}{more}expect:\n  {expect}\n", name="net.yaml").expectations


def one(expect: str, more: str = "") -> Expectation:
    (expectation,) = read(expect, more)
    return expectation


def codes(expect: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read(expect)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


# Counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value", "step"),
    [
        ("957", 957, 0),
        ("25_557_032", 25_557_032, 0),
        ('"25,557,032"', 25_557_032, 0),
        ("25,557,032", 25_557_032, 0),
        ("0", 0, 0),
        ("15G", 15 * 10**9, 10**9),
        ("15.5G", 155 * 10**8, 10**8),
        ("15.50G", 155 * 10**8, 10**7),
        ("15.5 G", 155 * 10**8, 10**8),
        ("61.7k", 61_700, 100),
        ("61.7K", 61_700, 100),
        ("1.5m", 1_500_000, 10**5),
        ("2T", 2 * 10**12, 10**12),
        ("1_000.5k", 1_000_500, 100),
        ("0.12345k", Fraction(12345, 100), Fraction(1, 100)),
    ],
)
def test_a_count(written: str, value: int | Fraction, step: int | Fraction) -> None:
    expectation = one(f"macs: {written}")
    assert (expectation.quantity, expectation.layer, expectation.comparison) == ("macs", "", "=")
    assert expectation.amount == Amount(Fraction(value), Fraction(step))
    assert (expectation.sizes, expectation.output, expectation.run) == ((), "", None)


@pytest.mark.parametrize(
    ("written", "comparison"),
    [
        ("<= 16G", "<="),
        ("<=16G", "<="),
        ("≤ 16G", "<="),
        ("< 16G", "<"),
        ('">= 16G"', ">="),
        ("≥ 16G", ">="),
        ("'> 16G'", ">"),
        ("= 16G", "="),
        ("== 16G", "="),
        ("'  <=  16G  '", "<="),
    ],
)
def test_a_bound(written: str, comparison: str) -> None:
    expectation = one(f"macs: {written}")
    assert expectation.comparison == comparison
    assert expectation.amount == Amount(Fraction(16 * 10**9), Fraction(10**9))


NO_COUNT = (
    *("many", "in_channels", "true", "null", "~", "''", "' '", "[957]", "{at_most: 957}"),
    *("1.5", "-9", "+9", "1e9", "0x10", "٣", "1__0", "_1", "1_", "5 5", "9" * 101),
    *("4.5B", "5.k", ".5k", "1G G", "4,5k", "45,00", "1,0000", "<=", "< > 5", "<= " + "9" * 98 + "G"),
)
NO_SHAPE = (
    *("five", "true", "null", "''", "[]", "[0, 7]", "[7, a]", "[7, 7.0]", "[[7]]"),
    *("7×7", "7X7", "7x", "x7", "7 x 7", "-7", "7.0", "7k", "1_0x7", "7x1_0", "9" * 101),
)


@pytest.mark.parametrize("written", NO_COUNT)
def test_what_is_no_count(written: str) -> None:
    assert codes(f"macs: {written}") == ["expected-value"]


@given(st.integers(0, 10**30), st.integers(0, 9), st.sampled_from(["", "k", "M", "G", "T"]))
def test_the_digits_written_hold_between_both_ends(whole: int, part: int, unit: str) -> None:
    """And no further, whatever the number; each bound agrees with comparing numbers."""
    scale = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[unit]
    written = f"{whole}.{part}{unit}" if unit else str(whole)
    amount = one(f"macs: {written}").amount
    assert amount is not None
    value = (whole * 10 + part) * scale // 10 if unit else whole
    half = scale // 20 if unit else 0
    assert amount.value == value
    for actual in (value - half - 1, value - half, value, value + half, value + half + 1):
        assert amount.is_met_by(actual, "=") is (abs(actual - value) <= half)
        assert amount.is_met_by(actual, "<=") is (actual <= value)
        assert amount.is_met_by(actual, "<") is (actual < value)
        assert amount.is_met_by(actual, ">=") is (actual >= value)
        assert amount.is_met_by(actual, ">") is (actual > value)


# Shapes and sizes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "sizes"),
    [
        ("56x48x64", (64, 56, 48)),
        ("[64, 56, 48]", (64, 56, 48)),
        ("1000", (1000,)),
        ("1_000", (1000,)),
        ("[1000]", (1000,)),
        ("16x112x112x3", (3, 16, 112, 112)),
        ('"224x224x3"', (3, 224, 224)),
    ],
)
def test_a_shape(written: str, sizes: tuple[int, ...]) -> None:
    expectation = one(f"output: {written}")
    assert (expectation.comparison, expectation.sizes, expectation.amount) == ("=", sizes, None)


@pytest.mark.parametrize(
    ("written", "comparison", "sizes"),
    [
        ("7x5", "=", (7, 5)),
        ("7", "=", (7,)),
        ("[7, 5]", "=", (7, 5)),
        ('">= 7x5"', ">=", (7, 5)),
        ("≤7x5", "<=", (7, 5)),
    ],
)
def test_sizes_are_along_each_dimension(written: str, comparison: str, sizes: tuple[int, ...]) -> None:
    expectation = one(f"receptive_field: {written}")
    assert (expectation.comparison, expectation.sizes) == (comparison, sizes)


@pytest.mark.parametrize("written", NO_SHAPE)
def test_what_is_no_shape(written: str) -> None:
    assert codes(f"output: {written}") == ["expected-value"]
    assert codes(f"receptive_field: {written}") == ["expected-value"]


def test_several_outputs() -> None:
    found = read("output: {scores: 5, stem: '>= 6x7x4'}", "outputs: [scores, stem]\n")
    assert [(expectation.key, expectation.output, expectation.comparison) for expectation in found] == [
        ("output.scores", "scores", "="),
        ("output.stem", "stem", ">="),
    ]


# Memory ---------------------------------------------------------------------------------------------------------------


def test_a_batch_of_one() -> None:
    assert one("memory.prediction: {batch: 1, at_most: 8 GiB}").run == Run()


def test_memory_of_one_image() -> None:
    expectation = one("memory.training: <= 8 GiB")
    assert (expectation.comparison, expectation.run) == ("<=", Run())
    assert expectation.amount == Amount(Fraction(8 * 2**30), Fraction(2**30))


@pytest.mark.parametrize(
    ("written", "value", "step"),
    [
        ("12_613_600 B", 12_613_600, 0),
        ("24 GB", 24 * 10**9, 10**9),
        ("24GB", 24 * 10**9, 10**9),
        ("7.5 GiB", 15 * 2**29, Fraction(2**30, 10)),
        ("7.5 gib", 15 * 2**29, Fraction(2**30, 10)),
        ("512 kB", 512_000, 1000),
        ("512 KiB", 2**19, 2**10),
    ],
)
def test_amounts_of_memory(written: str, value: int, step: int | Fraction) -> None:
    assert one(f"memory.prediction: {written}").amount == Amount(Fraction(value), Fraction(step))
    exactly = one(f"memory.prediction: {{exactly: {written}}}")
    assert (exactly.amount, exactly.comparison) == (Amount(Fraction(value), Fraction(0)), "=")


@pytest.mark.parametrize(
    "written",
    ["8", "8.5", "8 G", "8 GBit", "GiB", "[8 GiB]", "true", "null", "-8 GiB", "{at_most: <= 8 GiB}", "{at_most: 8}"],
)
def test_what_is_no_amount_of_memory(written: str) -> None:
    assert codes(f"memory.prediction: {written}") == ["expected-value"]


def test_a_run() -> None:
    options = "batch: 32, model: eager, dtype: bfloat16, device: cuda, optimizer: adamw"
    found = read(f"memory.training: {{{options}, at_most: 8 GiB, at_least: 1 GiB, exactly: 2 GiB}}")
    assert {expectation.run for expectation in found} == {Run(32, "eager", "bfloat16", "cuda", "adamw")}
    assert [(expectation.key, expectation.comparison) for expectation in found] == [
        ("memory.training.at_most", "<="),
        ("memory.training.at_least", ">="),
        ("memory.training.exactly", "="),
    ]


def test_no_optimizer() -> None:
    assert one("memory.training: {optimizer: none, at_most: 1 GB}").run == Run(optimizer="")


def test_what_a_run_may_be_is_what_the_model_knows() -> None:
    assert OF_RUN["dtype"] == DTYPES
    assert OF_RUN["device"] == DEVICES
    assert OF_RUN["optimizer"] == (*OPTIMIZERS, "none")


# Places and keys ------------------------------------------------------------------------------------------------------


def test_places() -> None:
    """The value's, and that of the name a mistake would be about."""
    expectation = one("layers: {stem: {output: 6x7x4}}")
    assert str(expectation.span) == "net.yaml:6:27"
    assert str(expectation.name_span) == "net.yaml:6:12"
    assert (expectation.key, expectation.layer, expectation.quantity) == ("layers.stem.output", "stem", "output")
    assert str(one("output: 5").name_span) == "net.yaml:6:3"
    assert str(one("output: {scores: 5}", "outputs: [scores]\n").name_span) == "net.yaml:7:12"
    assert str(one("memory.training: {at_most: 1 GB}").span) == "net.yaml:6:30"


def test_keys_are_all_different() -> None:
    found = read(
        "output: {scores: 5}\n  layers: {stem: {layers: 1, output: 6x7x4}, scores: {output: 5}}\n  depth: 2\n"
        "  memory.training: {at_most: 1 GB, exactly: 1 B}\n  memory.prediction: 1 GB",
        "outputs: [scores]\n",
    )
    assert [expectation.key for expectation in found] == [
        "output.scores",
        "layers.stem.layers",
        "layers.stem.output",
        "layers.scores.output",
        "depth",
        "memory.training.at_most",
        "memory.training.exactly",
        "memory.prediction",
    ]


def test_layers_are_counted_or_named() -> None:
    assert one("layers: 2").quantity == "layers"
    assert one("layers: {stem: {layers: 1}}").layer == "stem"


@pytest.mark.parametrize("text", ["", "expect:\n", "expect: {}\n", "expect: null\n", "expect: ~\n"])
def test_no_expectations(text: str) -> None:
    assert cnncalc.loads(NETWORK + text).expectations == ()


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "code", "help"),
    [
        ("parameter: 5", "unknown-quantity", "did you mean `parameters`?"),
        ("MACs: 5", "unknown-quantity", "did you mean `macs`?"),
        ("receptive-field: 5", "unknown-quantity", "did you mean `receptive_field`?"),
        ("memory: 5", "unknown-quantity", f"a network has {', '.join(OF_NETWORK)}"),
        ("layers: {stem: {outputs: 5}}", "unknown-quantity", "did you mean `output`?"),
        ("memory.training: {optimiser: adam, at_most: 1 GB}", "unknown-field", "did you mean `optimizer`?"),
        ("memory.training: {at_mots: 1 GB, exactly: 1 B}", "unknown-field", "did you mean `at_most`?"),
        ("memory.training: {optimizer: adamm, at_most: 1 GB}", "expected-value", "did you mean `adam` or `adamw`?"),
        ("memory.training: {model: eagre, at_most: 1 GB}", "expected-value", "did you mean `eager`?"),
        (
            "memory.training: {dtype: flot16, at_most: 1 GB}",
            "expected-value",
            "did you mean `float16`, `bfloat16` or `float64`?",
        ),
    ],
)
def test_near_names(expect: str, code: str, help: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(expect)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == (code, help)


def test_an_output_far_from_every_name() -> None:
    with pytest.raises(DocumentError) as caught:
        read("output: {x: 5}", "outputs: [stem, scores]\n")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == ("unknown-output", "its outputs are stem, scores")


@pytest.mark.parametrize("expect", ["layers: {}", "layers: {stem: {}}", "output: {}", "memory.training: {}"])
def test_a_mapping_that_expects_nothing(expect: str) -> None:
    assert codes(expect) == ["expected-value"]


def test_all_mistakes_at_once_in_document_order() -> None:
    assert codes("depht: 2\n  macs: many\n  layers: {stem: 5, scores: {depth: 1}}") == [
        "unknown-quantity",
        "expected-value",
        "wrong-type",
        "unknown-quantity",
    ]


def test_a_hundred_mistakes_are_enough() -> None:
    found = codes("\n  ".join(f"m{number}: 1" for number in range(200)))
    assert found == ["unknown-quantity"] * 100 + ["too-many-mistakes"]


# Comparisons that YAML takes for something else -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "code", "help"),
    [
        ("receptive_field: >= 7x7", "not-yaml", 'write `">= 7x7"`'),
        ("macs: > 4k", "not-yaml", 'write `"> 4k"`'),
        ("macs: >4k", "not-yaml", 'write `">4k"`'),
        ("macs: >=", "not-yaml", "quote the whole text"),
        ("macs: >4", "needs-quotes", 'write `">4"`'),
        ("macs: >\n    4k", "needs-quotes", "quote the whole text"),
        ('macs: > "4k"', "not-yaml", "quote the whole text"),
        (f"macs: > {'4' * 56}k", "not-yaml", f'write `"> {"4" * 56}k"`'),
        (f"macs: > {'4' * 57}k", "not-yaml", "quote the whole text"),
        ("macs: |\n    4k", "needs-quotes", "quote the whole text"),
        ("output: >\n    6x7x4", "needs-quotes", "quote the whole text"),
        ("memory.training: >\n    1 GB", "needs-quotes", "quote the whole text"),
        ("layers: {stem: {macs: >= 7}}", "not-yaml", 'quote the text, e.g. `">= 7x7"`'),
    ],
)
def test_a_comparison_without_quotes(expect: str, code: str, help: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(expect)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == (code, help)


# extends --------------------------------------------------------------------------------------------------------------


def extended(tmp_path: Path, expect: str) -> list[str]:
    (tmp_path / "base.yaml").write_text(f"{NETWORK}args: {{a: 1}}\nexpect: {{output: 5, parameters: 957}}\n")
    (tmp_path / "net.yaml").write_text(f"extends: base.yaml\ninput: 9x9x3\n{expect}")
    return [expectation.key for expectation in cnncalc.load(tmp_path / "net.yaml").expectations]


def test_what_the_base_expects_is_of_the_base(tmp_path: Path) -> None:
    assert extended(tmp_path, "") == []


def test_a_document_that_extends_another_has_expectations_of_its_own(tmp_path: Path) -> None:
    assert extended(tmp_path, "expect: {depth: 2}\n") == ["depth"]


def test_mistakes_in_what_the_base_expects_are_not_of_the_document(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{NETWORK}expect: {{outputs: 5}}\n")
    (tmp_path / "net.yaml").write_text("extends: base.yaml\n")
    assert cnncalc.load(tmp_path / "net.yaml").expectations == ()
