"""The largest batch: against trying every batch, with budgets that are just enough and one byte too small."""

from __future__ import annotations

from dataclasses import replace

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.eager import Setup, timeline
from cnncalc.fit import Fit, fit, largest_batch, peak, recomputed, to_json, with_activations_in_place

SMALL = """
input: 12x10x3
blocks:
  pair:
    layers:
      - conv: {out_channels: 8, kernel_size: 3, padding: 1}
      - relu
      - conv: {out_channels: 8, kernel_size: 3, padding: 1}
      - relu
layers:
  - {name: first, conv: {out_channels: 8, kernel_size: 1}}
  - {name: one, pair: {}}
  - {name: two, pair: {}}
  - max_pool: 2
  - {name: last, linear: 5}
"""
TRAINING = Setup(training=True, optimizer="adam")


def network(text: str = SMALL) -> cnncalc.Network:
    return cnncalc.loads(text)


def by_trying(net: cnncalc.Network, budget: int, setup: Setup, most: int = 60) -> int:
    """The largest batch up to `most` that fits, by running every one of them, two steps each."""
    fitting = [n for n in range(1, most) if timeline(net, replace(setup, batch=n)).bytes <= budget]
    return max(fitting, default=0)


@pytest.mark.parametrize(
    "setup", [Setup(), TRAINING, replace(TRAINING, device="cuda"), replace(TRAINING, amp="bfloat16")]
)
@pytest.mark.parametrize("batch", [1, 2, 3, 17, 40])
def test_just_enough_and_one_byte_less(setup: Setup, batch: int) -> None:
    net = network()
    budget = timeline(net, replace(setup, batch=batch)).bytes
    assert largest_batch(net, budget, setup) == by_trying(net, budget, setup) >= batch
    assert largest_batch(net, budget - 1, setup) == by_trying(net, budget - 1, setup) == batch - 1


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "lenet5", "googlenet_aux"])
@pytest.mark.parametrize("setup", [Setup(), TRAINING, Setup(training=True, optimizer="momentum", device="cuda")])
def test_the_next_batch_does_not_fit(name: str, setup: Setup) -> None:
    net = cnncalc.load(name)
    found = fit(net, 2**30, setup)
    assert found.batch > 1
    assert found.peak == timeline(net, replace(setup, batch=found.batch)).bytes <= 2**30
    assert found.next_peak == timeline(net, replace(setup, batch=found.batch + 1)).bytes > 2**30
    assert sum(found.categories.values()) == found.peak


def test_no_step_holds_more_than_a_steady_one() -> None:
    """What `fit` relies on: one step that finds the optimizer's state in place is the peak of all steps."""
    for name in ("resnet18", "mobilenet_v2", "lenet5"):
        for optimizer in ("", "sgd", "momentum", "adam", "adamw"):
            for device in ("cpu", "cuda"):
                setup = Setup(batch=2, training=True, optimizer=optimizer, device=device, steps=3)
                net = cnncalc.load(name)
                assert peak(net, setup, 2) == timeline(net, setup).bytes, (name, optimizer, device)


def test_not_even_one_image() -> None:
    found = fit(network(), 1000, Setup())
    assert found.batch == 0
    # parameters, one image, and the widest moment: a 12x10x8 map into another
    parameters = 4 * ((3 * 8 + 8) + 4 * (9 * 8 * 8 + 8) + (6 * 5 * 8 * 5 + 5))
    assert found.peak == parameters + 4 * 12 * 10 * 3 + 2 * 4 * 12 * 10 * 8


def test_batch_norm_trains_on_two_images_at_the_least() -> None:
    net = cnncalc.loads("input: 4x4x2\nlayers: [global_avg_pool, batch_norm, {linear: 3}]")
    two = timeline(net, Setup(batch=2, training=True)).bytes
    assert fit(net, two, Setup(training=True)).batch == 2
    assert fit(net, two - 1, Setup(training=True)).batch == 0
    assert fit(net, timeline(net, Setup()).bytes, Setup()).batch == 1  # it predicts on one


def test_without_end() -> None:
    """A bound is said to be one."""
    found = fit(cnncalc.loads("input: 1x1x1\nlayers: [identity]"), 2**40, Setup())
    assert found.limited


# What would make room -------------------------------------------------------------------------------------------------


def measures(found: Fit) -> dict[str, int]:
    return {measure.name: measure.batch for measure in found.measures}


