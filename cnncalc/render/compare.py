"""What `compare` found: a page for a terminal, Markdown for a pull request, CSV, JSON."""

from __future__ import annotations

import csv as standard_csv
import io
from collections.abc import Sequence
from json import dumps
from textwrap import wrap
from typing import NamedTuple, TextIO

from cnncalc.compare import PER_IMAGE, SUMS, WORDS, Comparison, Layer, Row, Side, Total, ratio_text
from cnncalc.diagnostics import did_you_mean, near, printable
from cnncalc.figures import BYTES, QUANTITIES
from cnncalc.render.markdown import escaped, prose, row
from cnncalc.render.memory_words import DEVICES, OPTIMIZERS
from cnncalc.render.terminal import GAP, Line, printed, put
from cnncalc.report import Tensor
from cnncalc.shapes import shape_text

NARROWEST, WIDEST = 60, 80  # of sentences; tables are as wide as they are where there is no window
SHORTEST_NAME = 12
LONGEST_LABEL = 20
BETWEEN = " | "  # networks

OF_LAYERS = ("kind", "output", *SUMS)
COLUMNS = ("kind", "output", *QUANTITIES)
DEFAULT = ("output", "parameters", "macs")
HEADINGS = {"macs": "MACs", "flops": "flops (cnncalc)"}
EXPLAINED = ("layers", "depth", "parameters", "buffers")  # those of the totals that are not for one image


def chosen(names: str) -> list[str]:
    """The columns of a comma-separated text, `all` for every one; ValueError names the near ones."""
    if names == "all":
        return list(COLUMNS)
    columns = list(dict.fromkeys([name.strip() for name in names.split(",")]))
    for name in columns:
        if name not in COLUMNS:
            help = did_you_mean(near(name, COLUMNS), f"columns: {', '.join(COLUMNS)}, or all")
            raise ValueError(f"`{name}` is not a column; {help}")
    return columns


def write(found: Comparison, columns: Sequence[str] | None = None, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): within its width where it is a terminal."""
    put(lambda width: lines(found, columns, width), stream)


def lines(found: Comparison, columns: Sequence[str] | None = None, width: int | None = None) -> list[Line]:
    """The networks, their totals with the ratios to the first, and the layers where they were asked for.

    What does not fit beside one another stands in several tables, each with the first network; of columns that nobody
    chose, those that do not fit are left out, and that is said.
    """
    within = max(NARROWEST, width or WIDEST)
    drawn = [line for title in _titles(found) for line in _wrapped(title, within, "bold")]
    totals = _totals(found, columns)
    if totals:
        drawn += _totals_tables(found, totals, width)
    if found.rows is not None:
        drawn += _layer_tables(found, columns, width)
    drawn.append(Line(""))
    for sentence in _sentences(found, totals, columns):
        drawn += _wrapped(sentence, within, "dim")
    return printed(drawn)


def markdown(found: Comparison, columns: Sequence[str] | None = None) -> str:
    """The totals with their ratios, and the layers in a part that opens at a click."""
    names = [_cell(side.label) for side in found.networks]
    parts = [f"### {', '.join(names)}", "", *[f"- {_cell(title)}" for title in _titles(found, "→")], ""]
    totals = _totals(found, columns)
    if totals:
        parts += [row(["total", *names]), row([":--", *["--:"] * len(names)])]
        parts += [row([_heading(total.quantity), *_beside(total)]) for total in totals]
        parts.append("")
    if found.rows is not None:
        parts += _markdown_layers(found, _of_layers(columns))
    parts.append(prose(printable(" ".join(_sentences(found, totals, columns)))))
    return "\n".join(parts) + "\n"


def csv(found: Comparison, columns: Sequence[str] | None = None) -> str:
    """A row a total, or a row a layer where they were asked for; exact numbers, ratios as near as a float is."""
    out = io.StringIO()
    writer = standard_csv.writer(out, lineterminator="\n")
    names = [side.label for side in found.networks]
    if found.rows is None:
        writer.writerow(["quantity", *names, *[f"{name} ratio" for name in names[1:]], "counts"])
        for total in _totals(found, columns):
            values = [total.quantity, *total.values, *total.ratios[1:], total.counts]
            writer.writerow(["" if value is None else value for value in values])
        return out.getvalue()
    keys = _of_layers(columns if columns is not None else OF_LAYERS)
    writer.writerow([f"{name} {key}" for name in names for key in ("layer", *keys)])
    for layers in found.rows:
        writer.writerow([cell for layer in layers for cell in _exact_cells(layer, keys, found)])
    return out.getvalue()


def json(found: Comparison) -> str:
    return dumps(found.to_dict(), indent=2) + "\n"


# Words ----------------------------------------------------------------------------------------------------------------


def _heading(key: str) -> str:
    return HEADINGS.get(key, key)


def _titles(found: Comparison, arrow: str = "->") -> list[str]:
    """Each network with its inputs and outputs, and whether these are not the first one's."""
    return [_title(side, found.networks[0], found, arrow) for side in found.networks]


