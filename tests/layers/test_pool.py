from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import POINTWISE, UNTRACKED, LayerError
from cnncalc.shapes import Shape

by_loops = settings(derandomize=True, max_examples=100, deadline=None)

ROWS = [
    pytest.param(
        "max_pool",
        {"kernel_size": (3, 2)},
        (4, 9, 8),
        {"output": (4, 3, 4), "comparisons": (3 * 2 - 1) * (4 * 3 * 4), "activations": 4 * 3 * 4},
        id="max-oblong",
    ),
    pytest.param(
        "max_pool",
        {"kernel_size": 3, "stride": 2, "padding": 1},
        (64, 112, 56),
        {"output": (64, 56, 28), "comparisons": 8 * (64 * 56 * 28), "activations": 64 * 56 * 28},
        id="max-resnet",
    ),
    pytest.param(
        "max_pool",
        {"kernel_size": 2, "stride": 3, "dilation": 2},
        (3, 12),
        {  # windows of 0, 2; 3, 5; 6, 8; 9, 11
            "output": (3, 4),
            "comparisons": (2 - 1) * (3 * 4),
            "activations": 3 * 4,
            "remarks": ("stride-exceeds-window",),  # 1, 4, 7 and 10 are read by none
        },
        id="max-1-d-dilated",
    ),
    pytest.param(
        "max_pool",
        {"kernel_size": (1, 2, 3), "stride": (1, 2, 4)},
        (2, 4, 6, 7),
        {
            "output": (2, 4, 3, 2),
            "comparisons": (6 - 1) * (2 * 4 * 3 * 2),
            "activations": 2 * 4 * 3 * 2,
            "remarks": ("stride-exceeds-window",),  # columns 0-2 and 4-6
        },
        id="max-3-d",
    ),
    pytest.param(
        "avg_pool",
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0), "count_include_pad": False},
        (4, 5, 9),
        {
            "output": (4, 6, 4),
            "adds": (2 * 3 - 1) * (4 * 6 * 4),
            "divisions": 4 * 6 * 4,
            "activations": 4 * 6 * 4,
        },
        id="avg-oblong",
    ),
    pytest.param(
        "avg_pool",
        {"kernel_size": 4, "rounding": "ceil"},
        (3, 10),
        {"output": (3, 3), "adds": 3 * (3 * 3), "divisions": 3 * 3, "activations": 3 * 3},
        id="avg-1-d-ceil",
    ),
    pytest.param(
        "lp_pool",
        {"kernel_size": (2, 3)},
        (4, 6, 9),
        {
            "output": (4, 3, 3),
            "multiplies": 6 * (4 * 3 * 3),  # the squares
            "adds": 5 * (4 * 3 * 3),
            "roots": 4 * 3 * 3,
            "activations": 4 * 3 * 3,
        },
        id="l2-pool",
    ),
    pytest.param(
        "lp_pool",
        {"kernel_size": 3, "norm_type": 1.0},
        (2, 9),
        {"output": (2, 3), "adds": 2 * (2 * 3), "activations": 2 * 3},
        id="l1-pool-1-d",
    ),
    pytest.param(
        "lp_pool",
        {"kernel_size": 2, "stride": 1, "norm_type": 3.0},
        (2, 3, 4, 5),
        {
            "output": (2, 2, 3, 4),
            "powers": (8 + 1) * (2 * 2 * 3 * 4),  # the cubes and the cube root
            "adds": 7 * (2 * 2 * 3 * 4),
            "activations": 2 * 2 * 3 * 4,
        },
        id="l3-pool-3-d",
    ),
    pytest.param(
        "subsample",
        {"kernel_size": 2},
        (6, 28, 28),
        {
            "output": (6, 14, 14),
            "parameters": {"weight": (6,), "bias": (6,)},
            "weights": 6,
            "biases": 6,  # 12 parameters
            "multiplies": 6 * 14 * 14,
            "adds": (3 + 1) * (6 * 14 * 14),
            "connections": 5_880,
            "activations": 6 * 14 * 14,
        },
        id="lenet5-s2",
    ),
    pytest.param(
        "subsample",
        {"kernel_size": 2, "activation": "sigmoid"},
        (16, 10, 10),
        {
            "output": (16, 5, 5),
            "parameters": {"weight": (16,), "bias": (16,)},
            "weights": 16,
            "biases": 16,  # 32 parameters
            "multiplies": 16 * 5 * 5,
            "adds": (3 + 1) * (16 * 5 * 5) + 16 * 5 * 5,
            "exponentials": 16 * 5 * 5,
            "divisions": 16 * 5 * 5,
            "connections": 2_000,
            "activations": 16 * 5 * 5,
        },
        id="lenet5-s4",
    ),
    pytest.param(
        "depth_pool",
        {"kernel_size": 3, "stride": 2},
        (20, 5, 7),
        {"output": (9, 5, 7), "comparisons": 2 * (9 * 5 * 7), "activations": 9 * 5 * 7},
        id="depth-max",
    ),
    pytest.param(
        "depth_pool",
        {"kernel_size": 4, "mode": "avg"},
        (12,),
        {"output": (3,), "adds": 3 * 3, "divisions": 3, "activations": 3},
        id="depth-avg-of-a-vector",
    ),
    pytest.param(
        "adaptive_avg_pool",
        {"output_size": (3, 2)},
        (4, 7, 5),
        {  # rows [0, 3), [2, 5), [4, 7); columns [0, 3), [2, 5)
            "output": (4, 3, 2),
            "adds": 4 * (3 + 3 + 3) * (3 + 3) - 4 * 3 * 2,
            "divisions": 4 * 3 * 2,
            "activations": 4 * 3 * 2,
        },
        id="adaptive-avg",
    ),
    pytest.param(
        "adaptive_max_pool",
        {"output_size": 4},
        (3, 10),
        {  # [0, 3), [2, 5), [5, 8), [7, 10)
            "output": (3, 4),
            "comparisons": 3 * (3 + 3 + 3 + 3) - 3 * 4,
            "activations": 3 * 4,
        },
        id="adaptive-max-1-d",
    ),
    pytest.param(
        "adaptive_avg_pool",
        {"output_size": (1, 2, 6)},
        (2, 4, 4, 3),
        {  # 4 frames in one, rows in two pairs, each column read by two
            "output": (2, 1, 2, 6),
            "adds": 2 * 4 * (2 + 2) * 6 - 2 * 1 * 2 * 6,
            "divisions": 2 * 1 * 2 * 6,
            "activations": 2 * 1 * 2 * 6,
        },
        id="adaptive-3-d-that-enlarges",
    ),
    pytest.param(
        "global_avg_pool",
        {},
        (5, 6, 7),
        {"output": (5, 1, 1), "adds": 5 * (6 * 7 - 1), "divisions": 5, "activations": 5},
        id="global-avg",
    ),
    pytest.param(
        "global_max_pool",
        {},
        (5, 6),
        {"output": (5, 1), "comparisons": 5 * (6 - 1), "activations": 5},
        id="global-max-1-d",
    ),
    pytest.param(
        "global_max_pool",
        {},
        (2, 3, 4, 5),
        {"output": (2, 1, 1, 1), "comparisons": 2 * (3 * 4 * 5 - 1), "activations": 2},
        id="global-max-3-d",
    ),
    pytest.param(
        "maxout",
        {"pieces": 4},
        (12, 5, 7),
        {"output": (3, 5, 7), "comparisons": 3 * (3 * 5 * 7), "activations": 3 * 5 * 7},
        id="maxout",
    ),
    pytest.param(
        "maxout",
        {"pieces": 2},
        (10,),
        {"output": (5,), "comparisons": 5, "activations": 5},
        id="maxout-of-a-vector",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


# Properties -----------------------------------------------------------------------------------------------------------


@by_loops
@given(W=st.integers(1, 14), K=st.integers(1, 4), S=st.integers(1, 5), channels=st.integers(1, 3))
def test_windows_by_loops(W: int, K: int, S: int, channels: int, told: Callable[..., dict[str, Any]]) -> None:
    """A maximum of n values is n - 1 comparisons, a sum n - 1 adds, a mean a division more."""
    W = max(W, K)
    windows = [range(start, start + K) for start in range(0, W, S) if start + K <= W] * channels
    joins, fields, input = sum(len(window) - 1 for window in windows), {"kernel_size": K, "stride": S}, (channels, W)
    values = {"output": (channels, len(windows) // channels), "activations": len(windows)}
    counts = {
        "max_pool": {"comparisons": joins},
        "avg_pool": {"adds": joins, "divisions": len(windows)},
        "lp_pool": {"adds": joins, "multiplies": K * len(windows), "roots": len(windows)},
    }
    for kind, operations in counts.items():
        said = {name: value for name, value in told(kind, fields, input).items() if name != "remarks"}
        assert said == values | {name: count for name, count in operations.items() if count}


@by_loops
@given(channels=st.integers(1, 14), K=st.integers(1, 5), S=st.integers(1, 5), mode=st.sampled_from(["max", "avg"]))
def test_depth_pool_by_loops(channels: int, K: int, S: int, mode: str) -> None:
    channels = max(channels, K)
    windows = [range(start, start + K) for start in range(0, channels, S) if start + K <= channels]
    facts = KINDS["depth_pool"](kernel_size=K, stride=S, mode=mode).facts(((channels, 2, 3),))
    joins = sum(len(window) - 1 for window in windows) * 2 * 3
    assert facts.output == (len(windows), 2, 3)
    assert (facts.operations.comparisons, facts.operations.adds) == ((joins, 0) if mode == "max" else (0, joins))


def cells(W: int, outputs: int) -> list[list[int]]:
    """For each of some equal parts of a line, the inputs, of W, that it overlaps."""
    return [[i for i in range(W) if (i + 1) * outputs > o * W and i * outputs < (o + 1) * W] for o in range(outputs)]


@by_loops
@given(H=st.integers(1, 9), W=st.integers(1, 9), rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_adaptive_pools_by_loops(H: int, W: int, rows: int, columns: int) -> None:
    windows = [(y, x) for y in cells(H, rows) for x in cells(W, columns)] * 2
    joins = sum(len(y) * len(x) - 1 for y, x in windows)
    mean = KINDS["adaptive_avg_pool"](output_size=(rows, columns)).facts(((2, H, W),))
    assert mean.output == (2, rows, columns)
    assert (mean.operations.adds, mean.operations.divisions) == (joins, len(windows))
    largest = KINDS["adaptive_max_pool"](output_size=(rows, columns)).facts(((2, H, W),))
    assert largest.operations.comparisons == joins


@by_loops
@given(W=st.integers(1, 12), outputs=st.integers(1, 12))
def test_adaptive_reach_by_loops(W: int, outputs: int, spans: Callable[..., list[tuple[int, int]]]) -> None:
    reached = [(cell[0], cell[-1]) for cell in cells(W, outputs)]
    assert spans("adaptive_avg_pool", {"output_size": outputs}, (1, W)) == reached


@by_loops
@given(W=st.integers(1, 12), outputs=st.integers(1, 12))
def test_adaptive_reach_is_torchs(
    W: int,
    outputs: int,
    spans: Callable[..., list[tuple[int, int]]],
    read: Callable[[Callable[[Any], Any], int], list[set[int]]],
    torch: Any,
) -> None:
    touched = read(lambda x: torch.nn.functional.adaptive_avg_pool1d(x, outputs), W)
    assert spans("adaptive_max_pool", {"output_size": outputs}, (1, W)) == [(min(one), max(one)) for one in touched]


@by_loops
@given(H=st.integers(1, 9), W=st.integers(1, 9))
def test_a_global_pool_is_an_adaptive_pool_to_one(H: int, W: int, told: Callable[..., dict[str, Any]]) -> None:
    for one, other in [("global_avg_pool", "adaptive_avg_pool"), ("global_max_pool", "adaptive_max_pool")]:
        assert told(one, {}, (3, H, W)) == told(other, {"output_size": 1}, (3, H, W))


def test_a_global_pool_reads_everything(spans: Callable[..., list[tuple[int, int]]]) -> None:
    assert spans("global_avg_pool", {}, (3, 5, 7)) == [(0, 6)]
    assert spans("global_max_pool", {}, (3, 4)) == [(0, 3)]


@pytest.mark.parametrize(("kind", "fields"), [("depth_pool", {"kernel_size": 2}), ("maxout", {"pieces": 2})])
def test_pooling_over_channels_stays_in_its_place(kind: str, fields: dict[str, Any]) -> None:
    assert KINDS[kind](**fields).facts(((4, 5, 6),)).reach is POINTWISE
    assert KINDS[kind](**fields).facts(((4,),)).reach is UNTRACKED


@by_loops
@given(W=st.integers(1, 12), K=st.integers(1, 5), D=st.integers(1, 3), P=st.integers(0, 5))
def test_padding_is_refused_where_torch_refuses_it(W: int, K: int, D: int, P: int, torch: Any) -> None:
    W = max(W, D * (K - 1) + 1)  # so that the window fits
    try:
        torch.nn.functional.max_pool1d(torch.zeros(1, W), K, 1, padding=P, dilation=D)
    except RuntimeError:
        with pytest.raises(LayerError) as refusal:
            KINDS["max_pool"](kernel_size=K, stride=1, padding=P, dilation=D).facts(((1, W),))
        assert (refusal.value.code, refusal.value.field) == ("pool-padding-at-most-half", "padding")
    else:
        assert KINDS["max_pool"](kernel_size=K, stride=1, padding=P, dilation=D).facts(((1, W),)).activations > 0


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "input", "error"),
    [
        pytest.param(
            "max_pool",
            {"kernel_size": 3, "padding": 2},
            (4, 9, 8),
            ("pool-padding-at-most-half", "padding"),
            id="padding-above-half",
        ),
        pytest.param(
            "avg_pool",
            {"kernel_size": 2, "padding": ((0, 0), (0, 2))},
            (4, 9, 8),
            ("pool-padding-at-most-half", "padding"),
            id="padding-above-half-on-one-side",
        ),
        pytest.param(
            "depth_pool", {"kernel_size": 5}, (4, 9, 8), ("window-exceeds-input", "kernel_size"), id="too-few-channels"
        ),
        pytest.param("maxout", {"pieces": 3}, (4, 9, 8), ("groups-divide-channels", "pieces"), id="pieces"),
        pytest.param(
            "adaptive_avg_pool",
            {"output_size": (7, 7)},
            (4, 9),
            ("wrong-number-of-sizes", "output_size"),
            id="output-sizes",
        ),
        *[
            pytest.param(kind, fields, (9,), ("no-spatial-dimensions", ""), id=f"{kind}-of-a-vector")
            for kind, fields in [
                ("max_pool", {"kernel_size": 2}),
                ("avg_pool", {"kernel_size": 2}),
                ("lp_pool", {"kernel_size": 2}),
                ("subsample", {"kernel_size": 2}),
                ("adaptive_avg_pool", {"output_size": 2}),
                ("adaptive_max_pool", {"output_size": 2}),
                ("global_avg_pool", {}),
                ("global_max_pool", {}),
            ]
        ],
        pytest.param(
            "subsample",
            {"kernel_size": 2, "rounding": "exact"},
            (4, 9, 8),
            ("does-not-divide", "rounding"),
            id="exact",
        ),
    ],
)
def test_refused(
    kind: str, fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused(kind, fields, input) == error


def test_half_of_the_window_is_padding_enough() -> None:
    assert KINDS["max_pool"](kernel_size=3, stride=2, padding=1).facts(((1, 9),)).output == (1, 5)
    assert KINDS["max_pool"](kernel_size=5, padding="same", stride=1).facts(((1, 3),)).output == (1, 3)


def test_adaptive_title() -> None:
    assert KINDS["adaptive_avg_pool"](output_size=7).title(((512, 9, 8),)) == "to 7x7"
