"""What the tests of commands share: the command line as `cnncalc` runs it, in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cnncalc
from cnncalc.cli import main


class Result(NamedTuple):
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`cnncalc` with the given arguments and bytes on standard input."""

    def command(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["cnncalc", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as end:
            main()
        written = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Result(end.value.code, written.out, written.err)

    return command


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`python -m cnncalc` in a process of its own, with pipes for its streams."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cnncalc.__file__).parent.parent), "COLUMNS": "80"}
    environment.pop("PYTHONUNBUFFERED", None)  # without a buffer Python takes half a write for a whole one
    with ExitStack() as running:

        def start(*arguments: str, stdout: Any = subprocess.PIPE) -> subprocess.Popen[bytes]:
            pipe = subprocess.PIPE
            command = [sys.executable, "-m", "cnncalc", *arguments]
            started = subprocess.Popen(command, stdin=pipe, stdout=stdout, stderr=pipe, env=environment)
            return running.enter_context(started)

        yield start


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a small network in small.yaml."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\n"
        "input: 6x8x2\n"
        "args: {classes: 5}\n"
        "blocks:\n"
        "  pair: {layers: [{conv: {out_channels: 4, kernel_size: 3, padding: 1}}, relu]}\n"
        "layers:\n"
        "  - {name: pair, pair: {}, repeat: 2}\n"
        "  - linear: classes\n"
    )
    return file