def _title(side: Side, first: Side, found: Comparison, arrow: str) -> str:
    name = f"{side.name}, " if side.name else ""
    ends = f"{_shapes(side.inputs, found)} {arrow} {_shapes(side.outputs, found)}"
    other = [
        what
        for what, own, firsts in (("input", side.inputs, first.inputs), ("output", side.outputs, first.outputs))
        if [one.shape for one in own] != [one.shape for one in firsts]
    ]
    return f"{side.label}: {name}{ends}" + (f" (another {' and '.join(other)})" if other else "")


def _shapes(tensors: Sequence[Tensor], found: Comparison) -> str:
    shapes = [(one.name, shape_text(tuple(one.shape), found.layout)) for one in tensors]
    return ", ".join([f"{name} {shape}" if len(shapes) > 1 else shape for name, shape in shapes])


def _sentences(found: Comparison, totals: Sequence[Total], columns: Sequence[str] | None) -> list[str]:
    """What the tables count, what torch refuses, and how many layers align."""
    first = found.networks[0].label
    told = [f"× is the ratio to `{first}`, to three digits."] if totals else []
    if found.rows is not None:
        told += [_aligned(found.rows, at, found) for at in range(1, len(found.networks))]
        told += [
            f"`{label}` is too large to be aligned by what its layers do: it was by their names."
            for label in found.by_name
        ]
    shown = [total.quantity for total in totals]
    shown += [key for key in _of_layers(columns) if key not in shown] if found.rows is not None else []
    counts = [f"{_heading(key)}: {WORDS[key]}" for key in shown if key in EXPLAINED]
    told += [f"{'; '.join(counts)}."] if counts else []
    counts = [f"{_heading(key)}: {WORDS[key]}" for key in shown if key in PER_IMAGE]
    told += [f"For one image, {'; '.join(counts)}."] if counts else []
    if not set(BYTES).isdisjoint(shown):
        told.append(_bytes(found))
    refused = {
        f"`{side.label}`: {why}."
        for total in totals
        for side, why in zip(found.networks, total.refused, strict=True)
        if why
    }
    return told + sorted(refused)


def _bytes(found: Comparison) -> str:
    runs = found.runs
    images = "1 image" if runs.prediction_batch == 1 else f"a batch of {runs.prediction_batch:,}"
    trained = f"a batch of {runs.training_batch:,} with {OPTIMIZERS[runs.optimizer]}"
    return (
        f"In bytes, to predict {images} and to train {trained} in {runs.dtype}, on {DEVICES[runs.device]}: "
        "textbook, as courses count them; memory, what torch holds at its peak."
    )


def _aligned(rows: Sequence[Row], at: int, found: Comparison) -> str:
    own = sum([layers[at] is not None for layers in rows])
    shared = sum([layers[at] is not None and layers[0] is not None for layers in rows])
    whole = sum([layers[0] is not None for layers in rows])
    own_label, first = found.networks[at].label, found.networks[0].label
    return f"Rows that align: {shared:,} of {own:,} of `{own_label}` with {shared:,} of {whole:,} of `{first}`."


# Totals ---------------------------------------------------------------------------------------------------------------


def _totals(found: Comparison, columns: Sequence[str] | None) -> list[Total]:
    by_quantity = {total.quantity: total for total in found.totals}
    return [by_quantity[key] for key in (QUANTITIES if columns is None else columns) if key in by_quantity]


def _value(value: int | None) -> str:
    return "refused" if value is None else f"{value:,}"


def _beside(total: Total) -> list[str]:
    """A total's cells in Markdown: the value, and after the first one its ratio."""
    values = [_value(value) for value in total.values]
    ratios = [ratio_text(value, total.values[0]) for value in total.values]
    return [values[0], *[f"{value} ({ratio})" for value, ratio in zip(values[1:], ratios[1:], strict=True)]]


