"""`diff`: two networks' figures side by side: which layers changed, the first of them, and what it costs in total.

Layers are the same where their names are. What is left over between two such layers is the same under a new name where
kind and position leave no doubt; the rest was added or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal

from cnncalc.diagnostics import Span
from cnncalc.figures import QUANTITIES, Figures, LayerFigures, refusal
from cnncalc.graph import Network
from cnncalc.report import Place, Tensor
from cnncalc.shapes import Layout, shape_text, sizes_text

SCHEMA_VERSION = 1
MAIN = ("output", "parameters", "macs", "activations", "receptive_field")  # what is shown of a layer before the rest

Value = int | str | list[Any] | dict[str, int] | None
Status = Literal["changed", "renamed", "added", "removed"]


@dataclass(slots=True)
class Change:
    """A quantity that is not the same; `difference` and `percent` are of numbers, and of no others.

    `percent` is rounded to hundredths, None of what was 0. `refused` says why one side has no number.
    """

    quantity: str
    old: Value
    new: Value
    difference: int | None = None
    percent: float | None = None
    refused: str = ""


@dataclass(slots=True)
class LayerChange:
    """A layer that changed, has another name, or is on one side only: there `changes` is empty.

    `place` is where NEW's document writes it, `used_at` where it uses the blocks around it; for a removed layer both
    are of `after`, the last layer before it that is still there. `independent`: nothing that it reads changed.
    """

    status: Status
    name: str
    old: LayerFigures | None
    new: LayerFigures | None
    changes: list[Change]
    independent: bool
    place: Place | None = None
    used_at: list[Place] = field(default_factory=list)
    after: str = ""

    @property
    def renamed_only(self) -> bool:
        return self.status == "renamed" and not self.changes


@dataclass(slots=True)
class First:
    """The first layer that changed; `line` is what NEW's document has at `place`, "" where NEW is no document."""

    name: str
    status: Status
    place: Place | None
    line: str


@dataclass(slots=True)
class Side:
    source: str
    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    layers: int


@dataclass(slots=True)
class Reached:
    """A limit on a total's growth that was given, how far it grew, and whether that is too far."""

    limit: str
    quantity: str
    message: str
    exceeded: bool


@dataclass(slots=True)
class Diff:
    """What changed from one network to another: layers in NEW's order, and all totals, whether they changed or not."""

    schema_version: int
    layout: Layout
    old: Side
    new: Side
    first: First | None
    layers: list[LayerChange]
    unchanged: int
    totals: list[Change]
    limits: list[Reached] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not self.layers and not self.changed_totals and not self.changed_ends

    @property
    def changed_totals(self) -> list[Change]:
        return [total for total in self.totals if total.old != total.new]

    @property
    def changed_ends(self) -> list[Change]:
        """Inputs and outputs of the network that are not the same."""
        changes = []
        for what in ("inputs", "outputs"):
            old, new = getattr(self.old, what), getattr(self.new, what)
            if old != new:
                changes.append(Change(what, [asdict(one) for one in old], [asdict(one) for one in new]))
        return changes

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Spans:
    """Where a layer is written, and where the blocks around it are used, the outermost first."""

    own: Span | None
    uses: tuple[Span, ...] = ()


def spans(network: Network) -> dict[str, Spans]:
    return {node.name: Spans(node.span, node.uses) for node in network.nodes}


def diff(
    old: Figures, new: Figures, sources: tuple[str, str] = ("", ""), places: Mapping[str, Spans] | None = None
) -> Diff:
    """What changed; `sources` are the sides' names, `places` where NEW's document has its layers."""
    layers, unchanged = _layers(old.layers, new.layers, places or {})
    return Diff(
        schema_version=SCHEMA_VERSION,
        layout=new.layout,
        old=_side(old, sources[0]),
        new=_side(new, sources[1]),
        first=_first(layers, places or {}),
        layers=layers,
        unchanged=unchanged,
        totals=[_total(quantity, old, new) for quantity in QUANTITIES],
    )


def _side(of: Figures, source: str) -> Side:
    return Side(source or of.document, of.name, of.inputs, of.outputs, len(of.layers))


