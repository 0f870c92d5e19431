"""README.md and docs/: every block in them that can be run is run, and has to show what comes out.

A page is read from top to bottom in a folder of its own:

- yaml that begins `# name.yaml` is written to that file; it has to load, or the console block below it shows why not.
  Other yaml has to load as it stands, and if it begins with `- ` as the layers of a network.
- console: `$ cnncalc ...`, then all that it writes; a line `...` stands for any lines.
- sh: lines that begin with `cnncalc` have to succeed.
- python that begins `# name.py` is written to that file; other python is a doctest.
- text: what a command printed, on pages that scripts/docs writes.
"""

from __future__ import annotations

import doctest
import io
import re
import shlex
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml

import cnncalc
from cnncalc.cli import main
from cnncalc.language import expressions, inputs, load, source
from cnncalc.language.fields import MAX_NODES
from cnncalc.render.columns import COLUMNS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text("utf-8")

WRITTEN_WITH_OUTPUT = ["questions.md"]  # `scripts/docs --check` runs their commands

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:yaml|py))\n")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    language: str
    text: str
    where: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(match[1], match[2], f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}")
        for match in BLOCK.finditer(text)
    ]


def wrong(output: str, shown: str) -> bool:
    pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in shown.splitlines(keepends=True))
    return re.fullmatch(pattern, output) is None


