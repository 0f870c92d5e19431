"""Options that several commands have, each written once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """How a result is written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


_DOCUMENT = "A document, `-` for standard input, or the name of a network of the zoo."
File = Annotated[str, typer.Argument(metavar="FILE", help=_DOCUMENT, show_default=False)]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help=_DOCUMENT, show_default=False)]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="Replace an arg or the input: classes=10, input=384x384x3."),
]
Conventions = Annotated[
    list[str],
    typer.Option(
        "--convention",
        metavar="NAME",
        help="Count by a convention too (fvcore, thop, flops ...); `cnncalc count` shows all. May be repeated.",
    ),
]
