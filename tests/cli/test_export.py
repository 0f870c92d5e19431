"""`cnncalc export`: to standard output or a file, all of it or nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_to_standard_output(run: Run) -> None:
    result = run("export", "torch", "lenet5")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("# Exported by cnncalc from lenet5.yaml")
    assert any(isinstance(node, ast.ClassDef) and node.name == "LeNet5" for node in ast.parse(result.out).body)


def test_to_a_file(run: Run) -> None:
    Path("model.py").write_text("before")
    result = run("export", "torch", "lenet5", "-o", "model.py")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert Path("model.py").read_text() == run("export", "torch", "lenet5").out
    assert [path.name for path in Path().iterdir()] == ["model.py"], "nothing else is left behind"


def test_with_settings(run: Run) -> None:
    assert run("export", "torch", "vgg16", "--set", "classes=10").out != run("export", "torch", "vgg16").out


def test_a_wrong_document_leaves_the_file_alone(run: Run) -> None:
    Path("model.py").write_text("before")
    Path("net.yaml").write_text("input: 8x8x3\nlayers: [{conv: {out_channels: 4, kernel_size: 9}}]\n")
    result = run("export", "torch", "net.yaml", "-o", "model.py")
    assert (result.code, result.out) == (2, "")
    assert "error[window-exceeds-input]" in result.err
    assert Path("model.py").read_text() == "before"


def test_a_folder_that_does_not_exist(run: Run) -> None:
    result = run("export", "torch", "lenet5", "-o", "nowhere/model.py")
    assert result.code == 2
    assert result.err.startswith("error[")
