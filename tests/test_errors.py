"""Every mistake a document can hold, with the whole message: `tests/errors/*.md`, and here what Markdown cannot hold.

A case is a heading, the document, what `--set` says where there is any, and the expected output. Documents of other
names (```` ```yaml base.yaml ````) lie beside the case's own, which is called net.yaml.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import pytest

from cnncalc.checks import check
from cnncalc.diagnostics import MAX_DIAGNOSTICS, DocumentError, render
from cnncalc.language.load import load, loads

FOLDER = Path(__file__).parent / "errors"
FENCE = re.compile(r"^```(yaml|sh|text) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 1.0  # the longest that a mistake may take to be found


class Case(NamedTuple):
    document: str
    others: dict[str, str]
    settings: list[str]
    expected: str


def read_cases() -> dict[str, Case]:
    cases = {}
    for page in sorted(FOLDER.glob("*.md")):
        for section in page.read_text("utf-8").split("\n## ")[1:]:
            title, _, body = section.partition("\n")
            document, others, settings, expected = "", {}, [], ""
            for language, name, text in FENCE.findall(body):
                if language == "text":
                    expected = text.rstrip("\n")
                elif language == "sh":
                    settings = [line.removeprefix("--set ").strip("'") for line in text.splitlines()]
                elif name:
                    others[name] = text
                else:
                    document = text
            key = f"{page.stem}: {title}"
            assert key not in cases, f"two cases are called {key}"
            cases[key] = Case(document, others, settings, expected)
    return cases


CASES = read_cases()


def messages(function: Any, *arguments: Any, **named: Any) -> str:
    """Everything that is wrong, as the command line prints it; found in less than a second."""
    start = process_time()
    with pytest.raises(DocumentError) as caught:
        function(*arguments, **named)
    assert process_time() - start < SECONDS
    return "\n\n".join(map(render, caught.value.diagnostics))


def held(load: Any, *arguments: Any, **named: Any) -> None:
    """Read a document and hold its network to what it expects."""
    failures = check(load(*arguments, **named))
    if failures:
        raise DocumentError(*failures)


def test_there_are_cases() -> None:
    assert len({name.partition(":")[0] for name in CASES}) == len(list(FOLDER.glob("*.md"))) > 10
    assert all(case.expected for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    if not case.others:
        assert messages(held, loads, case.document, case.settings, name="net.yaml") == case.expected
        return
    monkeypatch.chdir(tmp_path)
    for other, text in case.others.items():
        Path(other).parent.mkdir(parents=True, exist_ok=True)
        Path(other).write_text(text, "utf-8")
    Path("net.yaml").write_text(case.document, "utf-8")
    assert messages(held, load, "net.yaml", case.settings) == case.expected


# Bytes and characters -------------------------------------------------------------------------------------------------

WRONG_KIND = """\
net.yaml:3:5: error[unknown-kind]: `rellu` is not a kind of layer or a block
  |
3 |   - rellu
  |     ^^^^^
  = help: did you mean `relu`, `prelu` or `relu6`?"""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"input: 8x8x3\nlayers:\n  - rellu\n", id="as everywhere"),
        pytest.param(b"input: 8x8x3\nlayers:\n  - rellu", id="no newline at the end"),
        pytest.param(b"input: 8x8x3\r\nlayers:\r\n  - rellu\r\n", id="lines of Windows"),
        pytest.param(b"input: 8x8x3\rlayers:\r  - rellu\r", id="lines of old Macs"),
        pytest.param(b"\xef\xbb\xbfinput: 8x8x3\nlayers:\n  - rellu\n", id="byte order mark"),
        pytest.param(b"input: 8x8x3\nlayers:\n  - rellu\n...\n", id="end marker"),
    ],
)
def test_place_is_the_same_in_every_form_of_text(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_bytes(data)
    assert messages(load, "net.yaml") == WRONG_KIND
    assert messages(loads, data.decode(), name="net.yaml") == WRONG_KIND


def test_byte_order_mark_before_a_mistake_in_the_first_line() -> None:
    assert (
        messages(loads, "\ufeffinput: 0x8x3\nlayers: [relu]\n", name="net.yaml")
        == """\
