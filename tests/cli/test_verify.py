"""`cnncalc verify`: exit codes, every format, and that a disagreement is said at its place in the document."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cnncalc import formulas
from cnncalc.language.load import zoo_names

torch = pytest.importorskip("torch", reason="verify needs torch, which is not installed")

Run = Callable[..., Any]

SMALL = """input: 6x5x2
layers:
  - conv: {out_channels: 3, kernel_size: 3, padding: 1}
  - linear: 4
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    return "small.yaml"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that counts one multiply-accumulate too many in a dense layer of 90 inputs and 4 outputs."""
    monkeypatch.setattr(formulas, "dense_macs", lambda C, N: C * N + 1)


def test_agreement(run: Run, small: str) -> None:
    result = run("verify", small, "--device", "cpu", "--batch", "2")
    assert (result.code, result.err) == (0, "")
    first, *quantities = result.out.splitlines()
    assert first.startswith("small.yaml (small.yaml): ")
    assert first.endswith(f"comparisons agree (torch {torch.__version__} on cpu, batch of 2, float32)")
    told = first.split(": ")[1].split(" comparisons")[0].split(" of ")
    assert told[0] == told[1]
    for quantity in ("output shape", "output bytes", "MACs", "parameters", "gradients", "receptive field"):
        assert f"  {quantity}: 2 compared" in quantities


def test_a_disagreement_names_both_values_and_the_place(run: Run, small: str, broken: None) -> None:
    result = run("verify", small, "--device", "meta", "--batch", "1")
    assert result.code == 1
    assert (
        "small.yaml:4:5: error[torch-disagrees]: `linear` (linear): MACs is 361 by cnncalc, 360 in torch" in result.out
    )
    assert "  MACs: 2 compared, 1 differ" in result.out


def test_json(run: Run, small: str) -> None:
    report = json.loads(run("verify", small, "--device", "meta", "--format", "json").out)
    assert report["agrees"] is True
    assert [layer["name"] for layer in report["layers"]] == ["conv", "linear"]
    assert {"quantity", "engine", "torch", "agrees"} <= set(report["layers"][0]["comparisons"][0])
    several = json.loads(run("verify", small, small, "--device", "meta", "--format", "json").out)
    assert [one["source"] for one in several] == ["small.yaml", "small.yaml"]


def test_markdown(run: Run, small: str, broken: None) -> None:
    lines = run("verify", small, "--device", "meta", "--format", "markdown").out.splitlines()
    assert lines[0] == "| network | compared | agree | device | batch | dtype |"
    assert lines[2].startswith("| small.yaml | ")
    assert "✗ | meta | 2 | float32 |" in lines[2]
    assert "- `linear` (linear): MACs is 722 by cnncalc, 720 in torch (small.yaml:4:5)" in lines


def test_junit(run: Run, small: str, broken: None) -> None:
    suites = ElementTree.fromstring(run("verify", small, "--device", "meta", "--format", "junit").out.encode())
    (suite,) = suites
    assert suite.attrib == {"name": "small.yaml", "tests": "3", "failures": "2"}
    failed = {case.attrib["name"]: case.find("failure") for case in suite}
    assert failed["conv"] is None
    assert failed["linear"].attrib["message"] == "MACs: 722 by cnncalc, 720 in torch"
    assert failed["totals"] is not None


def test_the_whole_zoo_on_meta(run: Run) -> None:
    result = run("verify", "--all", "--device", "meta")
    assert (result.code, result.err) == (0, "")
    assert f"{len(zoo_names())} networks: " in result.out


def test_nothing_named(run: Run) -> None:
    result = run("verify")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error[nothing-to-verify]: no network is named\n  = help: name a document, or give --all for the zoo\n"
    )


def test_torch_missing(run: Run, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    command = sys.modules["cnncalc.cli.verify"]
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torch" else found(name))
    result = run("verify", small)
    assert (result.code, result.out) == (2, "")
    assert "error[torch-missing]" in result.err
    assert 'pip install "cnncalc[torch]"' in result.err


def test_a_wrong_document_verifies_nothing(run: Run, small: str) -> None:
    result = run("verify", small, "nowhere.yaml", "--device", "meta")
    assert (result.code, result.out) == (2, "")
    assert "there is no file nowhere.yaml" in result.err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
def test_cuda(run: Run, small: str) -> None:
    assert run("verify", small, "lenet5", "--device", "cuda").code == 0


def test_no_cuda(run: Run, small: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    result = run("verify", small, "--device", "cuda")
    assert result.code == 2
    assert "error[no-such-device]" in result.err


def test_progress_is_for_terminals(run: Run, small: str) -> None:
    assert not sys.stderr.isatty()
    assert run("verify", small, "--device", "meta").err == ""