def test_each_measure_is_what_its_option_gives() -> None:
    net = network()
    budget = timeline(net, replace(TRAINING, batch=10)).bytes
    found = fit(net, budget, TRAINING)
    assert found.batch == 10
    told = measures(found)
    assert told["autocast to bfloat16"] == largest_batch(net, budget, replace(TRAINING, amp="bfloat16"))
    assert told["everything in bfloat16"] == largest_batch(net, budget, replace(TRAINING, dtype="bfloat16"))
    assert told["SGD without momentum"] == largest_batch(net, budget, replace(TRAINING, optimizer="sgd"))
    assert told["checkpointing 2 blocks"] == largest_batch(net, budget, replace(TRAINING, checkpointed=("one", "two")))
    frozen = ("first.*", "one.*", "two.*")
    assert told["training the last layer only"] == largest_batch(net, budget, replace(TRAINING, frozen=frozen))
    assert "activations in place" not in told  # a relu keeps its result alone, in place or not
    batches = [measure.batch for measure in found.measures]
    assert batches == sorted(batches, reverse=True)
    assert all(batch >= 10 for batch in batches)


def test_activations_in_place() -> None:
    """A leaky relu keeps its input beside its result, in place its result alone."""
    net = network(SMALL.replace("- relu", "- leaky_relu"))
    in_place = network(SMALL.replace("- relu", "- leaky_relu: {inplace: true}"))
    budget = timeline(net, replace(TRAINING, batch=10)).bytes
    told = measures(fit(net, budget, TRAINING))["activations in place"]
    assert told == largest_batch(in_place, budget, TRAINING) > 10


def test_a_layer_that_torch_refuses_in_place_stays() -> None:
    """A sigmoid keeps its result, so the relu after it cannot write over it; the one after the convolution can."""
    text = """
input: 6x6x2
layers:
  - conv: {out_channels: 3, kernel_size: 3}
  - {name: free, relu: {}}
  - conv: {out_channels: 3, kernel_size: 1}
  - sigmoid
  - {name: bound, relu: {}}
  - linear: 2
"""
    changed = with_activations_in_place(cnncalc.loads(text), Setup(training=True))
    assert changed is not None
    assert changed["free"].layer.shares_input
    assert not changed["bound"].layer.shares_input
    timeline(changed, Setup(batch=2, training=True))


def test_in_place_leaves_what_others_read() -> None:
    text = """
input: 6x6x2
layers:
  - {name: x, conv: {out_channels: 3, kernel_size: 3}}
  - add: [[relu], identity]
  - linear: 2
"""
    assert with_activations_in_place(cnncalc.loads(text), Setup(training=True)) is None


# Checkpointing --------------------------------------------------------------------------------------------------------


def test_what_is_computed_twice() -> None:
    net = network()
    each = 12 * 10 * 8 * 9 * 8  # a 3x3 convolution of 8 maps to 8
    assert recomputed(net, ()) == 0
    assert recomputed(net, ("one",)) == 2 * each
    assert recomputed(net, ("one", "two.conv1", "max_pool")) == 3 * each


def test_blocks_chosen_fit_and_none_could_be_left_out() -> None:
    net = network()
    plain = replace(TRAINING, optimizer="sgd")
    both = replace(plain, checkpointed=("one", "two"))
    budget = timeline(net, replace(both, batch=30)).bytes
    found = fit(net, budget, replace(plain, checkpointed=("auto",)))
    assert found.batch == largest_batch(net, budget, both) > largest_batch(net, budget, plain)
    assert found.recomputed == recomputed(net, found.checkpointed)
    for name in found.checkpointed:
        fewer = tuple(other for other in found.checkpointed if other != name)
        assert peak(net, replace(plain, checkpointed=fewer), found.batch) > budget


def test_nothing_is_checkpointed_where_nothing_is_won() -> None:
    net = network()
    one = timeline(net, replace(TRAINING, batch=1)).bytes
    assert fit(net, one, replace(TRAINING, checkpointed=("auto",))).checkpointed == []


def test_nothing_to_checkpoint() -> None:
    net = cnncalc.loads("input: 4x4x2\nlayers: [{conv: {out_channels: 2, kernel_size: 3}}, {linear: 3}]")
    with pytest.raises(DocumentError, match="no blocks to checkpoint"):
        fit(net, 2**20, Setup(training=True, checkpointed=("auto",)))


def test_json() -> None:
    from json import loads

    assert loads(to_json(fit(network(), 2**20, Setup())))["budget"] == 2**20
