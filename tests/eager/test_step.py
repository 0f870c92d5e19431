"""Whole runs: torchvision's networks to the byte, a step counted by hand, losses, what is frozen, and properties.

`tests/data/memory_model.csv` is the table of section 3 of the memory model: measured with torch 2.13 and torchvision's
own modules, operator by operator, on CPU. Its columns: bytes of parameters and buffers; what is kept for backward but
the input and the loss, in batches of 2; the peak of prediction and of a training step without optimizer in batches of
1, 2 and 8; and of two steps with each optimizer in batches of 2.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.eager import Setup, Timeline, timeline
from cnncalc.graph import Network

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import documents

DATA = Path(__file__).parents[1] / "data" / "memory_model.csv"
ORIGINAL = Path(__file__).parents[3] / "shared" / "reference" / "memory_model.md"
ZOO = Path(__file__).parents[2] / "architectures"
with DATA.open() as file:
    TABLE = {
        row.pop("net"): {column: int(cell) for column, cell in row.items() if cell} for row in csv.DictReader(file)
    }

without_torch = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


# torchvision ----------------------------------------------------------------------------------------------------------


def changed(name: str, *changes: tuple[str, str]) -> Network:
    """A document of the zoo with each of these texts, which stands in it once, replaced."""
    text = (ZOO / f"{name}.yaml").read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return cnncalc.loads(text)


def densenet() -> Network:
    """torchvision's DenseNet keeps a list of all maps of a block, and joins the list again for every layer."""
    layers = ["{conv: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3, bias: false}}"]
    layers += ["batch_norm", "{relu: {inplace: true}}"]
    layers += ["{max_pool: {kernel_size: 3, stride: 2, padding: 1}, name: maps_0_0}"]
    channels = 64
    for block, depth in enumerate((6, 12, 24, 16)):
        maps = [f"maps_{block}_0"]
        for number in range(1, depth + 1):
            layers += [f"{{concat: [{', '.join(maps)}]}}"] if len(maps) > 1 else []
            layers += ["batch_norm", "{relu: {inplace: true}}"]
            layers += ["{conv: {out_channels: 128, kernel_size: 1, bias: false}}"]
            layers += ["batch_norm", "{relu: {inplace: true}}"]
            maps.append(f"maps_{block}_{number}")
            layers += [f"{{conv: {{out_channels: 32, kernel_size: 3, padding: 1, bias: false}}, name: {maps[-1]}}}"]
            channels += 32
        layers += [f"{{concat: [{', '.join(maps)}]}}", "batch_norm", "{relu: {inplace: true}}"]
        channels //= 2
        if block < 3:
            layers += [f"{{conv: {{out_channels: {channels}, kernel_size: 1, bias: false}}}}"]
            layers += [f"{{avg_pool: 2, name: maps_{block + 1}_0}}"]
    text = "".join([f"  - {layer}\n" for layer in [*layers, "{adaptive_avg_pool: 1}", "{linear: 1000}"]])
    return cnncalc.loads(f"input: 224x224x3\nlayers:\n{text}")


