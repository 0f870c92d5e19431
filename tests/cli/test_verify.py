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
from cnncalc.eager import kinds
from cnncalc.language.load import zoo_names

torch = pytest.importorskip("torch", reason="verify needs torch, which is not installed")

Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("one_thread")

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


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wrong_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in which a dense layer's turn ends with one operator too many."""
    right = kinds.TABLE["linear"]

    def wrong(call: kinds.Call, x: Any) -> Any:
        result = right(call, x)
        result.tick("detach")
        return result

    monkeypatch.setitem(kinds.TABLE, "linear", wrong)


# 421 parameters and 120 pixels, the 180 values of a map and 8 of the output; what torch does next is nothing
DIFFERS = "live bytes in prediction is 2,916 after `detach` by cnncalc, at an end in torch"


def test_memory_agrees(run: Run, small: str) -> None:
    result = run("verify", small, "--memory")
    assert (result.code, result.err) == (0, "")
    first, *quantities = result.out.splitlines()
    assert first.startswith("small.yaml (small.yaml): ")
    assert first.endswith(f"agree (torch {torch.__version__} on cpu, batch of 2, float32, adam, cross-entropy)")
    assert "  kept bytes: 2 compared" in quantities
    assert "  peak of a later training step: 1 compared" in quantities
    assert "  live bytes in prediction: 4 compared" in quantities  # convolution; view, t, addmm
    assert not [line for line in quantities if "output shape" in line]


def test_memory_of_another_training(run: Run, small: str) -> None:
    options = ("--batch", "3", "--dtype", "float64", "--optimizer", "none", "--loss", "none", "--device", "cpu")
    result = run("verify", small, "lenet5", "--memory", *options)
    assert (result.code, result.err) == (0, "")
    assert result.out.count("on cpu, batch of 3, float64, no optimizer, no loss)") == 2
    assert "2 networks: " in result.out


def test_memory_that_differs(run: Run, small: str, wrong_model: None) -> None:
    result = run("verify", small, "--memory")
    assert (result.code, result.err) == (1, "")
    assert f"small.yaml:4:5: error[torch-disagrees]: `linear` (linear): {DIFFERS}" in result.out
    assert "  = note: operator 5 of 5 of the model; after `addmm` before it both have 2,916" in result.out
    assert "  live bytes in prediction: 5 compared, 1 differ" in result.out


def test_memory_as_json(run: Run, small: str, wrong_model: None) -> None:
    report = json.loads(run("verify", small, "--memory", "--optimizer", "sgd", "--format", "json").out)
    assert report["agrees"] is False
    assert report["setup"]["optimizer"] == "sgd"
    assert report["compared"] == sum(
        comparison["count"]
        for comparisons in [*[layer["comparisons"] for layer in report["layers"]], report["totals"]]
        for comparison in comparisons
    )
    conv, linear = report["layers"]
    assert conv["comparisons"][0] == {
        "quantity": "live bytes in prediction",
        "engine": 2884,
        "torch": 2884,
        "agrees": True,
        "note": "",
        "count": 1,
    }
    (differs,) = [c for c in linear["comparisons"] if c["quantity"] == "live bytes in prediction"]
    assert (differs["engine"], differs["torch"]) == ("2,916 after `detach`", "at an end")


def test_memory_as_markdown(run: Run, small: str, wrong_model: None) -> None:
    lines = run("verify", small, "--memory", "--format", "markdown").out.splitlines()
    assert lines[0] == "| network | compared | agree | device | batch | dtype |"
    assert "✗ | cpu | 2 | float32 |" in lines[2]
    assert f"- `linear` (linear): {DIFFERS} (small.yaml:4:5)" in lines


def test_memory_as_junit(run: Run, small: str, wrong_model: None) -> None:
    (suite,) = ElementTree.fromstring(run("verify", small, "--memory", "--format", "junit").out.encode())
    assert suite.attrib == {"name": "small.yaml", "tests": "3", "failures": "1"}
    failed = {case.attrib["name"]: case.find("failure") for case in suite}
    assert failed["linear"].attrib["message"] == DIFFERS.replace(" is ", ": ")
    assert failed["conv"] is None
    assert failed["totals"] is None


