"""Designs that save: what is recognised, against networks that have what is replaced; and known networks by hand."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import cnncalc
from cnncalc.graph import Network
from cnncalc.layers.base import Filters
from cnncalc.passes.savings import SORTS, Saving, savings
from cnncalc.render.expression import text


def load_printed() -> Any:
    spec = importlib.util.spec_from_file_location("printed", Path(__file__).parents[1] / "printed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


printed = load_printed()
COURSE_FACTS = Path(__file__).parent.parent / "data" / "course_facts.yaml"


def network(input: str, layers: str) -> Network:
    return cnncalc.loads(f"input: {input}\nlayers:\n{layers}")


def found(input: str, layers: str) -> list[Saving]:
    return savings(network(input, layers))


def sorts(savings: list[Saving]) -> dict[str, list[list[str]]]:
    """The layers of each finding, by sort."""
    names: dict[str, list[list[str]]] = {}
    for saving in savings:
        names.setdefault(saving.sort, []).append([node.name for node in saving.layers])
    return names


def zoo(name: str) -> dict[tuple[str, ...], Saving]:
    """Findings in a network of the zoo, by their sort and the names of their layers."""
    return {(saving.sort, *[node.name for node in saving.layers]): saving for saving in savings(cnncalc.load(name))}


def numbers(saving: Saving) -> tuple[int, int, int, int]:
    """Parameters without and with, MACs without and with."""
    return (
        saving.without.parameters.value,
        saving.having.parameters.value,
        saving.without.macs.value,
        saving.having.macs.value,
    )


# What a convolution is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "filters"),
    [
        (
            "conv: {out_channels: 6, kernel_size: [3, 1], stride: [1, 2], dilation: [2, 1], groups: 2, bias: false}",
            Filters((3, 1), (1, 2), (2, 1), 2, 4, 6, False),
        ),
        ("depthwise_conv: {kernel_size: 3, multiplier: 2}", Filters((3, 3), (1, 1), (1, 1), 4, 4, 8, True)),
        ("conv: {out_channels: 1, kernel_size: 3, connections: [[0, 2]]}", None),  # not across all channels
        ("locally_connected: {out_channels: 2, kernel_size: 3}", None),  # not the same at every position
        ("conv_transpose: {out_channels: 2, kernel_size: 3}", None),
        ("max_pool: 2", None),
        ("linear: 3", None),
    ],
)
def test_filters(layer: str, filters: Filters | None) -> None:
    (node,) = network("7x9x4", f"  - {layer}")
    assert node.layer.filters((4, 7, 9)) == filters


# Against what is replaced, built --------------------------------------------------------------------------------------

CONV3 = "conv: {out_channels: 5, kernel_size: 3, padding: 1}"
PAIRS = [
    pytest.param(
        "bottleneck",
        "13x10x8",
        ["conv: {out_channels: 3, kernel_size: 1}", "conv: {out_channels: 5, kernel_size: [3, 5], stride: [2, 1]}"],
        ["conv: {out_channels: 5, kernel_size: [3, 5], stride: [2, 1]}"],
        id="bottleneck-oblong-strided",
    ),
    pytest.param(
        "bottleneck",
        "13x10x8",
        [
            "conv: {out_channels: 3, kernel_size: 1, bias: false}",
            "batch_norm",
            "relu",
            "dropout",
            "conv: {out_channels: 4, kernel_size: 3, dilation: 2, bias: false}",
            "group_norm: 2",
            "conv: {out_channels: 9, kernel_size: 1}",
        ],
        ["conv: {out_channels: 9, kernel_size: 3, dilation: 2}"],
        id="bottleneck-and-up-again",
    ),
    pytest.param(
        "bottleneck",
        "13x10x8",
        ["conv: {out_channels: 3, kernel_size: 1, stride: 2}", "conv: {out_channels: 5, kernel_size: 3, padding: 1}"],
        ["conv: {out_channels: 5, kernel_size: 3, padding: 1, stride: 2}"],
        id="bottleneck-strided-in-the-1x1",
    ),
    pytest.param(
        "bottleneck",
        "40x6",
        ["conv: {out_channels: 2, kernel_size: 1}", "conv: {out_channels: 5, kernel_size: 9, stride: 3}"],
        ["conv: {out_channels: 5, kernel_size: 9, stride: 3}"],
        id="bottleneck-1d",
    ),
    pytest.param(
        "bottleneck",
        "9x10x8",
        [
            "conv: {out_channels: 3, kernel_size: 1}",
            "relu",
            "concat: [[{conv: {out_channels: 4, kernel_size: 1}}], [{conv: {out_channels: 5, kernel_size: 3, "
            "padding: 1, bias: false}}]]",
        ],
        [
            "concat: [[{conv: {out_channels: 4, kernel_size: 1}}], [{conv: {out_channels: 5, kernel_size: 3, "
            "padding: 1, bias: false}}]]",
        ],
        id="bottleneck-read-twice",
    ),
    pytest.param(
        "separable",
        "13x10x8",
        [
            "depthwise_conv: {kernel_size: 3, stride: 2, padding: same}",
            "relu",
            "conv: {out_channels: 5, kernel_size: 1}",
        ],
        ["conv: {out_channels: 5, kernel_size: 3, stride: 2, padding: same}"],
        id="separable",
    ),
    pytest.param(
        "separable",
        "6x7x8x4",
        [
            "conv: {out_channels: 12, kernel_size: [1, 3, 3], groups: 4, bias: false}",
            "conv: {out_channels: 5, kernel_size: 1, stride: [2, 1, 1], bias: false}",
        ],
        ["conv: {out_channels: 5, kernel_size: [1, 3, 3], stride: [2, 1, 1], bias: false}"],
        id="separable-3d-three-a-channel",
    ),
    pytest.param(
        "grouped",
        "13x10x8",
        ["conv: {out_channels: 12, kernel_size: 5, padding: 1, groups: 4}"],
        ["conv: {out_channels: 12, kernel_size: 5, padding: 1}"],
        id="grouped",
    ),
    pytest.param(
        "grouped",
        "13x10x8",
        ["depthwise_conv: {kernel_size: 3, multiplier: 2, bias: false}"],
        ["conv: {out_channels: 16, kernel_size: 3, bias: false}"],
        id="depthwise-alone",
    ),
    pytest.param(
        "factorized",
        "13x10x8",
        [
            "conv: {out_channels: 6, kernel_size: [1, 7], stride: [1, 2], padding: [0, 3]}",
            "relu",
            "conv: {out_channels: 5, kernel_size: [3, 1], dilation: [2, 1], padding: [1, 0]}",
        ],
        ["conv: {out_channels: 5, kernel_size: [3, 7], stride: [1, 2], dilation: [2, 1], padding: [1, 3]}"],
        id="factorized-oblong-strided-dilated",
    ),
    pytest.param(
        "factorized",
        "6x7x8x4",  # R(2+1)D, Tran et al. 2018: space, then time
        [
            "conv: {out_channels: 9, kernel_size: [1, 3, 3], bias: false}",
            "batch_norm",
            "relu",
            "conv: {out_channels: 5, kernel_size: [3, 1, 1], bias: false}",
        ],
        ["conv: {out_channels: 5, kernel_size: 3, bias: false}"],
        id="factorized-3d",
    ),
    pytest.param(
        "side_by_side",
        "13x10x8",
        [
            "concat: [[{conv: {out_channels: 4, kernel_size: [1, 3], padding: [0, 1]}}], [{conv: {out_channels: 6, "
            "kernel_size: [3, 1], padding: [1, 0]}}]]"
        ],
        ["conv: {out_channels: 10, kernel_size: 3, padding: 1}"],
        id="side-by-side",
    ),
    pytest.param(
        "stack",
        "13x10x8",
        ["conv: {out_channels: 6, kernel_size: 3, padding: 1}", "relu", CONV3],
        ["conv: {out_channels: 5, kernel_size: 5, padding: 2}"],
        id="stack",
    ),
    pytest.param(
        "stack",
        "19x16x8",
        [
            "conv: {out_channels: 6, kernel_size: [3, 5], dilation: 2}",
            "conv: {out_channels: 7, kernel_size: [2, 3], dilation: 2, bias: false}",
            "conv: {out_channels: 5, kernel_size: 3, dilation: 2, padding: 3, bias: false}",
        ],
        # 3 + 2 + 3 - 2 = 6 and 5 + 3 + 3 - 2 = 9 positions
        ["conv: {out_channels: 5, kernel_size: [6, 9], dilation: 2, padding: 3, bias: false}"],
        id="stack-oblong-dilated-unpadded",
    ),
    pytest.param(
        "stack",
        "40x6",
        ["conv: {out_channels: 6, kernel_size: 3}", "conv: {out_channels: 5, kernel_size: 4}"],
        ["conv: {out_channels: 5, kernel_size: 6}"],
        id="stack-1d",
    ),
    pytest.param("pooled", "7x9x4", ["global_avg_pool", "linear: 5"], ["flatten", "linear: 5"], id="pooled"),
    pytest.param(
        "pooled",
        "7x9x4",
        ["avg_pool: [7, 9]", "flatten", "dropout", "linear: {out_features: 5, bias: false}"],
        ["linear: {out_features: 5, bias: false}"],
        id="pooled-by-a-window",
    ),
    pytest.param(
        "pooled",
        "3x7x9x4",
        ["adaptive_avg_pool: 1", "conv: {out_channels: 5, kernel_size: 1}"],
        ["conv: {out_channels: 5, kernel_size: [3, 7, 9]}"],
        id="pooled-before-a-1x1",
    ),
    pytest.param(
        "pooled",
        "9x4",
        ["global_max_pool", "concat: [[{linear: 3}], [{linear: {out_features: 5, bias: false}}]]"],
        ["concat: [[{linear: 3}], [{linear: {out_features: 5, bias: false}}]]"],
        id="pooled-before-two",
    ),
]


def document(layers: list[str]) -> str:
    return "\n".join(f"  - {layer}" for layer in layers)


@pytest.mark.parametrize(("sort", "input", "design", "plain"), PAIRS)
def test_prices_are_those_of_both_networks(sort: str, input: str, design: list[str], plain: list[str]) -> None:
    """The network with the design, and the one without it: the same output, and the counts of their own layers."""
    here, there = network(input, document(design)), network(input, document(plain))
    (saving,) = [saving for saving in savings(here) if saving.sort == sort]
    assert [value.output for value in here.outputs] == [value.output for value in there.outputs]

    def weighted(net: Network) -> tuple[int, int]:
        facts = [node.facts for node in net if node.facts.macs]
        return sum(fact.weights + fact.biases for fact in facts), sum(fact.macs for fact in facts)

    parameters, macs = weighted(there)
    parameters_with, macs_with = weighted(here)
    assert numbers(saving) == (parameters, parameters_with, macs, macs_with)


@pytest.mark.parametrize(("sort", "input", "design", "plain"), PAIRS)
def test_what_is_replaced_is_not_recognised(sort: str, input: str, design: list[str], plain: list[str]) -> None:
    assert sort not in sorts(found(input, document(plain)))


@pytest.mark.parametrize("name", ["googlenet_aux", "inception_v3", "xception", "densenet121", "se_resnet50", "unet"])
def test_each_derivation_comes_to_its_value(name: str) -> None:
    """The numbers filled in, added up anew; and the layers' own counts."""
    every = savings(cnncalc.load(name))
    assert every
    for saving in every:
        for number in (*saving.without, *saving.having):
            filled_in, in_letters = text(number.expression, number.letters), text(number.expression)
            assert printed.value(filled_in) == printed.in_letters(in_letters, number.letters) == number.value
            assert set(re.findall(r"[A-Z]\w*", in_letters)) == set(number.letters)
        facts = [node.facts for node in saving.layers]
        assert saving.having.parameters.value == sum(fact.weights + fact.biases for fact in facts)
        assert saving.having.macs.value == sum(fact.macs for fact in facts)


