"""`cnncalc solve`: how sizes are written, what is refused, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_layer(run: Run) -> None:
    result = run("solve", "conv", "--input", "32", "--output", "32", "-k", "5", "-s", "1")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "padding 2: exact"


def test_sizes_with_channels(run: Run) -> None:
    """Three sizes are height, width and channels; 64 to 32 channels is a convolution of 32 filters."""
    result = run("solve", "conv", "--input", "125x125x64", "--output", "125x125x32")
    assert result.code == 0
    assert "  - conv: {out_channels: 32, kernel_size: 1}" in result.out.splitlines()


@pytest.mark.parametrize("written", ["30x40", "30×40", "30,40"])
def test_sizes_an_axis(run: Run, written: str) -> None:
    result = run("solve", "pool", "--input", written, "-k", "2x4", "--format", "json")
    found = json.loads(result.out)
    assert [axis["solutions"][0]["output"] for axis in found["axes"]] == [15, 10]


def test_volumes(run: Run) -> None:
    found = json.loads(run("solve", "conv", "--input", "16x112x112x3", "-k", "3", "--format", "json").out)
    assert (len(found["axes"]), found["channels"]) == (3, 3)


def test_every_option_of_a_layer(run: Run) -> None:
    """(5 - 1)·3 + 2·(3 - 1) + 1 - 2·1 + 2 = 17."""
    words = ["conv-transpose", "--input", "5", "-k", "3", "-s", "3", "-p", "1", "-d", "2", "-a", "2"]
    assert run("solve", *words).out.startswith("output 17: exact\n")
    words = [
        "conv",
        "--input",
        "224",
        "--output",
        "14",
        "-k",
        "?",
        "-s",
        "?",
        "--max-kernel",
        "16",
        "--max-stride",
        "16",
    ]
    assert json.loads(run("solve", *words, "--format", "json").out)["bounds"] == {
        "kernel_size": "up to 16",
        "stride": "up to 16",
    }
    words = ["conv", "--input", "9", "--output", "9", "-p", "?", "-d", "?", "-k", "3", "--max-padding", "2"]
    found = json.loads(run("solve", *words, "--max-dilation", "2", "--format", "json").out)
    assert [choice["sizes"] for choice in found["choices"]] == [
        {"padding": 1, "dilation": 1},
        {"padding": 2, "dilation": 2},
    ]


def test_a_pool_rounded_up(run: Run) -> None:
    assert run("solve", "pool", "--input", "112", "-k", "3", "-s", "2", "--ceil").out.startswith("output 56: ceil")
    assert run("solve", "pool", "--input", "112", "-k", "3", "-s", "2").out.startswith("output 55: floor")


def test_none_is_an_answer(run: Run) -> None:
    result = run("solve", "conv", "--input", "32", "--output", "32", "-k", "2", "-s", "1")
    assert (result.code, result.out.splitlines()[0]) == (0, "there is none")


def test_a_claim_that_is_wrong(run: Run) -> None:
    claim = ["conv", "--input", "10", "-k", "3", "-s", "2", "-p", "0"]
    assert run("solve", *claim, "--output", "4").code == 0
    result = run("solve", *claim, "--output", "5")
    assert (result.code, result.out.splitlines()[0]) == (1, "no: 10 gives 4, not 5")


def test_a_network(run: Run, small: Path) -> None:
    """Two 3x3 convolutions padded by 1 take anything; the dense layer has 4·h·w·5 weights."""
    result = run("solve", "small.yaml")
    assert result.code == 0
    assert "taken      every size from 1" in result.out.splitlines()
    assert "from `linear` on" in result.out
    found = json.loads(run("solve", "small.yaml", "--set", "classes=7", "--format", "json").out)
    assert found["parameters"] == 2 * 9 * 4 + 4 + 4 * 9 * 4 + 4 + 6 * 8 * 4 * 7 + 7


def test_an_output_of_a_network(run: Run, small: Path) -> None:
    result = run("solve", "small.yaml", "--output", "5x7")
    assert result.out.splitlines()[-2:] == ["  height: 5", "  width: 7"]
    found = json.loads(
        run("solve", "-", "--output", "5x7x4", "--layer", "pair.0", "--format", "json", stdin=small.read_bytes()).out
    )
    assert [(axis["first"], axis["last"]) for axis in found["axes"]] == [(5, 5), (7, 7)]
    assert found["layer"] == "pair.0.relu"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["conv", "--input", "32x"], "error[not-a-size]: `32x` is not a size for --input\n"),
        (["conv", "--input", "9" * 80, "-k", "1"], "error[not-a-size]: `" + "9" * 57),
        (["conv", "--input", "9" * 30, "-k", "1"], "error[size-out-of-range]: an input of 9999"),
        (["conv", "--input", "[3, 8, 8]", "-k", "1"], "error[not-a-size]: `[3, 8, 8]` is not a size for --input\n"),
        (["conv", "--input", "1x2x3x4x5", "-k", "1"], "error[too-many-sizes]: --input has 5 sizes"),
        (["conv", "--input", "8", "-k", "3", "-p", "same"], "error[not-a-size]: `solve` takes a padding in numbers"),
        (["conv", "--input", "8", "-k", "-3"], "error[not-a-size]: `-3` is not a size for --kernel\n"),
        (["conv", "--input", "8", "-k", "0"], "error[size-out-of-range]: a kernel of 0 is not from 1"),
        (["conv", "--input", "8"], "error[too-much-unknown]: neither the output nor the kernel is known\n"),
        (["conv"], "error[too-much-unknown]: neither the input nor the output is known\n"),
        (["conv", "--input", "8", "-k", "3", "--ceil"], "error[no-ceil]: --ceil is for pools\n"),
        (
            ["conv", "--input", "8", "-k", "3", "--layer", "a"],
            "error[option-without-effect]: --layer is of `solve FILE`",
        ),
        (["conv", "--input", "8", "-k", "3", "--set", "a=1"], "error[option-without-effect]: --set is of `solve FILE`"),
        (["vgg16", "-k", "3"], "error[option-without-effect]: --kernel is of `solve conv`"),
        (["vgg16", "--layer", "fc6"], "error[option-without-effect]: --layer has no effect without --output\n"),
        (["vgg16", "--output", "?"], "error[not-a-size]: `?` is not a size for --output\n"),
        (["vgg16", "--output", "0"], "error[not-a-size]: `0` is not a size for --output\n"),
        (["vgg16", "--output", "7x7x64"], "error[other-channels]: the output of `stage5.max_pool` has 512 channels"),
        (["vgg16", "--output", "7", "--layer", "pol5"], "error[unknown-layer]: there is no layer `pol5`\n"),
        (["nothing.yaml"], "error[no-such-file]: there is no file nothing.yaml\n"),
    ],
)
def test_refused(run: Run, words: list[str], error: str) -> None:
    result = run("solve", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(error)


def test_help_for_a_misspelt_layer(run: Run) -> None:
    result = run("solve", "conv_transpose", "--input", "8", "-k", "3")
    assert (result.code, result.out) == (2, "")
    assert "did you mean `solve conv-transpose`?" in result.err
