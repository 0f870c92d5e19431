"""Shapes and number formats: what a tensor's sizes are, how they are written, and how many bytes an element takes.

Inside the program a shape is always `(channels, *spatial)`, without the batch; `Layout` is how a document writes it.
"""

from __future__ import annotations

from math import prod
from typing import Literal

Shape = tuple[int, ...]
Layout = Literal["hwc", "chw"]

LARGEST_SIZE = 2**31 - 1  # of an axis, a kernel, a stride: what a document may say

# Bytes an element takes in memory (IEEE 754; bfloat16 as in torch's documentation of dtypes).
DTYPE_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
}


def elements(shape: Shape) -> int:
    """How many numbers a tensor of this shape holds."""
    return prod(shape)


def sizes_text(sizes: tuple[int, ...]) -> str:
    """`(56, 64)` as `56x64`."""
    return "x".join(map(str, sizes))


def shape_text(shape: Shape, layout: Layout) -> str:
    """A shape as the document writes it: `(64, 56, 56)` is `56x56x64` or `[64, 56, 56]`."""
    if layout == "hwc":
        return sizes_text((*shape[1:], *shape[:1]))
    return f"[{', '.join(map(str, shape))}]"
