"""What is run: one prediction, or steps of training, of which batch, in which numbers, on which device."""

from __future__ import annotations

from dataclasses import dataclass

from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near

DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64", "float16", "bfloat16")
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
LOSSES = ("cross_entropy", "none")


@dataclass(frozen=True, slots=True)
class Setup:
    """A run of the eager model. Raises `DocumentError` where torch could not be asked for it.

    `optimizer` "" is none; `weight_decay` is whether there is any. `frozen` are patterns of parameters' names
    (`stage1.*`, `*.batch_norm.weight`), `checkpointed` names of blocks or layers. `steady`
    is to begin with what an optimizer keeps from earlier steps. `amp` is torch.autocast to that
    number format, over parameters of `dtype`.
    """

    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    training: bool = False
    optimizer: str = "sgd"
    weight_decay: bool = False
    loss: str = "cross_entropy"
    frozen: tuple[str, ...] = ()
    checkpointed: tuple[str, ...] = ()
    amp: str = ""
    steps: int = 2
    steady: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise DocumentError(
                Diagnostic("batch-size", f"a batch has at least 1 image, not {self.batch}", help="use 2")
            )
        if self.steps < 1:
            raise DocumentError(
                Diagnostic("step-count", f"training takes at least 1 step, not {self.steps}", help="use 2")
            )
        _one_of("dtype", "a number format that torch runs networks in", self.dtype, DTYPES)
        _one_of("device", "a device of the memory model", self.device, DEVICES)
        _one_of("optimizer", "an optimizer of the memory model", self.optimizer, ("", *OPTIMIZERS))
        _one_of("loss", "a loss of the memory model", self.loss, LOSSES)
        _one_of("amp", "a number format of torch.autocast", self.amp, ("", "bfloat16"))
        if self.amp and self.dtype != "float32":
            message = f"autocast is for parameters in float32, not {self.dtype}"
            raise DocumentError(Diagnostic("autocast-of-float32", message, help="leave out one of --dtype and --amp"))


def _one_of(option: str, what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        named = [word for word in known if word]
        help = did_you_mean(near(name, named), f"known: {', '.join(named)}")
        raise DocumentError(Diagnostic(f"unknown-{option}", f"`{name}` is not {what}", help=help))
