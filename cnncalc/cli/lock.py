"""`cnncalc lock`: every number of a network, in a file beside its document."""

from __future__ import annotations

from typing import Annotated

import typer

from cnncalc.cli.options import File, Settings
from cnncalc.diagnostics import Diagnostic, DocumentError, quoted


def lock(
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file to write, `-` for standard output. Default: net.lock.json beside net.yaml.",
            show_default=False,
        ),
    ] = None,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Write down every number of a network, for `cnncalc check --lock` and `cnncalc diff` to compare with.

    Shapes, parameters, MACs, operations, receptive fields of every layer; and in total, with memory by the textbook and
    as torch holds it. The lock of a network of the zoo, or of a module of a package, goes into this folder.
    """
    from cnncalc.files import write
    from cnncalc.language.load import names_expression
    from cnncalc.lock import beside, locked_text

    refuse_foreign(file)
    if output is None and (file == "-" or names_expression(file)):
        what = "what is read from standard input" if file == "-" else "an expression"
        help = "add -o PATH, or -o - for standard output"
        raise DocumentError(Diagnostic("no-lock", f"{what} has no lock beside it", help=help))
    write(locked_text(file, settings), str(beside(file)) if output is None else output)


def refuse_foreign(file: str) -> None:
    """What a lock cannot be written of, by its name."""
    what = "a network in git" if file.startswith("git:") else "a lock already" if file.endswith(".lock.json") else ""
    if what:
        help = "name a document (net.yaml), `-`, or a network of the zoo (resnet18)"
        raise DocumentError(Diagnostic("not-a-document", f"{quoted(file)} is {what}, not a document", help=help))
