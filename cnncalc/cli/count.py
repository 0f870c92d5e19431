"""`cnncalc count`: one network, every count: ours, and what other tools and papers print for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.cli.options import File, Format, Settings, Strict, hold_strictly
from cnncalc.cli.running import Freeze
from cnncalc.diagnostics import Diagnostic, DocumentError

if TYPE_CHECKING:
    from cnncalc.counting import CountReport
    from cnncalc.graph import Network
    from cnncalc.report import Report


def count(
    file: File,
    conventions: Annotated[
        list[str],
        typer.Option("--convention", metavar="NAME", help="How to count; may be repeated. Default: all of them."),
    ] = [],  # noqa: B006  (typer's way to say "none given")
    per_layer: Annotated[bool, typer.Option("--per-layer", help="A row a layer, a column a convention.")] = False,
    training: Annotated[
        bool, typer.Option("--training", help="MACs of a step of training: forward, to the weights, to the inputs.")
    ] = False,
    freeze: Freeze = [],  # noqa: B006
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    strict: Strict = False,
    settings: Settings = [],  # noqa: B006
) -> None:
    """How many operations a network takes, by every convention: ours and those of other tools, and why they differ.

    Counts are for one image at prediction; with `--training` they are MACs of a training step. `cnncalc count vgg16`
    reads a network of the zoo.
    """
    from cnncalc.analysis import analyze as analyzed
    from cnncalc.counting import chosen, to_json, with_counts
    from cnncalc.counting import count as counted
    from cnncalc.models import load

    _check(conventions, training, freeze)
    asked = chosen(conventions or ["all"])
    network = load(file, settings)
    if training:
        _of_training(network, freeze, per_layer, format)
    elif per_layer and format is not Format.json:
        _per_layer(with_counts(analyzed(network), network, asked), format)
    elif format is Format.json:
        sys.stdout.write(to_json(counted(network, asked)) + "\n")
    else:
        _totals(counted(network, asked), format)
    hold_strictly(strict, [network])


def _check(conventions: list[str], training: bool, freeze: list[str]) -> None:
    """Raise `DocumentError` for options that do not go together."""
    if training and conventions:
        message = "`--convention` counts a prediction, and `--training` counts in MACs"
        raise DocumentError(Diagnostic("options-exclude-each-other", message, help="leave out one of the two"))
    if freeze and not training:
        raise DocumentError(Diagnostic("needs-training", "`--freeze` is for training", help="add --training"))


def _of_training(network: Network, freeze: list[str], per_layer: bool, format: Format) -> None:
    from cnncalc.render import training as rendered
    from cnncalc.training import to_json, training

    report = training(network, freeze)
    if format is Format.table:
        rendered.write(report, per_layer)
    elif format is Format.json:
        sys.stdout.write(to_json(report) + "\n")
    elif format is Format.csv:
        sys.stdout.write(rendered.csv(report))
    else:
        sys.stdout.write(rendered.markdown(report, per_layer))


def _totals(report: CountReport, format: Format) -> None:
    from cnncalc.render import count as rendered

    if format is Format.table:
        rendered.write(report)
    else:
        sys.stdout.write(rendered.csv(report) if format is Format.csv else rendered.markdown(report))


def _per_layer(report: Report, format: Format) -> None:
    from cnncalc.render import count as rendered

    if format is Format.table:
        rendered.write_layers(report)
    else:
        sys.stdout.write(rendered.csv_layers(report) if format is Format.csv else rendered.markdown_layers(report))