@pytest.mark.parametrize("name", ["googlenet_aux", "inception_v3", "xception", "densenet121", "se_resnet50", "unet"])
def test_a_letter_is_one_size_in_a_finding(name: str) -> None:
    """With the design and without it, in parameters and in multiplies."""
    for saving in savings(cnncalc.load(name)):
        sizes: dict[str, int] = {}
        for number in (*saving.without, *saving.having):
            for letter, size in number.letters.items():
                assert sizes.setdefault(letter, size) == size


# What is written, by hand: a design of each sort, in letters and with the numbers.
WRITTEN = [
    pytest.param(
        "bottleneck",
        "5x7x8",
        ["conv: {out_channels: 2, kernel_size: 1}", "conv: {out_channels: 4, kernel_size: [3, 1], padding: [1, 0]}"],
        [
            ("N·C·K_h·K_w + N", "4·8·3·1 + 4"),
            ("C_1·C + C_1 + N·C_1·K_h·K_w + N", "2·8 + 2 + 4·2·3·1 + 4"),
            ("E·C·K_h·K_w", "140·8·3·1"),  # 4·5·7 outputs
            ("E_1·C + E·C_1·K_h·K_w", "70·8 + 140·2·3·1"),
        ],
        id="bottleneck",
    ),
    pytest.param(
        "bottleneck",
        "40x6",
        [
            "conv: {out_channels: 2, kernel_size: 1, bias: false}",
            "conv: {out_channels: 2, kernel_size: 9}",
            "conv: {out_channels: 5, kernel_size: 1, bias: false}",
        ],
        [
            ("N·C·K", "5·6·9"),
            ("C_1·C + C_2·C_1·K + C_2 + N·C_2", "2·6 + 2·2·9 + 2 + 5·2"),
            ("E·C·K", "160·6·9"),  # 5·32 outputs
            ("E_1·C + E_2·C_1·K + E·C_2", "80·6 + 64·2·9 + 160·2"),
        ],
        id="bottleneck-1d-and-up-again",
    ),
    pytest.param(
        "bottleneck",
        "9x10x8",
        [
            "conv: {out_channels: 3, kernel_size: 1, bias: false}",
            "concat: [[{conv: {out_channels: 4, kernel_size: 1}}], [{conv: {out_channels: 5, kernel_size: 3, "
            "padding: 1, bias: false}}]]",
        ],
        [
            ("N_2·C + N_2 + N_3·C·K_3h·K_3w", "4·8 + 4 + 5·8·3·3"),
            ("C_1·C + N_2·C_1 + N_2 + N_3·C_1·K_3h·K_3w", "3·8 + 4·3 + 4 + 5·3·3·3"),
            ("E_2·C + E_3·C·K_3h·K_3w", "360·8 + 450·8·3·3"),
            ("E_1·C + E_2·C_1 + E_3·C_1·K_3h·K_3w", "270·8 + 360·3 + 450·3·3·3"),
        ],
        id="bottleneck-read-twice",
    ),
    pytest.param(
        "separable",
        "13x10x8",
        ["depthwise_conv: {kernel_size: 3, padding: 1}", "conv: {out_channels: 5, kernel_size: 1}"],
        [
            ("N·C·K_h·K_w + N", "5·8·3·3 + 5"),
            ("C·K_h·K_w + C + N·C + N", "8·3·3 + 8 + 5·8 + 5"),
            ("E·C·K_h·K_w", "650·8·3·3"),
            ("E_1·K_h·K_w + E·C", "1,040·3·3 + 650·8"),
        ],
        id="separable",
    ),
    pytest.param(
        "separable",
        "6x7x8x4",
        [
            "conv: {out_channels: 12, kernel_size: [1, 3, 3], groups: 4, bias: false}",
            "conv: {out_channels: 5, kernel_size: 1, bias: false}",
        ],
        [
            ("N·C·K_d·K_h·K_w", "5·4·1·3·3"),
            ("C_1·K_d·K_h·K_w + N·C_1", "12·1·3·3 + 5·12"),
            ("E·C·K_d·K_h·K_w", "900·4·1·3·3"),  # 6·5·6 places
            ("E_1·K_d·K_h·K_w + E·C_1", "2,160·1·3·3 + 900·12"),
        ],
        id="separable-3d-three-a-channel",
    ),
    pytest.param(
        "grouped",
        "13x10x8",
        ["conv: {out_channels: 12, kernel_size: 5, padding: 2, groups: 4}"],
        [
            ("N·C·K_h·K_w + N", "12·8·5·5 + 12"),
            ("N·(C/G)·K_h·K_w + N", "12·(8/4)·5·5 + 12"),
            ("E·C·K_h·K_w", "1,560·8·5·5"),
            ("E·(C/G)·K_h·K_w", "1,560·(8/4)·5·5"),
        ],
        id="grouped",
    ),
    pytest.param(
        "factorized",
        "13x10x8",
        [
            "conv: {out_channels: 6, kernel_size: [1, 7], padding: same, bias: false}",
            "conv: {out_channels: 5, kernel_size: [3, 1], padding: same}",
        ],
        [
            ("N·C·K_h·K_w + N", "5·8·3·7 + 5"),
            ("C_1·C·K_1h·K_1w + N·C_1·K_2h·K_2w + N", "6·8·1·7 + 5·6·3·1 + 5"),
            ("E·C·K_h·K_w", "650·8·3·7"),
            ("E_1·C·K_1h·K_1w + E·C_1·K_2h·K_2w", "780·8·1·7 + 650·6·3·1"),
        ],
        id="factorized",
    ),
    pytest.param(
        "side_by_side",
        "13x10x8",
        [
            "concat: [[{conv: {out_channels: 4, kernel_size: [1, 3], padding: [0, 1]}}], [{conv: {out_channels: 6, "
            "kernel_size: [3, 1], padding: [1, 0]}}]]"
        ],
        [
            ("N·C·K_h·K_w + N", "10·8·3·3 + 10"),
            (
                "N_1·C·K_1h·K_1w + N_1 + N_2·C·K_2h·K_2w + N_2",
                "4·8·1·3 + 4 + 6·8·3·1 + 6",
            ),
            ("E·C·K_h·K_w", "1,300·8·3·3"),
            ("E_1·C·K_1h·K_1w + E_2·C·K_2h·K_2w", "520·8·1·3 + 780·8·3·1"),
        ],
        id="side-by-side",
    ),
    pytest.param(
        "stack",
        "40x6",
        ["conv: {out_channels: 6, kernel_size: 3}", "conv: {out_channels: 5, kernel_size: 4}"],
        [
            ("N·C·K + N", "5·6·6 + 5"),
            ("C_1·C·K_1 + C_1 + N·C_1·K_2 + N", "6·6·3 + 6 + 5·6·4 + 5"),
            ("E·C·K", "175·6·6"),  # 40, 38, 35 places
            ("E_1·C·K_1 + E·C_1·K_2", "228·6·3 + 175·6·4"),
        ],
        id="stack-1d",
    ),
    pytest.param(
        "pooled",
        "7x9x4",
        ["global_avg_pool", "linear: 5"],
        [
            ("C·W_h·W_w·N + N", "4·7·9·5 + 5"),
            ("C·N + N", "4·5 + 5"),
            ("C·W_h·W_w·N", "4·7·9·5"),
            ("C·N", "4·5"),
        ],
        id="pooled",
    ),
    pytest.param(
        "pooled",
        "9x4",
        ["global_max_pool", "concat: [[{linear: 3}], [{linear: {out_features: 5, bias: false}}]]"],
        [
            ("C·W·N_1 + N_1 + C·W·N_2", "4·9·3 + 3 + 4·9·5"),
            ("C·N_1 + N_1 + C·N_2", "4·3 + 3 + 4·5"),
            ("C·W·N_1 + C·W·N_2", "4·9·3 + 4·9·5"),
            ("C·N_1 + C·N_2", "4·3 + 4·5"),
        ],
        id="pooled-before-two",
    ),
]