class Shell:
    """Runs `cnncalc ...` lines in this process; `< file` gives standard input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def run(self, command: str) -> tuple[int, str]:
        words = shlex.split(command, comments=True)
        if "<" in words:
            *words, _, name = words
            self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(name).read_bytes())))
        self.monkeypatch.setattr(sys, "argv", words)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        written = self.capsys.readouterr()
        return int(exit.value.code or 0), written.out + written.err

    def session(self, block: Block) -> None:
        """A console block: each command, and what it writes."""
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            code, output = self.run(command)
            if wrong(output, shown):
                assert output == shown, f"{block.where}: $ {command}"
            assert code in ((1, 2) if "error[" in shown else (0,)), f"{block.where}: $ {command}"

    def script(self, block: Block) -> None:
        """A sh block: the lines that are ours."""
        for line in block.text.splitlines():
            if line.startswith("cnncalc"):
                code, output = self.run(line)
                assert code == 0, f"{block.where}: {line}\n{output}"


def read(block: Block, shown_next: bool) -> None:
    """A yaml block."""
    if block.text.startswith("# ."):  # a workflow, or settings of hooks: tests/test_ci.py reads those
        return
    name = FILE_NAME.match(block.text)
    if name:
        Path(name[1]).write_text(block.text, "utf-8")
        if not shown_next:
            cnncalc.load(name[1])
    elif block.text.startswith("- "):
        indented = "".join(f"  {line}" for line in block.text.splitlines(keepends=True))
        cnncalc.loads(f"input: 24x32x16\nlayers:\n{indented}", name=block.where)
    else:
        cnncalc.loads(block.text, name=block.where)


def test_there_are_pages() -> None:
    assert {"README.md", "language.md", "layers.md", "counting.md", "memory.md", "python.md", "ci.md"} <= {
        page.name for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shell = Shell(monkeypatch, capsys)
    names: dict[str, Any] = {}
    found = [*blocks(page), Block("", "", "")]
    for block, after in pairwise(found):
        if block.language == "yaml":
            read(block, after.language == "console")
        elif block.language == "console":
            shell.session(block)
        elif block.language == "sh":
            shell.script(block)
        elif block.language == "text":
            assert page.name in WRITTEN_WITH_OUTPUT, f"{block.where}: nobody checks a text block"
        elif block.language == "python" and (name := FILE_NAME.match(block.text)):
            Path(name[1]).write_text(block.text, "utf-8")
        else:
            assert block.language == "python", f"{block.where}: nobody checks a {block.language} block"
            test = doctest.DocTestParser().get_doctest(block.text, names, block.where, page.name, 0)
            assert test.examples, f"{block.where}: python without `>>>`"
            report: list[str] = []
            failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
                test, out=report.append, clear_globs=False
            )
            names.update(test.globs)
            assert not failed, "\n".join(report)


@pytest.mark.parametrize(
    ("output", "shown", "expected"),
    [
        ("a\nb\n", "a\nb\n", False),
        ("a\nb\n", "a\n", True),
        ("a\nb\nc\n", "a\n...\nc\n", False),
        ("a\n", "...\nb\n", True),
    ],
)
def test_wrong(output: str, shown: str, expected: bool) -> None:
    assert wrong(output, shown) is expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        path, _, heading = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings], link


# The README -----------------------------------------------------------------------------------------------------------


def test_the_test_command_is_what_ci_runs() -> None:
    (command,) = [line for line in README.splitlines() if line.endswith("scripts/check")]
    assert command in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_zoo_is_listed() -> None:
    section = README.partition("## The zoo")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == load.zoo_names()


# docs/ ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def script() -> ModuleType:
    """scripts/docs as a module."""
    loader = SourceFileLoader("scripts_docs", str(ROOT / "scripts" / "docs"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_pages_are_up_to_date(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/docs", "--check"])
    assert script.main() == 0


def test_check_sees_a_page_that_is_not(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "DOCS", tmp_path)
    assert list(script.PAGES) == ["layers.md", "formulas.md", "conventions.md", "questions.md"]
    for late in ("layers.md, docs/formulas.md, docs/conventions.md, docs/questions.md", "conventions.md"):
        monkeypatch.setattr(sys, "argv", ["scripts/docs", "--check"])
        assert script.main() == 1
        assert capsys.readouterr().err == f"out of date: docs/{late}; run scripts/docs\n"
        monkeypatch.setattr(sys, "argv", ["scripts/docs"])
        assert script.main() == 0
        (tmp_path / "conventions.md").write_text("as it was before")
    assert (tmp_path / "layers.md").read_text("utf-8") == script.layers()


def test_the_questions_page_shows_how(script: ModuleType) -> None:
    """Every number of every answer stands in what the commands print or is worked out beside it."""
    page = (ROOT / "docs" / "questions.md").read_text("utf-8").replace(",", "")
    asked = yaml.safe_load(script.QUESTIONS.read_text("utf-8"))["questions"]
    sections = dict(re.findall(r"^\*\*([\w-]+)\.\*\* .*\n((?:.+\n)+?)(?=\n|\Z)", page, re.MULTILINE))
    assert set(sections) == {question["id"] for question in asked}
    number = re.compile(r"\d+(?:\.\d+)?")
    for question in asked:
        working = set(number.findall(sections[question["id"]].partition("** by ")[2]))
        assert set(number.findall(str(question["answer"]))) <= working, question["id"]


def test_the_questions_page_says_which_keys_are_wrong(script: ModuleType) -> None:
    asked = yaml.safe_load(script.QUESTIONS.read_text("utf-8"))["questions"]
    disputed = [question for question in asked if question["status"] == "published-disputed"]
    assert disputed
    for question in disputed:
        told = script._question(question, False, Path())
        assert f"The published key is wrong: {question['published_answer']}." in told
        assert f"{question['note'][1:]}." in told


def test_working_is_what_is_printed_without_the_whys(script: ModuleType) -> None:
    printed = ["a: 5", "  x = 2 + 3 = 5", "    Why.", "", "b: 3", "  M = sum over 2 layers", "      2  c", "    + 1  d"]
    assert list(script._without_whys(printed)) == [line for line in printed if line not in ("", "    Why.")]
    assert list(script._without_whys(printed[:3])) == ["  x = 2 + 3 = 5"]
    much = ["a: 9", *[f"  x_{n} = {n}" for n in range(5)], "  M = sum over 2 layers, the largest first", "      2  c"]
    assert list(script._without_whys(much)) == much[1:6]


def test_a_question_whose_command_fails_is_not_written(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="window-exceeds-input"):
        script._working("analyze '5x5x1 -> CONV7-1 p0'", tmp_path)


def test_the_limits_are_those_of_the_code() -> None:
    section = (ROOT / "docs" / "language.md").read_text("utf-8").partition("## Limits")[2]
    limits = [
        f"{MAX_NODES:,} layers",
        f"{source.MAX_CHARACTERS:,} characters",
        f"{source.MAX_DEPTH} levels",
        f"{expressions.MAX_LENGTH} characters",
        f"{expressions.MAX_BITS} bits",
        f"{expressions.MAX_ITEMS:,} items",
        f"{inputs.MAX_SPATIAL} spatial dimensions",
        f"{load.MAX_EXTENDS} documents",
    ]
    assert [limit for limit in limits if limit not in section.replace("\n", " ")] == []


def test_the_functions_are_those_of_the_code() -> None:
    section = (ROOT / "docs" / "language.md").read_text("utf-8").partition("## Expressions")[2].partition("\n## ")[0]
    assert [name for name in expressions.FUNCTIONS if f"`{name}" not in section] == []


def test_the_columns_are_those_of_the_code() -> None:
    section = (ROOT / "docs" / "counting.md").read_text("utf-8").partition("## Columns")[2]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [column.key for column in COLUMNS]
