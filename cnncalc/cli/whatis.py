"""`cnncalc whatis`: given a figure that someone published, which counts of a network give it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from cnncalc.cli.options import File, Settings


class Format(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


def whatis(
    file: File,
    figure: Annotated[
        str, typer.Argument(metavar="FIGURE", help="As published: 4.11G, '569 million mult-adds', 25,557,032.")
    ],
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Which counts of a network give a figure that someone published, to the digits printed.

    Every convention of `cnncalc count` is tried, and parameters, activations and connections. Exits with 1 where none
    gives it, and names the nearest.
    """
    from cnncalc.models import load
    from cnncalc.published import figure as published
    from cnncalc.published import matches, to_json

    wanted = published(figure)
    found = matches(load(file, settings), wanted)
    if format is Format.json:
        sys.stdout.write(to_json(found) + "\n")
    else:
        from cnncalc.render import published as rendered

        if format is Format.table:
            rendered.write(found)
        else:
            sys.stdout.write(rendered.markdown(found))
    if not found.matches:
        sys.stdout.flush()
        raise typer.Exit(1)
