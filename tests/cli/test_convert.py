"""`cnncalc convert` and `cnncalc write`: what goes where, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cnncalc

Run = Callable[..., Any]

LINE = "8x8x3 -> CONV3-4 p0 -> FC-5"  # 6x6x4 is what the dense layer reads
PAGE = """\
<expression>, dense layers as convolutions, on 10x9x3

layer   was     is        output  parameters   MACs
------  ------  --------  ------  ----------  -----
linear  linear  conv 6x6  3x2x5          725  4,320

`linear` is 3x2x5: scores at 6 positions, at every pixel.
Parameters stay the same: 837.
One pass over 10x9x3: 10,368 multiply-accumulates (MACs).
6 passes over crops of 8x8x3: 6 · 4,608 = 27,648 MACs, 2.67 times as many.
The scores are exactly those of the crops.
"""


def test_page(run: Run) -> None:
    """6·6·4·5 + 5 = 725; 6 · 720 = 4,320; 8·7·4·27 = 6,048 before; a crop 6·6·4·27 + 720 = 4,608."""
    assert run("convert", "--dense-to-conv", LINE, "--input", "10x9x3") == (0, PAGE, "")
    assert run("convert", "--dense-to-conv", "-e", LINE, "--input", "[3, 10, 9]") == (0, PAGE, "")


def test_formats(run: Run) -> None:
    asked = ("convert", "--dense-to-conv", LINE, "--input", "10x9x3", "--format")
    data = json.loads(run(*asked, "json").out)
    assert (data["macs_at_once"], data["gain"], data["exact"]) == (10_368, "2.67", True)
    assert "| linear | linear | conv 6x6 | 3x2x5 | 725 | 4,320 |\n" in run(*asked, "markdown").out


def test_a_document(run: Run, small: Path) -> None:
    result = run("convert", "--dense-to-conv", "small.yaml", "--input", "12x8x2", "-o", "wide.yaml")
    assert result.code == 0
    assert result.out.startswith("small (small.yaml), dense layers as convolutions, on 12x8x2\n")
    network = cnncalc.load("wide.yaml")
    assert (network.name, network.outputs[0].output) == ("small, convolutional", (5, 7, 1))
    written = Path("wide.yaml").read_text("utf-8")
    assert run("convert", "--dense-to-conv", "small.yaml", "--input", "12x8x2", "-o", "-") == (0, written, "")
    result = run("convert", "--dense-to-conv", "small.yaml", "--set", "classes=3", "-o", "-")
    assert "conv: {out_channels: 3, kernel_size: [6, 8]}" in result.out


def test_wrong_commands(run: Run, small: Path) -> None:
    for arguments, code in [
        (("small.yaml",), "no-conversion"),
        (("--dense-to-conv",), "no-document"),
        (("--dense-to-conv", "small.yaml", "-e", LINE), "two-documents"),
        (("--dense-to-conv", "small.yaml", "--input", "wide"), "input-sizes"),
        (("--dense-to-conv", "small.yaml", "--input", "6x8x3"), "input-differs"),
        (("--dense-to-conv", "small.yaml", "--input", "5x8x2"), "cannot-slide"),
        (("--dense-to-conv", "small.yaml", "-o", "no/where.yaml"), "cannot-write"),
        (("--dense-to-conv", "small.yaml", "-o", "-", "--format", "json"), "option-without-effect"),
    ]:
        result = run("convert", *arguments)
        assert (result.code, result.out) == (2, "")
        assert f"error[{code}]" in result.err