net.yaml:1:8: error[input-sizes]: an input is sizes from 1 up, not `0x8x3`
  |
1 | input: 0x8x3
  |        ^^^^^
  = help: write height x width x channels, e.g. 224x224x3, or [3, 224, 224]"""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "input: 8x8x3\nname: é\0\n",
            """\
net.yaml:2:8: error[not-yaml]: not YAML: the character U+0000 is not allowed in a text
  |
2 | name: é?
  |        ^
  = help: remove it; is this a text file?""",
            id="NUL after an accent",
        ),
        pytest.param(
            "input: 8x8x3\n# \x1b[31mred\n",
            """\
net.yaml:2:3: error[not-yaml]: not YAML: the character U+001B is not allowed in a text
  |
2 | # ?[31mred
  |   ^
  = help: remove it; is this a text file?""",
            id="an escape sequence in a comment",
        ),
        pytest.param(
            "input: 8x8x3\nname: \ud800\n",
            """\
net.yaml:2:7: error[not-yaml]: not YAML: the character U+D800 is not allowed in a text
  |
2 | name: ?
  |       ^
  = help: remove it; is this a text file?""",
            id="half a character",
        ),
        pytest.param(
            'input: 8x8x3\nlayers:\n  - "\\e[31mrelu"\n',
            """\
net.yaml:3:5: error[unknown-kind]: `?[31mrelu` is not a kind of layer or a block
  |
3 |   - "\\e[31mrelu"
  |     ^^^^^^^^^^^^
  = help: did you mean `relu`?""",
            id="an escape sequence written in a quoted text",
        ),
    ],
)
def test_characters_that_are_no_text(text: str, expected: str) -> None:
    assert messages(loads, text, name="net.yaml") == expected


def test_long_words_are_cut() -> None:
    word = "r" * 100_000
    assert (
        messages(loads, f"input: 8x8x3\nlayers:\n  - {word}\n", name="net.yaml")
        == f"""\
net.yaml:3:5: error[unknown-kind]: `{"r" * 57}...` is not a kind of layer or a block
  |
3 |   - {"r" * 156}...
  |     {"^" * 156}
  = help: `cnncalc kinds` lists them"""
    )


# Files ----------------------------------------------------------------------------------------------------------------


def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        messages(load, "vgg61")
        == """\
error[no-such-file]: there is no file vgg61
  = help: the zoo has `vgg16`, `vgg11` or `vgg13`"""
    )
    assert (
        messages(load, "networks/resnet5O.yaml")
        == """\
error[no-such-file]: there is no file networks/resnet5O.yaml
  = help: the zoo has `resnet50`, `resnet152` or `resnet18`"""
    )
    assert (
        messages(load, "qqq.yaml")
        == """\
error[no-such-file]: there is no file qqq.yaml
  = help: `cnncalc zoo` lists the networks that come with cnncalc"""
    )


@pytest.mark.parametrize("path", ["a\0b.yaml", "a" * 5000, "no/such/folder/x.yaml", ""])
def test_paths_that_are_none(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = messages(load, path).partition("\n")[0]
    assert first.startswith(("error[no-such-file]: ", "error[cannot-read]: ", "error[is-a-directory]: "))


def test_file_in_the_place_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("input: 8x8x3\n", "utf-8")
    assert messages(load, "net.yaml/inner.yaml").startswith("error[no-such-file]: there is no file net.yaml/inner.yaml")


def test_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("networks").mkdir()
    assert (
        messages(load, "networks")
        == """\
error[is-a-directory]: networks is a directory, not a document
  = help: name a file in it"""
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read by this user")
def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("input: 8x8x3\n", "utf-8")
    Path("net.yaml").chmod(0)
    assert messages(load, "net.yaml") == "error[cannot-read]: net.yaml cannot be read: permission denied"


@pytest.mark.parametrize(
    ("data", "byte", "line"),
    [
        pytest.param(b"input: 8x8x3\nname: caf\xe9\n", "0xe9", 2, id="Latin-1"),
        pytest.param("input: 8x8x3\n".encode("utf-16"), "0xff", 1, id="UTF-16"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "0x89", 1, id="a picture"),
        pytest.param(b"input: 8x8x3\n\n\n\xed\xa0\x80", "0xed", 4, id="half a character"),
    ],
)
def test_not_utf8(data: bytes, byte: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_bytes(data)
    assert (
        messages(load, "net.yaml")
        == f"""\
