"""How others count: small layers by hand, published networks, and what every convention has to be."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import pytest

import cnncalc
from cnncalc.conventions import CONVENTIONS, OWN_CODE, Convention, entries
from cnncalc.counting import count
from cnncalc.layers import KINDS
from cnncalc.layers.base import Operations


def amounts(document: str) -> dict[str, int]:
    """Every convention's total of a document."""
    return {each.convention: each.total for each in count(cnncalc.loads(document)).counts}


# One convolution, a batch norm and a ReLU, by hand -------------------------------------------------------------------

# 5x4x3 to 5x4x6 (padding 1): 120 outputs of 27 products, so 3,240 MACs; 120 values go through the norm and the ReLU.
SMALL = """\
input: 5x4x3
layers:
  - conv: {out_channels: 6, kernel_size: 3, padding: 1}
  - batch_norm
  - relu
"""
BY_HAND = {
    "macs": 3240,
    "multiplies": 3240 + 120,
    "flops": 2 * 3240 + 120 + (120 + 120) + 120,
    "courses": 3240,
    "torchvision": 3240,
    "darknet": 2 * 3240,
    "pycls": 3240 + 6,
    "pycls_activations": 120,
    "flop_counter": 2 * 3240,
    "fvcore": 3240 + 2 * 120,
    "fvcore_activations": 120,
    "timm_gmacs": 3240 + 2 * 120,
    "timm_macts": 120,
    "torchinfo": 3240 + 120 + 2 * 6,
    "ptflops_pytorch": 3240 + 120 + 2 * 120 + 2 * 120,
    "ptflops_aten": 3240 + 120,
    "thop": 3240 + 4 * 120,
    "calflops_flops": 2 * 3240 + 120 + 2 * 120 + 120,
    "calflops_macs": 3240,
    "deepspeed_flops": 2 * 3240 + 120 + 2 * 120 + 120,
    "deepspeed_macs": 3240,
    "torchprofile": 3240 + 120,
    "onnx_tool": 3240 + 120 + 120,
    "onnx_tool_dynamo": 3240 + 120 + 120,
    "onnx_tool_unfolded": 3240 + 120 + 31 * 120 + 120,
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_small_network_by_hand(name: str) -> None:
    assert amounts(SMALL)[name] == BY_HAND[name]


def test_our_flops_are_every_operation_of_the_ledger() -> None:
    for name in ("lenet5", "unet", "se_resnet50"):
        network = cnncalc.load(name)
        (flops,) = count(network, [CONVENTIONS["flops"]]).counts
        assert flops.total == sum(cnncalc.analyze(network).totals.operations.values())


def test_our_flops_state_every_sort_of_operation() -> None:
    stated = {part.words.split(" of all other")[0].replace(" ", "_") for part in _parts("flops")}
    assert set(Operations._fields) <= stated


def _parts(name: str) -> list[object]:
    return list(CONVENTIONS[name].terms)


# What the code does with a layer --------------------------------------------------------------------------------------


def with_relu(**beside: bool) -> dict[str, int]:
    written = ", ".join(f"{key}: {str(value).lower()}" for key, value in beside.items())
    return amounts(f"input: 6x5x4\nlayers:\n  - {{relu: {{}}, {written}}}\n")


def test_a_function_is_counted_otherwise_than_a_module() -> None:
    values = 6 * 5 * 4
    module, function = with_relu(functional=False), with_relu(functional=True)
    assert (module["ptflops_pytorch"], function["ptflops_pytorch"]) == (2 * values, values)
    assert (module["calflops_flops"], function["calflops_flops"]) == (values, values)
    assert module["fvcore"] == function["fvcore"] == 0


def test_hooks_do_not_see_a_convolution_called_as_a_function() -> None:
    text = "input: 6x5x4\nlayers:\n  - {conv: {out_channels: 2, kernel_size: 1}, functional: true}\n"
    counted, macs = amounts(text), 6 * 5 * 4 * 2
    assert counted["torchinfo"] == counted["ptflops_pytorch"] == counted["thop"] == 0
    assert counted["fvcore"] == counted["ptflops_aten"] - 6 * 5 * 2 == counted["deepspeed_macs"] == macs


def test_an_activation_fused_into_a_layer_is_counted_as_a_layer() -> None:
    fused = "input: 6x5x4\nlayers:\n  - conv: {out_channels: 2, kernel_size: 1, activation: relu}\n"
    apart = "input: 6x5x4\nlayers:\n  - conv: {out_channels: 2, kernel_size: 1}\n  - relu\n"
    assert amounts(fused) == amounts(apart)


def test_a_function_is_an_operator_or_a_call_of_torch() -> None:
    text = "input: 6x5x4\nlayers:\n  - {{add: [relu, tanh], functional: {}}}\n"
    values = 6 * 5 * 4
    assert amounts(text.format("true"))["deepspeed_flops"] == amounts(text.format("false"))["deepspeed_flops"] + values


# A transposed convolution with groups, of which no two tools think the same.
def test_a_transposed_convolution_by_hand() -> None:
    """4 maps of 5x3 to 6 maps of 11x7 in 2 groups: kernel 3x3, stride 2; 12·9 = 4·3·9 weights."""
    text = "input: 5x3x4\nlayers:\n  - conv_transpose: {out_channels: 6, kernel_size: 3, stride: 2, groups: 2}\n"
    counted = amounts(text)
    inputs, outputs, bias = 4 * 5 * 3, 6 * 11 * 7, 6 * 11 * 7
    macs = inputs * 9 * (6 // 2)
    assert counted["macs"] == counted["fvcore"] == counted["deepspeed_macs"] == macs
    assert counted["flop_counter"] == 2 * macs
    assert counted["torchinfo"] == 4 * 3 * 9 * 11 * 7 + bias
    assert counted["thop"] == outputs * (4 // 2) * 9
    assert counted["ptflops_pytorch"] == counted["ptflops_aten"] == macs + bias
    assert counted["deepspeed_flops"] == 2 * macs + bias
    # The filters over the groups once more, 3 // 2 = 1; the output as if it were a convolution's, 2x1.
    assert counted["calflops_macs"] == inputs * 9 * 1
    assert counted["calflops_flops"] == 2 * inputs * 9 * 1 + 3 * 2 * 1
    assert counted["torchprofile"] == outputs * 4 * 9


# Published ------------------------------------------------------------------------------------------------------------

DARKNET = """\
input: 256x256x3
blocks:
  unit:
    args: {out: null, kernel: 3, stride: 1}
    layers:
      - conv: {out_channels: out, kernel_size: kernel, stride: stride, padding: kernel // 2, bias: false}
      - batch_norm
      - leaky_relu: 0.1
"""
# Redmon & Farhadi 2017, "YOLO9000", table 6.
DARKNET_19 = (
    DARKNET
    + """\
  pair:
    args: {width: null, times: null}
    layers:
      - unit: {out: width}
      - unit: {out: width // 2 if i == 0 else width, kernel: 1 if i == 0 else 3}
        repeat: times
layers:
  - unit: {out: 32}
  - max_pool: 2
  - unit: {out: 64}
  - max_pool: 2
  - pair: {width: 128, times: 2}
  - max_pool: 2
  - pair: {width: 256, times: 2}
  - max_pool: 2
  - unit: {out: 512}
  - unit: {out: "256 if i % 2 == 0 else 512", kernel: "1 if i % 2 == 0 else 3"}
    repeat: 4
  - max_pool: 2
  - unit: {out: 1024}
  - unit: {out: "512 if i % 2 == 0 else 1024", kernel: "1 if i % 2 == 0 else 3"}
    repeat: 4
  - conv: {out_channels: 1000, kernel_size: 1}
  - global_avg_pool
"""
)


def test_darknet_as_its_paper_prints_it() -> None:
    """7.29 Bn Ops: Redmon & Farhadi 2018, table 2."""
    (counted,) = count(cnncalc.loads(DARKNET_19), [CONVENTIONS["darknet"]]).counts
    assert abs(Fraction(counted.total, 10**9) - Fraction("7.29")) * 2 <= Fraction("0.01")


# What every convention has to be --------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=list(CONVENTIONS))
def test_a_convention_is_whole(convention: Convention) -> None:
    assert all([convention.title, convention.version, convention.source, convention.says, convention.terms])
    assert (convention.unit > 1) == (convention.digits > 0)
    for term in convention.terms:
        assert term.kinds is None or term.kinds <= KINDS.keys()
        assert term.times >= 1
        if term.kinds is not None:
            assert not term.kinds & OWN_CODE, f"{term.words}: nothing is known of a kind that torch has no module for"


def test_tools_say_nothing_of_what_torch_has_no_module_for() -> None:
    text = "input: 6x5x4\nlayers:\n  - {name: own, l2_norm: {}}\n  - conv: {out_channels: 2, kernel_size: 1}\n"
    for each in count(cnncalc.loads(text)).counts:
        ours = each.convention in ("macs", "multiplies", "flops", "courses", "torchvision", "darknet")
        assert each.untold == ([] if ours else ["own"])


def test_a_table_of_connections_is_the_authors_own_code() -> None:
    text = "input: 6x5x2\nlayers:\n  - conv: {out_channels: 2, kernel_size: 1, connections: [[0], [0, 1]]}\n"
    (counted,) = count(cnncalc.loads(text), [CONVENTIONS["fvcore"]]).counts
    assert counted.untold == ["conv"]
    assert counted.total == 0


def test_the_ledger_of_a_network_has_its_layers_in_order() -> None:
    text = "input: 6x5x4\nlayers:\n  - conv: {out_channels: 2, kernel_size: 1, activation: tanh}\n  - relu\n"
    assert [(entry.node.name, entry.kind) for entry in entries(cnncalc.loads(text))] == [
        ("conv", "conv"),
        ("conv", "tanh"),
        ("relu", "relu"),
    ]


@pytest.mark.parametrize(
    ("layers", "folded"),
    [
        ("[{conv: {out_channels: 2, kernel_size: 1}}, batch_norm]", ["conv", "batch_norm"]),
        ("[{conv_transpose: {out_channels: 2, kernel_size: 1}}, batch_norm]", ["conv_transpose", "batch_norm"]),
        ("[{conv: {out_channels: 2, kernel_size: 1}}, relu, batch_norm]", []),
        ("[{conv: {out_channels: 2, kernel_size: 1, activation: relu}}, batch_norm]", []),
        ("[{linear: 3}, batch_norm]", []),
        ("[batch_norm]", []),
        # Somebody else reads the convolution.
        ("[{conv: {out_channels: 2, kernel_size: 1}}, {add: [batch_norm, identity]}]", []),
    ],
)
def test_what_folds_into_a_convolution(layers: str, folded: list[str]) -> None:
    network = cnncalc.loads(f"input: 6x5x4\nlayers: {layers}\n")
    assert [entry.node.name for entry in entries(network) if entry.folded] == folded


# What the tools print -------------------------------------------------------------------------------------------------

DATA = Path(__file__).parent / "data"
MEASURED = list(csv.DictReader((DATA / "tool_kinds.csv").read_text("utf-8").splitlines()))
KEYS = ("kind", "fields", "call", "before", "input")
LAYERS = dict.fromkeys(tuple(row[key] for key in KEYS) for row in MEASURED)


def after_a_convolution(kind: str, fields: str, call: str, before: str, input: str, with_layer: bool) -> str:
    """The network that the tools were given: a convolution, perhaps a ReLU or a flattening, the layer.

    A merge joins that convolution and one that reads it.
    """
    layers: list[object] = [{"conv": {"out_channels": 8, "kernel_size": 3, "bias": False}}]
    layers += [before] if before else []
    beside = {"functional": call == "functional"}
    if kind in ("add", "subtract", "multiply", "divide", "mean", "concat", "matmul"):
        second = {"conv": {"out_channels": 8, "kernel_size": 3, "padding": 1, "bias": False}}
        layers.append(
            {kind: {**json.loads(fields), "paths": ["identity", [second]]}, **beside} if with_layer else second
        )
    elif with_layer:
        layers.append({kind: json.loads(fields), **beside})
    return json.dumps({"input": input, "layers": layers})


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: "-".join(filter(None, layer)))
def test_a_layer_as_the_tools_count_it(layer: tuple[str, ...]) -> None:
    rows = {row["tool"]: int(row["extra"]) for row in MEASURED if tuple(row[key] for key in KEYS) == layer}
    with_it, without = [
        {each.convention: each for each in count(cnncalc.loads(after_a_convolution(*layer, with_layer=there))).counts}
        for there in (True, False)
    ]
    told = [tool for tool in rows if not with_it[tool].untold]
    assert len(told) >= 6
    assert {tool: with_it[tool].total - without[tool].total for tool in told} == {tool: rows[tool] for tool in told}


# What no tool prints: ours, and the rules of papers and of programs for networks of their own.
OF_NO_TOOL = {"macs", "multiplies", "flops", "courses", "darknet", "pycls", "pycls_activations"}

# torchvision's models as the documents of the zoo have them.
MODELS = {"alexnet": "alexnet_torchvision", "vgg16": "vgg16_torchvision"}
PRINTED = {
    (row["model"], row["tool"]): row["value"]
    for row in csv.DictReader((DATA / "tool_counts.csv").read_text("utf-8").splitlines())
}


@pytest.mark.parametrize("model", sorted({model for model, _ in PRINTED}))
def test_a_network_as_the_tools_count_it(model: str) -> None:
    """Every convention of a tool equals what the tool prints for torchvision's model, to the unit."""
    counts = {each.convention: each for each in count(cnncalc.load(MODELS.get(model, model))).counts}
    printed = {tool.replace("torchvision_ops", "torchvision"): PRINTED[model, tool] for _, tool in PRINTED}
    assert printed.keys() == counts.keys() - OF_NO_TOOL
    assert {name: counts[name].prints or str(counts[name].total) for name in printed} == printed
