"""Optimizers: the state that each keeps, and what a step allocates, as table 3.3 of the memory model has it.

Three parameters of 60, 200 and 80 bytes, P = 340 in all, the largest in the middle; their gradients are there. On CUDA
they are 2, 5 and 3 blocks of 512 bytes.
"""

from __future__ import annotations

from typing import Any

import pytest

from cnncalc.eager import Setup
from cnncalc.eager.autograd import Leaf
from cnncalc.eager.machine import BLOCK, Machine
from cnncalc.eager.optimizers import OPTIMIZERS, State, prepare, step
from cnncalc.eager.setup import OPTIMIZERS as NAMES

P = 60 + 200 + 80
COUNTS = 3 * 4  # Adam's counts of steps
N = 8  # a Python number


def parameters(machine: Machine) -> dict[str, Leaf]:
    leaves = {}
    for name, bytes in (("first.weight", 60), ("second.weight", 200), ("third.weight", 80)):
        size = bytes // 4 if not machine.cuda else {60: 2, 200: 5, 80: 3}[bytes] * BLOCK // 4
        parameter = machine.tensor((size,), 4, role="parameters", name=name)
        leaf = leaves[name] = Leaf(parameter, name.removesuffix(".weight"))
        parameter.edge = (leaf, 0)
        leaf.accumulate(parameter.like())
    return leaves


class Steps:
    """Steps of an optimizer, the bytes that each ends with and those of its peak, beyond parameters and gradients."""

    def __init__(self, name: str, weight_decay: bool = False, cuda: bool = False, without: str = "") -> None:
        self.machine = Machine(cuda)
        self.leaves = parameters(self.machine)
        if without:
            self.leaves[without].gradient = None
        self.state: State = {}
        self.at_rest = self.machine.live
        self.name, self.weight_decay = name, weight_decay

    def step(self) -> list[tuple[str, int]]:
        start = len(self.machine.events)
        step(self.name, self.machine, self.leaves, self.state, self.weight_decay)
        return [(operator, live - self.at_rest) for operator, _, _, live in self.machine.events[start:]]

    def of(self) -> tuple[int, int, int]:
        """State, peak of the first step, peak of a later one."""
        peaks = [max(live for _, live in self.step()) for _ in range(3)]
        assert peaks[1] == peaks[2]
        return self.machine.live - self.at_rest, *peaks[:2]


@pytest.mark.parametrize(
    ("name", "weight_decay", "state", "first", "later"),
    [
        pytest.param("sgd", False, 0, 0, 0, id="sgd"),
        # a gradient plus a multiple of the parameter, one after another
        pytest.param("sgd", True, 0, 200, 200, id="sgd-decay"),
        # the first step makes the state, a later one multiplies it by a number
        pytest.param("momentum", False, P, P, P + N, id="momentum"),
        # first: 60 + 200 of state, and 200 of sum; then 340 of state and 80 are less
        pytest.param("momentum", True, P, 60 + 200 + 200, P + 200 + N, id="momentum-decay"),
        # the root and its multiple of 200, and what was made for the 60 before; a number
        pytest.param("adam", False, 2 * P + COUNTS, 2 * P + COUNTS + 460 + N, 2 * P + COUNTS + 460 + N, id="adam"),
        # and the gradient plus a multiple of the parameter
        pytest.param("adam", True, 2 * P + COUNTS, 2 * P + COUNTS + 660 + N, 2 * P + COUNTS + 660 + N, id="adam-decay"),
        pytest.param("adamw", False, 2 * P + COUNTS, 2 * P + COUNTS + 460 + N, 2 * P + COUNTS + 460 + N, id="adamw"),
        # the parameters themselves are multiplied
        pytest.param(
            "adamw", True, 2 * P + COUNTS, 2 * P + COUNTS + 460 + N, 2 * P + COUNTS + 460 + N, id="adamw-decay"
        ),
    ],
)
def test_one_parameter_after_another(name: str, weight_decay: bool, state: int, first: int, later: int) -> None:
    assert Steps(name, weight_decay).of() == (state, first, later)


Q = (2 + 5 + 3) * BLOCK


