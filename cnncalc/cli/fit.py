"""`cnncalc fit`: the largest batch that a memory holds, and what would make room for more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnncalc.cli.options import File, Page, Settings
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
from cnncalc.diagnostics import Diagnostic, DocumentError


def fit(
    file: File,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="What there is: 8GiB, 24GB.", show_default=False)
    ],
    training: Training = False,
    optimizer: Optimizer = None,
    weight_decay: WeightDecay = False,
    loss: Loss = None,
    freeze: Freeze = [],  # noqa: B006  (typer's way to say "none given")
    checkpoint: Checkpoint = [],  # noqa: B006
    dtype: Dtype = "float32",
    amp: Amp = None,
    device: DeviceName = "cpu",
    format: Annotated[Page, typer.Option(help="How to write the result.")] = Page.table,
    settings: Settings = [],  # noqa: B006
) -> None:
    """The largest batch that fits into a memory, what fills it, and what would make room, each priced by the model.

    `--checkpoint auto` chooses blocks so that the largest batch fits at little recomputation. Exits with 1 where not
    even one image fits.
    """
    from cnncalc.fit import fit as found
    from cnncalc.models import load
    from cnncalc.units import memory_size

    setup = asked(training, optimizer, weight_decay, loss, freeze, checkpoint, dtype, amp, device)
    try:
        budget = memory_size(memory)
    except ValueError as error:
        help = "write 8GiB (8 times 2^30 bytes) or 24GB (24 times 10^9)"
        raise DocumentError(Diagnostic("memory-size", str(error), help=help)) from None
    answer = found(load(file, settings), budget, setup)
    if format is Page.json:
        from cnncalc.fit import to_json

        sys.stdout.write(to_json(answer) + "\n")
    else:
        from cnncalc.render import fit as rendered

        rendered.write(answer) if format is Page.table else sys.stdout.write(rendered.markdown(answer))
    if not answer.batch:
        raise typer.Exit(1)
