"""Which input index an output index reads: maps from whole numbers to whole numbers, exact and composable.

A window reads `o·S − P`, an upsampling `⌊o / 2⌋`, an adaptive pooling `⌊o·W / O⌋`: all of them climb by a fixed amount
every fixed number of steps, and so does every composition of them. That is an `IndexMap`.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import NamedTuple

LONGEST_PERIOD = 1 << 16


class PeriodTooLong(Exception):
    """A map that repeats after more steps than are worth writing down; what it describes is then left untracked."""


class IndexMap(NamedTuple):
    """`m(o) = steps[o mod p] + (o div p) · advance`, with p the number of steps."""

    steps: tuple[int, ...]
    advance: int

    def at(self, o: int) -> int:
        turns, step = divmod(o, len(self.steps))
        return self.steps[step] + turns * self.advance

    @property
    def jump(self) -> Fraction:
        """How far a step goes on average."""
        return _ratio(self.advance, len(self.steps))

    def after(self, inner: IndexMap) -> IndexMap:
        """The composition o -> self(inner(o))."""
        steps, advance = self
        if len(steps) == 1 and len(inner.steps) == 1:
            return IndexMap((steps[0] + inner.steps[0] * advance,), inner.advance * advance)
        turns = len(self.steps) // gcd(len(self.steps), inner.advance)
        period = bounded(len(inner.steps) * turns)
        steps = tuple([self.at(inner.at(o)) for o in range(period)])
        return reduced(steps, self.at(inner.at(period)) - steps[0])


@lru_cache(maxsize=1024)
def _ratio(advance: int, steps: int) -> Fraction:
    return Fraction(advance, steps)


def bounded(period: int) -> int:
    """The period; raises `PeriodTooLong` beyond `LONGEST_PERIOD`."""
    if period > LONGEST_PERIOD:
        raise PeriodTooLong
    return period


def linear(advance: int, start: int) -> IndexMap:
    """o -> advance · o + start."""
    return IndexMap((start,), advance)


IDENTITY = linear(1, 0)


def scaled_down(numerator: int, denominator: int, start: int = 0) -> IndexMap:
    """o -> ⌊(o · numerator + start) / denominator⌋."""
    shared = gcd(numerator, denominator)
    period, advance = bounded(denominator // shared), numerator // shared
    return reduced(tuple([(o * numerator + start) // denominator for o in range(period)]), advance)


def reduced(steps: tuple[int, ...], advance: int) -> IndexMap:
    """The same map with the fewest steps."""
    period = len(steps)
    for shorter in range(1, period):
        turns, rest = divmod(period, shorter)
        if rest or advance % turns:
            continue
        part = advance // turns
        if all(steps[o] == steps[o - shorter] + part for o in range(shorter, period)):
            return IndexMap(steps[:shorter], part)
    return IndexMap(steps, advance)


def aligned(a: IndexMap, b: IndexMap) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The steps of two maps of the same jump over a common period, and the advance of that period."""
    period = bounded(len(a.steps) * len(b.steps) // gcd(len(a.steps), len(b.steps)))
    over = range(period)
    return tuple([a.at(o) for o in over]), tuple([b.at(o) for o in over]), a.at(period) - a.at(0)
