"""`cnncalc analyze --symbol` as a person runs it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("sympy")

Run = Callable[..., Any]
HW = ("--symbol", "H=height*32", "--symbol", "W=width*32")


def test_a_page(run: Run) -> None:
    code, out, err = run("analyze", "vgg16", *HW)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "VGG-16 (vgg16.yaml) in closed form",
        "H is input.height, 224 in the document: a multiple of 32, from 32 up",
        "W is input.width, 224 in the document: a multiple of 32, from 32 up",
    ]
    assert "MACs         307,904·H·W + 20,873,216 = 15,470,264,320 in the document" in lines
    (row,) = [line for line in lines if line.startswith("stage5.max_pool")]
    assert row.split() == ["stage5.max_pool", "max_pool", "2x2/2", "(H", "/", "32)", "×", "(W", "/", "32)", "×", "512"]


def test_json(run: Run) -> None:
    code, out, _ = run("analyze", "vgg16", *HW, "--batch", "2", "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert found["totals"]["macs"] == {
        "formula": "307904*H*W + 20873216",
        "latex": "307{,}904 \\cdot H \\cdot W + 20{,}873{,}216",
        "value": 15_470_264_320,
    }
    assert found["letters"][0] == {
        "name": "H",
        "stands_for": "input.height",
        "value": 224,
        "least": 32,
        "most": 2_147_483_616,
        "multiple": 32,
    }
    assert found["batch"] == 2
    assert found["conditions"] == []
    assert [size["formula"] for size in found["layers"][0]["output"]] == ["64", "H", "W"]


def test_csv(run: Run) -> None:
    code, out, _ = run("analyze", "lenet5", "vgg16", "--symbol", "H=height", "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["network"] for row in rows} == {"lenet5.yaml", "vgg16.yaml"}
    assert (rows[0]["layer"], rows[0]["output"], rows[0]["macs"]) == ("C1", "6 H - 4 28", "4200*H - 16800")


def test_markdown(run: Run) -> None:
    code, out, _ = run("analyze", "-e", "8x8x5 -> CONV3-4 -> FC-3", "--symbol", "C=channels", "--format", "markdown")
    assert code == 0
    assert out.splitlines()[2] == "- C is input.channels, 5 in the document: from 1 up"
    assert "| conv | conv 3x3 | 8x8x4 | 36·C + 4 | 2,304·C |" in out
    assert "| parameters | 36·C + 775 | 955 |" in out  # 9·4 weights a channel; 4 + 8·8·4·3 + 3


def test_latex(run: Run) -> None:
    code, out, _ = run("analyze", "-e", "8x8x5 -> CONV3-4 -> FC-3", "--symbol", "C=channels", "--format", "latex")
    assert code == 0
    assert "conv & $8 \\times 8 \\times 4$ & $36 \\cdot C + 4$ & $2{,}304 \\cdot C$ \\\\" in out
    assert "\\text{parameters} &= 36 \\cdot C + 775 \\\\" in out
    assert out.count("\\begin") == out.count("\\end") == 2


def test_the_layout_is_that_which_was_asked_for(run: Run) -> None:
    _, out, _ = run("analyze", "vgg16", *HW, "--layout", "chw")
    (row,) = [line for line in out.splitlines() if line.startswith("stage5.max_pool")]
    assert row.endswith("[512, H / 32, W / 32]")


def test_several_networks_are_one_after_the_other(run: Run) -> None:
    _, out, _ = run("analyze", "lenet5", "alexnet", "--symbol", "H=height")
    assert [line for line in out.splitlines() if line.endswith("in closed form")] == [
        "LeNet-5 (lenet5.yaml) in closed form",
        "AlexNet (alexnet.yaml) in closed form",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("analyze", "vgg16", "--symbol", "H=heigt"), "did you mean `height`?"),
        (("analyze", "vgg16", *HW, "--columns", "layer"), "`--columns` does not go with `--symbol`"),
        (("analyze", "vgg16", *HW, "--lang", "zh"), "`--lang` does not go with `--symbol`"),
        (("analyze", "vgg16", *HW, "--depth", "1"), "`--depth` does not go with `--symbol`"),
        (("analyze", "vgg16", *HW, "--convention", "thop"), "`--convention` does not go with `--symbol`"),
        (("analyze", "vgg16", "--format", "latex"), "only closed forms are written in LaTeX here"),
        (("explain", "vgg16", "--symbol", "H=height"), "`cnncalc analyze FILE --symbol ...`"),
    ],
)
def test_mistakes(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
