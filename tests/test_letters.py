from __future__ import annotations

import pytest

from cnncalc import formulas
from cnncalc.letters import Derived, derived, letter

A, B, C = letter("A", 7), letter("B", 2, 3), letter("C", 14)


@pytest.mark.parametrize(
    ("number", "letters", "numbers", "value"),
    [
        pytest.param(A + B, "A + B", "7 + 2·3", 13, id="a-sum"),
        pytest.param(A * B * C, "A·B·C", "7·2·3·14", 588, id="a-product"),
        pytest.param((A + C) * B, "(A + C)·B", "(7 + 14)·2·3", 126, id="a-sum-in-a-product"),
        pytest.param(A * B + C, "A·B + C", "7·2·3 + 14", 56, id="a-product-in-a-sum"),
        pytest.param(B * (C // A), "B·(C/A)", "2·3·(14/7)", 12, id="a-fraction-in-a-product"),
        pytest.param(letter("D", 84) // B, "D/(B)", "84/(2·3)", 14, id="a-product-below"),
        pytest.param(2 * A + 5, "2·A + 5", "2·7 + 5", 19, id="plain-numbers"),
        pytest.param(5 + A * 3, "5 + A·3", "5 + 7·3", 26, id="plain-numbers-turned"),
        pytest.param(28 // A, "28/A", "28/7", 4, id="a-plain-number-above"),
        pytest.param(0 + A + 0, "A", "7", 7, id="nothing-added"),
        pytest.param(1 * A * 1 // 1, "A", "7", 7, id="once"),
        pytest.param(A * letter("E", 1), "A·E", "7·1", 7, id="a-letter-of-one-is-written"),
        pytest.param(derived(6), "6", "6", 6, id="a-plain-number"),
    ],
)
def test_derivation(number: Derived, letters: str, numbers: str, value: int) -> None:
    assert (number.letters, number.numbers, int(number)) == (letters, numbers, value)


def test_a_formula_answers_with_its_derivation() -> None:
    weights = formulas.convolution_parameters(letter("K", 3, 5), letter("C", 6), letter("G", 2), letter("N", 4), B)
    assert isinstance(weights, Derived)
    assert (weights.letters, weights.numbers) == ("K·(C/G)·N + B", "3·5·(6/2)·4 + 2·3")
    assert weights == formulas.convolution_parameters(15, 6, 2, 4, 6) == 15 * 3 * 4 + 6
