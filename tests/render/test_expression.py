from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from cnncalc import formulas, readings
from cnncalc.render.expression import latex, letter_latex, number_latex, number_text, text
from cnncalc.tree import Tree, letter

FORMULAS = [function for _, function in inspect.getmembers(formulas, inspect.isfunction) if hasattr(function, "unit")]
A, B, C = map(letter, "ABC")
MINIMUM, GCD, CEILING, EXACT = [lambda a, b, sign=sign: Tree(sign, a, b) for sign in ("min", "gcd", "ceil", "/")]


@pytest.mark.parametrize(
    ("expression", "in_text", "in_latex"),
    [
        (A + B - C, "A + B − C", "A + B - C"),
        (A - (B + C), "A − (B + C)", "A - (B + C)"),
        (A - (B - C), "A − (B − C)", "A - (B - C)"),
        (A + (B - C), "A + B − C", "A + B - C"),
        (A * (B - 1) * C, "A·(B − 1)·C", r"A \cdot (B - 1) \cdot C"),
        (2 * A + 1, "2·A + 1", r"2 \cdot A + 1"),
        (1 - A, "1 − A", "1 - A"),
        (1 + A, "1 + A", "1 + A"),
        ((A + B) // C, "⌊(A + B) / C⌋", r"\left\lfloor \frac{A + B}{C} \right\rfloor"),
        (A // (B * C), "⌊A / (B·C)⌋", r"\left\lfloor \frac{A}{B \cdot C} \right\rfloor"),
        (A // B // C, "⌊⌊A / B⌋ / C⌋", r"\left\lfloor \frac{\left\lfloor \frac{A}{B} \right\rfloor}{C} \right\rfloor"),
        (CEILING(A - B, C), "⌈(A − B) / C⌉", r"\left\lceil \frac{A - B}{C} \right\rceil"),
        (EXACT(A, B) * C, "(A/B)·C", r"\frac{A}{B} \cdot C"),
        (EXACT(A, B * C), "A/(B·C)", r"\frac{A}{B \cdot C}"),
        ((A + B) % C, "(A + B) mod C", r"(A + B) \bmod C"),
        (MINIMUM(A + B, 0), "min(A + B, 0)", r"\min(A + B, 0)"),
        (GCD(A, B), "gcd(A, B)", r"\gcd(A, B)"),
        (1 * A * 1 * B, "A·B", r"A \cdot B"),
        (A + 1, "A + 1", "A + 1"),
        (7, "7", "7"),
    ],
    ids=str,
)
def test_letters(expression: Any, in_text: str, in_latex: str) -> None:
    assert text(expression) == in_text
    assert latex(expression) == in_latex


@pytest.mark.parametrize(
    ("expression", "in_text", "in_latex"),
    [
        (A + B, "−1,500 + (−2)", "-1{,}500 + (-2)"),
        (A - B, "−1,500 − (−2)", "-1{,}500 - (-2)"),
        (A * B, "(−1,500)·(−2)", r"(-1{,}500) \cdot (-2)"),
        (A // B, "⌊(−1,500) / (−2)⌋", r"\left\lfloor \frac{-1{,}500}{-2} \right\rfloor"),
    ],
    ids=str,
)
def test_negative_numbers(expression: Any, in_text: str, in_latex: str) -> None:
    numbers = {"A": -1500, "B": -2}
    assert (text(expression, numbers), latex(expression, numbers)) == (in_text, in_latex)


def test_long_sums_and_products() -> None:
    """Written without a call for each of their terms."""
    names = [f"t_{place}" for place in range(5000)]
    terms: list[Any] = [letter(name) for name in names]
    assert text(readings.total(*terms)) == " + ".join(names)
    assert text(readings.product(*terms), dict.fromkeys(names, 2)) == "·".join(["2"] * 5000)
    assert latex(readings.total(*terms), dict.fromkeys(names, 2)) == " + ".join(["2"] * 5000)


def test_numbers_and_letters() -> None:
    assert (number_text(1234567), number_text(-5)) == ("1,234,567", "−5")
    assert number_latex(1234567) == "1{,}234{,}567"
    assert [letter_latex(name) for name in ("K", "K_h", "E_in", "P_1")] == ["K", "K_{h}", r"E_{\mathrm{in}}", "P_{1}"]


@pytest.mark.parametrize("function", FORMULAS, ids=lambda function: function.__name__)
def test_latex_of_every_formula(function: Any) -> None:
    """Braces balance, every \\left has its \\right, and the numbers are those of the text."""
    for rest in (1, 2, 3):
        count = function.__wrapped__.__code__.co_argcount + rest
        names = readings.letters(function, count)
        expression = readings.in_letters(function, len(names))
        numbers = {name: 1000 + 7 * position for position, name in enumerate(names)}
        for written in (latex(expression), latex(expression, numbers)):
            depth = 0
            for char in written:
                depth += {"{": 1, "}": -1}.get(char, 0)
                assert depth >= 0
            assert depth == 0
            assert written.count("\\left\\") == written.count("\\right\\")
        plain = latex(expression, numbers).replace("{,}", ",")
        assert re.findall(r"\d[\d,]*", plain) == re.findall(r"\d[\d,]*", text(expression, numbers))
