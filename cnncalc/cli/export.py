"""`cnncalc export`: a network in another form, on standard output or in a file."""

from __future__ import annotations

from typing import Annotated

import typer

from cnncalc.cli.options import File, Settings
from cnncalc.files import write

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
