"""What a conversion comes to, for a person at a terminal and for a pull request."""

from __future__ import annotations

from textwrap import wrap
from typing import TextIO, get_args

from cnncalc.convert import Conversion
from cnncalc.render.summary import titled
from cnncalc.render.terminal import Line, printed, put
from cnncalc.shapes import Layout, shape_text

NARROWEST, WIDEST = 48, 80
HEADINGS = ("layer", "was", "is", "output", "parameters", "MACs")


def write(found: Conversion, stream: TextIO | None = None) -> None:
    """Write the page to a stream (standard output): in colour where it is a terminal."""
    put(lambda width: lines(found, width), stream)


def lines(found: Conversion, width: int | None = None) -> list[Line]:
    """What was converted, what comes out, and what it costs beside a pass for each crop."""
    width = max(NARROWEST, min(width or WIDEST, WIDEST))
    rows = [HEADINGS, *_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    drawn = [Line(_title(found), "bold"), Line("")]
    for place, row in enumerate(rows):
        sized = list(zip(row, widths, strict=True))
        cells = [*[cell.ljust(wide) for cell, wide in sized[:4]], *[cell.rjust(wide) for cell, wide in sized[4:]]]
        drawn.append(Line("  ".join(cells).rstrip(), "" if place else "bold"))
        if not place:
            drawn.append(Line("  ".join("-" * wide for wide in widths)))
    drawn.append(Line(""))
    for sentence in _sentences(found):
        drawn += [Line(part) for part in wrap(sentence, width, break_long_words=False, break_on_hyphens=False)]
    return printed(drawn)


def markdown(found: Conversion) -> str:
    """The same for a pull request."""
    parts = [f"## {found.name or found.source}", ""]
    parts += [f"| {' | '.join(HEADINGS)} |", "| :-- | :-- | :-- | :-- | --: | --: |"]
    parts += [f"| {' | '.join(row)} |" for row in _rows(found)]
    parts += ["", *[f"- {sentence}" for sentence in _sentences(found)]]
    return "\n".join(parts) + "\n"


def _shape(found: Conversion, shape: list[int]) -> str:
    layout: Layout = "chw" if found.layout == get_args(Layout)[1] else "hwc"
    return shape_text(tuple(shape), layout)


def _title(found: Conversion) -> str:
    name = titled(found.name, found.source)
    return f"{name}, dense layers as convolutions, on {_shape(found, found.input)}"


def _rows(found: Conversion) -> list[tuple[str, ...]]:
    return [
        (
            change.name,
            change.before,
            change.after,
            _shape(found, change.output),
            f"{change.parameters:,}",
            f"{change.macs:,}",
        )
        for change in found.changes
    ]


def _sentences(found: Conversion) -> list[str]:
    crop, image = _shape(found, found.crop), _shape(found, found.input)
    said = []
    for output in found.outputs:
        at = "1 position" if output.positions == 1 else f"{output.positions:,} positions"
        step = ""
        if output.step is not None and output.positions > 1:
            same = len(set(output.step)) == 1
            step = f", {output.step[0] if same else ' and '.join(output.step)} pixels apart"
            step = ", at every pixel" if same and output.step[0] == "1" else step
        said.append(f"`{output.name}` is {_shape(found, output.output)}: scores at {at}{step}.")
    said.append(f"Parameters stay the same: {found.parameters:,}.")
    said.append(f"One pass over {image}: {found.macs_at_once:,} multiply-accumulates (MACs).")
    if found.macs_of_crops is None:
        said.append("The outputs have different numbers of positions, so that no number of crops gives them all.")
        return said
    positions = found.outputs[0].positions
    if positions > 1:
        said.append(
            f"{positions:,} passes over crops of {crop}: {positions:,} · {found.macs_of_crop:,} = "
            f"{found.macs_of_crops:,} MACs, {found.gain} times as many."
        )
        said.append(
            "The scores are exactly those of the crops."
            if found.exact
            else "A crop's own scores differ a little: at its borders, layers see padding where the image goes on."
        )
    return said
