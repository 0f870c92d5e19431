"""Ints that remember how they were made: a formula in letters, the same with the numbers filled in, and the value.

A formula of `formulas.py` that is given letters answers with its derivation:

>>> filters = convolution_parameters(letter("K", 3, 3), letter("C", 64), 1, letter("N", 32), 0)
>>> filters.letters, filters.numbers, int(filters)
('K·C·N', '3·3·64·32', 18432)
"""

from __future__ import annotations

SUM, QUOTIENT, PRODUCT, LETTER = range(4)  # how firmly an expression holds together


class Derived(int):
    """An int with its derivation. A plain 0 that is added and a plain 1 that multiplies or divides leave no trace.

    `//` is exact division (`readings.share`) and is written as a fraction.
    """

    letters: str
    numbers: str
    firmness: int

    def __add__(self, other: int) -> Derived:
        return self if _plain(other, 0) else _joined(self, " + ", other, SUM, int(self) + int(other))

    def __radd__(self, other: int) -> Derived:
        return self if _plain(other, 0) else _joined(other, " + ", self, SUM, int(other) + int(self))

    def __mul__(self, other: int) -> Derived:
        return self if _plain(other, 1) else _joined(self, "·", other, PRODUCT, int(self) * int(other))

    def __rmul__(self, other: int) -> Derived:
        return self if _plain(other, 1) else _joined(other, "·", self, PRODUCT, int(other) * int(self))

    def __floordiv__(self, other: int) -> Derived:
        return self if _plain(other, 1) else _joined(self, "/", other, QUOTIENT, int(self) // int(other))

    def __rfloordiv__(self, other: int) -> Derived:
        return _joined(other, "/", self, QUOTIENT, int(other) // int(self))


def letter(name: str, *sizes: int) -> Derived:
    """A letter that stands for the product of some sizes, which are written one by one: K for 3·3."""
    value = 1
    for size in sizes:
        value *= size
    return _derived(name, "·".join(map(str, sizes)), value, PRODUCT if len(sizes) > 1 else LETTER)


def derived(number: int) -> Derived:
    """A plain number as one that stands for itself."""
    return number if isinstance(number, Derived) else _derived(str(number), str(number), number, LETTER)


def _derived(letters: str, numbers: str, value: int, firmness: int) -> Derived:
    number = Derived(value)
    number.letters, number.numbers, number.firmness = letters, numbers, firmness
    return number


def _plain(number: int, value: int) -> bool:
    return number == value and not isinstance(number, Derived)


def _joined(left: int, sign: str, right: int, firmness: int, value: int) -> Derived:
    a, b = derived(left), derived(right)
    # A product may begin with a product, and go on with one; what a fraction divides by may not.
    open_left, open_right = a.firmness < firmness, b.firmness < (LETTER if firmness == QUOTIENT else firmness)
    letters = f"{_closed(a.letters, open_left)}{sign}{_closed(b.letters, open_right)}"
    numbers = f"{_closed(a.numbers, open_left)}{sign}{_closed(b.numbers, open_right)}"
    return _derived(letters, numbers, value, firmness)


def _closed(text: str, loose: bool) -> str:
    return f"({text})" if loose else text
