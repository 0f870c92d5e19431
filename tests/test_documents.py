"""What is a document among YAML files; how a folder is looked through is in tests/cli/test_check.py."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from cnncalc.documents import documents, is_document
from cnncalc.language.load import EXTENDING, zoo

PARTS = ("layers", "input", "blocks", "expect")


def document(folder: Path, text: str) -> bool:
    file = folder / "net.yaml"
    file.write_text(text, "utf-8")
    return is_document(file)


@pytest.mark.parametrize("part", [*PARTS, "inputs", "name", "args", "outputs"])
def test_one_key_makes_no_document(tmp_path: Path, part: str) -> None:
    assert not document(tmp_path, f"{part}: 1\nother: 2\n")
    assert not document(tmp_path, f"{part}: 1\n\tother: 2\n")  # which is no YAML


@pytest.mark.parametrize("parts", combinations(PARTS, 2), ids="-".join)
def test_two_keys_make_one(tmp_path: Path, parts: tuple[str, str]) -> None:
    one, two = parts
    assert document(tmp_path, f"{one}: 1\nother: 2\n{two}: 3\n")
    assert document(tmp_path, f"{one}: 1\n\tother: 2\n{two}: 3\n")
    assert document(tmp_path, f"{{{one}: 1, {two}: 2}}\n".replace("input", "inputs"))


def test_two_words_for_one_key_are_one(tmp_path: Path) -> None:
    assert not document(tmp_path, "input: 1\ninputs: 2\n")


def test_keys_inside_others_are_not_counted(tmp_path: Path) -> None:
    assert not document(tmp_path, "model:\n  input: 1\n  layers: 2\n")
    assert not document(tmp_path, "model:\n  input: 1\n\t  layers: 2\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("".join(f"{key}: 1\n" for key in EXTENDING), True),
        ("extends: base.yaml\n", True),
        ("extends: base.yaml\nrules: {}\n", False),
        ("extends: base.yaml\nagrs: {}\nexpect: {}\n", True),
        ("extends: base.yaml\n\tname: a\n", True),
        ("extends: nets/base.yml  # of last year\n\tname: a\n", True),
        ("extends: something\n\tname: a\n", False),
    ],
)
def test_documents_that_extend_others(tmp_path: Path, text: str, expected: bool) -> None:
    assert document(tmp_path, text) is expected


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert not is_document(tmp_path / "net.yaml")


def test_the_zoo_is_all_documents() -> None:
    assert documents([str(zoo())]) == [str(path) for path in sorted(zoo().glob("*.yaml"))]


def test_a_file_is_taken_at_its_word() -> None:
    assert documents(["none.yaml", "vgg16", "-", "none.yaml"]) == ["none.yaml", "vgg16", "-"]
    assert documents(["none.yaml", "vgg16", "-"], only=True) == ["none.yaml", "vgg16", "-"]