@pytest.mark.parametrize(
    ("name", "weight_decay", "state", "first", "later"),
    [
        pytest.param("sgd", False, 0, 0, 0, id="sgd"),
        # sums for all parameters are there together
        pytest.param("sgd", True, 0, Q, Q, id="sgd-decay"),
        pytest.param("momentum", False, Q, Q, Q, id="momentum"),
        pytest.param("momentum", True, Q, 2 * Q, 2 * Q, id="momentum-decay"),
        # the roots, of which multiples are made in place; the counts of steps are on CPU
        pytest.param("adam", False, 2 * Q, 3 * Q, 3 * Q, id="adam"),
        # the sums are gone before the roots are made
        pytest.param("adam", True, 2 * Q, 3 * Q, 3 * Q, id="adam-decay"),
        pytest.param("adamw", False, 2 * Q, 3 * Q, 3 * Q, id="adamw"),
        pytest.param("adamw", True, 2 * Q, 3 * Q, 3 * Q, id="adamw-decay"),
    ],
)
def test_all_parameters_together_on_cuda(name: str, weight_decay: bool, state: int, first: int, later: int) -> None:
    assert Steps(name, weight_decay, cuda=True).of() == (state, first, later)


def test_every_optimizer_is_tested() -> None:
    for test in (test_one_parameter_after_another, test_all_parameters_together_on_cuda):
        (mark,) = test.pytestmark  # type: ignore[attr-defined]
        assert {row.values[0] for row in mark.args[1]} == set(OPTIMIZERS) == set(NAMES)
    for name in OPTIMIZERS:
        Setup(optimizer=name)


# Operator by operator -------------------------------------------------------------------------------------------------


def test_a_later_step_of_adam() -> None:
    """Beyond the state. What was made for a parameter goes as the same is there for the next."""
    steps = Steps("adam")
    steps.step()
    state = 2 * P + COUNTS
    assert [(operator, live - state) for operator, live in steps.step()] == [
        *[("add_", N), ("lerp_", 0), ("mul_", N), ("addcmul_", 0), ("_local_scalar_dense", 0)],
        *[("sqrt", 60), ("div", 120 + N), ("add_", 60 + N), ("addcdiv_", 60)],
        *[("add_", 60 + N), ("lerp_", 60), ("mul_", 60 + N), ("addcmul_", 60), ("_local_scalar_dense", 60)],
        *[("sqrt", 60 + 200), ("div", 60 + 400 + N), ("add_", 60 + 200 + N), ("addcdiv_", 200)],
        *[("add_", 200 + N), ("lerp_", 200), ("mul_", 200 + N), ("addcmul_", 200), ("_local_scalar_dense", 200)],
        *[("sqrt", 200 + 80), ("div", 200 + 160 + N), ("add_", 200 + 80 + N), ("addcdiv_", 80)],
    ]
    assert steps.machine.live == steps.at_rest + state


def test_the_first_step_of_adam_makes_its_state() -> None:
    steps = Steps("adam")
    made = 0
    expected = []
    for bytes in (60, 200, 80):
        expected += [(operator, made + 4) for operator in ("empty", "lift_fresh", "detach_")]
        expected += [("zeros_like", made + 4 + bytes), ("zeros_like", made + 4 + 2 * bytes)]
        made += 4 + 2 * bytes
    assert steps.step()[: len(expected)] == expected


def test_momentum_step_by_step() -> None:
    steps = Steps("momentum")
    assert steps.step() == [
        *[("detach", 0), ("clone", 60), ("add_", 60)],
        *[("detach", 60), ("clone", 260), ("add_", 260)],
        *[("detach", 260), ("clone", P), ("add_", P)],
    ]
    assert steps.step() == [("mul_", P + N), ("add_", P), ("add_", P)] * 3


def test_weight_decay_of_sgd_step_by_step() -> None:
    """The sum of a parameter goes before that of the next is made."""
    assert Steps("sgd", weight_decay=True).step() == [
        *[("add", 60), ("add_", 60)],
        *[("add", 200), ("add_", 200)],
        *[("add", 80), ("add_", 80)],
    ]


