from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.render import savings as rendered
from cnncalc.savings import savings

Run = Callable[..., Any]

DOCUMENT = """\
name: two
input: 9x7x6
args: {reduced: 4}
layers:
  - {name: reduce, conv: {out_channels: reduced, kernel_size: 1}}
  - {name: wide, conv: {out_channels: 8, kernel_size: 3, padding: 1}}
  - {name: last, conv: {out_channels: 8, kernel_size: 3, padding: 1}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(DOCUMENT, "utf-8")
    return "two.yaml"


def test_table(run: Run, file: str) -> None:
    result = run("savings", file)
    found = savings(cnncalc.load(file))
    assert result == (0, "".join(f"{line.text}\n" for line in rendered.lines(found)), "")
    assert "\n1x1 bottlenecks: 1\n" in result.out
    assert "\nStacks of small kernels: 1\n" in result.out


def test_markdown(run: Run, file: str) -> None:
    found = savings(cnncalc.load(file))
    assert run("savings", file, "--format", "markdown") == (0, rendered.markdown(found), "")


def test_json(run: Run, file: str) -> None:
    result = run("savings", file, "--format", "json")
    assert (result.code, result.err) == (0, "")
    record = json.loads(result.out)
    assert record == rendered.record(savings(cnncalc.load(file)))
    assert record["schema_version"] == 1
    assert list(record) == [
        "schema_version",
        "name",
        "source",
        "layout",
        "parameters",
        "macs",
        "totals",
        "findings",
    ]
    first = record["findings"][0]
    assert (first["sort"], first["layers"], first["input"]) == ("bottleneck", ["reduce", "wide"], [6, 9, 7])
    assert first["replaces"] == "3x3 convolution from 6 to 8 channels"
    # 9·6·8 + 8 against 6·4 + 4 + 9·4·8 + 8
    assert first["parameters"] == {
        "without": {"letters": "N·C·K_h·K_w + N", "numbers": "8·6·3·3 + 8", "value": 440},
        "having": {
            "letters": "C_1·C + C_1 + N·C_1·K_h·K_w + N",
            "numbers": "4·6 + 4 + 8·4·3·3 + 8",
            "value": 324,
        },
        "ratio": 1.358,
    }
    assert first["place"] == {"file": "two.yaml", "line": 5, "column": 5}
    # the network's 6·4 + 4 + 9·4·8 + 8 + 9·8·8 + 8 = 908, and 440 - 324 more
    assert record["totals"][0]["parameters"] == {"without": 440, "having": 324, "ratio": 1.358, "network": 1_024}


def test_settings(run: Run, file: str) -> None:
    result = run("savings", file, "--set", "reduced=6")
    assert result.code == 0
    assert "1x1 bottlenecks" not in result.out


def test_a_network_of_the_zoo(run: Run) -> None:
    result = run("savings", "mobilenet_v1")
    assert (result.code, result.err) == (0, "")
    assert "\nDepthwise separable convolutions: 13\n" in result.out
    assert "\n  separable7.0..4: depthwise, pointwise ×5\n" in result.out


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_nothing_is_no_failure(run: Run, format: str) -> None:
    result = run("savings", "lenet5", "--format", format)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("\n\nNo design that saves parameters or multiplies is recognised in it.\n")


def test_mistakes(run: Run, file: str) -> None:
    result = run("savings", "nonsense")
    assert (result.code, result.out) == (2, "")
    assert "error[" in result.err
    result = run("savings", file, "--set", "width=3")
    assert (result.code, result.out) == (2, "")
    assert run("savings", file, "--format", "csv").code == 2
