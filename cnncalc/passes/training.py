"""Multiply-accumulates of a step of training: which gradients each layer has to compute, and what they take.

Every multiply-accumulate of the forward pass, y += w · x, has one product in each gradient: dw += dy · x and
dx += w · dy (Rumelhart, Hinton, Williams 1986). So each gradient takes as many as the forward pass, whatever the
window, the groups or the stride; kernel positions over padding count in all three. A bias's gradient is a sum of dy:
adds, and no multiply-accumulate. A product of two paths has no weights, nor a convolution with one path's values for
filters: each path's gradient takes as many.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from cnncalc.graph import Input, Network, Node, Value
from cnncalc.passes.freezing import frozen as frozen_names

# Why a gradient is not computed: the weights are frozen, or all parameters before the layer are; nothing before it but
# the image has any; no output of the network depends on the layer; it has no weights.
Why = Literal["", "frozen", "image", "unused", "none"]


class Gradients(NamedTuple):
    """One layer's multiply-accumulates an image in each pass; `why_not` says why there are none ("": there are).

    `to_paths` are those of the gradient to each of its inputs.
    """

    node: Node
    forward: int
    to_weights: int
    to_paths: tuple[int, ...]
    why_not_weights: Why
    why_not_inputs: Why

    @property
    def to_inputs(self) -> int:
        return sum(self.to_paths)


def gradients(network: Network, frozen: Collection[str] = ()) -> list[Gradients]:
    """The layers that have multiply-accumulates, in order; parameters of the `frozen` patterns are not trained.

    The loss is of every output, and the network's inputs need no gradient. Raises `DocumentError` for a pattern that
    matches no parameter.
    """
    untrained = frozen_names(network, frozen)
    used = _used(network)
    why_not: dict[Value, Why] = dict.fromkeys(network.inputs, "image")  # why a value needs no gradient; "": it does
    found = []
    for node in network.nodes:
        reasons = {why_not[value] for value in node.inputs}
        inputs: Why = "" if "" in reasons else "frozen" if "frozen" in reasons else "image"
        trained = {
            parameter.role: f"{node.name}.{parameter.name}" not in untrained
            for parameter in node.facts.parameters
            if parameter.role in ("weight", "bias")
        }
        why_not[node] = "" if any(trained.values()) else "frozen" if trained and inputs else inputs
        if macs := node.facts.macs:
            weights: Why = "none" if "weight" not in trained else "" if trained["weight"] else "frozen"
            if node not in used:
                weights = inputs = "unused"
            to_paths = tuple([0 if inputs or why_not[value] else macs for value in node.inputs])
            found.append(Gradients(node, macs, 0 if weights else macs, to_paths, weights, inputs))
    return found


def _used(network: Network) -> set[Node]:
    """The layers that an output of the network depends on."""
    used = {value for value in network.outputs if not isinstance(value, Input)}
    for node in reversed(network.nodes):
        if node in used:
            used.update([value for value in node.inputs if not isinstance(value, Input)])
    return used