@cache
def as_torchvision(net: str, training: bool) -> Network:
    """A network's document, changed where torchvision runs its layers in another order or has more of them.

    The auxiliary heads run where they branch off: the zoo has them at the end. VGG-16's dropout and its pooling to 7x7,
    which acts on larger images only, are left out of the zoo.
    """
    if net == "alexnet":
        return cnncalc.load("alexnet_torchvision")
    if net == "vgg16":
        fc6, fc7 = "{out_features: 4096, activation: relu}\n    name: fc6", "4096, activation: relu}\n    name: fc7"
        return changed(
            net,
            ("  - linear: " + fc6, "  - adaptive_avg_pool: 7\n  - linear: " + fc6 + "\n  - dropout: 0.5"),
            (fc7, fc7 + "\n  - dropout: 0.5"),
        )
    if net == "densenet121":
        return densenet()
    if net == "googlenet" and training:
        heads = [
            f"  - {{name: aux{n}, auxiliary: {{dropout: 0.7}}, from: inception4{x}, when: aux}}\n"
            for n, x in ("1a", "2d")
        ]
        behind = [
            re.search(rf"  - \{{name: inception4{x}, .*\}}\n", (ZOO / "googlenet.yaml").read_text()) for x in "be"
        ]
        changes = [("args: {classes: 1000, aux: false}", "args: {classes: 1000, aux: true}")]
        for head, line, x in zip(heads, behind, "ad", strict=True):
            assert line is not None
            changes += [(head, ""), (line[0], head + line[0].replace("}}\n", f"}}, from: inception4{x}}}\n"))]
        return changed(net, *changes)
    if net == "inception_v3" and training:
        head = "  - {name: AuxLogits, auxiliary: {}, from: Mixed_6e, when: aux}\n"
        line = re.search(r"  - \{name: Mixed_7a, .*\}.*\n", (ZOO / "inception_v3.yaml").read_text())
        assert line is not None
        return changed(
            net,
            ("args: {classes: 1000, aux: false}", "args: {classes: 1000, aux: true}"),
            (head, ""),
            (line[0], head + line[0].replace("{}}", "{}, from: Mixed_6e}")),
        )
    return cnncalc.load(net)


def static(found: Timeline) -> int:
    return sum([held.bytes for held in found.held(0) if held.category in ("parameters", "buffers")])


def test_the_table_is_the_original() -> None:
    if not ORIGINAL.exists():
        pytest.skip("the original stands beside the author's checkout only")
    rows = {}
    for line in ORIGINAL.read_text().splitlines():
        if re.match(r"\| \w+ \| \d{5,} \|", line):
            net, parameters, saved, _, predict, _, train, _, _, steps = map(str.strip, line.strip("|").split("|"))
            cells = [parameters, saved, *f"{predict} / {train} / {steps}".split(" / ")]
            rows[net] = [int(cell) for cell in cells if cell != "n/a"]
    assert {net: list(row.values()) for net, row in TABLE.items()} == {net: rows[net] for net in TABLE}
    assert len(TABLE) == 9


@pytest.mark.parametrize("net", TABLE)
def test_prediction(net: str) -> None:
    """Without heads that do not run: torchvision's GoogLeNet and Inception hold their parameters all the same."""
    network = as_torchvision(net, training=False)
    for batch in (1, 2, 8):
        found = timeline(network, Setup(batch=batch))
        idle = TABLE[net]["parameters_and_buffers"] - static(found)
        assert found.bytes + idle == TABLE[net][f"infer_{batch}"]
        assert idle == {"googlenet": 25_522_000, "inception_v3": 13_313_968}.get(net, 0)


@pytest.mark.parametrize("net", TABLE)
def test_training(net: str) -> None:
    network = as_torchvision(net, training=True)
    for batch in (1, 2, 8):
        if f"train_{batch}" in TABLE[net]:
            found = timeline(network, Setup(batch=batch, training=True, optimizer="", steps=1))
            assert found.bytes == TABLE[net][f"train_{batch}"]
            assert static(found) == TABLE[net]["parameters_and_buffers"]
    if net == "inception_v3":  # whose head ends in one value a channel
        with pytest.raises(cnncalc.DocumentError, match="one-value-to-normalise"):
            timeline(network, Setup(batch=1, training=True))


@pytest.mark.parametrize("net", TABLE)
def test_optimizers(net: str) -> None:
    network = as_torchvision(net, training=True)
    for name in ("sgd", "momentum", "adam"):
        found = timeline(network, Setup(batch=2, training=True, optimizer=name))
        assert found.bytes == TABLE[net][f"{name}_2"]


