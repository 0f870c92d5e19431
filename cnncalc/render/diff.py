"""What `diff` found: a page for a terminal, Markdown for a comment on a pull request, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from textwrap import wrap
from typing import NamedTuple, TextIO

from cnncalc.diagnostics import printable
from cnncalc.diff import MAIN, Change, Diff, LayerChange, Value, percent_text, value_text
from cnncalc.figures import BYTES, LayerFigures
from cnncalc.render.markdown import escaped, prose, row
from cnncalc.render.summary import counted
from cnncalc.render.terminal import GAP, Line, printed, put

NARROWEST, WIDEST = 60, 80
SHORTEST_NAME = 12
MOST_NAMED = 6  # layers that a sentence names
SAME, MARK = "=", "> "

WORDS = {"renamed": "renamed from", "added": "added", "removed": "removed"}
HEADINGS = ("layer", "output", "parameters", "MACs", "activations", "field")
COUNTS = ("parameters", "macs", "activations")


def write(found: Diff, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): within 80 columns, or those of a wider terminal."""
    put(lambda width: lines(found, width), stream)


def json(found: Diff) -> str:
    return dumps(found.to_dict(), indent=2) + "\n"


def lines(found: Diff, width: int | None = None) -> list[Line]:
    """Where it begins, what it costs in total, and every layer that changed."""
    width = max(NARROWEST, width or WIDEST)
    drawn = [Line(f"{found.old.source} -> {found.new.source}", "bold")]
    if found.same:
        drawn += [Line(""), Line(f"Nothing changed: {counted(found.unchanged, 'layer')}, every number the same.")]
    else:
        drawn += _first(found, width)
        drawn += [Line(""), *_totals(found)]
        if shown := _shown(found):
            drawn += [Line(""), *_table(found, shown, width)]
        drawn += [Line(""), *_wrapped(_rest(found), width)]
    drawn += [Line(""), *_limits(found, width)] if found.limits else []
    return printed(drawn)


def markdown(found: Diff) -> str:
    """The totals, and the layers in a part that opens at a click."""
    parts = [f"### {_cell(found.old.source)} → {_cell(found.new.source)}", ""]
    if found.same:
        parts.append(f"Nothing changed: {counted(found.unchanged, 'layer')}, every number the same.")
    else:
        parts += _markdown_first(found)
        parts += [row(["total", "old", "new", "change", ""]), row([":--", "--:", "--:", "--:", "--:"])]
        parts += [row([_cell(cell) for cell in _total_cells(total, found)]) for total in _changed(found)]
        parts += ["", *_markdown_layers(found), prose(printable(" ".join(_rest(found))))]
    if found.limits:
        parts += ["", *[f"- {prose(printable(sentence))}" for sentence in _limit_sentences(found)]]
    return "\n".join(parts) + "\n"


# Sentences ------------------------------------------------------------------------------------------------------------


def _headline(found: Diff) -> str:
    first = found.first
    if first is None:
        return "No layer changed but in its name." if found.layers else "No layer changed."
    layer = next(layer for layer in found.layers if layer.name == first.name and layer.status == first.status)
    at = f", {first.place.file}:{first.place.line}:{first.place.column}" if first.place else ""
    if layer.status == "removed":
        behind = f"; it stood behind `{layer.after}`{at}" if layer.after else ""
        return f"The first change is that `{first.name}` is gone{behind}."
    done = {"added": "was added", "renamed": "changed"}.get(layer.status, "changed")
    used = f", in a block used at {_place(layer)}" if layer.used_at else ""
    return f"The first layer that {done} is `{first.name}`{at}{used}."


def _place(layer: LayerChange) -> str:
    outermost = layer.used_at[0]
    return f"{outermost.file}:{outermost.line}:{outermost.column}"


def _rest(found: Diff) -> list[str]:
    """What the tables leave out, and what their quantities are."""
    told = []
    names = [f"`{one.name}` was `{one.old.name}`" for one in found.layers if one.renamed_only and one.old is not None]
    if names:
        more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
        told.append(f"Renamed and otherwise the same: {', '.join(names[:MOST_NAMED])}{more}.")
    if found.unchanged or names:
        told.append(f"{counted(found.unchanged, 'layer')} unchanged.")
    if same := [total.quantity for total in found.totals if total.old == total.new]:
        told.append(f"The same in total: {', '.join(same)}.")
    if any(total.quantity in BYTES for total in found.changed_totals):
        told.append(
            "Textbook and memory (what torch holds) are bytes to predict 1 image and to train a batch of 2 with SGD."
        )
    return told


