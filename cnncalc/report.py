"""The result of an analysis: plain records with exact integers, and their JSON.

The records are dataclasses so that a table can be shown without importing pydantic; pydantic reads and writes them
(`to_json`, `from_json`, `json_schema`). Shapes are [channels, *spatial]; every count is for one image, every byte
count for the batch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1

Jump = int | str  # a whole number, or a fraction such as "1/2" below an upsampling


@dataclass(slots=True)
class Place:
    """Where something is written: lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class ReceptiveField:
    """In pixels of the input `of`, a number an axis; `jump` and `start` are null for units without a place."""

    of: str
    size: list[int]
    jump: list[Jump] | None
    start: list[int] | None


@dataclass(slots=True)
class LayerReport:
    """One layer, or with `depth` a block of them (`kind` is then "block", and `layers` how many it stands for).

    `counted` are counts by conventions that were asked for, by their names, and None where a convention says
    nothing of a layer; for a block their sums.
    """

    name: str
    kind: str
    title: str
    inputs: list[str]
    input: list[int]
    input_shapes: list[list[int]]
    output: list[int]
    parameters: int
    weights: int
    biases: int
    buffers: int
    macs: int
    multiplies: int
    operations: dict[str, int]
    activations: int
    activation_bytes: int
    neurons: int
    connections: int
    receptive_field: ReceptiveField | None
    place: Place | None
    used_at: list[Place] = field(default_factory=list)
    layers: int = 1
    counted: dict[str, int | None] = field(default_factory=dict)


@dataclass(slots=True)
class DepthReport:
    """Weighted layers on the longest path, and how many of them are of which sort."""

    layers: int
    sorts: dict[str, int]


@dataclass(slots=True)
class MemoryReport:
    """Memory as the courses count it, model "textbook", in bytes for the batch, term by term."""

    model: Literal["textbook"]
    batch: int
    dtype: str
    parameters: int
    input: int
    outputs: int
    widest_pair: int
    widest_layer: str | None
    prediction: int
    training: int


@dataclass(slots=True)
class Totals:
    """Sums over all layers; `activations` leaves out views and in-place layers, which make no tensor.

    `unknown` is how many layers are operators whose work is in no count: MACs, multiplies and operations are then at
    least what they say.
    """

    layers: int
    parameters: int
    weights: int
    biases: int
    buffers: int
    macs: int
    multiplies: int
    operations: dict[str, int]
    activations: int
    activation_bytes: int
    input_elements: int
    connections: int
    depth: DepthReport
    memory: MemoryReport
    counted: dict[str, int] = field(default_factory=dict)
    unknown: int = 0


@dataclass(slots=True)
class Remark:
    """A warning or note on the network."""

    severity: Literal["warning", "note"]
    code: str
    message: str
    help: str
    place: Place | None


@dataclass(slots=True)
class Tensor:
    """A network's input or output."""

    name: str
    shape: list[int]


@dataclass(slots=True, repr=False)
class Report:
    """Everything `analyze` says of a network."""

    schema_version: int
    name: str
    source: str
    layout: Literal["hwc", "chw"]
    batch: int
    dtype: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    layers: list[LayerReport]
    totals: Totals
    remarks: list[Remark]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __repr__(self) -> str:
        totals = self.totals
        return f"<Report of {self.name or self.source}: {totals.parameters:,} parameters, {totals.macs:,} MACs>"

    def _repr_html_(self) -> str:
        from cnncalc.render.html import fragment

        return fragment(self)


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(report: Report | list[Report], indent: int | None = 2) -> str:
    """One report as an object, several as a list."""
    adapter: TypeAdapter[Any] = _adapter(Report) if isinstance(report, Report) else _adapter(list[Report])
    return adapter.dump_json(report, indent=indent).decode()


def from_json(text: str | bytes) -> Report:
    """Raises pydantic's ValidationError where the text is not a report."""
    report: Report = _adapter(Report).validate_json(text)
    return report


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    return _adapter(Report).json_schema()


def _adapter(of: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(of)
