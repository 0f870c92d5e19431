"""Sizes as they are written behind an option: `3`, `3x5`, `?`."""

from __future__ import annotations

import re
from typing import Literal

from cnncalc.diagnostics import Diagnostic, DocumentError, quoted

_SIZES = re.compile(r"[0-9]+(?:[x×,][0-9]+)*\Z")
PADDING_WORDS = ("valid", "same", "full")
LONGEST = 76

Size = int | tuple[int, ...] | Literal["?"] | None


def size(option: str, text: str | None) -> Size:
    """`3` is a number, `3x5` one an axis, `?` an unknown. Raises `DocumentError`."""
    if text is None:
        return None
    unknown: Literal["?"] = "?"
    if text == unknown:
        return unknown
    if not _SIZES.match(text) or len(text) > LONGEST:
        raise DocumentError(not_a_size(option, text))
    sizes = tuple([int(one) for one in re.split("[x×,]", text)])
    return sizes if len(sizes) > 1 else sizes[0]


def map_size(option: str, text: str | None) -> tuple[Size, int | None]:
    """The places of a map and, where there are three sizes or more, its channels, which stand last."""
    sizes = size(option, text)
    if not isinstance(sizes, tuple) or len(sizes) < 3:
        return sizes, None
    if len(sizes) > 4:
        message = f"{option} has {len(sizes)} sizes; a map has up to 3 axes, and channels"
        raise DocumentError(Diagnostic("too-many-sizes", message, help="write height x width x channels: 224x224x3"))
    return sizes[:-1], sizes[-1]


def not_a_size(option: str, text: str, help: str = "write a number (3), or one an axis (3x5)") -> Diagnostic:
    if text.startswith("["):
        help = "write height x width x channels: 224x224x3"
    return Diagnostic("not-a-size", f"{quoted(text)} is not a size for {option}", help=help)
