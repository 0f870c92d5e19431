from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnncalc.language.schema import schema

Run = Callable[..., Any]


def test_it_is_written(run: Run) -> None:
    result = run("schema")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == schema()
    assert result.out.startswith('{\n  "$schema": "https://json-schema.org/draft/2020-12/schema",\n')
    assert result.out.endswith("}\n")


def test_it_is_the_same_every_time(run: Run) -> None:
    assert run("schema").out == run("schema").out


def test_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cnncalc.json"
    assert run("schema", "-o", str(file)) == (0, "", "")
    assert file.read_text("utf-8") == run("schema").out


def test_a_file_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    result = run("schema", "--output", str(tmp_path / "no" / "cnncalc.json"))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[cannot-write]: ")
