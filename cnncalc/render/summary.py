"""A report's totals in words, each with what it counts: the same sentences in every format that a person reads."""

from __future__ import annotations

from typing import NamedTuple

from cnncalc.report import Remark, Report


class Total(NamedTuple):
    name: str
    value: int
    what: str


class Sum(NamedTuple):
    """A number of bytes and the terms that add up to it."""

    name: str
    size: int
    terms: tuple[str, ...]


def totals(report: Report) -> list[Total]:
    sums = report.totals
    held = size_text(sums.activation_bytes // report.batch)
    rows = [
        Total("parameters", sums.parameters, f"{sums.weights:,} weights + {sums.biases:,} biases"),
        Total("buffers", sums.buffers, "kept but not trained"),
        Total("MACs", sums.macs, "multiply-accumulates an image, conv and dense"),
        Total("multiplies", sums.multiplies, "multiplications an image, all layers"),
        Total("activations", sums.activations, f"output values an image, {held}"),
        Total("depth", sums.depth.layers, f"weighted layers deep{_sorts(sums.depth.sorts)}"),
    ]
    return [row for row in rows if row.value or row.name != "buffers"]


def memory_title(report: Report) -> str:
    return f"Memory in {report.dtype}, as textbooks count it"


def memory(report: Report) -> list[Sum]:
    """The textbook's prediction of one image (and of the batch), and training of the batch."""
    least = report.totals.memory
    pair = least.widest_pair // least.batch
    parameters = f"{least.parameters:,} bytes of parameters"
    which = f" (`{least.widest_layer}` and what it reads)" if least.widest_layer else ""
    sums = [
        Sum(
            "predicting 1 image",
            pair + least.parameters,
            (f"{pair:,} bytes of two consecutive layers' outputs{which}", parameters),
        )
    ]
    if least.batch > 1:
        outputs = f"{least.widest_pair:,} bytes of two consecutive layers' outputs"
        sums.append(Sum(f"predicting a batch of {least.batch:,}", least.prediction, (outputs, parameters)))
    training = (f"{least.input:,} bytes of input", f"{least.outputs:,} bytes of every layer's output", parameters)
    sums.append(Sum(f"training a batch of {least.batch:,}", least.training, training))
    return sums


def sentences(report: Report) -> list[str]:
    """All of it, a sentence each."""
    lines = [f"{row.name}: {row.value:,} ({row.what})" for row in totals(report)]
    lines += [
        f"{memory_title(report)}, {row.name}: {size_text(row.size)} = {' + '.join(row.terms)}" for row in memory(report)
    ]
    return lines + [remark_text(remark) for remark in report.remarks]


def remark_text(remark: Remark) -> str:
    place = f" ({remark.place.file}:{remark.place.line})" if remark.place else ""
    return f"{remark.severity}: {remark.message}{place}"


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """`12,613,600 bytes (12.6 MB)`, exact and rounded; MB is 10^6 bytes."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            tenths = (size * 10 + 10**power // 2) // 10**power
            return f"{size:,} bytes ({tenths // 10:,}.{tenths % 10} {unit})"
    return f"{size:,} bytes"


def _sorts(sorts: dict[str, int]) -> str:
    named = [counted(count, sort if sort != "dense" else "dense layer") for sort, count in sorts.items()]
    return f": {', '.join(named)}" if named else ""
