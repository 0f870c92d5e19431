from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_every_convention(run: Run, small: Path) -> None:
    """Twice 4 filters over 6x8 places, 18 and 36 products each, and 192 · 5 of the dense layer: 11,328 MACs."""
    result = run("count", "small.yaml")
    assert (result.code, result.err) == (0, "")
    assert "\n11,328 MACs an image; how others count it, for one image at prediction\n" in result.out
    assert "\nflop_counter        FLOPs            22,656  2 · the MACs" in result.out
    assert 11_328 == 6 * 8 * 4 * (18 + 36) + 192 * 5


def test_one_convention(run: Run, small: Path) -> None:
    result = run("count", "small.yaml", "--convention", "torchinfo")
    assert result.out.splitlines()[5:7] == [
        "torchinfo   mult-adds  11,717  the MACs",
        "                               + 389: one add an output for the bias",
    ]


@pytest.mark.parametrize("format", ["table", "markdown", "csv"])
def test_by_layer(run: Run, small: Path, format: str) -> None:
    result = run("count", "small.yaml", "--per-layer", "--convention", "flop-counter", "--format", format)
    assert (result.code, result.err) == (0, "")
    heading = {"table": "MACs  flop_counter", "markdown": "| MACs | flop_counter |", "csv": "macs,flop_counter"}
    assert heading[format] in result.out


def test_a_count_that_is_a_column_already_is_one_column(run: Run, small: Path) -> None:
    heads = run("count", "small.yaml", "--per-layer", "--format", "csv").out.splitlines()[0].split(",")
    assert heads.count("macs") == 1
    assert len(heads) == len(set(heads))


def test_conventions_in_one_word(run: Run, small: Path) -> None:
    together = run("count", "small.yaml", "--convention", "thop, fvcore")
    assert together == run("count", "small.yaml", "--convention", "thop", "--convention", "fvcore")
    assert together.code == 0


def test_json(run: Run, small: Path) -> None:
    result = run("count", "small.yaml", "--format", "json", "--per-layer", "--convention", "thop")
    (count,) = json.loads(result.out)["counts"]
    assert count["convention"] == "thop"
    assert [layer["amount"] for layer in count["layers"]] == [6 * 8 * 4 * 18, 0, 6 * 8 * 4 * 36, 0, 192 * 5]


def test_markdown_and_csv(run: Run, small: Path) -> None:
    assert run("count", "small.yaml", "--format", "markdown").out.startswith("## small\n")
    assert run("count", "small.yaml", "--format", "csv").out.startswith("convention,version,total,prints,term,amount\n")


def test_settings(run: Run, small: Path) -> None:
    result = run("count", "small.yaml", "--set", "classes=7", "--convention", "macs")
    assert f"{6 * 8 * 4 * (18 + 36) + 192 * 7:,} MACs an image" in result.out


@pytest.mark.parametrize("command", [("count",), ("analyze",)])
def test_an_unknown_convention(run: Run, small: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "small.yaml", "--convention", "thopp")
    assert (result.code, result.out) == (2, "")
    assert result.err == ("error[unknown-convention]: `thopp` is not a convention\n  = help: did you mean `thop`?\n")


# analyze --------------------------------------------------------------------------------------------------------------


def test_a_convention_beside_the_macs(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--convention", "flops", "--convention", "fvcore", "--columns", "layer,macs")
    assert result.out.splitlines()[3].split() == ["layer", "MACs", "flops", "fvcore"]


def test_a_convention_in_every_format(run: Run, small: Path) -> None:
    assert "| MACs | flops |" in run("analyze", "small.yaml", "--convention", "flops", "--format", "markdown").out
    assert ",macs,flops,multiplies," in run("analyze", "small.yaml", "--convention", "flops", "--format", "csv").out
    report = json.loads(run("analyze", "small.yaml", "--convention", "flops", "--format", "json").out)
    assert report["totals"]["counted"] == {"flops": sum(report["totals"]["operations"].values())}


def test_a_convention_by_blocks(run: Run, small: Path) -> None:
    result = run("analyze", "small.yaml", "--convention", "courses", "--depth", "1", "--columns", "layer,macs")
    assert result.out.splitlines()[5].split() == ["pair", "10,368", "10,368"]


# whatis ---------------------------------------------------------------------------------------------------------------


def test_whatis(run: Run, small: Path) -> None:
    result = run("whatis", "small.yaml", "22.7k")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("1 count of small gives 22.7k\n")


def test_whatis_none(run: Run, small: Path) -> None:
    result = run("whatis", "small.yaml", "5G")
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("no count of small gives 5G; the nearest are\n")


@pytest.mark.parametrize("format", ["json", "markdown"])
def test_whatis_in_other_formats(run: Run, small: Path, format: str) -> None:
    result = run("whatis", "small.yaml", "11,328", "--format", format)
    assert result.code == 0
    assert "flop_counter" not in result.out
    if format == "json":
        assert {match["fit"] for match in json.loads(result.out)["matches"]} == {"exact"}


def test_whatis_of_no_figure(run: Run, small: Path) -> None:
    result = run("whatis", "small.yaml", "4,11G")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("<figure>:1:1: error[not-a-figure]: `4,11G` is not a figure\n")


# Training -------------------------------------------------------------------------------------------------------------


def test_training(run: Run, small: Path) -> None:
    """11,328 forward and to the weights; to the inputs all but the first convolution's 6·8·4·18 = 3,456."""
    result = run("count", "small.yaml", "--training")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[4:9] == [
        "pass                        MACs",
        "------------------------  ------",
        "forward                   11,328",
        "backward, to the weights  11,328",
        "backward, to the inputs    7,872",
    ]


def test_training_in_every_format(run: Run, small: Path) -> None:
    freeze = ("--training", "--freeze", "linear.*")
    assert json.loads(run("count", "small.yaml", *freeze, "--format", "json").out)["to_weights"] == 11_328 - 960
    for format in ("csv", "markdown", "table"):
        result = run("count", "small.yaml", *freeze, "--per-layer", "--format", format)
        assert (result.code, result.err) == (0, "")
        assert "pair.0.conv" in result.out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--freeze", "linear.*"), "needs-training"),
        (("--training", "--convention", "thop"), "options-exclude-each-other"),
        (("--training", "--freeze", "nothing"), "nothing-to-freeze"),
    ],
)
def test_options_that_do_not_go_together(run: Run, small: Path, options: tuple[str, ...], code: str) -> None:
    result = run("count", "small.yaml", *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error[{code}]: ")
