"""Views take no bytes, copies are made where a view cannot be, and gradients are seen the other way round.

Strides are given where a result is not contiguous. A tensor of 3x4x5x6 float32 is 1,440 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.eager import kernels, views
from cnncalc.eager.machine import Machine, Tensor

Sizes = tuple[int, ...]
MAPS = (3, 4, 5, 6)
HALF = 3 * 2 * 5 * 6 * 4  # bytes of two of the four channels


@pytest.mark.parametrize(
    ("operator", "shapes", "expected"),
    [
        pytest.param(
            lambda x: views.view(x, (3, 20, 6)),
            [MAPS],
            {"shape": (3, 20, 6), "forward": [("view", 0)], "backward": [("view", 0)]},
            id="view",
        ),
        pytest.param(
            lambda x: views.reshape(x, (12, 30)),
            [MAPS],
            {"shape": (12, 30), "forward": [("view", 0)], "backward": [("view", 0)]},
            id="reshape",
        ),
        # rows and columns stay one run when channels move behind them
        pytest.param(
            lambda x: views.reshape(views.permute(x, (0, 2, 3, 1)), (3, 30, 4)),
            [MAPS],
            {
                "shape": (3, 30, 4),
                "strides": (120, 1, 30),
                "forward": [("permute", 0), ("_reshape_alias", 0)],
                # the gradient of ones lies as the result does
                "backward": [("_reshape_alias", 0), ("permute", 0)],
            },
            id="reshape-of-a-permutation",
        ),
        # channels and positions are none: a copy
        pytest.param(
            lambda x: views.reshape(views.permute(x, (0, 2, 3, 1)), (3, 120)),
            [MAPS],
            {
                "shape": (3, 120),
                "forward": [("permute", 0), ("clone", 1440), ("_unsafe_view", 1440)],
                "backward": [("view", 0), ("permute", 0)],
            },
            id="reshape-by-a-copy",
        ),
        # the other way round: a gradient of 4 and 5 swapped is no view of 20
        pytest.param(
            lambda x: views.clone(views.permute(views.view(x, (3, 4, 5)), (0, 2, 1))),
            [(3, 20)],
            {
                "shape": (3, 5, 4),
                "forward": [("view", 0), ("permute", 0), ("clone", 240)],
                "backward": [("permute", 0), ("clone", 240), ("_unsafe_view", 240)],
            },
            id="its-gradient-by-a-copy",
        ),
        pytest.param(
            lambda x: views.flatten(x, 1),
            [MAPS],
            {"shape": (3, 120), "forward": [("view", 0)], "backward": [("view", 0)]},
            id="flatten",
        ),
        pytest.param(
            lambda x: views.flatten(x, 1, 2),
            [MAPS],
            {"shape": (3, 20, 6), "forward": [("view", 0)], "backward": [("view", 0)]},
            id="flatten-some",
        ),
        pytest.param(lambda x: views.flatten(x, 1), [(3, 4)], {"shape": (3, 4)}, id="nothing-to-flatten"),
        pytest.param(views.clone, [MAPS], {"shape": MAPS, "forward": [("clone", 1440)]}, id="clone"),
        pytest.param(views.contiguous_of, [MAPS], {"shape": MAPS}, id="contiguous-already"),
        pytest.param(
            lambda x: views.contiguous_of(views.permute(x, (1, 0, 2, 3))),
            [MAPS],
            {
                "shape": (4, 3, 5, 6),
                "forward": [("permute", 0), ("clone", 1440)],
                "backward": [("permute", 0)],
            },
            id="contiguous-by-a-copy",
        ),
        pytest.param(
            lambda x: views.unsqueeze(x, 1),
            [MAPS],
            {"shape": (3, 1, 4, 5, 6), "forward": [("unsqueeze", 0)], "backward": [("squeeze", 0)]},
            id="unsqueeze",
        ),
        pytest.param(
            lambda x: views.unsqueeze(x, -1),
            [MAPS],
            {"shape": (3, 4, 5, 6, 1), "forward": [("unsqueeze", 0)], "backward": [("squeeze", 0)]},
            id="unsqueeze-last",
        ),
        pytest.param(
            lambda x: views.squeeze(x, -2),
            [(3, 4, 1, 6)],
            {"shape": (3, 4, 6), "forward": [("squeeze", 0)], "backward": [("unsqueeze", 0)]},
            id="squeeze",
        ),
        pytest.param(
            lambda x: views.movedim(x, 1, -1),
            [MAPS],
            {
                "shape": (3, 5, 6, 4),
                "strides": (120, 6, 1, 30),
                "forward": [("permute", 0)],
                "backward": [("permute", 0)],
            },
            id="movedim",
        ),
        pytest.param(
            lambda x: views.transpose(x, 1, 3),
            [MAPS],
            {
                "shape": (3, 6, 5, 4),
                "strides": (120, 1, 6, 30),
                "forward": [("transpose", 0)],
                "backward": [("transpose", 0)],
            },
            id="transpose",
        ),
        pytest.param(
            views.t,
            [(3, 5)],
            {"shape": (5, 3), "strides": (1, 5), "forward": [("t", 0)], "backward": [("t", 0)]},
            id="t",
        ),
        # zeros of the whole, with the part written in
        pytest.param(
            lambda x: views.part(x, 1, 2),
            [MAPS],
            {
                "shape": (3, 2, 5, 6),
                "strides": (120, 30, 6, 1),
                "forward": [("slice", 0)],
                "backward": [("slice_backward", 1440)],
            },
            id="part",
        ),
        pytest.param(
            lambda x: views.part(x, 3, 3, 2),
            [MAPS],
            {
                "shape": (3, 4, 5, 3),
                "strides": (120, 30, 6, 2),
                "forward": [("slice", 0)],
                "backward": [("slice_backward", 1440)],
            },
            id="every-second",
        ),
        pytest.param(
            lambda x: views.select(x, 1),
            [MAPS],
            {
                "shape": (3, 5, 6),
                "strides": (120, 6, 1),
                "forward": [("select", 0)],
                "backward": [("select_backward", 1440)],
            },
            id="select",
        ),
        pytest.param(views.alias, [MAPS], {"shape": MAPS, "forward": [("alias", 0)]}, id="alias"),
        # windows of 2 rows, every 3rd: rows 0-1 and 3-4
        pytest.param(
            lambda x: views.unfold(x, 2, 2, 3),
            [MAPS],
            {
                "shape": (3, 4, 2, 6, 2),
                "strides": (120, 30, 18, 1, 6),
                "forward": [("unfold", 0)],
                "backward": [("unfold_backward", 1440)],
            },
            id="unfold",
        ),
        pytest.param(
            lambda x: views.expand(x, (3, 4, 5)),
            [(3, 1, 5)],
            {"shape": (3, 4, 5), "strides": (5, 0, 1), "forward": [("expand", 0)], "backward": [("sum", 60)]},
            id="expand",
        ),
        pytest.param(
            lambda x: views.expand(x, (3, 4)),
            [(4,)],
            {"shape": (3, 4), "strides": (0, 1), "forward": [("expand", 0)], "backward": [("sum", 16), ("view", 16)]},
            id="expand-to-more-dimensions",
        ),
        # the first of three parts: zeros for the two others (1 and 1 channel), and all of it put together
        pytest.param(
            lambda x: views.split(x, (2, 1, 1), 1)[0],
            [MAPS],
            {
                "shape": (3, 2, 5, 6),
                "strides": (120, 30, 6, 1),
                "forward": [("split_with_sizes", 0)],
                "backward": [("zeros", 360), ("zeros", 720), ("cat", 720 + 1440)],
            },
            id="split",
        ),
        pytest.param(
            lambda x, y: views.cat([x, y], 1),
            [MAPS, (3, 2, 5, 6)],
            {
                "shape": (3, 6, 5, 6),
                "forward": [("cat", 1440 + HALF)],
                "backward": [("slice", 0), ("slice", 0)],
            },
            id="cat",
        ),
        pytest.param(
            lambda x, y: views.stack([x, y], 2),
            [(3, 4), (3, 4)],
            {"shape": (3, 4, 2), "forward": [("stack", 96)], "backward": [("select", 0), ("select", 0)]},
            id="stack",
        ),
        # 3 rows of 4 numbers, summed
        pytest.param(
            lambda x: views.repeat_rows(x, 3),
            [(4,)],
            {"shape": (12,), "forward": [("repeat", 48)], "backward": [("view", 0), ("sum", 16)]},
            id="repeat_rows",
        ),
        # 8x9 positions; the gradient of the inner 5x6 is a tensor of its own
        pytest.param(
            lambda x: kernels.pad(x, [(1, 2), (0, 3)]),
            [MAPS],
            {
                "shape": (3, 4, 8, 9),
                "forward": [("constant_pad_nd", 3 * 4 * 8 * 9 * 4)],
                "backward": [("constant_pad_nd", 1440)],
            },
            id="pad",
        ),
        # what is repeated keeps the input
        pytest.param(
            lambda x: kernels.pad(x, [(1, 2), (0, 3)], "reflect"),
            [MAPS],
            {
                "shape": (3, 4, 8, 9),
                "forward": [("reflection_pad2d", 3456)],
                "keeps": [0],
                "backward": [("reflection_pad2d_backward", 1440)],
            },
            id="pad-reflect",
        ),
        pytest.param(
            lambda x: kernels.pad(x, [(2, 1)], "replicate"),
            [(3, 4, 5)],
            {
                "shape": (3, 4, 8),
                "forward": [("replication_pad1d", 384)],
                "keeps": [0],
                "backward": [("replication_pad1d_backward", 240)],
            },
            id="pad-replicate",
        ),
    ],
)
def test_operators(
    told: Callable[..., dict[str, Any]], operator: Callable[..., Tensor], shapes: list[Sizes], expected: dict[str, Any]
) -> None:
    assert told(operator, *shapes) == expected


def test_circular_padding_writes_into_a_new_tensor(told: Callable[..., dict[str, Any]]) -> None:
    """[3, 4, 8] of [3, 4, 5]: the middle, and then what is at either end of it."""
    found = told(lambda x: kernels.pad(x, [(2, 1)], "circular"), (3, 4, 5))
    assert found["shape"] == (3, 4, 8)
    assert found["forward"] == [
        ("new_empty", 384),
        *[("slice", 384), ("slice", 384), ("copy_", 384)],
        *[("slice", 384), ("slice", 384), ("copy_", 384)] * 2,
    ]
    assert "keeps" not in found


def test_channels_last_stays_so(told: Callable[..., dict[str, Any]]) -> None:
    last: dict[str, Any] = {"strides": (120, 1, 24, 4)}
    assert told(lambda x: kernels.pad(x, [(1, 0), (0, 0)]), MAPS, **last)["strides"] == (6 * 6 * 4, 1, 24, 4)
    assert told(lambda x: views.cat([x, x], 1), MAPS, **last)["strides"] == (240, 1, 48, 8)
    # not all of what is put together
    assert "strides" not in told(lambda x, y: views.cat([x, y], 1), MAPS, MAPS, **last)
    # the copy of reshape and the one of `contiguous` do not
    assert "strides" not in told(views.contiguous_of, MAPS, **last)
    assert told(views.contiguous_of, MAPS, **last)["forward"] == [("clone", 1440)]


def test_views_keep_one_storage(machine: Machine) -> None:
    x = machine.tensor(MAPS, 4)
    seen = views.t(views.flatten(views.select(views.part(views.permute(x, (0, 2, 3, 1)), 1, 3), 2), 1))
    assert machine.live == 1440 + 3 * 12 * 4  # the flattening is a copy of 3x3x4 of them
    assert seen.shape == (12, 3)
    del x
    assert machine.live == 3 * 12 * 4


def test_an_unsafe_view_has_no_base(machine: Machine) -> None:
    """Its storage is its own, so that gradients may be added to it."""
    seen = views.unsafe_view(views.clone(machine.tensor((3, 4), 4)), (12,))
    assert seen.base is None
    assert seen.storage.tensors == 1


def test_a_view_that_strides_do_not_allow_is_a_mistake_of_ours(machine: Machine) -> None:
    with pytest.raises(AssertionError):
        views.view(views.t(machine.tensor((3, 4), 4)), (12,))


# Against torch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "in_torch"),
    [
        pytest.param(lambda x: views.view(x, (3, 20, 6)), lambda x: x.view(3, 20, 6), id="view"),
        pytest.param(lambda x: views.flatten(x, 1, 2), lambda x: x.flatten(1, 2), id="flatten"),
        pytest.param(lambda x: views.unsqueeze(x, 2), lambda x: x.unsqueeze(2), id="unsqueeze"),
        pytest.param(lambda x: views.permute(x, (3, 1, 0, 2)), lambda x: x.permute(3, 1, 0, 2), id="permute"),
        pytest.param(lambda x: views.movedim(x, 1, -1), lambda x: x.movedim(1, -1), id="movedim"),
        pytest.param(lambda x: views.movedim(x, -1, 1), lambda x: x.movedim(-1, 1), id="movedim-back"),
        pytest.param(lambda x: views.transpose(x, 0, 2), lambda x: x.transpose(0, 2), id="transpose"),
        pytest.param(lambda x: views.part(x, 2, 2, 2), lambda x: x[:, :, :4:2], id="part"),
        pytest.param(lambda x: views.select(x, 2), lambda x: x[:, :, 0], id="select"),
        pytest.param(lambda x: views.unfold(x, 3, 3, 2), lambda x: x.unfold(3, 3, 2), id="unfold"),
        pytest.param(lambda x: views.expand(x, (2, 3, 4, 5, 6)), lambda x: x.expand(2, 3, 4, 5, 6), id="expand"),
        pytest.param(lambda x: views.split(x, (1, 3), 1)[1], lambda x: x.split((1, 3), 1)[1], id="split"),
        pytest.param(lambda x: views.stack([x, x], 1), lambda x: _torch().stack([x, x], 1), id="stack"),
    ],
)
def test_torch_sees_the_same(
    machine: Machine, operator: Callable[[Tensor], Tensor], in_torch: Callable[[Any], Any]
) -> None:
    own = operator(machine.tensor(MAPS, 4))
    seen = in_torch(_torch().empty(MAPS))
    assert (own.shape, own.strides) == (tuple(seen.shape), tuple(seen.stride()))


def _torch() -> Any:
    return pytest.importorskip("torch", reason="compares with torch, which is not installed")
