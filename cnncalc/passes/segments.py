"""Segments: runs of layers that are taken as one, as gradient checkpointing does; what each reads and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near
from cnncalc.graph import Network, Node, Value


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive layers under one name; `reads` are values from outside, `returns` those that are needed outside."""

    name: str
    nodes: tuple[Node, ...]
    reads: tuple[Value, ...]
    returns: tuple[Node, ...]


def blocks(network: Network) -> list[str]:
    """Every name that holds more than one layer, in the order in which they begin: `stage1`, `stage1.0` ..."""
    count: dict[str, int] = {}
    for node in network.nodes:
        parts = node.name.split(".")
        for end in range(1, len(parts)):
            name = ".".join(parts[:end])
            count[name] = count.get(name, 0) + 1
    return [name for name, layers in count.items() if layers > 1]


def segments(network: Network, names: Sequence[str]) -> list[Segment]:
    """The segments of those names, in the network's order; `*` in a name is any one part of it.

    Raises `DocumentError` for a name that is neither a block nor a layer, for blocks that lie one in the other, and
    for a block between whose layers others run.
    """
    places = {name: _positions(network, name) for pattern in names for name in _matching(network, pattern)}
    taken: dict[int, str] = {}
    for name, positions in places.items():
        for position in range(positions[0], positions[-1] + 1):
            if position not in positions:
                between = network.nodes[position]
                message = f"`{name}` cannot run as one: `{between.name}` runs between its layers"
                raise DocumentError(Diagnostic("block-interrupted", message, between.span))
            if position in taken:
                message = f"`{name}` and `{taken[position]}` share layers"
                raise DocumentError(Diagnostic("blocks-overlap", message, help="name one of them"))
            taken[position] = name
    return [
        _segment(network, name, [network.nodes[position] for position in positions])
        for name, positions in sorted(places.items(), key=lambda place: place[1])
    ]


def _matching(network: Network, pattern: str) -> list[str]:
    """The names of blocks and layers that a pattern stands for; one without `*` stands for itself."""
    if "*" not in pattern:
        return [pattern]
    parts = pattern.split(".")
    prefixes = dict.fromkeys([tuple(node.name.split(".")[: len(parts)]) for node in network.nodes])
    found = [
        ".".join(prefix) for prefix in prefixes if len(prefix) == len(parts) and all(map(fnmatchcase, prefix, parts))
    ]
    if not found:
        message = f"no block or layer is called like `{pattern}`"
        raise DocumentError(Diagnostic("unknown-block", message, help="`*` stands for one part of a dotted name"))
    return found


def _within(node: Node, name: str) -> bool:
    return node.name == name or node.name.startswith(f"{name}.")


def _positions(network: Network, name: str) -> list[int]:
    positions = [position for position, node in enumerate(network.nodes) if _within(node, name)]
    if not positions:
        known = [*blocks(network), *[node.name for node in network.nodes]]
        help = did_you_mean(near(name, known), "blocks and layers are named as in `cnncalc analyze`")
        raise DocumentError(Diagnostic("unknown-block", f"no block or layer is called `{name}`", help=help))
    return positions


def _segment(network: Network, name: str, nodes: Sequence[Node]) -> Segment:
    inside = set(nodes)
    reads = dict.fromkeys([value for node in nodes for value in node.inputs if value not in inside])
    read_later = {value for node in network.nodes if node not in inside for value in node.inputs}
    returns = [node for node in nodes if node in read_later or node in network.outputs]
    return Segment(name, tuple(nodes), tuple(reads), tuple(returns))
