"""How a network came from its document: which block was used where, with what args, how often, and what that gave.

An expanded network is flat. Here a document's uses are walked again beside its nodes, in the order of both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from cnncalc.graph import Network, Value
from cnncalc.language.document import Block, Document, LayerUse, Reference
from cnncalc.language.expand import expand
from cnncalc.language.reader import INPUT
from cnncalc.language.source import Scalar
from cnncalc.layers import Kind

Names = dict[str, Any]


@dataclass(slots=True, eq=False)
class Call:
    """One use carried out once: a layer, a merge or a block."""

    names: Names  # what expressions may read, but for `in_channels`
    enters: Value | None
    leaves: Value | None
    layer: Kind | None = None
    paths: list[list[Step]] = field(default_factory=list)  # of a merge; empty for the name of a layer
    instance: Instance | None = None  # of a block

    @property
    def scope(self) -> Names:
        return at(self.names, self.enters)


@dataclass(slots=True, eq=False)
class Step:
    """One use at its place: its calls, one for each repeat, None where `when` is false."""

    use: LayerUse
    names: Names
    enters: Value | None
    leaves: Value | None
    calls: list[Call | None] = field(default_factory=list)

    @property
    def scope(self) -> Names:
        return at(self.names, self.enters)


@dataclass(slots=True, eq=False)
class Instance:
    """One use of a block (or the whole document): the names its layers see, and what became of them."""

    block: Block
    names: Names
    enters: Value | None
    leaves: Value | None = None
    steps: list[Step] = field(default_factory=list)
    inner: bool = False  # a merge that is repeated, with the names of the scope around it

    @property
    def key(self) -> str:
        """The same for instances that cannot differ."""
        return f"{self.names} {None if self.enters is None else self.enters.output}"


@dataclass(slots=True, eq=False)
class Structure:
    network: Network
    whole: Instance


def structure(document: Document) -> Structure:
    """The structure of a document's network; raises `DocumentError` where it has none."""
    network = expand(document)
    walk = _Walk(document, network)
    block = Block("", Scalar(None, "", document.source, 0, 0), {}, document.layers)
    whole = Instance(block, walk.constants, network.inputs[0] if len(network.inputs) == 1 else None)
    whole.leaves = walk.steps(whole.steps, document.layers, whole.enters, _Place("", ""), whole.names)
    return Structure(network, whole)


class _Place(NamedTuple):
    """What names begin with: those of a scope, and those of one turn of a merge repeated in it."""

    scope: str
    turn: str


class _Walk:
    def __init__(self, document: Document, network: Network) -> None:
        self.document = document
        self.nodes = iter(network.nodes)
        self.values: dict[str, Value] = {value.name: value for value in network.inputs}
        outputs = [output.reference.name for output in document.outputs or ()]
        scopes = [(document.layers, outputs), *[(block.layers, []) for block in document.blocks.values()]]
        self.inner = {id(use): _inner_block(use) for uses, also in scopes for use in _closed_merges(uses, also)}
        self.constants: Names = {}
        for name, term in document.args.items():
            self.constants[name] = term.evaluate(self.constants)

    def steps(
        self, written: list[Step], uses: list[LayerUse], value: Value | None, place: _Place, names: Names
    ) -> Value | None:
        for use in uses:
            step = self.step(use, value, place, names)
            written.append(step)
            value = step.leaves
        return value

    def step(self, use: LayerUse, start: Value | None, place: _Place, names: Names) -> Step:
        value = start if use.source_name is None else self.look_up(use.source_name.name, place)
        step = Step(use, names, value, value)
        name = place.turn + use.name
        if use.repeat is not None:
            items = use.repeat.evaluate(step.scope)
            for i, item in enumerate(items if isinstance(items, tuple) else range(items)):
                self.once(step, place, {**names, "i": i, "item": item}, f"{name}.{i}")
        else:
            self.once(step, place, names, name)
        if step.leaves is not None:
            self.values[place.scope + use.name] = self.values[name] = step.leaves
        if use.repeat is None and step.calls == [None]:
            step.leaves = start
        return step

    def look_up(self, name: str, place: _Place) -> Value:
        return self.values.get(place.turn + name) or self.values[place.scope + name]

    def once(self, step: Step, place: _Place, names: Names, name: str) -> None:
        """Carry a step's use out once more, where its condition holds."""
        use, value = step.use, step.leaves
        if use.when is None or use.when.evaluate(at(names, value)):
            call = self.call(use, value, place, names, name)
            step.calls.append(call)
            step.leaves = call.leaves
        else:
            step.calls.append(None)
        if step.leaves is not None:
            self.values[name] = step.leaves

    def call(self, use: LayerUse, value: Value | None, place: _Place, names: Names, name: str) -> Call:
        call = Call(names, value, value)
        within = _Place(place.scope, place.turn if use.repeat is None else f"{name}.")
        if use.layer is None:
            block = self.document.blocks[use.kind]
            if value is not None:
                self.values[f"{name}.{INPUT}"] = value
            instance = Instance(block, self.args(block, use, call), value)
            self.instance(call, instance, _Place(f"{name}.", f"{name}."))
        elif id(use) in self.inner:
            self.instance(call, Instance(self.inner[id(use)], names, value, inner=True), within)
        else:
            for path in use.paths or ():
                call.paths.append([])
                if not isinstance(path, Reference):
                    self.steps(call.paths[-1], path, value, within, names)
            node = next(self.nodes)
            assert node.layer.kind == use.kind, f"{node.name} is a {node.layer.kind}, not a {use.kind}"
            call.layer, call.leaves = node.layer, node
        return call

    def instance(self, call: Call, instance: Instance, place: _Place) -> None:
        call.instance = instance
        call.leaves = instance.leaves = self.steps(
            instance.steps, instance.block.layers, instance.enters, place, instance.names
        )

    def args(self, block: Block, use: LayerUse, call: Call) -> Names:
        names = dict(self.constants)
        if call.enters is not None:
            names["block_in_channels"] = call.enters.output[0]
        for name, default in block.args.items():
            given = use.fields.get(name)
            names[name] = default.evaluate(names) if given is None else given.evaluate(call.scope)
        return names


