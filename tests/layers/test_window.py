from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnncalc.layers import KINDS
from cnncalc.layers.base import LayerError
from cnncalc.layers.window import window_axes
from cnncalc.shapes import Shape

by_loops = settings(derandomize=True, max_examples=150, deadline=None)
Mode = Literal["floor", "ceil", "same", "full"]


class Slide(NamedTuple):
    """A window along one dimension, slid by hand: where each stands, and the padding it took."""

    starts: list[int]
    before: int
    after: int


def slide(W: int, F: int, S: int, padding: tuple[int, int], mode: Mode) -> Slide:
    """The windows of F positions, S apart, over positions -before to W + after - 1."""
    if mode == "same":  # the least padding that gives a window for every S inputs, the odd position after
        total, wanted = 0, len(range(0, W, S))
        while len(slide(W, F, S, (0, total), "floor").starts) < wanted:
            total += 1
        return slide(W, F, S, (total // 2, total - total // 2), "floor")
    before, after = (F - 1, F - 1) if mode == "full" else padding
    starts, start = [], -before
    while start + F <= W + after:
        starts.append(start)
        start += S
    if mode == "ceil" and starts and starts[-1] + F < W + after and start < W:  # something is left: one more window
        starts.append(start)
    return Slide(starts, before, after)


@st.composite
def windows(draw: st.DrawFn, modes: tuple[Mode, ...] = ("floor", "ceil", "same", "full")) -> dict[str, Any]:
    """A window that fits, in some cases into padding alone; rounded up, it may not (torch's pools refuse it)."""
    K, D, mode = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.sampled_from(modes))
    F = K * D - D + 1
    W = draw(st.integers(1, 14) if mode in ("same", "full") else st.integers(F, F + 14))
    most = F - 1 if mode == "ceil" else F + 1
    padding = (draw(st.integers(0, most)), draw(st.integers(0, most)))
    return {"W": W, "K": K, "D": D, "F": F, "S": draw(st.integers(1, 6)), "padding": padding, "mode": mode}


def as_fields(window: dict[str, Any]) -> dict[str, Any]:
    mode = window["mode"]
    return {
        "kernel_size": window["K"],
        "stride": window["S"],
        "dilation": window["D"],
        "padding": mode if mode in ("same", "full") else (window["padding"],),
        "rounding": "ceil" if mode == "ceil" else "floor",
    }


def slid(window: dict[str, Any]) -> Slide:
    return slide(window["W"], window["F"], window["S"], window["padding"], window["mode"])


@by_loops
@given(window=windows())
def test_axis_by_loops(window: dict[str, Any]) -> None:
    by_hand = slid(window)
    fields = as_fields(window)
    (axis,) = window_axes((window["W"],), **fields)
    assert (axis.output, axis.before, axis.after) == (len(by_hand.starts), by_hand.before, by_hand.after)
    assert axis.effective_kernel == window["F"]


@by_loops
@given(window=windows())
def test_reach_by_loops(window: dict[str, Any], spans: Callable[..., list[tuple[int, int]]]) -> None:
    """The first and the last position of each window, which may be padding."""
    taps = [[start + k * window["D"] for k in range(window["K"])] for start in slid(window).starts]
    reached = [(min(each), max(each)) for each in taps]
    assert spans("conv", {"out_channels": 1, **as_fields(window)}, (1, window["W"])) == reached


@by_loops
@given(window=windows())
@example(window={"W": 1, "K": 1, "D": 1, "F": 1, "S": 3, "padding": (2, 0), "mode": "floor"})  # reads padding alone
@example(window={"W": 2, "K": 1, "D": 1, "F": 1, "S": 2, "padding": (0, 0), "mode": "ceil"})  # the second is outside
def test_remarks_by_loops(window: dict[str, Any]) -> None:
    """Positions between two windows are skipped; positions after the last are left over."""
    facts = KINDS["conv"](out_channels=1, **as_fields(window)).facts(((1, window["W"]),))
    W, F = window["W"], window["F"]
    starts = slid(window).starts
    spanned = {position for start in starts for position in range(start, start + F)}
    holes = len({k * window["D"] % window["S"] for k in range(window["K"])}) < window["S"] <= F
    if holes:  # phases of the stride that no kernel position meets
        spanned = {start + k * window["D"] for start in starts for k in range(window["K"])}
    lost = set(range(W)) - spanned
    between = {position for position in lost if holes or position < starts[-1]}
    if between:
        message = f"no window reads {len(lost)} of {W} positions: the stride steps over them"
        expected = [("stride-exceeds-window", message)]
    elif lost:
        expected = [("input-unread", f"no window reads the last {len(lost)} of {W} positions")]
    else:
        expected = []
    assert [(remark.code, remark.message) for remark in facts.remarks] == expected


@by_loops
@given(window=windows(("floor", "same", "ceil")))
def test_exact_refuses_what_leaves_positions_over(window: dict[str, Any]) -> None:
    by_hand = slid(window | {"mode": "same" if window["mode"] == "same" else "floor"})
    over = window["W"] + by_hand.after - (by_hand.starts[-1] + window["F"])
    layer = KINDS["conv"](out_channels=1, **as_fields(window) | {"rounding": "exact"})
    if over == 0:
        assert layer.facts(((1, window["W"]),)).output == (1, len(by_hand.starts))
        return
    with pytest.raises(LayerError, match=f"the remainder is {over}$") as refusal:
        layer.facts(((1, window["W"]),))
    assert (refusal.value.code, refusal.value.field) == ("does-not-divide", "rounding")


@by_loops
@given(window=windows(("floor", "ceil")))
def test_output_is_torchs(window: dict[str, Any], torch: Any) -> None:
    """Padding is the same on both sides there, and at most half the kernel."""
    P = min(window["padding"][0], window["K"] // 2)
    pooled = torch.nn.functional.max_pool2d(
        torch.zeros(1, window["W"], 4, device="meta"),
        (window["K"], 2),
        (window["S"], 2),
        padding=(P, 0),
        dilation=(window["D"], 1),
        ceil_mode=window["mode"] == "ceil",
    )
    fields = {
        "kernel_size": (window["K"], 2),
        "stride": (window["S"], 2),
        "padding": (P, 0),
        "dilation": (window["D"], 1),
        "rounding": window["mode"],
    }
    assert KINDS["max_pool"](**fields).facts(((1, window["W"], 4),)).output == tuple(pooled.shape)


@pytest.mark.parametrize(
    ("kind", "fields", "input", "output"),
    [
        pytest.param("conv", {"kernel_size": 3, "padding": 1}, (1, 5), (5,), id="window-1d-stride1"),
        pytest.param("conv", {"kernel_size": 3, "padding": 1, "stride": 2}, (1, 5), (3,), id="window-1d-stride2"),
        pytest.param("conv", {"kernel_size": 3, "padding": 1, "stride": 3}, (1, 5), (2,), id="window-1d-stride3"),
        pytest.param("conv", {"kernel_size": 5, "stride": 2}, (4, 11, 11), (4, 4), id="numpy-volume"),
        pytest.param("conv", {"kernel_size": 3, "padding": "valid"}, (1, 5), (3,), id="valid-same-full-valid"),
        pytest.param("conv", {"kernel_size": 3, "padding": "same"}, (1, 5), (5,), id="valid-same-full-same"),
        pytest.param("conv", {"kernel_size": 3, "padding": "full"}, (1, 5), (7,), id="valid-same-full-full"),
        pytest.param(
            "conv",
            {"kernel_size": (6, 3), "stride": (5, 2), "padding": "same"},
            (5, 13, 5),
            (3, 3),
            id="tf-same-valid-oblong-same",
        ),
        pytest.param(
            "conv",
            {"kernel_size": (6, 3), "stride": (5, 2), "padding": "valid"},
            (5, 13, 5),
            (2, 2),
            id="tf-same-valid-oblong-valid",
        ),
        pytest.param(
            "conv", {"kernel_size": 3, "stride": 2, "padding": "same"}, (1, 5, 7), (3, 4), id="same-stride2-pads-5x7"
        ),
        pytest.param("conv", {"kernel_size": 11, "stride": 4}, (3, 227, 227), (55, 55), id="im2col-alexnet"),
        pytest.param(
            "conv",
            {"kernel_size": 11, "stride": 4, "padding": "same"},
            (3, 224, 224),
            (56, 56),
            id="alexnet-table-same",
        ),
        pytest.param("conv", {"kernel_size": 3, "padding": 1, "stride": 2}, (1, 5), (3,), id="floor-rule"),
        # rows: 9 - 3 + (0 + 1); columns: (14 - 5 + (2 + 3)) / 2
        pytest.param(
            "conv",
            {"kernel_size": (3, 5), "stride": (1, 2), "padding": ((0, 1), (2, 3))},
            (2, 9, 14),
            (8, 8),
            id="padding-a-side",
        ),
        pytest.param("conv", {"kernel_size": 3, "padding": (1, 0)}, (2, 9, 7), (9, 5), id="padding-a-dimension"),
        # 16 - (2 * (3 - 1) + 1) and 9 - (3 * (2 - 1) + 1)
        pytest.param(
            "conv", {"kernel_size": (3, 2), "dilation": (2, 3)}, (2, 16, 9), (12, 6), id="dilation-a-dimension"
        ),
        # frames 16 - 3 + 2, rows (112 - 7 + 6) / 2, columns (100 - 7 + 6) / 2
        pytest.param(
            "conv",
            {"kernel_size": (3, 7, 7), "stride": (1, 2, 2), "padding": (1, 3, 3)},
            (3, 16, 112, 100),
            (16, 56, 50),
            id="video",
        ),
        pytest.param("max_pool", {"kernel_size": 2}, (3, 10, 8), (5, 4), id="stride-is-the-kernel"),
        # ⌈(112 - 3) / 2⌉ + 1 and ⌈(54 - 3) / 2⌉ + 1
        pytest.param(
            "max_pool", {"kernel_size": 3, "stride": 2, "rounding": "ceil"}, (64, 112, 54), (56, 27), id="ceil"
        ),
    ],
)
def test_output_sizes(kind: str, fields: dict[str, Any], input: Shape, output: tuple[int, ...]) -> None:
    required = {"out_channels": 7} if kind == "conv" else {}
    facts = KINDS[kind](**required, **fields).facts((input,))
    assert facts.output == (required.get("out_channels", input[0]), *output)


@pytest.mark.parametrize(
    ("kernel_size", "padding"),
    [pytest.param(3, 1, id="3"), pytest.param(5, 2, id="5"), pytest.param(7, 3, id="7")],
)
def test_same_padding_rule(kernel_size: int, padding: int) -> None:
    """With stride 1, `same` is a padding of (F - 1) / 2."""
    (axis,) = window_axes((32,), kernel_size, 1, "same", 1, "floor")
    assert (axis.before, axis.after) == (padding, padding)


def test_same_padding_puts_the_odd_position_after() -> None:
    """TensorFlow's example: rows (3 - 1) * 5 + 6 - 13 = 3 of padding, columns (3 - 1) * 2 + 3 - 5 = 2."""
    rows, columns = window_axes((13, 5), (6, 3), (5, 2), "same", 1, "floor")
    assert (rows.before, rows.after) == (1, 2)
    assert (columns.before, columns.after) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "input", "code", "message"),
    [
        pytest.param(
            {"kernel_size": 2, "stride": 2},
            (3, 9, 8),
            "input-unread",
            "no window reads the last 1 of 9 rows",
            id="one-row-left",
        ),
        pytest.param(
            {"kernel_size": (6, 3), "stride": (5, 3)},
            (5, 13, 8),
            "input-unread",
            "no window reads the last 2 of 13 rows and the last 2 of 8 columns",  # windows end before 11 and before 6
            id="rows-and-columns-left",
        ),
        pytest.param(
            {"kernel_size": 1, "stride": 2},
            (3, 8, 7),
            "stride-exceeds-window",
            "no window reads 4 of 8 rows and 3 of 7 columns: the stride steps over them",
            id="resnet-shortcut",
        ),
        pytest.param(
            {"kernel_size": (2, 3, 3), "stride": (3, 1, 1)},
            (1, 8, 5, 6),
            "stride-exceeds-window",
            "no window reads 2 of 8 frames: the stride steps over them",  # frames 2 and 5
            id="frames-skipped",
        ),
    ],
)
def test_remarks(fields: dict[str, Any], input: Shape, code: str, message: str) -> None:
    (remark,) = KINDS["conv"](out_channels=4, **fields).facts((input,)).remarks
    assert (remark.code, remark.message, remark.field) == (code, message, "stride")


