"""A report's totals in words, each with what it counts: the same sentences in every format that a person reads."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from cnncalc.messages import numbered, said, text
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


def totals(report: Report, language: str = "en") -> list[Total]:
    sums = report.totals

    def row(key: str, value: int, what: str = "", **parts: object) -> Total:
        return Total(text(f"total.{key}", language), value, text(f"what.{what or key}", language, **parts))

    def at_least(total: Total) -> Total:
        """With how many layers are in no count, if there are any."""
        if not sums.unknown:
            return total
        return total._replace(what=numbered("what.at-least", sums.unknown, language, what=total.what))

    held = size_text(sums.activation_bytes // report.batch, language)
    sorts = [numbered(f"layers-of.{sort}", count, language) for sort, count in sums.depth.sorts.items()]
    listed = text("separator", language).join(sorts)
    return [
        row("parameters", sums.parameters, weights=sums.weights, biases=sums.biases),
        *([row("buffers", sums.buffers)] if sums.buffers else []),
        at_least(row("macs", sums.macs)),
        at_least(row("multiplies", sums.multiplies)),
        row("activations", sums.activations, bytes=held),
        row("depth", sums.depth.layers, "depth-of" if sorts else "depth", sorts=listed),
    ]


def memory_title(report: Report, language: str = "en") -> str:
    return text("memory", language, dtype=report.dtype)


def memory(report: Report, language: str = "en") -> list[Sum]:
    """The textbook's prediction of one image (and of the batch), and training of the batch."""
    least = report.totals.memory

    def term(key: str, size: int, **parts: object) -> str:
        return text(f"memory.{key}", language, size=size, **parts)

    pair = least.widest_pair // least.batch
    parameters = term("parameters", least.parameters)
    outputs = term("pair-of", pair, layer=least.widest_layer) if least.widest_layer else term("pair", pair)
    predicting = numbered("memory.predicting", 1, language)
    sums = [Sum(predicting, pair + least.parameters, (outputs, parameters))]
    if least.batch > 1:
        predicting = numbered("memory.predicting", least.batch, language)
        sums.append(Sum(predicting, least.prediction, (term("pair", least.widest_pair), parameters)))
    training = (term("input", least.input), term("outputs", least.outputs), parameters)
    sums.append(Sum(text("memory.training", language, count=least.batch), least.training, training))
    return sums


def sentences(report: Report, language: str = "en") -> list[str]:
    """All of it, a sentence each."""
    lines = [
        text("total-in-words", language, name=row.name, value=row.value, what=row.what)
        for row in totals(report, language)
    ]
    title = memory_title(report, language)
    for row in memory(report, language):
        added = f"{size_text(row.size, language)} = {' + '.join(row.terms)}"
        lines.append(text("memory-in-words", language, title=title, name=row.name, sum=added))
    return lines + [remark_text(remark, language) for remark in remarks(report, language)]


def remarks(report: Report, language: str = "en") -> list[Remark]:
    """A report's remarks in a language."""
    return [
        replace(remark, message=said(remark.message, language), help=said(remark.help, language))
        for remark in report.remarks
    ]


def remark_text(remark: Remark, language: str = "en") -> str:
    place = f" ({remark.place.file}:{remark.place.line})" if remark.place else ""
    severity = text(f"severity.{remark.severity}", language)
    return text("colon", language, name=severity, rest=f"{remark.message}{place}")


def titled(name: str, source: str) -> str:
    """What a network is called above what is said of it: its name and its file, or the file alone."""
    return f"{name} ({source})" if name else source


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def size_text(size: int, language: str = "en") -> str:
    """`12,613,600 bytes (12.6 MB)`, exact and rounded; MB is 10^6 bytes."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            whole, tenths = divmod((size * 10 + 10**power // 2) // 10**power, 10)
            return text("bytes-rounded", language, size=size, whole=whole, tenths=tenths, unit=unit)
    return text("bytes", language, size=size)
