"""`cnncalc compare`: different networks side by side: totals and ratios, and layer by layer where they align."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import Format, Settings, tell
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Note

if TYPE_CHECKING:
    from cnncalc.sides import Loaded

_NETWORKS = "Two or more: documents, networks of the zoo, models, lock files, or git:REV:PATH. Ratios are to the first."


def compare(
    networks: Annotated[list[str], typer.Argument(metavar="NETWORK...", help=_NETWORKS, show_default=False)],
    layers: Annotated[
        bool, typer.Option("--layers", help="Layer by layer too, each network aligned with the first.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(min=1, help="With --layers: blocks instead of layers, 1 the outermost ...", show_default=False),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What to compare, e.g. parameters,macs,output; `all` is everything.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images in a batch, for memory. Default: 1 to predict, 2 to train.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    settings: Settings = [],  # noqa: B006  (typer's way to say "none given")
) -> None:
    """Different networks side by side: totals with their ratios to the first, and layer by layer where they align.

    Counts are for one image; MACs are multiply-accumulates. `--set` is for every network: `--set classes=10`. What
    changed from one version of a network to the next is `cnncalc diff`.
    """
    from cnncalc.compare import compare as compared
    from cnncalc.render import compare as rendered

    wanted = _columns(columns, layers)
    if depth is not None and not layers:
        raise _needs_layers("`--depth` is for layer by layer")
    if networks.count("-") > 1:
        help = "name a file for the others"
        raise DocumentError(Diagnostic("one-standard-input", "standard input can be one network only", help=help))
    sides = _sides(networks, settings, batch)
    found = compared([side.figures for side in sides], networks, layers, depth)
    if format is Format.table:
        rendered.write(found, wanted)
    elif format is Format.markdown:
        sys.stdout.write(rendered.markdown(found, wanted))
    else:
        sys.stdout.write(rendered.csv(found, wanted) if format is Format.csv else rendered.json(found))
    tell([remark for side in sides for remark in side.said])


def _sides(names: list[str], settings: list[str], batch: int | None) -> list[Loaded]:
    """Each network's numbers, read once however often it is named; the mistakes of all at once."""
    from cnncalc.sides import loaded

    found, read = Findings(), {}
    for name in dict.fromkeys(names):
        try:
            read[name] = loaded(name, settings, batch)
        except DocumentError as error:
            found.extend(DocumentError(*[_of_network(one, name) for one in error.diagnostics]))
    found.raise_if_any()
    return [read[name] for name in names]


def _of_network(mistake: Diagnostic, name: str) -> Diagnostic:
    """A mistake in `--set` does not say by itself which network it is a mistake for."""
    of_settings = mistake.span is not None and mistake.span.source.name == "--set"
    return replace(mistake, notes=(*mistake.notes, Note(f"for `{name}`"))) if of_settings else mistake


def _columns(names: str | None, layers: bool) -> list[str] | None:
    from cnncalc.figures import QUANTITIES
    from cnncalc.render.compare import chosen

    if names is None:
        return None
    try:
        columns = chosen(names)
    except ValueError as error:
        message, _, help = str(error).partition("; ")
        raise DocumentError(Diagnostic("unknown-column", message, help=help)) from None
    of_layers = [name for name in columns if name not in QUANTITIES]
    if of_layers and not layers and names != "all":
        raise _needs_layers(f"`{of_layers[0]}` is of layers")
    return columns


def _needs_layers(message: str) -> DocumentError:
    return DocumentError(Diagnostic("needs-layers", message, help="add --layers"))
