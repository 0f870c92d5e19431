"""A block chart of numbers over a run, in plain characters: eight heights to a row, a name under each stretch.

What does not fit is thinned out by the largest of its numbers, so that no peak is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

BLOCKS = " ▁▂▃▄▅▆▇█"
EIGHTHS = len(BLOCKS) - 1
HEIGHT = 8


class Stretch(NamedTuple):
    """Consecutive numbers under one name; stretches of one group stand over its name."""

    name: str
    group: str
    values: Sequence[int]


def chart(
    stretches: Sequence[Stretch], floor: int, labels: tuple[str, str], width: int, height: int = HEIGHT
) -> list[str]:
    """The chart with its axis, from `floor` to the largest number, `labels` being those two in words.

    A mark stands over the largest number, the names below. A stretch is as wide as its name at least, and has its
    share of what is left.
    """
    margin = _margin(labels)
    side = margin - 3
    widths = _widths(stretches, width - margin)
    columns = [
        value for stretch, size in zip(stretches, widths, strict=True) for value in thinned(stretch.values, size)
    ]
    peak = max(columns)
    levels = [_level(value - floor, peak - floor, height) for value in columns]
    rows = [f"{' ' * (margin + columns.index(peak))}▼"]
    for row in range(height):
        below = (height - 1 - row) * EIGHTHS
        drawn = "".join([BLOCKS[min(max(level - below, 0), EIGHTHS)] for level in levels])
        rows.append(f"{'' if row else labels[1]:>{side}} {'│' if row else '┤'} {drawn}".rstrip())
    rows.append(f"{labels[0]:>{side}} └{'─' * (len(columns) + 1)}")
    rows.append(_names([stretch.name for stretch in stretches], widths, margin))
    if any(stretch.group for stretch in stretches):
        rows.append(_names([stretch.group for stretch in stretches], widths, margin))
    return rows


def fits(stretches: Sequence[Stretch], labels: tuple[str, str], width: int) -> bool:
    """Whether every name finds its place beside the axis."""
    return sum(map(_least, stretches)) <= width - _margin(labels)


def thinned(values: Sequence[int], size: int) -> list[int]:
    """`size` numbers for many: each is the largest of its share of them; few are repeated."""
    count = len(values)
    found = []
    for column in range(size):
        start = column * count // size
        found.append(max(values[start : max(start + 1, (column + 1) * count // size)]))
    return found


def _margin(labels: tuple[str, str]) -> int:
    return max(map(len, labels)) + 3


def _level(value: int, peak: int, height: int) -> int:
    """Eighths of a row, rounded up: what there is can be seen."""
    return -(-value * height * EIGHTHS // peak) if peak else 0


def _least(stretch: Stretch) -> int:
    return len(stretch.name) + 1


def _widths(stretches: Sequence[Stretch], room: int) -> list[int]:
    widths = [_least(stretch) for stretch in stretches]
    spare, count = room - sum(widths), sum(len(stretch.values) for stretch in stretches)
    if spare < 0:  # a very narrow window: equal shares, and names are cut
        return [max(1, room // len(stretches))] * len(stretches)
    given = 0
    for position, stretch in enumerate(stretches):
        share = spare * len(stretch.values) // count
        widths[position] += share
        given += share
    widths[max(range(len(widths)), key=lambda position: len(stretches[position].values))] += spare - given
    return widths


def _names(names: Sequence[str], widths: Sequence[int], margin: int) -> str:
    """Each name under where its stretch begins; neighbours of one name have it once."""
    drawn, end = " " * margin, margin
    for name, group in groupby(zip(names, widths, strict=True), lambda pair: pair[0]):
        end += sum(width for _, width in group)
        drawn = f"{drawn}{name}"[: end - 1].ljust(end)
    return drawn.rstrip()
