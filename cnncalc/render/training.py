"""What a step of training takes: a page for a terminal, Markdown, CSV."""

from __future__ import annotations

from collections.abc import Sequence
from csv import writer as rows_to
from dataclasses import fields
from io import StringIO
from textwrap import wrap
from typing import TextIO

from cnncalc.diagnostics import printable
from cnncalc.render.markdown import escaped, prose, row
from cnncalc.render.summary import counted, titled
from cnncalc.render.terminal import GAP, Line, printed, put
from cnncalc.training import TORCH, LayerTraining, TrainingReport

NARROWEST, WIDEST = 48, 80
SHORTEST_NAME = 12
MOST_NAMED = 4  # layers that a sentence names

SETTING = "A step of training, for one image, in MACs: multiply-accumulates of convolutions and dense layers."
LEFT_OUT = (
    "Not counted: what is no multiply-accumulate, such as a bias and its gradient (adds), and all arithmetic of norms, "
    "activations, pooling, merges, the loss and the optimizer, in either pass."
)
HEADINGS = ("layer", "MACs forward", "to weights", "to inputs", "total")


def write(report: TrainingReport, per_layer: bool, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(report, per_layer, width), stream)


def lines(report: TrainingReport, per_layer: bool, width: int | None = None) -> list[Line]:
    """What each pass takes, in total or layer by layer; then which gradients there are not, and what is not counted."""
    prose_width = max(NARROWEST, min(width or WIDEST, WIDEST))
    name = titled(report.name, report.source)
    drawn = [Line(name, "bold"), *_wrapped(SETTING, prose_width), Line("")]
    drawn += _layers(report, width) if per_layer else _totals(report)
    drawn.append(Line(""))
    for sentence in _sentences(report):
        drawn += _wrapped(sentence, prose_width)
    drawn += _wrapped(LEFT_OUT, prose_width, "dim")
    return printed(drawn)


def markdown(report: TrainingReport, per_layer: bool) -> str:
    """The same for a pull request."""
    if per_layer:
        heads, body, sums = list(HEADINGS), [_cells(layer) for layer in report.layers], _sums(report)
    else:
        heads, (*body, sums) = ["pass", "MACs"], _pass_cells(report)
    parts = [
        f"## {escaped(printable(report.name or report.source))}",
        "",
        SETTING,
        "",
        row(heads),
        row([":--", *["--:"] * (len(heads) - 1)]),
        *[row([escaped(printable(cell)) for cell in cells]) for cells in body],
        row([f"**{cell}**" for cell in sums]),
        "",
        *[f"- {prose(printable(sentence))}" for sentence in (*_sentences(report), LEFT_OUT)],
    ]
    return "\n".join(parts) + "\n"


def csv(report: TrainingReport) -> str:
    """A row a layer (RFC 4180): exact numbers without separators, no total row."""
    out = StringIO()
    table = rows_to(out, lineterminator="\n")
    keys = [field.name for field in fields(LayerTraining)]
    table.writerow(keys)
    for layer in report.layers:
        table.writerow([getattr(layer, key) for key in keys])
    return out.getvalue()


# Sentences ------------------------------------------------------------------------------------------------------------

MISSING = (
    ("why_not_inputs", "image", "No gradient to the inputs of {}: the image needs none."),
    ("why_not_inputs", "frozen", "No gradient to the inputs of {}: all parameters before {} are frozen."),
    ("why_not_weights", "frozen", "No gradient to the weights of {}: frozen."),
    ("why_not_weights", "unused", "No gradient to {}: no output depends on {}."),
)


def _sentences(report: TrainingReport) -> list[str]:
    if not report.layers:
        return ["No layer has multiply-accumulates."]
    return [_ratio(report), *_missing(report), _flops(report), *_flop_counter(report)]


def _ratio(report: TrainingReport) -> str:
    if not report.backward:
        return "The backward pass has no multiply-accumulates."
    hundredths = (200 * report.backward + report.forward) // (2 * report.forward)
    times = f"{hundredths // 100}.{hundredths % 100:02}"
    return f"The backward pass takes {times} times the MACs of the forward pass."


