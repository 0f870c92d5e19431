"""Names of layers: the file's, or what its names say of the module that an operator was in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from cnncalc.graph import Node
from cnncalc.onnx_import.file import Operator

_OTHER = re.compile(r"[^A-Za-z0-9_]+")
_WEIGHT = re.compile(r"([A-Za-z0-9_.]+)\.weight")
_NUMBER = re.compile(r"_\d+$")
LONGEST = 200


def name_nodes(
    nodes: Sequence[Node],
    made_by: Mapping[Node, Operator],
    weights: Mapping[Node, Sequence[str]],
    types: Collection[str],
    taken: Collection[str],
) -> None:
    """Give every node a name of its own.

    An operator of a module by itself has the module's name, one among others the module's and its kind; what is there
    already gets a number: `layer1.0.conv1`, `layer1.0.relu`, `layer1.0.relu_2`, `layer1.0.add`.
    """
    scopes = [place(made_by[node], weights[node], types) for node in nodes]
    kinds: dict[str, set[str]] = {}
    above: set[str] = set()
    for node, scope in zip(nodes, scopes, strict=True):
        kinds.setdefault(scope, set()).add(node.layer.kind)
        parts = scope.split(".")
        above |= {".".join(parts[:end]) for end in range(1, len(parts))}
    known = set(taken)
    counts: dict[str, int] = {}
    for node, scope in zip(nodes, scopes, strict=True):
        alone = scope and scope not in above and len(kinds[scope]) == 1
        name = scope if alone else f"{scope}.{node.layer.kind}" if scope else node.layer.kind
        node.name = name
        while node.name in known or node.name in above:
            counts[name] = counts.get(name, 1) + 1
            node.name = f"{name}_{counts[name]}"
        known.add(node.name)


def place(operator: Operator, weights: Sequence[str], types: Collection[str]) -> str:
    """The module that an operator is in, or its own name; "" where the file says neither."""
    if weights and (named := _WEIGHT.fullmatch(weights[0])):
        return plain(named[1])
    if operator.scope is not None:
        return plain(operator.scope)
    name = operator.name or operator.outputs[0]
    if "/" not in name:
        return plain(name) if operator.name or not name.isdigit() else ""
    path: list[str] = []
    for part in name.split("/"):
        if path and part.startswith(f"{path[-1]}."):  # torch's first exporter: /layer1/layer1.0/conv1/Conv
            path[-1] = part
        elif part:
            path.append(part)
    if operator.name and path and _NUMBER.sub("", path[-1]) in types:
        path.pop()
    return plain(".".join(path))


def plain(name: str) -> str:
    """A name of letters, digits, underscores and dots."""
    parts = [_OTHER.sub("_", part).strip("_") for part in name[-LONGEST:].split(".")]
    return ".".join([part for part in parts if part])
