from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cnncalc
from cnncalc.cli import app
from cnncalc.memory import MemoryReport, Setup, from_json, memory
from cnncalc.render import memory as rendered

Run = Callable[..., Any]
Process = Callable[..., subprocess.Popen[bytes]]


def expected(setup: Setup | None = None, *settings: str) -> MemoryReport:
    return memory(cnncalc.load("small.yaml", settings), setup)


def page(report: MemoryReport, top: int = 10) -> str:
    return "".join(f"{line.text}\n" for line in rendered.lines(report, top))


# Results --------------------------------------------------------------------------------------------------------------


def test_prediction(run: Run, small: Path) -> None:
    """4·(76 + 148 + 965) bytes of parameters, 384 of the image, 768 each of a convolution and of its ReLU."""
    result = run("memory", "small.yaml")
    assert result == (0, page(expected()), "")
    assert "\neager: what torch really holds                                 6,676       6.7\n" in result.out
    assert 6_676 == 4 * 1_189 + 384 + 768 + 768


def test_training(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--training", "--batch", "2")
    assert result == (0, page(expected(Setup(batch=2, training=True))), "")
    assert "\nTraining on a batch of 2 images: SGD, cross-entropy, float32, on CPU.\n" in result.out


def test_standard_input(run: Run, small: Path) -> None:
    result = run("memory", "-", stdin=small.read_bytes())
    assert result == (0, page(expected()).replace("(small.yaml)", "(<stdin>)"), "")


def test_a_network_of_the_zoo(run: Run, small: Path) -> None:
    result = run("memory", "homework_3_layers", "--batch", "50", "--training")
    assert (result.code, result.err) == (0, "")
    assert "\ntextbook                                                 565,613,600     565.6\n" in result.out


def test_json(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--format", "json", "--training")
    assert (result.code, result.err) == (0, "")
    assert from_json(result.out) == expected(Setup(training=True))
    assert result.out.startswith('{\n  "schema_version": 1,\n')
    assert result.out.endswith("\n}\n")


def test_csv(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--format", "csv")
    assert (result.code, result.out, result.err) == (0, rendered.csv(expected()), "")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert max(int(row["bytes"]) for row in rows) == 6_676


def test_markdown(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--format", "markdown", "--top", "2")
    assert result == (0, rendered.markdown(expected(), 2), "")
    assert result.out.startswith("## small\n\n")


def test_top(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--top", "1")
    assert result == (0, page(expected(), 1), "")
    assert "smaller ones: " in result.out


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "setup"),
    [
        (["--batch", "3"], Setup(batch=3)),
        (["--dtype", "bfloat16"], Setup(dtype="bfloat16")),
        (["--amp", "bfloat16"], Setup(amp="bfloat16")),
        (["--device", "cuda"], Setup(device="cuda")),
        (["--training"], Setup(training=True, optimizer="sgd", loss="cross_entropy")),
        (["--training", "--optimizer", "none"], Setup(training=True, optimizer="")),
        (["--training", "--optimizer", "momentum"], Setup(training=True, optimizer="momentum")),
        (["--training", "--optimizer", "adam"], Setup(training=True, optimizer="adam")),
        (
            ["--training", "--optimizer", "adamw", "--weight-decay"],
            Setup(training=True, optimizer="adamw", weight_decay=True),
        ),
        (["--training", "--weight-decay"], Setup(training=True, weight_decay=True)),
        (["--training", "--loss", "none"], Setup(training=True, loss="none")),
        (
            ["--training", "--freeze", "pair.*", "--freeze", "*.bias"],
            Setup(training=True, frozen=("pair.*", "*.bias")),
        ),
        (["--training", "--amp", "bfloat16"], Setup(training=True, amp="bfloat16")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options(run: Run, small: Path, arguments: list[str], setup: Setup) -> None:
    result = run("memory", "small.yaml", "--format", "json", *arguments)
    assert (result.code, result.err) == (0, "")
    assert from_json(result.out) == expected(setup)


@pytest.mark.parametrize("arguments", [["pair.0, pair.1"], ["pair.0", "pair.1"]], ids=["commas", "twice"])
def test_checkpoint(run: Run, small: Path, arguments: list[str]) -> None:
    """Blocks are given with commas or one by one."""
    options = [word for blocks in arguments for word in ("--checkpoint", blocks)]
    result = run("memory", "small.yaml", "--training", *options, "--format", "json")
    assert (result.code, result.err) == (0, "")
    assert from_json(result.out) == expected(Setup(training=True, checkpointed=("pair.0", "pair.1")))


def test_set(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--set", "classes=10", "--set", "input=3x4x2", "--format", "json")
    assert from_json(result.out) == expected(None, "classes=10", "input=3x4x2")
    assert json.loads(result.out)["models"][0]["terms"][1]["bytes"] == 4 * (76 + 148 + 490)


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        ["--optimizer", "adam"],
        ["--optimizer", "none"],
        ["--weight-decay"],
        ["--loss", "cross_entropy"],
        ["--freeze", "*"],
        ["--checkpoint", "pair.0"],
    ],
    ids=lambda option: option[0],
)
@pytest.mark.parametrize("format", ["table", "json"])
def test_options_of_training_without_it(run: Run, small: Path, option: list[str], format: str) -> None:
    """Refused, never ignored: the numbers would not be those that were asked for."""
    assert run("memory", "small.yaml", *option, "--format", format) == (
        2,
        "",
        f"error[needs-training]: `{option[0]}` is for training\n  = help: add --training\n",
    )


def test_all_mistakes_are_said(run: Run, small: Path) -> None:
    result = run("memory", "small.yaml", "--optimizer", "adma", "--loss", "none", "--top", "3", "--format", "json")
    assert (result.code, result.out) == (2, "")
    assert [line.partition(":")[0] for line in result.err.splitlines() if line.startswith("error")] == [
        "error[needs-training]",
        "error[needs-training]",
        "error[needs-table]",
        "error[unknown-optimizer]",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--training", "--optimizer", "adma"],
            "error[unknown-optimizer]: `adma` is not an optimizer of the memory model\n  = help: did you mean `adam`",
        ),
        (
            ["--training", "--optimizer", "lion"],
            "error[unknown-optimizer]: `lion` is not an optimizer of the memory model\n"
            "  = help: known: sgd, momentum, adam, adamw, none\n",
        ),
        (["--training", "--optimizer", ""], "error[unknown-optimizer]: `` is not an optimizer of the memory model\n"),
        (
            ["--training", "--optimizer", "none", "--weight-decay"],
            "error[needs-optimizer]: `--weight-decay` is an optimizer's, and there is none\n"
            "  = help: leave out one of the two\n",
        ),
        (["--training", "--loss", "mse"], "error[unknown-loss]: `mse` is not a loss of the memory model\n"),
        (
            ["--training", "--freeze", "stem.*"],
            "error[nothing-to-freeze]: no parameter is called `stem.*`\n",
        ),
        (["--dtype", "int8"], "error[unknown-dtype]: `int8` is not a number format that torch runs networks in\n"),
        (
            ["--dtype", "float31"],
            "error[unknown-dtype]: `float31` is not a number format that torch runs networks in\n",
        ),
        (["--amp", "float16"], "error[unknown-amp]: `float16` is not a number format of torch.autocast\n"),
        (
            ["--amp", "bfloat16", "--dtype", "float64"],
            "error[autocast-of-float32]: autocast is for parameters in float32, not float64\n",
        ),
        (["--device", "tpu"], "error[unknown-device]: `tpu` is not a device of the memory model\n"),
        (
            ["--top", "3", "--format", "json"],
            "error[needs-table]: `--top` is how many tensors a table names; json has every tensor\n"
            "  = help: leave it out, or use --format markdown\n",
        ),
        (
            ["--top", "3", "--format", "csv"],
            "error[needs-table]: `--top` is how many tensors a table names; csv has no tensors\n",
        ),
        (["--training", "--checkpoint", "pear.0"], "error[unknown-block]: no block or layer is called `pear.0`\n"),
        (["--training", "--checkpoint", "pair.0,"], "error[unknown-block]: no block or layer is called ``\n"),
        (["--set", "klasses=3"], "--set:1:1: error[unknown-arg]: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake(run: Run, small: Path, arguments: list[str], message: str) -> None:
    result = run("memory", "small.yaml", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(message)
    assert result.err.endswith("\n")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE'"),
        (["small.yaml", "vgg16"], "unexpected extra argument"),
        (["small.yaml", "--batch", "0"], "0 is not in the range x>=1"),
        (["small.yaml", "--top", "0"], "0 is not in the range x>=1"),
        (["small.yaml", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv',"),
        (["small.yaml", "--optimiser", "sgd"], "No such option: --optimiser"),
    ],
)
def test_a_wrong_command(run: Run, small: Path, arguments: list[str], message: str) -> None:
    result = run("memory", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_missing_file(run: Run, small: Path) -> None:
    result = run("memory", "vgg61")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[no-such-file]: there is no file vgg61\n")


def test_what_torch_refuses_is_said_at_its_place(run: Run, small: Path) -> None:
    (small.parent / "norm.yaml").write_text("input: 1x1x3\nlayers:\n  - batch_norm\n")
    result = run("memory", "norm.yaml", "--training")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("norm.yaml:3:5: error[one-value-to-normalise]: torch refuses to train this: ")
    assert run("memory", "norm.yaml").code == 0, "prediction has its statistics"


# As a process ---------------------------------------------------------------------------------------------------------


def test_a_process(process: Process, small: Path) -> None:
    """A pipe gets no colour and at most 80 columns."""
    running = process("memory", "-", "--training", "--optimizer", "adam")
    out, err = running.communicate(small.read_bytes(), timeout=60)
    assert (running.returncode, err) == (0, b"")
    wanted = page(expected(Setup(training=True, optimizer="adam"))).replace("(small.yaml)", "(<stdin>)")
    assert out.decode() == wanted
    assert b"\x1b" not in out
    assert max(map(len, out.decode().splitlines())) <= 80


def test_a_reader_who_goes_away(process: Process, small: Path) -> None:
    running = process("memory", "resnet152", "--format", "csv")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(timeout=60) == 1


# Help -----------------------------------------------------------------------------------------------------------------


def test_help_says_what_there_is() -> None:
    result = CliRunner().invoke(app, ["memory", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    options = (
        "--batch",
        "--training",
        "--optimizer",
        "--weight-decay",
        "--loss",
        "--freeze",
        "--checkpoint",
        "--dtype",
    )
    for option in (*options, "--amp", "--device", "--top", "--format", "--set", "table|json|csv|markdown"):
        assert option in result.output