@pytest.mark.parametrize("net", TABLE)
def test_what_is_kept(net: str) -> None:
    network = as_torchvision(net, training=True)
    kept = timeline(network, Setup(batch=2, training=True, optimizer="", steps=1)).kept()
    heads = len(network.outputs)
    # 2 images of 1,000 logarithms and the weights' total for every head; the number 0.4 for every head but the first
    assert kept.pop("") == heads * (2 * 1000 * 4 + 4) + (heads - 1) * 8
    assert sum(kept.values()) == TABLE[net]["saved"]


@pytest.mark.parametrize("net", ["vgg16", "densenet121"])
def test_the_zoo_as_it_stands(net: str) -> None:
    """Peaks of training do not change with what was changed above; of prediction DenseNet's is smaller."""
    network = cnncalc.load(net)
    # In the last layer of the first block, of 224 channels: as a list, joined and normalised; in the zoo they are there
    # joined and normalised, with 128 channels of convolution.
    less = {"vgg16": 0, "densenet121": (3 * 224 - (2 * 224 + 128)) * 56 * 56 * 4}
    for batch in (1, 2, 8):
        found = timeline(network, Setup(batch=batch, training=True, optimizer="", steps=1))
        assert found.bytes == TABLE[net][f"train_{batch}"]
        assert timeline(network, Setup(batch=batch)).bytes == TABLE[net][f"infer_{batch}"] - batch * less[net]


# By hand --------------------------------------------------------------------------------------------------------------

# Batches of 3. In bytes: the images 3·2·5·7·4 = 840; the convolution's weight 4·2·4 = 32 and result 3·4·35·4 = 1,680;
# the dense layer's weight 6·140·4 = 3,360, bias 24 and result 3·6·4 = 72; classes 3·8 = 24.
SMALL = "{conv: {out_channels: 4, kernel_size: 1, bias: false}}, {relu: {inplace: true}}, {linear: 6}"
AT_REST = 840 + 32 + 3360 + 24
MAPS, OUTPUT, WEIGHTS = 1680, 72, 32 + 3360 + 24

FORWARD = [
    ("convolution", "conv", MAPS),
    ("relu_", "relu", MAPS),
    ("view", "linear", MAPS),
    ("t", "linear", MAPS),
    ("addmm", "linear", MAPS + OUTPUT),
]

# Once the output is there, it and the loss (4 bytes) stay until the end of the step.
BACKWARD = [
    ("_log_softmax", "", MAPS + 2 * OUTPUT),
    ("nll_loss_forward", "", MAPS + 2 * OUTPUT + 4 + 4),  # the loss, and the weights' total
    ("ones_like", "", MAPS + 2 * OUTPUT + 4 + 4 + 4),
    ("nll_loss_backward", "", MAPS + 3 * OUTPUT + 4 + 4 + 4),  # the last with the weights' total
    ("_log_softmax_backward_data", "", MAPS + 4 * OUTPUT + 4 + 4),
    # From here on 8 bytes of loss and ones, and 72 of the output: 80. The gradient of the output is another 72.
    ("t", "linear", MAPS + 80 + OUTPUT),
    ("mm", "linear", MAPS + 80 + OUTPUT + MAPS),  # the gradient of the maps, rows now
    ("t", "linear", MAPS + 80 + OUTPUT + MAPS),
    ("mm", "linear", MAPS + 80 + OUTPUT + MAPS + 3360),
    ("t", "linear", MAPS + 80 + OUTPUT + MAPS + 3360),
    ("sum", "linear", MAPS + 80 + OUTPUT + MAPS + 3360 + 24),
    ("view", "linear", MAPS + 80 + OUTPUT + MAPS + 3360 + 24),
    ("detach", "linear", MAPS + 80 + MAPS + 3360 + 24),  # the bias'
    ("t", "linear", MAPS + 80 + MAPS + 3360 + 24),
    ("detach", "linear", MAPS + 80 + MAPS + 3360 + 24),  # the weight's
    ("view", "linear", MAPS + 80 + MAPS + 3360 + 24),  # rows as maps
    ("threshold_backward", "relu", MAPS + 80 + 2 * MAPS + 3360 + 24),
    ("convolution_backward", "conv", 80 + MAPS + 3360 + 24 + 32),  # no gradient of the images
    ("detach", "conv", 80 + WEIGHTS),
]


