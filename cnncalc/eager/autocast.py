"""Number formats under autocast: what runs in the lower one, what in float32, on CPU and on CUDA.

The lists are torch's (aten/src/ATen/autocast_mode.h), as far as kinds of layers have their operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cnncalc.eager.machine import Machine, Tensor
from cnncalc.eager.views import to_copy

FULL = 4  # bytes of a float32

Made = TypeVar("Made")  # a tensor, or several

ON_CPU = frozenset(
    {"avg_pool3d", "max_pool3d_with_indices", "adaptive_avg_pool3d", "adaptive_max_pool3d", "cross_entropy_loss"}
    | {"reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d", "replication_pad3d"}
)
ON_CUDA = frozenset(
    {"exp", "log", "reciprocal", "rsqrt", "pow", "softplus", "layer_norm", "group_norm", "nll_loss"}
    | {"upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"}
    | {"upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"}
    | {"softmax", "log_softmax", "sum", "linalg_vector_norm"}  # where the caller names no format for the result
)


def in_full(machine: Machine, operator: str) -> bool:
    """Whether autocast, where it is on, runs an operator in float32."""
    return machine.lower > 0 and operator in (ON_CUDA if machine.cuda else ON_CPU)


def raised(x: Tensor, operator: str, inside: bool = False) -> Tensor:
    """An operand as an operator reads it: in float32 where autocast makes a copy, `inside` the operator or before."""
    return to_copy(x, FULL, inside) if x.width < FULL and in_full(x.machine, operator) else x


def run(operator: str, of: Callable[..., Made], *operands: Tensor) -> Made:
    """What an operator makes, of copies in float32 where autocast makes them inside it."""
    machine = operands[0].machine
    full = [raised(x, operator, inside=True) for x in operands]
    copied = any(copy is not x for copy, x in zip(full, operands, strict=True))
    made = of(*full)
    del full
    if copied:
        machine.settle()
    return made


def summed_width(x: Tensor, operator: str) -> int:
    """The bytes of an element of a sum, which autocast asks for in float32 without a copy of what is added up."""
    return max(x.width, FULL) if in_full(x.machine, operator) else x.width


def lowered(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, inside: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Operands of a weighted sum in the lower number format, the last first; parameters' copies stay for the step."""
    bias = None if bias is None else _lowered(bias, inside)
    weight = _lowered(weight, inside)
    return _lowered(x, inside), weight, bias


def _lowered(x: Tensor, inside: bool) -> Tensor:
    machine = x.machine
    if not machine.lower or x.width <= machine.lower:
        return x
    kept = machine.casts.get(x.storage)
    if kept is not None:
        return kept
    copy = to_copy(x, machine.lower, inside)
    if (
        x.base is None
        and x.storage.record.role == "parameters"
        and (x.edge is not None or machine.phase == "prediction")
    ):
        machine.casts[x.storage] = copy
    return copy
