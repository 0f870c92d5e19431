"""One layer's numbers, for a person and as JSON: what it comes to, then its working."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TextIO

from cnncalc.derivations import Explained, Explanation
from cnncalc.diagnostics import printable
from cnncalc.render import derivation as rendered
from cnncalc.render.summary import remark_text, size_text
from cnncalc.render.terminal import Line, put
from cnncalc.shapes import shape_text

SCHEMA_VERSION = 1
WORKED = ("output", "parameters", "macs", "memory")


def write(layer: str, explained: Explained, stream: TextIO | None = None) -> None:
    """Write to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(layer, explained), stream)


def lines(layer: str, explained: Explained) -> list[Line]:
    """The layer as a document writes it, its numbers, and how each comes about."""
    numbers = [Line(printable(line.text), line.style) for line in _numbers(layer, explained)]
    worked = _worked(explained)
    return [*numbers, Line(""), *rendered.lines(worked.derivations, rendered.Words(worked.layout))]


def _worked(explained: Explained) -> Explanation:
    """How the layer's numbers come about, those that there are."""
    found = explained.explanation([explained.report.layers[-1].name], WORKED)
    return replace(found, derivations=[one for one in found.derivations if one.steps])


def _numbers(layer: str, explained: Explained) -> Iterator[Line]:
    report = explained.report
    row, layout = report.layers[-1], report.layout
    shapes = [shape_text(tuple(map(int, shape)), layout) for shape in (row.input, row.output)]
    yield Line(" -> ".join(shapes), "bold")
    yield Line(layer, "dim")
    yield Line("")
    sorts = {sort: int(count) for sort, count in row.operations.items() if count}
    of = "an image" if report.batch == 1 else f"for a batch of {report.batch:,}"
    rows = [
        ("parameters", row.parameters, f"{row.weights:,} weights + {row.biases:,} biases"),
        ("MACs", row.macs, "multiply-accumulates an image"),
        ("operations", sum(sorts.values()), " + ".join(f"{count:,} {sort}" for sort, count in sorts.items())),
        ("activations", row.activations, f"output values an image; {size_text(int(row.activation_bytes))} {of}"),
    ]
    width = max(len(f"{value:,}") for _, value, _ in rows)
    for name, value, what in rows:
        yield Line(f"{name:<11}  {value:>{width},}  {what}".rstrip())
    for remark in report.remarks:
        yield Line(remark_text(remark), "dim")


def to_json(layer: str, explained: Explained, indent: int | None = 2) -> str:
    """The layer's row of a report, with its remarks, and the working as `explain` writes it."""
    report = explained.report
    found = {
        "schema_version": SCHEMA_VERSION,
        "layer": layer,
        "batch": report.batch,
        "dtype": report.dtype,
        **{name: value for name, value in asdict(report.layers[-1]).items() if name not in LEFT_OUT},
        "remarks": [asdict(remark) for remark in report.remarks],
        "derivations": json.loads(rendered.to_json(_worked(explained)))["derivations"],
    }
    return json.dumps(found, ensure_ascii=False, indent=indent)


LEFT_OUT = ("name", "inputs", "input_shapes", "receptive_field", "place", "used_at", "layers")
