"""The columns of a table of layers: what each is called, what stands in it, and whether it adds up.

Every tabular format draws these; a new column is one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from cnncalc import messages
from cnncalc.diagnostics import did_you_mean, near, printable
from cnncalc.messages import told
from cnncalc.report import LayerReport, Report
from cnncalc.shapes import shape_text, sizes_text


class Column(NamedTuple):
    """`cell` gives a row's text or exact number; `total` the last row's; numbers are right-aligned."""

    key: str
    cell: Callable[[LayerReport, Report], str | int]
    total: Callable[[Report], str | int] | None = None
    number: bool = True


def _kind(row: LayerReport, report: Report) -> str:
    return told("kind", kind=row.kind, title=row.title) if row.title else row.kind


def _shape(shape: Sequence[int], report: Report) -> str:
    return shape_text(tuple(shape), report.layout)


def _field(row: LayerReport, report: Report) -> str:
    seen = row.receptive_field
    return sizes_text(tuple(seen.size)) if seen is not None else "-"


def _jump(row: LayerReport, report: Report) -> str:
    seen = row.receptive_field
    return ", ".join(map(str, seen.jump)) if seen is not None and seen.jump is not None else "-"


def _start(row: LayerReport, report: Report) -> str:
    seen = row.receptive_field
    return ", ".join(map(str, seen.start)) if seen is not None and seen.start is not None else "-"


COLUMNS = (
    Column("layer", lambda row, report: row.name, number=False),
    Column("kind", _kind, number=False),
    Column("inputs", lambda row, report: ", ".join(row.inputs), number=False),
    Column("input", lambda row, report: _shape(row.input, report), number=False),
    Column("output", lambda row, report: _shape(row.output, report), number=False),
    Column("parameters", lambda row, report: row.parameters, lambda report: report.totals.parameters),
    Column("weights", lambda row, report: row.weights, lambda report: report.totals.weights),
    Column("biases", lambda row, report: row.biases, lambda report: report.totals.biases),
    Column("buffers", lambda row, report: row.buffers, lambda report: report.totals.buffers),
    Column("macs", lambda row, report: row.macs, lambda report: report.totals.macs),
    Column("multiplies", lambda row, report: row.multiplies, lambda report: report.totals.multiplies),
    Column("connections", lambda row, report: row.connections, lambda report: report.totals.connections),
    Column("neurons", lambda row, report: row.neurons),
    Column("activations", lambda row, report: row.activations, lambda report: report.totals.activations),
    Column("bytes", lambda row, report: row.activation_bytes, lambda report: report.totals.activation_bytes),
    Column("field", _field, number=False),
    Column("jump", _jump, number=False),
    Column("start", _start, number=False),
    Column("place", lambda row, report: f"{row.place.file}:{row.place.line}" if row.place else "-", number=False),
)
BY_KEY = {column.key: column for column in COLUMNS}

# What a table shows when nobody says, the most wanted first: a narrow screen shows fewer.
DEFAULT = ("layer", "kind", "output", "parameters", "macs", "bytes", "field")


def chosen(names: str) -> list[Column]:
    """The columns of a comma-separated text, `all` for every one; ValueError names the near ones."""
    if names == "all":
        return list(COLUMNS)
    columns = []
    for name in [name.strip() for name in names.split(",")]:
        if name not in BY_KEY:
            nearest = near(name, BY_KEY)
            help = did_you_mean(nearest, f"columns: {', '.join(BY_KEY)}, or all")
            raise ValueError(f"`{name}` is not a column; {help}")
        columns.append(BY_KEY[name])
    return columns


UNTOLD = "?"


def counted(convention: str) -> Column:
    """The column of a convention that the report was counted by; what it says nothing of is `?`."""

    def cell(row: LayerReport, report: Report) -> str | int:
        amount = row.counted[convention]
        return UNTOLD if amount is None else amount

    def total(report: Report) -> str | int:
        amount = report.totals.counted[convention]
        untold = any(row.counted[convention] is None for row in report.layers)
        return f"≥ {amount:,}" if untold else amount

    return Column(convention, cell, total)


def with_conventions(columns: Sequence[Column], conventions: Iterable[str]) -> list[Column]:
    """The columns of conventions after that of the MACs, which they are compared with, or at the end.

    A convention whose count is a column already is not there twice.
    """
    keys = [column.key for column in columns]
    place = keys.index("macs") + 1 if "macs" in keys else len(keys)
    return [*columns[:place], *[counted(name) for name in conventions if name not in keys], *columns[place:]]


def default(report: Report) -> list[Column]:
    """What a table of this report shows when nobody says."""
    return with_conventions([BY_KEY[key] for key in DEFAULT], report.totals.counted)


def cells(row: LayerReport, report: Report, columns: Iterable[Column]) -> list[str | int]:
    return [column.cell(row, report) for column in columns]


# Tables for people ----------------------------------------------------------------------------------------------------


def heading(column: Column, report: Report, language: str = "en") -> str:
    """A convention's column is called as the convention is."""
    if column.key == "bytes" and report.batch > 1:
        return messages.text("column.bytes-of-batch", language, count=report.batch)
    return messages.text(f"column.{column.key}", language) if column.key in BY_KEY else column.key


def body(report: Report, columns: Sequence[Column], language: str = "en") -> list[list[str]]:
    """The rows as text. Rows that repeat are one, `conv.1..2 ×2`, unless a column shows in what they differ."""
    keys = [column.key for column in columns]
    drawn = []
    folds = "layer" in keys and not {"inputs", "place"} & set(keys)
    for row, times in together(report.layers) if folds else [(row, 1) for row in report.layers]:
        texts = [text(cell, language) for cell in cells(row, report, columns)]
        if times > 1:
            texts[keys.index("layer")] += f" ×{times}"
        drawn.append(texts)
    return drawn


def total(report: Report, columns: Sequence[Column], language: str = "en") -> list[str]:
    """The last row; "total" stands in the first column that has none."""
    sums = [text(column.total(report)) if column.total else "" for column in columns]
    if "" in sums:
        sums[sums.index("")] = messages.text("total", language)
    return sums


def text(cell: str | int, language: str = "en") -> str:
    return f"{cell:,}" if isinstance(cell, int) else printable(messages.said(cell, language))


def together(rows: list[LayerReport]) -> list[tuple[LayerReport, int]]:
    """Runs of rows that differ in nothing but their number and place, as one row and how often it stands there.

    The one row is the last of its run (its receptive field is the run's largest), named from the first to the last.
    """
    runs: list[list[LayerReport]] = []
    for row in rows:
        if runs and _same(runs[-1][-1], row):
            runs[-1].append(row)
        else:
            runs.append([row])
    return [(run[-1] if len(run) == 1 else replace(run[-1], name=_span_of_names(run)), len(run)) for run in runs]


def _same(a: LayerReport, b: LayerReport) -> bool:
    return (
        a.kind == b.kind
        and a.output == b.output
        and a.parameters == b.parameters
        and a.macs == b.macs
        and a.title == b.title
        and a.input_shapes == b.input_shapes
        and a.operations == b.operations
        and a.activations == b.activations
        and a.counted == b.counted
        and _unnumbered(a.name) == _unnumbered(b.name)
        and any(name == a.name or name.startswith(f"{a.name}.") for name in b.inputs)
    )


def _unnumbered(name: str) -> tuple[str, str]:
    head, _, last = name.rpartition(".")
    return head, last.rstrip("0123456789")


def _span_of_names(run: list[LayerReport]) -> str:
    last = run[-1].name.rpartition(".")[2]
    return f"{run[0].name}..{last[len(last.rstrip('0123456789')) :]}"