def beyond_rest(found: Timeline) -> list[tuple[str, str, int]]:
    return [(event.operator, event.layer, event.live - found.at_rest) for event in found.events]


def test_a_prediction_by_hand(run: Callable[..., Timeline]) -> None:
    found = run(SMALL)
    assert found.at_rest == AT_REST
    assert beyond_rest(found) == FORWARD
    assert (found.bytes, found.peak) == (AT_REST + MAPS + OUTPUT, 4)


def test_a_step_of_training_by_hand(run: Callable[..., Timeline]) -> None:
    found = run(SMALL, training=True, optimizer="", steps=1)
    assert found.at_rest == AT_REST + 24
    assert beyond_rest(found) == FORWARD + BACKWARD
    phases = [event.phase for event in found.events]
    assert phases == ["forward"] * 5 + ["loss"] * 2 + ["backward"] * 17
    assert found.events[found.peak].operator == "threshold_backward"


def test_two_steps_of_training_by_hand(run: Callable[..., Timeline]) -> None:
    """Plain descent allocates nothing; the gradients are gone when the second step begins."""
    found = run(SMALL, training=True, optimizer="sgd")
    optimizer = [("add_", layer, OUTPUT + 4 + WEIGHTS) for layer in ("conv", "linear", "linear")]
    assert beyond_rest(found) == 2 * (FORWARD + BACKWARD + optimizer)
    assert found.starts == (0, 27)


def test_state_stays_from_step_to_step(run: Callable[..., Timeline]) -> None:
    """With momentum: the second step is the first, with the state's 3,416 bytes more."""
    found = run(SMALL, training=True, optimizer="momentum", steps=3)
    first, second, third = [[found.events[index] for index in found.step(number)] for number in range(3)]
    before = len(FORWARD + BACKWARD)
    assert [event.live + WEIGHTS for event in first[:before]] == [event.live for event in second[:before]]
    assert second == third


@pytest.mark.parametrize(
    ("optimizer", "state"),
    [("sgd", 0), ("momentum", WEIGHTS), ("adam", 2 * WEIGHTS + 3 * 4), ("adamw", 2 * WEIGHTS + 3 * 4)],
)
def test_a_steady_step_is_the_second(run: Callable[..., Timeline], optimizer: str, state: int) -> None:
    """It begins with what the optimizer keeps."""
    two = run(SMALL, training=True, optimizer=optimizer, steps=2)
    steady = run(SMALL, training=True, optimizer=optimizer, steps=1, steady=True)
    assert steady.at_rest == AT_REST + 24 + state
    assert steady.events == [two.events[index] for index in two.step(1)]
    assert [held.bytes for held in steady.held(0)] == [held.bytes for held in two.held(two.starts[1])]
    assert run(SMALL, steady=True).events == run(SMALL).events


def test_classes_are_per_place(run: Callable[..., Timeline]) -> None:
    """3 images of 5x7 places are 105 classes of 8 bytes."""
    found = run("{conv: {out_channels: 4, kernel_size: 1, bias: false}}", training=True)
    assert found.at_rest == 840 + 32 + 105 * 8


def test_without_a_loss_there_are_no_classes(run: Callable[..., Timeline]) -> None:
    found = run(SMALL, training=True, loss="none", optimizer="", steps=1)
    assert found.at_rest == AT_REST
    assert {event.phase for event in found.events} == {"forward", "backward"}
    assert beyond_rest(found)[5] == ("ones_like", "", MAPS + 2 * OUTPUT)


