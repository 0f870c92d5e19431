from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

import cnncalc
from cnncalc.cli import app
from cnncalc.language.expressions import value_text
from cnncalc.language.load import zoo_names
from cnncalc.layers import KINDS

Run = Callable[..., Any]


def test_zoo(run: Run) -> None:
    """A line a network, its name and what it is, that fits a screen of 100 columns and more."""
    result = run("zoo")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == zoo_names()
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in lines}) == 1, "descriptions stand in a column"


@pytest.mark.parametrize("name", zoo_names())
def test_every_name_of_the_zoo_loads(name: str) -> None:
    assert len(cnncalc.load(name)) > 0


def test_kinds(run: Run) -> None:
    result = run("kinds")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert len(lines) == 63
    assert "max_pool             the largest value of each window" in lines


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("relu", "relu: max(x, 0)\n  inplace  true or false (default false)\n"),
        ("flatten", "flatten: all values as one vector\n"),
        (
            "concat",
            "concat: its paths one after the other along `axis` (channels)\n"
            "  axis  a whole number from 0 up (default 0)\n"
            "  `concat: [PATH, PATH ...]`: a path is a list of layers, a layer, a layer's name, or identity\n",
        ),
        (
            "linear",
            "linear: dense (fully connected) layer; flattens its input first\n"
            "  out_features  a positive whole number (required; `linear: VALUE` sets it)\n"
            "  bias          true or false (default true)\n"
            "  activation    the name of an activation (relu, relu6, leaky_relu, elu, selu, gelu, silu, mish, sigmoid, "
            "tanh, softplus, hard_swish, hard_sigmoid, softmax, log_softmax) (default null)\n"
            "  flatten       true or false (default true)\n",
        ),
    ],
)
def test_one_kind(run: Run, kind: str, expected: str) -> None:
    assert run("kinds", kind) == (0, expected, "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(run: Run, kind: str) -> None:
    result = run("kinds", kind)
    assert (result.code, result.err) == (0, "")
    described = [line.split()[0] for line in result.out.splitlines()[1:]]
    assert [name for name in described if not name.startswith("`")] == list(KINDS[kind].fields)


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("convolution", "did you mean `conv`?"),
        ("Conv2d", "did you mean `conv`?"),
        ("max_poll", "did you mean `max_pool`"),
        ("Dense", "did you mean `linear`?"),
        ("nonsense", "`cnncalc kinds` lists them"),
    ],
)
def test_an_unknown_kind(run: Run, name: str, help: str) -> None:
    result = run("kinds", name)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error[unknown-kind]: `{name}` is not a kind of layer\n  = help: {help}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (True, "true"), (False, "false"), (0.5, "0.5"), (1, "1"), ("floor", "floor")],
)
def test_defaults_as_a_document_writes_them(value: object, expected: str) -> None:
    assert value_text(value) == expected


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"cnncalc {cnncalc.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "120", "TERM": "dumb"})
    assert result.exit_code == 0
    for command in ("analyze", "zoo", "kinds"):
        assert f" {command} " in result.output


def test_an_unknown_command(run: Run) -> None:
    result = run("analyse", "vgg16")
    assert (result.code, result.out) == (2, "")
    assert "No such command 'analyse'" in result.err


def test_no_command(run: Run) -> None:
    """The help, and an exit code that says that nothing was done."""
    result = run()
    assert result.code == 2
    assert "analyze" in result.out + result.err
