from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnncalc.indexing import IDENTITY, IndexMap, aligned, linear, reduced, scaled_down

by_loops = settings(derandomize=True, max_examples=100, deadline=None)
OVER = range(-25, 26)  # outputs before the first, too: padding reads there


def index_maps(longest: int = 6) -> st.SearchStrategy[IndexMap]:
    steps = st.lists(st.integers(-9, 9), min_size=1, max_size=longest).map(tuple)
    return st.builds(IndexMap, steps, st.integers(0, 12))


@pytest.mark.parametrize(
    ("index_map", "first", "jump"),
    [
        pytest.param(IDENTITY, [0, 1, 2, 3, 4, 5], Fraction(1), id="identity"),
        pytest.param(linear(2, -3), [-3, -1, 1, 3, 5, 7], Fraction(2), id="stride-2-padding-3"),
        pytest.param(scaled_down(1, 2), [0, 0, 1, 1, 2, 2], Fraction(1, 2), id="nearest-times-2"),
        pytest.param(scaled_down(7, 3), [0, 2, 4, 7, 9, 11], Fraction(7, 3), id="7-to-3"),
        pytest.param(scaled_down(1, 3, 1), [0, 0, 1, 1, 1, 2], Fraction(1, 3), id="times-3-shifted"),
        pytest.param(scaled_down(6, 4), [0, 1, 3, 4, 6, 7], Fraction(3, 2), id="fraction-in-lowest-terms"),
        pytest.param(IndexMap((0, 5), 7), [0, 5, 7, 12, 14, 19], Fraction(7, 2), id="two-steps"),
        pytest.param(linear(0, 4), [4, 4, 4, 4, 4, 4], Fraction(0), id="constant"),
    ],
)
def test_at(index_map: IndexMap, first: list[int], jump: Fraction) -> None:
    assert [index_map.at(o) for o in range(6)] == first
    assert index_map.jump == jump


def test_at_counts_down_before_the_first() -> None:
    assert [IndexMap((0, 5), 7).at(o) for o in (-1, -2, -3)] == [5 - 7, 0 - 7, 5 - 14]


@by_loops
@given(outer=index_maps(), inner=index_maps())
def test_after_composes(outer: IndexMap, inner: IndexMap) -> None:
    composed = outer.after(inner)
    assert [composed.at(o) for o in OVER] == [outer.at(inner.at(o)) for o in OVER]


@by_loops
@given(outer=index_maps(1), inner=index_maps(1))
def test_after_composes_linear_maps(outer: IndexMap, inner: IndexMap) -> None:
    composed = outer.after(inner)
    assert len(composed.steps) == 1
    assert [composed.at(o) for o in OVER] == [outer.at(inner.at(o)) for o in OVER]


@by_loops
@given(a=index_maps(4), b=index_maps(4), c=index_maps(4))
def test_after_is_associative_and_multiplies_jumps(a: IndexMap, b: IndexMap, c: IndexMap) -> None:
    one, other = a.after(b).after(c), a.after(b.after(c))
    assert [one.at(o) for o in OVER] == [other.at(o) for o in OVER]
    assert one.jump == a.jump * b.jump * c.jump


@by_loops
@given(inner=index_maps())
def test_identity_changes_nothing(inner: IndexMap) -> None:
    for composed in (IDENTITY.after(inner), inner.after(IDENTITY)):
        assert [composed.at(o) for o in OVER] == [inner.at(o) for o in OVER]


@by_loops
@given(numerator=st.integers(1, 12), denominator=st.integers(1, 12), start=st.integers(-9, 9))
def test_scaled_down_is_a_floor(numerator: int, denominator: int, start: int) -> None:
    scaled = scaled_down(numerator, denominator, start)
    assert [scaled.at(o) for o in OVER] == [(o * numerator + start) // denominator for o in OVER]
    assert scaled.jump == Fraction(numerator, denominator)


@by_loops
@given(shortest=index_maps(4), copies=st.integers(1, 4))
def test_reduced_keeps_the_map_and_has_the_fewest_steps(shortest: IndexMap, copies: int) -> None:
    period = len(shortest.steps) * copies
    less = reduced(tuple(shortest.at(o) for o in range(period)), shortest.advance * copies)
    assert [less.at(o) for o in OVER] == [shortest.at(o) for o in OVER]
    for fewer in range(1, len(less.steps)):
        assert len({less.at(o + fewer) - less.at(o) for o in range(len(less.steps))}) > 1


@by_loops
@given(a=index_maps(4), shift=st.lists(st.integers(-3, 3), min_size=1, max_size=4))
def test_aligned_lists_both_over_a_common_period(a: IndexMap, shift: list[int]) -> None:
    assume(a.advance * len(shift) % len(a.steps) == 0)
    b = IndexMap(tuple(shift), a.advance * len(shift) // len(a.steps))
    ours, theirs, advance = aligned(a, b)
    assert len(ours) == len(theirs)
    assert [IndexMap(ours, advance).at(o) for o in OVER] == [a.at(o) for o in OVER]
    assert [IndexMap(theirs, advance).at(o) for o in OVER] == [b.at(o) for o in OVER]
