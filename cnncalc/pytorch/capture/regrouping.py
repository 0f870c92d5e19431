"""Values whose first dimension is not the batch's alone, as long as they are only looked at another way.

A convolution with filters of each image's own is written with the images beside one another as groups of channels:
[B, C, H, W] as [1, B·C, H, W], its filters as [B·N, C, K, K], and what comes out as [B, N, H', W'] again. Every image's
numbers stay together on the way and in order, so that it can be said for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnncalc.graph import Value
from cnncalc.layers.conv import DynamicConv
from cnncalc.pytorch.capture.operators import NoKind, sliding
from cnncalc.shapes import Shape


@dataclass(slots=True)
class Unmade:
    """A value that an operator only shows in another form: a layer for those readers that need it made."""

    value: Value
    make: Callable[[], Value]
    made: Value | None = None

    def whole(self) -> Value:
        self.made = self.made or self.make()
        return self.made


@dataclass(slots=True)
class Repeated(Unmade):
    """Its sizes of 1 are repeated, which is nothing where it meets another value."""


@dataclass(slots=True)
class Regrouped(Unmade):
    """Its images are one after another in a shape that has all dimensions."""

    shape: Shape = ()


# Operators after which a value's numbers are in the same order.
VIEWS = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "_unsafe_view", "view_as"}
    | {"contiguous", "clone", "alias"}
)
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "convolution"})
PADS = frozenset({"pad", "constant_pad_nd"})
TURNS = frozenset({"permute", "transpose"})
REGROUPING = VIEWS | CONVOLUTIONS | PADS | TURNS


def keeps_order(name: str, shape: Shape, arguments: dict[str, Any]) -> bool:
    """Whether an operator turns dimensions, and moves none but those of size 1."""
    if name not in TURNS:
        return False
    order = list(range(len(shape)))
    if name == "permute":
        order = [dim % len(shape) for dim in arguments["dims"]]
    else:
        a, b = [arguments[end] % len(shape) for end in ("dim0", "dim1")]
        order[a], order[b] = b, a
    large = [dim for dim in order if shape[dim] != 1]
    return large == sorted(large)


def dynamic_conv(arguments: dict[str, Any], map: Shape, filters: Shape, batch: int) -> DynamicConv:
    """The layer that a convolution of all images beside one another is for one; raises `NoKind` where it is none."""
    one, channels, *_ = map
    rows, _, *kernel = filters
    groups = arguments["groups"]
    if one != 1 or arguments.get("transposed") or any(count % batch for count in (channels, rows, groups)):
        raise NoKind("its weight is computed from the input")
    return DynamicConv(out_channels=rows // batch, groups=groups // batch, **sliding(arguments, kernel))
