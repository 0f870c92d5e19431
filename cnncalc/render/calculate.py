"""One layer's numbers, for a person and as JSON: what it comes to, then its working."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TextIO

from cnncalc.derivations import Explained, Explanation
from cnncalc.diagnostics import text_width
from cnncalc.messages import numbered, text
from cnncalc.render import derivation as rendered
from cnncalc.render.summary import remark_text, remarks, size_text
from cnncalc.render.terminal import NAMES, Line, printed, put
from cnncalc.shapes import shape_text

SCHEMA_VERSION = 1
WORKED = ("output", "parameters", "macs", "memory")


def write(layer: str, explained: Explained, stream: TextIO | None = None, language: str = "en") -> None:
    """Write to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(layer, explained, language), stream)


def lines(layer: str, explained: Explained, language: str = "en") -> list[Line]:
    """The layer as a document writes it, its numbers, and how each comes about."""
    numbers = printed(_numbers(layer, explained, language))
    worked = _worked(explained)
    return [*numbers, Line(""), *rendered.lines(worked.derivations, rendered.Words(worked.layout, language))]


def _worked(explained: Explained) -> Explanation:
    """How the layer's numbers come about, those that there are."""
    found = explained.explanation([explained.report.layers[-1].name], WORKED)
    return replace(found, derivations=[one for one in found.derivations if one.steps])


def _numbers(layer: str, explained: Explained, language: str) -> Iterator[Line]:
    report = explained.report
    row, layout = report.layers[-1], report.layout
    shapes = [shape_text(tuple(map(int, shape)), layout) for shape in (row.input, row.output)]
    yield Line(" -> ".join(shapes), "bold")
    yield Line(layer, "dim")
    yield Line("")
    sorts = {sort: int(count) for sort, count in row.operations.items() if count}
    units = {sort: text(f"unit.{sort}", language) for sort in sorts}
    added = " + ".join(
        text("what.operations", language, count=count, unit=units[sort]) for sort, count in sorts.items()
    )
    held = size_text(int(row.activation_bytes), language)
    rows = [
        ("parameters", row.parameters, text("what.parameters", language, weights=row.weights, biases=row.biases)),
        ("macs", row.macs, text("what.macs-of-one", language)),
        ("operations", sum(sorts.values()), added),
        ("activations", row.activations, numbered("what.activations-of-one", report.batch, language, bytes=held)),
    ]
    width = max(len(f"{value:,}") for _, value, _ in rows)
    for key, value, what in rows:
        name = text(f"total.{key}", language)
        yield Line(f"{name}{' ' * (NAMES - text_width(name))}  {value:>{width},}  {what}".rstrip())
    for remark in remarks(report, language):
        yield Line(remark_text(remark, language), "dim")


def to_json(layer: str, explained: Explained, language: str = "en", indent: int | None = 2) -> str:
    """The layer's row of a report, with its remarks, and the working as `explain` writes it in the language."""
    report = explained.report
    found = {
        "schema_version": SCHEMA_VERSION,
        "layer": layer,
        "batch": report.batch,
        "dtype": report.dtype,
        **{name: value for name, value in asdict(report.layers[-1]).items() if name not in LEFT_OUT},
        "remarks": [asdict(remark) for remark in report.remarks],
        "derivations": json.loads(rendered.to_json(_worked(explained), language))["derivations"],
    }
    return json.dumps(found, ensure_ascii=False, indent=indent)


LEFT_OUT = ("name", "inputs", "input_shapes", "receptive_field", "place", "used_at", "layers")