def _first(layers: Sequence[LayerChange], places: Mapping[str, Spans]) -> First | None:
    for layer in layers:
        if not layer.renamed_only:
            own = places[layer.name].own if layer.new is not None and layer.name in places else None
            line = own.source.line_at(own.start).rstrip() if own is not None else ""
            return First(layer.name, layer.status, layer.place, line)
    return None


# Layers ---------------------------------------------------------------------------------------------------------------


def _layers(
    old: Sequence[LayerFigures], new: Sequence[LayerFigures], places: Mapping[str, Spans]
) -> tuple[list[LayerChange], int]:
    """Every layer that is not as it was, in NEW's order, removed ones after the layer that they stood behind."""
    partner = aligned(old, new)
    new_name = {before.name: after.name for after in new if (before := partner.get(after.name)) is not None}
    removed = _removed(old, new_name)
    found = [_gone(layer, "", places) for layer in removed.get("", [])]
    changed: set[str] = set()
    same = 0
    for layer in new:
        before = partner.get(layer.name)
        changes = [] if before is None else _changes(before, layer, new_name)
        status: Status = "added" if before is None else "renamed" if before.name != layer.name else "changed"
        if changes or status != "changed":
            independent = changed.isdisjoint(layer.inputs)
            place, used_at = _place(layer.name, places)
            found.append(LayerChange(status, layer.name, before, layer, changes, independent, place, used_at))
        else:
            same += 1
        if changes or status == "added":
            changed.add(layer.name)
        if before is not None:
            found += [_gone(gone, layer.name, places) for gone in removed.get(before.name, [])]
    return found, same


def aligned(old: Sequence[LayerFigures], new: Sequence[LayerFigures]) -> dict[str, LayerFigures]:
    """For each name of a new layer that was there before, under that name or another: the old layer."""
    old_names, new_names = {layer.name for layer in old}, {layer.name for layer in new}
    common = old_names & new_names
    partner = {layer.name: layer for layer in old if layer.name in common}
    left, right = _gaps(old, common), _gaps(new, common)
    for between, after in right.items():
        partner.update(_renamed(left.get(between, []), after))
    return partner


def _gaps(layers: Sequence[LayerFigures], common: set[str]) -> dict[tuple[str, str], list[LayerFigures]]:
    """The layers whose names are on one side only, by the last and the next layer that both sides have."""
    gaps: dict[tuple[str, str], list[LayerFigures]] = {}
    before, waiting = "", list[LayerFigures]()
    for layer in layers:
        if layer.name not in common:
            waiting.append(layer)
            continue
        if waiting:
            gaps[before, layer.name] = waiting
        before, waiting = layer.name, []
    if waiting:
        gaps[before, ""] = waiting
    return gaps


def _renamed(old: list[LayerFigures], new: list[LayerFigures]) -> dict[str, LayerFigures]:
    """Of two stretches of layers between the same neighbours, those that can only be the same layer.

    All of them, if the kinds are the same in the same order. Otherwise those that are the only ones with all their
    numbers on both sides, and after them the only ones of their kind.
    """
    if [layer.kind for layer in old] == [layer.kind for layer in new]:
        return {after.name: before for before, after in zip(old, new, strict=True)}
    found: dict[str, LayerFigures] = {}
    for alike in (_numbers, _kind):
        taken = {layer.name for layer in found.values()}
        before = _only([layer for layer in old if layer.name not in taken], alike)
        after = _only([layer for layer in new if layer.name not in found], alike)
        found.update({after[key].name: before[key] for key in after if key in before})
    return found


def _numbers(layer: LayerFigures) -> object:
    return layer.kind, layer.title, layer.parameters, layer.macs, tuple(layer.output), str(layer.input_shapes)


def _kind(layer: LayerFigures) -> object:
    return layer.kind


def _only(layers: list[LayerFigures], alike: Callable[[LayerFigures], object]) -> dict[object, LayerFigures]:
    """The layers that no other is like."""
    groups: dict[object, list[LayerFigures]] = {}
    for layer in layers:
        groups.setdefault(alike(layer), []).append(layer)
    return {key: group[0] for key, group in groups.items() if len(group) == 1}


