"""`analyze`: the passes over a network, put together into a report; and `folded`, the report by blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from cnncalc import formulas
from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Span
from cnncalc.graph import Network, Node
from cnncalc.layers.base import Facts, Operations, sum_of
from cnncalc.messages import told
from cnncalc.passes.depth import depth
from cnncalc.passes.memory import textbook
from cnncalc.passes.receptive_field import Field, receptive_fields
from cnncalc.passes.remarks import remarks
from cnncalc.readings import part
from cnncalc.report import (
    SCHEMA_VERSION,
    DepthReport,
    Jump,
    LayerReport,
    MemoryReport,
    Place,
    ReceptiveField,
    Remark,
    Report,
    Tensor,
    Totals,
)
from cnncalc.shapes import DTYPE_BYTES


def analyze(network: Network, batch: int = 1, dtype: str = "float32") -> Report:
    """Everything about a network: per layer and in total.

    Counts are for one image; bytes are for `batch` images of number format `dtype` (a key of `shapes.DTYPE_BYTES`).
    Raises ValueError for a batch below 1 or an unknown dtype.
    """
    if batch < 1:
        raise ValueError(f"a batch has at least 1 image, not {batch}")
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"`{dtype}` is not a number format; known: {', '.join(DTYPE_BYTES)}")
    with collection_paused():
        return _report(network, batch, dtype)


def _report(network: Network, batch: int, dtype: str) -> Report:
    layers = _layers(network, batch, DTYPE_BYTES[dtype])
    return Report(
        schema_version=SCHEMA_VERSION,
        name=network.name,
        source=network.source,
        layout=network.layout,
        batch=batch,
        dtype=dtype,
        inputs=[Tensor(value.name, list(value.output)) for value in network.inputs],
        outputs=[Tensor(value.name, list(value.output)) for value in network.outputs],
        layers=layers,
        totals=_totals(network, layers, batch, dtype),
        remarks=[
            Remark(
                "warning" if remark.severity == "warning" else "note",
                remark.code,
                remark.message,
                remark.help,
                _place(remark.span),
            )
            for remark in remarks(network)
        ],
    )


# Layers ---------------------------------------------------------------------------------------------------------------


def _layers(network: Network, batch: int, width: int) -> list[LayerReport]:
    fields = receptive_fields(network)
    shared = _Shared(batch, width)
    return [shared.row(node, fields[node]) for node in network.nodes]


class _Common(NamedTuple):
    """What follows from a layer and what enters it."""

    title: str
    input_shapes: list[list[int]]
    output: list[int]
    operations: dict[str, int]
    parameters: int
    activation_bytes: int
    neurons: int


class _Shared:
    """Makes rows; what many have in common is made once: the facts of equal layers, fields, places."""

    def __init__(self, batch: int, width: int) -> None:
        self.batch, self.width = batch, width
        self.of_facts: dict[int, _Common] = {}
        self.fields: dict[int, ReceptiveField | None] = {}
        self.known_places: dict[tuple[int, int] | None, Place | None] = {}
        self.chains: dict[tuple[Span, ...], list[Place]] = {}

    def row(self, node: Node, field: Field | None) -> LayerReport:
        facts = node.facts
        common = self.of_facts.get(id(facts))
        if common is None:
            common = self.of_facts[id(facts)] = self.common(node, facts)
        title, input_shapes, output, operations, parameters, activation_bytes, neurons = common
        return LayerReport(
            name=node.name,
            kind=node.layer.kind,
            title=title,
            inputs=[value.name for value in node.inputs],
            input=input_shapes[0],
            input_shapes=input_shapes,
            output=output,
            parameters=parameters,
            weights=facts.weights,
            biases=facts.biases,
            buffers=facts.buffers,
            macs=facts.macs,
            multiplies=facts.operations.multiplies,
            operations=operations,
            activations=facts.activations,
            activation_bytes=activation_bytes,
            neurons=neurons,
            connections=facts.connections,
            receptive_field=self.receptive_field(field),
            place=self.place(node.span),
            used_at=self.places(node.uses),
        )

    def common(self, node: Node, facts: Facts) -> _Common:
        shapes = node.input_shapes
        with part(node.name):
            return _Common(
                node.layer.title(shapes),
                [list(shape) for shape in shapes],
                list(facts.output),
                _counts(facts.operations),
                formulas.parameters(facts.weights, facts.biases),
                formulas.tensor_bytes(facts.activations, self.width, self.batch),
                formulas.output_elements(*facts.output),
            )

    def receptive_field(self, field: Field | None) -> ReceptiveField | None:
        if id(field) not in self.fields:
            self.fields[id(field)] = _receptive_field(field)
        return self.fields[id(field)]

    def place(self, span: Span | None) -> Place | None:
        key = None if span is None else (id(span.source), span.start)
        if key not in self.known_places:
            self.known_places[key] = _place(span)
        return self.known_places[key]

    def places(self, uses: tuple[Span, ...]) -> list[Place]:
        if uses not in self.chains:
            self.chains[uses] = [place for span in uses if (place := self.place(span))]
        return self.chains[uses]


def _counts(operations: Operations) -> dict[str, int]:
    return {name: count for name, count in zip(Operations._fields, operations, strict=True) if count}


def _receptive_field(field: Field | None) -> ReceptiveField | None:
    if field is None:
        return None
    jump = None if field.jump is None else [_jump(step) for step in field.jump]
    return ReceptiveField(field.input.name, list(field.size), jump, None if field.start is None else list(field.start))


def _jump(step: Fraction) -> Jump:
    return step.numerator if step.denominator == 1 else str(step)


def _place(span: Span | None) -> Place | None:
    return None if span is None else Place(span.source.name, *span.source.position(span.start))


# Totals ---------------------------------------------------------------------------------------------------------------


def _totals(network: Network, layers: list[LayerReport], batch: int, dtype: str) -> Totals:
    deep = depth(network)
    least = textbook(network, batch, dtype)
    weights = sum_of([row.weights for row in layers])
    biases = sum_of([row.biases for row in layers])
    activations = sum_of([row.activations for row in layers])
    return Totals(
        layers=len(layers),
        parameters=formulas.parameters(weights, biases),
        weights=weights,
        biases=biases,
        buffers=sum_of([row.buffers for row in layers]),
        macs=sum_of([row.macs for row in layers]),
        multiplies=sum_of([row.multiplies for row in layers]),
        operations=_sum_of(row.operations for row in layers),
        activations=activations,
        activation_bytes=formulas.tensor_bytes(activations, DTYPE_BYTES[dtype], batch),
        input_elements=sum_of([formulas.input_elements(*value.output) for value in network.inputs]),
        connections=sum_of([row.connections for row in layers]),
        unknown=sum([bool(node.facts.unknown) for node in network.nodes]),
        depth=DepthReport(deep.layers, deep.sorts),
        memory=MemoryReport(
            model="textbook",
            batch=batch,
            dtype=dtype,
            parameters=least.parameters,
            input=least.input,
            outputs=least.outputs,
            widest_pair=least.widest_pair,
            widest_layer=least.widest.name if least.widest is not None else None,
            prediction=least.prediction,
            training=least.training,
        ),
    )


def _sum_told(counts: Iterable[int | None]) -> int | None:
    """The sum; None where one of them is."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _sum_of(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    terms: dict[str, list[int]] = {}
    for count in counts:
        for name, value in count.items():
            terms.setdefault(name, []).append(value)
    return {name: sum_of(terms[name]) for name in Operations._fields if name in terms}


