"""What a field takes, and what is said of a value that it does not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cnncalc.diagnostics import Findings, Source
from cnncalc.language.fields import converted, example, takes_words, wrong_value
from cnncalc.language.load import loads
from cnncalc.language.source import parse
from cnncalc.layers import KINDS

CONV, DROPOUT = KINDS["conv"].fields, KINDS["dropout"].fields


def test_fractions_become_floats_in_real_fields_alone() -> None:
    half = Fraction(1, 2)
    assert type(converted(DROPOUT["p"].takes, half)) is float
    assert converted(CONV["out_channels"].takes, half) is half
    assert converted(DROPOUT["p"].takes, 1) == 1


@pytest.mark.parametrize(
    ("field", "expected"),
    [("padding", True), ("bias", True), ("activation", True), ("groups", False), ("stride", False)],
)
def test_takes_words(field: str, expected: bool) -> None:
    assert takes_words(CONV[field].takes) is expected


@pytest.mark.parametrize(
    ("field", "text", "value", "message", "help"),
    [
        ("groups", "0", 0, "`groups` has to be a positive whole number, not `0`", ""),
        ("groups", "2 * n", 0, "`groups` has to be a positive whole number, not `2 * n`, which is 0", ""),
        ("groups", "9999999999", 9999999999, "`groups` has to be at most 2,147,483,647, not `9999999999`", ""),
        ("bias", "no", "no", "`bias` has to be true or false, not `no`", "write `true` or `false`"),
        ("bias", "False", "False", "`bias` has to be true or false, not `False`", "did you mean `false`?"),
        (
            "rounding",
            "ciel",
            "ciel",
            "`rounding` has to be `floor`, `ceil` or `exact`, not `ciel`",
            "did you mean `ceil`?",
        ),
        (
            "groups",
            "widht",
            "widht",
            "`groups` has to be a positive whole number, not `widht`",
            "did you mean `width`?",
        ),
    ],
)
def test_wrong_value(field: str, text: str, value: object, message: str, help: str) -> None:
    diagnostic = wrong_value(field, CONV[field].takes, parse(Source("x", text), Findings()), value, ["width"])
    assert (diagnostic.code, diagnostic.message, diagnostic.help) == ("wrong-value", message, help)


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_can_be_typed(kind: str) -> None:
    """What a help says to type for a kind is a layer: it reads, though the sizes may not fit."""
    said = example(KINDS[kind])
    assert said.startswith(f"write `{kind}")
    if "paths" not in said and said != f"write `{kind}` alone":
        name, _, value = said.removeprefix("write `").removesuffix("`").partition(": ")
        loads(f"input: 56x56x64\nlayers:\n  - {{{name}: {value}, when: 1 > 2}}\n  - relu\n")
