"""A network's nodes become lists of layers: those of one prefix are a block, what flows apart is a merge's paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from cnncalc.graph import Node, Value
from cnncalc.language.fold.uses import UNWISHED, Body, Plain, Use, contents, every, free, in_order
from cnncalc.language.reader import INPUT, NAME, RESERVED_NAMES
from cnncalc.layers import KINDS, Kind, Merge

MOST_MERGES = 5  # inside one another; what lies deeper is called by its name


@dataclass(slots=True, eq=False)
class _Item:
    """A layer, a merge or a block.

    `entry` is the value that enters it. `values` are those made in it, each with what follows the item's name to name
    it: "" for its output. `paths` are a merge's: items one after another, or a value that is named there. `copies` are
    the items that it stands for besides itself, one after another; None where it is not repeated.
    """

    use: Use
    entry: Value | None
    output: Value
    wish: str
    values: dict[Value, str]
    paths: list[list[_Item] | Value] | None = None
    copies: list[_Item] | None = None

    def every(self) -> Iterator[_Item]:
        """It and the items inside its paths, which share its list's names, in document order."""
        yield self
        for path in self.paths or ():
            if isinstance(path, list):
                for item in path:
                    yield from item.every()

    @property
    def depth(self) -> int:
        """How many merges are inside one another here."""
        if self.paths is None:
            return 0
        return 1 + max([item.depth for path in self.paths if isinstance(path, list) for item in path], default=0)

    @property
    def is_numbered(self) -> bool:
        """Whether it is called by a number, by nothing, or by what is no name here: one of a repeat's."""
        return not NAME.match(self.wish)


@dataclass(slots=True, eq=False)
class UseList:
    """A list of layers, and the names of the values made in it."""

    uses: list[Use]
    names: dict[Value, str]


class _NotABlock(Exception):
    """Layers of one prefix that a block cannot hold: they need values that it does not see."""