def test_a_refusal_of_both_is_told(run: Run, small: str) -> None:
    """Agreement whose two sides are not the same words."""
    Path(small).write_text("input: 4x4x2\nlayers: [global_avg_pool, batch_norm]\n")
    result = run("verify", small, "--memory", "--batch", "1")
    assert (result.code, result.err) == (0, "")
    (told,) = [line for line in result.out.splitlines() if line.startswith("  training: refused: ")]
    assert "in torch (both refuse it)" in told
    markdown = run("verify", small, "--memory", "--batch", "1", "--format", "markdown").out
    assert "\n- small.yaml: training: refused: " in markdown
    junit = run("verify", small, "--memory", "--batch", "1", "--format", "junit").out
    assert "<system-out>training: refused: " in junit


def test_memory_writes_nothing_but_the_report(process: Callable[..., Any], small: str) -> None:
    """The profiler's library has things to say on standard error."""
    out, err = process("verify", small, "--memory").communicate(timeout=120)
    assert b"comparisons agree" in out
    assert err == b""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--memory", "--device", "meta"],
            "error[no-memory-on-meta]: on `meta` nothing is in memory, so that --memory has nothing to compare there\n"
            "  = help: leave out --device, or use `cpu`\n",
        ),
        (
            ["--optimizer", "sgd"],
            "error[option-without-effect]: --optimizer has no effect without --memory\n"
            "  = help: add --memory, or leave out --optimizer\n",
        ),
        (
            ["--loss", "none", "--device", "meta"],
            "error[option-without-effect]: --loss has no effect without --memory\n"
            "  = help: add --memory, or leave out --loss\n",
        ),
        (["--memory", "--optimizer", "adma"], "error[unknown-optimizer]: `adma` is not an optimizer of"),
        (["--memory", "--loss", "hinge"], "error[unknown-loss]: `hinge` is not a loss of"),
        (["--memory", "--dtype", "int8"], "error[unknown-dtype]: `int8` is not a number format"),
    ],
    ids=lambda value: "-".join(value).replace("--", "") if isinstance(value, list) else "",
)
def test_what_memory_refuses(run: Run, small: str, options: list[str], said: str) -> None:
    result = run("verify", small, *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(said)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
def test_memory_on_cuda(run: Run, small: str) -> None:
    result = run("verify", small, "lenet5", "--memory", "--device", "cuda")
    assert result.code == 0
    assert result.out.startswith("small.yaml (small.yaml): 5 of 5 comparisons agree")
    assert "  peak of the first training step: 2 compared\n" in result.out


def test_no_memory_on_cuda(run: Run, small: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    result = run("verify", small, "--memory", "--device", "cuda")
    assert result.code == 2
    assert "error[no-such-device]" in result.err


# Against a module -----------------------------------------------------------------------------------------------------

NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, eps=1e-5):
        super().__init__(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3, eps), nn.Flatten(), nn.Linear(90, 4))
"""


@pytest.fixture
def net(small: str) -> str:
    """A document and its module; SMALL with a norm."""
    Path("net.py").write_text(NET)
    Path("net.yaml").write_text(SMALL.replace("  - linear", "  - batch_norm\n  - linear"))
    return "net.yaml"


def test_against_a_module(run: Run, net: str) -> None:
    result = run("verify", net, "--against", "net.py:Net", "--device", "cpu")
    assert (result.code, result.err) == (0, "")
    told = f"net.yaml (net.yaml): 13 of 13 comparisons agree (net.py:Net, torch {torch.__version__} on cpu, "
    assert result.out.startswith(told)
    result = run("verify", net, "--against", "net.py:Net(0.5)", "--device", "cpu")
    assert result.code == 1
    assert "difference of the outputs is at most 1e-05 of the largest value by cnncalc, " in result.out
    assert " of it in the module\n" in result.out
    assert "`batch_norm` (batch_norm): eps is 1e-05 by cnncalc, 0.5 in the module" in result.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("net.yaml", "--against", "net"), "error[not-a-model]: `net` names no model in Python"),
        (("net.yaml", "lenet5", "--against", "net.py:Net"), "error[one-network]: 2 networks are named"),
        (("net.yaml", "--memory", "--against", "net.py:Net"), "--memory has no effect with --against"),
        (("net.yaml", "--loss", "none", "--against", "net.py:Net"), "--loss has no effect with --against"),
        (("net.yaml", "--against", "net.py:Nett"), "error[no-such-model]: net.py has no `Nett`"),
        (("lenet5", "--against", "net.py:Net"), "error[module-fails]: `Net` cannot run on this input: "),
        (("net.yaml", "--against", "net.py:Net", "--dtype", "int8"), "error[unknown-dtype]"),
    ],
)
def test_what_cannot_be_compared(run: Run, net: str, arguments: tuple[str, ...], says: str) -> None:
    result = run("verify", *arguments)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