def test_outputs_of_one_size_share_their_classes() -> None:
    """Two heads of 4 classes and one of maps: 3 and 105 classes."""
    network = cnncalc.loads("""
input: 5x7x2
layers:
  - {conv: {out_channels: 4, kernel_size: 1}, name: maps}
  - {linear: 4, name: a}
  - {linear: 4, name: b, from: maps}
outputs: [a, b, maps]
""")
    found = timeline(network, Setup(batch=3, training=True))
    images = [held.bytes for held in found.held(0) if held.name == "target"]
    assert sorted(images) == [3 * 8, 105 * 8]


@pytest.mark.parametrize(("dtype", "width"), [("float64", 8), ("float32", 4), ("float16", 2), ("bfloat16", 2)])
def test_number_formats(run: Callable[..., Timeline], dtype: str, width: int) -> None:
    """Batch norm's count of batches is int64 in any."""
    found = run("batch_norm", dtype=dtype)
    maps = 3 * 2 * 35
    assert found.at_rest == (maps + 4 * 2) * width + 8
    assert found.bytes == found.at_rest + maps * width


def test_nothing_to_train(run: Callable[..., Timeline]) -> None:
    """Without a parameter there is no backward pass, and no optimizer."""
    found = run("{max_pool: 2}, flatten", training=True)
    assert [event.operator for event in found.events[:4]] == [
        *["max_pool2d_with_indices", "view", "_log_softmax", "nll_loss_forward"]
    ]
    assert len(found.events) == 8
    assert found.kept() == {}


def test_a_network_without_layers_that_do_anything(run: Callable[..., Timeline]) -> None:
    found = run("identity")
    assert (found.events, found.bytes, found.peak) == ([], 840, -1)


# When values go -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "live"),
    [
        # in maps of the input's size; the input itself stays
        pytest.param("tanh, sigmoid, softmax", [1, 2, 2], id="chain"),
        # tanh's is read again by the sum, and goes with it
        pytest.param("tanh, {add: [identity, [sigmoid, softmax]]}, softmax", [1, 2, 3, 3, 2], id="skipped-over"),
        pytest.param(
            "{tanh: {}, name: t}, sigmoid, softmax, {add: [identity, t]}, softmax", [1, 2, 3, 3, 2], id="by-name"
        ),
        # as the input of the first layer is
        pytest.param("{add: [identity, tanh]}", [1, 2], id="the-input"),
        # nobody reads it
        pytest.param("{tanh: {}, name: t}, {sigmoid: {}, name: s}, {softmax: {}, from: t}", [1, 2, 2], id="no-reader"),
    ],
)
def test_a_value_goes_behind_its_last_reader(run: Callable[..., Timeline], layers: str, live: list[int]) -> None:
    found = run(layers)
    assert [(event.live - found.at_rest) / 840 for event in found.events] == live


def test_outputs_stay() -> None:
    network = cnncalc.loads(
        "input: 5x7x2\nlayers: [{tanh: {}, name: a}, {sigmoid: {}, name: b}, {softmax: {}, name: c}]\noutputs: [a, c]"
    )
    found = timeline(network, Setup(batch=3))
    assert [(event.live - found.at_rest) / 840 for event in found.events] == [1, 2, 3]


# What is frozen -------------------------------------------------------------------------------------------------------


def gradients(found: Timeline) -> dict[str, int]:
    """The parameters' gradients at the end of the first step."""
    last = found.step(0)[-1]
    return {held.name: held.bytes for held in found.held(last) if held.category == "gradients"}


