"""Values as they are read: constants at once, the rest against names."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from cnncalc.diagnostics import DocumentError, Findings, Source
from cnncalc.language.source import parse
from cnncalc.language.terms import Term, read_term, shown


def term(text: str, *known: str, words: tuple[str, ...] = (), bare_words: bool = False) -> Term:
    found = Findings()
    node = parse(Source("net.yaml", text), found)
    result = read_term(node, known, found, words, bare_words)
    found.raise_if_any()
    return result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("0.75", Fraction(3, 4)),
        ("2.0", 2),
        ("true", True),
        ("~", None),
        ("4 * 8", 32),
        ("'64'", 64),
        ("7 / 2", Fraction(7, 2)),
        ("[3, 2 + 3]", (3, 5)),
        ("[[1, 2], [3, 4]]", ((1, 2), (3, 4))),
        ("{width: 4, depths: [1, 2]}", {"width": 4, "depths": (1, 2)}),
    ],
)
def test_constants(text: str, value: Any) -> None:
    read = term(text)
    assert read.constant
    assert read.value == value
    assert type(read.value) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 * w", 128),
        ("w", 32),
        ("[w, 2 * w, 3]", (32, 64, 3)),
        ("{width: w, kernel: 3}", {"width": 32, "kernel": 3}),
        ("[{a: [w]}]", ({"a": (32,)},)),
    ],
)
def test_expressions(text: str, value: Any) -> None:
    read = term(text, "w")
    assert not read.constant
    assert read.names == {"w"}
    assert read.evaluate({"w": 32}) == value


def test_words_of_a_field_are_taken_as_they_are() -> None:
    assert term("same", "w", words=("same", "valid")).value == "same"
    assert term("w", "w", words=("same", "valid")).evaluate({"w": 3}) == 3
    with pytest.raises(DocumentError, match="`sam` is not a known name"):
        term("sam", "w", words=("same", "valid"))


def test_bare_words_are_text_where_text_may_stand() -> None:
    assert term("relu", "w", bare_words=True).value == "relu"
    assert term("w", "w", bare_words=True).evaluate({"w": 3}) == 3
    assert term("[relu, w]", "w", bare_words=True).evaluate({"w": 3}) == ("relu", 3)
    with pytest.raises(DocumentError, match="`relu` is not a known name"):
        term("2 * relu", "w", bare_words=True)


def test_an_unknown_name_is_said_once() -> None:
    with pytest.raises(DocumentError) as caught:
        term("[size, 2 * size, depth]")
    assert [diagnostic.message for diagnostic in caught.value.diagnostics] == [
        "`size` is not a known name",
        "`depth` is not a known name",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 4 * widht", "widht"),
        ("a: '4 * widht'", "widht"),
        ('a: "4 * widht"', "widht"),
        ("a: [1, 4 * widht]", "widht"),
        ("a: 3 if 'é中' == widht else 4", "widht"),
        ('a: "\\x34 * widht"', '"\\x34 * widht"'),  # escapes: the place inside is not known
    ],
)
def test_mistakes_point_at_their_part_of_the_text(text: str, part: str) -> None:
    with pytest.raises(DocumentError) as caught:
        term(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert text[diagnostic.span.start : diagnostic.span.end] == part


def test_lists_that_grow_too_large() -> None:
    read = term("[a, a, a]", "a")
    assert len(read.evaluate({"a": (0,) * 3000})) == 3
    with pytest.raises(DocumentError, match="the list is too large"):
        read.evaluate({"a": (0,) * 4000})


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("7", 7, "`7`"),
        ("1e-5", Fraction(1, 100_000), "`1e-5`"),
        ("4 * w", 128, "`4 * w`, which is 128"),
        ("w", Fraction(1, 3), "`w`, which is 1/3"),
        ("null", None, "`null`"),
        ("[w, 3]", (1, 3), "`[1, 3]`"),
        ("{a: w}", {"a": 1}, "`{a: 1}`"),
    ],
)
def test_shown(text: str, value: Any, words: str) -> None:
    node = parse(Source("net.yaml", text), Findings())
    assert shown(node, value) == words
