"""Closed forms as they are written."""

from __future__ import annotations

import io
from fractions import Fraction
from math import prod

import pytest

from cnncalc.render.symbolic import LATEX, TEXT, condition, latex_document, lines, markdown, write, written
from cnncalc.symbolic import ClosedForms, symbolic
from cnncalc.unknowns import Condition, Polynomial, Rounded, constant, variable

pytest.importorskip("sympy")

C, H, W = map(variable, "CHW")


def floored(a: Polynomial, b: int) -> Polynomial:
    return variable(Rounded("//", a, constant(b)))


def times(*factors: Polynomial | int) -> Polynomial:
    return prod([one if isinstance(one, Polynomial) else constant(one) for one in factors], start=constant(1))


@pytest.mark.parametrize(
    ("of", "text", "latex"),
    [
        (constant(0), "0", "0"),
        (constant(-4392), "−4,392", "-4{,}392"),
        (constant(Fraction(1, 2)), "1 / 2", "\\frac{1}{2}"),
        (times(27, C, C), "27·C²", "27 \\cdot C^{2}"),
        (times(C, C, C, C, C, C, C, C, C, C, C, C), "C¹²", "C^{12}"),
        (times(9, C, C) + C, "9·C² + C", "9 \\cdot C^{2} + C"),
        (
            times(2048, H, W) + constant(35597096),
            "2,048·H·W + 35,597,096",
            "2{,}048 \\cdot H \\cdot W + 35{,}597{,}096",
        ),
        (times(H, W).scaled(Fraction(601, 2)), "601·H·W / 2", "\\frac{601 \\cdot H \\cdot W}{2}"),
        (times(64, H + constant(2), W + constant(2)), "64·(H + 2)·(W + 2)", None),
        (times(-3, H) + constant(5), "5 − 3·H", "5 - 3 \\cdot H"),
        (times(8, H) + constant(4), "8·H + 4", "8 \\cdot H + 4"),
        (floored(H - constant(7), 4), "⌊(H − 7) / 4⌋", "\\left\\lfloor \\frac{H - 7}{4} \\right\\rfloor"),
        (floored(H, 2) + constant(1), "⌊H / 2⌋ + 1", "\\left\\lfloor \\frac{H}{2} \\right\\rfloor + 1"),
        (times(floored(H, 2), floored(H, 2), 3), "3·⌊H / 2⌋²", None),
        (variable(Rounded("//", H, C + constant(1))), "⌊H / (C + 1)⌋", None),
        (variable(Rounded("gcd", H, constant(6))), "gcd(H, 6)", "\\gcd(H, 6)"),
        (floored(times(floored(H, 2), floored(W, 2)), 3), "⌊(⌊H / 2⌋·⌊W / 2⌋) / 3⌋", None),
        (variable("C_in"), "C_in", "C_{\\mathrm{in}}"),
    ],
)
def test_a_polynomial(of: Polynomial, text: str, latex: str | None) -> None:
    assert written(of, TEXT) == text
    if latex is not None:
        assert written(of, LATEX) == latex


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (Condition(H - W - constant(1), ">="), "H ≥ W + 1"),
        (Condition(constant(1000) - H, ">="), "1,000 ≥ H"),
        (Condition(times(2, floored(H, 2)) - H, "="), "2·⌊H / 2⌋ = H"),
        (Condition(times(4, C) - constant(256), "!="), "4·C ≠ 256"),
        (Condition((H - constant(1)).scaled(Fraction(1, 4)), "whole"), "H − 1 is a multiple of 4"),
        (Condition(times(H, W).scaled(Fraction(1, 6)), "whole"), "H·W is a multiple of 6"),
    ],
)
def test_a_condition(of: Condition, text: str) -> None:
    assert condition(of) == text


@pytest.fixture(scope="module")
def unet() -> ClosedForms:
    return symbolic("unet", ["S=height", "S=width"])


def test_conditions_are_said(unet: ClosedForms) -> None:
    """Its crop to 56x56 has to meet what the upsampled path gives, as it does for 572."""
    asked = [line.text for line in lines(unet)][1:3]
    assert asked == [
        "S is input.height and input.width, 572 in the document: from 508 up",
        "and where ⌊(S + 12) / 16⌋ + 3·⌊(S + 4) / 16⌋ = ⌊(S + 4) / 8⌋ + 72",
    ]
    assert f"- {asked[1]}" in markdown(unet)
    assert "Where $\\left\\lfloor \\frac{S + 12}{16} \\right\\rfloor" in latex_document(unet)


def test_a_narrow_window_gets_a_list() -> None:
    found = symbolic("alexnet", ["H=height", "W=width"])
    wide, narrow = ([line.text for line in lines(found, width)] for width in (300, 60))
    assert any(line.startswith("layer ") for line in wide)
    assert not any(line.startswith("layer ") for line in narrow)
    at = narrow.index("conv1  conv 11x11/4")
    assert narrow[at + 1 : at + 4] == [
        "  output      ⌊(H − 7) / 4⌋ × ⌊(W − 7) / 4⌋ × 96",
        "  parameters  34,944",
        "  MACs        34,848·⌊(H − 7) / 4⌋·⌊(W − 7) / 4⌋",
    ]


def test_memory_of_predicting_says_what_it_asks() -> None:
    found = symbolic("alexnet", ["H=height", "W=width"])
    note = "as long as `norm1` and what it reads are the largest outputs together, as in the document"
    assert any(line.text.strip() == note for line in lines(found))
    assert f"For predicting: {note}." in markdown(found)
    assert "For predicting: as long as norm1 and" in latex_document(found)


def test_what_has_no_sign_in_an_encoding_is_a_question_mark() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write(symbolic("lenet5", ["H=height"]), stream)
    stream.flush()
    assert b"?" in stream.buffer.getvalue()  # type: ignore[attr-defined]
