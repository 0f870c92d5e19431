"""`cnncalc compare`: its networks, options, formats and mistakes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def cells(text: str, first: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{first} ")]
    return line.removeprefix(first).split()


def test_the_zoo(run: Run) -> None:
    """torchvision's numbers, and 61,100,840 / 138,357,544 = 0.44162, 714,188,480 / 15,470,264,320 = 0.046165."""
    result = run("compare", "vgg16", "alexnet_torchvision")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:3] == [
        "vgg16: VGG-16, 224x224x3 -> 1000",
        "alexnet_torchvision: AlexNet (torchvision), 224x224x3 -> 1000",
        "",
    ]
    assert cells(result.out, "parameters") == ["138,357,544", "61,100,840", "×0.442"]
    assert cells(result.out, "MACs") == ["15,470,264,320", "714,188,480", "×0.0462"]
    assert max(map(len, lines)) <= 80


def test_a_network_with_itself(run: Run) -> None:
    result = run("compare", "lenet5", "lenet5", "lenet5")
    assert (result.code, result.err) == (0, "")
    assert "lenet5 (3): LeNet-5, 32x32x1 -> 10\n" in result.out
    assert cells(result.out, "parameters") == ["60,000", "60,000", "×1", "60,000", "×1"]


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json"])
def test_formats(run: Run, small: Path, format: str) -> None:
    plain = run("compare", "small.yaml", "lenet5", "--format", format)
    both = run("compare", "small.yaml", "lenet5", "--layers", "--format", format)
    for result in (plain, both):
        assert (result.code, result.err) == (0, "")
    assert "pair.0.conv" not in plain.out
    assert "pair.0.conv" in both.out
    assert "60" in plain.out
    if format == "json":
        # the network of tests/cli/conftest.py: 76 + 148 parameters of the convolutions, 192·5 + 5 of the last layer
        assert json.loads(both.out)["totals"][2]["values"] == [1189, 60_000]
    if format == "csv":
        rows = list(csv.reader(io.StringIO(both.out)))
        assert {len(row) for row in rows} == {2 * 12}


def test_a_lock_standard_input_and_blocks(run: Run, small: Path) -> None:
    run("lock", "small.yaml")
    result = run("compare", "small.lock.json", "-", "--layers", "--depth", "1", stdin=small.read_bytes())
    assert (result.code, result.err) == (0, "")
    assert "<stdin>: small, 6x8x2 -> 5\n" in result.out
    assert "\nRows that align: 2 of 2 of `<stdin>` with 2 of 2 of `small.lock.json`.\n" in result.out
    (block,) = [line for line in result.out.splitlines() if line.startswith("pair ")]
    # 192 outputs of 18 and of 36 products
    assert block.split() == ["pair", "6x8x4", "224", f"{192 * (18 + 36):,}", "|", *["pair", "6x8x4", "224", "10,368"]]


def test_settings_and_the_batch(run: Run, small: Path) -> None:
    result = run("compare", "small.yaml", "vgg16", "--set", "classes=7", "--batch", "8")
    assert (result.code, result.err) == (0, "")
    assert "small.yaml: small, 6x8x2 -> 7\nvgg16: VGG-16, 224x224x3 -> 7 (another input)\n" in result.out
    assert "to predict a batch of 8 and to train a batch of 8 with SGD" in result.out.replace("\n    ", " ")
    # VGG-16 without 993 of its 1,000 classes of 4,096 weights and a bias
    assert cells(result.out, "parameters")[1] == f"{138_357_544 - 993 * 4097:,}"
    # 192 and 192 values of two outputs, for each of 8 images; 1,189 + 2·193 parameters
    assert cells(result.out, "textbook.prediction")[0] == f"{4 * (8 * 384 + 1189 + 2 * 193):,}"


def test_columns(run: Run) -> None:
    result = run("compare", "lenet5", "mnist_cnn", "--columns", "macs,depth")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.splitlines()[3:7]] == ["total", "-----", "MACs", "depth"]
    every = run("compare", "lenet5", "mnist_cnn", "--columns", "all")
    assert every.out == run("compare", "lenet5", "mnist_cnn").out


# Mistakes -------------------------------------------------------------------------------------------------------------


def refused(run: Run, *arguments: str, stdin: bytes = b"") -> str:
    result = run("compare", *arguments, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    return str(result.err)


def test_one_network(run: Run) -> None:
    assert refused(run, "lenet5") == (
        "error[one-network]: `lenet5` is alone: there is nothing to compare\n  = help: name two or more\n"
    )
    assert "Missing argument 'NETWORK...'" in refused(run)


def test_unknown_files_are_all_named_once(run: Run, small: Path) -> None:
    said = refused(run, "smal.yaml", "vgg17", "smal.yaml", "small.yaml")
    assert said.count("there is no file smal.yaml") == 1
    assert "there is no file vgg17\n  = help: the zoo has `vgg1" in said


def test_two_standard_inputs(run: Run, small: Path) -> None:
    assert refused(run, "-", "lenet5", "-", stdin=small.read_bytes()) == (
        "error[one-standard-input]: standard input can be one network only\n  = help: name a file for the others\n"
    )


def test_a_setting_that_a_network_lacks(run: Run, small: Path) -> None:
    said = refused(run, "small.yaml", "lenet5", "mnist_cnn", "--set", "classes=7")
    assert said.count("error[unknown-arg]") == 2
    assert "= note: for `lenet5`\n" in said
    assert "= note: for `mnist_cnn`\n" in said
    assert "small.yaml" not in said


@pytest.mark.parametrize("option", [["--set", "classes=7"], ["--batch", "4"]])
@pytest.mark.parametrize("lock", ["small.lock.json", "git:HEAD:small.lock.json"])
def test_a_lock_is_fixed(run: Run, small: Path, option: list[str], lock: str) -> None:
    run("lock", "small.yaml")
    assert refused(run, lock, "small.yaml", *option) == (
        f"error[lock-is-fixed]: {lock} is a lock, and its numbers are those of its own run\n"
        "  = help: name the document itself to set something or to choose the batch\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--columns", "mac"], "error[unknown-column]: `mac` is not a column\n  = help: did you mean `macs`?\n"),
        (["--columns", "macs,output"], "error[needs-layers]: `output` is of layers\n  = help: add --layers\n"),
        (["--depth", "1"], "error[needs-layers]: `--depth` is for layer by layer\n  = help: add --layers\n"),
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: list[str], said: str) -> None:
    assert refused(run, "lenet5", "mnist_cnn", *arguments) == said


def test_a_batch_of_no_image(run: Run) -> None:
    assert "--batch" in refused(run, "lenet5", "mnist_cnn", "--batch", "0")
