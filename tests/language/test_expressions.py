"""Arithmetic inside documents: exact, small, and nothing else of Python."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.language.expressions import (
    FUNCTIONS,
    MAX_BITS,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_LENGTH,
    MAX_NESTING,
    Expression,
    ExpressionError,
    exact,
    make_divisible,
    unknown_name,
    value_text,
    within_bounds,
)

NAMES: dict[str, Any] = {
    "width": 32,
    "ratio": Fraction(3, 4),
    "flag": True,
    "off": False,
    "nothing": None,
    "act": "relu",
    "widths": (64, 128, 256),
    "stem": {"width": 16, "kernel": (7, 5)},
    "i": 2,
}


def value(text: str) -> Any:
    return Expression(text).evaluate(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4 * width", 128),
        ("width + 1", 33),
        ("width - 40", -8),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("2 ** 10", 1024),
        ("2 ** -1", Fraction(1, 2)),
        ("(-2) ** 3", -8),
        ("- -3", 3),
        ("+3", 3),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("  2 + 2  ", 4),
        ("1_000", 1000),
        ("0x10", 16),
    ],
)
def test_arithmetic(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.75 * 32", 24),
        ("0.1 + 0.2", Fraction(3, 10)),  # floats give 0.30000000000000004
        ("0.1 * 3 == 0.3", True),
        ("7 / 2", Fraction(7, 2)),
        ("8 / 2", 4),
        ("ratio * width", 24),
        ("1.4 * 1.4 * 100", 196),  # floats give 195.99999999999997
        ("1e-3 * 1000", 1),
        ("2 ** 200 + 1 - 2 ** 200", 1),  # floats give 0
    ],
)
def test_numbers_are_exact(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width > 31", True),
        ("width <= 31", False),
        ("1 < width < 33", True),
        ("1 < width < 3", False),
        ("width == 32 and flag", True),
        ("off or flag", True),
        ("not flag", False),
        ("flag and not off", True),
        ("act == 'relu'", True),
        ("act != 'relu'", False),
        ("64 in widths", True),
        ("3 not in widths", True),
        ("'width' in stem", True),
        ("nothing == null", True),
        ("[1, 2] == (1, 2)", True),
        ("true", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 if i == 2 else 1", 2),
        ("2 if i == 0 else 1", 1),
        ("widths[0]", 64),
        ("widths[i]", 256),
        ("widths[-1]", 256),
        ("stem.width", 16),
        ("stem.kernel[1]", 5),
        ("stem['width']", 16),
        ("[width, 2 * width]", (32, 64)),
        ("(width, 1)", (32, 1)),
        ("[1] * 3", (1, 1, 1)),
        ("2 * [1, 2]", (1, 2, 1, 2)),
        ("[1] + widths", (1, 64, 128, 256)),
        ("act", "relu"),
        ("null", None),
    ],
)
def test_choices_and_collections(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max(1, width, 3)", 32),
        ("max(widths)", 256),
        ("min(widths)", 64),
        ("min(4, ratio)", Fraction(3, 4)),
        ("ceil(7 / 2)", 4),
        ("ceil(-7 / 2)", -3),
        ("floor(7 / 2)", 3),
        ("floor(-7 / 2)", -4),
        ("int(7 / 2)", 3),
        ("int(-7 / 2)", -3),
        ("round(7 / 2)", 4),
        ("round(5 / 2)", 2),  # to even, as Python rounds
        ("abs(-3)", 3),
        ("len(widths)", 3),
        ("len(stem)", 2),
        ("sum(widths)", 448),
        ("make_divisible(37)", 40),
        ("make_divisible(37, 4)", 36),
        ("make_divisible(37, divisor=16)", 48),
    ],
)
def test_functions(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(
    ("v", "divisor", "expected"),
    [
        (32 * 0.75, 8, 24),
        (24 * 1.4, 8, 32),  # 33.6 + 4 = 37.6, down to 32; 32 is more than 0.9 · 33.6 = 30.24
        (16 * 0.35, 8, 8),  # never below the divisor
        (8 * 1.4, 8, 16),  # 11.2 + 4 = 15.2, down to 8, less than 0.9 · 11.2 = 10.08, so 16
        (1280 * 1.4, 8, 1792),
        (12, 8, 16),
        (11, 8, 16),  # 15 // 8 · 8 = 8 < 9.9
    ],
)
def test_make_divisible(v: float, divisor: int, expected: int) -> None:
    assert make_divisible(exact(v), divisor) == expected


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(1, 5000), st.sampled_from([1, 2, 4, 8, 16]))
def test_make_divisible_is_a_near_multiple(v: int, divisor: int) -> None:
    result = make_divisible(v, divisor)
    assert result % divisor == 0
    assert result >= divisor
    assert 10 * result >= 9 * v
    assert result - v < divisor + divisor / 2 + v / 10


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("4 * width", {"width"}),
        ("a if b == c else d[e].f", {"a", "b", "c", "d", "e"}),
        ("max(a, 3)", {"a"}),
        ("true and not null", set()),
        ("width", {"width"}),
    ],
)
def test_names(text: str, names: set[str]) -> None:
    assert set(Expression(text).names) == names


def test_names_have_places() -> None:
    assert Expression("2 * width + width").names == {"width": (4, 9)}
    assert Expression("'é中' == width").names == {"width": (8, 13)}


@pytest.mark.parametrize(("text", "is_word"), [("relu", True), ("a.b", False), ("4", False), ("a b", False)])
def test_is_word(text: str, is_word: bool) -> None:
    try:
        assert Expression(text).is_word is is_word
    except ExpressionError:
        assert not is_word


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("4 *", "not-an-expression", "4 *"),
        ("a b", "not-an-expression", "b"),
        ("lambda: 1", "not-an-expression", "lambda: 1"),
        ("1 + (a := 3)", "not-an-expression", "a := 3"),
        ("width, 3", "not-an-expression", "width, 3"),
        ("", "not-an-expression", ""),
        ("True", "not-an-expression", "True"),
        ("3j", "not-an-expression", "3j"),
        ("b'x'", "not-an-expression", "b'x'"),
        ("f'{width}'", "not-an-expression", "f'{width}'"),
        ("widths[0:2]", "not-an-expression", "widths[0:2]"),
        ("max(*widths)", "not-an-expression", "*widths"),
        ("width is 3", "not-an-expression", "width is 3"),
        ("~width", "not-an-expression", "~width"),
        ("2 + width << 9", "not-an-expression", "2 + width << 9"),
        ("1 + print(3)", "unknown-function", "print"),
        ("stem.keys()", "unknown-function", "stem.keys"),
        ("'a'.join(widths)", "unknown-function", "'a'.join"),
        ("2 * hight", "unknown-name", "hight"),
        ("1 + 7 // (width - 32)", "division-by-zero", "7 // (width - 32)"),
        ("7 % 0", "division-by-zero", "7 % 0"),
        ("0 ** -1", "division-by-zero", "0 ** -1"),
        ("1 + 9**9**9", "value-too-large", "9**9**9"),
        ("1e999", "value-too-large", "1e999"),
        ("[0] * 10**9", "value-too-large", "[0] * 10**9"),
        ("'a' * 10**9", "no-value", "'a' * 10**9"),
        ("1 + widths", "no-value", "1 + widths"),
        ("widths[3]", "no-value", "widths[3]"),
        ("widths[ratio]", "no-value", "widths[ratio]"),
        ("stem.height", "no-value", "stem.height"),
        ("width.height", "no-value", "width.height"),
        ("act < 3", "no-value", "act < 3"),
        ("2 ** ratio", "no-value", "2 ** ratio"),
        ("max([])", "no-value", "max([])"),
        ("sum(['a'])", "no-value", "sum(['a'])"),
        ("().__class__", "no-value", "().__class__"),
    ],
)
def test_what_is_wrong_and_where(text: str, code: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert caught.value.code == code
    assert text[caught.value.start : caught.value.end] == part


def test_conditions_stop_where_they_are_decided() -> None:
    assert value("flag or 1 // 0 > 0") is True
    assert value("off and 1 // 0 > 0") is False
    assert value("1 if flag else 1 // 0") == 1


def test_bounds() -> None:
    assert value(f"2 ** {MAX_BITS - 1}") == 2 ** (MAX_BITS - 1)
    with pytest.raises(ExpressionError, match="at most 256 bits"):
        value(f"2 ** {MAX_BITS}")
    assert len(value(f"[0] * {MAX_ITEMS}")) == MAX_ITEMS
    with pytest.raises(ExpressionError, match="at most 10,000 items"):
        value(f"[0] * {MAX_ITEMS + 1}")
    with pytest.raises(ExpressionError, match="at most 10,000 items"):
        value("[[0] * 200] * 100")
    assert value("1" + "+1" * (MAX_DEPTH - 2)) == MAX_DEPTH - 1
    with pytest.raises(ExpressionError, match="more than 50 operations"):
        value("1" + "+1" * MAX_DEPTH)
    assert value("1" + " " * (MAX_LENGTH - 1)) == 1
    with pytest.raises(ExpressionError, match="at most 500 characters"):
        Expression("1" + " " * MAX_LENGTH)


def test_within_bounds() -> None:
    deep: Any = ()
    for _ in range(MAX_NESTING - 1):
        deep = (deep,)
    assert within_bounds(deep)
    assert not within_bounds(((deep,),))
    assert within_bounds({"a": (1, 2)})
    assert within_bounds(None)
    assert within_bounds("text")
    assert not within_bounds(Fraction(1, 2**MAX_BITS))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (Fraction(7, 2), "3.5"),
        (Fraction(1, 3), "1/3"),
        ((1, Fraction(1, 2)), "[1, 0.5]"),
        ({"a": 1, "b": (2,)}, "{a: 1, b: [2]}"),
        ("relu", "relu"),
        ((0,) * 100, "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ..."[:57] + "..."),
    ],
)
def test_value_text(value: object, text: str) -> None:
    assert value_text(value) == text


def test_exact() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(2.0) == 2
    assert type(exact(2.0)) is int
    assert exact([0.5, {"a": 0.25}]) == (Fraction(1, 2), {"a": Fraction(1, 4)})
    assert exact("0.5") == "0.5"


def test_unknown_names_are_explained() -> None:
    assert unknown_name("widht", ["width"])[2] == "did you mean `width`?"
    assert unknown_name("x", ["width", "depth"])[2] == "names here: depth, width"
    assert unknown_name("x", [])[2] == "name it under `args:`"
    assert "belongs to a `repeat`" in unknown_name("i", ["width"])[1]
    assert "belongs to a block" in unknown_name("block_in_channels", [])[1]
    assert all("needs its arguments" in unknown_name(name, [])[1] for name in FUNCTIONS)
