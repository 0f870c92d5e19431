"""`cnncalc memory`: what a network takes in memory, by the textbooks' models and as torch holds it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnncalc.cli.options import File, Format, Settings
from cnncalc.cli.running import (
    Amp,
    Checkpoint,
    DeviceName,
    Dtype,
    Freeze,
    Loss,
    Optimizer,
    Training,
    WeightDecay,
    asked,
)
from cnncalc.diagnostics import Diagnostic


def memory(
    file: File,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 1,
    training: Training = False,
    optimizer: Optimizer = None,
    weight_decay: WeightDecay = False,
    loss: Loss = None,
    freeze: Freeze = [],  # noqa: B006  (typer's way to say "none given")
    checkpoint: Checkpoint = [],  # noqa: B006
    dtype: Dtype = "float32",
    amp: Amp = None,
    device: DeviceName = "cpu",
    top: Annotated[
        int | None, typer.Option(min=1, help="How many tensors to name. Default: 10.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the result; csv is a row an operator.")] = Format.table,
    settings: Settings = [],  # noqa: B006
) -> None:
    """What a network takes in memory: by the textbooks' models, and what torch holds, with its peak and why.

    Bytes are exact and for the whole batch. `cnncalc memory vgg16 --training --batch 32` reads a network of the zoo.
    """
    from cnncalc.memory import memory as reported
    from cnncalc.models import load

    mistakes = []
    if top is not None and format in (Format.json, Format.csv):
        has = "every tensor" if format is Format.json else "no tensors"
        message = f"`--top` is how many tensors a table names; {format.value} has {has}"
        mistakes.append(Diagnostic("needs-table", message, help="leave it out, or use --format markdown"))
    setup = asked(
        training, optimizer, weight_decay, loss, freeze, checkpoint, dtype, amp, device, batch, mistakes=mistakes
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
