"""A memory report for a person at a terminal, for a pull request, and as a table of events.

`lines` is the whole page, `NARROWEST` to `WIDEST` wide; `markdown` what a reviewer reads; `csv` a row an operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from csv import writer as rows
from io import StringIO
from itertools import groupby
from textwrap import wrap
from typing import TextIO

from cnncalc.diagnostics import printable
from cnncalc.memory import Event, MemoryReport, Model, Term
from cnncalc.render import markdown as md
from cnncalc.render.chart import Stretch, chart, fits
from cnncalc.render.memory_words import (
    CATEGORIES,
    category,
    place,
    setting,
    shape_of,
    share,
    tenths,
    title,
    unit_of,
    what,
)
from cnncalc.render.summary import counted, size_text
from cnncalc.render.terminal import Line, printed, put

NARROWEST, WIDEST = 48, 80
CHART = 78  # columns
TOP = 10  # tensors


def write(report: MemoryReport, top: int = TOP, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(report, top, width), stream)


def lines(report: MemoryReport, top: int = TOP, width: int | None = None) -> list[Line]:
    """The page, in the order in which it is read; `top` is how many tensors it names."""
    width = max(NARROWEST, min(width or WIDEST, WIDEST))
    parts = [
        _title(report, width),
        _models(report, width),
        _difference(report, width),
        _categories(report, width),
        _place(report, width),
        _tensors(report, top, width),
        _timeline(report, width),
        _not_modelled(report, width),
    ]
    drawn: list[Line] = []
    for part in parts:
        if part:
            drawn += [*([Line("")] if drawn else []), *part]
    return printed(drawn)


def _wrapped(text: str, width: int, indent: str = "", style: str = "") -> list[Line]:
    """A sentence that goes on in the next line, four columns further in."""
    return [Line(f"{indent}{part}", style) for part in _parts(text, width - len(indent), "    ")]


def _parts(text: str, width: int, indent: str = "") -> list[str]:
    """A text in lines of a width, those after the first indented; a long name is broken at a dot where it can be."""
    words = []
    for word in text.split(" "):
        while len(word) > (room := max(width - len(indent), 8)):
            cut = word.rfind(".", 1, room) + 1 or room
            words.append(word[:cut])
            word = word[cut:]
        words.append(word)
    return wrap(" ".join(words), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


# What is run ----------------------------------------------------------------------------------------------------------


def _title(report: MemoryReport, width: int) -> list[Line]:
    return [*_wrapped(title(report), width, style="bold"), *_wrapped(setting(report), width)]


# The models -----------------------------------------------------------------------------------------------------------

TITLES = {"eager": "eager: what torch really holds"}


def _models(report: MemoryReport, width: int) -> list[Line]:
    """Each model's figure, a line of why, and its terms; those of `eager` are the categories, which have a table."""
    unit, size = unit_of(report)
    drawn = [_row("Model", "bytes", unit, width, "bold")]
    for model in report.models:
        title = TITLES.get(model.model, model.model)
        drawn += [_row(title, f"{model.bytes:,}", tenths(model.bytes, size), width, "bold")]
        drawn += _wrapped(model.why, width, "  ")
        if model.model != "eager":
            terms = [term for term in model.terms if term.bytes]
            drawn += [line for place, term in enumerate(terms) for line in _term("+" if place else "=", term, width)]
    return drawn


def _row(label: str, bytes: str, rounded: str, width: int, style: str = "") -> Line:
    return Line(f"{label:<{_label(width)}}{bytes:>16}{rounded:>10}".rstrip(), style)


def _label(width: int) -> int:
    """How wide the words before a column of bytes and one of MB may be."""
    return width - 28


def _term(sign: str, term: Term, width: int) -> list[Line]:
    """`= words of the term   1,234`; long words go on in the next line."""
    first, *more = _parts(term.name, _label(width) - 4)
    return [
        _row(f"  {sign} {first}", f"{abs(term.bytes):,}", "", width, "dim"),
        *[Line(f"      {part}", "dim") for part in more],
    ]


def _difference(report: MemoryReport, width: int) -> list[Line]:
    """Why torch's figure is not the textbook's, in numbers that add up."""
    least, held = report.models[0].bytes, report.models[-1].bytes
    if held == least:
        head = "Torch holds as many bytes as the textbook counts"
    else:
        gap = abs(held - least)
        than = f"{'more' if held > least else 'less'} than the textbook counts"
        head = f"Torch holds {size_text(gap)} {than}"
    drawn = _wrapped(head, width, style="bold")
    for term in report.difference:
        drawn += _term("+" if term.bytes > 0 else "-", term, width)
    return drawn


# The peak -------------------------------------------------------------------------------------------------------------


def _categories(report: MemoryReport, width: int) -> list[Line]:
    rows = [(name, size) for name, size in report.peak.categories.items() if size]
    drawn = [Line(f"{'At the peak':<15}{'bytes':>16}  {'share':>6}", "bold")]
    for name, size in rows:
        row = f"{name:<15}{size:>16,}  {share(size, report.peak.bytes):>6}  {category(name, report)}"
        drawn += _wrapped(row, width)
    return [*drawn, Line(f"{'together':<15}{report.peak.bytes:>16,}  {'100 %':>6}", "bold")]


def _place(report: MemoryReport, width: int) -> list[Line]:
    return [line for sentence in place(report) for line in _wrapped(sentence, width)]


