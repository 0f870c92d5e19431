"""`cnncalc diff`: its sides, formats, limits and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def wider(small: Path) -> Path:
    """small.yaml with 6 channels for 4, in wider.yaml."""
    file = Path("wider.yaml")
    file.write_text(small.read_text("utf-8").replace("out_channels: 4", "out_channels: 6"), "utf-8")
    return file


def test_a_table(run: Run, wider: Path) -> None:
    result = run("diff", "small.yaml", "wider.yaml")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:4] == [
        "small.yaml -> wider.yaml",
        "",
        "The first layer that changed is `pair.0.conv`, wider.yaml:5:19, in a block used",
        "    at wider.yaml:7:5.",
    ]
    # 76 + 148 and 192·5 + 5; 114 + 330 and 288·5 + 5
    assert [line.split() for line in lines if line.startswith("parameters")] == [
        ["parameters", "1,189", "1,889", "+700", "+58.9", "%"]
    ]
    assert max(map(len, lines)) <= 80


def test_other_formats(run: Run, wider: Path) -> None:
    result = run("diff", "small.yaml", "wider.yaml", "--format", "json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["first"]["name"] == "pair.0.conv"
    result = run("diff", "small.yaml", "wider.yaml", "--format", "markdown")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("### small.yaml → wider.yaml\n")


def test_the_same(run: Run, small: Path) -> None:
    result = run("diff", "small.yaml", "small.yaml")
    assert result == (0, "small.yaml -> small.yaml\n\nNothing changed: 5 layers, every number the same.\n", "")


def test_the_zoo_a_lock_and_standard_input(run: Run, small: Path, wider: Path) -> None:
    run("lock", "small.yaml")
    result = run("diff", "small.lock.json", "-", stdin=wider.read_bytes())
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("small.lock.json -> -\n\nThe first layer that changed is `pair.0.conv`, <stdin>:5:19,")
    assert run("diff", "small.lock.json", "small.yaml").out.endswith("every number the same.\n")
    assert run("diff", "vgg16", "vgg16").code == 0


def test_a_revision(run: Run, small: Path, wider: Path) -> None:
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for arguments in (
        ["init"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-m", "x"],
    ):
        subprocess.run(["git", *arguments], check=True, capture_output=True, env={**os.environ, **nobody})
    wider.replace(small)
    result = run("diff", "git:HEAD:small.yaml", "small.yaml")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(
        "git:HEAD:small.yaml -> small.yaml\n\nThe first layer that changed is `pair.0.conv`, small.yaml:5:19, "
    )
    assert "  5 |   pair: {layers: [{conv: {out_channels: 6, kernel_size: 3, padding: 1}}...\n" in result.out


# --fail-on ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["table", "json", "markdown"])
def test_a_limit(run: Run, wider: Path, format: str) -> None:
    """The result goes to standard output all the same."""
    plain = run("diff", "small.yaml", "wider.yaml", "--format", format)
    kept = run("diff", "small.yaml", "wider.yaml", "--format", format, "--fail-on", "parameters>+59%")
    assert (kept.code, kept.err) == (0, "")
    broken = run(
        "diff", "small.yaml", "wider.yaml", "--format", format, "--fail-on", "parameters>+58%", "--fail-on", "depth>+0"
    )
    assert broken.code == 1
    assert broken.err == (
        "--fail-on:1:1: error[limit-exceeded]: `parameters` grows from 1,189 to 1,889, by 700 (+58.9 %)\n"
        "  |\n"
        "1 | parameters>+58%\n"
        "  | ^^^^^^^^^^^^^^^\n"
        "  = note: the first layer that changed is `pair.0.conv`, wider.yaml:5:19\n"
    )
    assert "parameters>+58%" in broken.out
    assert len(broken.out) > len(plain.out)


def test_two_limits(run: Run, wider: Path) -> None:
    options = ("--fail-on", "parameters>+58%", "--fail-on", "macs>+1")
    result = run("diff", "small.yaml", "wider.yaml", *options)
    assert result.code == 1
    assert result.err.count("error[limit-exceeded]") == 2


# Mistakes -------------------------------------------------------------------------------------------------------------


def test_every_mistake_in_limits(run: Run, wider: Path) -> None:
    result = run("diff", "small.yaml", "wider.yaml", "--fail-on", "mac>+5%", "--fail-on", "macs>5%")
    assert (result.code, result.out) == (2, "")
    assert "error[unknown-quantity]: `mac` is not a total that `diff` compares" in result.err
    assert "= help: did you mean `macs`?" in result.err
    assert "error[malformed-limit]: `macs>5%` is not a limit on growth" in result.err


def test_both_sides_are_wrong(run: Run, small: Path) -> None:
    result = run("diff", "smal.yaml", "vgg17")
    assert (result.code, result.out) == (2, "")
    assert "there is no file smal.yaml" in result.err
    assert "there is no file vgg17\n  = help: the zoo has `vgg1" in result.err


def test_one_standard_input(run: Run, small: Path) -> None:
    result = run("diff", "-", "-", stdin=small.read_bytes())
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error[one-standard-input]: standard input can be one side only\n  = help: name a file on one side\n"
    )


def test_a_wrong_document_has_its_own_words(run: Run, small: Path) -> None:
    Path("wrong.yaml").write_text("input: 6x8x2\nlayers: [{max_pool: 9}]\n")
    result = run("diff", "small.yaml", "wrong.yaml")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("wrong.yaml:2:21: error[window-exceeds-input]")
