"""What the tests of the eager model share: operators and small networks run on it, in forms that compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import cnncalc
from cnncalc.eager import Setup, Timeline, timeline
from cnncalc.eager.autograd import Leaf, backward
from cnncalc.eager.machine import Machine, Tensor
from cnncalc.eager.pointwise import result, unary

Event = tuple[str, int]
Sizes = tuple[int, ...]
INPUTS = "inputs"


@pytest.fixture
def machine() -> Machine:
    """A CPU."""
    return Machine()


@pytest.fixture
def cuda() -> Machine:
    return Machine(cuda=True)


@pytest.fixture(scope="session")
def events() -> Callable[[Machine], list[Event]]:
    """Every operator so far, and the bytes live at its end."""

    def ask(machine: Machine) -> list[Event]:
        return [(operator, live) for operator, _, _, live in machine.events]

    return ask


@pytest.fixture(scope="session")
def run() -> Callable[..., Timeline]:
    """A run of the network that these layers make; the options are those of `Setup`, batches of 3 unless given."""

    def ask(layers: str, input: str = "5x7x2", **options: Any) -> Timeline:
        network = cnncalc.loads(f"input: {input}\nlayers: [{layers}]")
        return timeline(network, Setup(**{"batch": 3, **options}))

    return ask


@pytest.fixture(scope="session")
def told() -> Callable[..., dict[str, Any]]:
    """What an operator does to inputs of these shapes, nothing and 0 left out.

    `forward`: its steps, each with the bytes live then that were not before; `keeps`: the inputs that it keeps for
    backward, by number, and whether its result; `extra`: bytes that it keeps of anything else; `backward`: the steps of
    its gradient, each with the bytes live then of gradients made. Inputs of a negative first size want no gradient.
    """

    def ask(operator: Callable[..., Tensor], *shapes: Sizes, cuda: bool = False, strides: Any = None) -> dict[str, Any]:
        machine = Machine(cuda)
        inputs = [_input(machine, shape, strides if number == 0 else None) for number, shape in enumerate(shapes)]
        start, before, at_rest = len(machine.events), len(machine.records), machine.live
        made = operator(*inputs)
        forward = [(name, live - at_rest) for name, _, _, live in machine.events[start:]]
        kept = [record.bytes for record in machine.records[before:] if record.kept >= 0 and record.died < 0]
        keeps: list[Any] = [number for number, input in enumerate(inputs) if input.storage.keepers]
        new = made.storage.record in machine.records[before:]
        if new and made.storage.keepers:
            keeps.append("result")
            kept.remove(made.storage.record.bytes)
        said = {"shape": made.shape, "forward": forward, "keeps": keeps, "extra": sum(kept)}
        said["strides"] = () if made.contiguous else made.strides
        said["backward"] = _backward(made) if made.edge is not None else []
        return {name: value for name, value in said.items() if value}

    return ask


def _input(machine: Machine, shape: Sizes, strides: Sizes | None) -> Tensor:
    """A value that no parameter is, so that its gradient may be added to, or one that wants no gradient."""
    machine.layer = INPUTS
    if shape and shape[0] < 0:
        made = machine.tensor((-shape[0], *shape[1:]), 4, strides)
    else:
        leaf = machine.tensor(shape, 4, strides)
        leaf.edge = (Leaf(leaf, INPUTS), 0)
        made = unary(leaf, "input", "input_backward", "input")
    machine.layer = ""
    return made


def _backward(made: Tensor) -> Sequence[Event]:
    machine = made.machine
    ones = result("ones_like", made)
    start, before = len(machine.events), len(machine.records)
    backward(machine, [made], [ones])
    of_gradients = []
    for number, (name, _, layer, _) in enumerate(machine.events):
        if number >= start and layer != INPUTS:
            since = [record for record in machine.records[before:] if record.born <= number]
            live = sum([record.bytes for record in since if record.died < 0 or number < record.died])
            of_gradients.append((name, live))
    return of_gradients
