"""`cnncalc import`: a model in Python becomes a network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.diagnostics import Diagnostic, DocumentError

if TYPE_CHECKING:
    from cnncalc.graph import Network


def import_(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="package.module:name, path/to/file.py:Name(args), or a program of torch.export (*.pt2).",
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
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where an operator is no kind of layer here.")
    ] = False,
) -> None:
    """A `torch.nn.Module` as a network: its layers under its own names, without its weights in memory.

    THE CODE THAT MODEL NAMES IS RUN: a file is executed, a function or class called, as Python would. Name only what
    you would run yourself. Arguments are literals: net.py:Net(10, width=64).

    Writes a document; a network with operators that are no kind of layer here is shown as a table, which says so.
    """
    from cnncalc.models import is_model
    from cnncalc.pytorch import references

    if not is_model(model):
        help = "write torchvision.models:resnet50, path/to/file.py:Net(10) or program.pt2"
        raise DocumentError(Diagnostic("not-a-model", f"`{model}` names no model in Python", help=help))
    settings = [size if "=" in size else f"input={size}" for size in input]
    network = references.load(model, settings, training)
    _write(network, output)
    for remark in network.said:
        sys.stderr.write(f"{remark}\n")
    if strict and any(node.facts.unknown for node in network):
        raise typer.Exit(1)


def _write(network: Network, output: str | None) -> None:
    """Write the network as a document. Raises `DocumentError` where no document can say it."""
    unknown = dict.fromkeys([node.facts.unknown for node in network if node.facts.unknown])
    if unknown and output is not None:
        message = f"no document can say {', '.join([f'`{name}`' for name in unknown])} of `{network.name}`"
        help = "leave out -o: the table shows all that is known"
        raise DocumentError(Diagnostic("unknown-operator", message, help=help))
    if unknown:
        from cnncalc.analysis import analyze
        from cnncalc.render import terminal

        terminal.write(analyze(network), None)
        return
    from cnncalc.files import write as written
    from cnncalc.language import fold, write

    written(write.text(fold.document(network)), output or "-")
