"""Numbers that are not known: all that their domain allows takes the branches that they took, tried one by one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import ceil, floor, gcd
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.closed import NoClosedForm, beside
from cnncalc.readings import ceil_div, common_divisor, maximum, minimum
from cnncalc.unknowns import (
    Condition,
    Domain,
    Letter,
    Polynomial,
    Unknown,
    constant,
    polynomial_of,
    quotient,
    variable,
)

MOST = 60  # of the values that are tried


def domain(**samples: int) -> tuple[Domain, list[Any]]:
    found = Domain({name: Letter(name, name, value, most=MOST) for name, value in samples.items()})
    return found, [found.unknown(name) for name in samples]


def allowed(found: Domain) -> list[dict[str, int]]:
    names = list(found.letters)
    every = [dict(zip(names, values, strict=True)) for values in product(range(1, MOST + 1), repeat=len(names))]
    return [values for values in every if found.broken(values) is None]


# One form -------------------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    return repr(polynomial_of(value))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda H: H // 2 // 2, lambda H: H // 4),
        (lambda H: (H // 2 + 1) // 2, lambda H: (H + 2) // 4),
        (lambda H: ceil_div(H, 2), lambda H: (H + 1) // 2),
        (lambda H: -(-H // 3), lambda H: (H + 2) // 3),
        (lambda H: (H - 7) // 4 + 1, lambda H: (H + 1) // 4 - 1),
        (lambda H: (3 * H) // 3, lambda H: H),
        (lambda H: (H + 8) // 4 - 2, lambda H: H // 4),
        (lambda H: H % 2 + H // 2 * 2, lambda H: H),
        (lambda H: (H + 1) ** 2 - H * H - 2 * H, lambda H: 1),
        (lambda H: H * 6 // (H * 2), lambda H: 3),
        (lambda H: (H * H + 2 * H + 1) // (H + 1), lambda H: H + 1),
    ],
)
def test_the_same_number_has_one_form(one: Callable[[Any], Any], other: Callable[[Any], Any]) -> None:
    _, (H,) = domain(H=20)
    assert text(one(H)) == text(other(H))
    for value in range(1, MOST):
        assert one(value) == other(value)


SHAPES = st.recursive(
    st.sampled_from(["H", "W"]) | st.integers(-9, 9),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
        st.tuples(st.sampled_from(["//", "%", "ceil"]), inner, st.integers(1, 6)),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner),
    ),
    max_leaves=6,
)
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "ceil": ceil_div,
    "min": minimum,
    "max": maximum,
}


def calculated(shape: Any, names: dict[str, Any]) -> Any:
    if isinstance(shape, tuple):
        sign, a, b = shape
        return OPERATIONS[sign](calculated(a, names), calculated(b, names))
    return names.get(shape, shape)


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.lists(SHAPES, max_size=3), st.integers(1, 15), st.integers(1, 20), st.sampled_from([1, 1, 2, 4]))
def test_a_form_holds_for_all_that_its_domain_allows(
    shape: Any, questions: list[Any], H: int, W: int, multiple: int
) -> None:
    """Questions on the way (which is larger, is it 0, is it even) narrow the domain; all in it answer as the sample."""
    found, letters = domain(H=H * multiple, W=W)
    found.letters["H"].least = found.letters["H"].multiple = multiple
    names = dict(zip(found.letters, letters, strict=True))
    answers = []
    for question in questions:
        value = calculated(question, names)
        answers.append((question, value > 3, value == 2, value % 2 == 0))
    form = polynomial_of(calculated(shape, names))
    tried = allowed(found)
    assert {"H": H * multiple, "W": W} in tried
    for values in tried:
        assert form.at(values) == calculated(shape, values)
        for question, larger, equal, even in answers:
            number = calculated(question, values)
            assert (number > 3, number == 2, number % 2 == 0) == (larger, equal, even)


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.integers(1, 20), st.integers(1, 20))
def test_a_least_value_is_one(shape: Any, H: int, W: int) -> None:
    found, letters = domain(H=H, W=W)
    form = polynomial_of(calculated(shape, dict(zip(found.letters, letters, strict=True))))
    low = found.least(form)
    assert low is None or all(form.at(values) >= low for values in allowed(found))


# Proofs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        lambda H, W: H >= 1,
        lambda H, W: H * W + H > W,
        lambda H, W: (H + 1) // 2 >= H // 2,
        lambda H, W: (H + 3) // 4 <= (H + 1) // 4 + 1,
        lambda H, W: 2 * ((H + 1) // 2) - H <= 1,
        lambda H, W: H // 2 + (H + 1) // 2 == H,
        lambda H, W: H // 4 + (H + 1) // 4 + (H + 2) // 4 + (H + 3) // 4 == H,
        lambda H, W: H - H // 3 * 3 < 3,
        lambda H, W: H != H + 1,
        lambda H, W: 5 * H + 1 != 0,
    ],
)
def test_what_always_holds_asks_nothing(question: Callable[[Any, Any], bool]) -> None:
    found, (H, W) = domain(H=12, W=9)
    with beside():
        assert question(H, W)
    assert len(allowed(found)) == MOST * MOST


@pytest.mark.parametrize(
    ("question", "answer", "least", "most", "multiple"),
    [
        (lambda H: H >= 5, True, 5, MOST, 1),
        (lambda H: H > 30, False, 1, 30, 1),
        (lambda H: (H - 7) // 4 + 1 >= 2, True, 11, MOST, 1),
        (lambda H: (H // 2 - 1) // 2 < 4, False, 18, MOST, 1),
        (lambda H: H % 4 == 0, True, 4, 60, 4),
        (lambda H: H % 6 == 0 and H % 4 == 0 and H >= 13, True, 24, 60, 12),
        (lambda H: (3 * H) % 4 == 0, True, 4, 60, 4),
        (lambda H: H == 1, False, 2, MOST, 1),
        (lambda H: H == 24, True, 24, 24, 1),
        (lambda H: bool(H // 3), True, 3, MOST, 1),
    ],
)
def test_an_answer_narrows_the_domain(
    question: Callable[[Any], bool], answer: bool, least: int, most: int, multiple: int
) -> None:
    found, (H,) = domain(H=24)
    assert question(H) is answer
    letter = found.letters["H"]
    assert (letter.least, letter.most, letter.multiple) == (least, most, multiple)
    assert [values["H"] for values in allowed(found)] == [H for H in range(1, MOST + 1) if question(H) is answer]


def test_what_no_bound_says_is_kept_as_a_condition() -> None:
    found, (H, W) = domain(H=24, W=8)
    assert H > W
    assert H != 17
    assert (H - 3) % 4 == 1  # H is 4 more than a multiple of 4, so that
    assert text((H + 3) // 4) == text(H // 4)
    assert found.conditions[0] == Condition(variable("H") - variable("W") - constant(1), ">=")
    assert H >= W + 1
    assert H > W - 3
    assert len([each for each in found.conditions if each.relation == ">="]) == 1  # the first implies both
    expected = [(a, b) for a in range(1, 61) for b in range(1, 61) if a > b and a != 17 and (a - 3) % 4 == 1]
    assert [(values["H"], values["W"]) for values in allowed(found)] == expected


def test_a_remainder_that_is_known_is_used_from_then_on() -> None:
    found, (H,) = domain(H=21)
    assert H % 4 == 1
    assert text(H // 4) == text((H - 1) / 4)
    assert text((H + 3) // 4) == text((H - 1) / 4 + 1)
    assert [values["H"] for values in allowed(found)] == list(range(1, 61, 4))


def test_beside_what_is_counted_nothing_is_learned() -> None:
    found, (H,) = domain(H=24)
    with beside(), pytest.raises(NoClosedForm):
        bool(H > 5)
    with beside():
        assert H > 0
    assert len(allowed(found)) == MOST


def test_apart_is_forgotten() -> None:
    found, (H,) = domain(H=24)
    with found.apart() as narrower:
        assert H > 5
    assert len(allowed(found)) == MOST
    assert len(allowed(narrower)) == MOST - 5
    assert H > 5
    assert len(allowed(found)) == MOST - 5


# In an int's place ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda H: range(H),
        lambda H: [0] * H,
        lambda H: [1, 2, 3][H],
        lambda H: "abc"[:H],
        lambda H: gcd(H, 4),
        lambda H: int(H),
        lambda H: float(H),
        lambda H: round(H),
        lambda H: bytes(H),
        lambda H: hex(H),
        lambda H: 2**H,
        lambda H: H ** (-1),
        lambda H: 5 / H,
        lambda H: Fraction(3, 4) * H,
    ],
)
def test_its_value_is_not_given_away(read: Callable[[Any], Any]) -> None:
    _, (H,) = domain(H=24)
    with pytest.raises(NoClosedForm):
        read(H)


def test_it_says_that_it_is_an_int() -> None:
    _, (H,) = domain(H=24)
    assert isinstance(H, int)
    assert not isinstance(H, bool | tuple | str)
    assert type(H) is Unknown
    assert not issubclass(type(H), int)


def test_a_half_is_whole_where_the_number_is_even() -> None:
    found, (H, W) = domain(H=24, W=7)
    half, other = H / 2, W / 2
    assert found.letters["H"].multiple == 1
    assert isinstance(half, int)
    assert found.letters["H"].multiple == 2
    assert not isinstance(other, int)
    assert isinstance(other, Fraction)
    assert [values for values in allowed(found) if values["H"] % 2 or values["W"] % 2 == 0] == []


def test_equal_numbers_are_one_key_and_those_of_two_networks_are_not() -> None:
    _, (H,) = domain(H=24)
    _, (other,) = domain(H=24)
    assert len({H, H * 2 - H, (H + 1) - 1}) == 1
    assert other != H
    assert {H: 1}.get(other) is None
    assert H != "H"


def test_floor_ceil_and_truth() -> None:
    _, (H,) = domain(H=24)
    assert text(floor(H / 5)) == text(H // 5)
    assert text(ceil(H / 5)) == text((H + 4) // 5)
    assert divmod(H, 1) == (H, 0)
    with pytest.raises(ZeroDivisionError):
        H // 0


@pytest.mark.parametrize(("a", "b"), [("H", 4), (7, "H")])
def test_a_common_divisor(a: Any, b: Any) -> None:
    _, (H,) = domain(H=24)
    one, other = (H if each == "H" else each for each in (a, b))
    form = polynomial_of(common_divisor(one, other))
    for value in range(1, MOST):
        assert form.at({"H": value}) == gcd(*[value if each == "H" else each for each in (a, b)])
    assert common_divisor(H * 6, 3) == 3


def test_a_quotient_of_polynomials() -> None:
    x, y = variable("x"), variable("y")
    a, b = x * x - y * y, x + y
    assert quotient(a, b) == x - y
    assert quotient(a + constant(1), b) is None
    assert quotient(a, constant(2)) == Polynomial({term: factor / 2 for term, factor in a.terms.items()})
