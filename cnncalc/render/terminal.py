"""A report for a person at a terminal: a table that fits the window, totals with their sums written out, remarks.

`lines` lays everything out as plain text with a style a line, so that a pipe gets the same without any colour.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from textwrap import wrap
from typing import NamedTuple, TextIO

from cnncalc.diagnostics import printable, text_width
from cnncalc.messages import numbered, text
from cnncalc.render.columns import Column, body, default, heading, total
from cnncalc.render.summary import memory, memory_title, remark_text, remarks, size_text, totals
from cnncalc.report import Report
from cnncalc.shapes import shape_text

GAP = "  "
NARROWEST_NAME = 12
MOST_REMARKS = 6
NAMES = 11  # columns that the names of totals take
# A wide sign, or a word of narrow ones, each with the punctuation and space that belong to it.
_BETWEEN = re.compile(r"\s*“?（?(?:[⺀-\U0003FFFF]|[^\s⺀-\U0003FFFF]+)[，。、；：）”？]*\s*")


class Line(NamedTuple):
    text: str
    style: str = ""


def printed(drawn: Iterable[Line]) -> list[Line]:
    """Lines without characters that a terminal would obey."""
    return [Line(printable(line.text), line.style) for line in drawn]


def write(
    report: Report, columns: Sequence[Column] | None = None, stream: TextIO | None = None, language: str = "en"
) -> None:
    """Write a report to a stream (standard output): within its width and in colour where it is a terminal."""
    put(lambda width: lines(report, columns, width, language), stream)


def put(drawn: Callable[[int | None], list[Line]], stream: TextIO | None = None) -> None:
    """Write lines that are drawn for a width: a terminal's, in colour; none for any other stream.

    What a stream's encoding has no sign for is a question mark.
    """
    stream = sys.stdout if stream is None else stream
    if not stream.isatty():
        encoding = stream.encoding or "utf-8"
        text = "\n".join(line.text for line in drawn(None)) + "\n"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in drawn(console.width):
        console.print(Text(line.text, line.style), soft_wrap=True)


def lines(
    report: Report, columns: Sequence[Column] | None = None, width: int | None = None, language: str = "en"
) -> list[Line]:
    """All of it. Without `columns` those that fit `width` are shown, and what is left out is said."""
    facts = [*_totals(report, language), *_remarks(report, language)]
    drawn = [*_title(report, language), Line(""), *table(report, columns, width, language), Line("")]
    drawn += _within(facts, width)
    return printed(drawn)


def _within(facts: Sequence[Line], width: int | None) -> list[Line]:
    """Sentences that go on in the next line where they are longer than the window."""
    if width is None:
        return list(facts)
    drawn = []
    for line in facts:
        indent = " " * (len(line.text) - len(line.text.lstrip()) + 4)
        if text_width(line.text) == len(line.text):
            parts = wrap(line.text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        else:
            parts = _wrapped(line.text, width, indent)
        drawn += [Line(part, line.style) for part in parts or [line.text]]
    return drawn


def _wrapped(sentence: str, width: int, indent: str) -> list[str]:
    """Lines of a sentence with wide signs, between any two of which it may be broken, but not before punctuation."""
    found = [""]
    for piece in _BETWEEN.findall(sentence):
        if found[-1].strip() and text_width(found[-1] + piece.rstrip()) > width:
            found[-1] = found[-1].rstrip()
            found.append(indent + piece.lstrip())
        else:
            found[-1] += piece
    return found


def _title(report: Report, language: str) -> list[Line]:
    name = report.name or report.source
    inputs = ", ".join(_tensor(value.name, value.shape, report, len(report.inputs)) for value in report.inputs)
    outputs = ", ".join(_tensor(value.name, value.shape, report, len(report.outputs)) for value in report.outputs)
    where = f" ({report.source})" if report.name else ""
    layers = numbered("layers", report.totals.layers, language)
    ends = text("ends", language, inputs=inputs, outputs=outputs, layers=layers)
    return [Line(f"{name}{where}", "bold"), Line(ends)]


def _tensor(name: str, shape: list[int], report: Report, several: int) -> str:
    written = shape_text(tuple(shape), report.layout)
    return f"{name} {written}" if several > 1 else written


# The table ------------------------------------------------------------------------------------------------------------


def table(
    report: Report, columns: Sequence[Column] | None = None, width: int | None = None, language: str = "en"
) -> list[Line]:
    wanted = list(columns) if columns is not None else default(report)
    rows = body(report, wanted, language)
    sums = total(report, wanted, language)
    heads = [heading(column, report, language) for column in wanted]
    widths = [max(map(text_width, cell)) for cell in zip(heads, sums, *rows, strict=True)]
    left_out: list[Column] = []
    while columns is None and width is not None and len(wanted) > 4 and _needed(widths, fold_first=True) > width:
        left_out.insert(0, wanted.pop())
        widths.pop()
        for row in (heads, sums, *rows):
            row.pop()
    if width is not None and wanted[0].key == "layer":
        widths[0] = max(min(NARROWEST_NAME, widths[0]), min(widths[0], width - _needed([0, *widths[1:]])))
    drawn_lines = [Line(_joined(heads, widths, wanted), "bold"), Line(GAP.join("-" * size for size in widths), "dim")]
    for row in rows:
        drawn_lines += [Line(line) for line in _folded(row, widths, wanted)]
    drawn_lines += [drawn_lines[1], Line(_joined(sums, widths, wanted), "bold")]
    if left_out:
        names = ", ".join(column.key for column in left_out)
        drawn_lines += _within([Line(text("left-out", language, width=width, names=names), "dim")], width)
    return drawn_lines


def _needed(widths: Sequence[int], fold_first: bool = False) -> int:
    first = min(widths[0], 26) if fold_first else widths[0]
    return first + sum(widths[1:]) + len(GAP) * (len(widths) - 1)


def _joined(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    parts = [
        _blank(cell, size) + cell if column.number else cell + _blank(cell, size)
        for cell, size, column in zip(row, widths, columns, strict=True)
    ]
    return GAP.join(parts).rstrip()


def _blank(cell: str, size: int) -> str:
    """What fills a cell up."""
    return " " * (size - text_width(cell))


def _folded(row: list[str], widths: Sequence[int], columns: Sequence[Column]) -> list[str]:
    """A row; a name longer than its column goes on in the next line, broken at a dot where it can be."""
    name, size = row[0], widths[0]
    if len(name) <= size:
        return [_joined(row, widths, columns)]
    parts = []
    while len(name) > size:
        cut = name.rfind(".", 1, size) + 1 or size
        parts.append(name[:cut])
        name = name[cut:]
        size = widths[0] - 1
    parts.append(name)
    first = _joined([parts[0], *row[1:]], widths, columns)
    return [first, *[f" {part}" for part in parts[1:]]]


# Totals and remarks ---------------------------------------------------------------------------------------------------


def _totals(report: Report, language: str) -> list[Line]:
    rows = totals(report, language)
    width = max(len(f"{row.value:,}") for row in rows)
    drawn = [Line(f"{row.name}{_blank(row.name, NAMES)}  {row.value:>{width},}  {row.what}") for row in rows]
    drawn += [Line(""), Line(memory_title(report, language), "bold")]
    for row in memory(report, language):
        named = text("colon", language, name=row.name, rest=size_text(row.size, language))
        drawn.append(Line(f"  {named}"))
        drawn += [Line(f"    {'+' if position else '='} {term}", "dim") for position, term in enumerate(row.terms)]
    return [*drawn, Line(f"  {text('memory.torch', language)}", "dim")]


def _remarks(report: Report, language: str) -> list[Line]:
    ordered = sorted(remarks(report, language), key=lambda remark: remark.severity != "warning")
    drawn = [Line("")] if ordered else []
    for remark in ordered[:MOST_REMARKS]:
        drawn.append(Line(remark_text(remark, language), "yellow" if remark.severity == "warning" else "dim"))
        if remark.help:
            drawn.append(Line(f"  {text('help', language, help=remark.help)}", "dim"))
    if len(ordered) > MOST_REMARKS:
        drawn.append(Line(text("more-remarks", language, count=len(ordered) - MOST_REMARKS), "dim"))
    return drawn