@dataclass(slots=True)
class Folder:
    """Puts the nodes of a network together. `bodies` are those of its blocks by what they hold, inside others first."""

    bodies: dict[tuple[Any, ...], Body] = field(default_factory=dict)

    def items(self, nodes: Sequence[Node], prefix: str, entry: Value | None) -> list[_Item]:
        """Nodes whose names begin with `prefix`, put together: groups become blocks, paths go into their merges."""
        runs = [(head, list(run)) for head, run in groupby(nodes, lambda node: _head(node.name, prefix))]
        heads = [head for head, _ in runs]
        items: list[_Item] = []
        for head, run in runs:
            whole = f"{prefix}{head}"
            if heads.count(head) == 1 and (len(run) > 1 or run[0].name != whole):
                for item in self.group(run, whole, head):
                    self.add(items, item, entry)
            else:
                for node in run:
                    self.add(items, self.leaf(node, node.name[len(prefix) :].replace(".", "_")), entry)
        return self.repeats(items)

    def leaf(self, node: Node, wish: str) -> _Item:
        use = Use(node.layer.kind, fields_of(node.layer), node.functional, {node.inputs[0].output[0]})
        use.shares = node.shared or ""
        return _Item(use, node.inputs[0], node, wish, {node: ""})

    def group(self, run: list[Node], whole: str, head: str) -> list[_Item]:
        """Nodes of one prefix: a repeat, a repeated merge, or a block; or, where it can be none of them, its items.

        A merge of several values that alone enters the others stands before their block.
        """
        outside = _read(run)
        lead, *rest = run
        if len(outside) > 1 and len(rest) > 1 and isinstance(lead.layer, Merge) and [*_read(rest)] == [lead]:
            first = self.leaf(lead, f"{head}_{lead.name[len(whole) + 1 :].replace('.', '_')}")
            first.paths = [[] if value is first.entry else value for value in lead.inputs]
            return [first, *self.group(rest, whole, head)]
        entry = next(iter(outside))
        is_merge = run[-1].name == whole  # a repeated one: the layers in its paths are called after it
        items = self.items(run[:-1] if is_merge else run, f"{whole}.", entry)
        if is_merge:
            self.add(items, self.leaf(run[-1], ""), entry)
            if len(items) == 1:
                items[0].wish = head
                return items
        elif len(items) == 1 and items[0].is_numbered and (items[0].copies is not None or items[0].paths is None):
            (item,) = items
            item.wish, item.copies = head, item.copies or []
            for body in item.use.bodies:
                body.heads = [head if one == f"{head}_block" else one for one in body.heads]
            return items
        elif len(outside) == 1:
            try:
                written = self.written(items, entry, {entry: INPUT})
            except _NotABlock:
                pass
            else:
                head_of_body = head if NAME.match(head) else f"{_last_word(whole)}_block"
                body = self.body(written.uses, head_of_body, entry)
                values = {value: f".{name}" for value, name in written.names.items() if value is not entry}
                return [_Item(Use("", bodies=[body]), entry, run[-1], head, {**values, run[-1]: ""})]
        for item in items:
            item.wish = head if is_merge and item.output is run[-1] else f"{head}_{item.wish}" if item.wish else ""
        return items

    def body(self, uses: list[Use], head: str, entry: Value) -> Body:
        """The body that holds these layers."""
        body = self.bodies.setdefault(contents(uses), Body(uses, [], set()))
        body.heads.append(head)
        body.channels.add(entry.output[0])
        for kept, use in zip(every(body.uses), every(uses), strict=True):
            kept.channels |= use.channels
        return body

    # Merges -----------------------------------------------------------------------------------------------------------

    def add(self, items: list[_Item], item: _Item, entry: Value | None) -> None:
        """Put an item behind the others; into a merge go those of them that are its paths."""
        node = item.output
        if (
            not isinstance(node, Node)
            or item.paths is not None
            or item.use.kind not in KINDS
            or not issubclass(KINDS[item.use.kind], Merge)
        ):
            items.append(item)
            return
        made = {other.output: place for place, other in enumerate(items)}
        chains = [_chain(value, items, made) for value in node.inputs]
        inside = {place for chain in chains for place in chain}
        current = items[-1].output if items else entry
        best = (sum(value is current for value in node.inputs), 0, current)
        length = 1
        while length <= len(items) and len(items) - length in inside:
            first = len(items) - length
            start = items[first].entry
            ends = [_from(start, value, chain, items) for value, chain in zip(node.inputs, chains, strict=True)]
            if [place for end in ends for place in end or ()] == list(range(first, len(items))):
                joined = sum(end is not None for end in ends)
                if joined > best[0] and max([items[place].depth for place in inside if place >= first]) < MOST_MERGES:
                    best = (joined, length, start)
            length += 1
        _, length, start = best
        item.entry = start
        item.paths = []
        for value, chain in zip(node.inputs, chains, strict=True):
            end = _from(start, value, chain, items) if length or value is start else None
            item.paths.append(value if end is None else [items[place] for place in end])
        if length:
            del items[-length:]
        items.append(item)

    def repeats(self, items: list[_Item]) -> list[_Item]:
        """Neighbours called by numbers that are alike become one item that is repeated."""
        found: list[_Item] = []
        for item in items:
            before = found[-1] if found else None
            if before is not None and item.entry is before.output and _are_repeats(before, item):
                before.copies = [*(before.copies or ()), item]
                before.output, before.wish = item.output, ""
            else:
                found.append(item)
        return found

    # Writing ----------------------------------------------------------------------------------------------------------

    def written(self, items: list[_Item], entry: Value | None, names: dict[Value, str]) -> UseList:
        """The items as a list of layers, every one named. Raises `_NotABlock` where one needs what has no name here."""
        every = [inner for item in items for inner in item.every()]
        called = {path for item in every for path in item.paths or () if not isinstance(path, list)}
        taken = {*names.values()}
        wished = [item.wish for item in every]
        calls: dict[_Item, str] = {}
        for item in every:
            name = "" if item.is_numbered else item.wish
            item.wish = name
            fits = name and name not in RESERVED_NAMES and name not in taken
            if not fits or (name in KINDS and item.output in called):
                word = name or item.use.kind or "block"
                name = free(word, {*taken, *wished, *RESERVED_NAMES, *KINDS})
            taken.add(name)
            calls[item] = name if item.wish else f"{UNWISHED}{name}"
        for item in every:
            _name_values(item, calls, names)
        return UseList(self.uses(items, entry, names, calls), names)

    def uses(
        self, items: list[_Item], current: Value | None, names: dict[Value, str], calls: dict[_Item, str]
    ) -> list[Use]:
        uses = []
        for item in items:
            use = item.use
            use.name = calls[item]
            if item.paths is not None:
                use.paths = [self.path(path, item.entry, names, calls) for path in item.paths]
            needs = item.paths is None or any(isinstance(path, list) for path in item.paths)
            use.source = _named(item.entry, names) if item.entry is not current and needs else ""
            if isinstance(use.shares, Node):
                use.shares = _named(use.shares, names)
            if item.copies is not None:
                use.repeat = 1 + len(item.copies)
                use.bodies = use.bodies[:1] * use.repeat
                for inner in item.every():
                    inner.use.channels.clear()
            uses.append(use)
            current = item.output
        return uses

    def path(
        self, path: list[_Item] | Value, start: Value | None, names: dict[Value, str], calls: dict[_Item, str]
    ) -> list[Use] | str:
        return self.uses(path, start, names, calls) if isinstance(path, list) else _named(path, names)


