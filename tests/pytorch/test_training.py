"""torch.utils.flop_counter prints what `flop_counter` says, over forward and backward passes on the meta device."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.graph import Network
from cnncalc.language.load import zoo_names
from cnncalc.training import training

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.flop_counter import FlopCounterMode

from cnncalc.pytorch.build import build, layer_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from random_networks import documents

BATCH = 2


def printed(network: Network, frozen: Sequence[str] = (), batch: int = BATCH) -> int:
    """FLOPs of a batch, forward and backward from every output, as torch counts them."""
    module = build(network, "meta")
    for node in network:
        for name, parameter in layer_of(module, node.name).named_parameters():
            if any(fnmatchcase(f"{node.name}.{name}", pattern) for pattern in frozen):
                parameter.requires_grad_(False)
    images = [torch.empty(batch, *value.output, device="meta") for value in network.inputs]
    with FlopCounterMode(display=False) as counter:
        outputs = module(*images)
        ends = [end for end in (outputs if isinstance(outputs, tuple) else (outputs,)) if end.requires_grad]
        if ends:
            torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
    total: int = counter.get_total_flops()
    return total


def agree(network: Network, frozen: Sequence[str] = ()) -> None:
    report = training(network, frozen)
    assert printed(network, frozen) == BATCH * report.flop_counter
    if all(layer.flop_counter == 2 * layer.total for layer in report.layers):
        assert printed(network, frozen) == BATCH * report.flops


@pytest.mark.parametrize("name", zoo_names())
@pytest.mark.filterwarnings("ignore")
def test_the_zoo(name: str) -> None:
    agree(cnncalc.load(name))


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("resnet18", ["layer1.*", "layer3.*"]),
        ("resnet18", ["conv1.*", "layer[12].*"]),
        ("resnet18", ["*.weight"]),
        ("mobilenet_v2", ["*.bias", "conv1.*"]),
        ("googlenet_aux", ["inception3*", "conv?.*"]),
        ("unet", ["*.bias"]),
        ("vgg16", ["stage*"]),
        ("vgg16", ["*"]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_zoo_partly_frozen(name: str, frozen: list[str]) -> None:
    agree(cnncalc.load(name), frozen)


def test_the_measured_networks() -> None:
    """torchvision's, with the first convolution, measured: shared MACs, and so shared gradients."""
    assert printed(cnncalc.load("vgg16")) == 185_296_355_328
    assert printed(cnncalc.load("resnet50")) == 48_598_155_264


# Each kind alone, behind a layer that needs a gradient, where torch counts it by itself.
KINDS = [
    pytest.param("conv: {out_channels: 6, kernel_size: 3, padding: 1}", 1, id="conv"),
    pytest.param("conv: {out_channels: 6, kernel_size: 3, stride: 2, dilation: 2, padding: 2}", 1, id="strided"),
    pytest.param("conv: {out_channels: 6, kernel_size: 3, padding: same, stride: 2}", 1, id="same"),
    pytest.param("conv: {out_channels: 6, kernel_size: 2, groups: 2, padding: 1, bias: false}", 2, id="grouped"),
    pytest.param("depthwise_conv: {kernel_size: 3, padding: 1}", 4, id="depthwise"),
    pytest.param("depthwise_conv: {kernel_size: 2, multiplier: 3}", 4, id="depthwise-multiplied"),
    pytest.param("conv_transpose: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1}", 1, id="transposed"),
    pytest.param("conv_transpose: {out_channels: 6, kernel_size: 2, groups: 2}", 2, id="transposed-grouped"),
    pytest.param("conv_transpose: {out_channels: 4, kernel_size: 2, groups: 4}", 4, id="transposed-depthwise"),
    pytest.param("locally_connected: {out_channels: 3, kernel_size: 2}", 1, id="locally-connected"),
    pytest.param("linear: 7", 1, id="linear"),
    pytest.param("linear: {out_features: 7, bias: false}", 1, id="linear-without-bias"),
    pytest.param("conv: {out_channels: 2, kernel_size: 2, connections: [[0, 3], [1, 2, 3]]}", 5, id="connections"),
]


@pytest.mark.parametrize("input", [[4, 9], [4, 6, 7], [4, 5, 4, 6]], ids=["1-d", "2-d", "3-d"])
@pytest.mark.parametrize(("layer", "groups"), KINDS)
@pytest.mark.parametrize(
    ("frozen", "weights", "inputs"),
    [([], 1, 1), (["it.weight"], 0, 1), (["before.*"], 1, 0), (["before.weight", "it.weight"], 0, 1), (["*"], 0, 0)],
    ids=["trained", "weight-frozen", "before-frozen", "bias-before", "frozen"],
)
def test_each_kind(input: list[int], layer: str, groups: int, frozen: list[str], weights: int, inputs: int) -> None:
    network = cnncalc.loads(
        f"input: {input}\nlayers:\n  - {{name: before, scale: {{bias: true}}}}\n  - {{name: it, {layer}}}\n"
    )
    macs = network["it"].facts.macs
    assert printed(network, frozen) == BATCH * 2 * macs * (1 + groups * weights + inputs)
    (row,) = training(network, frozen).layers
    assert (row.to_weights, row.to_inputs) == (weights * macs, inputs * macs)
    assert row.flop_counter == 2 * macs * (1 + groups * weights + inputs)


def test_a_batch_of_n_takes_n_times_as_much() -> None:
    network = cnncalc.load("mnist_cnn")
    assert printed(network, batch=7) == 7 * training(network).flop_counter


@pytest.mark.parametrize(
    "frozen", [[], ["before.*"], ["filters.*"], ["*"]], ids=lambda names: " ".join(names) or "none"
)
def test_computed_filters(frozen: list[str]) -> None:
    """The images of a batch are groups to torch, so that the gradient to the filters is counted for each pair."""
    network = cnncalc.loads("""
        input: 6x7x4
        layers:
          - {name: before, scale: {bias: true}}
          - {name: filters, from: input, linear: 36}
          - dynamic_conv: {paths: [before, filters], out_channels: 2, kernel_size: 3, groups: 2}
        """)
    report = training(network, frozen)
    to_filters = 0 if set(frozen) & {"filters.*", "*"} else 2 * 2 * network["dynamic_conv"].facts.macs
    assert printed(network, frozen, batch=1) == report.flop_counter
    assert printed(network, frozen, batch=3) == 3 * (report.flop_counter + 2 * to_filters)


@seed(21)
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(documents(), st.data())
@pytest.mark.filterwarnings("ignore")
def test_random_networks_partly_frozen(text: str, data: st.DataObject) -> None:
    network = cnncalc.loads(text)
    names = [
        f"{node.name}.{parameter.name}"
        for node in network
        for parameter in node.facts.parameters
        if parameter.role in ("weight", "bias")
    ]
    frozen = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else ()
    if any(node.layer.kind == "dynamic_conv" for node in network):
        assert printed(network, frozen, batch=1) == training(network, frozen).flop_counter
    else:
        agree(network, frozen)