@pytest.mark.parametrize(("sort", "input", "layers", "expected"), WRITTEN)
def test_what_is_written(sort: str, input: str, layers: list[str], expected: list[tuple[str, str]]) -> None:
    """Parameters without and with, multiplies without and with."""
    (saving,) = [saving for saving in found(input, document(layers)) if saving.sort == sort]
    counts = (saving.without.parameters, saving.having.parameters, saving.without.macs, saving.having.macs)
    assert [(text(own.expression), text(own.expression, own.letters)) for own in counts] == expected


# Known networks, by hand ----------------------------------------------------------------------------------------------


def test_the_course_fact() -> None:
    """course_facts.yaml, bottleneck-1x1: 192 maps of 28x28, 16 of 1x1 then 32 of 5x5, against 32 of 5x5."""
    (fact,) = [
        fact for fact in yaml.safe_load(COURSE_FACTS.read_text("utf-8"))["facts"] if fact["id"] == "bottleneck-1x1"
    ]
    given, expect = fact["given"], fact["expect"]
    assert (given["direct"], given["bottleneck"]) == ("32@5x5 same", "16@1x1 then 32@5x5 same")
    channels, height, width = given["input"]
    (saving,) = found(
        f"{height}x{width}x{channels}",
        "  - conv: {out_channels: 16, kernel_size: 1}\n  - conv: {out_channels: 32, kernel_size: 5, padding: same}",
    )
    assert saving.without.macs.value == expect["direct_multiplies"]
    assert saving.having.macs.value == expect["bottleneck_multiplies"]
    assert saving.having.macs.value == expect["reduce_multiplies"] + expect["expand_multiplies"]
    assert round(saving.without.macs.value / saving.having.macs.value, 3) == expect["saving"]


