"""`cnncalc conv`, `pool`, `linear`, `conv-transpose`: one layer's numbers, counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "output", "parameters", "macs", "operations"),
    [
        # CS231n and the course fact notes-conv-example: 5·5·3 weights and a bias in each of 10 filters; an output sums
        # 75 products, and the bias.
        (
            "conv 32x32x3 -k 5 -n 10 -p 2",
            [10, 32, 32],
            760,
            32 * 32 * 10 * 75,
            {"multiplies": 768_000, "adds": 768_000 + 10_240},
        ),
        # In 2 groups a filter reads 2 of 4 channels: 8 filters of 2·3·5, no bias. (9 - 3 + 2)/2 + 1 = 5, 11 - 5 + 1.
        (
            "conv 9x11x4 -k 3x5 -n 8 -s 2x1 -p 1x0 -g 2 --no-bias",
            [8, 5, 7],
            240,
            5 * 7 * 8 * 30,
            {"multiplies": 8_400, "adds": 8_400},
        ),
        # Dilated by 2, a 3x3 window spans 5: 8 - 5 + 1 = 4.
        ("conv 8x8x1 -k 3 -n 1 -d 2", [1, 4, 4], 10, 144, {"multiplies": 144, "adds": 160}),
        ("conv [3,224,224] -k 7 -n 64 -s 2 -p same", [64, 112, 112], 9_472, 118_013_952, None),
        # The largest of 4 takes 3 comparisons.
        ("pool 224x224x64 -k 2", [64, 112, 112], 0, 0, {"comparisons": 3 * 64 * 112 * 112}),
        ("pool 7x9x4 -k 2 --average", [4, 3, 4], 0, 0, {"adds": 3 * 48, "divisions": 48}),
        ("pool 112x112x64 -k 3 -s 2 --ceil", [64, 56, 56], 0, 0, {"comparisons": 8 * 64 * 56 * 56}),
        # 7 at a dilation of 3 with 1 padded at each side: 7 - 4 + 2 and a step of 1 make 6.
        ("pool 7x7x1 -k 2 -s 1 -p 1 -d 3", [1, 6, 6], 0, 0, {"comparisons": 3 * 36}),
        # VGG-16's fc6: 25,088·4,096 weights.
        ("linear 7x7x512 -n 4096", [4096], 102_764_544, 102_760_448, None),
        ("linear 10 -n 3 --no-bias", [3], 30, 30, {"multiplies": 30, "adds": 30}),
        # Each of 14·14·512 inputs is spread over 2·2 places of 256 maps: U-Net's up-convolution.
        ("conv-transpose 14x14x512 -k 2 -s 2 -n 256", [256, 28, 28], 524_544, 102_760_448, None),
        # (3 - 1)·2 + 3 - 2·1 + 1 = 6; in 2 groups an input reaches 2 of 4 maps.
        ("conv-transpose 3x3x2 -k 3 -n 4 -s 2 -p 1 -a 1 -g 2", [4, 6, 6], 40, 9 * 2 * 2 * 9, None),
        # (3 - 1)·1 + 2·(3 - 1) + 1 = 7.
        ("conv-transpose 3x3x1 -k 3 -n 1 -d 2 --no-bias", [1, 7, 7], 9, 81, None),
    ],
)
def test_numbers(
    run: Run, words: str, output: list[int], parameters: int, macs: int, operations: dict[str, int] | None
) -> None:
    result = run(*words.split(), "--format", "json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert (found["output"], found["parameters"], found["macs"]) == (output, parameters, macs)
    assert operations is None or found["operations"] == operations


def test_a_page(run: Run) -> None:
    result = run("conv", "32x32x3", "-k", "5", "-n", "10", "-p", "2", "--batch", "8", "--dtype", "float16")
    assert (result.code, result.err) == (0, "")
    drawn = result.out.splitlines()
    assert drawn[:7] == [
        "32x32x3 -> 32x32x10",
        "- conv: {out_channels: 10, kernel_size: 5, padding: 2}",
        "",
        "parameters         760  750 weights + 10 biases",
        "MACs           768,000  multiply-accumulates an image",
        "operations   1,546,240  768,000 multiplies + 778,240 adds",
        "activations     10,240  output values an image; 163,840 bytes (163.8 kB) for a batch of 8",
    ]
    text = "\n".join(drawn[7:])
    for working in (
        "⌊(32 − 5 + 2·2) / 1⌋ + 1 = 32",
        "10·3·5·5 = 750",
        "10,240·3·5·5 = 768,000",
        "10,240·2·8 = 163,840",
    ):
        assert working in text


def test_the_layer_is_one_of_a_document(run: Run, tmp_path: Any) -> None:
    """What is printed can be put into a document, which has the same numbers."""
    found = json.loads(run("conv", "[3, 9, 8]", "-k", "3", "-n", "2", "-p", "valid", "--format", "json").out)
    file = tmp_path / "one.yaml"
    file.write_text(f"input: [3, 9, 8]\nlayers:\n  {found['layer']}\n")
    (row,) = json.loads(run("analyze", str(file), "--format", "json").out)["layers"]
    assert {name: row[name] for name in found if name in row and name != "title"} == {
        name: value for name, value in found.items() if name in row and name != "title"
    }


def test_what_is_left_unread_is_said(run: Run) -> None:
    assert "no window reads the last 1 of 7 rows" in run("pool", "7x8x4", "-k", "2").out
    (remark,) = json.loads(run("pool", "7x8x4", "-k", "2", "--format", "json").out)["remarks"]
    assert remark["code"] == "input-unread"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("conv 8x8x3 -k 9 -n 1", "<conv>:3:42: error[window-exceeds-input]: a 9x9 window does not fit a 8x8 input\n"),
        ("conv 8x8x3 -k 3 -n 4 -g 2", "<conv>:3:53: error[groups-divide-channels]: 3 input channels"),
        ("conv 8xx3 -k 3 -n 4", "error[not-a-size]: `8xx3` is not a size for INPUT\n"),
        ("conv 8x8x3 -k three -n 4", "error[not-a-size]: `three` is not a size for --kernel\n"),
        ("conv 8x8x3 -k ? -n 4", "error[not-a-size]: `?` is not a size for --kernel\n  = help: `cnncalc solve`"),
        ("conv 8x8x3 -k 3 -n 4 -p Same", "error[not-a-size]: `Same` is not a size for --padding\n"),
        ("pool 8x8x3 -k 3 -p full", "error[not-a-size]: `full` is not a size for --padding\n"),
        ("conv-transpose 8x8x3 -k 3 -n 4 -p same", "error[not-a-size]: `same` is not a size for --padding\n"),
        ("pool 8x8x3 -k 3 -p 2", "<max_pool>:3:41: error[pool-padding-at-most-half]: padding 2 is more than half"),
        ("pool 100 -k 3", "<max_pool>:3:5: error[no-spatial-dimensions]: `max_pool` needs a spatial input"),
        ("linear 8x8x3 -n 4 --dtype float23", "error[unknown-dtype]: `float23` is not a number format\n"),
        ("pool 8x8x3 -k 2 -d 2 --average", "<avg_pool>:3:"),
    ],
)
def test_refused(run: Run, words: str, error: str) -> None:
    result = run(*words.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(error)


def test_an_input_is_sizes_and_nothing_else(run: Run) -> None:
    result = run("linear", "8\nlayers: [relu]", "-n", "4")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[not-a-size]:")