@pytest.mark.parametrize(
    ("fields", "input"),
    [
        pytest.param({"kernel_size": 3, "padding": 1, "stride": 3}, (1, 5), id="what-is-left-is-padding"),
        pytest.param({"kernel_size": 3, "stride": 2, "padding": "same"}, (3, 8, 7), id="same"),
        pytest.param({"kernel_size": 2, "stride": 2, "rounding": "ceil"}, (3, 9, 8), id="ceil"),
        pytest.param({"kernel_size": 1, "stride": 2}, (3, 1, 1), id="a-single-position"),
    ],
)
def test_nothing_to_remark(fields: dict[str, Any], input: Shape) -> None:
    assert KINDS["conv"](out_channels=4, **fields).facts((input,)).remarks == ()


def test_exact_names_the_remainder_and_what_to_use() -> None:
    """Windows stand at -1 and 2; a third, from 5, would start in the padding after the input."""
    layer = KINDS["conv"](out_channels=4, kernel_size=3, padding=1, stride=3, rounding="exact")
    with pytest.raises(LayerError) as refusal:
        layer.facts(((1, 5),))
    assert refusal.value.message == "(5 - 3 + 2·1) / 3 is not whole: the remainder is 1"
    assert refusal.value.help.endswith("`floor` and `ceil` give 2")


