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
ELEMENTWISE = ["add", "subtract", "multiply", "divide", "mean"]

ROWS = [
    pytest.param(
        "add",
        {},
        ((64, 5, 4), (64, 5, 4)),
        {"output": (64, 5, 4), "adds": 64 * 5 * 4, "activations": 64 * 5 * 4},
        id="residual",
    ),
    pytest.param(
        "add",
        {},
        ((3, 10), (3, 10), (3, 10)),
        {"output": (3, 10), "adds": 2 * 30, "activations": 30},
        id="add-three",
    ),
    pytest.param(
        "subtract",
        {},
        ((3, 2, 5, 4), (3, 2, 5, 4)),
        {"output": (3, 2, 5, 4), "adds": 120, "activations": 120},
        id="subtract-3-d",
    ),
    pytest.param(
        "multiply",
        {},
        ((64, 5, 4), (64, 1, 1)),
        {"output": (64, 5, 4), "multiplies": 64 * 5 * 4, "activations": 64 * 5 * 4},
        id="squeeze-and-excitation",
    ),
    pytest.param(
        "divide",
        {},
        ((1, 5, 1), (3, 1, 4), (3, 5, 4)),
        {"output": (3, 5, 4), "divisions": 2 * 60, "activations": 60},
        id="divide-repeating-both",
    ),
    pytest.param(
        "mean",
        {},
        ((10,), (10,), (10,)),
        {"output": (10,), "adds": 2 * 10, "divisions": 10, "activations": 10},
        id="mean-of-three-vectors",
    ),
    pytest.param(
        "concat",
        {},
        ((64, 5, 4), (128, 5, 4), (32, 5, 4)),
        {"output": (64 + 128 + 32, 5, 4), "activations": 224 * 5 * 4},
        id="inception",
    ),
    pytest.param(
        "concat",
        {"axis": 1},
        ((3, 5, 4), (3, 7, 4)),
        {"output": (3, 5 + 7, 4), "activations": 3 * 12 * 4},
        id="concat-rows",
    ),
    pytest.param(
        "concat",
        {},
        ((5776,), (2166,), (600,), (150,), (36,), (4,)),
        {"output": (8_732,), "activations": 8_732},
        id="ssd300-priors",
    ),
    # GCNet, figure 4 (Cao et al. 2019): 64 channels of 56x56 places, each a sum weighted by the one map of attention
    pytest.param(
        "matmul",
        {},
        ((1, 64, 56 * 56), (1, 56 * 56, 1)),
        {"output": (1, 64, 1), "macs": 64 * 3_136, "multiplies": 200_704, "adds": 200_704, "activations": 64},
        id="matmul-global-context",
    ),
    pytest.param(
        "matmul",
        {},
        ((5, 3, 7), (5, 7, 2)),
        {"output": (5, 3, 2), "macs": 5 * 3 * 2 * 7, "multiplies": 210, "adds": 210, "activations": 30},
        id="matmul-of-several",
    ),
    pytest.param(
        "matmul",
        {},
        ((3, 7), (7, 4)),
        {"output": (3, 4), "macs": 84, "multiplies": 84, "adds": 84, "activations": 12},
        id="matmul-of-two-dimensions",
    ),
    # 16 filters of 3x3 over 8 channels at 8x8 places
    pytest.param(
        "dynamic_conv",
        {"out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1},
        ((8, 16, 16), (1152,)),
        {"output": (16, 8, 8), "macs": 73_728, "multiplies": 73_728, "adds": 73_728, "activations": 1024},
        id="dynamic_conv",
    ),
    # ⌊(9 - 5 + 2) / 2⌋ + 1 = 4 rows, ⌈(10 - 3) / 3⌉ + 1 = 4 columns; 3x3 over the 2 channels of a group
    pytest.param(
        "dynamic_conv",
        {"out_channels": 6, "kernel_size": 3, "stride": (2, 3), "padding": ((1, 1), (0, 0)), "dilation": (2, 1)}
        | {"groups": 3, "rounding": "ceil"},
        ((6, 9, 10), (6, 2, 3, 3)),
        {"output": (6, 4, 4), "macs": 6 * 16 * 18, "multiplies": 1728, "adds": 1728, "activations": 96}
        | {"remarks": ("stride-exceeds-window",)},  # every other row stands between the rows of a dilated kernel
        id="dynamic_conv-groups",
    ),
    pytest.param(
        "dynamic_conv",
        {"out_channels": 2, "kernel_size": 4},
        ((3, 7), (3, 8)),
        {"output": (2, 4), "macs": 2 * 4 * 12, "multiplies": 96, "adds": 96, "activations": 8},
        id="dynamic_conv-1-d",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "inputs", "expected"), ROWS)
def test_facts(
    kind: str,
    fields: dict[str, Any],
    inputs: tuple[Shape, ...],
    expected: dict[str, Any],
    told: Callable[..., dict[str, Any]],
) -> None:
    assert told(kind, fields, *inputs) == expected


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_reach(kind: str) -> None:
    assert KINDS[kind]().facts(((3, 5, 4), (3, 5, 4))).reach is POINTWISE


def test_concat_keeps_places_along_channels_only() -> None:
    assert KINDS["concat"]().facts(((3, 5, 4), (2, 5, 4))).reach is POINTWISE
    assert KINDS["concat"](axis=2).facts(((3, 5, 4), (3, 5, 2))).reach is UNTRACKED


def test_a_product_keeps_no_places() -> None:
    assert KINDS["matmul"]().facts(((3, 4, 4), (3, 4, 4))).reach is UNTRACKED


shapes = st.lists(st.sampled_from([1, 1, 2, 3]), min_size=2, max_size=2).map(tuple)


def joined(paths: list[Shape]) -> Shape | None:
    """The shape of paths of one rank element by element: along each dimension, the one size that is not 1."""
    sizes = [{size for size in along if size != 1} for along in zip(*paths, strict=True)]
    return None if any(len(each) > 1 for each in sizes) else tuple(max(each, default=1) for each in sizes)


@by_loops
@given(paths=st.lists(shapes, min_size=1, max_size=4))
def test_size_one_is_repeated(paths: list[Shape]) -> None:
    layer, expected = KINDS["add"](), joined(paths)
    if expected is not None:
        facts = layer.facts(tuple(paths))
        assert facts.output == expected
        assert facts.operations.adds == (len(paths) - 1) * expected[0] * expected[1]
        return
    with pytest.raises(LayerError) as refusal:
        layer.facts(tuple(paths))
    assert refusal.value.code == "merge-shapes-differ"
    first, other = refusal.value.sources
    assert refusal.value.shapes == (paths[first], paths[other])
    assert joined([paths[first], paths[other]]) is None  # the two it names are two that differ
    assert f"path {first + 1} and path {other + 1} differ" in refusal.value.message


@by_loops
@given(paths=st.lists(st.tuples(*[st.integers(1, 3)] * 3), min_size=1, max_size=3), axis=st.integers(0, 2))
def test_concat_is_torchs(paths: list[Shape], axis: int, torch: Any) -> None:
    layer = KINDS["concat"](axis=axis)
    try:
        whole = torch.cat([torch.empty(*path, device="meta") for path in paths], dim=axis)
    except RuntimeError:
        with pytest.raises(LayerError) as refusal:
            layer.facts(tuple(paths))
        assert refusal.value.code == "merge-shapes-differ"
        first, other = refusal.value.sources
        assert refusal.value.shapes == (paths[first], paths[other])
    else:
        assert layer.facts(tuple(paths)).output == tuple(whole.shape)


@by_loops
@given(
    paths=st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple), min_size=2, max_size=2),
    fits=st.booleans(),
)
def test_matmul_is_torchs(paths: list[Shape], fits: bool, torch: Any) -> None:
    """In a batch, whose size is the first of all; what torch would repeat is refused."""
    left, right = paths
    if fits:
        right = (*left[:-2], left[-1], right[-1])
    images = [torch.empty(5, *path, device="meta") for path in (left, right)]
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        try:
            product = torch.matmul(*images) if min(len(left), len(right)) > 1 else None
        except RuntimeError:
            product = None
    if product is None or len(left) != len(right) or left[:-2] != right[:-2]:
        with pytest.raises(LayerError):
            KINDS["matmul"]().facts((left, right))
        return
    facts = KINDS["matmul"]().facts((left, right))
    assert (5, *facts.output) == tuple(product.shape)
    assert 2 * 5 * facts.macs == counter.get_total_flops()


