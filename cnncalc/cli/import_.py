"""`cnncalc import`: a model of another framework becomes a document."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cnncalc.cli.options import Strict, hold_strictly, no_model, tell
from cnncalc.diagnostics import Diagnostic, DocumentError, printable


def import_(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="package.module:name, path/to/file.py:Name(args), a program of torch.export (*.pt2) or ONNX (*.onnx).",
            show_default=False,
        ),
    ],
    input: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="SIZE",
            help="Of one image: 224x224x3 or '[3, 224, 224]'; NAME=SIZE where there are several.",
        ),
    ] = [],  # noqa: B006  (typer's way to say "none given")
    training: Annotated[bool, typer.Option("--training", help="As it trains: auxiliary heads, dropout.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PATH", help="The file to write.", show_default=False)
    ] = None,
    strict: Strict = False,
) -> None:
    """A `torch.nn.Module` or an ONNX file as a document: its layers under its own names, without its weights.

    THE CODE THAT MODEL NAMES IS RUN: a file is executed, a function or class called, as Python would. Name only what
    you would run yourself. Arguments are literals: net.py:Net(10, width=64). ONNX files run no code.

    A network that no document can say is shown as a table: one with operators that are no kind of layer here, or where
    a layer uses a part of another's parameters.
    """
    from cnncalc.files import write
    from cnncalc.models import is_model, is_onnx, load, text

    if not is_model(model) and not is_onnx(model):
        raise no_model(model)
    if training and is_onnx(model):
        help = "leave it out, or import the module in PyTorch"
        message = "--training has no effect on an ONNX file, which is as it was exported"
        raise DocumentError(Diagnostic("option-without-effect", message, help=help))
    settings = [size if "=" in size else f"input={size}" for size in input]
    with waiting(f"reading {model}"):
        if is_onnx(model):
            network = load(model, settings)
        else:
            from cnncalc.pytorch import references

            network = references.load(model, settings, training)
    if output is None and any(node.facts.unknown or (node.shared and node.facts.parameters) for node in network):
        from cnncalc.analysis import analyze
        from cnncalc.render import terminal

        terminal.write(analyze(network), None)
    else:
        write(text(network), output or "-")
    tell(network.said)
    hold_strictly(strict, [network])


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """A sign on standard error that something is done, where that is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(printable(doing))):
        yield
