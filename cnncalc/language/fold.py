"""A network becomes a document again: plain data for `write.text`, from the graph alone.

Layers of one prefix (`stage1.conv`, `stage1.relu`) are a block where one value enters it; children `0`, `1`, `2` that
are alike are a `repeat`; blocks that are alike but for some values are one block with args. What flows apart and meets
again is the paths of a merge. Whatever has none of these shapes is said with `from` and names, so that every network
can be written. Names are kept where the language can spell them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from cnncalc.graph import Network, Node, Value
from cnncalc.language.expressions import FUNCTIONS
from cnncalc.language.reader import BESIDE_THE_KIND, NAME, RESERVED_ARGS, RESERVED_NAMES
from cnncalc.layers import KINDS, Kind, Merge
from cnncalc.shapes import shape_text

MOST_ARGS = 8  # of a block that several are made into
MOST_MERGES = 5  # inside one another; what lies deeper is called by its name
UNWISHED = "~"  # begins a name that nobody asked for, and that is left out where nothing calls it

_LAST = ("bias", "activation")  # fields that textbooks name last

Plain = dict[str, Any]
Uses = list[Any]


def document(network: Network) -> Plain:
    """The data of a document whose network has the same layers, edges, inputs and outputs."""
    folder = _Folder()
    inputs = network.inputs
    entry = inputs[0] if len(inputs) == 1 else None
    top = folder.written(folder.items(network.nodes, "", entry), entry, {value: value.name for value in inputs})
    blocks = folder.blocks
    unify(blocks, folder.heads, top.layers)
    names = _block_names(blocks, folder.heads, top.layers)
    for layers in (top.layers, *[block["layers"] for block in blocks.values()]):
        for use in _every_use(layers):
            for key in use.keys() & names.keys():
                _replace_key(use, key, names[key], use[key])
    last = network.nodes[-1] if network.nodes else inputs[0]
    listed = network.output_names or list(network.outputs) != [last]
    outputs = [top.names[value] for value in network.outputs] if listed else []
    lists = [top.layers, *[block["layers"] for block in blocks.values()]]
    called = {word for layers in lists for name in _calls(layers) for word in name.split(".")}
    called |= {word for name in outputs for word in name.split(".")}
    for layers in lists:
        _drop_needless_names(layers, [value.name for value in inputs] if layers is top.layers else [], called)
    data: Plain = {"name": network.name} if network.name else {}
    data |= _inputs(network)
    if blocks:
        data["blocks"] = {names[key]: block for key, block in blocks.items()}
    data["layers"] = top.layers or ["identity"]
    if outputs:
        data["outputs"] = [name.replace(UNWISHED, "") for name in outputs]
    return data


def _inputs(network: Network) -> Plain:
    sizes = {
        value.name: list(value.output)
        if network.layout == "chw"
        else shape_text(value.output, "hwc")
        if len(value.output) > 1
        else value.output[0]
        for value in network.inputs
    }
    return {"input": sizes["input"]} if list(sizes) == ["input"] else {"inputs": sizes}


def use_of(layer: Kind) -> Plain:
    """A layer as a document writes it, with the fields that are not at their defaults."""
    fields = {
        name: value
        for name, value in layer.values().items()
        if value != layer.fields[name].default or type(value) is not type(layer.fields[name].default)
    }
    if list(fields) == [layer.main]:
        return {layer.kind: fields[layer.main]}
    return {layer.kind: {name: fields[name] for name in sorted(fields, key=_LAST.__contains__)}}


# Items: what a list of layers holds -----------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Item:
    """A layer, a merge or a block.

    `entry` is the value that enters it. `values` are those made in it, each with what follows the item's name to name
    it: "" for its output. `paths` are a merge's: items one after another, or a value that is named there. `copies` are
    the items that it stands for besides itself, one after another; None where it is not repeated.
    """

    use: Plain
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
    def kind(self) -> str:
        """Of the layer, or the key of the block."""
        return next(iter(self.use))

    @property
    def is_numbered(self) -> bool:
        """Whether it is called by a number, or by nothing: one of a repeat's."""
        return not self.wish or self.wish.isdecimal()


@dataclass(slots=True, eq=False)
class _List:
    """A list of layers that is written, and the names of the values made in it."""

    layers: Uses
    names: dict[Value, str]