def _limit_sentences(found: Diff) -> list[str]:
    return [f"{'✗' if one.exceeded else '✓'} `{one.limit}`: {one.message}" for one in found.limits]


# Totals ---------------------------------------------------------------------------------------------------------------


def _changed(found: Diff) -> list[Change]:
    return [*found.changed_ends, *found.changed_totals]


def _total_cells(total: Change, found: Diff) -> list[str]:
    def text(value: Value) -> str:
        return "refused" if value is None else value_text(total.quantity, value, found.layout)

    percent = percent_text(total.old, total.new)
    return [total.quantity, text(total.old), text(total.new), _signed(total.difference), percent]


def _signed(difference: int | None) -> str:
    return "" if difference is None else f"{difference:+,}"


def _totals(found: Diff) -> list[Line]:
    rows = [["total", "old", "new", "change", ""], *[_total_cells(total, found) for total in _changed(found)]]
    if len(rows) == 1:
        return [Line("The totals are the same.")]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    drawn = [Line(_joined(cells, widths)) for cells in rows]
    drawn[:1] = [Line(drawn[0].text, "bold"), Line(GAP.join("-" * size for size in widths if size), "dim")]
    refused = {total.refused for total in found.changed_totals if total.refused}
    return drawn + [Line(f"  {why}", "dim") for why in sorted(refused)]


def _joined(cells: Sequence[str], widths: Sequence[int], left: int = 1) -> str:
    parts = [
        cell.ljust(size) if position < left else cell.rjust(size)
        for position, (cell, size) in enumerate(zip(cells, widths, strict=True))
    ]
    return GAP.join(parts).rstrip()


# Layers ---------------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A layer in a table: what it is now, and beneath it in small what it was, or by how many percent it grew."""

    now: list[str]
    was: list[str]
    first: bool


def _shown(found: Diff) -> list[Row]:
    rows = []
    marked = False
    for layer in found.layers:
        if not layer.renamed_only:
            rows.append(_row(layer, found, first=not marked))
            marked = True
    return rows


def _row(layer: LayerChange, found: Diff, first: bool) -> Row:
    old, new = layer.old, layer.new
    there = new or old
    assert there is not None
    values = {change.quantity: change for change in layer.changes}
    now = [layer.name, value_text("output", there.output, found.layout)]
    was = [_beneath(layer, values), _was("output", values, found)]
    for quantity in COUNTS:
        before, after = _count(old, quantity), _count(new, quantity)
        now.append(SAME if before == after else _signed(after - before))
        was.append(percent_text(before, after) if old and new else "")
    now.append(_field(there))
    was.append(_was("receptive_field", values, found))
    return Row(now, was, first)


def _count(layer: LayerFigures | None, quantity: str) -> int:
    return getattr(layer, quantity) if layer is not None else 0


def _field(layer: LayerFigures) -> str:
    return "-" if layer.receptive_field is None else value_text("receptive_field", layer.receptive_field.size, "hwc")


def _was(quantity: str, values: dict[str, Change], found: Diff) -> str:
    if quantity not in values:
        return ""
    return f"was {value_text(quantity, values[quantity].old, found.layout)}"


def _beneath(layer: LayerChange, values: dict[str, Change]) -> str:
    """What became of it, if not only its numbers changed."""
    told = []
    if layer.status != "changed":
        told.append(WORDS[layer.status] + (f" {layer.old.name}" if layer.status == "renamed" and layer.old else ""))
    if layer.old is not None and layer.new is not None and ("kind" in values or "title" in values):
        told.append(f"{_title(layer.new)}, was {_title(layer.old)}")
    if not told and values.keys().isdisjoint(MAIN):
        told.append(f"other: {', '.join(values)}")
    return "; ".join(told)


def _title(layer: LayerFigures) -> str:
    return f"{layer.kind} {layer.title}".rstrip()