def at(names: Names, value: Value | None) -> Names:
    """The names as they are where this value enters."""
    return names if value is None else {**names, "in_channels": value.output[0]}


# Names ----------------------------------------------------------------------------------------------------------------


def every_use(uses: list[LayerUse]) -> Iterator[LayerUse]:
    """The uses of one scope, those inside merges' paths included."""
    for use in uses:
        yield use
        for path in use.paths or ():
            if not isinstance(path, Reference):
                yield from every_use(path)


def references(uses: list[LayerUse]) -> Iterator[str]:
    """The names that layers of one scope start from or join, as written."""
    for use in every_use(uses):
        if use.source_name is not None:
            yield use.source_name.name
        for path in use.paths or ():
            if isinstance(path, Reference):
                yield path.name


def every_step(steps: list[Step]) -> Iterator[Step]:
    """The steps of one scope, those inside merges' paths included."""
    for step in steps:
        yield step
        for call in step.calls:
            for path in call.paths if call is not None else ():
                yield from every_step(path)


def every_layer(steps: list[Step]) -> Iterator[Kind]:
    """The layers that steps carry out, those inside merges' paths and blocks included."""
    for step in every_step(steps):
        for call in step.calls:
            if call is not None and call.layer is not None:
                yield call.layer
            elif call is not None and call.instance is not None:
                yield from every_layer(call.instance.steps)


def read_names(steps: list[Step], also: Iterable[str] = ()) -> set[str]:
    """The names that layers of one scope start from or join, of those that are carried out; and `also`."""
    names, stands_for, merges = set(also), {}, set()
    for step in every_step(steps):
        source = step.use.source_name
        if source is not None and (any(step.calls) or step.use.repeat is not None):
            names.add(source.name)
        elif source is not None:
            stands_for[step.use.name] = source.name  # the name of a skipped layer is what would have entered it
        if any(call is not None and call.instance is None for call in step.calls):
            names |= {path.name for path in step.use.paths or () if isinstance(path, Reference)}
        if step.use.paths is not None and step.use.repeat is not None:
            merges.add(step.use.name)
    found = names
    while found:
        following = {source for name, source in stands_for.items() if name in found}
        found = (unfolded(found, merges) | following) - names
        names |= found
    return names


def unfolded(names: Iterable[str], merges: Collection[str]) -> set[str]:
    """The names, and those in a turn of a repeated merge as in the merge itself: `add.1.conv` is `conv`, too."""
    found = set(names)
    for name in names:
        while head(name) in merges and name.count(".") > 1:
            name = name.split(".", 2)[2]
            found.add(name)
    return found


def head(name: str) -> str:
    """The name in the scope itself: `stage` of `stage.2.conv1`."""
    return name.split(".")[0]


def _closed_merges(uses: list[LayerUse], also: list[str]) -> Iterator[LayerUse]:
    """The repeated merges of a scope that read no layer outside their paths and have none read from outside.

    `also` are names that something other than a layer reads.
    """
    read = Counter([*references(uses), *also])
    merges = {use.name: use for use in every_use(uses) if use.paths is not None and use.repeat is not None}
    for use in merges.values():
        inside = Counter(references([replace(use, source_name=None)]))
        own = {inner.name for inner in every_use([use])} - {use.name}
        outside = unfolded(read - inside, merges)
        is_read_into = any(head(name) in own or name.startswith(f"{use.name}.") for name in outside)
        if {head(name) for name in inside} <= own and not is_read_into:
            yield use


def _inner_block(merge: LayerUse) -> Block:
    """A merge that is repeated, as if it were a block: written once and carried out often."""
    once = replace(merge, repeat=None, when=None, source_name=None)
    return Block(merge.name, merge.kind_node, {}, [once])
