"""Which files are documents: named, found in folders, and those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.documents import documents, is_document

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


def test_what_cannot_be_read_is_none() -> None:
    Path("x.yaml").write_bytes(b"input: \xff\nlayers: []\n")
    assert not is_document(Path("x.yaml"))
    assert not is_document(Path("nowhere.yaml"))


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
