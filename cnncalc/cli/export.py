"""`cnncalc export`: a network in another form, on standard output or in a file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cnncalc.cli.options import File, Settings, document_named
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
    from cnncalc.language.load import document_of
    from cnncalc.pytorch.source import source

    document = document_named(file, None, settings)
    origin = ", ".join([document[0].name, *settings])
    write(source(document_of(*document), origin), output)


class Numbers(StrEnum):
    random = "random"
    zeros = "zeros"


@app.command("onnx")
def onnx_model(
    file: File,
    output: Output = "-",
    weights: Annotated[
        Numbers, typer.Option(help="The numbers in the weights: random, the same ones each time, or zeros.")
    ] = Numbers.random,
    settings: Settings = [],  # noqa: B006
) -> None:
    """An ONNX file, for runtimes and viewers: layers by name, shapes of all values, a free batch.

    It needs the package onnx. The weights take 4 bytes a parameter, and are in the file.
    """
    from cnncalc.models import load
    from cnncalc.onnx_export import document

    write(document(load(file, settings), weights.value), output)


@app.command("mermaid")
def mermaid(
    file: File,
    output: Output = "-",
    settings: Settings = [],  # noqa: B006
) -> None:
    """A Mermaid flowchart, as Markdown pages draw it: shapes on the edges, blocks as subgraphs."""
    from cnncalc.models import load
    from cnncalc.render.mermaid import document

    write(document(load(file, settings)), output)


@app.command("dot")
def dot(
    file: File,
    output: Output = "-",
    settings: Settings = [],  # noqa: B006
) -> None:
    """A graph for Graphviz: `cnncalc export dot vgg16 | dot -Tsvg`."""
    from cnncalc.models import load
    from cnncalc.render.dot import document

    write(document(load(file, settings)), output)
