"""How a mistake looks, and how several are put in order."""

from __future__ import annotations

import pytest

from cnncalc.diagnostics import (
    MAX_DIAGNOSTICS,
    Diagnostic,
    DocumentError,
    Findings,
    Note,
    Source,
    Span,
    choices,
    near,
    quoted,
    render,
)

SOURCE = Source("net.yaml", "input: 8x8x3\nlayers:\n  - relu\n")


def span(part: str, source: Source = SOURCE) -> Span:
    start = source.text.index(part)
    return Span(source, start, start + len(part))


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (7, (1, 8)), (12, (1, 13)), (13, (2, 1)), (25, (3, 5)), (30, (4, 1))]
)
def test_position(offset: int, place: tuple[int, int]) -> None:
    assert SOURCE.position(offset) == place
    assert Source("net.yaml", SOURCE.text).position(offset) == place


def test_positions_in_any_order() -> None:
    source = Source("net.yaml", SOURCE.text)
    assert [source.position(offset)[0] for offset in (30, 0, 20, 13)] == [4, 1, 2, 2]
    assert [source.line_at(offset) for offset in (25, 3)] == ["  - relu", "input: 8x8x3"]


def test_a_diagnostic_without_a_place() -> None:
    assert render(Diagnostic("no-such-file", "there is no file x", help="look again")) == (
        "error[no-such-file]: there is no file x\n  = help: look again"
    )


def test_everything_a_diagnostic_may_have() -> None:
    diagnostic = Diagnostic(
        "some-rule",
        "this cannot be",
        span("relu"),
        label="not this",
        notes=(Note("without a place"), Note("the input is here", span("8x8x3"))),
        help="type that",
        severity="warning",
    )
    assert (
        str(diagnostic)
        == """\
net.yaml:3:5: warning[some-rule]: this cannot be
  |
3 |   - relu
  |     ^^^^ not this
  = note: without a place
  = note: the input is here, net.yaml:1:8
  = help: type that"""
    )


@pytest.mark.parametrize(
    ("line", "part", "marked"),
    [
        pytest.param("a: bcd", "bcd", "1 | a: bcd\n  |    ^^^", id="plain"),
        pytest.param("é: bcd", "bcd", "1 | é: bcd\n  |    ^^^", id="an accented letter"),
        pytest.param("e\u0301: bcd", "bcd", "1 | e\u0301: bcd\n  |    ^^^", id="a letter and its accent"),
        pytest.param("中文: bcd", "bcd", "1 | 中文: bcd\n  |       ^^^", id="wide characters before"),
        pytest.param("a: 中文", "中文", "1 | a: 中文\n  |    ^^^^", id="wide characters marked"),
        pytest.param("\ta:\tb", "b", "1 | \ta:\tb\n  | \t  \t^", id="tabs"),
        pytest.param("a\x1b: b", "b", "1 | a?: b\n  |     ^", id="control characters"),
        pytest.param("a: b\r", "b", "1 | a: b\n  |    ^", id="carriage return"),
    ],
)
def test_carets_stand_under_what_they_mark(line: str, part: str, marked: str) -> None:
    text = render(Diagnostic("some-rule", "this cannot be", span(part, Source("net.yaml", line))))
    assert text.split("\n", 2)[2] == marked


def test_a_span_over_several_lines_is_marked_in_the_first() -> None:
    marked = render(Diagnostic("some-rule", "this cannot be", span("8x8x3\nlayers:"))).split("\n")
    assert marked[2:] == ["1 | input: 8x8x3", "  |        ^^^^^"]


def test_a_span_at_the_end_of_the_text() -> None:
    end = len(SOURCE.text)
    marked = render(Diagnostic("some-rule", "this cannot be", Span(SOURCE, end, end + 1))).split("\n")
    assert marked == ["net.yaml:4:1: error[some-rule]: this cannot be", "  |", "4 |", "  | ^"]


def test_the_margin_is_as_wide_as_the_line_s_number() -> None:
    source = Source("net.yaml", "\n" * 99 + "a: b")
    marked = render(Diagnostic("some-rule", "this cannot be", span("b", source), help="type c"))
    assert marked.split("\n")[1:] == ["    |", "100 | a: b", "    |    ^", "    = help: type c"]


def test_a_long_line_is_cut_on_both_sides() -> None:
    source = Source("net.yaml", "x" * 500 + "bad" + "y" * 500)
    _, _, line, carets = render(Diagnostic("some-rule", "this cannot be", span("bad", source))).split("\n")
    assert line == "1 | ..." + "x" * 80 + "bad" + "y" * 77 + "..."
    assert carets.index("^") == line.index("bad")
    assert carets.count("^") == 3


def test_a_message_cannot_drive_the_terminal() -> None:
    assert (
        render(Diagnostic("some-rule", "the name \x1b[31m\n is wrong")) == "error[some-rule]: the name ?[31m? is wrong"
    )


def test_findings_in_document_order() -> None:
    found, base = Findings(), Source("base.yaml", "a: b\n")
    found.add(Diagnostic("second", "later", span("layers")))
    found.add(Diagnostic("third", "elsewhere", span("b", base)))
    found.add(Diagnostic("first", "earlier", span("input")))
    with pytest.raises(DocumentError) as caught:
        found.raise_if_any()
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["first", "second", "third"]
    assert str(caught.value).count("\n\n") == 2


def test_no_findings_raise_nothing() -> None:
    Findings().raise_if_any()


def test_findings_end_where_nobody_reads_on() -> None:
    found = Findings()
    for _ in range(MAX_DIAGNOSTICS - 1):
        found.add(Diagnostic("some-rule", "this cannot be", span("relu")))
    with pytest.raises(DocumentError) as caught:
        found.add(Diagnostic("some-rule", "nor can this", span("input")))
    assert len(caught.value.diagnostics) == MAX_DIAGNOSTICS + 1
    assert caught.value.diagnostics[0].message == "nor can this"
    assert caught.value.diagnostics[-1].code == "too-many-mistakes"


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("widht", ["depth", "width", "i"], ["width"]),
        ("BatchNorm", ["batch_norm", "group_norm"], ["batch_norm"]),
        ("max-pool", ["avg_pool", "max_pool"], ["max_pool"]),
        ("relu", ["relu1", "relu2", "tanh"], ["relu1", "relu2"]),
        ("vgg61", ["vgg11", "vgg13", "vgg16", "vgg19"], ["vgg16", "vgg11", "vgg13"]),
        ("quantum", ["relu", "tanh"], []),
        ("w" * 1000, ["w"], []),
        ("x", [], []),
    ],
)
def test_near(word: str, known: list[str], expected: list[str]) -> None:
    assert near(word, known) == expected
    assert near(word, set(known)) == expected


def test_near_among_very_many() -> None:
    assert near("layer_54321_relu", [f"layer_{number}_rellu" for number in range(100_000)])[0] == "layer_54321_rellu"


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "`a`"), (["a", "b"], "`a` or `b`"), (["a", "b", "c"], "`a`, `b` or `c`")]
)
def test_choices(names: list[str], text: str) -> None:
    assert choices(names) == text


def test_quoted() -> None:
    assert quoted("relu") == "`relu`"
    assert quoted("r" * 60) == f"`{'r' * 60}`"
    assert quoted("r" * 61) == f"`{'r' * 57}...`"
