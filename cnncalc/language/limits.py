"""How many layers a document comes to, counted before any of them is made.

`repeat: 1000` inside `repeat: 1000` inside `repeat: 1000` is three lines to read and a thousand million layers to make.
Here they are counted block by block, each block once for each different set of args.
"""

from __future__ import annotations

from typing import Any

from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.language.document import Document, LayerUse, Reference
from cnncalc.language.fields import MAX_NODES
from cnncalc.language.terms import Term

Names = dict[str, Any]
_UNKNOWN = object()


def check_size(document: Document, constants: Names) -> None:
    """Raise `DocumentError` where the document holds more layers than a network may have."""
    _Counter(document, constants).layers(document.layers, constants)


class _Counter:
    """Counts at least: what depends on sizes or on a repeat's index counts as left out."""

    def __init__(self, document: Document, constants: Names) -> None:
        self.blocks = document.blocks
        self.constants = constants
        self.counted: dict[tuple[Any, ...], int] = {}

    def layers(self, uses: list[LayerUse], names: Names) -> int:
        count = 0
        for use in uses:
            count += self.use(use, names)
            if count > MAX_NODES:
                node = use.kind_node if use.repeat is None else use.repeat.node
                message = f"{count:,} layers up to here: a network may have {MAX_NODES:,}"
                raise DocumentError(Diagnostic("too-many-layers", message, node.span, help="repeat less"))
        return count

    def use(self, use: LayerUse, names: Names) -> int:
        times = 1
        if use.repeat is not None:
            repeat = _value(use.repeat, names)
            times = repeat if type(repeat) is int else len(repeat) if type(repeat) is tuple else 0
            names = {name: value for name, value in names.items() if name not in ("i", "item")}
        if use.when is not None and _value(use.when, names) is not True:
            return 0
        if use.kind in self.blocks:
            return times * self.block(use, names)
        if use.paths is not None:
            paths = [path for path in use.paths if not isinstance(path, Reference)]
            return times * (1 + sum([self.layers(path, names) for path in paths]))
        return times

    def block(self, use: LayerUse, outside: Names) -> int:
        block = self.blocks[use.kind]
        names = dict(self.constants)
        for name, default in block.args.items():
            given = use.fields.get(name)
            value = _value(default, names) if given is None else _value(given, outside)
            names.pop(name, None)
            if value is not _UNKNOWN and type(value) is not dict:
                names[name] = value
        key = (block.name, *names.items())
        if key not in self.counted:
            self.counted[key] = self.layers(block.layers, names)
        return self.counted[key]


def _value(term: Term, names: Names) -> Any:
    """The term's value where the names known beforehand give one."""
    if term.names <= names.keys():
        try:
            return term.evaluate(names)
        except DocumentError:
            return _UNKNOWN  # said when it is carried out
    return _UNKNOWN