def test_googlenet() -> None:
    """Szegedy et al. 2014, table 1: 3a takes 192 maps of 28x28 through 16 of 1x1 to 32 of 5x5, all with biases."""
    every = zoo("googlenet_paper")
    saving = every["bottleneck", "inception3a.reduce5x5.conv", "inception3a.conv5x5.conv"]
    assert saving.replaces == "5x5 convolution from 192 to 32 channels"
    assert numbers(saving) == (
        153_632,  # 25·192·32 + 32
        15_920,  # 192·16 + 16 + 25·16·32 + 32 = 3,088 + 12,832
        120_422_400,  # 25·192·32·784
        12_443_648,  # 192·16·784 + 25·16·32·784 = 2,408,448 + 10,035,200
    )
    macs = saving.having.macs
    assert text(macs.expression) == "E_1·C + E·C_1·K_h·K_w"
    assert text(macs.expression, macs.letters) == "12,544·192 + 25,088·16·5·5"  # 784·16 and 784·32 outputs
    # two in each of nine modules; the stem's 1x1 goes from 64 channels to 64, and no convolution follows pool_proj
    assert len([key for key in every if key[0] == "bottleneck"]) == 18
    pooled = every["pooled", "pool5", "fc"]
    assert numbers(pooled) == (
        50_177_000,  # 49·1,024·1,000 + 1,000
        1_025_000,  # 1,024·1,000 + 1,000
        50_176_000,
        1_024_000,
    )


