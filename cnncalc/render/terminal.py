"""A report for a person at a terminal: a table that fits the window, totals with their sums written out, remarks.

`lines` lays everything out as plain text with a style a line, so that a pipe gets the same without any colour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import NamedTuple, TextIO

from cnncalc.diagnostics import printable
from cnncalc.render.columns import Column, body, default, heading, total
from cnncalc.render.summary import counted, memory, memory_title, remark_text, size_text, totals
from cnncalc.report import Report
from cnncalc.shapes import shape_text

GAP = "  "
NARROWEST_NAME = 12
MOST_REMARKS = 6


class Line(NamedTuple):
    text: str
    style: str = ""


def write(report: Report, columns: Sequence[Column] | None = None, stream: TextIO | None = None) -> None:
    """Write a report to a stream (standard output): within its width and in colour where it is a terminal."""
    put(lambda width: lines(report, columns, width), stream)


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


def lines(report: Report, columns: Sequence[Column] | None = None, width: int | None = None) -> list[Line]:
    """All of it. Without `columns` those that fit `width` are shown, and what is left out is said."""
    facts = [*_totals(report), *_remarks(report)]
    drawn = [*_title(report), Line(""), *table(report, columns, width), Line(""), *_within(facts, width)]
    return [Line(printable(line.text), line.style) for line in drawn]


def _within(facts: Sequence[Line], width: int | None) -> list[Line]:
    """Sentences that go on in the next line where they are longer than the window."""
    if width is None:
        return list(facts)
    drawn = []
    for line in facts:
        indent = " " * (len(line.text) - len(line.text.lstrip()) + 4)
        parts = wrap(line.text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        drawn += [Line(part, line.style) for part in parts or [line.text]]
    return drawn


def _title(report: Report) -> list[Line]:
    name = report.name or report.source
    inputs = ", ".join(_tensor(value.name, value.shape, report, len(report.inputs)) for value in report.inputs)
    outputs = ", ".join(_tensor(value.name, value.shape, report, len(report.outputs)) for value in report.outputs)
    where = f" ({report.source})" if report.name else ""
    return [Line(f"{name}{where}", "bold"), Line(f"{inputs} -> {outputs}, {counted(report.totals.layers, 'layer')}")]


def _tensor(name: str, shape: list[int], report: Report, several: int) -> str:
    written = shape_text(tuple(shape), report.layout)
    return f"{name} {written}" if several > 1 else written


# The table ------------------------------------------------------------------------------------------------------------


def table(report: Report, columns: Sequence[Column] | None = None, width: int | None = None) -> list[Line]:
    wanted = list(columns) if columns is not None else default(report)
    rows = body(report, wanted)
    sums = total(report, wanted)
    heads = [heading(column, report) for column in wanted]
    widths = [max(map(len, cell)) for cell in zip(heads, sums, *rows, strict=True)]
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
        drawn_lines += _within([Line(f"(not shown at {width} columns: {names}; --columns chooses)", "dim")], width)
    return drawn_lines


def _needed(widths: Sequence[int], fold_first: bool = False) -> int:
    first = min(widths[0], 26) if fold_first else widths[0]
    return first + sum(widths[1:]) + len(GAP) * (len(widths) - 1)


def _joined(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    parts = [
        cell.rjust(size) if column.number else cell.ljust(size)
        for cell, size, column in zip(row, widths, columns, strict=True)
    ]
    return GAP.join(parts).rstrip()


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


def _totals(report: Report) -> list[Line]:
    rows = totals(report)
    width = max(len(f"{row.value:,}") for row in rows)
    drawn = [Line(f"{row.name:<11}  {row.value:>{width},}  {row.what}") for row in rows]
    drawn += [Line(""), Line(memory_title(report), "bold")]
    for row in memory(report):
        drawn.append(Line(f"  {row.name}: {size_text(row.size)}"))
        drawn += [Line(f"    {'+' if position else '='} {term}", "dim") for position, term in enumerate(row.terms)]
    return [*drawn, Line("  what torch really holds: `cnncalc memory FILE --training`", "dim")]


def _remarks(report: Report) -> list[Line]:
    remarks = sorted(report.remarks, key=lambda remark: remark.severity != "warning")
    drawn = [Line("")] if remarks else []
    for remark in remarks[:MOST_REMARKS]:
        drawn.append(Line(remark_text(remark), "yellow" if remark.severity == "warning" else "dim"))
        if remark.help:
            drawn.append(Line(f"  help: {remark.help}", "dim"))
    if len(remarks) > MOST_REMARKS:
        drawn.append(Line(f"(and {len(remarks) - MOST_REMARKS} more; --format json has them all)", "dim"))
    return drawn