@pytest.mark.parametrize(
    ("frozen", "left"),
    [
        pytest.param((), {"conv.weight": 32, "linear.weight": 3360, "linear.bias": 24}, id="nothing"),
        pytest.param(("conv.*",), {"linear.weight": 3360, "linear.bias": 24}, id="a-layer"),
        pytest.param(("*.bias",), {"conv.weight": 32, "linear.weight": 3360}, id="biases"),
        pytest.param(("linear.weight", "conv.*"), {"linear.bias": 24}, id="two-patterns"),
        pytest.param(("*",), {}, id="all"),
    ],
)
def test_what_is_frozen_has_no_gradient(
    run: Callable[..., Timeline], frozen: tuple[str, ...], left: dict[str, int]
) -> None:
    found = run(SMALL, training=True, optimizer="adam", frozen=frozen)
    assert gradients(found) == left
    state = {held.name for held in found.held(len(found.events) - 1) if held.category == "optimizer state"}
    assert state == set(left)
    assert found.at_rest == AT_REST + 24  # it is there all the same


def test_behind_frozen_layers_nothing_is_kept(run: Callable[..., Timeline]) -> None:
    found = run(SMALL, training=True, frozen=("conv.*",))
    # rows for the weight's gradient, but neither relu's result for its own nor the images; the loss
    assert found.kept() == {"linear": MAPS, "": OUTPUT + 4}
    operators = {event.operator for event in found.events}
    assert not operators & {"threshold_backward", "convolution_backward"}


def test_a_pattern_has_to_match(run: Callable[..., Timeline]) -> None:
    with pytest.raises(cnncalc.DocumentError) as error:
        run(SMALL, training=True, frozen=("conv.*", "conv.weigth"))
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "nothing-to-freeze"
    assert diagnostic.message == "no parameter is called `conv.weigth`"
    assert diagnostic.help == "did you mean `conv.weight`?"
    with pytest.raises(cnncalc.DocumentError, match=r"no parameter is called `blocks\.\*`"):
        run(SMALL, training=True, frozen=("blocks.*",))


# On CUDA --------------------------------------------------------------------------------------------------------------


