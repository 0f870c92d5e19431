"""`savings`: what a network's design saves in parameters and multiplies, as plain records with their derivations.

Counts are for one image; shapes are [channels, *spatial]. How the expressions are written is a format's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnncalc.graph import Network
from cnncalc.passes.savings import SORTS, Count, Saving
from cnncalc.passes.savings import savings as found_in
from cnncalc.report import Place
from cnncalc.shapes import Layout


@dataclass(slots=True)
class Price:
    """The cost without the design and having it, and how many times as much the first is, rounded to thousandths."""

    without: Count
    having: Count
    ratio: float


@dataclass(slots=True)
class Finding:
    """A design: the layers that make it, and the layers of the plain network that it stands in place of, in words.

    `input` enters the first of its layers; `equal_widths` says, for a stack, what both cost with C channels everywhere.
    """

    sort: str
    layers: list[str]
    replaces: str
    input: list[int]
    parameters: Price
    macs: Price
    equal_widths: str
    place: Place | None


@dataclass(slots=True)
class Sums:
    """Sums over findings, their ratio, and what the whole network would have without all of them."""

    without: int
    having: int
    ratio: float
    network: int


@dataclass(slots=True)
class Total:
    """All findings of one sort, none of which shares a layer with another."""

    sort: str
    findings: int
    parameters: Sums
    macs: Sums


@dataclass(slots=True)
class Savings:
    """What a network's design saves; `parameters` and `macs` are those of the network as it is."""

    name: str
    source: str
    layout: Layout
    parameters: int
    macs: int
    totals: list[Total]
    findings: list[Finding]


def savings(network: Network) -> Savings:
    """Every design of a network that saves, or costs, against the plain layers that it stands in place of."""
    parameters = sum([node.facts.weights + node.facts.biases for node in network])
    macs = sum([node.facts.macs for node in network])
    findings = [_finding(saving) for saving in found_in(network)]
    totals = []
    for sort in SORTS:
        of_sort = [finding for finding in findings if finding.sort == sort]
        if of_sort:
            prices = [finding.parameters for finding in of_sort], [finding.macs for finding in of_sort]
            totals.append(Total(sort, len(of_sort), _sums(prices[0], parameters), _sums(prices[1], macs)))
    return Savings(
        name=network.name,
        source=network.source,
        layout=network.layout,
        parameters=parameters,
        macs=macs,
        totals=totals,
        findings=findings,
    )


def ratio(without: int, having: int) -> float:
    """How many times as much, rounded to thousandths, half a one up."""
    return (2000 * without + having) // (2 * having) / 1000


def _finding(saving: Saving) -> Finding:
    first = saving.layers[0]
    span = first.span
    return Finding(
        sort=saving.sort,
        layers=[node.name for node in saving.layers],
        replaces=saving.replaces,
        input=list(first.inputs[0].output),
        parameters=_price(saving.without.parameters, saving.having.parameters),
        macs=_price(saving.without.macs, saving.having.macs),
        equal_widths=saving.equal_widths,
        place=None if span is None else Place(span.source.name, *span.source.position(span.start)),
    )


def _price(without: Count, having: Count) -> Price:
    return Price(without, having, ratio(without.value, having.value))


def _sums(prices: Sequence[Price], whole: int) -> Sums:
    without = sum([price.without.value for price in prices])
    having = sum([price.having.value for price in prices])
    return Sums(without, having, ratio(without, having), whole + without - having)
