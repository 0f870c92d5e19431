"""`cnncalc export onnx`, `mermaid` and `dot`, and ONNX files where a command takes a document."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def exported(run: Run, small: Path) -> Path:
    """small.yaml as small.onnx, in the same folder."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert run("export", "onnx", "small.yaml", "-o", "small.onnx") == (0, "", "")
    return small.with_name("small.onnx")


@pytest.mark.parametrize(("form", "first"), [("mermaid", "flowchart TD\n"), ("dot", 'digraph "small" {\n')])
def test_drawings(run: Run, small: Path, form: str, first: str) -> None:
    result = run("export", form, "small.yaml")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(first)
    assert run("export", form, "small.yaml", "-o", "drawn") == (0, "", "")
    assert Path("drawn").read_text("utf-8") == result.out
    assert '"3"' in run("export", form, "small.yaml", "--set", "classes=3").out


@pytest.mark.parametrize("form", ["mermaid", "dot", "onnx"])
def test_a_wrong_document_leaves_the_file_as_it_was(run: Run, small: Path, form: str) -> None:
    Path("drawn").write_text("old")
    Path("wrong.yaml").write_text("input: 4x4x3\nlayers: [{conv: {out_channels: 2, kernel_size: 5}}]\n")
    result = run("export", form, "wrong.yaml", "-o", "drawn")
    assert (result.code, result.out) == (2, "")
    assert "error[window-exceeds-input]" in result.err
    assert Path("drawn").read_text() == "old"
    assert sorted(os.listdir()) == ["drawn", "small.yaml", "wrong.yaml"]


def test_an_onnx_file_is_read_as_a_document_is(run: Run, exported: Path) -> None:
    """2·4·9 + 4 + 4·4·9 + 4 + 192·5 + 5 = 1,189 parameters."""
    result = run("analyze", "small.onnx", "--format", "json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert report["totals"]["parameters"] == 1189
    assert [row["name"] for row in report["layers"]][:2] == ["pair.0.conv", "pair.0.relu"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["count", "small.onnx"],
        ["memory", "small.onnx"],
        ["fit", "small.onnx", "--memory", "1GB"],
        ["whatis", "small.onnx", "1,189"],
        ["compare", "small.yaml", "small.onnx"],
        ["check", "small.onnx"],
        ["export", "mermaid", "small.onnx"],
        ["export", "onnx", "small.onnx", "-o", "again.onnx"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_other_commands(run: Run, exported: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.code, result.err) == (0, "")


def test_a_file_that_is_no_model(run: Run, small: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    Path("small.yaml").rename("text.onnx")
    assert run("analyze", "text.onnx") == (
        2,
        "",
        "error[not-onnx]: text.onnx is not an ONNX model, or only part of one\n",
    )


def test_zeros(run: Run, exported: Path) -> None:
    assert run("export", "onnx", "small.yaml", "-o", "zeros.onnx", "--weights", "zeros") == (0, "", "")
    zeros, random = Path("zeros.onnx").read_bytes(), exported.read_bytes()
    assert len(zeros) == len(random)
    assert zeros.count(0) > random.count(0) + 3000
    assert run("export", "onnx", "small.yaml", "--weights", "ones").code == 2


def test_a_terminal_is_shown_no_bytes(run: Run, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    result = run("export", "onnx", "small.yaml")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[binary-to-terminal]: ")


def test_bytes_to_standard_output(process: Callable[..., Any], exported: Path) -> None:
    out, err = process("export", "onnx", "small.yaml").communicate(timeout=60)
    assert (out, err) == (exported.read_bytes(), b"")


@pytest.mark.parametrize("arguments", [["analyze", "model.onnx"], ["export", "onnx", "small.yaml"]])
def test_without_the_package(run: Run, small: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    Path("model.onnx").write_bytes(b"\x08\x08")
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "error[needs-onnx]" in result.err
    assert "help: pip install 'cnncalc[onnx]'" in result.err