def test_googlenet_in_torchvision_has_3x3_for_5x5() -> None:
    saving = zoo("googlenet")["bottleneck", "inception3a.reduce5x5.conv", "inception3a.conv5x5.conv"]
    # no biases: 9·192·32 = 55,296 against 192·16 + 9·16·32 = 3,072 + 4,608
    assert numbers(saving)[:2] == (55_296, 7_680)


def test_inception_v3() -> None:
    """Szegedy et al. 2015, sections 3.1 and 3.2, as Mixed_6b and Mixed_7b have them; no biases."""
    every = zoo("inception_v3")
    seven = every["factorized", "Mixed_6b.conv7x7_2.conv", "Mixed_6b.conv7x7_3.conv"]
    assert seven.replaces == "7x7 convolution from 128 to 192 channels"
    assert numbers(seven) == (
        1_204_224,  # 49·128·192
        286_720,  # 7·128·128 + 7·128·192 = 114,688 + 172,032
        348_020_736,  # 1,204,224·17·17
        82_862_080,  # 286,720·17·17
    )
    beside = every["side_by_side", "Mixed_7b.conv3x3_2.conv1x3.conv", "Mixed_7b.conv3x3_2.conv3x1.conv"]
    assert numbers(beside) == (
        2_654_208,  # 9·384·768
        884_736,  # 2·(3·384·384)
        169_869_312,  # 2,654,208·8·8
        56_623_104,
    )
    stack = every["stack", "Mixed_5b.double3x3_2.conv", "Mixed_5b.double3x3_3.conv"]
    assert numbers(stack) == (
        153_600,  # 25·64·96
        138_240,  # 9·64·96 + 9·96·96 = 55,296 + 82,944
        188_160_000,  # 153,600·35·35
        169_344_000,
    )
    count = {sort: len([key for key in every if key[0] == sort]) for sort in SORTS}
    # A: a 5x5 and a double 3x3, three times. B: one. C: two, four times. D: two. E: two, twice.
    assert count["bottleneck"] == 3 * 2 + 1 + 4 * 2 + 2 + 2 * 2
    # C: one pair of 7 and two, four times; D: one
    assert count["factorized"] == 4 * 3 + 1
    assert count["side_by_side"] == 2 * 2
    # the stem's second and third 3x3, and A's double 3x3; B's ends with stride 2
    assert count["stack"] == 1 + 3
    assert count["pooled"] == 1


def test_resnet_50() -> None:
    """He et al. 2015, figure 5 right: 256 to 64, 3x3, to 256 again; no biases."""
    every = zoo("resnet50")
    block = every["bottleneck", "layer1.1.conv1.conv", "layer1.1.conv2.conv", "layer1.1.conv3.conv"]
    assert block.replaces == "3x3 convolution from 256 to 256 channels"
    assert numbers(block) == (
        589_824,  # 9·256·256
        69_632,  # 256·64 + 9·64·64 + 64·256 = 16,384 + 36,864 + 16,384
        1_849_688_064,  # 589,824·56·56
        218_365_952,  # 69,632·56·56
    )
    strided = every["bottleneck", "layer2.0.conv1.conv", "layer2.0.conv2.conv", "layer2.0.conv3.conv"]
    assert numbers(strided) == (
        1_179_648,  # 9·256·512
        245_760,  # 256·128 + 9·128·128 + 128·512 = 32,768 + 147,456 + 65,536
        924_844_032,  # 1,179,648·28·28
        269_746_176,  # 32,768·56·56 + (147,456 + 65,536)·28·28 = 102,760,448 + 166,985,728
    )
    # 16 blocks but the first, whose 1x1 goes from 64 channels to 64
    assert len([key for key in every if key[0] == "bottleneck"]) == 15


