"""How torch lays a tensor out: from a shape and strides (steps between neighbours, in elements) to those of a result.

Shapes here begin with the batch. Only what can change a number of bytes is kept: whether a view is possible, whether a
copy is needed, and in which order a kernel writes its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

Sizes = tuple[int, ...]


@cache
def contiguous(shape: Sizes) -> Sizes:
    """Strides of a tensor whose last dimension is innermost, without gaps."""
    return _packed(shape, range(len(shape) - 1, -1, -1))


@cache
def channels_last(shape: Sizes) -> Sizes:
    """Strides with the channels innermost, without gaps (torch's `channels_last` and `channels_last_3d`)."""
    return _packed(shape, (1, *range(len(shape) - 1, 1, -1), 0))


def _packed(shape: Sizes, innermost_first: Sequence[int]) -> Sizes:
    strides, step = [0] * len(shape), 1
    for dim in innermost_first:
        strides[dim] = step
        step *= max(shape[dim], 1)
    return tuple(strides)


def is_contiguous(shape: Sizes, strides: Sizes) -> bool:
    """Whether the elements lie in order; dimensions of size 1 have no step to take."""
    if strides == contiguous(shape):
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def is_dense(shape: Sizes, strides: Sizes) -> bool:
    """Whether the elements fill their range of memory once, in whatever order of dimensions."""
    if strides == contiguous(shape):
        return True
    step = 1
    for stride, size in sorted([(stride, size) for size, stride in zip(shape, strides, strict=True) if size > 1]):
        if stride != step:
            return False
        step *= size
    return True


def prefers_channels_last(shape: Sizes, strides: Sizes) -> bool:
    """Whether a kernel that asks for the suggested memory format gets channels last (c10/core/MemoryFormat.h).

    Strides have to grow in the order channels, width, height, batch, gaps allowed; a map of one position, whose order
    cannot be seen, counts as contiguous.
    """
    if len(shape) not in (4, 5) or strides == contiguous(shape) or strides[1] == 0:
        return False
    least = 0
    for dim in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[dim] == 0 or strides[dim] < least or (dim == 0 and least == strides[1]):
            return False
        least = strides[dim] * max(shape[dim], 1)
    return True


def suggested(shape: Sizes, like: Sizes, strides: Sizes) -> Sizes:
    """Strides of a new tensor in the memory format that a tensor of shape `like` and these strides suggests."""
    return channels_last(shape) if prefers_channels_last(like, strides) else contiguous(shape)


def viewed(shape: Sizes, strides: Sizes, wanted: Sizes) -> Sizes | None:
    """Strides of the same memory seen in another shape, or None where that takes a copy (`Tensor.view`).

    Dimensions that lie one inside the other without a gap are one run; each wanted dimension has to stay in a run.
    """
    if strides == contiguous(shape):
        return contiguous(wanted)
    runs: list[tuple[int, int]] = []  # size and innermost stride, the innermost run first
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if runs and (size == 1 or stride == runs[-1][0] * runs[-1][1]):
            runs[-1] = (runs[-1][0] * size, runs[-1][1])
        elif runs and runs[-1][0] == 1:
            runs[-1] = (size, stride)
        else:
            runs.append((size, stride))
    found: list[int] = []
    left = iter(runs)
    whole, innermost = next(left, (1, 1))
    taken = 1
    for size in reversed(wanted):
        if taken == whole and size != 1:
            whole, innermost = next(left, (1, 1))
            taken = 1
        found.append(innermost * taken)
        taken *= size
        if whole % taken:
            return None
    return tuple(reversed(found)) if taken == whole else None


def elementwise(shape: Sizes, *operands: tuple[Sizes, Sizes]) -> Sizes:
    """Strides of the result of an element-by-element kernel; its operands (shape, strides) are repeated to `shape`.

    The result keeps the operands' order of dimensions, without gaps (at::TensorIterator): where all are contiguous it
    is contiguous, and else dimensions are sorted by the strides of the first operand that can tell two of them apart.
    """
    ordered = contiguous(shape)
    if all(strides == ordered for _, strides in operands):
        return ordered
    if all(own == shape for own, _ in operands):
        if all(is_contiguous(own, strides) for own, strides in operands):
            return ordered
        if all(is_channels_last(own, strides) for own, strides in operands):
            return channels_last(shape)
        first = operands[0][1]
        if is_dense(shape, first) and all(strides == first for _, strides in operands):
            return first
    steps = [_repeated(shape, own, strides) for own, strides in operands]
    order = list(range(len(shape) - 1, -1, -1))  # innermost first
    for place in range(1, len(order)):
        moving = place
        for other in range(place - 1, -1, -1):
            swap = _belongs_outside(shape, steps, order[other], order[moving])
            if swap > 0:
                order[other], order[moving] = order[moving], order[other]
                moving = other
            elif swap < 0:
                break
    return _packed(shape, order)


def dense(shape: Sizes, strides: Sizes) -> Sizes:
    """Strides of a copy: the same, or without gaps and repetitions in the same order (c10's infer_dense_strides)."""
    return strides if is_dense(shape, strides) else elementwise(shape, (shape, strides))


def _repeated(shape: Sizes, own: Sizes, strides: Sizes) -> Sizes:
    """An operand's strides over the whole shape: 0 where it is repeated."""
    lead = len(shape) - len(own)
    stepped = [
        0 if size == 1 and whole != 1 else stride
        for size, whole, stride in zip(own, shape[lead:], strides, strict=True)
    ]
    return (*[0] * lead, *stepped)


def _belongs_outside(shape: Sizes, steps: list[Sizes], a: int, b: int) -> int:
    """1 if dimension a has the larger steps and belongs outside b, -1 if not, 0 if no operand tells."""
    for strides in steps:
        if strides[a] == 0 or strides[b] == 0:
            continue
        if strides[a] != strides[b]:
            return 1 if strides[a] > strides[b] else -1
        if shape[a] > shape[b]:
            return 1
    return 0


def is_channels_last(shape: Sizes, strides: Sizes) -> bool:
    """Whether the elements lie in order with the channels innermost, for maps and volumes."""
    if len(shape) not in (4, 5):
        return False
    step = 1
    for dim in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[dim] != 1:
            if strides[dim] != step:
                return False
            step *= shape[dim]
    return True
