"""A document's inputs: `224x224x3` (channels last), `[3, 224, 224]` (channels first), or one number (a vector)."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping as Names
from typing import Any

from cnncalc.diagnostics import Diagnostic, Findings
from cnncalc.graph import Input
from cnncalc.language.document import InputSize
from cnncalc.language.source import Node, Scalar, describe
from cnncalc.language.terms import read_term, shown
from cnncalc.shapes import LARGEST_SIZE, Layout

MAX_SPATIAL = 3

_CHANNELS_LAST = re.compile(r"[0-9]+(?:x[0-9]+)*\Z")
_MEANT_AS_SIZES = re.compile(r"\W*[0-9]+(?:\s*[^\s\w.+/-]+\s*[0-9]+|\s*[xX]\s*[0-9]+|\s+[0-9]+)*\W*\Z")


def read_input(name: str, node: Node, known: Collection[str], found: Findings) -> InputSize:
    """An input's size as far as it is known before args have values; mistakes are added to `found`."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if _CHANNELS_LAST.match(node.text) and len(node.text) < 100:
            *spatial, channels = [int(size) for size in node.text.split("x")]
            return _checked(InputSize(name, node), (channels, *spatial), "hwc", found)
        if "×" in node.text or ("x" in node.text.lower() and _MEANT_AS_SIZES.match(node.text)):
            found.add(_not_sizes(node))
            return InputSize(name, node)
    term = read_term(node, known, found)
    if term.constant:
        return _checked(InputSize(name, node), *_order(term.value), found)
    return InputSize(name, node, term=term)


def evaluated(size: InputSize, names: Names[str, Any]) -> tuple[Input, Layout]:
    """The input itself and the order in which its sizes are written; raises `DocumentError`."""
    shape, layout = size.shape, size.layout
    if size.term is not None:
        found = Findings()
        shape, layout = _order(size.term.evaluate(names))
        _checked(size, shape, layout, found)
        found.raise_if_any()
    assert shape is not None
    return Input(size.name, shape, size.node.span), layout


def _order(value: Any) -> tuple[tuple[Any, ...], Layout]:
    return (value, "chw") if type(value) is tuple else ((value,), "hwc")


def _checked(size: InputSize, shape: tuple[Any, ...], layout: Layout, found: Findings) -> InputSize:
    if not all(one.__class__ is int and 1 <= one <= LARGEST_SIZE for one in shape):
        value = shape if layout == "chw" else shape[0] if len(shape) == 1 else ""
        found.add(_not_sizes(size.node, value))
    elif not 1 <= len(shape) <= MAX_SPATIAL + 1:
        found.add(
            Diagnostic(
                "input-rank",
                f"an input has channels and up to {MAX_SPATIAL} spatial sizes, not {len(shape)} sizes",
                size.node.span,
                help="write height x width x channels, e.g. 224x224x3",
            )
        )
    else:
        size.shape, size.layout = shape, layout
    return size


def _not_sizes(node: Node, value: Any = "") -> Diagnostic:
    numbers = re.findall(r"[0-9]+", node.text) if isinstance(node, Scalar) and len(node.text) < 60 else []
    meant = "x".join(numbers)
    same = not isinstance(node, Scalar) or meant == node.text or not _MEANT_AS_SIZES.match(node.text.replace("×", "x"))
    help = "write height x width x channels, e.g. 224x224x3, or [3, 224, 224]" if same else f"write `{meant}`"
    what = describe(node) if value == "" else shown(node, value)
    bounds = f"to {LARGEST_SIZE:,}" if re.search(r"[0-9]{10}", what) else "up"
    return Diagnostic("input-sizes", f"an input is sizes from 1 {bounds}, not {what}", node.span, help=help)
