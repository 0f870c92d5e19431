"""`cnncalc write`, and networks in one line where commands take a document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

LINE = "6x8x2 -> [CONV3-4 -> RELU]*2 -> FC-5"
WRITTEN = """\
input: 6x8x2

blocks:
  stage:
    layers:
      - conv: {out_channels: 4, kernel_size: 3, padding: 1}
      - relu

layers:
  - {stage: {}, repeat: 2}
  - linear: 5
"""


def test_a_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("write", "-e", LINE) == (0, WRITTEN, "")
    assert run("write", LINE) == (0, WRITTEN, "")
    Path("net.yaml").write_text("old", "utf-8")
    assert run("write", "--expression", LINE, "-o", "net.yaml") == (0, "", "")
    assert Path("net.yaml").read_text("utf-8") == WRITTEN
    assert [path.name for path in Path().iterdir()] == ["net.yaml"]
    assert run("write", "-", stdin=WRITTEN.encode()) == (0, WRITTEN, "")


def test_a_document(run: Run, small: Path) -> None:
    Path("other.yaml").write_text("extends: small.yaml\nargs: {classes: 7}\n", "utf-8")
    assert run("write", "other.yaml", "--set", "input=9x9x2") == (
        0,
        """\
name: small
input: 9x9x2
args: {classes: 7}

blocks:
  pair:
    layers:
      - conv: {out_channels: 4, kernel_size: 3, padding: 1}
      - relu

layers:
  - {name: pair, pair: {}, repeat: 2}
  - linear: classes
""",
        "",
    )


def test_what_is_no_network_is_not_written(run: Run, small: Path) -> None:
    result = run("write", "-e", "6x8x2 -> FC-5 -> CONV3-4", "-o", "net.yaml")
    assert (result.code, result.out) == (2, "")
    assert "<expression>:1:18: error[no-spatial-dimensions]" in result.err
    assert not Path("net.yaml").exists()
    assert "error[no-document]" in run("write").err
    assert "error[two-documents]" in run("write", "small.yaml", "-e", LINE).err


def test_analyze(run: Run, small: Path) -> None:
    """small.yaml is the same network, its layers called otherwise."""
    asked = ("--columns", "output,parameters,macs,field", "--format", "csv")
    in_line = run("analyze", "-e", LINE, *asked).out
    assert in_line.count("\n") > 5
    assert in_line == run("analyze", LINE, *asked).out
    assert run("analyze", "small.yaml", "-e", LINE, "-e", "8 -> FC-2", "--format", "json").out.count('"totals"') == 3


@pytest.mark.parametrize("command", [("memory",), ("export", "torch"), ("check",), ("fit", "--memory", "1MB")])
def test_other_commands(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command, LINE)
    assert (result.code, result.err) == (0, "")
    wrong = run(*command, "6x8x2 -> CONV")
    assert wrong.code == 2
    assert "error[missing-field]: `CONV` does not say its window and how many filters" in wrong.out + wrong.err


def test_lock(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("lock", LINE)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[no-lock]: an expression has no lock beside it\n")
    assert run("lock", LINE, "-o", "line.json").code == 0
    assert run("diff", "line.json", "6x8x2 -> [CONV3-4 -> RELU]*3 -> FC-5").code == 0
