"""What part of the input a unit sees: size, jump and start along every axis, through branches, exactly.

A field is carried forward as index maps: unit o of a map sees the input pixels from `low(o)` to `high(o)`. A layer's
own reach composes with that of its input (`IndexMap.after`), a merge takes the hull of its paths. Padding counts as
input that is not there, so a field may be larger than the image, as in the textbooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from cnncalc import formulas
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.indexing import IDENTITY, IndexMap, PeriodTooLong, aligned
from cnncalc.layers.base import (
    AxesSwapped,
    AxisReach,
    Everything,
    PathByPath,
    Pointwise,
    Reach,
    Rearranged,
    Untracked,
    along,
)
from cnncalc.readings import ceil_div
from cnncalc.shapes import Shape

NO_WINDOW = (Pointwise, Everything, Rearranged, Untracked, PathByPath)


@dataclass(slots=True)
class Field:
    """The receptive field of a layer's units in pixels of `input`, one entry a spatial axis of that input.

    `size` is that of the largest unit. `jump` is the distance of neighbouring units' fields and `start` the first
    pixel of the first unit's field (negative inside the padding); both are None for units without a place (after a
    flatten).
    """

    input: Input
    size: tuple[int, ...]
    jump: tuple[Fraction, ...] | None
    start: tuple[int, ...] | None


@dataclass(slots=True, eq=False)
class _Placed:
    """Units at places: along each axis of the map, the input axis it follows and what a unit sees there."""

    input: Input
    axes: tuple[AxisReach, ...]
    order: tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Unplaced:
    """Units without places: the most that one sees, and the hull of what all see, along each axis of the input.

    `sees_all`: every unit sees the whole hull.
    """

    input: Input
    size: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    sees_all: bool


_State = _Placed | _Unplaced | None


def receptive_fields(network: Network) -> dict[Node, Field | None]:
    """The field of every node; None where its units see parts that no size describes.

    In a network with several inputs it is that in the first input, in the document's order, that the node depends on.
    """
    states: dict[Value, _State] = {}
    order = {value: position for position, value in enumerate(network.inputs)}
    for value in network.inputs:
        rank = len(value.output) - 1
        states[value] = _Placed(value, (AxisReach(IDENTITY, IDENTITY),) * rank, tuple(range(rank)))
    fields: dict[Node, Field | None] = {}
    described: dict[tuple[int, Shape], Field | None] = {}
    for node in network.nodes:
        try:
            if len(node.inputs) == 1:
                (before,) = node.inputs
                state = _through(states[before], node.facts.reach, before.output, node.output)
            else:
                state = _merged(node, states, order)
        except PeriodTooLong:
            state = None
        states[node] = state
        key = id(state), node.output[1:]
        if key not in described:
            try:
                described[key] = _described(state, node.output)
            except PeriodTooLong:
                described[key] = None
        fields[node] = described[key]
    return fields


# One layer ------------------------------------------------------------------------------------------------------------


def _through(state: _State, reach: Reach, input: Shape, output: Shape) -> _State:
    kind = type(reach)
    if state is None or kind is Pointwise:
        return state
    if kind is Everything:
        return _seeing_all(state, input, output)
    if kind is Rearranged:
        return _rearranged(state, input, output)
    if isinstance(state, _Unplaced):
        return state if state.sees_all else None
    if isinstance(reach, AxesSwapped):
        turned = tuple([state.axes[a] for a in reach.order])
        return _Placed(state.input, turned, tuple([state.order[a] for a in reach.order]))
    if isinstance(reach, NO_WINDOW):
        return None
    axes: list[AxisReach] = []
    for a, (seen, own) in enumerate(zip(state.axes, reach, strict=True)):
        if a and seen is state.axes[a - 1] and own is reach[a - 1]:
            axes.append(axes[-1])
        else:
            axes.append(AxisReach(seen.low.after(own.low), seen.high.after(own.high)))
    return _Placed(state.input, tuple(axes), state.order)


def _hull(state: _Placed | _Unplaced, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first and last pixel that any unit of a map of this shape sees, along each axis of the input."""
    if isinstance(state, _Unplaced):
        return state.low, state.high
    rank = len(state.input.output) - 1
    low, high = [0] * rank, [0] * rank
    for size, axis, seen in zip(shape[1:], state.order, state.axes, strict=True):
        low[axis], high[axis] = seen.low.at(0), seen.high.at(size - 1)
    return tuple(low), tuple(high)


def _seeing_all(state: _Placed | _Unplaced, input: Shape, output: Shape) -> _State:
    low, high = _hull(state, input)
    size = _spans(low, high)
    return _placed_again(_Unplaced(state.input, size, low, high, True), output)


def _rearranged(state: _Placed | _Unplaced, input: Shape, output: Shape) -> _State:
    if isinstance(state, _Unplaced):
        return _placed_again(state, output)
    low, high = _hull(state, input)
    size = [1] * len(low)
    sees_all = True
    for units, axis, seen in zip(input[1:], state.order, state.axes, strict=True):
        size[axis] = _largest(seen, units)
        sees_all &= seen.low.at(units - 1) == low[axis] and seen.high.at(0) == high[axis]
    return _placed_again(_Unplaced(state.input, tuple(size), low, high, sees_all), output)


def _placed_again(state: _Unplaced, output: Shape) -> _State:
    """Units that all see the same have a place again as soon as they stand on a map of the input's rank."""
    if len(output) - 1 != len(state.low) or not state.sees_all or len(output) == 1:
        return state
    axes = [AxisReach(IndexMap((a,), 0), IndexMap((b,), 0)) for a, b in zip(state.low, state.high, strict=True)]
    return _Placed(state.input, tuple(axes), tuple(range(len(axes))))


