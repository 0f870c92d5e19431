"""What a document says, read but not yet carried out: `Document`, `Block`, `LayerUse`.

Plain records rather than pydantic models: every value here may be an expression, and every mistake has to name its
column. `reader.py` makes them, `expand.py` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cnncalc.diagnostics import Source
from cnncalc.expectations import Expectation
from cnncalc.language.source import Node, Scalar
from cnncalc.language.terms import Term
from cnncalc.layers import Kind
from cnncalc.shapes import Layout, Shape


@dataclass(slots=True, eq=False)
class Reference:
    """The name of an earlier layer, where a path or `from` gives one."""

    name: str
    node: Scalar


@dataclass(slots=True, eq=False)
class LayerUse:
    """One entry of a list of layers: a kind of layer (`layer`) or a block (`layer` is None), with its fields."""

    kind: str  # a kind of layer or the name of a block
    layer: type[Kind] | None
    node: Node
    kind_node: Scalar
    name: str = ""
    named: bool = False  # by the document, not by us
    fields: dict[str, Term] = field(default_factory=dict)
    source_name: Reference | None = None  # `from`
    repeat: Term | None = None
    when: Term | None = None
    functional: bool = False
    shares: Reference | None = None  # the layer whose parameters it uses
    paths: list[Path] | None = None
    spec: Kind | None = None  # the layer itself, where no field is an expression


Path = list[LayerUse] | Reference


@dataclass(slots=True, eq=False)
class Block:
    name: str
    node: Scalar
    args: dict[str, Term]
    layers: list[LayerUse]


@dataclass(slots=True, eq=False)
class InputSize:
    """An input's size: known at once, or a term to evaluate."""

    name: str
    node: Node
    shape: Shape | None = None
    layout: Layout = "hwc"
    term: Term | None = None


@dataclass(slots=True, eq=False)
class Output:
    reference: Reference
    when: Term | None = None


@dataclass(slots=True, eq=False)
class Document:
    """A whole document; `args` and `inputs` are already those of the extending document and of the command line."""

    source: Source
    name: str
    inputs: dict[str, InputSize]
    args: dict[str, Term]
    blocks: dict[str, Block]
    layers: list[LayerUse]
    outputs: list[Output] | None = None
    expect: list[Expectation] = field(default_factory=list)
