"""A figure that someone published, and which counts of a network give it, to the digits printed.

`4.11G` is any count from 4.105 to 4.115 thousand million: printed digits are a rounding. Papers also cut digits off, so
that 4.11G may be anything from 4.11 to 4.12 thousand million; that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from cnncalc.analysis import analyze
from cnncalc.counting import count
from cnncalc.diagnostics import Diagnostic, DocumentError, Source, Span
from cnncalc.graph import Network
from cnncalc.report import Report

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
NEAREST = 3  # how many to name where none fits

PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
NAMED = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
WORDS = "flops?|macs?|madds?|mult-?adds?|multiply-adds?|multiplies|params?|parameters|activations|acts|ops|operations"
_FIGURE = re.compile(
    r"\s*(?:≈|~|about)?\s*(\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.(\d+))?\s*"
    rf"(?:(thousand|million|billion|trillion)|([kmgbt]))?(?:[\s-]*(?:{WORDS}))?\s*",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A published figure; `step` is what its last digit is worth, 1 where every digit is given."""

    written: str
    value: Fraction
    step: Fraction

    def fits(self, amount: int) -> Literal["exact", "rounded", "cut", ""]:
        """How a count gives the figure: as it is, rounded to its digits, by cutting digits off, or not at all."""
        if amount == self.value:
            return "exact"
        if abs(amount - self.value) * 2 <= self.step:
            return "rounded" if self.step > 1 else ""
        return "cut" if 0 < amount - self.value < self.step and self.step > 1 else ""


def figure(text: str) -> Figure:
    """A figure as people write it: 4.11G, 15.5 GFLOPs, 569 million mult-adds, 25,557,032.

    Raises `DocumentError` where the text is none, or where its comma could be a decimal point.
    """
    found = _FIGURE.fullmatch(text)
    if found is None:
        source = Source("<figure>", text)
        help = "write a number, with k, M, G (or B) or T where it is rounded: 4.11G, 138.4M, 25,557,032"
        message = f"`{text}` is not a figure"
        raise DocumentError(Diagnostic("not-a-figure", message, Span(source, 0, len(text)), help=help))
    whole, decimals = re.sub("[_,]", "", found[1]), found[2] or ""
    unit = NAMED[found[3].lower()] if found[3] else PREFIXES[(found[4] or "").lower()]
    scale = Fraction(unit, 10 ** len(decimals))
    return Figure(text.strip(), int(whole + decimals) * scale, max(scale, Fraction(1)))


@dataclass(slots=True)
class Match:
    """A count of the network, and how it stands to the figure: `fit` is how it gives it."""

    name: str
    title: str
    amount: int
    fit: Literal["exact", "rounded", "cut", ""]
    words: str


@dataclass(slots=True)
class Matches:
    """All counts that give a figure, the best first; where none does, the nearest ones."""

    schema_version: int
    name: str
    source: str
    figure: str
    matches: list[Match] = field(default_factory=list)
    nearest: list[Match] = field(default_factory=list)


def matches(network: Network, published: Figure) -> Matches:
    """Which counts of the network give the figure to the digits printed."""
    report = analyze(network)
    candidates = [*_conventions(network), *_quantities(report)]
    best = ("exact", "rounded", "cut")
    found = []
    for match in candidates:
        match.fit = published.fits(match.amount)
        if match.fit:
            found.append(match)
    found.sort(key=lambda match: best.index(match.fit))
    nearest = [] if found else sorted(candidates, key=lambda match: abs(match.amount - published.value))[:NEAREST]
    return Matches(SCHEMA_VERSION, network.name, network.source, published.written, found, nearest)


def _conventions(network: Network) -> Iterable[Match]:
    for each in count(network).counts:
        words = "; ".join(part.words for part in each.parts)
        title = each.title if each.title == each.says else f"{each.title} ({each.says})"
        yield Match(each.convention, title, each.total, "", words)


def _quantities(report: Report) -> Iterable[Match]:
    """What else is published of a network."""
    totals = report.totals
    yield Match("parameters", "parameters", totals.parameters, "", "weights and biases")
    if totals.buffers:
        held = totals.parameters + totals.buffers
        yield Match("parameters_and_buffers", "parameters and buffers", held, "", "as Keras counts them in all")
    yield Match("activations", "activations", totals.activations, "", "output values of all layers")
    yield Match("connections", "connections", totals.connections, "", "uses of weights and biases")


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(found: Matches, indent: int | None = 2) -> str:
    return str(_adapter().dump_json(found, indent=indent).decode())


def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Matches)
