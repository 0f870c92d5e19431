"""A report as an HTML fragment, for notebooks."""

from __future__ import annotations

from html import escape

from cnncalc.render.columns import body, default, heading, total
from cnncalc.render.summary import sentences
from cnncalc.report import Report


def fragment(report: Report) -> str:
    columns = default(report)
    numbers = [column.number for column in columns]
    head = "".join(f"<th>{escape(heading(column, report))}</th>" for column in columns)
    rows = [_row(row, numbers) for row in body(report, columns)] + [_row(total(report, columns), numbers, bold=True)]
    facts = "".join(f"<li>{escape(line)}</li>" for line in sentences(report))
    return (
        f"<div><strong>{escape(report.name or report.source)}</strong>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table><ul>{facts}</ul></div>"
    )


def _row(cells: list[str], numbers: list[bool], bold: bool = False) -> str:
    drawn = [f"<strong>{escape(cell)}</strong>" if bold and cell else escape(cell) for cell in cells]
    sides = ["right" if number else "left" for number in numbers]
    tagged = [f'<td style="text-align:{side}">{cell}</td>' for cell, side in zip(drawn, sides, strict=True)]
    return f"<tr>{''.join(tagged)}</tr>"
