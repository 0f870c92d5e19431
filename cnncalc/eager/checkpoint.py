"""Gradient checkpointing (torch.utils.checkpoint, use_reentrant=False): a region that is run again instead of kept.

In the forward pass its nodes keep numbers in the place of tensors. The first of them that needs a tensor in the
backward pass runs the region again, which keeps what it saves until each node has taken its own, and stops as soon as
all is there, in the middle of an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from cnncalc.eager.machine import Machine, Refused, Tensor

GENERATOR = 5056  # bytes: the state of torch's random numbers on CPU, kept for the second run (torch.get_rng_state)


class Stopped(Exception):
    """All that a region's nodes need has been made again."""


class Region:
    """A checkpointed region: what it reads, how to run it, and what a second run has made so far."""

    def __init__(
        self, name: str, machine: Machine, reads: Sequence[Tensor], run: Callable[[Sequence[Tensor]], object]
    ) -> None:
        self.name, self.machine, self.reads, self.run = name, machine, list(reads), run
        self.generator = None if machine.cuda else machine.tensor((GENERATOR,), 1)
        self.versions = [tensor.storage.version for tensor in reads]
        for tensor in [*self.reads, *([self.generator] if self.generator else [])]:
            tensor.storage.keep()
        self.lower = machine.lower
        self.promised = 0  # tensors that nodes will ask for
        self.again: list[Tensor | None] | None = None

    def __del__(self) -> None:
        for tensor in [*self.reads, *([self.generator] if self.generator else [])]:
            tensor.storage.release()

    def promise(self, count: int) -> list[int]:
        """Numbers for as many tensors, in the order in which the region saves them."""
        first = self.promised
        self.promised += count
        return list(range(first, self.promised))

    def take(self, number: int) -> Tensor:
        """The tensor of that number, which goes to the node that asks; the first to ask runs the region again."""
        if self.again is None:
            self._run_again()
        assert self.again is not None
        tensor, self.again[number] = self.again[number], None
        assert tensor is not None
        return tensor

    def made(self, saved: Sequence[Tensor]) -> bool:
        """Keep what an operator of the second run saves; whether that was the last of what was promised."""
        assert self.again is not None
        self.again += [tensor.alias() for tensor in saved]
        return len(self.again) == self.promised

    def _run_again(self) -> None:
        machine = self.machine
        if [tensor.storage.version for tensor in self.reads] != self.versions:
            raise Refused(
                machine.layer,
                "needed-for-backward",
                f"`{self.name}` is to run again, but what it reads was written over",
                "remove `inplace: true` from the layer that writes over it",
            )
        self.again = []
        outer, phase, layer, lower = machine.region, machine.phase, machine.layer, machine.lower
        machine.region, machine.phase, machine.lower = self, "recompute", self.lower
        kept = None if machine.cuda else machine.tensor((GENERATOR,), 1)
        with suppress(Stopped):
            self.run(self.reads)
        machine.casts.clear()
        machine.region, machine.phase, machine.layer, machine.lower = outer, phase, layer, lower
        del kept