class _NotABlock(Exception):
    """Layers of one prefix that a block cannot hold: they need values that it does not see."""


@dataclass(slots=True)
class _Folder:
    blocks: dict[str, Plain] = field(default_factory=dict)  # by keys that are no names yet
    heads: dict[str, list[str]] = field(default_factory=dict)  # what the uses of each are called

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
        return _Item(use_of(node.layer), node.inputs[0], node, wish, {node: ""})

    def group(self, run: list[Node], whole: str, head: str) -> list[_Item]:
        """Nodes of one prefix: a repeat, a repeated merge, or a block; or, where it can be none of them, its items."""
        inside = {*run}
        outside = dict.fromkeys(value for node in run for value in node.inputs if value not in inside)
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
            if item.kind in self.heads:
                self.heads[item.kind] = [head if one == f"{head}_block" else one for one in self.heads[item.kind]]
            return items
        elif len(outside) == 1:
            try:
                written = self.written(items, entry, {})
            except _NotABlock:
                pass
            else:
                key = self.block(written.layers, f"{_last_word(whole)}_block" if head.isdecimal() else head)
                values = {value: f".{name}" for value, name in written.names.items()}
                return [_Item({key: {}}, entry, run[-1], head, {**values, run[-1]: ""})]
        for item in items:
            item.wish = head if is_merge and item.output is run[-1] else f"{head}_{item.wish}" if item.wish else ""
        return items

    def block(self, layers: Uses, head: str) -> str:
        """The key of the block that has these layers."""
        for key, block in self.blocks.items():
            if block["layers"] == layers:
                self.heads[key].append(head)
                return key
        key = f"#{len(self.blocks)}"
        self.blocks[key] = {"layers": layers}
        self.heads[key] = [head]
        return key

    # Merges -----------------------------------------------------------------------------------------------------------

    def add(self, items: list[_Item], item: _Item, entry: Value | None) -> None:
        """Put an item behind the others; into a merge go those of them that are its paths."""
        node = item.output
        if (
            not isinstance(node, Node)
            or item.paths is not None
            or item.kind not in KINDS
            or not issubclass(KINDS[item.kind], Merge)
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

    def written(self, items: list[_Item], entry: Value | None, names: dict[Value, str]) -> _List:
        """The items as a list of layers, every one named. Raises `_NotABlock` where one needs what has no name here."""
        every = [inner for item in items for inner in item.every()]
        called = {path for item in every for path in item.paths or () if not isinstance(path, list)}
        taken = {*names.values()}
        wished = [item.wish for item in every]
        calls: dict[_Item, str] = {}
        for item in every:
            name = "" if item.wish.isdecimal() else item.wish
            item.wish = name
            fits = NAME.match(name) and name not in RESERVED_NAMES and name not in taken
            if not fits or (name in KINDS and item.output in called):
                word = name if NAME.match(name) else item.kind if item.kind in KINDS else "block"
                name = _free(word, {*taken, *wished, *RESERVED_NAMES, *KINDS})
            taken.add(name)
            calls[item] = name if item.wish else f"{UNWISHED}{name}"
        for item in every:
            _name_values(item, calls, names)
        layers, _ = self.uses(items, entry, names, calls)
        return _List(layers, names)

    def uses(
        self, items: list[_Item], current: Value | None, names: dict[Value, str], calls: dict[_Item, str]
    ) -> tuple[Uses, Value | None]:
        layers: Uses = []
        for item in items:
            use = dict(item.use)
            if item.paths is not None:
                (kind,) = use
                paths = [self.path(path, item.entry, names, calls) for path in item.paths]
                use = {kind: {**use[kind], "paths": paths} if use[kind] else paths}
            use["name"] = calls[item]
            needs = item.paths is None or any(isinstance(path, list) for path in item.paths)
            if item.entry is not current and needs:
                use["from"] = _named(item.entry, names)
            if item.copies is not None:
                use["repeat"] = 1 + len(item.copies)
            layers.append(use)
            current = item.output
        return layers, current

    def path(
        self, path: list[_Item] | Value, start: Value | None, names: dict[Value, str], calls: dict[_Item, str]
    ) -> Any:
        if not isinstance(path, list):
            return _named(path, names)
        return self.uses(path, start, names, calls)[0] if path else "identity"


def _head(name: str, prefix: str) -> str:
    return name[len(prefix) :].partition(".")[0]


def _last_word(name: str) -> str:
    """The last part of a name that is no number: `layer1` of `layer1.0`."""
    return next((part for part in reversed(name.split(".")) if not part.isdecimal()), "block")


def _free(word: str, taken: set[str]) -> str:
    """The word, with a number where it is taken."""
    if word not in taken:
        return word
    number = 2
    while f"{word}{number}" in taken:
        number += 1
    return f"{word}{number}"


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
    if one.use != other.use or len(one.paths or ()) != len(other.paths or ()):
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


# Blocks ---------------------------------------------------------------------------------------------------------------


class _Hole(NamedTuple):
    """A value in a block, by the name of its field; equal in every block whose skeleton is compared."""

    field: str


def unify(blocks: dict[str, Plain], heads: dict[str, list[str]], top: Uses) -> None:
    """Make one block with args of those that differ in a few values only, inside others first."""
    changed = True
    while changed:
        changed = False
        alike: dict[str, list[str]] = {}
        for key, block in blocks.items():
            if "args" not in block:
                alike.setdefault(repr(_mapped(block["layers"], lambda field, _: _Hole(field))), []).append(key)
        for keys in alike.values():
            if len(keys) > 1 and _unified(blocks, keys, top):
                heads[keys[0]] = [head for key in keys for head in heads[key]]
                changed = True


def _unified(blocks: dict[str, Plain], keys: list[str], top: Uses) -> bool:
    """Put the first of these blocks in the place of all; whether that was possible."""
    rows: list[list[Any]] = []
    fields: list[str] = []
    for key in keys:
        row: list[Any] = []
        fields = []

        def note(field: str, value: Any, row: list[Any] = row, fields: list[str] = fields) -> Any:
            row.append(value)
            fields.append(field)
            return value

        _mapped(blocks[key]["layers"], note)
        rows.append(row)
    columns = list(zip(*rows, strict=True))
    args: dict[tuple[str, str], str] = {}
    for name, column in zip(fields, columns, strict=True):
        if any(value != column[0] or type(value) is not type(column[0]) for value in column):
            args.setdefault((name, repr(column)), _free(name, {*args.values(), *RESERVED_ARGS, *FUNCTIONS}))
    if len(args) > MOST_ARGS:
        return False
    names = [args.get((name, repr(column)), "") for name, column in zip(fields, columns, strict=True)]
    following = iter(names)
    layers = _mapped(blocks[keys[0]]["layers"], lambda _, value: next(following) or value)
    given = {
        key: {name: value for name, value in zip(names, row, strict=True) if name}
        for key, row in zip(keys, rows, strict=True)
    }
    for key in keys[1:]:
        del blocks[key]
    blocks[keys[0]] = {"args": dict.fromkeys(given[keys[0]]), "layers": layers}
    for uses in (top, *[block["layers"] for block in blocks.values()]):
        for use in _every_use(uses):
            for key in keys:
                if key in use:
                    _replace_key(use, key, keys[0], given[key])
    return True


def _mapped(layers: Uses, change: Callable[[str, Any], Any]) -> Uses:
    """Layers with every value of a field, of an arg and of `repeat` changed by a function of its name and itself."""
    return [_mapped_use(use, change) for use in layers]


def _mapped_use(use: Plain, change: Callable[[str, Any], Any]) -> Plain:
    (kind,) = [key for key in use if key not in BESIDE_THE_KIND]
    value = use[kind]
    paths = _paths(use)
    if paths is not None:
        mapped = [_mapped(path, change) if isinstance(path, list) else path for path in paths]
        if isinstance(value, dict):
            changed: Any = {name: change(name, inside) for name, inside in value.items() if name != "paths"}
            changed["paths"] = mapped
        else:
            changed = mapped
    elif isinstance(value, dict):
        changed = {name: change(name, inside) for name, inside in value.items()}
    else:
        changed = change(KINDS[kind].main, value)
    result = {**use, kind: changed}
    if "repeat" in use:
        result["repeat"] = change("depth", use["repeat"])
    return result


def _paths(use: Plain) -> Any:
    """The paths of a merge; None of anything else."""
    (kind,) = [key for key in use if key not in BESIDE_THE_KIND]
    if kind not in KINDS or not issubclass(KINDS[kind], Merge):
        return None
    return use[kind]["paths"] if isinstance(use[kind], dict) else use[kind]


def _every_use(layers: Uses) -> Iterator[Plain]:
    """The uses of a list in document order, those inside merges' paths included."""
    for use in layers:
        yield use
        for path in _paths(use) or ():
            if isinstance(path, list):
                yield from _every_use(path)


def _replace_key(use: Plain, key: str, other: str, value: Any) -> None:
    """Give a use another kind, in the same place among its keys."""
    entries = [(other, value) if name == key else (name, inside) for name, inside in use.items()]
    use.clear()
    use.update(entries)


# Names ----------------------------------------------------------------------------------------------------------------


def _block_names(blocks: dict[str, Plain], heads: dict[str, list[str]], top: Uses) -> dict[str, str]:
    """A name for each block: what its uses are called, without their numbers where these differ."""
    lists = [top, *[block["layers"] for block in blocks.values()]]
    called = {name.replace(UNWISHED, "") for layers in lists for name in _calls(layers)}
    names: dict[str, str] = {}
    for key in reversed(blocks):  # those around others first
        first = heads[key][0]
        stems = {head.removesuffix("_block").rstrip("0123456789_") for head in heads[key]}
        word = first if len({*heads[key]}) == 1 or "" in stems else first.removesuffix("_block").rstrip("0123456789_")
        if first.endswith("_block") and word != first:
            word = f"{word}_block"
        word = word if NAME.match(word) else "block"
        names[key] = _free(word, {*names.values(), *called, *KINDS, *RESERVED_NAMES})
    return names


def _calls(layers: Uses) -> Iterator[str]:
    """The names that layers call others by."""
    for use in _every_use(layers):
        if "from" in use:
            yield use["from"]
        for path in _paths(use) or ():
            if isinstance(path, str) and path != "identity":
                yield path


def _drop_needless_names(layers: Uses, inputs: Sequence[str], called: set[str]) -> None:
    """Take out names that nobody needs, and those that a layer has by itself.

    That is its kind's, with a number where the list has several. `called` are all words of names that are called.
    """
    every = list(_every_use(layers))
    free = {id(use) for use in every if use["name"].startswith(UNWISHED) and use["name"] not in called}
    for use in every:
        use["name"] = use["name"].removeprefix(UNWISHED)
        if "from" in use:
            use["from"] = use["from"].replace(UNWISHED, "")
        paths = _paths(use) or []
        paths[:] = [path.replace(UNWISHED, "") if isinstance(path, str) else path for path in paths]
    kinds = {id(use): next(key for key in use if key not in BESIDE_THE_KIND) for use in every}
    unnamed = [use for use in every if id(use) in free or use["name"].startswith(kinds[id(use)])]
    while True:
        left = {id(use) for use in unnamed}
        taken = {use["name"] for use in every if id(use) not in left} | {*inputs}
        names = _names_by_themselves([kinds[id(use)] for use in unnamed], taken)
        right = [use for use, name in zip(unnamed, names, strict=True) if use["name"] == name or id(use) in free]
        if len(right) == len(unnamed):
            break
        unnamed = right
    for use in unnamed:
        del use["name"]
    _bare(layers)


def _names_by_themselves(kinds: list[str], taken: set[str]) -> list[str]:
    """The names that the reader gives to unnamed layers of these kinds."""
    names: list[str] = []
    numbers: dict[str, int] = {}
    for kind in kinds:
        if kinds.count(kind) == 1 and kind not in taken:
            names.append(kind)
            continue
        number = numbers.get(kind, 0) + 1
        while f"{kind}{number}" in taken:
            number += 1
        numbers[kind] = number
        names.append(f"{kind}{number}")
    return names


def _bare(layers: Uses) -> None:
    """Write layers of which nothing is said as their kinds alone."""
    for place, use in enumerate(layers):
        for path in _paths(use) or ():
            if isinstance(path, list):
                _bare(path)
        if list(use.values()) == [{}]:
            layers[place] = next(iter(use))
