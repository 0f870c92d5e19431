from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import LayerError
from cnncalc.shapes import Shape

by_loops = settings(derandomize=True, max_examples=100, deadline=None)
Spans = Callable[..., list[tuple[int, int]]]
Read = Callable[[Callable[[Any], Any], int], list[set[int]]]

ROWS = [
    pytest.param(
        "upsample",
        {"scale_factor": 2},
        (3, 5, 4),
        {"output": (3, 10, 8), "activations": 3 * 10 * 8},
        id="nearest",
    ),
    pytest.param(
        "upsample",
        {"scale_factor": (2, 3), "mode": "bilinear"},
        (3, 5, 4),
        {  # four values and their weights
            "output": (3, 10, 12),
            "multiplies": 4 * (3 * 10 * 12),
            "adds": 3 * (3 * 10 * 12),
            "activations": 3 * 10 * 12,
        },
        id="bilinear-oblong",
    ),
    pytest.param(
        "upsample",
        {"size": 7, "mode": "linear", "align_corners": True},
        (3, 5),
        {"output": (3, 7), "multiplies": 2 * (3 * 7), "adds": 3 * 7, "activations": 3 * 7},
        id="linear-to-a-size",
    ),
    pytest.param(
        "upsample",
        {"size": (4, 5, 6), "mode": "trilinear"},
        (2, 2, 3, 4),
        {
            "output": (2, 4, 5, 6),
            "multiplies": 8 * (2 * 4 * 5 * 6),
            "adds": 7 * (2 * 4 * 5 * 6),
            "activations": 2 * 4 * 5 * 6,
        },
        id="trilinear",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


@by_loops
@given(W=st.integers(1, 7), factor=st.integers(1, 5))
def test_nearest_repeats_each_input(W: int, factor: int, spans: Spans) -> None:
    repeated = [i for i in range(W) for _ in range(factor)]
    assert spans("upsample", {"scale_factor": factor}, (1, W)) == [(i, i) for i in repeated]


@by_loops
@given(W=st.integers(1, 9), size=st.integers(1, 12))
def test_nearest_to_a_size_is_torchs(W: int, size: int, spans: Spans, read: Read, torch: Any) -> None:
    touched = read(lambda x: torch.nn.functional.interpolate(x, size=size, mode="nearest"), W)
    assert spans("upsample", {"size": size}, (1, W)) == [(min(one), max(one)) for one in touched]


@by_loops
@given(W=st.integers(1, 9), size=st.integers(1, 12), align=st.booleans())
def test_linear_is_torchs(W: int, size: int, align: bool, spans: Spans, read: Read, torch: Any) -> None:
    touched = read(lambda x: torch.nn.functional.interpolate(x, size=size, mode="linear", align_corners=align), W)
    fields = {"size": size, "mode": "linear", "align_corners": align}
    assert spans("upsample", fields, (1, W)) == [(min(one), max(one)) for one in touched]


def test_linear_by_hand(spans: Spans) -> None:
    """Outputs stand at (2o + 1) / 4 - 1/2 = -1/4, 1/4, 3/4, 5/4, 7/4, 9/4 of inputs 0 to 2."""
    by_two = spans("upsample", {"scale_factor": 2, "mode": "linear"}, (1, 3))
    assert by_two == [(0, 0), (0, 1), (0, 1), (1, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("fields", "input", "error"),
    [
        pytest.param({}, (3, 5, 4), ("upsample-factor-or-size", ""), id="neither"),
        pytest.param({"scale_factor": 2, "size": 9}, (3, 5, 4), ("upsample-factor-or-size", ""), id="both"),
        pytest.param({"scale_factor": (2, 2)}, (3, 5), ("wrong-number-of-sizes", "scale_factor"), id="factors"),
        pytest.param({"size": (9,)}, (3, 5, 4), ("wrong-number-of-sizes", "size"), id="sizes"),
        pytest.param({"scale_factor": 2, "mode": "bilinear"}, (3, 5), ("mode-matches-rank", "mode"), id="bilinear-1-d"),
        pytest.param({"scale_factor": 2, "mode": "linear"}, (3, 5, 4), ("mode-matches-rank", "mode"), id="linear-2-d"),
        pytest.param(
            {"scale_factor": 2, "align_corners": True},
            (3, 5, 4),
            ("align-corners-interpolates", "align_corners"),
            id="nearest-has-no-corners",
        ),
        pytest.param({"scale_factor": 2}, (1, 2, 2, 2, 2), ("mode-matches-rank", ""), id="4-d"),
        pytest.param({"scale_factor": 2}, (10,), ("no-spatial-dimensions", ""), id="vector"),
    ],
)
def test_refused(
    fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused("upsample", fields, input) == error


@pytest.mark.parametrize(("input", "mode"), [((3, 5), "linear"), ((3, 5, 4), "bilinear"), ((3, 5, 4, 2), "trilinear")])
def test_help_names_the_mode_for_the_input(input: Shape, mode: str) -> None:
    wrong = "bilinear" if mode != "bilinear" else "linear"
    with pytest.raises(LayerError) as refusal:
        KINDS["upsample"](scale_factor=2, mode=wrong).facts((input,))
    assert refusal.value.help == f"use `mode: {mode}`"


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        pytest.param({"scale_factor": 2}, "×2", id="one-factor"),
        pytest.param({"scale_factor": (2, 3)}, "×2x3", id="a-factor-a-dimension"),
        pytest.param({"size": 9}, "to 9x9", id="size"),
    ],
)
def test_title(fields: dict[str, Any], title: str) -> None:
    assert KINDS["upsample"](**fields).title(((3, 5, 4),)) == title
