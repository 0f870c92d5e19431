from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import EVERYTHING, POINTWISE, REARRANGED, UNTRACKED, AxesSwapped, LayerError, Reach
from cnncalc.shapes import Shape

by_loops = settings(derandomize=True, max_examples=100, deadline=None)
Spans = Callable[..., list[tuple[int, int]]]

ROWS = [
    # views: no new tensor
    pytest.param("identity", {}, (3, 5, 4), {"output": (3, 5, 4)}, id="identity"),
    pytest.param("flatten", {}, (64, 4, 5), {"output": (64 * 4 * 5,)}, id="flatten"),
    pytest.param("flatten", {}, (2, 3, 4, 5), {"output": (120,)}, id="flatten-3-d"),
    pytest.param("flatten", {}, (10,), {"output": (10,)}, id="flatten-a-vector"),
    pytest.param("reshape", {"shape": (6, 10)}, (3, 5, 4), {"output": (6, 10)}, id="reshape"),
    pytest.param("reshape", {"shape": (4, -1, 3)}, (3, 5, 4), {"output": (4, 5, 3)}, id="reshape-the-rest"),
    pytest.param("reshape", {"shape": -1}, (3, 5, 4), {"output": (60,)}, id="reshape-to-a-vector"),
    pytest.param("reshape", {"shape": (128, 7, 8)}, (7168,), {"output": (128, 7, 8)}, id="reshape-a-vector"),
    pytest.param("permute", {"dims": (0, 2, 1)}, (3, 5, 4), {"output": (3, 4, 5)}, id="permute-rows-and-columns"),
    pytest.param("permute", {"dims": (1, 0)}, (3, 5), {"output": (5, 3)}, id="permute-1-d"),
    pytest.param("permute", {"dims": (3, 0, 2, 1)}, (2, 3, 4, 5), {"output": (5, 2, 4, 3)}, id="permute-3-d"),
    pytest.param("slice", {"stop": 2}, (6, 5, 4), {"output": (2, 5, 4)}, id="slice-channels"),
    pytest.param("slice", {"start": -3, "axis": 2}, (6, 5, 4), {"output": (6, 5, 3)}, id="slice-the-last-columns"),
    pytest.param("slice", {"start": 1, "step": 2, "axis": 1}, (6, 8), {"output": (6, 4)}, id="slice-every-second"),
    # copies
    pytest.param(
        "pad",
        {"padding": ((1, 2), (0, 3))},
        (3, 5, 4),
        {"output": (3, 8, 7), "activations": 3 * 8 * 7},
        id="pad-a-side",
    ),
    pytest.param(
        "pad",
        {"padding": 2, "mode": "reflect"},
        (3, 5),
        {"output": (3, 9), "activations": 3 * 9},
        id="pad-1-d-reflected",
    ),
    pytest.param(
        "pad",
        {"padding": (0, 1, 2), "value": -1.0},
        (2, 3, 4, 5),
        {"output": (2, 3, 6, 9), "activations": 2 * 3 * 6 * 9},
        id="pad-3-d-a-dimension",
    ),
    pytest.param(
        "crop",
        {"size": (56, 40)},
        (64, 64, 45),
        {"output": (64, 56, 40)},
        id="crop-centred",
    ),
    pytest.param(
        "crop",
        {"sides": ((1, 2), (0, 3))},
        (3, 8, 7),
        {"output": (3, 5, 4)},
        id="crop-sides",
    ),
    pytest.param("crop", {"size": 3}, (2, 8), {"output": (2, 3)}, id="crop-1-d"),
    pytest.param(
        "channel_shuffle",
        {"groups": 3},
        (12, 5, 4),
        {"output": (12, 5, 4), "activations": 12 * 5 * 4},
        id="channel-shuffle",
    ),
    pytest.param(
        "pixel_shuffle",
        {"upscale_factor": 3},
        (18, 5, 4),
        {"output": (2, 15, 12), "activations": 18 * 5 * 4},
        id="pixel-shuffle",
    ),
    pytest.param(
        "pixel_shuffle",
        {"upscale_factor": 2},
        (6, 5),
        {"output": (3, 10), "activations": 6 * 5},
        id="pixel-shuffle-1-d",
    ),
    pytest.param(
        "pixel_shuffle",
        {"upscale_factor": 2},
        (16, 2, 3, 4),
        {"output": (2, 4, 6, 8), "activations": 16 * 2 * 3 * 4},
        id="pixel-shuffle-3-d",
    ),
    pytest.param(
        "space_to_depth",
        {"block_size": 2},
        (64, 26, 24),
        {"output": (256, 13, 12), "activations": 64 * 26 * 24},
        id="space-to-depth",
    ),
    pytest.param(
        "space_to_depth",
        {"block_size": 3},
        (2, 9),
        {"output": (6, 3), "activations": 2 * 9},
        id="space-to-depth-1-d",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


# Reach ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "input", "reach"),
    [
        pytest.param("identity", {}, (3, 5, 4), POINTWISE, id="identity"),
        pytest.param("flatten", {}, (3, 5, 4), REARRANGED, id="flatten"),
        pytest.param("flatten", {}, (60,), POINTWISE, id="flatten-a-vector"),
        pytest.param("reshape", {"shape": (6, 10)}, (3, 5, 4), REARRANGED, id="reshape"),
        pytest.param("reshape", {"shape": (3, -1, 4)}, (3, 5, 4), POINTWISE, id="reshape-to-the-same"),
        pytest.param("permute", {"dims": (0, 2, 1)}, (3, 5, 4), AxesSwapped((1, 0)), id="permute-places"),
        pytest.param("permute", {"dims": (0, 3, 1, 2)}, (2, 3, 4, 5), AxesSwapped((2, 0, 1)), id="permute-3-d"),
        pytest.param("permute", {"dims": (1, 0, 2)}, (3, 5, 4), REARRANGED, id="permute-channels"),
        pytest.param("slice", {"stop": 2}, (3, 5, 4), POINTWISE, id="slice-channels"),
        pytest.param("slice", {"stop": 2}, (3,), UNTRACKED, id="slice-a-vector"),
        pytest.param("channel_shuffle", {"groups": 2}, (4, 5), POINTWISE, id="shuffle"),
        pytest.param("channel_shuffle", {"groups": 2}, (4,), UNTRACKED, id="shuffle-a-vector"),
    ],
)
def test_reach(kind: str, fields: dict[str, Any], input: Shape, reach: Reach) -> None:
    told = KINDS[kind](**fields).facts((input,)).reach
    assert told == reach
    assert type(told) is type(reach)
    assert told is not EVERYTHING


@by_loops
@given(W=st.integers(1, 9), start=st.integers(-10, 10), stop=st.none() | st.integers(-10, 10), step=st.integers(1, 4))
def test_slice_is_pythons(W: int, start: int, stop: int | None, step: int, spans: Spans) -> None:
    kept = list(range(W))[start:stop:step]
    assume(kept)
    fields = {"start": start, "stop": stop, "step": step, "axis": 2}
    assert KINDS["slice"](**fields).facts(((2, 3, W),)).output == (2, 3, len(kept))
    assert spans("slice", fields, (2, 3, W)) == [(i, i) for i in kept]


def test_slice_leaves_the_other_dimension_alone(spans: Spans) -> None:
    assert spans("slice", {"start": 2, "axis": 1}, (2, 5, 3)) == [(0, 0), (1, 1), (2, 2)]


@by_loops
@given(W=st.integers(1, 9), before=st.integers(0, 5), after=st.integers(0, 5))
def test_pad_by_loops(W: int, before: int, after: int, spans: Spans) -> None:
    padded = [None] * before + list(range(W)) + [None] * after
    fields = {"padding": ((before, after),)}
    reached = spans("pad", fields, (2, W))
    assert len(reached) == len(padded)
    assert all((low, high) == (i, i) for (low, high), i in zip(reached, padded, strict=True) if i is not None)


@by_loops
@given(
    W=st.integers(1, 6),
    before=st.integers(0, 8),
    after=st.integers(0, 8),
    mode=st.sampled_from(["reflect", "replicate", "circular"]),
)
def test_pad_takes_what_torch_takes(W: int, before: int, after: int, mode: str, torch: Any) -> None:
    layer = KINDS["pad"](padding=((before, after),), mode=mode)
    try:
        padded = torch.nn.functional.pad(torch.zeros(1, 2, W), (before, after), mode=mode)
    except RuntimeError:
        with pytest.raises(LayerError, match=f"{mode} padding of {max(before, after)}"):
            layer.facts(((2, W),))
    else:
        assert layer.facts(((2, W),)).output == tuple(padded.shape[1:])


@by_loops
@given(W=st.integers(1, 9), before=st.integers(0, 4), after=st.integers(0, 4))
def test_crop_by_loops(W: int, before: int, after: int, spans: Spans) -> None:
    kept = list(range(W))[before : max(0, W - after)]
    assume(kept)
    assert spans("crop", {"sides": ((before, after),)}, (2, W)) == [(i, i) for i in kept]


@by_loops
@given(W=st.integers(1, 12), size=st.integers(1, 12))
def test_crop_to_a_size_is_centred(W: int, size: int, spans: Spans) -> None:
    """Positions are cut off the end and the beginning in turn."""
    assume(size <= W)
    kept = list(range(W))
    while len(kept) > size:
        kept.pop(-1 if (W - len(kept)) % 2 == 0 else 0)
    assert spans("crop", {"size": size}, (2, W)) == [(i, i) for i in kept]


@by_loops
@given(rank=st.integers(1, 3), r=st.integers(1, 3), channels=st.integers(1, 3), W=st.integers(1, 4))
def test_pixel_shuffle_by_loops(rank: int, r: int, channels: int, W: int, spans: Spans) -> None:
    """Of r positions along a dimension, all come from the place they stand at."""
    sizes = tuple(W + a for a in range(rank))
    moved = {
        (c, *[place * r + part for place, part in zip(at, parts, strict=True)]): at[-1]
        for c in range(channels)
        for at in product(*map(range, sizes))
        for parts in product(range(r), repeat=rank)
    }
    input = (channels * r**rank, *sizes)
    facts = KINDS["pixel_shuffle"](upscale_factor=r).facts((input,))
    assert set(moved) == set(product(*map(range, facts.output)))
    from_place = {output[-1]: place for output, place in moved.items()}
    reached = [(from_place[o], from_place[o]) for o in sorted(from_place)]
    assert spans("pixel_shuffle", {"upscale_factor": r}, input) == reached


@by_loops
@given(rank=st.integers(1, 3), b=st.integers(1, 3), channels=st.integers(1, 3), W=st.integers(1, 4))
def test_space_to_depth_by_loops(rank: int, b: int, channels: int, W: int, spans: Spans) -> None:
    """A block's positions, b along each dimension, become channels of one place."""
    sizes = tuple((W + a) * b for a in range(rank))
    moved = {
        (c, *[i % b for i in at], *[i // b for i in at]): at[-1]
        for c in range(channels)
        for at in product(*map(range, sizes))
    }
    facts = KINDS["space_to_depth"](block_size=b).facts(((channels, *sizes),))
    assert facts.output[0] == len({output[: 1 + rank] for output in moved})
    assert facts.output[1:] == tuple(max(output[1 + rank + a] for output in moved) + 1 for a in range(rank))
    blocks: dict[int, list[int]] = {}
    for output, place in moved.items():
        blocks.setdefault(output[-1], []).append(place)
    reached = [(min(blocks[o]), max(blocks[o])) for o in sorted(blocks)]
    assert spans("space_to_depth", {"block_size": b}, (channels, *sizes)) == reached


@pytest.mark.parametrize(("kind", "field"), [("pixel_shuffle", "upscale_factor"), ("space_to_depth", "block_size")])
def test_shuffles_are_torchs(kind: str, field: str, torch: Any) -> None:
    function = {"pixel_shuffle": torch.pixel_shuffle, "space_to_depth": torch.pixel_unshuffle}[kind]
    shuffled = function(torch.zeros(1, 18, 6, 9), 3)
    assert KINDS[kind](**{field: 3}).facts(((18, 6, 9),)).output == tuple(shuffled.shape[1:])


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "input", "error"),
    [
        *[
            pytest.param("reshape", {"shape": shape}, (3, 5, 4), ("reshape-sizes", "shape"), id=f"reshape-{case}")
            for case, shape in [
                ("to-more", (3, 5, 5)),
                ("to-a-part", (3, 5)),
                ("two-free", (3, -1, -1)),
                ("to-nothing", ()),
                ("not-whole", (7, -1)),
            ]
        ],
        *[
            pytest.param("permute", {"dims": dims}, (3, 5, 4), ("permute-dims", "dims"), id=f"permute-{case}")
            for case, dims in [("too-few", (0, 1)), ("twice", (0, 1, 1)), ("out-of-range", (0, 1, 3))]
        ],
        pytest.param(
            "pad",
            {"padding": ((0, 5),), "mode": "reflect"},
            (3, 5),
            ("padding-exceeds-input", "padding"),
            id="reflect-as-much-as-the-input",
        ),
        pytest.param(
            "pad",
            {"padding": (1, 5), "mode": "circular"},
            (3, 5, 4),
            ("padding-exceeds-input", "padding"),
            id="wrap-more-than-the-input",
        ),
        pytest.param("pad", {"padding": (1, 1, 1)}, (3, 5, 4), ("wrong-number-of-sizes", "padding"), id="paddings"),
        pytest.param("pad", {"padding": 1}, (3,), ("no-spatial-dimensions", ""), id="pad-a-vector"),
        pytest.param("crop", {"size": (5, 5)}, (3, 5, 4), ("crop-exceeds-input", "size"), id="crop-to-more"),
        pytest.param("crop", {"sides": 2}, (3, 5, 4), ("crop-exceeds-input", "sides"), id="crop-everything"),
        pytest.param("crop", {}, (3, 5, 4), ("crop-size-or-sides", ""), id="crop-by-nothing"),
        pytest.param("crop", {"size": 2, "sides": 1}, (3, 5, 4), ("crop-size-or-sides", ""), id="crop-by-both"),
        pytest.param("crop", {"size": (2,)}, (3, 5, 4), ("wrong-number-of-sizes", "size"), id="crop-sizes"),
        pytest.param("crop", {"size": 2}, (3,), ("no-spatial-dimensions", ""), id="crop-a-vector"),
        pytest.param("slice", {"axis": 3}, (3, 5, 4), ("no-such-axis", "axis"), id="slice-no-axis"),
        pytest.param("slice", {"start": 3}, (3, 5, 4), ("empty-slice", "start"), id="slice-from-the-end"),
        pytest.param("slice", {"start": 2, "stop": 1}, (3, 5, 4), ("empty-slice", "stop"), id="slice-of-nothing"),
        pytest.param(
            "channel_shuffle", {"groups": 5}, (12, 5, 4), ("groups-divide-channels", "groups"), id="shuffle-groups"
        ),
        pytest.param(
            "pixel_shuffle",
            {"upscale_factor": 2},
            (6, 5, 4),
            ("factor-divides-channels", "upscale_factor"),
            id="pixel-shuffle-channels",
        ),
        pytest.param(
            "pixel_shuffle", {"upscale_factor": 2}, (4,), ("no-spatial-dimensions", ""), id="pixel-shuffle-a-vector"
        ),
        pytest.param(
            "space_to_depth",
            {"block_size": 2},
            (3, 6, 5),
            ("block-divides-input", "block_size"),
            id="space-to-depth-sizes",
        ),
        pytest.param(
            "space_to_depth", {"block_size": 2}, (4,), ("no-spatial-dimensions", ""), id="space-to-depth-a-vector"
        ),
    ],
)
def test_refused(
    kind: str, fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused(kind, fields, input) == error


@pytest.mark.parametrize("shape", [0, (0, -1), (-2,)])
def test_reshape_takes_sizes_from_one_up_or_minus_one(shape: Any) -> None:
    with pytest.raises(ValueError, match="`shape` has to be a list of sizes"):
        KINDS["reshape"](shape=shape)


@pytest.mark.parametrize(
    ("kind", "fields", "input", "help"),
    [
        pytest.param("pad", {"padding": 5, "mode": "reflect"}, (3, 5), "use at most 4", id="reflect"),
        pytest.param("pad", {"padding": 6, "mode": "circular"}, (3, 5), "use at most 5", id="circular"),
        pytest.param(
            "pixel_shuffle",
            {"upscale_factor": 3},
            (6, 5, 4),
            "the channels have to be a multiple of 9",
            id="pixel-shuffle",
        ),
        pytest.param("slice", {"axis": 3}, (3, 5, 4), "use 0 (channels) to 2", id="slice"),
        pytest.param("permute", {"dims": (0, 1)}, (3, 5, 4), "use an order of [0, 1, 2]", id="permute"),
    ],
)
def test_help_says_what_would_do(kind: str, fields: dict[str, Any], input: Shape, help: str) -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS[kind](**fields).facts((input,))
    assert refusal.value.help == help
