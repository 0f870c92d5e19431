"""The result of a run: every event with the bytes that are live, its peak, and whose tensors they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from cnncalc.eager.machine import Machine, Record, Sizes
from cnncalc.eager.setup import Setup

CATEGORIES = (
    "parameters",
    "buffers",
    "input",
    "activations",
    "saved",
    "gradients",
    "optimizer state",
    "temporary",
)


class Event(NamedTuple):
    """One operator's end: in which phase of the step, for which layer (none for the loss), and the bytes live then."""

    operator: str
    phase: str
    layer: str
    live: int


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor that is live at an event: its bytes, its shape with the batch, the layer and operator that made it."""

    bytes: int
    shape: Sizes
    category: str
    layer: str
    operator: str
    name: str
    output: bool = False  # of a layer


class Timeline:
    """A run, event by event. `starts` are the events at which its steps begin."""

    def __init__(self, setup: Setup, machine: Machine, starts: Sequence[int], at_rest: int) -> None:
        self.setup = setup
        self.starts = tuple(starts)
        self.at_rest = at_rest  # bytes live before the first operator: parameters, buffers, input and targets
        self._events = machine.events
        self._records = machine.records

    @cached_property
    def events(self) -> list[Event]:
        return list(map(Event._make, self._events))

    @property
    def peak(self) -> int:
        """The first event at which the most is live; -1 where no operator runs."""
        return self.peak_of(range(len(self.events)))

    @property
    def bytes(self) -> int:
        """The most that is live at the end of any operator."""
        return max([self.at_rest, *[live for _, _, _, live in self._events]])

    def peak_of(self, events: range) -> int:
        lives = [self.events[index].live for index in events]
        return events[lives.index(max(lives))] if lives else -1

    def step(self, number: int) -> range:
        """The events of one step, the first being 0."""
        ends = [*self.starts[1:], len(self.events)]
        return range(self.starts[number], ends[number])

    def held(self, index: int) -> list[Held]:
        """The tensors that are live at an event, the largest first."""
        live = [record for record in self._records if _during(record.born, record.died, index)]
        found = [self._held(record, index) for record in live if record.bytes]
        return sorted(found, key=lambda held: -held.bytes)

    def categories(self, index: int) -> dict[str, int]:
        """The live bytes of an event by category; a Python number of the operator (8 bytes on CPU) is temporary."""
        sums = dict.fromkeys(CATEGORIES, 0)
        for record in self._records:
            if _during(record.born, record.died, index):
                sums[self._category(record, index)] += record.bytes
        sums["temporary"] += self.events[index].live - sum(sums.values())
        return sums

    def by_category(self) -> Iterator[dict[str, int]]:
        """`categories` of every event, in one sweep."""
        changes: list[list[tuple[str, int]]] = [[] for _ in range(len(self.events) + 1)]
        for record in self._records:
            for category, begin, end in self._spells(record):
                changes[begin].append((category, record.bytes))
                changes[end].append((category, -record.bytes))
        sums = dict.fromkeys(CATEGORIES, 0)
        for event, changed in zip(self.events, changes, strict=False):
            for category, bytes in changed:
                sums[category] += bytes
            now = dict(sums)
            now["temporary"] += event.live - sum(sums.values())
            yield now

    def kept(self) -> dict[str, int]:
        """Bytes that each layer is the first to keep for the backward pass, of the first step; "" is the loss.

        A storage counts once, whatever the number of layers that keep it; parameters, buffers and input are there
        anyway.
        """
        kept: dict[str, int] = {}
        for record in self._records:
            if record.kept >= 0 and record.role not in ("parameters", "buffers", "input") and self._in_first(record):
                kept[record.keeper] = kept.get(record.keeper, 0) + record.bytes
        return kept

    def _in_first(self, record: Record) -> bool:
        return len(self.starts) < 2 or record.kept <= self.starts[1]

    def _held(self, record: Record, index: int) -> Held:
        made = self.events[record.born]
        fixed = record.role in ("parameters", "buffers", "input")
        layer = record.name.rpartition(".")[0] if record.role in ("parameters", "buffers") else made.layer
        operator = "" if fixed else made.operator
        return Held(
            bytes=record.bytes,
            shape=record.shape,
            category=self._category(record, index),
            layer="" if record.role == "input" else layer,
            operator=operator,
            name=record.name,
            output=record.role == "activations" and bool(layer),
        )

    def _category(self, record: Record, index: int) -> str:
        for category, begin, end in self._spells(record):
            if begin <= index < end:
                return category
        raise AssertionError("not live")

    def _spells(self, record: Record) -> Iterator[tuple[str, int, int]]:
        """What a storage is while it lives: (category, first event, first event no longer)."""
        end = record.died if record.died >= 0 else len(self.events)
        if record.born >= end:
            return
        if record.role and record.role not in ("activations", "number"):
            yield record.role, record.born, end
            return
        backward = self.events[record.born].phase == "backward"
        made = "gradients" if backward else "temporary"
        otherwise = "activations" if record.role == "activations" else made
        if record.kept < 0:
            yield otherwise, record.born, end
            return
        released = min(record.released if record.released >= 0 else end, end)
        yield otherwise, record.born, record.kept
        yield "saved", record.kept, released
        yield otherwise, released, end


def _during(born: int, died: int, index: int) -> bool:
    return born <= index and (died < 0 or index < died)
