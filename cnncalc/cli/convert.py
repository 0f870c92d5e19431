"""`cnncalc convert`: the same network in another shape."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnncalc.cli.options import Expression, OneFile, Page, Settings, document_named
from cnncalc.diagnostics import Diagnostic, DocumentError


def convert(
    file: OneFile = None,
    expression: Expression = None,
    dense_to_conv: Annotated[
        bool, typer.Option("--dense-to-conv", help="Make convolutions of dense layers; they slide over larger images.")
    ] = False,
    input: Annotated[
        str | None,
        typer.Option("--input", metavar="SIZE", help="The larger image: 384x384x3. Default: the network's own input."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write the converted network there as a document; `-` for standard output, instead of the page.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Page, typer.Option(help="How to write the page.")] = Page.table,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """A network with its dense layers as convolutions: its scores at every position of a larger image, and their cost.

    The first dense layer gets kernels of the size of the map that it reads, later ones 1x1. Weights stay the same.
    """
    from cnncalc.convert import dense_to_conv as converted
    from cnncalc.convert import input_shape, to_json
    from cnncalc.files import write
    from cnncalc.language.load import network_of

    if not dense_to_conv:
        help = "add --dense-to-conv, the one there is"
        raise DocumentError(Diagnostic("no-conversion", "no conversion is named", help=help))
    if output == "-" and format is not Page.table:
        help = "leave out -o for the page, or --format for the document"
        message = f"--format {format.value} is of the page, and `-o -` writes the document instead"
        raise DocumentError(Diagnostic("option-without-effect", message, help=help))
    document = document_named(file, expression, settings)
    shape = input_shape(input) if input is not None else None
    found = converted(network_of(*document), shape)
    if output is not None:
        write(found.document, output)
    if output == "-":
        return
    if format is Page.json:
        sys.stdout.write(to_json(found) + "\n")
        return
    from cnncalc.render import convert as rendered

    rendered.write(found) if format is Page.table else sys.stdout.write(rendered.markdown(found))
