from __future__ import annotations

from typing import Any

import pytest

import cnncalc
from cnncalc.graph import Node
from cnncalc.render.blocks import Block, blocks, scopes


def tree(block: Block) -> list[Any]:
    return [block.label(one) if isinstance(one, Node) else (one.name, tree(one)) for one in block.members]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["s.a", "s.b", "c"], [("s", ["a", "b"]), "c"]),
        (["s.a", "c"], ["s.a", "c"]),  # a block of one is none
        (["s.0.a", "s.0.b", "s.1.a", "s.1.b"], [("s", [("0", ["a", "b"]), ("1", ["a", "b"])])]),
        (["s.0.a", "s.0.b"], [("s", ["0.a", "0.b"])]),  # nor is one that is all of the block around it
        (["s.a", "t", "s.b"], [("s", ["a", "b"]), "t"]),  # what lies between comes after
        (["s.0", "s.0.a", "s.0.b"], [("s", ["0", ("0", ["a", "b"])])]),  # a repeated merge and what is in its paths
    ],
)
def test_names_make_blocks(names: list[str], expected: list[Any]) -> None:
    network = cnncalc.loads(f"input: 4x4x2\nlayers: [{', '.join(['relu'] * len(names))}]")
    for node, name in zip(network.nodes, names, strict=True):
        node.name = name
    assert tree(blocks(network)) == expected


def test_scopes() -> None:
    assert list(scopes("a.b.c")) == ["a", "a.b"]
