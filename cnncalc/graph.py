"""A network as a graph: nodes in the order in which they run, each with the facts of its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cnncalc.diagnostics import Diagnostic, Span
from cnncalc.expectations import Expectation
from cnncalc.layers.base import Facts, Kind
from cnncalc.shapes import Layout, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A value that enters the network; `output` is its shape [channels, *spatial]."""

    name: str
    output: Shape
    span: Span | None = None


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One layer at its place: what it is, what it reads, what is true of it there."""

    name: str
    layer: Kind
    inputs: tuple[Node | Input, ...]
    facts: Facts
    span: Span | None  # where the layer is written
    uses: tuple[Span, ...] = ()  # where the blocks around it are used, the outermost first
    functional: bool = False  # called as a function in the code that it stands for, not a module of its own
    shared: Node | None = None  # an earlier layer whose parameters this one uses, too; they are counted there

    def __repr__(self) -> str:
        """Without what it reads, which reads others in turn."""
        return f"Node({self.name!r}, {self.layer.kind!r}, {self.output})"

    @property
    def output(self) -> Shape:
        return self.facts.output

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        return tuple([value.output for value in self.inputs])


Value = Node | Input


def uncounted(nodes: Iterable[Node], reasons: Mapping[str, str]) -> list[Diagnostic]:
    """An importer's remarks on the operators that are no kind of layer, and why (\"\" where that is plain)."""
    said = []
    for operator, count in Counter([node.facts.unknown for node in nodes if node.facts.unknown]).items():
        times = f", {count} times" if count > 1 else ""
        why = f" ({reasons[operator]})" if reasons[operator] else ""
        message = f"`{operator}` is no kind of layer here{why}: its work is in no count{times}"
        said.append(Diagnostic("unknown-operator", message, severity="warning"))
    return said


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Network:
    """A whole network. `layout` is how its document writes shapes; shapes here are always [channels, *spatial]."""

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    layout: Layout
    source: str  # the document's name, as the user gave it
    expectations: tuple[Expectation, ...] = ()  # what the document expects of it
    output_names: tuple[str, ...] = ()  # of `outputs`, as the document lists them; none where it lists none
    said: tuple[Diagnostic, ...] = ()  # remarks of an importer: how it read the network, what it left out

    def __repr__(self) -> str:
        return f"Network({self.name!r}, {len(self.nodes)} layers, from {self.source!r})"

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        """The node of that name; KeyError with near names where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        from cnncalc.diagnostics import choices, near

        nearest = near(name, [node.name for node in self.nodes])
        raise KeyError(f"no layer `{name}`" + (f"; did you mean {choices(nearest)}?" if nearest else ""))
