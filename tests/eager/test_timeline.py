"""What comes out of a run: categories that add up, tensors by name, peaks, steps, and what is kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.eager import CATEGORIES, Held, Setup, Timeline, timeline
from cnncalc.eager.machine import Machine

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import documents

# tests/eager/test_step.py counts this network's events by hand. In batches of 3: images 840, convolution 32 and 1,680,
# dense layer 3,360, 24 and 72, classes 24.
SMALL = "{conv: {out_channels: 4, kernel_size: 1, bias: false}}, {relu: {inplace: true}}, {linear: 6}"
PARAMETERS = 32 + 3360 + 24


@pytest.fixture
def trained(run: Callable[..., Timeline]) -> Timeline:
    """Two steps with Adam."""
    return run(SMALL, training=True, optimizer="adam")


def at(found: Timeline, operator: str, number: int = 0) -> int:
    """The index of the first event (or a later one) of an operator."""
    return [index for index, event in enumerate(found.events) if event.operator == operator][number]


def categories(found: Timeline, index: int) -> dict[str, int]:
    return {category: bytes for category, bytes in found.categories(index).items() if bytes}


# Categories -----------------------------------------------------------------------------------------------------------


def test_categories_of_a_prediction(run: Callable[..., Timeline]) -> None:
    found = run("batch_norm, {max_pool: 2}")
    # the count of batches is a buffer; maps, then [2, 3] places with their indices
    always = {"parameters": 16, "buffers": 16 + 8, "input": 840}
    assert categories(found, at(found, "native_batch_norm")) == {**always, "activations": 840}
    last = len(found.events) - 1
    assert categories(found, last) == {**always, "activations": 840 + 3 * 2 * 6 * 4, "temporary": 3 * 2 * 6 * 8}


def test_categories_of_a_step_of_training(trained: Timeline) -> None:
    always = {"parameters": PARAMETERS, "input": 840 + 24}
    assert categories(trained, at(trained, "convolution")) == {**always, "activations": 1680}
    # relu keeps its result, which is the same memory, as soon as it has run; this event ends before
    assert categories(trained, at(trained, "relu_")) == {**always, "activations": 1680}
    assert categories(trained, at(trained, "view")) == {**always, "saved": 1680}
    assert categories(trained, at(trained, "addmm")) == {**always, "saved": 1680, "activations": 72}
    # log-softmax keeps its result; the loss is there, and the weights' total, kept after this event
    assert categories(trained, at(trained, "nll_loss_forward")) == {
        **always,
        "saved": 1680 + 72,
        "activations": 72 + 4,
        "temporary": 4,
    }
    assert categories(trained, at(trained, "ones_like")) == {
        **always,
        "saved": 1680 + 72 + 4,
        "activations": 72 + 4,
        "gradients": 4,
    }
    # the output and the loss; ones, the gradients of relu's input and of its result and of the dense layer
    assert categories(trained, at(trained, "threshold_backward")) == {
        **always,
        "saved": 1680,
        "activations": 76,
        "gradients": 4 + 1680 + 1680 + 3360 + 24,
    }
    # Adam's first: its state is there, a number for the count of steps
    counted = at(trained, "lerp_") - 1
    assert trained.events[counted].operator == "add_"
    assert categories(trained, counted) == {
        **always,
        "activations": 76,
        "gradients": PARAMETERS,
        "optimizer state": 2 * PARAMETERS + 3 * 4,
        "temporary": 8,
    }
    # the root of the second moment, and its multiple, of the dense layer's weight; those of the convolution's went
    assert categories(trained, at(trained, "div", 1))["temporary"] == 2 * 3360 + 32 + 8


def test_the_state_is_there_from_the_first_step_on(trained: Timeline) -> None:
    first, second = [trained.categories(trained.step(number)[0]) for number in (0, 1)]
    assert second == {**first, "optimizer state": 2 * PARAMETERS + 3 * 4}


def test_what_is_let_go_is_an_activation_again(run: Callable[..., Timeline]) -> None:
    """The output, which relu keeps for its own gradient, stays when that is done."""
    found = run("{conv: {out_channels: 4, kernel_size: 1, bias: false}}, relu", training=True, loss="none", steps=1)
    backward = at(found, "threshold_backward")
    assert found.categories(backward)["saved"] == 1680
    after = found.categories(backward + 1)
    assert (after["saved"], after["activations"]) == (0, 1680)


def test_numbers_that_are_kept_are_saved(run: Callable[..., Timeline]) -> None:
    found = run("{conv: {out_channels: 2, kernel_size: 1}}, {mean: [identity, tanh]}", training=True, loss="none")
    assert found.categories(at(found, "ones_like"))["saved"] == 840 + 8  # tanh's result and the number 2


def runs() -> Iterator[Any]:
    conv = "{conv: {out_channels: 4, kernel_size: 1}}"
    layers = {
        "usual": f"{SMALL}, {{dropout: 0.5}}",
        "numbers": f"{conv}, {{lp_pool: {{kernel_size: 2, norm_type: 2}}}}, {{drop_path: 0.2}}",
        "paths": "batch_norm, {add: [identity, {depthwise_conv: {kernel_size: 1}}, tanh]}, {concat: [relu, identity]}",
        "copies": f"{conv}, flatten, {{dropout: {{p: 0.5, inplace: true}}}}",
    }
    modes: dict[str, dict[str, Any]] = {
        "prediction": {},
        "training": {"training": True, "optimizer": "adam"},
        "one-step": {"training": True, "loss": "none", "steps": 1},
    }
    for name, text in layers.items():
        for mode, options in modes.items():
            for device in ("cpu", "cuda"):
                yield pytest.param(text, {**options, "device": device}, id=f"{name}-{mode}-{device}")


def check(found: Timeline) -> None:
    """Categories add up to what is live, in one sweep and one by one, and so do the tensors."""
    swept = list(found.by_category())
    assert len(swept) == len(found.events)
    rest = found.at_rest
    for index, event in enumerate(found.events):
        assert tuple(swept[index]) == CATEGORIES
        assert sum(swept[index].values()) == event.live
        assert all(bytes >= 0 for bytes in swept[index].values())
        held = found.held(index)
        number = event.live - sum(tensor.bytes for tensor in held)
        assert number in (0, 8)  # a Python number of the operator is no tensor of the machine
        assert found.setup.device == "cpu" or number == 0
        by_tensor = dict.fromkeys(CATEGORIES, 0)
        for tensor in held:
            by_tensor[tensor.category] += tensor.bytes
        by_tensor["temporary"] += number
        assert by_tensor == swept[index]
        assert swept[index]["parameters"] + swept[index]["buffers"] + swept[index]["input"] == rest
    for index in {0, found.peak, len(found.events) // 2, len(found.events) - 1} if found.events else ():
        assert found.categories(index) == swept[index]


@pytest.mark.parametrize(("layers", "options"), list(runs()))
def test_everything_adds_up(run: Callable[..., Timeline], layers: str, options: dict[str, Any]) -> None:
    check(run(layers, **options))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(documents(most_layers=5), st.booleans(), st.sampled_from(["cpu", "cuda"]))
def test_everything_adds_up_in_random_networks(text: str, training: bool, device: str) -> None:
    try:
        check(timeline(cnncalc.loads(text), Setup(batch=2, training=training, device=device, optimizer="adam")))
    except cnncalc.DocumentError:
        return


# Tensors --------------------------------------------------------------------------------------------------------------


def test_tensors_by_name(trained: Timeline) -> None:
    """At the peak of backward, the largest first."""
    peak = at(trained, "threshold_backward")
    found = trained.held(peak)
    assert [held.bytes for held in found] == sorted([held.bytes for held in found], reverse=True)
    assert set(found) == {
        Held(3360, (6, 140), "parameters", "linear", "", "linear.weight"),
        Held(24, (6,), "parameters", "linear", "", "linear.bias"),
        Held(32, (4, 2, 1, 1), "parameters", "conv", "", "conv.weight"),
        Held(840, (3, 2, 5, 7), "input", "", "", "input"),
        Held(24, (3,), "input", "", "", "target"),
        Held(1680, (3, 4, 5, 7), "saved", "conv", "convolution", "", output=True),
        Held(72, (3, 6), "activations", "linear", "addmm", "", output=True),
        Held(4, (), "activations", "", "nll_loss_forward", ""),
        Held(4, (), "gradients", "", "ones_like", ""),
        Held(3360, (6, 140), "gradients", "linear", "mm", "linear.weight"),
        Held(24, (1, 6), "gradients", "linear", "sum", "linear.bias"),
        Held(1680, (3, 140), "gradients", "linear", "mm", ""),
        Held(1680, (3, 4, 5, 7), "gradients", "relu", "threshold_backward", ""),
    }


def test_buffers_by_name(run: Callable[..., Timeline]) -> None:
    found = run("{batch_norm: {affine: false}}").held(1)
    assert {(held.name, held.bytes, held.layer, held.operator) for held in found if held.category == "buffers"} == {
        ("batch_norm.running_mean", 8, "batch_norm", ""),
        ("batch_norm.running_var", 8, "batch_norm", ""),
        ("batch_norm.num_batches_tracked", 8, "batch_norm", ""),
    }


def test_the_state_by_name(trained: Timeline) -> None:
    last = trained.held(len(trained.events) - 1)
    state = [(held.name, held.bytes, held.operator) for held in last if held.category == "optimizer state"]
    assert sorted(state) == sorted(
        (name, size, operator)
        for name, bytes in (("conv.weight", 32), ("linear.weight", 3360), ("linear.bias", 24))
        for size, operator in ((4, "empty"), (bytes, "zeros_like"), (bytes, "zeros_like"))
    )


def test_tensors_of_nothing_are_left_out(run: Callable[..., Timeline]) -> None:
    """A Python number on CUDA has no bytes."""
    found = run("{conv: {out_channels: 2, kernel_size: 1}}, {mean: [identity, tanh]}", training=True, device="cuda")
    assert all(held.bytes for index in range(len(found.events)) for held in found.held(index))


# Peaks and steps ------------------------------------------------------------------------------------------------------


def of(machine: Machine, *lives: int, starts: tuple[int, ...] = (0,)) -> Timeline:
    """A run with these bytes live at its events."""
    for live in lives:
        machine.events.append(("operator", "", "", live))
    return Timeline(Setup(training=True), machine, starts, 3)


def test_the_peak_is_the_first_maximum(machine: Machine) -> None:
    found = of(machine, 4, 9, 7, 9, 2)
    assert (found.peak, found.bytes) == (1, 9)
    assert found.peak_of(range(2, 5)) == 3
    assert found.peak_of(range(4, 5)) == 4


def test_what_is_there_at_rest_is_the_least(machine: Machine) -> None:
    assert of(machine).bytes == 3
    assert of(machine).peak == -1
    assert of(machine).peak_of(range(0)) == -1


def test_steps(machine: Machine) -> None:
    found = of(machine, 1, 2, 3, 4, 5, starts=(0, 2, 3))
    assert [found.step(number) for number in range(3)] == [range(2), range(2, 3), range(3, 5)]
    assert found.step(-1) == range(3, 5)


def test_steps_of_training(trained: Timeline) -> None:
    """The first makes Adam's state, five operators for each of three parameters."""
    first, second = trained.step(0), trained.step(1)
    assert (first.start, first.stop, second.stop) == (0, second.start, len(trained.events))
    assert len(first) == len(second) + 3 * 5
    assert {trained.events[index].phase for index in first} == {"forward", "loss", "backward", "optimizer"}
    # Adam's roots of the largest weight: the peak of either step, and the same
    assert [trained.events[trained.peak_of(step)].operator for step in (first, second)] == ["div", "div"]
    assert trained.events[trained.peak_of(first)].live == trained.events[trained.peak_of(second)].live
    assert trained.peak == trained.peak_of(first)


