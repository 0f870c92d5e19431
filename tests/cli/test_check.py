"""`cnncalc check`: what it finds, what it says and its exit code; each format's whole output is in tests/render."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncalc.cli.check import MOST_SUMMARY, add_to_summary

Run = Callable[..., Any]

FINE = "input: 8x9x3\nlayers:\n  - {name: stem, conv: {out_channels: 4, kernel_size: 3}}\nexpect: {output: 6x7x4}\n"
FAILING = FINE.replace("6x7x4", "6x7x5")
WRONG = FINE.replace("conv:", "convolve:")
FAILS = """\
fails.yaml:4:18: error[expectation-failed]: `output` is 6x7x4, expected 6x7x5
  |
4 | expect: {output: 6x7x5}
  |                  ^^^^^
  = note: it is that of `stem`, fails.yaml:3:5

1 document: 0 of 1 expectation holds
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, on no GitHub."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(name: str, text: str = FINE) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")


def sources(run: Run, *paths: str) -> list[str]:
    """The documents that are checked."""
    return [document["source"] for document in json.loads(run("check", "--format", "json", *paths).out)]


# Exit codes -----------------------------------------------------------------------------------------------------------


def test_all_is_as_expected(run: Run) -> None:
    write("fine.yaml")
    assert run("check", "fine.yaml") == (0, "1 document: 1 of 1 expectation holds\n", "")


def test_an_expectation_fails(run: Run) -> None:
    write("fails.yaml", FAILING)
    assert run("check", "fails.yaml") == (1, FAILS, "")


def test_a_document_is_wrong(run: Run) -> None:
    write("wrong.yaml", WRONG)
    result = run("check", "wrong.yaml")
    assert (result.code, result.err) == (2, "")
    assert result.out.startswith("wrong.yaml:3:18: error[unknown-kind]: `convolve` is not a kind of layer or a block\n")
    assert result.out.endswith("\n\n1 document: nothing is expected, 1 document is wrong\n")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["fine", "fine2"], 0),
        (["fine", "fails"], 1),
        (["fails", "fine"], 1),
        (["wrong", "fails", "fine"], 2),
        (["fine", "fails", "wrong"], 2),
    ],
)
@pytest.mark.parametrize("format", ["text", "json", "github", "junit", "sarif", "markdown"])
def test_the_worst_counts_in_every_format(run: Run, names: list[str], code: int, format: str) -> None:
    texts = {"fine": FINE, "fine2": FINE, "fails": FAILING, "wrong": WRONG}
    for name in names:
        write(f"{name}.yaml", texts[name])
    result = run("check", "--format", format, *[f"{name}.yaml" for name in names])
    assert (result.code, result.err) == (code, "")
    assert result.out.endswith("\n")


def test_a_mistake_in_expect_is_no_failure(run: Run) -> None:
    write("net.yaml", FINE.replace("output: 6x7x4", "layers: {stemm: {output: 6x7x4}}, output: 1x1x1"))
    result = run("check", "net.yaml")
    assert result.code == 2
    assert "error[unknown-layer]" in result.out
    assert "expectation-failed" not in result.out


def test_the_text_is_for_people(run: Run) -> None:
    """All documents are checked, whatever is wrong with the first; a line counts."""
    for name, text in (("a", WRONG), ("b", FAILING), ("c", FINE)):
        write(f"{name}.yaml", text)
    result = run("check", "a.yaml", "b.yaml", "c.yaml")
    assert [line.partition(":")[0] for line in result.out.splitlines() if "error[" in line] == ["a.yaml", "b.yaml"]
    assert result.out.splitlines()[-1] == "3 documents: 1 of 2 expectations hold, 1 document is wrong"


# Documents ------------------------------------------------------------------------------------------------------------


def test_a_folder_is_looked_through(run: Run) -> None:
    inside = ["nets/b.yaml", "nets/deep/er/a.yml", "nets/a.yaml"]
    outside = ["c.yaml", "nets/.hidden/d.yaml", "nets/.e.yaml", "nets/node_modules/f.yaml", "nets/g.txt", "nets/h.YAML"]
    for name in [*inside, *outside]:
        write(name)
    assert sources(run, "nets") == ["nets/a.yaml", "nets/b.yaml", "nets/deep/er/a.yml"]


def test_without_a_path_this_folder_is(run: Run) -> None:
    for name in ("b.yaml", "sub/a.yaml", "a.yaml"):
        write(name)
    assert sources(run) == ["a.yaml", "b.yaml", "sub/a.yaml"]


def test_every_document_once(run: Run) -> None:
    write("nets/a.yaml")
    write("nets/b.yaml")
    assert sources(run, "nets/b.yaml", "nets", "nets/a.yaml") == ["nets/b.yaml", "nets/a.yaml"]