def _table(found: Diff, rows: Sequence[Row], width: int) -> list[Line]:
    headings = list(HEADINGS)
    cells = [list(headings), *[row.now for row in rows], *[["", *row.was[1:]] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left_out: list[str] = []
    while len(widths) > 3 and min(widths[0], SHORTEST_NAME) + _beside_name(widths) > width:
        left_out.insert(0, headings.pop())
        widths.pop()
    widths[0] = max(min(widths[0], SHORTEST_NAME), min(widths[0], width - _beside_name(widths)))
    drawn = [Line(" " * len(MARK) + _aligned(headings, widths), "bold")]
    drawn.append(Line(" " * len(MARK) + GAP.join("-" * size for size in widths), "dim"))
    for one in rows:
        drawn += _lines_of(one, widths, width)
    if left_out:
        drawn += _wrapped([f"(not shown at {width} columns: {', '.join(left_out)})"], width, "", "dim")
    return drawn


def _beside_name(widths: Sequence[int]) -> int:
    """What a line takes besides the name: the mark, the other columns, the gaps."""
    return len(MARK) + sum(widths[1:]) + len(GAP) * (len(widths) - 1)


def _lines_of(one: Row, widths: Sequence[int], width: int) -> list[Line]:
    """What it is now, and beneath that what it was; a long name and what became of the layer run on beside that."""
    count = len(widths)
    names = _folded(one.now[0], widths[0])
    beside = len(one.was[0]) < widths[0]
    left = [*names, *([f" {one.was[0]}"] if beside and one.was[0] else [])]
    drawn = []
    for position in range(max(len(left), 2 if any(one.was[1:count]) else 1)):
        cells = one.now if position == 0 else one.was if position == 1 else [""] * count
        name = left[position] if position < len(left) else ""
        text = (MARK if one.first and position == 0 else " " * len(MARK)) + _aligned([name, *cells[1:count]], widths)
        drawn.append(Line(text, "dim" if position else "bold" if one.first else ""))
    return drawn + ([] if beside else _wrapped([one.was[0]], width, "   ", "dim"))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The name and the output to the left, counts to the right, the field to the left."""
    parts = [
        cell.rjust(size) if HEADINGS[position] in ("parameters", "MACs", "activations") else cell.ljust(size)
        for position, (cell, size) in enumerate(zip(cells, widths, strict=True))
    ]
    return GAP.join(parts).rstrip()


def _folded(name: str, size: int) -> list[str]:
    """A name over several lines, broken behind a dot where it can be; those after the first stand one column in."""
    parts = []
    while len(name) > size:
        cut = name.rfind(".", 2, size) + 1 or size
        parts.append(name[:cut])
        name = f" {name[cut:]}"
    return [*parts, name]


def _wrapped(sentences: Sequence[str], width: int, indent: str = "", style: str = "") -> list[Line]:
    """Sentences over several lines; a number stays with its `%`."""
    drawn = []
    for sentence in sentences:
        whole = sentence.replace(" %", "\0%")
        further = f"{indent}    "
        parts = wrap(whole, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
        drawn += [Line(part.replace("\0%", " %"), style) for part in parts]
    return drawn


def _first(found: Diff, width: int) -> list[Line]:
    drawn = [Line(""), *_wrapped([_headline(found)], width)]
    if found.first is not None and found.first.line and found.first.place:
        quoted = f"  {found.first.place.line} | {found.first.line}"
        drawn.append(Line(quoted if len(quoted) <= width else f"{quoted[: width - 3]}..."))
    return drawn


def _limits(found: Diff, width: int) -> list[Line]:
    return [
        line
        for sentence, one in zip(_limit_sentences(found), found.limits, strict=True)
        for line in _wrapped([sentence], width, "", "red" if one.exceeded else "")
    ]


# Markdown -------------------------------------------------------------------------------------------------------------


def _markdown_first(found: Diff) -> list[str]:
    parts = [prose(printable(_headline(found))), ""]
    if found.first is not None and found.first.line:
        parts += [f"    {printable(found.first.line.strip())}", ""]  # indented: code, whatever stands in it
    return parts


def _markdown_layers(found: Diff) -> list[str]:
    rows = _shown(found)
    if not rows:
        return []
    changed = counted(len(rows), "layer")
    parts = [f"<details><summary>{changed} changed</summary>", "", row(HEADINGS)]
    parts.append(row([":--", ":--", "--:", "--:", "--:", ":--"]))
    for one in rows:
        now = [_cell(cell) for cell in one.now]
        now[0] = f"**{now[0]}**" if one.first else now[0]
        parts.append(row([f"{cell}<br>{_cell(was)}" if was else cell for cell, was in zip(now, one.was, strict=True)]))
    return [*parts, "", "</details>", ""]


def _cell(text: str) -> str:
    return escaped(printable(text))