def fields_of(layer: Kind) -> Plain:
    """The fields of a layer that are not at their defaults, as a document writes them."""
    fields = {
        name: value
        for name, value in layer.values().items()
        if value != layer.fields[name].default or type(value) is not type(layer.fields[name].default)
    }
    return {name: fields[name] for name in in_order(fields, fields)}


def _read(run: Sequence[Node]) -> dict[Value, None]:
    """The values that some nodes read and do not make, in order."""
    inside = {*run}
    return dict.fromkeys(value for node in run for value in node.inputs if value not in inside)


def _head(name: str, prefix: str) -> str:
    return name[len(prefix) :].partition(".")[0]


def _last_word(name: str) -> str:
    """The last part of a name that could be one here: `layer1` of `layer1.0`."""
    return next((part for part in reversed(name.split(".")) if NAME.match(part)), "block")


def _named(value: Value | None, names: dict[Value, str]) -> str:
    if value is None or value not in names:
        raise _NotABlock
    return names[value]


def _name_values(item: _Item, calls: dict[_Item, str], names: dict[Value, str]) -> None:
    """The names of all values that an item makes, of its copies too, added to `names`."""
    name = calls[item]
    if item.copies is None:
        for value, rest in item.values.items():
            names.setdefault(value, name + rest)
        return
    for place, copy in enumerate((item, *item.copies)):
        for own, other in zip(item.every(), copy.every(), strict=True):
            inner = "" if own is item else f".{calls[own]}"
            for value, rest in other.values.items():
                names.setdefault(value, f"{name}.{place}{inner}{rest}")
    names[item.output] = name


def _chain(value: Value, items: list[_Item], made: dict[Value, int]) -> list[int]:
    """The places of the items that lead to a value, one after another."""
    places: list[int] = []
    at: Value | None = value
    while at is not None and (place := made.get(at)) is not None and (not places or place < places[-1]):
        places.append(place)
        at = items[place].entry
    return places[::-1]


def _from(start: Value | None, value: Value, chain: list[int], items: list[_Item]) -> list[int] | None:
    """The part of a chain that begins at `start`; None where it never passes there."""
    if value is start:
        return []
    for at, place in enumerate(chain):
        if items[place].entry is start:
            return chain[at:]
    return None


def _are_repeats(one: _Item, other: _Item) -> bool:
    return one.is_numbered and other.is_numbered and other.copies is None and _are_alike(one, other)


def _are_alike(one: _Item, other: _Item) -> bool:
    """Whether two items are written the same, but for their names and what enters them; none that calls a value is."""
    if one.use.itself != other.use.itself or len(one.paths or ()) != len(other.paths or ()):
        return False
    return all(
        isinstance(a, list)
        and isinstance(b, list)
        and len(a) == len(b)
        and all(
            x.wish == y.wish and (x.copies is None) == (y.copies is None) and _are_alike(x, y)
            for x, y in zip(a, b, strict=True)
        )
        and [len(x.copies or ()) for x in a] == [len(y.copies or ()) for y in b]
        for a, b in zip(one.paths or (), other.paths or (), strict=True)
    )