def _totals_tables(found: Comparison, totals: Sequence[Total], width: int | None) -> list[Line]:
    """As many networks beside the first as fit, the others in tables beneath."""
    names = _Column(["total"], [_heading(total.quantity) for total in totals], gap="")
    first, *others = [_columns_of_totals(found, totals, at) for at in range(len(found.networks))]
    drawn = []
    for stripe in _stripes([_wide([names, *first]), *[_wide(columns) for columns in others]], width):
        shown = [names, *first, *[column for at in stripe for column in others[at]]]
        drawn += [Line(""), *_table(shown, [column.width for column in shown])]
    return drawn


def _columns_of_totals(found: Comparison, totals: Sequence[Total], at: int) -> list[_Column]:
    head = _folded(found.networks[at].label, LONGEST_LABEL)
    values = _Column(head, [_value(total.values[at]) for total in totals], right=True)
    ratios = _Column(["ratio"], [ratio_text(total.values[at], total.values[0]) for total in totals])
    return [values, ratios] if at else [values]


# Layers ---------------------------------------------------------------------------------------------------------------


def _of_layers(columns: Sequence[str] | None) -> list[str]:
    """The columns that a layer has."""
    return [key for key in (DEFAULT if columns is None else columns) if key in OF_LAYERS]


def _exact_cells(layer: Layer | None, keys: Sequence[str], found: Comparison) -> list[str | int]:
    if layer is None:
        return [""] * (1 + len(keys))
    return [layer.name, *[_exact(layer, key, found) for key in keys]]


def _exact(layer: Layer, key: str, found: Comparison) -> str | int:
    if key == "output":
        return shape_text(tuple(layer.output), found.layout)
    if key == "kind":
        return f"{layer.kind} {layer.title}".rstrip()
    count: int = getattr(layer, key)
    return count


def _text(cell: str | int) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell


def _layer_tables(found: Comparison, columns: Sequence[str] | None, width: int | None) -> list[Line]:
    """The first network and as many as fit beside it, each with its own columns; rows that have none of them are not
    drawn. A row that the first network has no part in, or that no other has, is dim."""
    keys = _of_layers(columns)
    groups = _groups(found, keys)
    left_out: list[str] = []
    while columns is None and width is not None and len(keys) > 1 and _narrowest_pair(groups) > width:
        left_out.insert(0, keys.pop())
        groups = _groups(found, keys)
    narrow = [_wide(group, SHORTEST_NAME) for group in groups]
    drawn = []
    for stripe in _stripes(narrow, width):
        drawn += [Line(""), *_layer_table(found, groups, [0, *[at + 1 for at in stripe]], width)]
    if left_out:
        names = ", ".join([_heading(key) for key in left_out])
        drawn += _wrapped(
            f"(not shown at {width} columns: {names}; --columns chooses)", max(NARROWEST, width or 0), "dim"
        )
    return drawn


def _groups(found: Comparison, keys: Sequence[str]) -> list[list[_Column]]:
    """Each network's columns."""
    assert found.rows is not None
    groups = []
    for at in range(len(found.networks)):
        cells = [[_text(cell) for cell in _exact_cells(layers[at], keys, found)] for layers in found.rows]
        names, *others = [list(column) for column in zip(*cells, strict=True)] or [[] for _ in range(1 + len(keys))]
        group = [_Column(["layer"], names, gap=BETWEEN if at else "")]
        group += [_Column([_heading(key)], own, right=key in SUMS) for key, own in zip(keys, others, strict=True)]
        groups.append(group)
    return groups


def _narrowest_pair(groups: Sequence[Sequence[_Column]]) -> int:
    first, *others = [_wide(group, SHORTEST_NAME) for group in groups]
    return first + max(others)


def _layer_table(
    found: Comparison, groups: Sequence[list[_Column]], shown: Sequence[int], width: int | None
) -> list[Line]:
    assert found.rows is not None
    kept = [position for position, layers in enumerate(found.rows) if any(layers[at] is not None for at in shown)]
    columns = [
        column._replace(cells=[column.cells[position] for position in kept]) for at in shown for column in groups[at]
    ]
    size = len(groups[0])
    widths = [column.width for column in columns]
    if width is not None:
        narrow = sum([_wide(groups[at], SHORTEST_NAME) for at in shown])
        room = max(0, width - narrow) // len(shown)
        widths[::size] = [min(wide, SHORTEST_NAME + room) for wide in widths[::size]]
    heads = []
    for position, at in enumerate(shown):
        own = widths[position * size : (position + 1) * size]
        heads.append(_cut(found.networks[at].label, sum(own) + len(GAP) * (size - 1)))
    together = [
        found.rows[position][0] is not None and any(found.rows[position][at] is not None for at in shown[1:])
        for position in kept
    ]
    drawn = _table(columns, widths, ["" if both else "dim" for both in together])
    return [Line(BETWEEN.join(heads).rstrip(), "bold"), *drawn]


