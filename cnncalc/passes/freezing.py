"""Which parameters training leaves as they are: those whose names match a pattern."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from cnncalc.diagnostics import Diagnostic, DocumentError, did_you_mean, near
from cnncalc.graph import Network


def frozen(network: Network, patterns: Collection[str]) -> frozenset[str]:
    """The names of the parameters that match one of the patterns (`stage1.*`, `*.batch_norm.weight`).

    Raises `DocumentError` where a pattern matches none: it would freeze nothing in silence.
    """
    if not patterns:
        return frozenset()
    names = [
        f"{node.name}.{parameter.name}"
        for node in network.nodes
        for parameter in node.facts.parameters
        if parameter.role in ("weight", "bias")
    ]
    found: set[str] = set()
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            help = did_you_mean(near(pattern, names), "a pattern is a parameter's name, with * for any part of it")
            raise DocumentError(Diagnostic("nothing-to-freeze", f"no parameter is called `{pattern}`", help=help))
        found.update(matching)
    return frozenset(found)