def _removed(old: Sequence[LayerFigures], new_name: Mapping[str, str]) -> dict[str, list[LayerFigures]]:
    """Layers that are gone, by the last one before them that is not."""
    removed: dict[str, list[LayerFigures]] = {}
    before = ""
    for layer in old:
        if layer.name in new_name:
            before = layer.name
        else:
            removed.setdefault(before, []).append(layer)
    return removed


def _gone(layer: LayerFigures, after: str, places: Mapping[str, Spans]) -> LayerChange:
    place, used_at = _place(after, places)
    return LayerChange("removed", layer.name, layer, None, [], True, place, used_at, after)


def _place(name: str, places: Mapping[str, Spans]) -> tuple[Place | None, list[Place]]:
    at = places.get(name)
    if at is None:
        return None, []
    own = None if at.own is None else Place(at.own.source.name, at.own.line, at.own.column)
    return own, [Place(use.source.name, use.line, use.column) for use in at.uses]


# Quantities -----------------------------------------------------------------------------------------------------------


def _changes(old: LayerFigures, new: LayerFigures, new_name: Mapping[str, str]) -> list[Change]:
    """What is not the same of a layer, the most telling first; what it reads counts under its new name."""
    before, after = _of_layer(old), _of_layer(new)
    before["inputs"] = [new_name.get(name, name) for name in old.inputs]
    return [change(name, before[name], after[name]) for name in before if before[name] != after[name]]


def _of_layer(layer: LayerFigures) -> dict[str, Value]:
    seen = layer.receptive_field
    return {
        "output": layer.output,
        "kind": layer.kind,
        "title": layer.title,
        "parameters": layer.parameters,
        "macs": layer.macs,
        "activations": layer.activations,
        "receptive_field": None if seen is None else seen.size,
        "weights": layer.weights,
        "biases": layer.biases,
        "buffers": layer.buffers,
        "multiplies": layer.multiplies,
        "operations": layer.operations,
        "connections": layer.connections,
        "jump": None if seen is None else list(seen.jump or []),
        "start": None if seen is None else list(seen.start or []),
        "field_of": None if seen is None else seen.of,
        "input_shapes": layer.input_shapes,
        "inputs": layer.inputs,
    }


def _total(quantity: str, old: Figures, new: Figures) -> Change:
    of = QUANTITIES[quantity]
    made = change(quantity, of(old.totals), of(new.totals))
    made.refused = refusal(new.totals, quantity) or refusal(old.totals, quantity)
    return made


def change(quantity: str, old: Value, new: Value) -> Change:
    if not isinstance(old, int) or not isinstance(new, int):
        return Change(quantity, old, new)
    return Change(quantity, old, new, new - old, _percent(old, new))


def _percent(old: int, new: int) -> float | None:
    try:
        return round(float(Fraction(100 * (new - old), old)), 2)
    except (ZeroDivisionError, OverflowError):
        return None


# In words -------------------------------------------------------------------------------------------------------------


def value_text(quantity: str, value: Value, layout: Layout) -> str:
    """A quantity's value as a person reads it: `442,368`, `32x32x16`, `conv1, relu`."""
    if value is None:
        return "none"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, dict):
        return ", ".join([f"{count:,} {name.replace('_', ' ')}" for name, count in value.items()]) or "none"
    if quantity == "output":
        return shape_text(tuple(value), layout)
    if quantity == "input_shapes":
        return " and ".join([shape_text(tuple(shape), layout) for shape in value])
    if quantity in ("inputs", "outputs") and any(isinstance(one, dict) for one in value):
        return ", ".join([f"{one['name']} {shape_text(tuple(one['shape']), layout)}" for one in value])
    return sizes_text(tuple(value)) if quantity == "receptive_field" else ", ".join(map(str, value)) or "none"


def percent_text(old: Value, new: Value) -> str:
    """By how much a number grew, to tenths: `+12.5 %`, `-<0.1 %`; "" where it did not, or was 0."""
    if not isinstance(old, int) or not isinstance(new, int) or old == 0 or old == new:
        return ""
    sign = "-" if (new - old) * old < 0 else "+"
    tenths = (2000 * abs(new - old) + abs(old)) // (2 * abs(old))
    return f"{sign}{tenths // 10:,}.{tenths % 10} %" if tenths else f"{sign}<0.1 %"
