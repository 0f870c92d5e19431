"""Shapes and number formats: what a tensor's sizes are, how they are written, and how many bytes an element takes.

Inside the program a shape is always `(channels, *spatial)`, without the batch; `Layout` is how a document writes it.
"""

from __future__ import annotations

import re
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


_CHANNELS_LAST = re.compile(r"[0-9]+(?:x[0-9]+)*")
_CHANNELS_FIRST = re.compile(r"\[ *[0-9]+(?: *, *[0-9]+)* *\]")


def shape_written(text: str) -> tuple[Shape, Layout] | None:
    """The shape that `224x224x3` or `[3, 224, 224]` writes, and how; None where it writes none."""
    layout: Layout
    if len(text) > 100:
        return None
    if _CHANNELS_LAST.fullmatch(text):
        *spatial, channels = [int(size) for size in text.split("x")]
        shape, layout = (channels, *spatial), "hwc"
    elif _CHANNELS_FIRST.fullmatch(text):
        shape, layout = tuple([int(size) for size in text.strip("[] ").split(",")]), "chw"
    else:
        return None
    return (shape, layout) if all(1 <= size <= LARGEST_SIZE for size in shape) else None


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
