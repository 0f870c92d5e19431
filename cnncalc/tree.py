"""Expressions as trees: what a formula becomes when it is called with letters. How they are written is a format's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Sign = Literal["letter", "+", "-", "*", "//", "/", "ceil", "%", "min", "max", "gcd"]


class Tree:
    """A sign and what it joins: numbers and trees; of a letter its name. `/` is exact, `//` rounds down, `ceil` up.

    A 1 that multiplies leaves no trace.
    """

    __slots__ = ("parts", "sign")

    def __init__(self, sign: Sign, *parts: Any) -> None:
        self.sign = sign
        self.parts = parts

    def __repr__(self) -> str:
        return self.parts[0] if self.sign == "letter" else f"({self.sign} {' '.join(map(repr, self.parts))})"

    def __add__(self, other: Tree | int) -> Tree:
        return Tree("+", self, other)

    def __radd__(self, other: int) -> Tree:
        return Tree("+", other, self)

    def __sub__(self, other: Tree | int) -> Tree:
        return Tree("-", self, other)

    def __rsub__(self, other: int) -> Tree:
        return Tree("-", other, self)

    def __mul__(self, other: Tree | int) -> Tree:
        return self if other == 1 else Tree("*", self, other)

    def __rmul__(self, other: int) -> Tree:
        return self if other == 1 else Tree("*", other, self)

    def __floordiv__(self, other: Tree | int) -> Tree:
        return Tree("//", self, other)

    def __mod__(self, other: Tree | int) -> Tree:
        return Tree("%", self, other)


def letter(name: str) -> Tree:
    return Tree("letter", name)


def _joined(sign: Sign) -> Callable[[Any, Any], Tree]:
    return lambda a, b: Tree(sign, a, b)


# In the order of `readings.Sort`.
SIGNS = (_joined("ceil"), _joined("/"), _joined("min"), _joined("max"), _joined("gcd"))