def test_the_paper_strides_in_the_1x1() -> None:
    every = zoo("resnet50_paper")
    strided = every["bottleneck", "layer2.0.conv1.conv", "layer2.0.conv2.conv", "layer2.0.conv3.conv"]
    assert strided.having.macs.value == 245_760 * 28 * 28


def test_mobilenet() -> None:
    """Howard et al. 2017: 569 and 4,866 million mult-adds, 4.2 and 29.3 million parameters (table 4)."""
    net = cnncalc.load("mobilenet_v1")
    separable = [saving for saving in savings(net) if saving.sort == "separable"]
    assert len(separable) == 13
    first = separable[0]
    assert numbers(first) == (
        18_432,  # 9·32·64
        2_336,  # 9·32 + 32·64 = 288 + 2,048
        231_211_008,  # 18,432·112·112
        29_302_784,  # 2,336·112·112
    )
    macs = sum(node.facts.macs for node in net)
    parameters = sum(node.facts.weights + node.facts.biases for node in net)
    more_macs = sum(saving.without.macs.value - saving.having.macs.value for saving in separable)
    more = sum(saving.without.parameters.value - saving.having.parameters.value for saving in separable)
    assert (round(macs / 1e6), round(parameters / 1e6, 1)) == (569, 4.2)
    assert round((parameters + more) / 1e6, 1) == 29.3
    # the table's 4,866 million leave out the dense layer, which its 569 million count
    assert round((macs + more_macs - 1024 * 1000) / 1e6) == 4866


def test_mobilenet_ratio() -> None:
    """Howard et al. 2017, section 3.1: the cost is 1/N + 1/K of a full convolution's, where no biases are counted."""
    for saving in savings(cnncalc.load("mobilenet_v1")):
        if saving.sort == "separable":
            outputs = saving.layers[1].output[0]
            without, having, *_ = numbers(saving)
            assert having * 9 * outputs == without * (9 + outputs)


def test_vgg_16() -> None:
    """Simonyan & Zisserman 2014, section 2.3: three 3x3 are 27·C², one 7x7 is 49·C², 81 % more."""
    every = zoo("vgg16")
    assert [key[0] for key in every] == ["stack"] * 5
    last = every["stack", "stage5.conv.0", "stage5.conv.1", "stage5.conv.2"]
    assert numbers(last) == (
        12_845_568,  # 49·512·512 + 512
        7_079_424,  # 27·512·512 + 3·512
        2_517_630_976,  # 49·512·512·14·14
        1_387_266_048,  # 27·512·512·14·14
    )
    assert last.equal_widths == "27·C² in place of 49·C²"
    assert 100 * 49 // 27 - 100 == 81
    first = every["stack", "stage1.conv.0", "stage1.conv.1"]
    # from 3 channels the stack costs more: 25·3·64 + 64, and 9·3·64 + 64 + 9·64·64 + 64
    assert numbers(first)[:2] == (4_864, 38_720)
    assert first.equal_widths == "18·C² in place of 25·C²"


def test_alexnet_on_two_gpus() -> None:
    every = zoo("alexnet")
    assert list(every) == [("grouped", "conv2"), ("grouped", "conv4"), ("grouped", "conv5")]
    second = every["grouped", "conv2"]
    assert numbers(second)[:2] == (614_656, 307_456)  # 25·96·256 + 256, and 25·48·256 + 256
    parameters = second.having.parameters
    assert text(parameters.expression, parameters.letters) == "256·(96/2)·5·5 + 256"


def test_squeezenet() -> None:
    """Iandola et al. 2016, figure 1: fire3 squeezes 128 maps to 16, and expands them to 64 of 1x1 and 64 of 3x3."""
    every = zoo("squeezenet1_1")
    fire = every["bottleneck", "fire3.squeeze1x1", "fire3.expand1x1", "fire3.expand3x3"]
    assert numbers(fire)[:2] == (
        82_048,  # 128·64 + 64 + 9·128·64 + 64 = 8,256 + 73,792
        12_432,  # 128·16 + 16 + 16·64 + 64 + 9·16·64 + 64 = 2,064 + 1,088 + 9,280
    )
    assert {key[0] for key in every} == {"bottleneck"}  # it ends in a pool, and no dense layer


def test_inverted_bottlenecks_are_not_bottlenecks() -> None:
    """MobileNet v2 widens before its 3x3; that the 3x3 is separable saves."""
    assert {key[0] for key in zoo("mobilenet_v2")} == {"separable", "pooled"}


# What is not recognised -----------------------------------------------------------------------------------------------