error[not-utf8]: net.yaml is not UTF-8 text: byte {byte} in line {line}
  = help: save it as UTF-8"""
    )


TOO_LARGE = """\
error[document-too-large]: net.yaml has more than 67,108,864 bytes; a document may have 16,777,216 characters
  = help: say what repeats with `repeat` and blocks"""


def test_a_hundred_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("net.yaml").open("wb") as file:
        file.truncate(100_000_000)
    assert messages(load, "net.yaml") == TOO_LARGE


def test_twenty_million_characters() -> None:
    text = "input: 8x8x3\nlayers:\n" + "  - relu\n" * 2_000_000
    first, *rest = messages(loads, text, name="net.yaml").split("\n")
    message = "the text has 18,000,021 characters; a document may have 16,777,216"
    assert first == f"net.yaml:1:1: error[document-too-large]: {message}"
    assert rest[-1] == "  = help: say what repeats with `repeat` and blocks"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_without_end() -> None:
    assert messages(load, "/dev/zero") == TOO_LARGE.replace("net.yaml", "/dev/zero")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "piped"
    file.write_text("input: 8x8x3\nlayers:\n  - rellu\n", "utf-8")
    with file.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert messages(load, "-") == WRONG_KIND.replace("net.yaml", "<stdin>")


# Quantity -------------------------------------------------------------------------------------------------------------


def test_more_mistakes_than_anyone_reads() -> None:
    text = "input: 8x8x3\nlayers:\n" + "  - convolution_layer_number_one\n" * 50_000
    every = messages(loads, text, name="net.yaml").split("\n\n")
    assert len(every) == MAX_DIAGNOSTICS + 1
    assert [message.split(":")[1] for message in every[:3]] == ["3", "4", "5"]
    assert every[-1] == (
        f"error[too-many-mistakes]: {MAX_DIAGNOSTICS} mistakes are enough: the rest of the document was not read"
    )


def test_an_unknown_name_among_many_layers() -> None:
    layers = "".join(f"  - {{relu: {{}}, name: block_{number}_relu}}\n" for number in range(10_000))
    text = f"input: 8x8x3\nlayers:\n{layers}  - {{tanh: {{}}, from: block_9999_rellu}}\n"
    last = messages(loads, text, name="net.yaml").split("\n")[-1]
    assert last.startswith("      = help: did you mean `block_9999_relu`")


def test_a_thousand_blocks_inside_one_another() -> None:
    blocks = "".join(f"  b{number}: {{layers: [b{number + 1}]}}\n" for number in range(1000))
    text = f"input: 8x8x3\nblocks:\n{blocks}  b1000: {{layers: [relu]}}\nlayers:\n  - b0\n"
    (message,) = messages(loads, text, name="net.yaml").split("\n\n")
    assert "error[nested-too-deeply]: more than 100 blocks and merges inside one another\n" in message


def test_a_thousand_blocks_inside_one_another_the_innermost_first() -> None:
    blocks = "".join(f"  b{number}: {{layers: [b{number + 1}]}}\n" for number in reversed(range(1000)))
    text = f"input: 8x8x3\nblocks:\n  b1000: {{layers: [relu]}}\n{blocks}layers:\n  - b0\n"
    (message,) = messages(loads, text, name="net.yaml").split("\n\n")
    assert "error[nested-too-deeply]: more than 100 blocks and merges inside one another\n" in message


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_a_million_brackets(opening: str) -> None:
    first = messages(loads, opening * 1_000_000, name="net.yaml").split("\n")[0]
    assert first.endswith("error[nested-too-deeply]: more than 100 lists and mappings inside one another")
