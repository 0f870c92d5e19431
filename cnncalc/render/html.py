"""A report as an HTML fragment, for notebooks."""

from __future__ import annotations

from html import escape

from cnncalc.render.columns import BY_KEY, DEFAULT, cells, text, together
from cnncalc.render.summary import sentences
from cnncalc.report import Report


def fragment(report: Report) -> str:
    columns = [BY_KEY[key] for key in DEFAULT]
    head = "".join(f"<th>{escape(column.heading)}</th>" for column in columns)
    body = []
    for row, times in together(report.layers):
        drawn = [text(cell) for cell in cells(row, report, columns)]
        if times > 1:
            drawn[0] += f" ×{times}"
        body.append(_row(drawn, [column.number for column in columns]))
    total = ["total", *[text(column.total(report)) if column.total else "" for column in columns[1:]]]
    body.append(_row(total, [column.number for column in columns], bold=True))
    facts = "".join(f"<li>{escape(line)}</li>" for line in sentences(report))
    return (
        f"<div><strong>{escape(report.name or report.source)}</strong>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><ul>{facts}</ul></div>"
    )


def _row(cells: list[str], numbers: list[bool], bold: bool = False) -> str:
    drawn = [f"<strong>{escape(cell)}</strong>" if bold and cell else escape(cell) for cell in cells]
    sides = ["right" if number else "left" for number in numbers]
    tagged = [f'<td style="text-align:{side}">{cell}</td>' for cell, side in zip(drawn, sides, strict=True)]
    return f"<tr>{''.join(tagged)}</tr>"