def _missing(report: TrainingReport) -> list[str]:
    """Which gradients are not computed, and why."""
    told = []
    for key, why, sentence in MISSING:
        if names := [layer.name for layer in report.layers if getattr(layer, key) == why]:
            told.append(sentence.format(_named(names), "it" if len(names) == 1 else "them"))
    return told


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{', '.join(f'`{name}`' for name in names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1:,} more"
    *others, last = [f"`{name}`" for name in names]
    return f"{', '.join(others)} and {last}" if others else last


def _flops(report: TrainingReport) -> str:
    return f"FLOPs, two a multiply-accumulate: {report.flops:,}, and N times that for a batch of N."


def _flop_counter(report: TrainingReport) -> list[str]:
    """What torch prints, and why where it is not the same."""
    prints = f"For one image torch.utils.flop_counter (torch {TORCH}) prints"
    if report.flop_counter == report.flops:
        return [f"{prints} the same."]
    over = [layer for layer in report.layers if layer.flop_counter != 2 * layer.total]
    return [
        f"{prints} {report.flop_counter:,}, which is {report.flop_counter - report.flops:,} too many: in the gradient "
        f"to the weights it forgets the groups of channels in which {counted(len(over), 'convolution')} "
        f"{'runs' if len(over) == 1 else 'run'}, and counts every pair of an input and an output channel."
    ]


# Tables ---------------------------------------------------------------------------------------------------------------


def _pass_cells(report: TrainingReport) -> list[list[str]]:
    return [
        ["forward", f"{report.forward:,}"],
        ["backward, to the weights", f"{report.to_weights:,}"],
        ["backward, to the inputs", f"{report.to_inputs:,}"],
        ["total", f"{report.total:,}"],
    ]


def _cells(layer: LayerTraining) -> list[str]:
    weights = "-" if layer.why_not_weights else f"{layer.to_weights:,}"
    inputs = "-" if layer.why_not_inputs else f"{layer.to_inputs:,}"
    return [layer.name, f"{layer.forward:,}", weights, inputs, f"{layer.total:,}"]


def _sums(report: TrainingReport) -> list[str]:
    return ["total", *[f"{sum:,}" for sum in (report.forward, report.to_weights, report.to_inputs, report.total)]]


def _totals(report: TrainingReport) -> list[Line]:
    return _table(("pass", "MACs"), _pass_cells(report), None)


def _layers(report: TrainingReport, width: int | None) -> list[Line]:
    cells = [*[_cells(layer) for layer in report.layers], _sums(report)]
    return _table(HEADINGS, cells, width)


def _table(heads: Sequence[str], cells: list[list[str]], width: int | None) -> list[Line]:
    """Names to the left, counts to the right, the last row set off; a name too long goes on in the next line."""
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    if width is not None:
        room = width - sum(widths[1:]) - len(GAP) * (len(widths) - 1)
        widths[0] = min(widths[0], max(room, SHORTEST_NAME))
    rule = Line(GAP.join("-" * size for size in widths), "dim")
    *body, sums = [_lines_of(row, widths) for row in cells]
    drawn = [Line(text) for texts in body for text in texts]
    return [Line(_joined(heads, widths), "bold"), rule, *drawn, rule, *[Line(text, "bold") for text in sums]]


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    (name, *counts), (first, *others) = cells, widths
    return GAP.join([name.ljust(first), *map(str.rjust, counts, others)]).rstrip()


def _lines_of(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row, its name broken behind a dot where it can be."""
    name, size = cells[0], widths[0]
    parts = []
    while len(name) > size:
        cut = name.rfind(".", 2, size) + 1 or size
        parts.append(name[:cut])
        name = f" {name[cut:]}"
    first, *more = [*parts, name]
    return [_joined([first, *cells[1:]], widths), *more]


def _wrapped(text: str, width: int, style: str = "") -> list[Line]:
    """A sentence that goes on in the next line, four columns further in."""
    parts = wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [Line(part, style) for part in parts]
