"""Sizes of inputs, as textbooks and as torch write them."""

from __future__ import annotations

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.language.load import loads


@pytest.mark.parametrize(
    ("size", "shape", "layout"),
    [
        ("224x192x3", (3, 224, 192), "hwc"),
        ("16000x1", (1, 16000), "hwc"),
        ("16x112x96x3", (3, 16, 112, 96), "hwc"),
        ("784", (784,), "hwc"),
        ("'784'", (784,), "hwc"),
        ("28 * 28", (784,), "hwc"),
        ("[3, 224, 192]", (3, 224, 192), "chw"),
        ("[1, 16000]", (1, 16000), "chw"),
        ("[784]", (784,), "chw"),
        ("[3, r, 2 * r]", (3, 32, 64), "chw"),
        ("shape", (3, 9, 7), "chw"),
        ("r", (32,), "hwc"),
        ("(3, r, r)", (3, 32, 32), "chw"),
        ("[3] + [r] * 2", (3, 32, 32), "chw"),
    ],
)
def test_sizes(size: str, shape: tuple[int, ...], layout: str) -> None:
    quoted = f"'{size}'" if size.startswith("[3] +") else size
    network = loads(f"input: {quoted}\nargs: {{r: 32, shape: [3, 9, 7]}}\nlayers: [relu]\n")
    (value,) = network.inputs
    assert value.name == "input"
    assert value.output == shape
    assert network.layout == layout
    assert network["relu"].output == shape


def test_layout_of_several_inputs() -> None:
    assert loads("inputs: {a: 8x6x3, b: 8x6x3}\nlayers: [{add: [a, b]}]\n").layout == "hwc"
    assert loads("inputs: {a: 8x6x3, b: [3, 8, 6]}\nlayers: [{add: [a, b]}]\n").layout == "chw"


def test_largest_size() -> None:
    assert loads("input: 2147483647\nlayers: [relu]\n").inputs[0].output == (2**31 - 1,)
    with pytest.raises(DocumentError, match="from 1 to 2,147,483,647, not `2147483648`"):
        loads("input: 2147483648\nlayers: [relu]\n")
