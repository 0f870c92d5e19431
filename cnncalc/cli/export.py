"""`cnncalc export`: a network in another form, on standard output or in a file."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cnncalc.cli.options import File, Settings
from cnncalc.diagnostics import Diagnostic, DocumentError

app = typer.Typer(help="Write a network in another form.", no_args_is_help=True)

Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="PATH", help="The file to write. Default: standard output.", show_default=False
    ),
]


@app.command("torch")
def torch_source(
    file: File,
    output: Output = "-",
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """A Python file with the network as a torch.nn.Module, to read, change and train.

    Blocks become classes, repeats loops, merges code in `forward`. It needs torch to run, and nothing else.
    """
    from cnncalc.language.load import document_of, read_source
    from cnncalc.pytorch.source import source

    text, folder = read_source(file)
    origin = ", ".join([text.name, *settings])
    write(source(document_of(text, folder, settings), origin), output)


def write(text: str, output: str) -> None:
    """Write to a file, all of it or nothing; to standard output for `-`."""
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device, which is written to and not replaced
            path.write_text(text, "utf-8")
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_text(text, "utf-8", newline="\n")
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(Diagnostic("cannot-write", f"{output} cannot be written: {reason}")) from None
