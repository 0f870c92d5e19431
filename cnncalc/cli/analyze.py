"""`cnncalc analyze`: everything about a network, as a table or for a machine."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import (
    Conventions,
    Expressions,
    Language,
    Settings,
    SomeFiles,
    Strict,
    Symbols,
    document_named,
    dtype_named,
    hold_strictly,
    language_named,
    no_document,
)
from cnncalc.diagnostics import Diagnostic, DocumentError

if TYPE_CHECKING:
    from cnncalc.conventions import Convention


class Format(StrEnum):
    """How a result is written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"


class LayoutName(StrEnum):
    hwc = "hwc"
    chw = "chw"


def analyze(
    files: SomeFiles = None,
    expressions: Expressions = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images in a batch: bytes are for all of them, other counts for one.")
    ] = 1,
    dtype: Annotated[
        str, typer.Option(help="Number format, for bytes: float32, float16, bfloat16, float64, int8 ...")
    ] = ("float32"),
    layout: Annotated[
        LayoutName | None,
        typer.Option(
            help="Write shapes as 224x224x3 (hwc) or [3, 224, 224] (chw). Default: as the document writes its input."
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Fold blocks into one row each: 1 the outermost, 2 those inside them ...")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Columns, e.g. layer,output,macs; `all` is every one.", show_default=False),
    ] = None,
    conventions: Conventions = [],  # noqa: B006
    symbols: Symbols = [],  # noqa: B006
    format: Annotated[Format, typer.Option(help="How to write the result; latex with --symbol.")] = Format.table,
    lang: Language = "en",
    strict: Strict = False,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Shapes, parameters, MACs, memory and receptive fields of networks, layer by layer and in total.

    Counts are for one image; MACs are multiply-accumulates. `cnncalc analyze vgg16` reads a network of the zoo,
    `-e TEXT` one in one line. With `--symbol` sizes are left as letters, and every count is a formula in them.
    """
    from cnncalc.analysis import analyze as analyzed
    from cnncalc.analysis import folded
    from cnncalc.language.load import from_expression
    from cnncalc.models import load
    from cnncalc.render.columns import chosen, with_conventions

    dtype = dtype_named(dtype)
    try:
        wanted = chosen(columns) if columns is not None else None
    except ValueError as error:
        message, _, help = str(error).partition("; ")
        raise DocumentError(Diagnostic("unknown-column", message, help=help)) from None
    language = language_named(lang)
    asked: list[Convention] = []
    if conventions:
        from cnncalc.counting import chosen as chosen_conventions

        asked = chosen_conventions(conventions)
    if not files and not expressions:
        raise no_document()
    if symbols:
        options: dict[str, object] = {"--depth": depth, "--columns": columns, "--convention": conventions or None}
        options["--lang"] = None if language == "en" else lang
        _write_closed_forms(files or [], expressions or [], symbols, settings, batch, dtype, layout, format, options)
        return
    if format is Format.latex:
        help = "leave a size open with --symbol, or use `cnncalc explain --format latex`"
        raise DocumentError(Diagnostic("latex-needs-symbol", "only closed forms are written in LaTeX here", help=help))
    networks = [load(file, settings) for file in files or ()]
    networks += [from_expression(text, settings) for text in expressions or ()]
    reports = [analyzed(network, batch, dtype) for network in networks]
    if asked:
        from cnncalc.counting import with_counts

        reports = [with_counts(report, network, asked) for report, network in zip(reports, networks, strict=True)]
        wanted = with_conventions(wanted, [each.key for each in asked]) if wanted is not None else None
    for report in reports:
        report.layout = layout.value if layout is not None else report.layout
    if depth is not None:
        reports = [folded(report, depth) for report in reports]
    if format is Format.table:
        from cnncalc.render import terminal

        for position, report in enumerate(reports):
            sys.stdout.write("\n" if position else "")
            terminal.write(report, wanted, language=language)
    elif format is Format.json:
        from cnncalc.report import to_json

        sys.stdout.write(to_json(reports[0] if len(reports) == 1 else reports) + "\n")
    elif format is Format.csv:
        from cnncalc.render import csv

        sys.stdout.write(csv.document(reports, wanted))
    else:
        from cnncalc.render import markdown

        sys.stdout.write("\n".join(markdown.document(report, wanted, language) for report in reports))
    hold_strictly(strict, networks)


def _write_closed_forms(
    files: list[str],
    expressions: list[str],
    symbols: list[str],
    settings: list[str],
    batch: int,
    dtype: str,
    layout: LayoutName | None,
    format: Format,
    options: dict[str, object],
) -> None:
    """The networks' closed forms; `options` are those of the command that they do not go with."""
    from dataclasses import replace

    from cnncalc.language.load import document_of
    from cnncalc.symbolic import closed_forms

    wrong = [name for name, value in options.items() if value is not None]
    if wrong:
        diagnostics = [Diagnostic("not-in-closed-form", f"`{name}` does not go with `--symbol`") for name in wrong]
        raise DocumentError(*diagnostics)
    documents = [document_named(file, None, settings) for file in files]
    documents += [document_named(None, text, settings) for text in expressions]
    found = [closed_forms(document_of(*document), symbols, batch, dtype) for document in documents]
    if layout is not None:
        found = [replace(one, layout=layout.value) for one in found]
    from cnncalc.render import symbolic as rendered

    if format is Format.table:
        for position, one in enumerate(found):
            sys.stdout.write("\n" if position else "")
            rendered.write(one)
    elif format is Format.json:
        sys.stdout.write(rendered.to_json(found[0] if len(found) == 1 else found) + "\n")
    elif format is Format.csv:
        sys.stdout.write(rendered.csv_document(found))
    else:
        document = rendered.markdown if format is Format.markdown else rendered.latex_document
        sys.stdout.write("\n".join([document(one) for one in found]))
