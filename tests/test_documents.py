"""Which files are documents: named, found in folders, and those that are none."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.documents import documents, is_document
from cnncalc.language.load import EXTENDING, zoo

NETWORK = "input: 6x8x2\nlayers: [relu]\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str = NETWORK) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NETWORK, True),
        ("inputs: {a: 6x8x2}\nlayers: [relu]\n", True),
        ("\ufeff" + NETWORK, True),
        ("name: x\nextends: base.yaml\nargs: {n: 1}\n", True),
        ("layers: [relu]\n", False),
        ("input: 6x8x2\n", False),
        ("extends: base.yaml\njobs: {}\n", False),  # another tool's
        ("- 1\n", False),
        ("", False),
        # a slip: keys at the beginning of lines tell what it was to be
        ("input: 6x8x2\nlayers: [relu\n", True),
        ("inputs: {a: 6x8x2\nlayers: [relu]\n", True),
        ("extends: nets/base.yaml   # the larger one\nargs: {n: [1}\n", True),
        ("extends:\n  - base.yaml\nargs: {n: [1}\n", False),
        ("extends: .github\nargs: {n: [1}\n", False),
        ("layers: [relu\n", False),
        ("input: [relu\n", False),
        ("  input: 6x8x2\n  layers: [relu\n", False),
        ("services: &all {}\nmore: *all\n", False),
        ("steps:\n  input: {a\n  layers: 3\n", False),
    ],
)
def test_what_is_a_document(text: str, expected: bool) -> None:
    assert is_document(write("x.yaml", text)) is expected


def test_what_is_not_there_is_none() -> None:
    assert not is_document(Path("nowhere.yaml"))


def test_what_is_no_text_is_one_by_its_keys() -> None:
    """So that it is refused, and not passed over."""
    Path("x.yaml").write_bytes(b"input: \xff\nlayers: []\n")
    assert is_document(Path("x.yaml"))
    Path("x.yaml").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not is_document(Path("x.yaml"))


PARTS = ("layers", "input", "blocks", "expect")


@pytest.mark.parametrize("part", [*PARTS, "inputs", "name", "args", "outputs"])
def test_one_key_makes_no_document(part: str) -> None:
    assert not is_document(write("x.yaml", f"{part}: 1\nother: 2\n"))
    assert not is_document(write("x.yaml", f"{part}: 1\n\tother: 2\n"))  # which is no YAML


@pytest.mark.parametrize("parts", list(combinations(PARTS, 2)), ids="-".join)
def test_two_keys_make_one(parts: tuple[str, str]) -> None:
    one, two = parts
    assert is_document(write("x.yaml", f"{one}: 1\nother: 2\n{two}: 3\n"))
    assert is_document(write("x.yaml", f"{one}: 1\n\tother: 2\n{two}: 3\n"))


def test_two_words_for_one_key_are_one() -> None:
    assert not is_document(write("x.yaml", "input: 1\ninputs: 2\n"))


def test_documents_that_extend_others_may_have_all_their_keys() -> None:
    assert is_document(write("x.yaml", "".join(f"{key}: 1\n" for key in EXTENDING)))
    assert is_document(write("x.yaml", "extends: base.yaml\nagrs: {}\nexpect: {}\n"))


def test_the_zoo_is_all_documents() -> None:
    assert documents([str(zoo())]) == [str(path) for path in sorted(zoo().glob("*.yaml"))]


def test_folders_are_looked_through() -> None:
    for name in ("b.yaml", "a/z.yml", "a/c.yaml", ".hidden/x.yaml", "node_modules/x.yaml", "notes.txt", "a/x.txt"):
        write(name)
    write("other.yaml", "a: 1\n")
    assert documents(["."]) == ["a/c.yaml", "a/z.yml", "b.yaml"]
    assert documents(["b.yaml", "a", "b.yaml"]) == ["b.yaml", "a/c.yaml", "a/z.yml"]


def test_files_at_their_word() -> None:
    write("other.yaml", "a: 1\n")
    assert documents(["other.yaml", "nowhere.yaml", "vgg16", "-"]) == ["other.yaml", "nowhere.yaml", "vgg16", "-"]


def test_only_documents() -> None:
    """What is there and is none is passed over; what is not there is still a mistake."""
    write("other.yaml", "a: 1\n")
    write("net.yaml")
    named = ["other.yaml", "net.yaml", "nowhere.yaml", "vgg16", "-"]
    assert documents(named, only=True) == ["net.yaml", "nowhere.yaml", "vgg16", "-"]
    assert documents(["other.yaml"], only=True) == []


def test_a_folder_without_any() -> None:
    Path("empty").mkdir()
    for only in (False, True):
        with pytest.raises(DocumentError, match=r"error\[no-documents\]: there is no document in empty"):
            documents(["empty"], only)
