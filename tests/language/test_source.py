"""YAML text as nodes: our scalar rules, and where everything stands."""

from __future__ import annotations

from typing import Any

import pytest

from cnncalc.diagnostics import DocumentError, Findings, Source
from cnncalc.language.source import Mapping, Node, Scalar, Sequence, describe, parse, plain, scalar_value


def parsed(text: str) -> Node:
    found = Findings()
    node = parse(Source("net.yaml", text), found)
    found.raise_if_any()
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("+7", 7),
        ("-7", -7),
        ("25_557_032", 25_557_032),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-5", 1e-5),
        ("1E3", 1000.0),
        ("1_000.25", 1000.25),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert scalar_value(text) == value
    assert type(scalar_value(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *["3:30", "1:2:3", "0123", "-012", "0o17", "0x1F", "0b11", "1__0", "_1", "1_", "1,000"],
        *["yes", "no", "on", "off", "y", "True", "FALSE", "Null", "NULL", ".inf", "-.inf", ".nan", "1e999", "-1e999"],
        *[".", "-", "+", ".e5", "+e5", "e5", "1e", "1e+", "2001-01-01", "224x224x3", "same", "4 * width", "١٢"],
        "9" * 101,
    ],
)
def test_text_stays_text(text: str) -> None:
    assert scalar_value(text) == text


def test_yaml_traps_in_a_document() -> None:
    node = parsed("time: 3:30\nanswer: yes\noctal: 0123\nsize: 224x224x3\nlarge: 1_000\nquoted: '1'\n")
    assert plain(node) == {
        "time": "3:30",
        "answer": "yes",
        "octal": "0123",
        "size": "224x224x3",
        "large": 1000,
        "quoted": "1",
    }


def test_keys_are_text() -> None:
    assert plain(parsed("{1: a, true: b, null: c, 1.50: d}")) == {"1": "a", "true": "b", "null": "c", "1.50": "d"}


def test_lists_are_tuples() -> None:
    assert plain(parsed("[1, [2, three], {four: 5}]")) == (1, (2, "three"), {"four": 5})


def test_spans_are_in_characters() -> None:
    text = "name: é中 ok\nlayers:\n  - conv: {out: '4 * w', k: [3, 5]}\n"
    node = parsed(text)
    assert isinstance(node, Mapping)
    name, layers = node.entries["name"], node.entries["layers"]
    assert text[name.start : name.end] == "é中 ok"
    assert isinstance(layers, Sequence)
    (conv,) = layers.items
    assert isinstance(conv, Mapping)
    fields = conv.entries["conv"]
    assert isinstance(fields, Mapping)
    assert text[conv.keys["conv"].start : conv.keys["conv"].end] == "conv"
    assert str(conv.keys["conv"].span) == "net.yaml:3:5"
    assert text[fields.start : fields.end] == "{out: '4 * w', k: [3, 5]}"
    out, k = fields.entries["out"], fields.entries["k"]
    assert text[out.start : out.end] == "'4 * w'"
    assert isinstance(out, Scalar)
    assert out.text == "4 * w"
    assert text[k.start : k.end] == "[3, 5]"
    assert (k.span.line, k.span.column) == (3, 29)


def test_part_of_a_text() -> None:
    source = Source("--set", "widths=[4, 8]")
    node = parse(source, Findings(), start=7)
    assert plain(node) == (4, 8)
    assert node.source is source
    assert source.text[node.start : node.end] == "[4, 8]"


def test_duplicate_keys_are_found_and_the_first_is_kept() -> None:
    found = Findings()
    node = parse(Source("net.yaml", "a: 1\nb: 2\na: 3\n"), found)
    assert plain(node) == {"a": 1, "b": 2}
    assert [(diagnostic.code, str(diagnostic.span)) for diagnostic in found.diagnostics] == [
        ("duplicate-key", "net.yaml:3:1")
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-document"),
        ("# nothing\n", "empty-document"),
        ("a: &x 1\nb: *x\n", "yaml-anchor"),
        ("a: *x\n", "yaml-alias"),
        ("a: !!int '3'\n", "yaml-tag"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("? [1]\n: 2\n", "key-not-a-word"),
        ("a: [1\n", "not-yaml"),
        ("{a: f(1, 2)}", "needs-quotes"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_brackets_need_no_quotes_outside_braces_or_inside_quotes() -> None:
    assert plain(parsed("a: max(1, 2)\nb: {c: 'max(1, 2)', d: (1)}\n")) == {
        "a": "max(1, 2)",
        "b": {"c": "max(1, 2)", "d": "(1)"},
    }


def test_a_hundred_levels_are_allowed() -> None:
    assert plain(parsed("[" * 100 + "1" + "]" * 100)) != 1
    with pytest.raises(DocumentError, match="more than 100 lists and mappings"):
        parsed("[" * 101 + "1" + "]" * 101)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "a list"),
        ("{a: 1}", "a mapping"),
        ("a: ", "nothing"),
        ("a: ''", "an empty text"),
        ("a: null", "`null`"),
        ("a: 4 * w", "`4 * w`"),
        ("a: " + "w" * 100, f"`{'w' * 57}...`"),
    ],
)
def test_describe(text: str, words: str) -> None:
    node = parsed(text)
    assert describe(node.entries["a"] if text.startswith("a") and isinstance(node, Mapping) else node) == words
