"""A report as GitHub-flavoured Markdown: a table of layers, a total row, and the totals in a list."""

from __future__ import annotations

from collections.abc import Sequence

from cnncalc.diagnostics import printable
from cnncalc.render.columns import Column, body, default, heading, total
from cnncalc.render.summary import sentences
from cnncalc.report import Report


def document(report: Report, columns: Sequence[Column] | None = None, language: str = "en") -> str:
    chosen = list(columns) if columns is not None else default(report)
    lines = [
        f"## {escaped(printable(report.name or report.source))}",
        "",
        *table(report, chosen, language),
        "",
        *[f"- {prose(printable(line))}" for line in sentences(report, language)],
    ]
    return "\n".join(lines) + "\n"


def table(report: Report, columns: Sequence[Column], language: str = "en") -> list[str]:
    """A row a layer, and one with the totals."""
    return [
        row([heading(column, report, language) for column in columns]),
        row(["--:" if column.number else ":--" for column in columns]),
        *[row([escaped(cell) for cell in cells]) for cells in body(report, columns, language)],
        row([f"**{cell}**" if cell else "" for cell in total(report, columns, language)]),
    ]


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text that Markdown leaves alone."""
    return "".join(f"\\{char}" if char in "\\|*_[]<>#`" else char for char in text)


def prose(text: str) -> str:
    """A sentence, in which names between backticks are code and stay as they are."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "`".join(part if position % 2 else escaped(part) for position, part in enumerate(parts))
