"""`cnncalc.render.solve`: whole pages, and the working of each sort of division."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from cnncalc.input_sizes import Pattern, accepted, inputs_for
from cnncalc.render.solve import lines, pattern_text, write
from cnncalc.solve import Bounds, solve


def page(kind: str, **sizes: Any) -> list[str]:
    return [line.text for line in lines(solve(kind, **sizes))]


def test_one_unknown() -> None:
    assert page("conv", input=32, output=32, kernel_size=5, stride=1) == [
        "padding 2: exact",
        "  P = ((O − 1)·S + F − W)/2 = ((32 − 1)·1 + 5 − 32)/2 = 2",
        "  (W − F + 2·P)/S + 1 = (32 − 5 + 2·2)/1 + 1 = 32",
        "(taken for granted: dilation 1)",
    ]


@pytest.mark.parametrize(
    ("kind", "sizes", "answer", "working"),
    [
        (
            "conv",
            {"input": 7, "output": 1, "stride": 1, "padding": 0},
            "kernel 7: exact",
            "F = W + 2·P − (O − 1)·S = 7 + 2·0 − (1 − 1)·1 = 7",
        ),
        (
            "conv",
            {"input": 227, "output": 55, "kernel_size": 11, "padding": 0},
            "stride 4: exact",
            "S = (W − F + 2·P)/(O − 1) = (227 − 11 + 2·0)/(55 − 1) = 4",
        ),
        (
            "conv",
            {"output": 5, "kernel_size": 3},
            "input 7: exact",
            "W = (O − 1)·S + F − 2·P = (5 − 1)·1 + 3 − 2·0 = 7",
        ),
        (
            "conv",
            {"input": 16, "output": 10, "kernel_size": 3, "dilation": "?"},
            "dilation 3: exact",
            "F = D·(K − 1) + 1 = 3·(3 − 1) + 1 = 7",
        ),
        (
            "conv",
            {"input": 10, "kernel_size": 3, "stride": 2},
            "output 4: floor, 1 of 10 positions unread at the end",
            "⌊(W − F + 2·P) / S⌋ + 1 = ⌊(10 − 3 + 2·0) / 2⌋ + 1 = 4",
        ),
        (
            "conv",
            {"input": 8, "kernel_size": 1, "stride": 2},
            "output 4: floor, 4 of 8 positions stepped over",
            "⌊(W − F + 2·P) / S⌋ + 1 = ⌊(8 − 1 + 2·0) / 2⌋ + 1 = 4",
        ),
        (
            "conv",
            {"input": 5, "kernel_size": 3, "stride": 3, "padding": 1},
            "output 2: floor, only padding is left over",
            "⌊(W − F + 2·P) / S⌋ + 1 = ⌊(5 − 3 + 2·1) / 3⌋ + 1 = 2",
        ),
        (
            "max_pool",
            {"input": 112, "kernel_size": 3, "stride": 2, "rounding": "ceil"},
            "output 56: ceil, the last window reaches over the end",
            "max(⌊(W − F + P_1 + P_2) / S⌋ + 1, min(⌈(W − F + P_1 + P_2) / S⌉ + 1, ⌈(W + P_1) / S⌉)) = "
            "max(⌊(112 − 3 + 0 + 0) / 2⌋ + 1, min(⌈(112 − 3 + 0 + 0) / 2⌉ + 1, ⌈(112 + 0) / 2⌉)) = 56",
        ),
        (
            "conv_transpose",
            {"input": 3, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
            "output 6: exact",
            "(W − 1)·S + F − P_1 − P_2 + A = (3 − 1)·2 + 3 − 1 − 1 + 1 = 6",
        ),
    ],
)
def test_working(kind: str, sizes: dict[str, Any], answer: str, working: str) -> None:
    drawn = page(kind, **sizes)
    assert drawn[0] == answer
    assert f"  {working}" in drawn


def test_several_unknowns() -> None:
    assert page(
        "conv", input=(224, 224), output=(112, 112), stride=2, out_channels=64, bounds=Bounds(kernel_size=4)
    ) == [
        "4 solutions, the plainest first",
        "  kernel  padding",
        "       2        0  exact",
        "       4        1  exact",
        "       3        1  floor, only padding is left over",
        "       1        0  floor, 112 of 224 positions stepped over",
        "The first of them:",
        "  (W − F + 2·P)/S + 1 = (224 − 2 + 2·0)/2 + 1 = 112",
        "  - conv: {out_channels: 64, kernel_size: 2, stride: 2}",
        "(taken for granted: dilation 1)",
        "(tried: kernel up to 4, padding less than the kernel)",
    ]


def test_a_long_list_is_cut() -> None:
    drawn = page("conv", input=500, output="?", kernel_size="?", stride=1, bounds=Bounds(kernel_size=40))
    assert drawn[0] == "40 solutions, the plainest first"
    assert "  (and 10 more; --format json has them all)" in drawn
    assert "      30     471  exact" in drawn
    assert not any(line.startswith("      31") for line in drawn)


def test_inputs_along_axes() -> None:
    assert page("conv", output=(112, 56), kernel_size=7, stride=2, padding=3)[0] == (
        "input height 223 to 224, width 111 to 112: "
        "height exact for 223, floor for 224; width exact for 111, floor for 112"
    )


def test_each_axis_by_itself() -> None:
    assert page("conv", input=(32, 30), output=(32, 28), kernel_size=5, stride=1, out_channels=8) == [
        "no padding for all axes; each axis by itself:",
        "height, input 32, output 32",
        "  padding",
        "        2  exact",
        "width, input 30, output 28",
        "  padding",
        "        1  exact",
        "  - conv: {out_channels: 8, kernel_size: 5, padding: [2, 1]}",
        "(taken for granted: dilation 1)",
    ]


def test_none() -> None:
    assert page("conv", input=32, output=32, kernel_size=2, stride=1) == [
        "there is none",
        "  padding 0 gives 31, not 32",
        "  padding 1 gives 33, not 32",
        "  0 before and 1 after give 32: `padding` takes [[0, 1]], one pair an axis",
        "(taken for granted: dilation 1)",
    ]
    assert page("conv", input=3, kernel_size=5)[:2] == ["there is none", "  a window of 5 does not fit an input of 3"]


def test_everything_given() -> None:
    given: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 0, "dilation": 1}
    working = "  ⌊(W − F + 2·P) / S⌋ + 1 = ⌊(10 − 3 + 2·0) / 2⌋ + 1 = 4"
    yes = "yes: 10 gives 4, floor, 1 of 10 positions unread at the end"
    assert page("conv", input=10, output=4, **given) == [yes, working]
    assert page("conv", input=10, output=5, **given) == ["no: 10 gives 4, not 5", working]
    assert page("conv", input=2, output=5, **given) == ["no: a window of 3 does not fit an input of 2"]
    transposed = {**given, "padding": 2, "output_padding": 0}
    assert page("conv_transpose", input=1, output=5, **transposed) == ["no: the padding leaves nothing of the output"]


def test_a_pool_as_a_document_writes_it() -> None:
    assert "  - max_pool: {kernel_size: 2}" in page("max_pool", input=8, kernel_size=2)
    assert "  - max_pool: {kernel_size: 3, stride: 2, padding: 1, rounding: ceil}" in page(
        "max_pool", input=9, kernel_size=3, stride=2, padding=1, rounding="ceil"
    )
    assert not [line for line in page("conv", input=8, kernel_size=2) if line.startswith("  - ")]


# Networks -------------------------------------------------------------------------------------------------------------


def test_accepted() -> None:
    assert [line.text for line in lines(accepted("vgg16"))] == [
        "VGG-16 (vgg16.yaml), input 224x224x3",
        "",
        "smallest   32x32",
        "taken      every size from 32",
        "exact      multiples of 32 from 32: every window's stride divides",
        "read       multiples of 32 from 32: no window leaves the end of its input unread",
        "refused    31: a 2x2 window does not fit a 1x1 input",
        "",
        "parameters change with the input, from `fc6` on: 138,357,544 at 224x224, 37,694,248 at 32x32",
        "(square inputs from 1 to 296 were tried)",
    ]


def test_inputs_for() -> None:
    drawn = [line.text for line in lines(inputs_for("vgg16", (7, 5)))]
    assert drawn == [
        "VGG-16 (vgg16.yaml), input 224x224x3",
        "`fc8` has no height and width: the last map before it is `stage5.max_pool`",
        "",
        "7x5 at `stage5.max_pool` comes from",
        "  height: 224 to 255",
        "  width: 160 to 191",
    ]
    assert [line.text for line in lines(inputs_for("unet", (400,)))][2:] == [
        "no input gives 400x400 at `output`",
        "  height and width: no size gives 400",
        "    587 gives 388",
    ]
    assert [line.text for line in lines(inputs_for("alexnet_torchvision", (6,)))][
        -1
    ] == "  height and width: 63 and more"


def test_squares_only(tmp_path: Path) -> None:
    file = tmp_path / "turned.yaml"
    file.write_text("input: 8x8x1\nlayers: [{max_pool: 2}, {add: [identity, [{permute: [0, 2, 1]}]]}]\n")
    drawn = [line.text for line in lines(inputs_for(file, (7,)))]
    assert drawn[2] == "7x7 at `add` comes from"
    assert drawn[3] == "  squares: 14 to 15"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Pattern([], 1, [0], 75), "every size from 75"),
        (Pattern([], 32, [0], 32), "multiples of 32 from 32"),
        (Pattern([], 32, [3], 67), "32·k + 3 from 67"),
        (Pattern([], 16, [0, 12], 268), "16·k + 0 or 12 from 268"),
        (Pattern([], 32, list(range(9)), 33), "9 of every 32 sizes from 33"),
        (Pattern([1, 2, 3, 4], 1, [0], 33), "1 to 4, and every size from 33"),
        (Pattern([1, 5, 572], 1, [], 573), "1, 5, 572 only"),
        (Pattern([], 1, [], 1), "none"),
        (Pattern([1, 3, 5, 7, 9, 11, 13, 15], 0, [], 17), "1, 3, 5, 7, 9, 11, ... (2 more) only"),
    ],
)
def test_patterns_in_words(found: Pattern, text: str) -> None:
    assert pattern_text(found) == text


def test_a_pipe_without_the_signs() -> None:
    """An encoding that has no ⌊ gets a question mark, and no error."""
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    write(solve("conv", input=10, kernel_size=3, stride=2), stream)
    stream.flush()
    assert b"?(W ? F + 2?P) / S? + 1" in data.getvalue()