# By blocks ------------------------------------------------------------------------------------------------------------


def folded(report: Report, depth: int) -> Report:
    """The report with the layers of each block `depth` levels down put together into one row.

    A block's input and output are those of its first and last layer; `receptive_field` is the last layer's. A row's
    inputs are rows too: what comes from inside a block has the block's name.
    """

    def block(row: LayerReport) -> str:
        return ".".join(row.name.split(".")[:depth])

    groups = [(name, list(members)) for name, members in groupby(report.layers, block)]
    row_of = {member.name: _row_name(name, members) for name, members in groups for member in members}
    rows = []
    for name, members in groups:
        if len(members) > 1:
            rows.append(_block(name, members, depth, row_of))
        else:
            (row,) = members
            rows.append(replace(row, inputs=[row_of.get(source, source) for source in row.inputs]))
    return replace(report, layers=rows)


def _row_name(block: str, members: list[LayerReport]) -> str:
    return block if len(members) > 1 else members[0].name


def _block(name: str, members: list[LayerReport], depth: int, row_of: dict[str, str]) -> LayerReport:
    first, last = members[0], members[-1]
    inside = {row.name for row in members}
    outside: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for row in members:
        for source, shape in zip(row.inputs, row.input_shapes, strict=True):
            if source not in inside:
                outside.setdefault((row_of.get(source, source), tuple(shape)), shape)
    chain = [*first.used_at, *([first.place] if first.place else [])]
    return LayerReport(
        name=name,
        kind="block",
        title=told("title.layers", count=len(members)),
        inputs=[source for source, _ in outside],
        input=first.input,
        input_shapes=list(outside.values()),
        output=last.output,
        parameters=sum_of([row.parameters for row in members]),
        weights=sum_of([row.weights for row in members]),
        biases=sum_of([row.biases for row in members]),
        buffers=sum_of([row.buffers for row in members]),
        macs=sum_of([row.macs for row in members]),
        multiplies=sum_of([row.multiplies for row in members]),
        operations=_sum_of(row.operations for row in members),
        activations=sum_of([row.activations for row in members]),
        activation_bytes=sum_of([row.activation_bytes for row in members]),
        neurons=sum_of([row.neurons for row in members]),
        connections=sum_of([row.connections for row in members]),
        receptive_field=last.receptive_field,
        place=chain[min(depth, len(chain)) - 1] if chain else None,
        used_at=chain[: min(depth, len(chain)) - 1],
        layers=len(members),
        counted={key: _sum_told(row.counted[key] for row in members) for key in first.counted},
    )