def test_exact_names_the_dimension() -> None:
    layer = KINDS["conv"](out_channels=4, kernel_size=3, padding=((1, 0), (1, 1)), stride=2, rounding="exact")
    with pytest.raises(LayerError, match="along spatial dimension 2: the remainder is 1"):
        layer.facts(((1, 8, 6),))


@pytest.mark.parametrize(
    ("kind", "fields", "input", "error"),
    [
        pytest.param(
            "max_pool",
            {"kernel_size": 2},
            (50, 1, 1),
            ("window-exceeds-input", "kernel_size"),
            id="paddle-cnn-too-small",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": (3, 5)},
            (1, 9, 4),
            ("window-exceeds-input", "kernel_size"),
            id="one-dimension-too-small",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 3, "dilation": 4},
            (1, 8),
            ("window-exceeds-input", "kernel_size"),
            id="dilated",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 9, "padding": 1, "rounding": "ceil"},
            (1, 6),
            ("window-exceeds-input", "kernel_size"),
            id="padding-is-not-enough",
        ),
        pytest.param(
            "max_pool",
            {"kernel_size": 2, "stride": (2, 2, 2)},
            (3, 8, 6),
            ("wrong-number-of-sizes", "stride"),
            id="strides",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": (3, 3)},
            (3, 8),
            ("wrong-number-of-sizes", "kernel_size"),
            id="kernel-sizes",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 3, "padding": ((1, 1),)},
            (3, 8, 6),
            ("wrong-number-of-sizes", "padding"),
            id="paddings",
        ),
        pytest.param(
            "conv",
            {"out_channels": 4, "kernel_size": 3, "dilation": (1, 1)},
            (3, 8, 6, 5),
            ("wrong-number-of-sizes", "dilation"),
            id="dilations",
        ),
        pytest.param("max_pool", {"kernel_size": 2}, (10,), ("no-spatial-dimensions", ""), id="vector"),
    ],
)
def test_refused(
    kind: str, fields: dict[str, Any], input: Shape, error: tuple[str, str], refused: Callable[..., tuple[str, str]]
) -> None:
    assert refused(kind, fields, input) == error


@pytest.mark.parametrize(
    ("kernel_size", "padding", "dilation", "sizes", "message"),
    [
        pytest.param(2, 0, 1, (1, 1), "a 2x2 window does not fit a 1x1 input", id="plain"),
        pytest.param(9, 1, 1, (6,), "a 9 window does not fit a 6 input, 8 with its padding", id="padded"),
        pytest.param(3, 0, 4, (8,), "a 9 window (dilated) does not fit a 8 input", id="dilated"),
    ],
)
def test_a_window_that_does_not_fit_says_both_sizes(
    kernel_size: int, padding: int, dilation: int, sizes: tuple[int, ...], message: str
) -> None:
    with pytest.raises(LayerError) as refusal:
        window_axes(sizes, kernel_size, 1, padding, dilation, "floor")
    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("fields", "input", "title"),
    [
        pytest.param({"kernel_size": (3, 5), "stride": 2}, (3, 9, 8), "3x5/2", id="2-d"),
        pytest.param({"kernel_size": 5}, (3, 9), "5", id="1-d"),
    ],
)
def test_title(fields: dict[str, Any], input: Shape, title: str) -> None:
    assert KINDS["conv"](out_channels=4, **fields).title((input,)) == title