WIDE = "conv: {out_channels: 6, kernel_size: 3, padding: 1}"


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(["conv: {out_channels: 8, kernel_size: 1}", WIDE], id="no-fewer-channels"),
        pytest.param(["conv: {out_channels: 4, kernel_size: 1, groups: 2}", WIDE], id="a-1x1-in-groups"),
        pytest.param(
            ["conv: {out_channels: 4, kernel_size: 1}", "conv: {out_channels: 6, kernel_size: 3, groups: 2}"],
            id="then-in-groups",
        ),
        pytest.param(["conv: {out_channels: 4, kernel_size: 1}", "max_pool: 2", WIDE], id="a-pool-between"),
        pytest.param(
            ["conv: {out_channels: 4, kernel_size: 1}", "conv: {out_channels: 6, kernel_size: 1}"], id="two-1x1"
        ),
        pytest.param(
            ["{name: small, conv: {out_channels: 4, kernel_size: 1}}", WIDE, "concat: [identity, small]"],
            id="read-by-a-merge-too",
        ),
        pytest.param(
            ["conv: {out_channels: 4, kernel_size: 1}", "depthwise_conv: 3", "conv: {out_channels: 6, kernel_size: 1}"],
            id="then-depthwise",
        ),
    ],
)
def test_no_bottleneck(layers: list[str]) -> None:
    assert "bottleneck" not in sorts(found("9x7x8", document(layers)))


def test_a_result_is_kept() -> None:
    """What a network returns cannot be left out."""
    layers = "  - {name: small, conv: {out_channels: 4, kernel_size: 1}}\n" + f"  - {{name: wide, {WIDE}}}\n"
    assert sorts(found("9x7x8", layers)) == {"bottleneck": [["small", "wide"]]}
    assert found("9x7x8", f"{layers}outputs: [small, wide]") == []


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([CONV3, "max_pool: {kernel_size: 3, stride: 1, padding: 1}", CONV3], [], id="a-pool-between"),
        pytest.param([CONV3, "conv: {out_channels: 4, kernel_size: 3, stride: 2}"], [], id="a-stride"),
        pytest.param(["conv: {out_channels: 6, kernel_size: 3, stride: 2}", CONV3], [], id="a-stride-before"),
        pytest.param([CONV3, "conv: {out_channels: 4, kernel_size: 3, dilation: 2}"], [], id="another-dilation"),
        pytest.param([CONV3, "conv: {out_channels: 10, kernel_size: 3, groups: 5}"], [], id="in-groups"),
        pytest.param([CONV3, "conv: {out_channels: 6, kernel_size: [1, 3]}"], [], id="a-thin-one"),
        pytest.param(
            ["{name: a, " + CONV3 + "}", "{name: b, " + CONV3 + "}", "add: [identity, a]"], [], id="read-twice"
        ),
        pytest.param([f"{{name: {name}, {CONV3}}}" for name in "abcd"], [["a", "b", "c", "d"]], id="as-many-as-follow"),
        pytest.param(
            [
                f"{{name: {name}, {layer}}}"
                for name, layer in zip("abxcd", [CONV3, CONV3, "max_pool: 2", CONV3, CONV3], strict=True)
            ],
            [["a", "b"], ["c", "d"]],
            id="two-stacks",
        ),
    ],
)
def test_stacks(layers: list[str], expected: list[list[str]]) -> None:
    assert sorts(found("20x18x8", document(layers))).get("stack", []) == expected


def thin(name: str, kernel: str, more: str = "") -> str:
    return f"{{name: {name}, conv: {{out_channels: 8, kernel_size: {kernel}, padding: same{more}}}}}"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(
            [thin("a", "[7, 1]"), thin("b", "[1, 7]"), thin("c", "[7, 1]"), thin("d", "[1, 7]")],
            [["a", "b"], ["c", "d"]],
            id="two-pairs",
        ),
        pytest.param([thin("a", "[7, 1]"), thin("b", "[7, 1]"), thin("c", "[1, 7]")], [["b", "c"]], id="one-over"),
        pytest.param([thin("a", "[7, 1]"), thin("b", "[7, 1]")], [], id="the-same-way"),
        pytest.param([thin("a", "[7, 1]", ", stride: [1, 2]"), thin("b", "[1, 7]")], [], id="stride-across"),
        pytest.param([thin("a", "[7, 1]", ", groups: 2"), thin("b", "[1, 7]")], [], id="in-groups"),
    ],
)
def test_factorized(layers: list[str], expected: list[list[str]]) -> None:
    assert sorts(found("20x18x8", document(layers))).get("factorized", []) == expected


