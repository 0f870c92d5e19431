"""Optimizers: the state each keeps for a parameter, and what a step allocates (torch/optim).

On CPU a step goes from parameter to parameter (`for-loop`), and what it made for one lives until the next replaces it;
on CUDA an operator runs over all parameters at once (`foreach`), so what it makes for all of them is alive together.
Only parameters that have a gradient take part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnncalc.eager.autograd import Leaf
from cnncalc.eager.machine import Machine, Tensor

STEP = 4  # bytes of Adam's count of steps, a float32 on CPU memory

State = dict[str, list[Tensor]]
Trained = list[tuple[str, Leaf, Tensor]]  # a parameter's name, its leaf, its gradient


def step(name: str, machine: Machine, leaves: Mapping[str, Leaf], state: State, weight_decay: bool) -> None:
    """One step of the optimizer of that name; `state` is what it keeps from step to step."""
    trained = [(name, leaf, leaf.gradient) for name, leaf in leaves.items() if leaf.gradient is not None]
    if trained:
        OPTIMIZERS[name](machine, trained, state, weight_decay)
    machine.layer = ""


def prepare(name: str, machine: Machine, leaves: Mapping[str, Leaf], state: State) -> None:
    """What the optimizer keeps once it has taken a step, for every parameter."""
    kept = KEPT[name]
    for parameter, leaf in leaves.items():
        machine.layer = leaf.layer
        count = [machine.tensor((), 0 if machine.cuda else STEP, role="optimizer state", name=parameter)]
        state[parameter] = [
            *(count if kept > 1 else []),
            *[_kept(leaf.parameter, machine, parameter) for _ in range(kept)],
        ]
    machine.layer = ""


def _kept(like: Tensor, machine: Machine, name: str) -> Tensor:
    return machine.tensor(like.shape, like.width, like.strides, role="optimizer state", name=name)


def _same(like: Tensor) -> Tensor:
    return like.like(strides=like.strides)


# Gradient descent -----------------------------------------------------------------------------------------------------


def sgd(machine: Machine, trained: Trained, state: State, weight_decay: bool) -> None:
    """No state; with weight decay the gradients are added to multiples of the parameters."""
    if machine.cuda:
        summed = _decayed_together(machine, trained) if weight_decay else None
        machine.tick("_foreach_add_")
        del summed
        return
    gradient: Tensor | None = None
    for _, leaf, own in trained:
        machine.layer = leaf.layer
        gradient = own
        if weight_decay:
            gradient = _same(own)
            machine.tick("add")
        machine.tick("add_")
    del gradient


def momentum(machine: Machine, trained: Trained, state: State, weight_decay: bool) -> None:
    """A running sum of gradients a parameter, made in the first step."""
    if machine.cuda:
        _momentum_together(machine, trained, state, weight_decay)
        return
    gradient: Tensor | None = None
    for name, leaf, own in trained:
        machine.layer = leaf.layer
        gradient = own
        if weight_decay:
            gradient = _same(own)
            machine.tick("add")
        if name in state:
            machine.tick("mul_", scalar=True)
            machine.tick("add_")
        else:
            machine.tick("detach")
            state[name] = [_kept(own, machine, name)]
            machine.tick("clone")
        gradient = state[name][0]
        machine.tick("add_")
    del gradient


def _momentum_together(machine: Machine, trained: Trained, state: State, weight_decay: bool) -> None:
    summed = _decayed_together(machine, trained) if weight_decay else None
    if any(name not in state for name, _, _ in trained):
        for name, leaf, own in trained:
            machine.layer = leaf.layer
            state[name] = [_kept(own, machine, name)]
            machine.tick("clone")
    else:
        machine.tick("_foreach_mul_")
        machine.tick("_foreach_add_")
    del summed
    machine.layer = ""
    machine.tick("_foreach_add_")


def _decayed_together(machine: Machine, trained: Trained) -> list[Tensor]:
    summed = [_same(own) for _, _, own in trained]
    machine.tick("_foreach_add")
    return summed


# Moments --------------------------------------------------------------------------------------------------------------


def adam(machine: Machine, trained: Trained, state: State, weight_decay: bool) -> None:
    """Running means of the gradient and of its square; weight decay adds to the gradients."""
    _moments(machine, trained, state, weight_decay, decoupled=False)


def adamw(machine: Machine, trained: Trained, state: State, weight_decay: bool) -> None:
    """As Adam; weight decay shrinks the parameters themselves."""
    _moments(machine, trained, state, weight_decay, decoupled=True)


def _moments(machine: Machine, trained: Trained, state: State, weight_decay: bool, decoupled: bool) -> None:
    for name, leaf, _ in trained:
        if name not in state:
            machine.layer = leaf.layer
            state[name] = _new_moments(machine, leaf, name)
    if machine.cuda:
        machine.layer = ""
        _moments_together(machine, trained, weight_decay, decoupled)
        return
    gradient: Tensor | None = None
    denominator: Tensor | None = None
    for _, leaf, own in trained:
        machine.layer = leaf.layer
        gradient = own
        machine.tick("add_", scalar=True)  # the count of steps
        if weight_decay and decoupled:
            machine.tick("mul_", scalar=True)
        elif weight_decay:
            gradient = _same(own)
            machine.tick("add")
        machine.tick("lerp_")
        machine.tick("mul_", scalar=True)
        machine.tick("addcmul_")
        machine.tick("_local_scalar_dense")  # the count of steps, read
        denominator = _denominator(machine, leaf.parameter)
        machine.tick("addcdiv_")
    del gradient, denominator


def _new_moments(machine: Machine, leaf: Leaf, name: str) -> list[Tensor]:
    count = machine.tensor((), 0 if machine.cuda else STEP, role="optimizer state", name=name)
    for operator in ("empty", "lift_fresh", "detach_"):
        machine.tick(operator)
    first = _kept(leaf.parameter, machine, name)
    machine.tick("zeros_like")
    second = _kept(leaf.parameter, machine, name)
    machine.tick("zeros_like")
    return [count, first, second]


def _denominator(machine: Machine, parameter: Tensor) -> Tensor:
    """The second mean's root, divided, plus a small number."""
    root = _same(parameter)
    machine.tick("sqrt")
    divided = _same(parameter)
    machine.tick("div", scalar=True)
    del root
    machine.tick("add_", scalar=True)
    return divided


def _moments_together(machine: Machine, trained: Trained, weight_decay: bool, decoupled: bool) -> None:
    machine.tick("_foreach_add_")  # the counts of steps
    summed: list[Tensor] = []
    if weight_decay and decoupled:
        machine.tick("_foreach_mul_")
    elif weight_decay:
        summed = _decayed_together(machine, trained)
    for operator in ("_foreach_lerp_", "_foreach_mul_", "_foreach_addcmul_"):
        machine.tick(operator)
    summed.clear()
    roots = [_same(leaf.parameter) for _, leaf, _ in trained]
    machine.tick("_foreach_sqrt")
    for operator in ("_foreach_div_", "_foreach_add_", "_foreach_addcdiv_"):
        machine.tick(operator)
    del roots


Optimizer = Callable[[Machine, Trained, State, bool], None]
KEPT = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}  # tensors of a parameter's size
OPTIMIZERS: dict[str, Optimizer] = {"sgd": sgd, "momentum": momentum, "adam": adam, "adamw": adamw}