OTHER_YAML = {
    "compose": "services: {web: {image: nginx}}\n",
    "workflow": "on: push\njobs: {test: {runs-on: ubuntu-latest, steps: [{run: make}]}}\n",
    "a list": "- 1\n- 2\n",
    "text": "nothing\n",
    "empty": "",
    "template": "{{ toYaml . }}\n",
    "several": "a: 1\n---\nb: 2\n",
    "anchors": "a: &b {c: 1}\nd: *b\n",
    "layers alone": "layers: [base, app]\n",
    "another's extends": "extends: [config:recommended]\nrules: []\n",
}


@pytest.mark.parametrize("text", OTHER_YAML.values(), ids=OTHER_YAML)
def test_other_yaml_is_passed_over(run: Run, text: str) -> None:
    write("net.yaml")
    write("other.yaml", text)
    assert sources(run) == ["net.yaml"]


@pytest.mark.parametrize("text", OTHER_YAML.values(), ids=OTHER_YAML)
def test_other_yaml_that_is_named_is_refused(run: Run, text: str) -> None:
    write("other.yaml", text)
    result = run("check", "other.yaml")
    assert result.code == 2
    assert "error[" in result.out


def test_documents_that_extend_others(run: Run) -> None:
    write("base.yaml")
    write("other.yaml", "extends: base.yaml\ninput: 9x9x3\nexpect: {output: 7x7x4}\n")
    assert run("check") == (0, "2 documents: 2 of 2 expectations hold\n", "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (FINE.replace("expect: {", "expect: {{"), "key-not-a-word"),
        (FINE.replace("  - {", "\t- {"), "not-yaml"),
        ("extends: base.yaml\n\tname: a\n", "not-yaml"),
        (FINE.replace("input:", "inptu:"), "unknown-field"),
        (FINE.replace("layers:", "layer:"), "unknown-field"),
        ("inptu: 8x9x3\nblocks: {}\nlayers: [relu]\n", "unknown-field"),
        ("extends: base.yaml\nagrs: {a: 1}\nexpect: {output: 5}\n", "unknown-field"),
        ("input: 8x9x3\nname: caf\udce9\nlayers: [relu]\n", "not-utf8"),
    ],
)
def test_a_slip_does_not_hide_a_document(run: Run, text: str, code: str) -> None:
    write("nets/base.yaml")
    Path("nets/net.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("check", "nets")
    assert result.code == 2
    assert f"error[{code}]" in result.out


@pytest.mark.parametrize("names", [[], ["other.yaml"], ["sub/.net.yaml", "sub/net.txt"]])
def test_nothing_is_found(run: Run, names: list[str]) -> None:
    for name in names:
        write(name, "a: 1\n")
    assert run("check") == (
        2,
        "",
        "error[no-documents]: there is no document in .\n"
        "  = help: a document is a YAML file with `layers` and an `input`, or one that `extends` another\n",
    )


def test_a_folder_without_documents_beside_one_with(run: Run, folder: Path) -> None:
    write("nets/net.yaml")
    (folder / "empty").mkdir()
    assert run("check", "nets", "empty").code == 2


def test_a_file_that_is_not_there(run: Run) -> None:
    write("net.yaml")
    result = run("check", "net.yaml", "nett.yaml")
    assert (result.code, result.err) == (2, "")
    assert result.out.startswith("error[no-such-file]: there is no file nett.yaml\n")
    assert result.out.endswith("2 documents: 1 of 1 expectation holds, 1 document is wrong\n")


def test_standard_input(run: Run) -> None:
    result = run("check", "-", stdin=FAILING.encode())
    assert (result.code, result.out) == (1, FAILS.replace("fails.yaml", "<stdin>"))


def test_a_network_of_the_zoo(run: Run) -> None:
    assert run("check", "vgg16").code == 0


def test_only_documents(run: Run) -> None:
    """As a hook that is given all YAML files that changed."""
    write("net.yaml")
    write("other.yaml", "a: 1\n")
    assert run("check", "other.yaml", "net.yaml").code == 2
    assert run("check", "--only-documents", "other.yaml", "net.yaml") == (
        0,
        "1 document: 1 of 1 expectation holds\n",
        "",
    )
    assert run("check", "--only-documents", "other.yaml") == (0, "0 documents: nothing is expected\n", "")
    assert run("check", "--only-documents", "nett.yaml").code == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read by this user")
def test_a_folder_that_cannot_be_read(run: Run, folder: Path) -> None:
    write("nets/net.yaml")
    (folder / "nets").chmod(0)
    assert run("check") == (2, "", "error[cannot-read]: nets cannot be read: permission denied\n")


def test_update_is_of_locks(run: Run) -> None:
    write("net.yaml")
    message = "error[option-without-effect]: --update has no effect without --lock\n"
    assert run("check", "--update", "net.yaml") == (2, "", f"{message}  = help: add --lock, or leave out --update\n")


def test_an_unknown_format(run: Run) -> None:
    assert run("check", "--format", "xml").code == 2


# GitHub ---------------------------------------------------------------------------------------------------------------

# The output, and ten layers that are not there as they are expected.
ELEVEN = (
    "input: 8x9x3\nlayers:\n"
    + "".join(f"  - {{name: l{number}, relu: {{}}}}\n" for number in range(10))
    + "expect:\n  output: 1x1x1\n  layers:\n"
    + "".join(f"    l{number}: {{output: 1x1x1}}\n" for number in range(10))
)


def test_eleven_failures(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    write("net.yaml", ELEVEN)
    result = run("check", "--format", "github", "net.yaml")
    assert (result.code, result.err) == (1, "")
    *annotations, rest, count = result.out.splitlines()
    assert [line.partition(",line=")[0] for line in annotations] == ["::error file=net.yaml"] * 10
    assert rest == "1 more error without an annotation: GitHub shows 10 of a step, whose summary has all"
    assert count == "1 document: 0 of 11 expectations hold"
    summary = Path("summary.md").read_text("utf-8")
    assert len([line for line in summary.splitlines() if line.startswith("| net.yaml:")]) == 11


def test_the_summary_is_the_markdown(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    write("é.yaml", FAILING)
    run("check", "--format", "github", "é.yaml")
    markdown = run("check", "--format", "markdown", "é.yaml").out
    assert Path("summary.md").read_bytes().decode() == markdown
    run("check", "--format", "github", "é.yaml")
    assert Path("summary.md").read_bytes().decode() == f"{markdown}\n{markdown}"


@pytest.mark.parametrize("format", ["text", "json", "junit", "sarif", "markdown"])
def test_other_formats_leave_the_summary_alone(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    write("net.yaml")
    assert run("check", "--format", format, "net.yaml").code == 0
    assert not Path("summary.md").exists()


@pytest.mark.parametrize("where", ["no/such/folder/summary.md", "."])
def test_a_summary_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The check is as good without it."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", where)
    write("net.yaml")
    result = run("check", "--format", "github", "net.yaml")
    assert (result.code, result.out) == (0, "1 document: 1 of 1 expectation holds\n")
    assert result.err.startswith("warning: the step's summary cannot be written: ")


def test_an_empty_name_is_no_summary(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    write("net.yaml")
    assert run("check", "--format", "github", "net.yaml") == (0, "1 document: 1 of 1 expectation holds\n", "")


@pytest.mark.parametrize("before", [0, 10, MOST_SUMMARY - 30, MOST_SUMMARY - 5, MOST_SUMMARY, MOST_SUMMARY + 5])
def test_a_summary_is_no_larger_than_github_takes(folder: Path, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """What is there is kept, what is added ends with whole lines, and the rest is missed."""
    summary = folder / "summary.md"
    summary.write_bytes(b"x" * before)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    add_to_summary("é" * 9 + "\n" + "| a row |\n" * 200_000)
    data = summary.read_bytes()
    assert data.startswith(b"x" * before)
    assert len(data) <= max(before, MOST_SUMMARY)
    added = data[before:].decode()
    if added:
        assert added.endswith("\nThe rest did not fit.\n")
        assert set(added.splitlines()) <= {"", "é" * 9, "| a row |", "The rest did not fit."}
    if before <= 10:
        assert len(data) > MOST_SUMMARY - 20


def test_a_summary_that_just_fits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    add_to_summary("x" * (MOST_SUMMARY - 1) + "\n")
    assert Path("summary.md").read_bytes() == b"x" * (MOST_SUMMARY - 1) + b"\n"


@pytest.mark.parametrize("format", ["github", "sarif"])
def test_paths_are_of_the_repository(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    """Also where the step works in a folder of it."""
    write("sub/net.yaml", FAILING)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    assert '"sub/net.yaml"' in run("check", "--format", format).out.replace("file=sub/net.yaml,", '"sub/net.yaml"')
    monkeypatch.chdir(folder / "sub")
    assert '"sub/net.yaml"' in run("check", "--format", format).out.replace("file=sub/net.yaml,", '"sub/net.yaml"')
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder / "another"))
    assert "sub/net.yaml" not in run("check", "--format", format).out


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_link_to_a_folder_is_not_followed(run: Run, folder: Path) -> None:
    write("nets/net.yaml")
    (folder / "nets" / "again").symlink_to(folder / "nets", target_is_directory=True)
    assert sources(run, "nets") == ["nets/net.yaml"]
