"""Options of the commands that run a network on the memory model, each written once; `asked` makes a setup of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near

if TYPE_CHECKING:
    from cnncalc.eager.setup import Setup

Training = Annotated[bool, typer.Option("--training", help="Train instead of predict.")]
Optimizer = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="sgd, momentum, adam, adamw or none. Default: sgd.", show_default=False),
]
WeightDecay = Annotated[bool, typer.Option("--weight-decay", help="The optimizer decays weights.")]
Loss = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cross_entropy or none. Default: cross_entropy.", show_default=False),
]
Freeze = Annotated[
    list[str],
    typer.Option(metavar="PATTERN", help="Parameters that are not trained: `features.*`. May be repeated."),
]
Checkpoint = Annotated[
    list[str],
    typer.Option(metavar="BLOCKS", help="Blocks that backward computes again instead of keeping: layer1,layer2."),
]
Dtype = Annotated[str, typer.Option(help="Number format: float32, float64, float16 or bfloat16.")]
Amp = Annotated[str | None, typer.Option(metavar="FORMAT", help="Autocast to bfloat16.", show_default=False)]
DeviceName = Annotated[str, typer.Option(help="cpu or cuda: torch does some things otherwise there.")]


def asked(
    training: bool,
    optimizer: str | None,
    weight_decay: bool,
    loss: str | None,
    freeze: list[str],
    checkpoint: list[str],
    dtype: str,
    amp: str | None,
    device: str,
    batch: int = 1,
    mistakes: Sequence[Diagnostic] = (),
) -> Setup:
    """The run that was asked for.

    Raises `DocumentError` for options that do not go together, all of them at once and a command's own
    `mistakes` with them.
    """
    from cnncalc.eager.setup import OPTIMIZERS, Setup

    of_training = {
        "--optimizer": optimizer is not None,
        "--weight-decay": weight_decay,
        "--loss": loss is not None,
        "--freeze": bool(freeze),
        "--checkpoint": bool(checkpoint),
    }
    wrong = [] if training else [_needs_training(option) for option, given in of_training.items() if given]
    if weight_decay and optimizer == "none":
        message = "`--weight-decay` is an optimizer's, and there is none"
        wrong.append(Diagnostic("needs-optimizer", message, help="leave out one of the two"))
    wrong += mistakes
    if optimizer is not None and optimizer not in (*OPTIMIZERS, "none"):
        help = did_you_mean(near(optimizer, OPTIMIZERS), f"known: {', '.join(OPTIMIZERS)}, none")
        message = f"`{optimizer}` is not an optimizer of the memory model"
        wrong.append(Diagnostic("unknown-optimizer", message, help=help))
    if wrong:
        raise DocumentError(*wrong)
    return Setup(
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


def _needs_training(option: str) -> Diagnostic:
    return Diagnostic("needs-training", f"`{option}` is for training", help="add --training")