def test_the_first_step_and_a_later_one_with_momentum(run: Callable[..., Timeline]) -> None:
    """Backward is the peak of both: in the first without the state, in the second with it."""
    found = run(SMALL, training=True, optimizer="momentum")
    peaks = [found.events[found.peak_of(found.step(number))] for number in (0, 1)]
    assert [event.operator for event in peaks] == ["threshold_backward"] * 2
    assert peaks[1].live - peaks[0].live == PARAMETERS
    assert found.peak == found.peak_of(found.step(1))


# What is kept ---------------------------------------------------------------------------------------------------------


def test_a_storage_is_kept_once_by_the_first_that_wants_it(run: Callable[..., Timeline]) -> None:
    """tanh's result, which the pooling and the multiplication want, too."""
    layers = "{conv: {out_channels: 2, kernel_size: 1}}, tanh, {multiply: [identity, {max_pool: {kernel_size: 1}}]}"
    kept = run(layers, training=True, loss="none").kept()
    # conv keeps the images only, which are there anyway; the pooling its int64 indices; the product the pooled
    assert kept == {"tanh": 840, "max_pool": 2 * 840, "multiply": 840}


def test_kept_is_of_the_first_step(run: Callable[..., Timeline]) -> None:
    kept = [run(SMALL, training=True, steps=steps, optimizer="adam").kept() for steps in (1, 2, 3)]
    assert kept[0] == {"relu": 1680, "": 72 + 4}
    assert kept[1] == kept[2] == kept[0]


def test_nothing_is_kept_for_a_prediction(run: Callable[..., Timeline]) -> None:
    assert run(SMALL).kept() == {}


def test_kept_and_saved_agree(run: Callable[..., Timeline]) -> None:
    """Where backward begins, all is there that is kept."""
    found = run(f"batch_norm, {SMALL}", training=True)
    assert found.categories(at(found, "ones_like"))["saved"] == sum(found.kept().values())
