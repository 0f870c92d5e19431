"""`compare`: different networks side by side: their totals and ratios, and their layers where those align.

Layers align by what they do, not by their names alone: of all ways to pair the layers of two networks in order, the one
in which they are most alike. Counts are for one image, bytes for the run that is named.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.figures import QUANTITIES, Figures, LayerFigures, refusal
from cnncalc.report import Tensor
from cnncalc.shapes import Layout

SCHEMA_VERSION = 1

# Layers are paired within this many pairs of them, 2,000 by 2,000: half a second. Above it names alone decide.
MOST_PAIRS = 4_000_000

# How alike two layers of the same kind are. Two that share no more than their kind are worth less than half of two that
# share everything: a good pair is not given up for two poor ones.
KIND, OUTPUT, TITLE, NAME = 3, 3, 2, 1

SUMS = ("parameters", "weights", "biases", "buffers", "macs", "multiplies", "flops", "activations", "connections")

# What each of the totals counts.
WORDS = {
    "layers": "all layers, activations and merges among them",
    "depth": "weighted layers on the longest path",
    "parameters": "trained weights and biases",
    "weights": "parameters without biases",
    "biases": "parameters that are added",
    "buffers": "kept but not trained",
    "macs": "multiply-accumulates of convolutions and dense layers",
    "multiplies": "all multiplications",
    "flops": "2 · MACs + bias additions + every other operation",
    "activations": "output values",
    "connections": "uses of weights and biases",
    "textbook.prediction": "bytes of two consecutive outputs and the parameters",
    "textbook.training": "bytes of the input, every output and the parameters",
    "memory.prediction": "bytes that torch holds at its peak",
    "memory.training": "bytes that torch holds at its peak",
}
PER_IMAGE = ("macs", "multiplies", "flops", "activations", "connections")


@dataclass(slots=True)
class Side:
    """A network; `label` is what tables call it, another one for each."""

    label: str
    source: str
    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]


@dataclass(slots=True)
class Runs:
    """What memory is of: predicting one batch, and training on another."""

    prediction_batch: int
    training_batch: int
    dtype: str
    device: str
    optimizer: str


@dataclass(slots=True)
class Total:
    """A quantity of each network: None where torch refuses the run, and then `refused` says why.

    `ratios` are to the first network, as near as a float is; None to 0 and where there is no value.
    """

    quantity: str
    counts: str
    values: list[int | None]
    ratios: list[float | None]
    refused: list[str]


@dataclass(slots=True)
class Layer:
    """One layer, or with `depth` a block of them: then its kind is "block", and its output that of its last layer."""

    name: str
    kind: str
    title: str
    output: list[int]
    parameters: int
    weights: int
    biases: int
    buffers: int
    macs: int
    multiplies: int
    flops: int
    activations: int
    connections: int


Row = list[Layer | None]  # a layer of each network, None of those that have none like it


@dataclass(slots=True)
class Comparison:
    """Networks side by side; `layout` is the first one's. `rows` is None where layers were not asked for.

    `by_name` are the labels of networks that are too large to be aligned otherwise.
    """

    schema_version: int
    layout: Layout
    networks: list[Side]
    runs: Runs
    totals: list[Total]
    rows: list[Row] | None
    by_name: list[str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    networks: Sequence[Figures], sources: Sequence[str] = (), layers: bool = False, depth: int | None = None
) -> Comparison:
    """Networks side by side; `sources` are their names, otherwise those of their documents.

    With `layers` each is aligned with the first, layer by layer, or by blocks `depth` levels down. Raises
    `DocumentError` for fewer than two networks.
    """
    sources = sources or [one.document for one in networks]
    if len(networks) < 2:
        only = f"`{sources[0]}` is alone" if networks else "no network is named"
        raise DocumentError(Diagnostic("one-network", f"{only}: there is nothing to compare", help="name two or more"))
    rows, by_name = _rows([_layers(one.layers, depth) for one in networks]) if layers else (None, [])
    names = labels(sources)
    memory = networks[0].totals.memory
    return Comparison(
        schema_version=SCHEMA_VERSION,
        layout=networks[0].layout,
        networks=[
            Side(label, source, one.name, one.inputs, one.outputs)
            for label, source, one in zip(names, sources, networks, strict=True)
        ],
        runs=Runs(memory.prediction.batch, memory.training.batch, memory.dtype, memory.device, memory.optimizer),
        totals=[_total(quantity, networks) for quantity in QUANTITIES],
        rows=rows,
        by_name=[names[position] for position in by_name],
    )


def labels(sources: Sequence[str]) -> list[str]:
    """The sources, numbered from the second time that one is named: `lenet5`, `lenet5 (2)`."""
    made: list[str] = []
    for source in sources:
        plain = "<stdin>" if source == "-" else source
        label, times = plain, 1
        while label in made:
            times += 1
            label = f"{plain} ({times})"
        made.append(label)
    return made


# Totals ---------------------------------------------------------------------------------------------------------------


def _total(quantity: str, networks: Sequence[Figures]) -> Total:
    values = [QUANTITIES[quantity](one.totals) for one in networks]
    return Total(
        quantity=quantity,
        counts=WORDS[quantity] + (", for one image" if quantity in PER_IMAGE else ""),
        values=values,
        ratios=[_ratio(value, values[0]) for value in values],
        refused=[refusal(one.totals, quantity) for one in networks],
    )


def _ratio(value: int | None, first: int | None) -> float | None:
    if value is None or not first:
        return None
    try:
        return float(Fraction(value, first))
    except OverflowError:
        return None


def ratio_text(value: int | None, first: int | None) -> str:
    """`×0.37`: a number's ratio to the first, `-` to 0 or of what is not there.

    An exact ratio of up to three digits is written as it is (×1, ×0.5); any other is rounded, halves up, and keeps
    three digits (×0.500), or all those of a whole number.
    """
    if value is None or not first:
        return "-"
    exact = Fraction(abs(value), abs(first))
    places = 0
    while exact and exact * 10**places < 100:
        places += 1
    rounded = _rounded(exact * 10**places)
    if places and rounded == 1000:
        places, rounded = places - 1, 100
    whole, part = divmod(rounded, 10**places)
    text = f"{whole:,}.{part:0{places}}" if places else f"{whole:,}"
    if exact == Fraction(rounded, 10**places) and places:
        text = text.rstrip("0").rstrip(".")
    return f"×{'-' if value * first < 0 else ''}{text}"


def _rounded(number: Fraction) -> int:
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)


# Layers ---------------------------------------------------------------------------------------------------------------


def _layers(layers: Sequence[LayerFigures], depth: int | None) -> list[Layer]:
    """The layers, those of each block `depth` levels down as one."""
    every = [_layer(layer) for layer in layers]
    if depth is None:
        return every
    blocks = [(name, list(members)) for name, members in groupby(every, lambda layer: _block(layer.name, depth))]
    return [members[0] if len(members) == 1 else _together(name, members) for name, members in blocks]


def _layer(layer: LayerFigures) -> Layer:
    own = {name: getattr(layer, name) for name in SUMS if name != "flops"}
    return Layer(layer.name, layer.kind, layer.title, layer.output, flops=sum(layer.operations.values()), **own)


def _block(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def _together(name: str, members: Sequence[Layer]) -> Layer:
    sums = {quantity: sum([getattr(one, quantity) for one in members]) for quantity in SUMS}
    return Layer(name, "block", f"{len(members)} layers", members[-1].output, **sums)


def _rows(networks: Sequence[Sequence[Layer]]) -> tuple[list[Row], list[int]]:
    """All layers in rows, each network's in its order; and which networks were aligned by name.

    Layers without a partner stand before the next row that has one: the first network's, then the second's, and so on.
    """
    first, others = networks[0], networks[1:]
    pairs = [alignment(first, other) for other in others]
    partners = [dict(found) for found, _ in pairs]
    next_of = [0] * len(others)
    rows: list[Row] = []
    for position in range(len(first) + 1):
        for column, (other, partner) in enumerate(zip(others, partners, strict=True)):
            stop = partner.get(position, len(other) if position == len(first) else 0)
            for own in range(next_of[column], stop):
                rows.append([None, *[other[own] if at == column else None for at in range(len(others))]])
            next_of[column] = max(next_of[column], stop + (position in partner))
        if position < len(first):
            beside = [
                other[partner[position]] if position in partner else None
                for other, partner in zip(others, partners, strict=True)
            ]
            rows.append([first[position], *beside])
    return rows, [column + 1 for column, (_, by_name) in enumerate(pairs) if by_name]


def alignment(a: Sequence[Layer], b: Sequence[Layer]) -> tuple[list[tuple[int, int]], bool]:
    """Positions of the layers that are paired, rising in both; and whether by name, because there are too many.

    The pairs are the same whichever network is `a`. Time and memory grow as the product of the two lengths, without
    what the networks have in common at their beginnings and ends.
    """
    keys = [[(one.kind, one.output, one.title, one.name) for one in layers] for layers in (a, b)]
    if keys[1] < keys[0]:
        pairs, by_name = alignment(b, a)
        return [(i, j) for j, i in pairs], by_name
    # Layers that are alike in all stand in every best alignment, where they come first or last.
    least = min(len(a), len(b))
    start = next((i for i in range(least) if keys[0][i] != keys[1][i]), least)
    end = next((i for i in range(least - start) if keys[0][-1 - i] != keys[1][-1 - i]), least - start)
    left, right = a[start : len(a) - end], b[start : len(b) - end]
    by_name = len(left) * len(right) > MOST_PAIRS
    between = _by_name(left, right) if by_name else _most_alike(left, right)
    pairs = [(i, i) for i in range(start)]
    pairs += [(start + i, start + j) for i, j in between]
    pairs += [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]
    return pairs, by_name


def likeness(a: Layer, b: Layer) -> int:
    """How alike two layers are: 0 of different kinds, 9 in all."""
    alike = _likeness_but_for_names(a, b)
    return alike + NAME if alike and a.name == b.name else alike


def _likeness_but_for_names(a: Layer, b: Layer) -> int:
    return KIND + OUTPUT * (a.output == b.output) + TITLE * (a.title == b.title) if a.kind == b.kind else 0


class _Likenesses:
    """How alike a layer is to each of `layers`; for layers that differ in their names alone it is found once."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self.known: dict[tuple[str, str, str], list[int]] = {}
        self.named: dict[str, list[int]] = {}
        for position, layer in enumerate(layers):
            self.named.setdefault(layer.name, []).append(position)

    def to(self, layer: Layer) -> list[int]:
        key = (layer.kind, layer.title, str(layer.output))
        if key not in self.known:
            self.known[key] = [_likeness_but_for_names(layer, other) for other in self.layers]
        alike = self.known[key]
        namesakes = [position for position in self.named.get(layer.name, ()) if alike[position]]
        if namesakes:
            alike = list(alike)
            for position in namesakes:
                alike[position] += NAME
        return alike