def _cut(label: str, size: int) -> str:
    """A label in exactly so many characters, its beginning left out where it is longer."""
    return label.ljust(size) if len(label) <= size else f"...{label[len(label) - size + 3 :]}"


def _markdown_layers(found: Comparison, keys: Sequence[str]) -> list[str]:
    assert found.rows is not None
    heads = [f"{_cell(side.label)} {head}" for side in found.networks for head in ("layer", *map(_heading, keys))]
    marks = [":--", *["--:" if key in SUMS else ":--" for key in keys]] * len(found.networks)
    parts = ["<details><summary>layer by layer</summary>", "", row(heads), row(marks)]
    for layers in found.rows:
        cells = [_cell(_text(cell)) for layer in layers for cell in _exact_cells(layer, keys, found)]
        parts.append(row(cells))
    return [*parts, "", "</details>", ""]


def _cell(text: str) -> str:
    return escaped(printable(text))


# Tables ---------------------------------------------------------------------------------------------------------------


class _Column(NamedTuple):
    """`gap` stands before it; `head` are the lines of its heading."""

    head: list[str]
    cells: list[str]
    right: bool = False
    gap: str = GAP

    @property
    def width(self) -> int:
        return max(map(len, [*self.head, *self.cells]))


def _wide(columns: Sequence[_Column], most_of_first: int | None = None) -> int:
    """What columns take, with their gaps; the first of them no more than that, where it is given."""
    first, *others = [column.width for column in columns]
    first = first if most_of_first is None else min(first, most_of_first)
    return first + sum(others) + sum([len(column.gap) for column in columns])


def _stripes(sizes: Sequence[int], width: int | None) -> list[list[int]]:
    """The places of all sizes after the first (counted from 0), together as far as they fit beside the first."""
    first, *others = sizes
    stripes: list[list[int]] = [[]]
    taken = first
    for at, size in enumerate(others):
        if stripes[-1] and width is not None and taken + size > width:
            stripes.append([])
            taken = first
        stripes[-1].append(at)
        taken += size
    return stripes


def _table(columns: Sequence[_Column], widths: Sequence[int], styles: Sequence[str] = ()) -> list[Line]:
    """A heading, a rule and the rows; `styles` has one for each row. Cells longer than their column are folded."""
    height = max([len(column.head) for column in columns])
    heads = [[*[""] * (height - len(column.head)), *column.head] for column in columns]
    drawn = [Line(_joined([head[at] for head in heads], columns, widths), "bold") for at in range(height)]
    drawn.append(Line(_joined(["-" * size for size in widths], columns, widths), "dim"))
    for position in range(len(columns[0].cells)):
        style = styles[position] if styles else ""
        cells = [_folded(column.cells[position], size) for column, size in zip(columns, widths, strict=True)]
        for at in range(max(map(len, cells))):
            parts = [cell[at] if at < len(cell) else "" for cell in cells]
            drawn.append(Line(_joined(parts, columns, widths), style))
    return drawn


def _joined(cells: Sequence[str], columns: Sequence[_Column], widths: Sequence[int]) -> str:
    parts = [
        column.gap + (cell.rjust(size) if column.right else cell.ljust(size))
        for cell, column, size in zip(cells, columns, widths, strict=True)
    ]
    return "".join(parts).rstrip()


def _folded(name: str, size: int) -> list[str]:
    """A name over several lines, broken behind a dot, a slash or the like where it can be; those after the first
    stand one column in."""
    parts = []
    while len(name) > size:
        cut = max([name.rfind(sign, 2, size) for sign in "./:_-"]) + 1 or size
        parts.append(name[:cut])
        name = f" {name[cut:]}"
    return [*parts, name]


def _wrapped(sentence: str, width: int, style: str = "") -> list[Line]:
    parts = wrap(sentence, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [Line(part, style) for part in parts]
