"""A formula as people write it, in text (`⌊(W − F + 2·P) / S⌋ + 1`) and in LaTeX; in letters or with numbers."""

from __future__ import annotations

from collections.abc import Mapping

from cnncalc.tree import Sign, Tree

Numbers = Mapping[str, int]  # what to write for each letter

# How tightly an expression holds together: what is looser than its place needs brackets.
NEGATIVE, SUM, QUOTIENT, PRODUCT, ONE = range(5)


def text(expression: Tree | int, numbers: Numbers | None = None) -> str:
    return _text(expression, numbers)[0]


def latex(expression: Tree | int, numbers: Numbers | None = None) -> str:
    return _latex(expression, numbers)[0]


def number_text(number: int) -> str:
    """`-4,392` as `−4,392`."""
    return f"{number:,}".replace("-", "−")


def number_latex(number: int) -> str:
    return f"{number:,}".replace(",", "{,}")


def letter_latex(name: str) -> str:
    """`E_in` as `E_{\\mathrm{in}}`."""
    letter, _, index = name.partition("_")
    upright = f"\\mathrm{{{index}}}" if len(index) > 1 else index
    return f"{letter}_{{{upright}}}" if index else letter


def _text(expression: Tree | int, numbers: Numbers | None) -> tuple[str, int]:
    """What is written, and how tightly it holds together."""
    first, joined = _leftmost(expression)
    if isinstance(first, str):
        written = (first, ONE) if numbers is None else _text(numbers[first], None)
    else:
        written = number_text(first), NEGATIVE if first < 0 else ONE
    for sign, right in joined:
        written = _text_joined(sign, written, _text(right, numbers))
    return written


def _text_joined(sign: Sign, a: tuple[str, int], b: tuple[str, int]) -> tuple[str, int]:
    match sign:
        case "+":
            return f"{a[0]} + {_held(b, SUM)}", SUM
        case "-":
            return f"{a[0]} − {_held(b, QUOTIENT)}", SUM
        case "*":
            return f"{_held(a, PRODUCT)}·{_held(b, PRODUCT)}", PRODUCT
        case "/":
            return f"{_held(a, PRODUCT)}/{_held(b, ONE)}", QUOTIENT
        case "//":
            return f"⌊{_held(a, PRODUCT)} / {_held(b, ONE)}⌋", ONE
        case "ceil":
            return f"⌈{_held(a, PRODUCT)} / {_held(b, ONE)}⌉", ONE
        case "%":
            return f"{_held(a, PRODUCT)} mod {_held(b, ONE)}", QUOTIENT
        case name:
            return f"{name}({a[0]}, {b[0]})", ONE


def _latex(expression: Tree | int, numbers: Numbers | None) -> tuple[str, int]:
    first, joined = _leftmost(expression)
    if isinstance(first, str):
        written = (letter_latex(first), ONE) if numbers is None else _latex(numbers[first], None)
    else:
        written = number_latex(first), NEGATIVE if first < 0 else ONE
    for sign, right in joined:
        written = _latex_joined(sign, written, _latex(right, numbers))
    return written


def _latex_joined(sign: Sign, a: tuple[str, int], b: tuple[str, int]) -> tuple[str, int]:
    match sign:
        case "+" | "-":
            return f"{a[0]} {sign} {_held(b, SUM if sign == '+' else QUOTIENT)}", SUM
        case "*":
            return f"{_held(a, PRODUCT)} \\cdot {_held(b, PRODUCT)}", PRODUCT
        case "/":
            return f"\\frac{{{a[0]}}}{{{b[0]}}}", ONE
        case "//":
            return f"\\left\\lfloor \\frac{{{a[0]}}}{{{b[0]}}} \\right\\rfloor", ONE
        case "ceil":
            return f"\\left\\lceil \\frac{{{a[0]}}}{{{b[0]}}} \\right\\rceil", ONE
        case "%":
            return f"{_held(a, PRODUCT)} \\bmod {_held(b, ONE)}", QUOTIENT
        case name:
            return f"\\{name}({a[0]}, {b[0]})", ONE


def _leftmost(expression: Tree | int) -> tuple[str | int, list[tuple[Sign, Tree | int]]]:
    """The letter or number that an expression begins with, and what joins it, one sign after the other.

    A sum of thousands leans to the left: no call for each term.
    """
    joined: list[tuple[Sign, Tree | int]] = []
    while isinstance(expression, Tree) and expression.sign != "letter":
        left, right = expression.parts
        joined.append((expression.sign, right))
        expression = left
    return (expression if isinstance(expression, int) else expression.parts[0]), joined[::-1]


def _held(written: tuple[str, int], least: int) -> str:
    text, tightness = written
    return text if tightness >= least else f"({text})"
