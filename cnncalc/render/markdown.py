"""A report as GitHub-flavoured Markdown: a table of layers, a total row, and the totals in a list."""

from __future__ import annotations

from collections.abc import Sequence

from cnncalc.render.columns import BY_KEY, DEFAULT, Column, cells, text, together
from cnncalc.render.summary import sentences
from cnncalc.report import Report


def document(report: Report, columns: Sequence[Column] | None = None) -> str:
    chosen = list(columns) if columns is not None else [BY_KEY[key] for key in DEFAULT]
    rows = []
    for row, times in together(report.layers):
        drawn = [_escaped(text(cell)) for cell in cells(row, report, chosen)]
        if times > 1:
            drawn[0] += f" ×{times}"
        rows.append(drawn)
    total = [text(column.total(report)) if column.total else "" for column in chosen]
    rows.append([f"**{cell}**" if cell else "" for cell in (total if total[0] else ["total", *total[1:]])])
    lines = [
        f"## {_escaped(report.name or report.source)}",
        "",
        _row([column.heading for column in chosen]),
        _row(["--:" if column.number else ":--" for column in chosen]),
        *[_row(row) for row in rows],
        "",
        *[f"- {_escaped(line)}" for line in sentences(report)],
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text that Markdown leaves alone."""
    return "".join(f"\\{char}" if char in "\\|*_[]<>#" else char for char in text)
