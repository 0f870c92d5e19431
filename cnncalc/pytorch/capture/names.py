"""Layers are named for the modules that they were in, so that a parameter keeps its qualified name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnncalc.graph import Node
from cnncalc.layers.unknown import Unknown
from cnncalc.pytorch.capture.walk import Made


def name(nodes: Sequence[Node], made: Mapping[Node, Made], taken: Sequence[str]) -> None:
    """Give every node its name.

    A module that is one layer gives it its own, `layer1.0.conv1`. One with parameters that does more gives its name to
    what holds them and `conv1_pad` to the rest. What code between modules does is named in the module whose code it is:
    `layer1.0.add`. A second of a name is `add_2`.
    """
    paths = {path for one in made.values() for _, path, _ in one.stack} | {
        origin.name.rpartition(".")[0] for one in made.values() for origin in one.origins
    }
    around = {path[:place] for path in paths for place, char in enumerate(path) if char == "."} | {""}
    calls: dict[str, list[Node]] = {}
    for node in nodes:
        calls.setdefault(made[node].stack[-1][0] if made[node].stack else "", []).append(node)
    used = set(taken) | around
    for node in nodes:
        wanted = _wanted(node, made[node], calls, made, around)
        number, unique = 1, wanted
        while unique in used:
            number += 1
            unique = f"{wanted}_{number}"
        used.add(unique)
        node.name = unique
        if made[node].stack and wanted == made[node].stack[-1][1]:
            node.functional = False  # all that a module of its own is


def _wanted(
    node: Node, own: Made, calls: Mapping[str, Sequence[Node]], made: Mapping[Node, Made], around: set[str]
) -> str:
    key, path, _ = own.stack[-1] if own.stack else ("", "", "")
    operator = node.layer.operator.rpartition("::")[2].removeprefix("aten.") if isinstance(node.layer, Unknown) else ""
    label = operator.replace(".", "_") or node.layer.kind
    owners = {origin.name.rpartition(".")[0] for origin in own.origins}
    if len(own.origins) == 1 and not isinstance(node.layer, Unknown) and _last(own) not in ("weight", "bias"):
        return own.origins[0].name  # a parameter of a module's own code: `layer_scale`
    if len(owners) == 1 and (owner := next(iter(owners))) not in around:
        return owner
    if path in around:
        return f"{path}.{label}" if path else label
    together = calls[key]
    if len(together) == 1:
        return path
    if any(made[other].origins for other in together):
        return f"{path}_{label}"
    return f"{path}.{label}"


def _last(own: Made) -> str:
    return own.origins[0].name.rpartition(".")[2]
