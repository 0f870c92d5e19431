"""Depth as the papers count it: weighted layers on the longest path from an input to an output."""

from __future__ import annotations

from dataclasses import dataclass

from cnncalc.graph import Network, Node, Value


@dataclass(frozen=True, slots=True)
class Depth:
    """`layers` weighted layers on the longest path, and how many of them are of which sort."""

    layers: int
    sorts: dict[str, int]


def depth(network: Network) -> Depth:
    """The depth of a network, over all its outputs (ResNet-152 has 152: 151 convolutions and a dense layer)."""
    depths: dict[Value, int] = dict.fromkeys(network.inputs, 0)
    for node in network.nodes:
        depths[node] = max([depths[value] for value in node.inputs]) + (1 if node.layer.weighted else 0)
    end = max(network.outputs, key=depths.__getitem__, default=None)
    sorts: dict[str, int] = {}
    value = end
    while isinstance(value, Node):
        if sort := value.layer.weighted:
            sorts[sort] = sorts.get(sort, 0) + 1
        value = max(value.inputs, key=depths.__getitem__)
    return Depth(depths[end] if end is not None else 0, dict(sorted(sorts.items())))
