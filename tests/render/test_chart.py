from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.render.chart import Stretch, chart, fits, thinned


def test_by_hand() -> None:
    """Two rows are 16 eighths, those of 32: 1, 16, 17, 30, 8 have ⌈0.5⌉, 8, ⌈8.5⌉, 15, 4.

    Ten columns: 4 and 3 for the names and a space, and of the 3 that are left 2 and 1, as there are 4 and 2 numbers.
    Six columns for four numbers begin at ⌊column · 4/6⌋: 1 1 16 17 17 30; four for two: 32 32 8 8.
    """
    assert chart([Stretch("one", "", [1, 16, 17, 30]), Stretch("up", "", [32, 8])], 0, ("0", "32"), 15, height=2) == [
        "           ▼",
        "32 ┤    ▁▁▇██",
        "   │ ▁▁██████▄▄",
        " 0 └───────────",
        "     one   up",
    ]


def test_from_a_floor_up() -> None:
    """Above 100 there are 0, 8 and 4 of 8: none, the whole row, half of it."""
    assert chart([Stretch("x", "", [100, 108, 104])], 100, ("100", "108"), 9, height=1) == [
        "       ▼",
        "108 ┤  █▄",
        "100 └────",
        "      x",
    ]


def test_groups_stand_below_their_stretches() -> None:
    """Fifteen columns: 2 for each name, and of the 9 left ⌊9/6⌋, ⌊9/6⌋ and ⌊9 · 4/6⌋, one more for the longest.

    Nine for four numbers begin at ⌊column · 4/9⌋: 2 2 2, then 1.
    """
    stretches = [Stretch("a", "first", [1]), Stretch("b", "first", [2]), Stretch("a", "second", [2, 1, 1, 1])]
    drawn = chart(stretches, 0, ("0", "2"), 4 + 15, height=1)
    assert drawn[-3:] == ["0 └────────────────", "    a  b  a", "    first second"]
    assert drawn[1] == "2 ┤ ▄▄▄██████▄▄▄▄▄▄"


def test_nothing_at_all() -> None:
    assert chart([Stretch("x", "", [0, 0])], 0, ("0", "0"), 6, height=1)[1:3] == ["0 ┤", "0 └───"]


def test_a_window_too_narrow_for_the_names() -> None:
    stretches = [Stretch("forward", "", [1, 2]), Stretch("backward", "", [3])]
    assert fits(stretches, ("0", "3"), 21)
    assert not fits(stretches, ("0", "3"), 20)
    assert chart(stretches, 0, ("0", "3"), 12, height=1)[-1] == "    for bac"


@pytest.mark.parametrize(
    ("values", "size", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], 3, [2, 4, 6]),
        ([1, 9, 3, 4], 2, [9, 4]),
        ([1, 2, 3, 4, 5], 2, [2, 5]),
        ([1, 2], 5, [1, 1, 1, 2, 2]),
        ([7], 3, [7, 7, 7]),
    ],
)
def test_thinned(values: list[int], size: int, expected: list[int]) -> None:
    assert thinned(values, size) == expected


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10**10), min_size=1, max_size=300), min_size=1, max_size=8), st.integers(10, 90)
)
def test_no_peak_is_lost(runs: list[list[int]], width: int) -> None:
    """The largest number has a full column under the mark, and the width is kept to."""
    stretches = [Stretch(f"s{number}", "", run) for number, run in enumerate(runs)]
    peak = max(max(run) for run in runs)
    top = f"{peak:,}"
    drawn = chart(stretches, 0, ("0", top), max(width, len(top) + 3 + len(runs)))
    mark = drawn[0].index("▼")
    if peak:
        assert all(row[mark] == "█" for row in drawn[1:9])
    assert max(map(len, drawn)) <= max(width, len(top) + 3 + len(runs))
    assert len(drawn) == 1 + 8 + 1 + 1


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200), st.integers(1, 100))
def test_every_number_is_in_a_column(values: list[int], size: int) -> None:
    """No column is empty, none is higher than what is near it, and together they have the largest."""
    found = thinned(values, size)
    assert len(found) == size
    assert max(found) == max(values)
    assert set(found) <= set(values)
    if size >= len(values):
        assert [value for value, before in zip(found, [None, *found], strict=False) if value != before] == [
            value for value, before in zip(values, [None, *values], strict=False) if value != before
        ]
