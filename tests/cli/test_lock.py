"""`cnncalc lock`, and `cnncalc check` with locks: where they go, what is refused, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.figures import figures
from cnncalc.lock import to_text

Run = Callable[..., Any]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")


# lock -----------------------------------------------------------------------------------------------------------------


def test_beside_the_document(run: Run, small: Path) -> None:
    Path("nets").mkdir()
    small.rename("nets/small.yaml")
    assert run("lock", "nets/small.yaml") == (0, "", "")
    assert Path("nets/small.lock.json").read_text("utf-8") == to_text(figures(cnncalc.load("nets/small.yaml")))
    assert [path.name for path in Path().iterdir()] == ["nets"]


def test_elsewhere(run: Run, small: Path) -> None:
    assert run("lock", "small.yaml", "-o", "other.json") == (0, "", "")
    written = Path("other.json").read_text("utf-8")
    assert run("lock", "small.yaml", "--output", "-") == (0, written, "")
    assert not Path("small.lock.json").exists()


def test_standard_input(run: Run, small: Path) -> None:
    result = run("lock", "-", "-o", "-", stdin=small.read_bytes())
    assert result.code == 0
    assert json.loads(result.out)["document"] == "<stdin>"
    result = run("lock", "-", stdin=small.read_bytes())
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error[no-lock]: what is read from standard input has no lock beside it\n"
        "  = help: add -o PATH, or -o - for standard output\n"
    )


def test_a_network_of_the_zoo(run: Run, small: Path) -> None:
    """Its lock is not written into the package."""
    assert run("lock", "lenet5") == (0, "", "")
    assert json.loads(Path("lenet5.lock.json").read_text("utf-8"))["totals"]["parameters"] == 60_000


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("small.lock.json", "a lock already"),
        ("git:main:small.yaml", "a network in git"),
    ],
)
def test_what_is_no_document(run: Run, small: Path, file: str, what: str) -> None:
    result = run("lock", file)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"error[not-a-document]: `{file}` is {what}, not a document\n"
        "  = help: name a document (net.yaml), `-`, or a network of the zoo (resnet18)\n"
    )


def test_a_file_with_such_a_name(run: Run, small: Path) -> None:
    small.rename("small:Net")
    assert run("lock", "small:Net") == (0, "", "")


def test_a_wrong_document_writes_nothing(run: Run, small: Path) -> None:
    run("lock", "small.yaml")
    before = Path("small.lock.json").read_bytes()
    change(small, "linear: classes", "linear: clases")
    result = run("lock", "small.yaml")
    assert (result.code, result.out) == (2, "")
    assert "error[unknown-name]" in result.err
    assert Path("small.lock.json").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["small.lock.json", "small.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["nowhere.yaml"], "no-such-file"), (["small.yaml", "-o", "no/x"], "cannot-write")]
)
def test_files_that_are_not_there(run: Run, small: Path, arguments: list[str], code: str) -> None:
    result = run("lock", *arguments)
    assert (result.code, result.out) == (2, "")
    assert f"error[{code}]" in result.err


# check --lock ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(run: Run, small: Path) -> Path:
    run("lock", "small.yaml")
    return small


def test_as_locked(run: Run, locked: Path) -> None:
    assert run("check", "--lock", "small.yaml") == (0, "1 document: 1 of 1 expectation holds\n", "")
    assert run("check", "small.yaml") == (0, "1 document: nothing is expected\n", "")


def test_another_number(run: Run, locked: Path) -> None:
    """12 inputs of 3x3 and a bias each, or 6x8 places."""
    change(locked, "out_channels: 4", "out_channels: 3")
    assert run("check", "small.yaml").code == 0
    result = run("check", "--lock")
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("small.yaml:5:")
    assert "error[lock-differs]: `pair.0.conv`: output is 6x8x3, locked 6x8x4\n" in result.out
    assert "= note: parameters is 57, locked 76 (-25.0 %)\n" in result.out
    assert result.out.endswith("\n1 document: 0 of 1 expectation holds\n")


@pytest.mark.parametrize("format", ["json", "github", "junit", "sarif", "markdown"])
def test_formats(run: Run, locked: Path, format: str) -> None:
    change(locked, "out_channels: 4", "out_channels: 3")
    result = run("check", "--lock", "--format", format)
    assert (result.code, result.err) == (1, "")
    assert "pair.0.conv" in result.out
    assert "6x8x3" in result.out


def test_a_document_without_a_lock(run: Run, locked: Path) -> None:
    Path("other.yaml").write_text("input: 6x8x2\nlayers: [relu]\n")
    result = run("check", "--lock")
    assert result.code == 2
    assert "error[no-lock]: other.yaml has no lock: there is no file other.lock.json\n" in result.out


def test_update(run: Run, locked: Path) -> None:
    change(locked, "out_channels: 4", "out_channels: 3")
    Path("other.yaml").write_text("input: 6x8x2\nlayers: [relu]\n")
    assert run("check", "--lock", "--update") == (0, "2 documents: 2 of 2 expectations hold\n", "")
    assert run("check", "--lock").code == 0
    assert Path("other.lock.json").is_file()


def test_update_alone(run: Run, locked: Path) -> None:
    result = run("check", "--update")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error[option-without-effect]: --update has no effect without --lock\n"
        "  = help: add --lock, or leave out --update\n"
    )


# check --only-documents -----------------------------------------------------------------------------------------------


def test_only_documents(run: Run, small: Path) -> None:
    Path("compose.yaml").write_text("services: &all {web: {image: nginx}}\nmore: *all\n")
    Path("list.yml").write_text("- 1\n")
    assert run("check", "compose.yaml").code == 2
    result = run("check", "--only-documents", "compose.yaml", "small.yaml", "list.yml")
    assert result == (0, "1 document: nothing is expected\n", "")
    result = run("check", "--only-documents", "compose.yaml")
    assert result == (0, "0 documents: nothing is expected\n", "")


def test_a_slip_does_not_hide_a_document(run: Run, small: Path) -> None:
    change(small, "linear: classes", "linear: {classes")
    result = run("check", "--only-documents", "small.yaml")
    assert result.code == 2
    assert "error[not-yaml]" in result.out


def test_a_file_that_is_not_there(run: Run, small: Path) -> None:
    assert "there is no file nowhere.yaml" in run("check", "--only-documents", "nowhere.yaml").out