# The largest tensors --------------------------------------------------------------------------------------------------


def _tensors(report: MemoryReport, top: int, width: int) -> list[Line]:
    shown, left = report.peak.tensors[:top], report.peak.tensors[top:]
    if not shown:
        return []
    rows = [(f"{tensor.bytes:,}", shape_of(tensor, report), what(tensor, report)) for tensor in shown]
    size, shape = max(len("bytes"), len(rows[0][0])), max(len("shape"), *[len(row[1]) for row in rows])
    drawn = [Line(f"{'bytes':>{size}}  {'shape':<{shape}}  the largest tensors there", "bold")]
    for bytes, dims, said in rows:
        first, *more = _parts(said, max(20, width - size - shape - 4), "  ")
        drawn.append(Line(f"{bytes:>{size}}  {dims:<{shape}}  {first}"))
        drawn += [Line(f"{' ' * (size + shape + 4)}{part}") for part in more]
    if left:
        rest = sum(tensor.bytes for tensor in left)
        drawn += _wrapped(f"(and {counted(len(left), 'smaller one')}: {rest:,} bytes)", width, style="dim")
    return drawn


# The run over time ----------------------------------------------------------------------------------------------------


def _timeline(report: MemoryReport, width: int) -> list[Line]:
    """From nothing up; where most is there before anything runs, from that up."""
    if not report.timeline:
        return []
    peak, rest, width = report.peak.bytes, report.at_rest, min(width, CHART)
    floor = rest if rest < peak < 2 * rest else 0
    unit, size = unit_of(report)
    labels = (tenths(floor, size) if floor else "0", tenths(peak, size))
    stretches = _stretches(report)
    if not fits(stretches, labels, width):
        at_most = next(stretch.group for stretch in stretches if peak in stretch.values)
        stretches = [stretch for stretch in stretches if stretch.group == at_most]
    count = sum(len(stretch.values) for stretch in stretches)
    above = f" above the {labels[0]} from the start" if floor else ""
    thinned = ", the most of those in a column" if count > width else ""
    head = f"{unit} alive{above}, over {counted(count, 'operator')}{thinned}; ▼ is the peak"
    drawn = chart(stretches, floor, labels, width)
    return [*_wrapped(head, width, style="bold"), *[Line(line) for line in drawn]]


def _stretches(report: MemoryReport) -> list[Stretch]:
    """Each phase of each step, in which backward is what it computes again too; steps that are alike are drawn once."""
    steps = [list(events) for _, events in groupby(report.timeline, lambda event: event.step)]
    alike = len({tuple([event.bytes for event in events]) for events in steps}) == 1
    return [
        Stretch(name, "" if alike else _step(number, report), [event.bytes for event in events])
        for number, step in enumerate(steps[:1] if alike else steps, 1)
        for name, events in groupby(step, _phase)
    ]


def _phase(event: Event) -> str:
    return "backward" if event.phase == "recompute" else event.phase


def _step(number: int, report: MemoryReport) -> str:
    return f"step {number}{' and later' if number == len(report.steps) else ''}"


def _not_modelled(report: MemoryReport, width: int) -> list[Line]:
    said = [line for text in report.not_modelled for line in _wrapped(f"- {text}", width, style="dim")]
    return [Line("Not in these numbers", "bold"), *said]


# Other formats --------------------------------------------------------------------------------------------------------


def markdown(report: MemoryReport, top: int = TOP) -> str:
    """GitHub-flavoured Markdown for a pull request: the models, the categories at the peak, the largest tensors."""
    peak, (unit, size) = report.peak, unit_of(report)
    models = [(model.model, model.bytes, tenths(model.bytes, size), _sum(model)) for model in report.models]
    categories = [(name, size, share(size, peak.bytes)) for name, size in peak.categories.items() if size]
    tensors = [(tensor.bytes, shape_of(tensor, report), what(tensor, report)) for tensor in peak.tensors[: max(top, 0)]]
    parts = [
        [f"## {md.escaped(printable(report.name or report.source))}"],
        [md.prose(printable(setting(report)))],
        _table((("model", ":--"), ("bytes", "--:"), (unit, "--:"), ("the sum of", ":--")), models),
        [md.prose(printable(sentence)) for sentence in place(report)],
        _table((("at the peak", ":--"), ("bytes", "--:"), ("share", "--:")), categories),
        _table((("bytes", "--:"), ("shape", ":--"), ("tensor", ":--")), tensors) if tensors else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _sum(model: Model) -> str:
    return " + ".join(f"{term.bytes:,} {term.name}" for term in model.terms if term.bytes)


def _table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | int]]) -> list[str]:
    texts = [[f"{cell:,}" if isinstance(cell, int) else md.prose(printable(cell)) for cell in row] for row in rows]
    return [md.row([name for name, _ in heads]), md.row([side for _, side in heads]), *map(md.row, texts)]


def csv(report: MemoryReport) -> str:
    """A row an operator (RFC 4180): step, phase, layer, the bytes alive when it ends, and those of each category."""
    out = StringIO()
    table = rows(out, lineterminator="\n")
    table.writerow(["step", "phase", "layer", "operator", "bytes", *CATEGORIES])
    for event in report.timeline:
        sizes = [event.categories[name] for name in CATEGORIES]
        table.writerow([event.step, event.phase, event.layer, event.operator, event.bytes, *sizes])
    return out.getvalue()
