"""An evaluator of printed formulas that knows nothing of the program: what a reader with a pocket calculator does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, gcd

SIGNS = {"−": "-", "·": "*", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", " mod ": " % "}
CALLS = {"floor": floor, "ceil": ceil, "min": min, "max": max, "gcd": lambda a, b: gcd(int(a), int(b))}


@lru_cache(maxsize=100_000)
def value(printed: str, letters: tuple[tuple[str, int], ...] = ()) -> Fraction:
    """The number that an expression is, exactly."""
    python = re.sub(r"(?<=\d),(?=\d{3})", "", printed)
    for sign, written in SIGNS.items():
        python = python.replace(sign, written)
    python = re.sub(r"\b\d+\b", lambda found: f"Fraction({found[0]})", python)
    names = CALLS | {"Fraction": Fraction} | {name: Fraction(number) for name, number in letters}
    return Fraction(eval(python, {"__builtins__": {}}, names))


def in_letters(printed: str, letters: Mapping[str, int]) -> Fraction:
    return value(printed, tuple(letters.items()))


def leading_number(printed: str) -> Fraction:
    """`55 positions` is 55."""
    found = re.match(r"−?\d[\d,]*", printed)
    assert found is not None, printed
    return value(found[0])
