"""The machine that eager torch is: storages, the tensors that see them, and a clock that ticks after every operator.

A storage lives as long as a tensor holds it, and a tensor as long as something refers to it. Python frees an object
with its last reference, as torch does, so the lifetimes of the tensors here are those of torch's: a rule that reads
like the torch code it stands for holds and drops the same memory at the same moments.

A tick is one operator's end: what torch's dispatcher runs as one kernel has returned, its inputs and its outputs are
both alive. What a kernel allocates and frees inside itself is not modelled.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from cnncalc.eager.strides import contiguous, dense, is_contiguous

if TYPE_CHECKING:
    from cnncalc.eager.autograd import Node
    from cnncalc.eager.checkpoint import Region

Sizes = tuple[int, ...]

BLOCK = 512  # bytes: what CUDA's caching allocator rounds up to (c10/core/AllocatorConfig.h, kMinBlockSize)
PYTHON_SCALAR = 8  # bytes: a Python number in an operator on CPU becomes a tensor of one float64 or int64


class Refused(Exception):
    """Something that torch would not do, at the layer of that name."""

    def __init__(self, layer: str, code: str, reason: str, help: str) -> None:
        super().__init__(reason)
        self.layer, self.code, self.help = layer, code, help


class Machine:
    """A device's memory: how much is live, and what happened so far."""

    __slots__ = (
        "casts",
        "cuda",
        "events",
        "float16",
        "layer",
        "live",
        "lower",
        "phase",
        "recorded",
        "records",
        "region",
    )

    def __init__(self, cuda: bool = False, float16: bool = False) -> None:
        self.cuda, self.float16 = cuda, float16
        self.live = 0
        self.recorded = 0  # graph nodes so far
        self.lower = 0  # under autocast, the bytes of a number that weighted sums are computed in
        self.region: Region | None = None  # the checkpointed region that runs now
        self.casts: dict[Storage, Tensor] = {}  # parameters that autocast has copied so far
        self.phase = ""
        self.layer = ""
        self.events: list[tuple[str, str, str, int]] = []  # operator, phase, layer, bytes live
        self.records: list[Record] = []

    def settle(self) -> None:
        """The last operator's end, seen again once the copies that it made inside itself have gone."""
        last = len(self.events) - 1
        operator, phase, layer, _ = self.events[last]
        self.events[last] = (operator, phase, layer, self.live)
        for record in reversed(self.records):
            if record.born < last:
                break
            if record.died > last:
                record.died = last

    def tick(self, operator: str, scalar: bool = False) -> None:
        """An operator returns; with `scalar` a Python number is alive beside its tensors, as it is on CPU."""
        extra = PYTHON_SCALAR if scalar and not self.cuda else 0
        self.events.append((operator, self.phase, self.layer, self.live + extra))

    @property
    def promising(self) -> bool:
        """Whether a checkpointed region runs for the first time, so that nothing is kept for the backward pass."""
        return self.region is not None and self.region.again is None

    def tensor(
        self, shape: Sizes, width: int, strides: Sizes | None = None, role: str = "", name: str = "", least: int = 0
    ) -> Tensor:
        """A new tensor on a storage of its own, of at least so many bytes; contiguous where no strides are given."""
        size = max(prod(shape) * width, least)
        if self.cuda:
            size = -(-size // BLOCK) * BLOCK
        return Tensor(Storage(self, size, shape, role, name), shape, width, strides or contiguous(shape))


class Record:
    """What stays known of a storage: its size, whose it was, and during which events it was live.

    `born` is the first event that finds it live, `died` the first that does not; `kept` and `released` bound the events
    during which autograd kept it for the backward pass, `keeper` is the layer that wanted it first. -1 is not yet.
    `role` is what it was made for, where that is known; a name goes with it.
    """

    __slots__ = ("born", "bytes", "died", "keeper", "kept", "name", "released", "role", "shape")

    def __init__(self, bytes: int, shape: Sizes, role: str, name: str, born: int) -> None:
        self.bytes, self.shape, self.role, self.name, self.born = bytes, shape, role, name, born
        self.died = self.kept = self.released = -1
        self.keeper = ""


class Storage:
    """A block of memory: how many tensors see it, how many graph nodes keep it, how often it was written over."""

    __slots__ = ("keepers", "machine", "record", "tensors", "version")

    def __init__(self, machine: Machine, bytes: int, shape: Sizes, role: str, name: str) -> None:
        self.machine = machine
        self.tensors = self.keepers = self.version = 0
        self.record = Record(bytes, shape, role, name, len(machine.events))
        machine.records.append(self.record)
        machine.live += bytes

    def __del__(self) -> None:
        self.machine.live -= self.record.bytes
        self.record.died = len(self.machine.events)

    def keep(self) -> None:
        self.keepers += 1
        if self.record.kept < 0:
            self.record.kept = len(self.machine.events)
            self.record.keeper = self.machine.layer
        self.record.released = -1

    def release(self) -> None:
        self.keepers -= 1
        if not self.keepers:
            self.record.released = len(self.machine.events)


class Tensor:
    """A storage seen in a shape.

    `edge` says which output of which graph node it is, None where no gradient is wanted; `base` is the tensor that a
    view was taken of, which it keeps alive; `uses` counts the places of a backward pass that hold it as a gradient.
    """

    __slots__ = ("base", "edge", "shape", "storage", "strides", "uses", "width")

    def __init__(self, storage: Storage, shape: Sizes, width: int, strides: Sizes, base: Tensor | None = None) -> None:
        self.storage, self.shape, self.width, self.strides, self.base = storage, shape, width, strides, base
        self.edge: tuple[Node, int] | None = None
        self.uses = 0
        storage.tensors += 1

    def __del__(self) -> None:
        self.storage.tensors -= 1

    @property
    def machine(self) -> Machine:
        return self.storage.machine

    @property
    def contiguous(self) -> bool:
        return is_contiguous(self.shape, self.strides)

    def alias(self) -> Tensor:
        """The same memory without a history: what a node keeps of its own result."""
        return Tensor(self.storage, self.shape, self.width, self.strides)

    def view(self, shape: Sizes, strides: Sizes) -> Tensor:
        """The same memory in another shape; it keeps the tensor that it is a view of."""
        return Tensor(self.storage, shape, self.width, strides, self.base or self)

    def like(self, shape: Sizes | None = None, strides: Sizes | None = None) -> Tensor:
        """A new tensor of the same number format, contiguous where no strides are given."""
        return self.storage.machine.tensor(self.shape if shape is None else shape, self.width, strides)

    def cast(self, width: int) -> Tensor:
        """A new tensor of another number format that lies as this one does."""
        return self.storage.machine.tensor(self.shape, width, dense(self.shape, self.strides))

    def tick(self, operator: str, scalar: bool = False) -> None:
        self.storage.machine.tick(operator, scalar)
