"""`cnncalc explain` as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_layer(run: Run) -> None:
    code, out, err = run("explain", "alexnet", "conv1")
    assert (code, err) == (0, "")
    assert out.startswith("AlexNet (alexnet.yaml)\nCounts are for one image; bytes are for 1 image in float32.\n\n")
    assert "⌊(W − F + 2·P) / S⌋ + 1 = ⌊(227 − 11 + 2·0) / 4⌋ + 1 = 55 positions\n" in out
    titles = [line for line in out.splitlines() if line.startswith("conv1, ")]
    assert titles == [
        "conv1, output: 55x55x96",
        "conv1, parameters: 34,944",
        "conv1, multiply-accumulates: 105,415,200 MACs",
        "conv1, memory of outputs: 1,161,600 bytes (1.2 MB)",
        "conv1, receptive field: 11x11 pixels",
        "conv1, jump: 4x4 pixels",
        "conv1, start: 0, 0 pixels",
        "conv1, neurons: 290,400",
        "conv1, connections: 105,705,600",
        "conv1, parameters of one filter: 364 parameters",
        "conv1, parameters if weights were not shared: 105,705,600 parameters",
        "conv1, parameters if it were dense: 44,892,355,200 parameters",
        "conv1, im2col, X_col: 363x3025",
        "conv1, im2col, W_row: 96x363",
        "conv1, im2col, W_row times X_col: 96x3025",
        "conv1, im2col, memory of X_col: 4,392,300 bytes (4.4 MB)",
    ]


def test_the_totals(run: Run) -> None:
    code, out, _ = run("explain", "homework_3_layers", "--quantity", "training", "--batch", "50")
    assert code == 0
    assert "memory for training: 565,613,600 bytes (565.6 MB)\n" in out
    assert "bytes are for a batch of 50 in float32." in out
    assert "  training: I_B + V_B + M_B = 36,000,000 + 526,000,000 + 3,613,600 = 565,613,600 bytes\n" in out


def test_several_layers_and_quantities(run: Run) -> None:
    code, out, _ = run("explain", "alexnet", "conv1", "fc8", "--quantity", "output, weights")
    assert code == 0
    titles = [line for line in out.splitlines() if line.startswith(("conv1, ", "fc8, "))]
    assert titles == [
        "conv1, output: 55x55x96",
        "conv1, weights: 34,848",
        "fc8, output: 1000",
        "fc8, weights: 4,096,000",
    ]


def test_shapes_are_written_as_the_document_writes_them(run: Run) -> None:
    document = b"input: [3, 8, 8]\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}]\n"
    code, out, _ = run("explain", "-", "conv", "--quantity", "output", stdin=document)
    assert code == 0
    assert "conv, output: [4, 6, 6]\n" in out


def test_settings_and_dtype(run: Run) -> None:
    code, out, _ = run("explain", "vgg16", "--set", "classes=10", "--quantity", "prediction", "--dtype", "float16")
    assert code == 0
    assert "M = M_w + M_b = " in out
    assert "·2 = " in out


@pytest.mark.parametrize(
    ("format", "beginning"),
    [
        ("text", "LeNet-5 (lenet5.yaml)\n"),
        ("markdown", "## LeNet-5"),
        ("latex", "\\paragraph{LeNet-5"),
        ("json", "{\n"),
    ],
)
def test_formats(run: Run, format: str, beginning: str) -> None:
    code, out, err = run("explain", "lenet5", "C3", "--format", format)
    assert (code, err) == (0, "")
    assert out.startswith(beginning)
    assert out.endswith("\n")
    if format == "json":
        quantities = {one["quantity"]: one["value"] for one in json.loads(out)["derivations"]}
        assert quantities["parameters"] == 1_516
        assert quantities["connections"] == 151_600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alexnet", "conv9"], "error[unknown-layer]: no layer or block `conv9`\n  = help: did you mean `conv"),
        (["resnet50", "layer5.0"], "help: did you mean `layer1.0`"),
        (["alexnet", "nothing-like-it"], "help: `cnncalc analyze alexnet.yaml` lists the layers"),
        (["alexnet", "conv1", "--quantity", "parameter"], "error[unknown-quantity]: `parameter` is nothing"),
        (["alexnet", "--dtype", "float23"], "error[unknown-dtype]: `float23` is not a number format"),
        (["alexnet", "--quantity", ""], "error[unknown-quantity]"),
        (["alexnett"], "error["),
    ],
)
def test_mistakes(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("explain", *arguments)
    assert (code, out) == (2, "")
    assert message in err
