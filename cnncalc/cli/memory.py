"""`cnncalc memory`: what a network takes in memory, by the textbooks' models and as torch holds it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnncalc.cli.options import File, Format, Settings
from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near


def memory(
    file: File,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 1,
    training: Annotated[bool, typer.Option("--training", help="Train instead of predict.")] = False,
    optimizer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="sgd, momentum, adam, adamw or none. Default: sgd.", show_default=False),
    ] = None,
    weight_decay: Annotated[bool, typer.Option("--weight-decay", help="The optimizer decays weights.")] = False,
    loss: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="cross_entropy or none. Default: cross_entropy.", show_default=False),
    ] = None,
    freeze: Annotated[
        list[str],
        typer.Option(metavar="PATTERN", help="Parameters that are not trained: `features.*`. May be repeated."),
    ] = [],  # noqa: B006  (typer's way to say "none given")
    checkpoint: Annotated[
        list[str],
        typer.Option(metavar="BLOCKS", help="Blocks whose outputs backward computes again: layer1,layer2."),
    ] = [],  # noqa: B006
    dtype: Annotated[str, typer.Option(help="Number format: float32, float64, float16 or bfloat16.")] = "float32",
    amp: Annotated[str | None, typer.Option(metavar="FORMAT", help="Autocast to bfloat16.", show_default=False)] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda: torch does some things otherwise there.")] = "cpu",
    top: Annotated[
        int | None, typer.Option(min=1, help="How many tensors to name. Default: 10.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the result; csv is a row an operator.")] = Format.table,
    settings: Settings = [],  # noqa: B006
) -> None:
    """What a network takes in memory: by the textbooks' models, and what torch holds, with its peak and why.

    Bytes are exact and for the whole batch. `cnncalc memory vgg16 --training --batch 32` reads a network of the zoo.
    """
    from cnncalc.eager.setup import OPTIMIZERS, Setup
    from cnncalc.language.load import load
    from cnncalc.memory import memory as reported

    of_training = {
        "--optimizer": optimizer is not None,
        "--weight-decay": weight_decay,
        "--loss": loss is not None,
        "--freeze": bool(freeze),
        "--checkpoint": bool(checkpoint),
    }
    mistakes = [] if training else [_needs_training(option) for option, given in of_training.items() if given]
    if weight_decay and optimizer == "none":
        message = "`--weight-decay` is an optimizer's, and there is none"
        mistakes.append(Diagnostic("needs-optimizer", message, help="leave out one of the two"))
    if top is not None and format in (Format.json, Format.csv):
        has = "every tensor" if format is Format.json else "no tensors"
        message = f"`--top` is how many tensors a table names; {format.value} has {has}"
        mistakes.append(Diagnostic("needs-table", message, help="leave it out, or use --format markdown"))
    if optimizer is not None and optimizer not in (*OPTIMIZERS, "none"):
        help = did_you_mean(near(optimizer, OPTIMIZERS), f"known: {', '.join(OPTIMIZERS)}, none")
        mistakes.append(
            Diagnostic("unknown-optimizer", f"`{optimizer}` is not an optimizer of the memory model", help=help)
        )
    if mistakes:
        raise DocumentError(*mistakes)
    setup = Setup(
        batch=batch,
        dtype=dtype,
        device=device,
        training=training,
        optimizer={None: "sgd", "none": ""}.get(optimizer, optimizer or ""),
        weight_decay=weight_decay,
        loss="cross_entropy" if loss is None else loss,
        frozen=tuple(freeze),
        checkpointed=tuple(name.strip() for names in checkpoint for name in names.split(",")),
        amp=amp or "",
    )
    report = reported(load(file, settings), setup)
    if format is Format.json:
        from cnncalc.memory import to_json

        sys.stdout.write(to_json(report) + "\n")
        return
    from cnncalc.render import memory as rendered

    if format is Format.table:
        rendered.write(report, top or rendered.TOP)
    elif format is Format.csv:
        sys.stdout.write(rendered.csv(report))
    else:
        sys.stdout.write(rendered.markdown(report, top or rendered.TOP))


def _needs_training(option: str) -> Diagnostic:
    return Diagnostic("needs-training", f"`{option}` is for training", help="add --training")