@by_loops
@given(
    channels=st.integers(1, 3),
    out_channels=st.integers(1, 3),
    groups=st.integers(1, 2),
    sizes=st.lists(st.integers(3, 7), min_size=1, max_size=3),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    images=st.integers(1, 3),
)
def test_dynamic_conv_is_torchs(
    channels: int, out_channels: int, groups: int, sizes: list[int], kernel: int, stride: int, images: int, torch: Any
) -> None:
    """Image by image, each with its own filters, in torch's counter; a batch is as many times one."""
    map, filters = (channels * groups, *sizes), (out_channels * groups, channels, *[kernel] * len(sizes))
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[len(sizes) - 1]
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        for _ in range(images):
            made = convolve(
                torch.empty(map, device="meta"), torch.empty(filters, device="meta"), None, stride, 0, 1, groups
            )
    layer = KINDS["dynamic_conv"](out_channels=filters[0], kernel_size=kernel, stride=stride, groups=groups)
    facts = layer.facts((map, filters))
    assert facts.output == tuple(made.shape)
    assert 2 * images * facts.macs == counter.get_total_flops()


def test_dynamic_conv_has_the_remarks_of_its_window() -> None:
    layer = KINDS["dynamic_conv"](out_channels=1, kernel_size=2, stride=3)
    (remark,) = layer.facts(((1, 9, 9), (4,))).remarks
    assert remark.code == "stride-exceeds-window"


