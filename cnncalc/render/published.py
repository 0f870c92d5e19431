"""Which counts of a network give a published figure: a table for a person, and Markdown."""

from __future__ import annotations

from fractions import Fraction
from textwrap import wrap
from typing import TextIO

from cnncalc.published import Match, Matches, figure
from cnncalc.render import terminal
from cnncalc.render.markdown import escaped, prose
from cnncalc.render.markdown import row as markdown_row
from cnncalc.render.summary import counted
from cnncalc.render.terminal import GAP, Line, printed

FITS = {"exact": "exactly", "rounded": "rounded", "cut": "cut off"}
HEADS = ("count", "of this network", "gives it", "which is")
USUAL_WIDTH = 120
NARROWEST_WORDS = 24


def write(found: Matches, stream: TextIO | None = None) -> None:
    """Write the answer to a stream (standard output), within its width where it is a terminal."""
    terminal.put(lambda width: lines(found, width), stream)


def lines(found: Matches, width: int | None = None) -> list[Line]:
    rows = [[match.name, f"{match.amount:,}", fit(match, found)] for match in found.matches or found.nearest]
    widths = [max(map(len, cells)) for cells in zip(HEADS[:3], *rows, strict=True)]
    room = max(NARROWEST_WORDS, (width or USUAL_WIDTH) - sum(widths) - len(GAP) * 3)
    drawn = [Line(sentence(found), "bold"), Line(""), Line(_joined([*HEADS[:3], HEADS[3]], widths), "bold")]
    drawn.append(Line(GAP.join("-" * size for size in [*widths, min(room, 40)]), "dim"))
    for match, row in zip(found.matches or found.nearest, rows, strict=True):
        for position, text in enumerate(wrap(f"{match.title}: {match.words}", room, subsequent_indent="  ")):
            drawn.append(Line(_joined([*(row if position == 0 else ["", "", ""]), text], widths)))
    if any(match.fit == "cut" for match in found.matches):
        drawn += [Line(""), Line("cut off: the figure has the count's first digits, not rounded", "dim")]
    if not found.matches:
        help = "the figure may be of another input or batch, or a total over training: --set input=...; `cnncalc count`"
        drawn += [Line("")] + [Line(text, "dim") for text in wrap(help, width or USUAL_WIDTH)]
    return printed(drawn)


def _joined(row: list[str], widths: list[int]) -> str:
    name, amount, fits, words = row
    return GAP.join([name.ljust(widths[0]), amount.rjust(widths[1]), fits.ljust(widths[2]), words]).rstrip()


def sentence(found: Matches) -> str:
    network = found.name or found.source
    if not found.matches:
        return f"no count of {network} gives {found.figure}; the nearest are"
    gives = "gives" if len(found.matches) == 1 else "give"
    return f"{counted(len(found.matches), 'count')} of {network} {gives} {found.figure}"


def fit(match: Match, found: Matches) -> str:
    """How the count stands to the figure: in words, or as a ratio where it does not give it."""
    if match.fit:
        return FITS[match.fit]
    value = figure(found.figure).value
    return f"×{_ratio(Fraction(match.amount) / value)}" if value else "-"


def _ratio(ratio: Fraction) -> str:
    """Three decimals, from whole numbers alone."""
    thousandths = round(ratio * 1000)
    return f"{thousandths // 1000:,}.{thousandths % 1000:03}"


def markdown(found: Matches) -> str:
    drawn = [escaped(sentence(found)), "", markdown_row(list(HEADS)), markdown_row([":--", "--:", ":--", ":--"])]
    for match in found.matches or found.nearest:
        words = prose(f"{match.title}: {match.words}")
        drawn.append(markdown_row([f"`{match.name}`", f"{match.amount:,}", fit(match, found), words]))
    return "\n".join(drawn) + "\n"