def _most_alike(a: Sequence[Layer], b: Sequence[Layer]) -> list[tuple[int, int]]:
    """The pairs whose likenesses add up to most, the earliest of those: a weighted longest common subsequence."""
    to_each = _Likenesses(b).to
    best = [[0] * (len(b) + 1)]  # best[i][j], the rows from the last: what a[i:] and b[j:] come to
    for layer in reversed(a):
        alike, below, row, most = to_each(layer), best[-1], [0] * (len(b) + 1), 0
        for j in range(len(b) - 1, -1, -1):
            if below[j] > most:
                most = below[j]
            if alike[j] and below[j + 1] + alike[j] > most:
                most = below[j + 1] + alike[j]
            row[j] = most
        best.append(row)
    best.reverse()
    i = j = 0
    pairs = []
    while i < len(a) and j < len(b):
        gained = likeness(a[i], b[j])
        if gained and best[i][j] == best[i + 1][j + 1] + gained:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _by_name(a: Sequence[Layer], b: Sequence[Layer]) -> list[tuple[int, int]]:
    """The longest run of pairs, in order, of layers with the same name and kind."""
    position = {(layer.kind, layer.name): j for j, layer in enumerate(b)}
    common = [(i, j) for i, layer in enumerate(a) if (j := position.get((layer.kind, layer.name))) is not None]
    ends: list[int] = []  # ends[length - 1]: where in b the run of that length ends which ends first
    last: list[int] = []  # and its last pair's place in `common`
    before: list[int] = []
    for place, (_, j) in enumerate(common):
        length = bisect_left(ends, j)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        last[length : length + 1] = [place]
    pairs = []
    place = last[-1] if last else -1
    while place >= 0:
        pairs.append(common[place])
        place = before[place]
    return pairs[::-1]
