from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import UNTRACKED, LayerError
from cnncalc.shapes import Shape

by_loops = settings(derandomize=True, max_examples=60, deadline=None)

# LeCun et al. 1998, table I: the maps of S2 that each map of C3 reads
LENET5_C3 = (
    *[tuple((channel + k) % 6 for k in range(3)) for channel in range(6)],
    *[tuple((channel + k) % 6 for k in range(4)) for channel in range(6)],
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

ROWS = [
    # conv
    pytest.param(
        "conv",
        {"out_channels": 10, "kernel_size": 5, "padding": 2},
        (3, 32, 32),
        {
            "output": (10, 32, 32),
            "parameters": {"weight": (10, 3, 5, 5), "bias": (10,)},
            "weights": 10 * (5 * 5 * 3),  # 76 a filter with its bias, 760 in all
            "biases": 10,
            "macs": 5 * 5 * 3 * (10 * 32 * 32),
            "multiplies": 5 * 5 * 3 * (10 * 32 * 32),
            "adds": (5 * 5 * 3 + 1) * (10 * 32 * 32),
            "connections": (5 * 5 * 3 + 1) * (10 * 32 * 32),
            "activations": 10 * 32 * 32,
        },
        id="notes-conv-example",
    ),
    pytest.param(
        "conv",
        {
            "out_channels": 8,
            "kernel_size": (3, 5),
            "stride": (2, 3),
            "padding": (1, 2),
            "dilation": (2, 1),
            "groups": 2,
            "bias": False,
        },
        (4, 13, 20),
        {
            "output": (8, 6, 7),  # (13 - 5 + 2) / 2 + 1 and ⌊(20 - 5 + 4) / 3⌋ + 1
            "parameters": {"weight": (8, 2, 3, 5)},
            "weights": 8 * 2 * (3 * 5),
            "macs": 3 * 5 * 2 * (8 * 6 * 7),
            "multiplies": 3 * 5 * 2 * (8 * 6 * 7),
            "adds": 3 * 5 * 2 * (8 * 6 * 7),
            "connections": 3 * 5 * 2 * (8 * 6 * 7),
            "activations": 8 * 6 * 7,
            "remarks": ("stride-exceeds-window",),  # rows -1, 1, 3; 1, 3, 5; ...: never an even one
        },
        id="grouped-dilated-oblong",
    ),
    pytest.param(
        "conv",
        {"out_channels": 5, "kernel_size": 4, "stride": 3, "padding": ((1, 2),), "activation": "relu"},
        (2, 16),
        {
            "output": (5, 6),  # (16 - 4 + 3) / 3 + 1
            "parameters": {"weight": (5, 2, 4), "bias": (5,)},
            "weights": 5 * 2 * 4,
            "biases": 5,
            "macs": 4 * 2 * (5 * 6),
            "multiplies": 4 * 2 * (5 * 6),
            "adds": (4 * 2 + 1) * (5 * 6),
            "comparisons": 5 * 6,
            "connections": (4 * 2 + 1) * (5 * 6),
            "activations": 5 * 6,
        },
        id="1-d-with-relu",
    ),
    pytest.param(
        "conv",
        {"out_channels": 4, "kernel_size": (1, 2, 3), "stride": (1, 2, 2)},
        (3, 8, 9, 10),
        {
            "output": (4, 8, 4, 4),
            "parameters": {"weight": (4, 3, 1, 2, 3), "bias": (4,)},
            "weights": 4 * 3 * (1 * 2 * 3),
            "biases": 4,
            "macs": 6 * 3 * (4 * 8 * 4 * 4),
            "multiplies": 6 * 3 * (4 * 8 * 4 * 4),
            "adds": (6 * 3 + 1) * (4 * 8 * 4 * 4),
            "connections": (6 * 3 + 1) * (4 * 8 * 4 * 4),
            "activations": 4 * 8 * 4 * 4,
            "remarks": ("input-unread",),
        },
        id="3-d",
    ),
    pytest.param(
        "conv",
        {"out_channels": 6, "kernel_size": 5},
        (1, 32, 32),
        {
            "output": (6, 28, 28),
            "parameters": {"weight": (6, 1, 5, 5), "bias": (6,)},
            "weights": 156 - 6,
            "biases": 6,
            "macs": 122_304 - 6 * 28 * 28,
            "multiplies": 122_304 - 6 * 28 * 28,
            "adds": 122_304,
            "connections": 122_304,
            "activations": 6 * 28 * 28,
        },
        id="lenet5-c1",
    ),
    pytest.param(
        "conv",
        {"out_channels": 16, "kernel_size": 5, "connections": LENET5_C3},
        (6, 14, 14),
        {
            "output": (16, 10, 10),
            "parameters": {"weight": (60, 5, 5), "bias": (16,)},
            "weights": 1516 - 16,
            "biases": 16,
            "macs": 60 * 5 * 5 * (10 * 10),
            "multiplies": 60 * 5 * 5 * (10 * 10),
            "adds": 151_600,
            "connections": 151_600,
            "activations": 16 * 10 * 10,
        },
        id="lenet5-c3-partial-table",
    ),
    pytest.param(
        "conv",
        {"out_channels": 120, "kernel_size": 5},
        (16, 5, 5),
        {
            "output": (120, 1, 1),
            "parameters": {"weight": (120, 16, 5, 5), "bias": (120,)},
            "weights": 48_120 - 120,
            "biases": 120,
            "macs": 48_120 - 120,
            "multiplies": 48_120 - 120,
            "adds": 48_120,
            "connections": 48_120,
            "activations": 120,
        },
        id="lenet5-c5",
    ),
    # depthwise_conv
    pytest.param(
        "depthwise_conv",
        {"kernel_size": (3, 2), "multiplier": 2, "stride": (2, 1), "padding": (1, 0)},
        (3, 9, 8),
        {
            "output": (6, 5, 7),
            "parameters": {"weight": (6, 1, 3, 2), "bias": (6,)},
            "weights": 6 * 3 * 2,
            "biases": 6,
            "macs": 3 * 2 * (6 * 5 * 7),
            "multiplies": 3 * 2 * (6 * 5 * 7),
            "adds": (3 * 2 + 1) * (6 * 5 * 7),
            "connections": (3 * 2 + 1) * (6 * 5 * 7),
            "activations": 6 * 5 * 7,
        },
        id="depthwise-2-filters-a-channel",
    ),
    pytest.param(
        "depthwise_conv",
        {"kernel_size": 3, "padding": "same", "bias": False, "activation": "relu6"},
        (4, 10),
        {
            "output": (4, 10),
            "parameters": {"weight": (4, 1, 3)},
            "weights": 4 * 3,
            "macs": 3 * (4 * 10),
            "multiplies": 3 * (4 * 10),
            "adds": 3 * (4 * 10),
            "comparisons": 2 * (4 * 10),
            "connections": 3 * (4 * 10),
            "activations": 4 * 10,
        },
        id="depthwise-1-d-with-relu6",
    ),
    pytest.param(
        "depthwise_conv",
        {"kernel_size": (1, 2, 3), "bias": False},
        (5, 4, 6, 7),
        {
            "output": (5, 4, 5, 5),
            "parameters": {"weight": (5, 1, 1, 2, 3)},
            "weights": 5 * 6,
            "macs": 6 * (5 * 4 * 5 * 5),
            "multiplies": 6 * (5 * 4 * 5 * 5),
            "adds": 6 * (5 * 4 * 5 * 5),
            "connections": 6 * (5 * 4 * 5 * 5),
            "activations": 5 * 4 * 5 * 5,
        },
        id="depthwise-3-d",
    ),
    # conv_transpose
    pytest.param(
        "conv_transpose",
        {
            "out_channels": 6,
            "kernel_size": (3, 4),
            "stride": (2, 3),
            "padding": 1,
            "output_padding": (1, 0),
            "groups": 2,
        },
        (4, 5, 7),
        {
            "output": (6, 10, 20),  # (5 - 1) * 2 + 3 - 2 + 1 and (7 - 1) * 3 + 4 - 2
            "parameters": {"weight": (4, 3, 3, 4), "bias": (6,)},
            "weights": 4 * 3 * (3 * 4),
            "biases": 6,
            "macs": 3 * 4 * 3 * (4 * 5 * 7),
            "multiplies": 3 * 4 * 3 * (4 * 5 * 7),
            "adds": 3 * 4 * 3 * (4 * 5 * 7) + 6 * 10 * 20,
            "connections": 3 * 4 * 3 * (4 * 5 * 7) + 6 * 10 * 20,
            "activations": 6 * 10 * 20,
        },
        id="transposed-grouped-oblong",
    ),
    pytest.param(
        "conv_transpose",
        {"out_channels": 2, "kernel_size": 5, "dilation": 2, "padding": ((1, 0),), "bias": False},
        (3, 6),
        {
            "output": (2, 13),  # (6 - 1) + 9 - 1
            "parameters": {"weight": (3, 2, 5)},
            "weights": 3 * 2 * 5,
            "macs": 5 * 2 * (3 * 6),
            "multiplies": 5 * 2 * (3 * 6),
            "adds": 5 * 2 * (3 * 6),
            "connections": 5 * 2 * (3 * 6),
            "activations": 2 * 13,
        },
        id="transposed-1-d-dilated",
    ),
    pytest.param(
        "conv_transpose",
        {"out_channels": 3, "kernel_size": 2, "stride": 2, "activation": "relu"},
        (2, 2, 3, 4),
        {
            "output": (3, 4, 6, 8),
            "parameters": {"weight": (2, 3, 2, 2, 2), "bias": (3,)},
            "weights": 2 * 3 * 2 * 2 * 2,
            "biases": 3,
            "macs": 8 * 3 * (2 * 2 * 3 * 4),
            "multiplies": 8 * 3 * (2 * 2 * 3 * 4),
            "adds": 8 * 3 * (2 * 2 * 3 * 4) + 3 * 4 * 6 * 8,
            "comparisons": 3 * 4 * 6 * 8,
            "connections": 8 * 3 * (2 * 2 * 3 * 4) + 3 * 4 * 6 * 8,
            "activations": 3 * 4 * 6 * 8,
        },
        id="transposed-3-d-with-relu",
    ),
    # locally_connected
    pytest.param(
        "locally_connected",
        {"out_channels": 3, "kernel_size": (2, 3), "stride": (2, 1)},
        (2, 6, 7),
        {
            "output": (3, 3, 5),
            "parameters": {"weight": (3, 3, 5, 2, 2, 3), "bias": (3, 3, 5)},
            "weights": 3 * 3 * 5 * (2 * 2 * 3),
            "biases": 3 * 3 * 5,
            "macs": 3 * 3 * 5 * (2 * 2 * 3),
            "multiplies": 3 * 3 * 5 * (2 * 2 * 3),
            "adds": 3 * 3 * 5 * (2 * 2 * 3 + 1),
            "connections": 3 * 3 * 5 * (2 * 2 * 3 + 1),
            "activations": 3 * 3 * 5,
        },
        id="locally-connected",
    ),
    pytest.param(
        "locally_connected",
        {"out_channels": 2, "kernel_size": (1, 2, 2), "bias": False, "activation": "tanh"},
        (1, 3, 4, 5),
        {
            "output": (2, 3, 3, 4),
            "parameters": {"weight": (2, 3, 3, 4, 1, 1, 2, 2)},
            "weights": 2 * 3 * 3 * 4 * 4,
            "macs": 2 * 3 * 3 * 4 * 4,
            "multiplies": 72 * 4 + 72,
            "adds": 72 * 4 + 72 * 2,
            "divisions": 72,
            "exponentials": 72,
            "connections": 2 * 3 * 3 * 4 * 4,
            "activations": 2 * 3 * 3 * 4,
        },
        id="locally-connected-3-d-with-tanh",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


@pytest.mark.parametrize(
    ("fields", "input", "output", "parameters", "multiplies"),
    [
        pytest.param(
            {"out_channels": 200, "kernel_size": 5, "padding": "same"},
            (3, 150, 100),
            (200, 150, 100),
            15_200,
            225_000_000,
            id="conv-200-maps-parameters",
        ),
        pytest.param(
            {"out_channels": 96, "kernel_size": 11, "stride": 4, "padding": 3},
            (3, 224, 224),
            (96, 55, 55),
            34_944,
            105_415_200,
            id="alexnet-layer1",
        ),
        pytest.param(
            {"out_channels": 6, "kernel_size": 5, "bias": False},
            (3, 32, 32),
            (6, 28, 28),
            450,
            450 * 28 * 28,
            id="dense-against-conv",
        ),
        pytest.param(
            {"out_channels": 100, "kernel_size": 3, "stride": 2, "padding": "same"},
            (3, 200, 300),
            (100, 100, 150),
            2_800,
            3 * 3 * 3 * 1_500_000,
            id="homework-3-layers-first",
        ),
        pytest.param(
            {"out_channels": 200, "kernel_size": 3, "stride": 2, "padding": "same"},
            (100, 100, 150),
            (200, 50, 75),
            180_200,
            3 * 3 * 100 * 750_000,
            id="homework-3-layers-second",
        ),
        pytest.param(
            {"out_channels": 400, "kernel_size": 3, "stride": 2, "padding": "same"},
            (200, 50, 75),
            (400, 25, 38),
            720_400,
            3 * 3 * 200 * 380_000,
            id="homework-3-layers-third",
        ),
        pytest.param(
            {"out_channels": 32, "kernel_size": 5, "padding": "same"},
            (192, 28, 28),
            (32, 28, 28),
            5 * 5 * 192 * 32 + 32,
            120_422_400,
            id="bottleneck-1x1-direct",
        ),
        pytest.param(
            {"out_channels": 16, "kernel_size": 1},
            (192, 28, 28),
            (16, 28, 28),
            192 * 16 + 16,
            2_408_448,
            id="bottleneck-1x1-reduce",
        ),
        pytest.param(
            {"out_channels": 32, "kernel_size": 5, "padding": "same"},
            (16, 28, 28),
            (32, 28, 28),
            5 * 5 * 16 * 32 + 32,
            10_035_200,
            id="bottleneck-1x1-expand",
        ),
        *[
            pytest.param(
                {"out_channels": out, "kernel_size": kernel, "padding": "same"},
                (channels, size, size),
                (out, size, size),
                parameters,
                kernel * kernel * channels * out * size * size,
                id=f"mnist-cnn-{layer}",
            )
            for layer, channels, size, out, kernel, parameters in [
                ("c1", 1, 28, 16, 5, 416),
                ("c3", 16, 14, 32, 2, 2_080),
                ("c5", 32, 7, 64, 5, 51_264),
                ("c7", 64, 3, 128, 5, 204_928),
            ]
        ],
    ],
)
def test_published_convolutions(
    fields: dict[str, Any], input: Shape, output: Shape, parameters: int, multiplies: int
) -> None:
    facts = KINDS["conv"](**fields).facts((input,))
    assert facts.output == output
    assert facts.weights + facts.biases == parameters
    assert facts.macs == facts.operations.multiplies == multiplies


@pytest.mark.parametrize(("kind", "weights"), [("locally_connected", 100_000_000), ("conv", 100)])
def test_weight_sharing(kind: str, weights: int) -> None:
    """A million neurons of 100 weights each, of their own and shared."""
    facts = KINDS[kind](out_channels=1, kernel_size=100, bias=False).facts(((1, 1_000_000 + 99),))
    assert facts.output == (1, 1_000_000)
    assert facts.weights == weights


# Counts by loops ------------------------------------------------------------------------------------------------------


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], Shape]:
    """A small convolution in groups over one or two dimensions that fits its input."""
    rank, groups = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    fields = {
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel_size": kernel,
        "stride": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "padding": tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(rank)),
        "dilation": tuple(draw(st.integers(1, 2)) for _ in range(rank)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    sizes = [draw(st.integers(2 * (k - 1) + 1, 6)) for k in kernel]
    return fields, (groups * draw(st.integers(1, 2)), *sizes)


def places(fields: dict[str, Any], input: Shape) -> list[list[int]]:
    """Where windows start, along each dimension."""
    starts = []
    for W, K, S, (before, after), D in zip(
        input[1:], *[fields[name] for name in ("kernel_size", "stride", "padding", "dilation")], strict=True
    ):
        starts.append([s for s in range(-before, W + after) if (s + before) % S == 0 and s + (K - 1) * D < W + after])
    return starts


def multiplications(fields: dict[str, Any], input: Shape) -> list[tuple[Any, ...]]:
    """Every multiply of a convolution: the output (channel, *start) and the weight (output, input, *tap) it uses."""
    read, made = input[0] // fields["groups"], fields["out_channels"] // fields["groups"]
    return [
        ((n, *start), (n, c, *tap))
        for start in product(*places(fields, input))
        for tap in product(*map(range, fields["kernel_size"]))
        for n in range(fields["out_channels"])
        for c in range(input[0])
        if c // read == n // made
    ]


@by_loops
@given(convolution=convolutions())
def test_conv_by_loops(convolution: tuple[dict[str, Any], Shape]) -> None:
    fields, input = convolution
    done = multiplications(fields, input)
    outputs, weights = {output for output, _ in done}, {weight for _, weight in done}
    facts = KINDS["conv"](**fields).facts((input,))
    assert prod(facts.output) == facts.activations == len(outputs)
    assert facts.output == (fields["out_channels"], *[len(starts) for starts in places(fields, input)])
    assert (facts.weights, facts.biases) == (len(weights), fields["out_channels"] * fields["bias"])
    assert facts.macs == facts.operations.multiplies == len(done)
    assert facts.connections == facts.operations.adds == len(done) + len(outputs) * fields["bias"]


@by_loops
@given(convolution=convolutions())
def test_locally_connected_by_loops(convolution: tuple[dict[str, Any], Shape]) -> None:
    """A weight and a bias of its own for every multiply and every output."""
    fields, input = convolution
    done = multiplications(fields | {"groups": 1}, input)
    outputs = {output for output, _ in done}
    facts = KINDS["locally_connected"](**{name: fields[name] for name in fields if name != "groups"}).facts((input,))
    assert (facts.weights, facts.biases) == (len(set(done)), len(outputs) * fields["bias"])
    assert facts.macs == len(done)


@by_loops
@given(convolution=convolutions(), multiplier=st.integers(1, 3))
def test_depthwise_is_a_convolution_in_as_many_groups_as_channels(
    convolution: tuple[dict[str, Any], Shape], multiplier: int, told: Callable[..., dict[str, Any]]
) -> None:
    fields, input = convolution
    shared = {name: fields[name] for name in fields if name not in ("groups", "out_channels")}
    grouped = shared | {"out_channels": multiplier * input[0], "groups": input[0]}
    assert told("depthwise_conv", shared | {"multiplier": multiplier}, input) == told("conv", grouped, input)


@by_loops
@given(convolution=convolutions())
def test_connections_that_list_every_channel_are_a_convolution(convolution: tuple[dict[str, Any], Shape]) -> None:
    fields, input = convolution
    fields = fields | {"groups": 1}
    everything = (tuple(range(input[0])),) * fields["out_channels"]
    whole = KINDS["conv"](**fields).facts((input,))
    listed = KINDS["conv"](**fields, connections=everything).facts((input,))
    assert (listed.weights, listed.biases, listed.macs) == (whole.weights, whole.biases, whole.macs)
    assert (listed.operations, listed.connections) == (whole.operations, whole.connections)


# Transposed convolutions ----------------------------------------------------------------------------------------------


@st.composite
def transposed(draw: st.DrawFn) -> dict[str, int]:
    """A transposed convolution along one dimension with an output."""
    W, K, S, D = (draw(st.integers(1, limit)) for limit in (6, 4, 4, 3))
    extra = draw(st.integers(0, max(S, D) - 1))
    full = (W - 1) * S + D * (K - 1) + 1
    before = draw(st.integers(0, full - 1))
    after = draw(st.integers(0, full - 1 - before))
    return {"W": W, "K": K, "S": S, "D": D, "before": before, "after": after, "extra": extra}


def transposed_fields(one: dict[str, int], out_channels: int = 1) -> dict[str, Any]:
    return {
        "out_channels": out_channels,
        "kernel_size": one["K"],
        "stride": one["S"],
        "dilation": one["D"],
        "padding": ((one["before"], one["after"]),),
        "output_padding": one["extra"],
    }


@by_loops
@given(one=transposed(), groups=st.integers(1, 3), bias=st.booleans())
def test_conv_transpose_by_scattering(one: dict[str, int], groups: int, bias: bool) -> None:
    """Input i is spread over positions i·S + k·D; padding is cut off the ends, output_padding added after."""
    channels, out_channels = 2 * groups, 3 * groups
    scattered = [
        (c, i, n, k)
        for i in range(one["W"])
        for k in range(one["K"])
        for c in range(channels)
        for n in range(out_channels)
        if c // 2 == n // 3
    ]
    reached = {i * one["S"] + k * one["D"] for _, i, _, k in scattered}
    kept = range(one["before"], max(reached) + 1 - one["after"] + one["extra"])
    layer = KINDS["conv_transpose"](**transposed_fields(one, out_channels), groups=groups, bias=bias)
    facts = layer.facts(((channels, one["W"]),))
    assert facts.output == (out_channels, len(kept))
    assert facts.weights == len({(c, n, k) for c, _, n, k in scattered})
    assert facts.biases == out_channels * bias
    assert facts.macs == facts.operations.multiplies == len(scattered)
    assert facts.operations.adds == facts.connections == len(scattered) + out_channels * len(kept) * bias


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_strided_and_dilated_at_once_a_transposed_convolution_has_no_window(kernel: int) -> None:
    facts = KINDS["conv_transpose"](out_channels=1, kernel_size=kernel, stride=2, dilation=2).facts(((1, 7),))
    assert (facts.reach is UNTRACKED) == (kernel > 1)


@pytest.mark.parametrize(
    ("K", "S", "D"), [(K, S, D) for K, S, D in product(range(1, 5), range(1, 5), range(1, 4)) if 1 in (K, S, D)]
)
def test_conv_transpose_reach_by_scattering(
    K: int, S: int, D: int, spans: Callable[..., list[tuple[int, int]]]
) -> None:
    """The inputs, also those that would lie outside, whose spread covers an output."""
    taps = [k * D for k in range(K)]
    for P in range(3):
        fields = {"out_channels": 1, "kernel_size": K, "stride": S, "dilation": D, "padding": P}
        for o, reached in enumerate(spans("conv_transpose", fields, (1, 7))):
            covering = [i for i in range(-20, 40) if o + P - i * S in taps]
            if covering:
                assert reached == (covering[0], covering[-1])


# torch ----------------------------------------------------------------------------------------------------------------


@by_loops
@given(convolution=convolutions())
def test_conv_is_torchs(convolution: tuple[dict[str, Any], Shape], torch: Any) -> None:
    fields, input = convolution
    fields = fields | {"padding": tuple(before for before, _ in fields["padding"])}
    module = (torch.nn.Conv1d, torch.nn.Conv2d)[len(input) - 2](in_channels=input[0], **fields, device="meta")
    facts = KINDS["conv"](**fields).facts((input,))
    assert facts.output == tuple(module(torch.empty(1, *input, device="meta")).shape[1:])
    assert {parameter.name: parameter.shape for parameter in facts.parameters} == {
        name: tuple(tensor.shape) for name, tensor in module.named_parameters()
    }


@by_loops
@given(one=transposed(), groups=st.integers(1, 3))
def test_conv_transpose_is_torchs(one: dict[str, int], groups: int, torch: Any) -> None:
    P = min(one["before"], one["after"])
    fields = transposed_fields(one | {"before": P, "after": P}, out_channels=3 * groups)
    module = torch.nn.ConvTranspose1d(
        2 * groups, 3 * groups, one["K"], one["S"], P, one["extra"], groups, True, one["D"], device="meta"
    )
    facts = KINDS["conv_transpose"](**fields, groups=groups).facts(((2 * groups, one["W"]),))
    assert facts.output == tuple(module(torch.empty(1, 2 * groups, one["W"], device="meta")).shape[1:])
    assert {parameter.name: parameter.shape for parameter in facts.parameters} == {
        name: tuple(tensor.shape) for name, tensor in module.named_parameters()
    }


@by_loops
@given(one=transposed().filter(lambda one: 1 in (one["K"], one["S"], one["D"])))
def test_conv_transpose_reach_is_torchs(
    one: dict[str, int],
    spans: Callable[..., list[tuple[int, int]]],
    read: Callable[[Callable[[Any], Any], int], list[set[int]]],
    torch: Any,
) -> None:
    P, W = min(one["before"], one["after"]), one["W"]
    kernel = torch.ones(1, 1, one["K"], dtype=torch.float64)
    touched = read(
        lambda x: torch.nn.functional.conv_transpose1d(
            x, kernel, stride=one["S"], padding=P, output_padding=one["extra"], dilation=one["D"]
        ),
        W,
    )
    fields = transposed_fields(one | {"before": P, "after": P})
    for (low, high), inputs in zip(spans("conv_transpose", fields, (1, W)), touched, strict=True):
        if inputs and low >= 0 and high < W:  # away from the borders
            assert (low, high) == (min(inputs), max(inputs))


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "input", "error"),
    [
        pytest.param(
            "conv",
            {"out_channels": 64, "kernel_size": 3, "groups": 5},
            (48, 9, 8),
            ("groups-divide-channels", "groups"),
            id="groups-divide-the-input-channels",
        ),
        pytest.param(
            "conv",
            {"out_channels": 10, "kernel_size": 3, "groups": 4},
            (48, 9, 8),
            ("groups-divide-channels", "groups"),
            id="groups-divide-the-output-channels",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 1, "groups": 2, "connections": ((0,), (1,), (0,), (1,))},
            (2, 9, 8),
            ("connections-in-groups", "groups"),
            id="connections-in-groups",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 1, "connections": ((0,), (1,))},
            (2, 9, 8),
            ("connections-match-channels", "connections"),
            id="connections-for-too-few",
        ),
        *[
            pytest.param(
                "conv",
                {"out_channels": 2, "kernel_size": 1, "connections": ((0, 1), read)},
                (3, 9, 8),
                ("connections-match-channels", "connections"),
                id=f"connections-{case}",
            )
            for case, read in [("of-nothing", ()), ("out-of-range", (0, 3)), ("twice", (1, 1))]
        ],
        *[
            pytest.param(
                kind, fields | {"kernel_size": 3}, (8,), ("no-spatial-dimensions", ""), id=f"{kind}-of-a-vector"
            )
            for kind, fields in [
                ("conv", {"out_channels": 4}),
                ("depthwise_conv", {}),
                ("locally_connected", {"out_channels": 4}),
                ("conv_transpose", {"out_channels": 4}),
            ]
        ],
        pytest.param(
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "groups": 4},
            (8, 5),
            ("groups-divide-channels", "groups"),
            id="transposed-groups",
        ),
        pytest.param(
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "stride": (2, 3), "output_padding": (1, 3)},
            (8, 5, 4),
            ("output-padding-below-stride", "output_padding"),
            id="output-padding-of-a-stride",
        ),
        pytest.param(
            "conv_transpose",
            {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 3},
            (8, 2, 9),
            ("no-output", "padding"),  # (2 - 1) * 2 + 3 - 6 = -1
            id="transposed-without-output",
        ),
        *[
            pytest.param(
                "conv_transpose",
                {"out_channels": 6, "kernel_size": 3} | {field: (1, 1, 1)},
                (8, 5, 4),
                ("wrong-number-of-sizes", field),
                id=f"transposed-{field}",
            )
            for field in ("kernel_size", "stride", "padding", "output_padding", "dilation")
        ],
    ],
)
def test_refused(
    kind: str, fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused(kind, fields, input) == error


def test_output_padding_may_be_below_the_dilation() -> None:
    layer = KINDS["conv_transpose"](out_channels=1, kernel_size=3, stride=2, dilation=3, output_padding=2)
    assert layer.facts(((1, 4),)).output == (1, 3 * 2 + 7 + 2)


@pytest.mark.parametrize(
    ("channels", "out_channels", "groups", "message", "help"),
    [
        pytest.param(48, 64, 5, "48 input channels do not split into 5 equal groups", "1, 2, 4, 8 or 16", id="input"),
        pytest.param(48, 64, 3, "64 output channels do not split into 3 equal groups", "1, 2, 4, 8 or 16", id="output"),
        pytest.param(3, 5, 2, "3 input channels do not split into 2 equal groups", "1", id="one-choice"),
        pytest.param(
            64, 64, 3, "64 input channels do not split into 3 equal groups", "1, 2, 4, 8, 16, 32 or 64", id="7"
        ),
        pytest.param(24, 24, 5, "24 input channels do not split into 5 equal groups", "1, 2, 3, 4, 6, 8 or 24", id="8"),
    ],
)
def test_groups_that_would_do(channels: int, out_channels: int, groups: int, message: str, help: str) -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS["conv"](out_channels=out_channels, kernel_size=3, groups=groups).facts(((channels, 9, 8),))
    assert (refusal.value.message, refusal.value.help) == (message, f"use {help}")


def test_output_padding_that_would_do() -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS["conv_transpose"](out_channels=4, kernel_size=3, stride=3, output_padding=3).facts(((8, 5),))
    assert refusal.value.help == "use at most 2"


def test_connections_that_would_do() -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS["conv"](out_channels=2, kernel_size=3, connections=((0, 1), (1, 3))).facts(((3, 9, 8),))
    assert refusal.value.message == (
        "output channel 1 reads [1, 3], which has to be some of the 3 input channels (0 to 2), each once"
    )


def test_transposed_title() -> None:
    layer = KINDS["conv_transpose"](out_channels=4, kernel_size=(2, 3), stride=2)
    assert layer.title(((8, 5, 4),)) == "2x3/2"