@pytest.mark.parametrize(
    ("kind", "fields", "inputs", "error"),
    [
        *[
            pytest.param(kind, {}, ((64, 5, 4), (64, 3, 4)), ("merge-shapes-differ", ""), id=f"{kind}-rows")
            for kind in ELEMENTWISE
        ],
        pytest.param("add", {}, ((64,), (64, 1, 1)), ("merge-shapes-differ", ""), id="add-a-vector-to-a-map"),
        pytest.param("concat", {}, ((64, 5, 4), (32, 5, 3)), ("merge-shapes-differ", ""), id="concat-columns"),
        pytest.param("concat", {}, ((64,), (32, 1)), ("merge-shapes-differ", ""), id="concat-a-vector-with-a-map"),
        pytest.param("concat", {"axis": 1}, ((64, 5), (32, 5)), ("merge-shapes-differ", ""), id="concat-channels"),
        pytest.param("concat", {"axis": 3}, ((3, 5, 4), (3, 5, 4)), ("no-such-axis", "axis"), id="concat-no-axis"),
        pytest.param("matmul", {}, ((3, 4), (4, 3), (3, 4)), ("two-paths", ""), id="matmul-three"),
        pytest.param("matmul", {}, ((3, 4), (4,)), ("not-a-matrix", ""), id="matmul-a-vector"),
        *[
            pytest.param("dynamic_conv", {"out_channels": 4, "kernel_size": 3, **fields}, inputs, error, id=id)
            for fields, inputs, error, id in [
                ({}, ((2, 5, 5), (72,), (4,)), ("two-paths", ""), "dynamic_conv-three"),
                ({}, ((2, 5, 5), (71,)), ("filters-do-not-fit", ""), "dynamic_conv-too-few"),
                ({"groups": 2}, ((2, 5, 5), (72,)), ("filters-do-not-fit", ""), "dynamic_conv-without-groups"),
                ({"groups": 3}, ((2, 5, 5), (72,)), ("groups-divide-channels", "groups"), "dynamic_conv-groups"),
                ({}, ((2, 5, 2), (72,)), ("window-exceeds-input", "kernel_size"), "dynamic_conv-window"),
                ({}, ((2,), (72,)), ("no-spatial-dimensions", ""), "dynamic_conv-vector"),
                ({"stride": (1, 1, 1)}, ((2, 5, 5), (72,)), ("wrong-number-of-sizes", "stride"), "dynamic_conv-sizes"),
            ]
        ],
        pytest.param("matmul", {}, ((2, 3, 4), (4, 3)), ("matrices-do-not-fit", ""), id="matmul-ranks"),
        pytest.param("matmul", {}, ((2, 3, 4), (1, 4, 3)), ("matrices-do-not-fit", ""), id="matmul-repeated"),
        pytest.param("matmul", {}, ((2, 3, 4), (2, 3, 4)), ("matrices-do-not-fit", ""), id="matmul-rows-and-columns"),
    ],
)
def test_refused(
    kind: str,
    fields: dict[str, Any],
    inputs: tuple[Shape, ...],
    error: tuple[str, str],
    refused: Callable[..., tuple[str, str]],
) -> None:
    assert refused(kind, fields, *inputs) == error


@pytest.mark.parametrize(
    ("axis", "inputs", "message"),
    [
        pytest.param(
            0,
            ((8, 5, 4), (9, 5, 4), (8, 5, 3)),
            "`concat` cannot join {0} and {1}: path 1 and path 3 may differ in channels only",
            id="channels",
        ),
        pytest.param(
            2,
            ((8, 5, 4), (9, 5, 4)),
            "`concat` cannot join {0} and {1}: path 1 and path 2 may differ in dimension 2 only",
            id="columns",
        ),
    ],
)
def test_concat_says_what_may_differ(axis: int, inputs: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS["concat"](axis=axis).facts(inputs)
    assert refusal.value.message == message


def test_an_axis_that_would_do() -> None:
    with pytest.raises(LayerError) as refusal:
        KINDS["concat"](axis=3).facts(((8, 5, 4), (9, 5, 4)))
    assert refusal.value.help == "use 0 (channels) to 2"


def test_title() -> None:
    assert KINDS["concat"]().title(((3, 5, 4), (2, 5, 4), (1, 5, 4))) == "3 paths"