# Several paths --------------------------------------------------------------------------------------------------------


def _merged(node: Node, states: dict[Value, _State], order: dict[Input, int]) -> _State:
    reach = node.facts.reach
    if isinstance(reach, PathByPath):
        known = [
            (_through(states[value], own, value.output, node.output), node.output)
            for value, own in zip(node.inputs, reach.paths, strict=True)
        ]
    elif isinstance(reach, Pointwise):
        known = [(states[value], value.output) for value in node.inputs]
    else:
        return None
    inputs = [state.input for state, _ in known if state is not None]
    if len(inputs) < len(known):
        return None
    first = min(inputs, key=order.__getitem__)
    parts = [(state, shape) for state, shape in known if state is not None and state.input is first]
    if len(parts) == 1 and parts[0][1] == node.output:
        return parts[0][0]
    if all(isinstance(state, _Placed) for state, _ in parts):
        placed = [_repeated(state, shape, node.output) for state, shape in parts if isinstance(state, _Placed)]
        if any(state.order != placed[0].order for state in placed):
            return None
        axes = placed[0].axes
        for state in placed[1:]:
            axes = tuple([_union(a, b, size) for a, b, size in zip(axes, state.axes, node.output[1:], strict=True)])
        return _Placed(first, axes, placed[0].order)
    unplaced = [state for state, _ in parts if isinstance(state, _Unplaced) and state.sees_all]
    if len(unplaced) < len(parts):
        return None
    low = tuple([min(ends) for ends in zip(*[state.low for state in unplaced], strict=True)])
    high = tuple([max(ends) for ends in zip(*[state.high for state in unplaced], strict=True)])
    size = _spans(low, high)
    return _Unplaced(first, size, low, high, True)


def _repeated(state: _Placed, shape: Shape, output: Shape) -> _Placed:
    """The state of a path whose size-1 dimensions are repeated to the merge's size."""
    if shape[1:] == output[1:]:
        return state
    axes = [
        AxisReach(IndexMap((seen.low.at(0),), 0), IndexMap((seen.high.at(0),), 0))
        if small == 1 and large != 1
        else seen
        for seen, small, large in zip(state.axes, shape[1:], output[1:], strict=True)
    ]
    return _Placed(state.input, tuple(axes), state.order)


def _union(a: AxisReach, b: AxisReach, size: int) -> AxisReach:
    if a == b:
        return a
    if a.low.jump == b.low.jump and a.high.jump == b.high.jump:
        lows_a, lows_b, advance = aligned(a.low, b.low)
        highs_a, highs_b, over = aligned(a.high, b.high)
        low = IndexMap(tuple(map(min, lows_a, lows_b)), advance)
        return AxisReach(low, IndexMap(tuple(map(max, highs_a, highs_b)), over))
    for one, other in ((a, b), (b, a)):
        if one.low.jump == 0 == one.high.jump and _covers(one, other, size):
            return one
    return AxisReach(_table(min, a.low, b.low, size), _table(max, a.high, b.high, size))


def _table(choose: Callable[[int, int], int], a: IndexMap, b: IndexMap, size: int) -> IndexMap:
    """What `choose` makes of two maps of different jumps: exact for the map and as many units on either side of it."""
    jump = max(a.jump, b.jump)
    period = ceil_div(3 * size, jump.denominator) * jump.denominator
    advance = int(period * jump)
    steps = [choose(a.at(o), b.at(o)) for o in range(period - size)]
    steps += [choose(a.at(o), b.at(o)) + advance for o in range(-size, 0)]
    return IndexMap(tuple(steps), advance)


def _covers(one: AxisReach, other: AxisReach, size: int) -> bool:
    return one.low.at(0) <= other.low.at(0) and one.high.at(size - 1) >= other.high.at(size - 1)


# In words -------------------------------------------------------------------------------------------------------------


def _largest(seen: AxisReach, units: int) -> int:
    """The size of the largest of so many units' fields along an axis."""
    low, high = seen
    if len(low.steps) == 1 and len(high.steps) == 1:
        return formulas.field_span(low.steps[0], high.steps[0])
    if low.jump == high.jump:
        lows, highs, _ = aligned(low, high)
        pairs = zip(lows[:units], highs[:units], strict=True)
    else:
        pairs = zip([low.at(o) for o in range(units)], [high.at(o) for o in range(units)], strict=True)
    return formulas.field_span(*max(pairs, key=lambda ends: ends[1] - ends[0]))


def _spans(low: tuple[int, ...], high: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of a field from its first pixel to its last along each axis."""
    sizes = []
    for axis, (first, last) in enumerate(zip(low, high, strict=True)):
        with along(axis, len(low)):
            sizes.append(formulas.field_span(first, last))
    return tuple(sizes)


def _described(state: _State, shape: Shape) -> Field | None:
    if state is None:
        return None
    if isinstance(state, _Unplaced):
        return Field(state.input, state.size, None, None) if state.size else None
    rank = len(state.input.output) - 1
    if len(state.axes) != rank or rank == 0:
        return None
    found: list[tuple[int, Fraction, int]] = []
    previous: AxisReach | None = None
    for axis in range(rank):
        place = state.order.index(axis)
        seen = state.axes[place]
        if seen is previous and len(seen.low.steps) == 1:
            found.append(found[-1])
        else:
            with along(axis, rank):
                found.append((_largest(seen, shape[1 + place]), seen.low.jump, seen.low.at(0)))
        previous = seen
    size, jump, start = zip(*found, strict=True)
    return Field(state.input, size, jump, start)
