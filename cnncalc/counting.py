"""`count`: what a convention makes of a network: a total, the terms that add up to it, and what it says nothing of.

Counts are for one image. The records are plain, of exact integers; pydantic writes and reads their JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnncalc.conventions import CONVENTIONS, Convention, Entry, entries
from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near
from cnncalc.graph import Network
from cnncalc.report import Report

if TYPE_CHECKING:
    pass

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Part:
    """One term of a convention, in words, and what it comes to here."""

    words: str
    amount: int


@dataclass(slots=True)
class LayerCount:
    """What a convention counts of one layer; None where it says nothing that a document could tell."""

    name: str
    kind: str
    amount: int | None


@dataclass(slots=True)
class Count:
    """A convention's count of a network.

    `says` is the tool's own word for it, `prints` the figure as the tool rounds it, where it does. `untold` are layers
    of which it says nothing that a document could tell: their count depends on the code, and is not in the total.
    """

    convention: str
    title: str
    version: str
    source: str
    says: str
    total: int
    prints: str
    parts: list[Part]
    layers: list[LayerCount]
    untold: list[str]


@dataclass(slots=True)
class CountReport:
    """A network's counts by several conventions; `macs` are what they are compared with."""

    schema_version: int
    name: str
    source: str
    macs: int
    counts: list[Count] = field(default_factory=list)


def convention(name: str) -> Convention:
    """The convention of that name, `-` and `_` being the same; raises `DocumentError` where there is none."""
    known = CONVENTIONS.get(name.replace("-", "_").lower())
    if known is None:
        help = did_you_mean(near(name, CONVENTIONS), f"known: {', '.join(CONVENTIONS)}")
        raise DocumentError(Diagnostic("unknown-convention", f"`{name}` is not a convention", help=help))
    return known


def chosen(names: Iterable[str]) -> list[Convention]:
    """The conventions of these names, each once; `all` is every one, and `fvcore,thop` are two.

    Raises `DocumentError` for an unknown name.
    """
    each = [one.strip() for name in names for one in name.split(",")]
    if "all" in each:
        return list(CONVENTIONS.values())
    return list(dict.fromkeys([convention(name) for name in each]))


def count(network: Network, conventions: Iterable[Convention] | None = None) -> CountReport:
    """The network's counts by these conventions, or by all of them."""
    ledger = entries(network)
    chosen = CONVENTIONS.values() if conventions is None else conventions
    macs = sum([node.facts.macs for node in network])
    counts = [_count(ledger, each) for each in chosen]
    return CountReport(SCHEMA_VERSION, network.name, network.source, macs, counts)


def with_counts(report: Report, network: Network, conventions: Iterable[Convention]) -> Report:
    """The network's report with the counts of these conventions in its rows and totals."""
    for each in count(network, conventions).counts:
        for row, layer in zip(report.layers, each.layers, strict=True):
            row.counted[each.convention] = layer.amount
        report.totals.counted[each.convention] = each.total
    return report


def _count(ledger: list[Entry], by: Convention) -> Count:
    amounts = dict.fromkeys(by.terms, 0)
    layers: dict[str, LayerCount] = {}
    for entry in ledger:
        node = entry.node
        row = layers.setdefault(node.name, LayerCount(node.name, node.layer.kind, 0))
        if by.is_silent_on(entry) or row.amount is None:
            row.amount = None
            continue
        for term in by.terms_of(entry):
            amount = term.amount(entry)
            amounts[term] += amount
            row.amount += amount
    total = sum(amounts.values())
    parts: dict[str, Part] = {}
    for term, amount in amounts.items():
        parts.setdefault(term.words, Part(term.words, 0)).amount += amount
    return Count(
        convention=by.key,
        title=by.title,
        version=by.version,
        source=by.source,
        says=by.says,
        total=total,
        prints=rounded(total, by.unit, by.digits) if by.unit else "",
        parts=[part for part in parts.values() if part.amount],
        layers=list(layers.values()),
        untold=[row.name for row in layers.values() if row.amount is None],
    )


def rounded(total: int, unit: int, digits: int) -> str:
    """`total / unit` as the tools that are written in Python print it: a float, rounded."""
    return str(round(total / unit, digits))


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(report: CountReport, indent: int | None = 2) -> str:
    from pydantic import TypeAdapter

    return TypeAdapter(CountReport).dump_json(report, indent=indent).decode()