def test_on_cuda_step_by_step() -> None:
    steps = Steps("adam", weight_decay=True, cuda=True)
    made = [(blocks * BLOCK, 2 * blocks * BLOCK) for blocks in (2, 5, 3)]
    first, before = [], 0
    for one, both in made:
        first += [(operator, before) for operator in ("empty", "lift_fresh", "detach_")]
        first += [("zeros_like", before + one), ("zeros_like", before + both)]
        before += both
    later = [
        *[("_foreach_add_", 2 * Q), ("_foreach_add", 3 * Q), ("_foreach_lerp_", 3 * Q), ("_foreach_mul_", 3 * Q)],
        *[("_foreach_addcmul_", 3 * Q), ("_foreach_sqrt", 3 * Q), ("_foreach_div_", 3 * Q), ("_foreach_add_", 3 * Q)],
        ("_foreach_addcdiv_", 3 * Q),
    ]
    assert steps.step() == first + later
    assert steps.step() == later


@pytest.mark.parametrize(
    ("name", "decay", "later"),
    [
        ("sgd", False, [("_foreach_add_", 0)]),
        ("sgd", True, [("_foreach_add", Q), ("_foreach_add_", Q)]),
        ("momentum", False, [(name, Q) for name in ("_foreach_mul_", "_foreach_add_", "_foreach_add_")]),
        (
            "momentum",
            True,
            # the sums are gone before the parameters are changed
            [("_foreach_add", 2 * Q), ("_foreach_mul_", 2 * Q), ("_foreach_add_", 2 * Q), ("_foreach_add_", Q)],
        ),
        (
            "adamw",
            True,
            [
                *[("_foreach_add_", 2 * Q), ("_foreach_mul_", 2 * Q), ("_foreach_lerp_", 2 * Q)],
                *[("_foreach_mul_", 2 * Q), ("_foreach_addcmul_", 2 * Q), ("_foreach_sqrt", 3 * Q)],
                *[("_foreach_div_", 3 * Q), ("_foreach_add_", 3 * Q), ("_foreach_addcdiv_", 3 * Q)],
            ],
        ),
    ],
)
def test_later_steps_on_cuda(name: str, decay: bool, later: list[tuple[str, int]]) -> None:
    steps = Steps(name, decay, cuda=True)
    steps.step()
    assert steps.step() == later


# Who takes part -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuda", [False, True], ids=["cpu", "cuda"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_parameter_without_a_gradient_has_no_state(name: str, cuda: bool) -> None:
    steps = Steps(name, cuda=cuda, without="second.weight")
    steps.step()
    assert "second.weight" not in steps.state
    assert set(steps.state) <= {"first.weight", "third.weight"}
    own = (2 + 3) * BLOCK if cuda else 60 + 80
    counts = 0 if cuda else 2 * 4
    state = {"sgd": 0, "momentum": own, "adam": 2 * own + counts, "adamw": 2 * own + counts}
    assert steps.machine.live - steps.at_rest == state[name]


@pytest.mark.parametrize("cuda", [False, True], ids=["cpu", "cuda"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_that_is_prepared_is_that_of_a_step(name: str, cuda: bool) -> None:
    taken, prepared = Steps(name, cuda=cuda), Steps(name, cuda=cuda)
    taken.step()
    prepare(name, prepared.machine, prepared.leaves, prepared.state)
    assert prepared.machine.live == taken.machine.live
    assert prepared.step() == taken.step()
    assert prepared.step() == taken.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_any_gradient_nothing_runs(name: str) -> None:
    machine = Machine()
    leaves = parameters(machine)
    for leaf in leaves.values():
        leaf.gradient = None
    before = len(machine.events)
    step(name, machine, leaves, {}, True)
    assert len(machine.events) == before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_state_is_of_the_layer_and_bears_the_parameters_name(name: str) -> None:
    steps = Steps(name)
    steps.step()
    records: list[Any] = [tensor.storage.record for held in steps.state.values() for tensor in held]
    assert {record.role for record in records} <= {"optimizer state"}
    assert {record.name for record in records} == set(steps.state)
    assert [layer for _, _, layer, _ in steps.machine.events[-1:]] == ["third"]
    assert steps.machine.layer == ""