@pytest.mark.parametrize(
    ("paths", "merge", "expected"),
    [
        pytest.param([thin("a", "[3, 1]"), thin("b", "[1, 3]")], "concat", [["a", "b"]], id="beside"),
        pytest.param([thin("a", "[3, 1]"), thin("b", "[1, 3]")], "add", [], id="added"),
        pytest.param(
            [thin("a", "[3, 1]"), thin("b", "[3, 1]"), thin("c", "[1, 3]")], "concat", [["b", "c"]], id="one-over"
        ),
        pytest.param([thin("a", "[3, 1]"), thin("b", "3")], "concat", [], id="thin-and-whole"),
        pytest.param(["[relu, " + thin("a", "[3, 1]") + "]", thin("b", "[1, 3]")], "concat", [], id="of-two-values"),
    ],
)
def test_side_by_side(paths: list[str], merge: str, expected: list[list[str]]) -> None:
    layers = f"  - {merge}: [{', '.join(path if path[0] == '[' else f'[{path}]' for path in paths)}]"
    assert sorts(found("20x18x8", layers)).get("side_by_side", []) == expected


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(["linear: 3"], id="no-pool"),
        pytest.param(["max_pool: 3", "linear: 3"], id="to-more-positions"),
        pytest.param(["adaptive_avg_pool: [1, 2]", "linear: 3"], id="to-two-positions"),
        pytest.param(["crop: 1", "linear: 3"], id="one-position-of-many"),
        pytest.param(["conv: {out_channels: 8, kernel_size: [9, 7], groups: 8}", "linear: 3"], id="with-weights"),
        pytest.param(["global_avg_pool", "softmax"], id="no-dense-layer"),
        pytest.param(["global_avg_pool", "rbf: 3"], id="distances"),
        pytest.param(["global_avg_pool", "conv: {out_channels: 4, kernel_size: 1, groups: 4}"], id="a-1x1-in-groups"),
        pytest.param(
            ["multiply: [identity, [global_avg_pool, {conv: {out_channels: 8, kernel_size: 1}}, sigmoid]]"], id="a-gate"
        ),
        pytest.param(
            ["multiply: [identity, [relu, global_avg_pool, {conv: {out_channels: 8, kernel_size: 1}}]]"],
            id="a-gate-behind-an-activation",
        ),
    ],
)
def test_not_pooled(layers: list[str]) -> None:
    assert "pooled" not in sorts(found("9x7x8", document(layers)))


def test_a_map_of_one_position_is_not_pooled() -> None:
    assert found("1x1x8", "  - global_avg_pool\n  - linear: 3") == []


def test_a_layer_in_several_sorts() -> None:
    """A bottleneck whose 3x3 begins a stack; no two of one sort share a layer."""
    layers = document(
        ["{name: a, conv: {out_channels: 4, kernel_size: 1}}", f"{{name: b, {CONV3}}}", f"{{name: c, {CONV3}}}"]
    )
    assert sorts(found("9x7x8", layers)) == {"bottleneck": [["a", "b"]], "stack": [["b", "c"]]}


@pytest.mark.parametrize(
    "name", ["inception_v3", "googlenet_aux", "se_resnet50", "ssd300_vgg16", "xception", "densenet121"]
)
def test_no_two_of_a_sort_share_a_layer(name: str) -> None:
    for sort in SORTS:
        layers = [node for saving in savings(cnncalc.load(name)) if saving.sort == sort for node in saving.layers]
        assert len(layers) == len(set(layers))


def test_long_networks() -> None:
    """Neither a long run of activations nor one of convolutions is too deep."""
    layers = f"  - relu: {{}}\n    repeat: 3000\n  - {CONV3}\n    repeat: 3000\n  - relu: {{}}\n    repeat: 3000\n"
    (stack,) = found("9x7x5", layers)
    assert len(stack.layers) == 3000
    assert stack.having.parameters.value == 3000 * (9 * 5 * 5 + 5)


def test_a_1x1_to_no_more_channels_is_not_part_of_a_bottleneck() -> None:
    layers = ["{name: a, conv: {out_channels: 4, kernel_size: 1}}", f"{{name: b, {CONV3}}}"]
    for channels, expected in ((6, ["a", "b", "c"]), (5, ["a", "b"]), (3, ["a", "b"])):
        last = f"{{name: c, conv: {{out_channels: {channels}, kernel_size: 1}}}}"
        assert sorts(found("9x7x8", document([*layers, last]))) == {"bottleneck": [expected]}


def test_the_first_dense_layer_is_the_one_after_the_pool() -> None:
    """It is no layer that keeps its input's shape, though it has as many outputs as inputs."""
    layers = ["{name: pool, global_avg_pool: {}}", "flatten", "{name: a, linear: 8}", "{name: b, linear: 3}"]
    assert sorts(found("9x7x8", document(layers))) == {"pooled": [["pool", "a"]]}


def test_unequal_strides_are_not_side_by_side() -> None:
    """Two maps of 5x2 from one of 5x3, one of them by a stride of 2."""
    strided = "{name: a, conv: {out_channels: 4, kernel_size: [3, 1], stride: [1, 2], padding: [1, 0]}}"
    padded = "{name: b, conv: {out_channels: 4, kernel_size: [1, 3], padding: [[0, 0], [0, 1]]}}"
    assert found("5x3x8", f"  - concat: [[{strided}], [{padded}]]") == []


@pytest.mark.parametrize(
    ("layers", "ratio"),
    [
        # Szegedy et al. 2015, section 3.1: two 3x3 for a 5x5, "a relative gain of 28 %"
        pytest.param(
            [f"conv: {{out_channels: 8, kernel_size: 3, bias: {no}}}" for no in ("false",) * 2], (18, 25), id="3x3"
        ),
        # section 3.2: 3x1 and 1x3 for a 3x3, "33 % cheaper for the same number of output filters"
        pytest.param(
            [f"conv: {{out_channels: 8, kernel_size: {kernel}, bias: false}}" for kernel in ("[3, 1]", "[1, 3]")],
            (2, 3),
            id="3x1",
        ),
    ],
)
def test_published_gains(layers: list[str], ratio: tuple[int, int]) -> None:
    (saving,) = found("20x18x8", document(layers))
    without, having, *_ = numbers(saving)
    assert having * ratio[1] == without * ratio[0]
