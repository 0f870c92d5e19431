"""A network's counts by several conventions, as a table, Markdown and CSV; and by layer, a column a convention."""

from __future__ import annotations

import csv as writer
import io
from collections.abc import Sequence
from textwrap import wrap
from typing import TextIO

from cnncalc.counting import Count, CountReport
from cnncalc.diagnostics import printable
from cnncalc.render import terminal
from cnncalc.render.columns import BY_KEY, Column, with_conventions
from cnncalc.render.csv import document
from cnncalc.render.markdown import escaped, prose, table
from cnncalc.render.markdown import row as markdown_row
from cnncalc.render.summary import counted
from cnncalc.render.terminal import GAP, Line, printed
from cnncalc.report import Report

NARROWEST_WORDS = 24
USUAL_WIDTH = 120
HEADS = ("convention", "its word", "total", "which is")


def write(report: CountReport, stream: TextIO | None = None) -> None:
    """Write a table to a stream (standard output), within its width where it is a terminal."""
    terminal.put(lambda width: lines(report, width), stream)


def lines(report: CountReport, width: int | None = None) -> list[Line]:
    rows = [[count.convention, count.says, f"{count.total:,}"] for count in report.counts]
    widths = [max(map(len, cells)) for cells in zip(HEADS[:3], *rows, strict=True)]
    room = max(NARROWEST_WORDS, (width or USUAL_WIDTH) - sum(widths) - len(GAP) * 3)
    drawn = [*_title(report), Line("")]
    drawn.append(Line(_joined([*HEADS[:3], HEADS[3]], widths), "bold"))
    drawn.append(Line(GAP.join("-" * size for size in [*widths, min(room, 60)]), "dim"))
    for count, row in zip(report.counts, rows, strict=True):
        words = [part for text in terms(count, report.macs) for part in wrap(text, room, subsequent_indent="    ")]
        for position, text in enumerate(words or [""]):
            drawn.append(Line(_joined([*(row if position == 0 else ["", "", ""]), text], widths)))
    drawn += [Line("")] + [Line(text, "dim") for text in _notes(report, width)]
    return printed(drawn)


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    key, says, amount, words = row
    return GAP.join([key.ljust(widths[0]), says.ljust(widths[1]), amount.rjust(widths[2]), words]).rstrip()


def _title(report: CountReport) -> list[Line]:
    where = f" ({report.source})" if report.name else ""
    return [
        Line(f"{report.name or report.source}{where}", "bold"),
        Line(f"{report.macs:,} MACs an image; how others count it, for one image at prediction"),
    ]


def terms(count: Count, macs: int) -> list[str]:
    """What adds up to a count, in words: the MACs first, then what comes on top of them."""
    told = []
    for position, part in enumerate(count.parts):
        if position:
            told.append(f"+ {part.amount:,}: {part.words}")
        elif macs and part.amount == macs:
            told.append("the MACs")
        elif macs and part.amount == 2 * macs:
            told.append(f"2 · the MACs: {part.words}")
        else:
            told.append(f"{part.amount:,}: {part.words}")
    if count.prints:
        told.append(f"printed as {count.prints}")
    if count.untold:
        told.append(f"at least: nothing is told of {_named(count)}")
    return told or ["nothing"]


def _named(count: Count) -> str:
    names = [f"`{name}`" for name in count.untold[:3]]
    more = len(count.untold) - len(names)
    return ", ".join(names) + (f" and {counted(more, 'layer')} more" if more else "")


def _notes(report: CountReport, width: int | None) -> list[str]:
    notes = []
    if any(count.untold for count in report.counts):
        notes.append(
            "at least: torch has no module for these kinds, so the count depends on the code that stands for them"
        )
    notes.append("what each tool is, its version and its rules: docs/conventions.md; a layer's share: --per-layer")
    return [part for note in notes for part in wrap(note, width or USUAL_WIDTH)]


# By layer -------------------------------------------------------------------------------------------------------------


def columns(report: Report) -> list[Column]:
    return with_conventions([BY_KEY[key] for key in ("layer", "kind", "output", "macs")], report.totals.counted)


def write_layers(report: Report, stream: TextIO | None = None) -> None:
    """Write the table of layers, a column a convention, to a stream (standard output)."""
    terminal.put(lambda width: terminal.table(report, columns(report), width), stream)


def markdown_layers(report: Report) -> str:
    return "\n".join(table(report, columns(report))) + "\n"


def csv_layers(report: Report) -> str:
    return document([report], columns(report))


# Other formats --------------------------------------------------------------------------------------------------------


def markdown(report: CountReport) -> str:
    drawn = [
        f"## {escaped(printable(report.name or report.source))}",
        "",
        f"{report.macs:,} MACs an image; how others count it, for one image at prediction.",
        "",
        markdown_row(["convention", "version", "its word", "total", "which is"]),
        markdown_row([":--", ":--", ":--", "--:", ":--"]),
    ]
    for count in report.counts:
        words = "<br>".join(prose(text.strip()) for text in terms(count, report.macs))
        drawn.append(
            markdown_row([f"`{count.convention}`", escaped(count.version), count.says, f"{count.total:,}", words])
        )
    return "\n".join(drawn) + "\n"


def csv(report: CountReport) -> str:
    """A row a convention and term, with exact numbers; a term's amount is part of its convention's total."""
    out = io.StringIO()
    rows = writer.writer(out, lineterminator="\n")
    rows.writerow(["convention", "version", "total", "prints", "term", "amount"])
    for count in report.counts:
        for part in count.parts:
            rows.writerow([count.convention, count.version, count.total, count.prints, part.words, part.amount])
    return out.getvalue()