def blocks(bytes: int) -> int:
    return -(-bytes // 512) * 512


def test_on_cuda_everything_is_in_blocks(run: Callable[..., Timeline]) -> None:
    found = run("{conv: {out_channels: 4, kernel_size: 1}}, {batch_norm: {}}, {linear: 6}", device="cuda")
    # images; weight and bias; batch norm's four vectors and its count; the dense layer's two
    assert found.at_rest == blocks(840) + 2 * 512 + 5 * 512 + blocks(3360) + 512
    assert beyond_rest(found) == [
        ("convolution", "conv", blocks(1680)),
        ("cudnn_batch_norm", "batch_norm", 2 * blocks(1680)),
        *[("view", "linear", blocks(1680)), ("t", "linear", blocks(1680))],
        ("addmm", "linear", blocks(1680) + 512),
    ]


def test_on_cuda_every_event_is_in_blocks(run: Callable[..., Timeline]) -> None:
    layers = "{conv: {out_channels: 4, kernel_size: 1}}, batch_norm, {subsample: 2}, {dropout: 0.5}, {linear: 6}"
    for optimizer in ("sgd", "momentum", "adam", "adamw"):
        found = run(layers, training=True, optimizer=optimizer, device="cuda")
        assert all(event.live % 512 == 0 for event in found.events)
        on_cpu = run(layers, training=True, optimizer=optimizer)
        assert found.bytes >= on_cpu.bytes
        assert found.at_rest >= on_cpu.at_rest


def test_on_cuda_1_d_poolings_have_indices(run: Callable[..., Timeline]) -> None:
    """On CPU there is a kernel of its own for prediction."""
    layers = "{max_pool: 2}"
    assert [event.operator for event in run(layers, "14x3").events] == ["empty"]
    on_cuda = run(layers, "14x3", device="cuda")
    assert [event.operator for event in on_cuda.events][1] == "max_pool2d_with_indices"
    assert on_cuda.bytes - on_cuda.at_rest == 2 * 512


# Properties -----------------------------------------------------------------------------------------------------------


def peak(network: Network, **options: Any) -> int | None:
    """The peak in bytes, or None where torch refuses."""
    try:
        return timeline(network, Setup(**options)).bytes
    except cnncalc.DocumentError:
        return None


@without_torch
@given(documents(), st.sampled_from(["cpu", "cuda"]), st.sampled_from(["", "sgd", "momentum", "adam", "adamw"]))
def test_never_a_crash(text: str, device: str, optimizer: str) -> None:
    network = cnncalc.loads(text)
    peak(network, device=device)
    for loss in ("cross_entropy", "none"):
        peak(network, device=device, training=True, optimizer=optimizer, loss=loss, batch=2)


@without_torch
@given(documents())
def test_a_larger_batch_takes_no_less(text: str) -> None:
    network = cnncalc.loads(text)
    for options in ({}, {"training": True, "optimizer": "adam"}):
        peaks = [found for batch in range(1, 7) if (found := peak(network, batch=batch, **options)) is not None]
        assert peaks == sorted(peaks)


@without_torch
@given(documents(), st.booleans())
def test_wider_numbers_take_no_less(text: str, training: bool) -> None:
    network = cnncalc.loads(text)
    peaks = [
        found
        for dtype in ("bfloat16", "float32", "float64")
        if (found := peak(network, batch=2, dtype=dtype, training=training)) is not None
    ]
    assert peaks == sorted(peaks)


@without_torch
@given(documents())
def test_frozen_networks_have_no_gradients(text: str) -> None:
    network = cnncalc.loads(text)
    assume(any(node.facts.weights or node.facts.biases for node in network))
    found = timeline(network, Setup(batch=2, training=True, optimizer="adam", frozen=("*",)))
    assert not any(found.categories(index)["gradients"] for index in range(len(found.events)))
    assert not any(found.categories(index)["optimizer state"] for index in range(len(found.events)))
    assert found.kept() == {}


@without_torch
@given(documents(), st.sampled_from(["sgd", "momentum", "adam", "adamw"]), st.sampled_from(["cpu", "cuda"]))
def test_every_steady_step_is_the_same(text: str, optimizer: str, device: str) -> None:
    network = cnncalc.loads(text)
    setup = Setup(batch=2, training=True, optimizer=optimizer, device=device, steps=4)
    try:
        found = timeline(network, setup)
    except cnncalc.DocumentError:
        return
    steps = [[found.events[index] for index in found.step(number)] for number in range(4)]
    assert steps[1] == steps[2] == steps[3]
    # the first makes the state; but for that it does the same
    before = [event for event in steps[0] if event.phase != "optimizer"]
    assert [event[:3] for event in before] == [event[:3] for event in steps[1] if event.phase != "optimizer"]
    if not network.nodes or len(found.events) == 0:
        return
    more = {late.live - early.live for early, late in zip(before, steps[1], strict=False)}
    assert len(more) == 1  # the state, and nothing else, stays


@without_torch
@given(documents(), st.sampled_from(["momentum", "adam", "adamw"]), st.booleans(), st.sampled_from(["cpu", "cuda"]))
def test_no_step_takes_more_than_a_steady_one(text: str, optimizer: str, weight_decay: bool, device: str) -> None:
    network = cnncalc.loads(text)
    setup = Setup(batch=2, training=True, optimizer=optimizer, weight_decay=weight_decay, device=device)
    try:
        two = timeline(network, setup)
    except cnncalc.DocumentError:
        return
    steady = timeline(network, replace(setup, steps=1, steady=True))
    assert steady.bytes >= two.bytes
    # a parameter of a layer that nobody reads has no gradient, and from real steps no state
    if gradients(two).keys() == {held.name for held in two.held(0) if held.category == "parameters"}:
        assert steady.events == [two.events[index] for index in two.step(1)]


@without_torch
@given(documents())
def test_prediction_takes_no_more_than_training(text: str) -> None:
    network = cnncalc.loads(text)
    training = peak(network, batch=2, training=True, optimizer="", steps=1)
    if training is not None:
        assert training >= peak(network, batch=2)
