"""The few operations a formula needs beyond `+ - * //`, under the names in which a person reads them.

`formulas.py` uses these instead of branches and built-ins, so that one formula can be read by ints today and by any
other kind of number that answers the same operators.
"""

from __future__ import annotations

from math import gcd


def ceil_div(a: int, b: int) -> int:
    """⌈a / b⌉ for b > 0."""
    return -(-a // b)


def share(whole: int, parts: int) -> int:
    """whole / parts where it is known to divide; never a floor."""
    return whole // parts


def minimum(a: int, b: int) -> int:
    return a if a < b else b


def maximum(a: int, b: int) -> int:
    return a if a > b else b


def common_divisor(a: int, b: int) -> int:
    """The greatest common divisor."""
    return gcd(a, b)
