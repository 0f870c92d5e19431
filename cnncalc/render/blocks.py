"""A network's layers by the blocks that their names tell of, for drawings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cnncalc.graph import Input, Network, Node
from cnncalc.shapes import Layout, shape_text


@dataclass(slots=True)
class Block:
    """Layers and blocks inside a block; `name` is the part of their names that they share, from the one around."""

    name: str
    prefix: str = ""
    members: list[Node | Block] = field(default_factory=list)

    def label(self, node: Node) -> str:
        """A layer's name in here."""
        return node.name.removeprefix(self.prefix)


def blocks(network: Network) -> Block:
    """The outermost block. A block of one layer is none: the layer keeps the whole of its name."""
    sizes: dict[str, int] = {}
    for node in network.nodes:
        for scope in scopes(node.name):
            sizes[scope] = sizes.get(scope, 0) + 1
    root = Block("")
    known = {"": root}
    for node in network.nodes:
        around = root
        for scope in scopes(node.name):
            whole = around.prefix.removesuffix(".")
            if sizes[scope] < 2 or sizes[scope] == sizes.get(whole):  # a block in a block by itself
                continue
            if scope not in known:
                known[scope] = Block(scope.removeprefix(around.prefix), f"{scope}.")
                around.members.append(known[scope])
            around = known[scope]
        around.members.append(node)
    return root


def scopes(name: str) -> Iterator[str]:
    """`a`, `a.b` of `a.b.c`."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        yield ".".join(parts[:end])


def numbered(network: Network) -> dict[Node | Input, str]:
    """A name for every value that no language of drawings minds: inputs are `i0`, layers `n0`."""
    ids: dict[Node | Input, str] = {value: f"i{place}" for place, value in enumerate(network.inputs)}
    return ids | {node: f"n{place}" for place, node in enumerate(network.nodes)}


def ends(network: Network) -> Iterator[tuple[Node | Input, str, str, str]]:
    """The outputs: each with a name for the drawing, what it is called, and its shape."""
    for place, value in enumerate(network.outputs):
        called = network.output_names[place] if network.output_names else "output"
        yield value, f"o{place}", called, shape(value, network.layout)


def edges(network: Network) -> Iterator[tuple[Node | Input, Node, str]]:
    """Who gives what to whom, the shape being written as the document writes shapes; each pair once."""
    for node in network.nodes:
        for value in dict.fromkeys(node.inputs):
            yield value, node, shape(value, network.layout)


def shape(value: Node | Input, layout: Layout) -> str:
    return shape_text(value.output, layout)


def labels(block: Block, node: Node) -> list[str]:
    """The lines that a layer shows: its name in its block, its kind and what a table shows beside it; the kind once."""
    kind, name, title = node.layer.kind, block.label(node), node.layer.title(node.input_shapes)
    words = f"{kind} {title}" if title else kind
    return [words] if name == kind else [name, words]
