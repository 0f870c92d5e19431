"""`cnncalc explain`: where a number comes from, formula by formula."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from cnncalc.cli.options import File, Language, Settings, dtype_named, language_named
from cnncalc.diagnostics import Diagnostic, DocumentError


class Format(StrEnum):
    text = "text"
    markdown = "markdown"
    latex = "latex"
    json = "json"


def explain(
    file: File,
    layers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LAYER]...", help="Layers or blocks. Without one: the totals, layer by layer.", show_default=False
        ),
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="output, parameters, weights, biases, macs, multiplies, operations, activations, memory, prediction, "
            "training, receptive_field, connections, neurons, depth, im2col ...; several with commas. Default: the "
            "usual ones.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images in a batch: bytes are for all of them, other counts for one.")
    ] = 1,
    dtype: Annotated[
        str, typer.Option(help="Number format, for bytes: float32, float16, bfloat16, float64, int8 ...")
    ] = "float32",
    symbols: Annotated[list[str], typer.Option("--symbol", metavar="SIZE", hidden=True)] = [],  # noqa: B006
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.text,
    lang: Language = "en",
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Every number with its formula, the numbers filled in, and why: of layers, of blocks, or of the whole network.

    `cnncalc explain alexnet conv1` tells the usual ones and what a homework asks beside them.
    """
    from cnncalc.derivations import Explained
    from cnncalc.models import load
    from cnncalc.render import derivation as rendered

    if symbols:
        help = "`cnncalc analyze FILE --symbol ...` gives every count as a formula in the letters"
        message = "an explanation has the numbers of a document, and no letters in their place"
        raise DocumentError(Diagnostic("not-in-closed-form", message, help=help))
    dtype = dtype_named(dtype)
    language = language_named(lang)
    explained = Explained(load(file, settings), batch, dtype)
    quantities = [name.strip() for name in quantity.split(",")] if quantity is not None else []
    found = explained.explanation(layers or [], quantities)
    if format is Format.text:
        rendered.write(found, language=language)
    elif format is Format.json:
        sys.stdout.write(rendered.to_json(found, language) + "\n")
    else:
        written = rendered.markdown if format is Format.markdown else rendered.latex
        sys.stdout.write(written(found, language))
