"""What `check` found, in every format: whole outputs, validators of others, and characters that mean something."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cnncalc
from cnncalc.checks import Outcome, verdicts
from cnncalc.diagnostics import Diagnostic, DocumentError, Note, Source, Span
from cnncalc.render import checks

FINE = """\
name: fine
input: 8x9x3
layers:
  - {name: stem, conv: {out_channels: 4, kernel_size: 3}}
expect: {output: 6x7x4, parameters: 112}
"""

# 6·7·4 values of 27 products are 4,536 MACs; 27·4 + 4 are 112 parameters.
FAILING = """\
name: "50 % | *half*, <b>é</b>\\n@all ~$1~"
input: 8x9x3
layers:
  - name: stem
    conv:
      out_channels: 4
      kernel_size: 3

expect: {output: 6x7x5, parameters: 110, macs: 4536}
"""

WRONG = """\
input: 8x9x3
layers:
  - relu
expect:
  "100%, {a:b}|c\\n@x": 1
"""

WINDOWS = "nets\\50%,a:b|c é.yaml"
QUANTITIES = (
    "output, parameters, weights, biases, buffers, macs, multiplies, flops, activations, connections, "
    "receptive_field, depth, layers, memory.prediction, memory.training"
)


def outcome(source: str, text: str) -> Outcome:
    try:
        network = cnncalc.loads(text, name=source)
        found = verdicts(network)
    except DocumentError as error:
        return Outcome(source, mistakes=list(error.diagnostics))
    failures = [verdict.failure for verdict in found if verdict.failure is not None]
    return Outcome(source, network.name, len(network), len(found), failures=failures, verdicts=found)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    missing = Diagnostic("no-such-file", "there is no file none.yaml", help="name one")
    return [
        outcome("ok.yaml", FINE),
        outcome(WINDOWS, FAILING),
        outcome("wrong.yaml", WRONG),
        Outcome("none.yaml", mistakes=[missing]),
    ]


# Text -----------------------------------------------------------------------------------------------------------------

TEXT = f"""\
{WINDOWS}:9:18: error[expectation-failed]: `output` is 6x7x4, expected 6x7x5
  |
9 | expect: {{output: 6x7x5, parameters: 110, macs: 4536}}
  |                  ^^^^^
  = note: it is that of `stem`, {WINDOWS}:4:5

{WINDOWS}:9:37: error[expectation-failed]: `parameters` is 112, expected 110
  |
9 | expect: {{output: 6x7x5, parameters: 110, macs: 4536}}
  |                                     ^^^ 2 too many, 1.8 %

wrong.yaml:5:3: error[unknown-quantity]: `100%, {{a:b}}|c?@x` is not a quantity that can be expected
  |
5 |   "100%, {{a:b}}|c\\n@x": 1
  |   ^^^^^^^^^^^^^^^^^^^
  = help: a network has {QUANTITIES}

error[no-such-file]: there is no file none.yaml
  = help: name one

4 documents: 3 of 5 expectations hold, 2 documents are wrong
"""


def test_text(outcomes: list[Outcome]) -> None:
    assert checks.text(outcomes) == TEXT


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], "0 documents: nothing is expected"),
        (["input: 8\nlayers: [relu]\n"], "1 document: nothing is expected"),
        (["input: 8\nlayers: [relu]\nexpect: {output: 8}\n"], "1 document: 1 of 1 expectation holds"),
        (["input: 8\nlayers: [relu]\nexpect: {output: 9}\n"], "1 document: 0 of 1 expectation holds"),
        ([FINE, FINE], "2 documents: 4 of 4 expectations hold"),
        (["input: 8\n"], "1 document: nothing is expected, 1 document is wrong"),
        ([FINE, "input: 8\n", "input: 8\n"], "3 documents: 2 of 2 expectations hold, 2 documents are wrong"),
    ],
)
def test_the_last_line_counts(texts: list[str], expected: str) -> None:
    found = [outcome("net.yaml", text) for text in texts]
    assert checks.summary(found) == expected
    assert checks.text(found).endswith(f"{expected}\n")


# JSON -----------------------------------------------------------------------------------------------------------------

NOWHERE = {"file": None, "line": None, "column": None, "endLine": None, "endColumn": None}
JSON: list[dict[str, Any]] = [
    {
        "source": "ok.yaml",
        "name": "fine",
        "status": "ok",
        "layers": 1,
        "expectations": 2,
        "results": [
            {"name": "output", "holds": True, "expected": "6x7x4", "actual": "6x7x4"},
            {"name": "parameters", "holds": True, "expected": "112", "actual": "112"},
        ],
        "diagnostics": [],
    },
    {
        "source": WINDOWS,
        "name": "50 % | *half*, <b>é</b>\n@all ~$1~",
        "status": "failed",
        "layers": 1,
        "expectations": 3,
        "results": [
            {"name": "output", "holds": False, "expected": "6x7x5", "actual": "6x7x4"},
            {"name": "parameters", "holds": False, "expected": "110", "actual": "112"},
            {"name": "macs", "holds": True, "expected": "4536", "actual": "4,536"},
        ],
        "diagnostics": [
            {
                "code": "expectation-failed",
                "severity": "error",
                "message": "`output` is 6x7x4, expected 6x7x5",
                "label": "",
                "help": "",
                "notes": [
                    {
                        "message": "it is that of `stem`",
                        **{"file": WINDOWS, "line": 4, "column": 5, "endLine": 7, "endColumn": 21},
                    }
                ],
                **{"file": WINDOWS, "line": 9, "column": 18, "endLine": 9, "endColumn": 23},
            },
            {
                "code": "expectation-failed",
                "severity": "error",
                "message": "`parameters` is 112, expected 110",
                "label": "2 too many, 1.8 %",
                "help": "",
                "notes": [],
                **{"file": WINDOWS, "line": 9, "column": 37, "endLine": 9, "endColumn": 40},
            },
        ],
    },
    {
        "source": "wrong.yaml",
        "name": "",
        "status": "wrong",
        "layers": 0,
        "expectations": 0,
        "results": [],
        "diagnostics": [
            {
                "code": "unknown-quantity",
                "severity": "error",
                "message": "`100%, {a:b}|c\n@x` is not a quantity that can be expected",
                "label": "",
                "help": f"a network has {QUANTITIES}",
                "notes": [],
                **{"file": "wrong.yaml", "line": 5, "column": 3, "endLine": 5, "endColumn": 22},
            }
        ],
    },
    {
        "source": "none.yaml",
        "name": "",
        "status": "wrong",
        "layers": 0,
        "expectations": 0,
        "results": [],
        "diagnostics": [
            {
                "code": "no-such-file",
                "severity": "error",
                "message": "there is no file none.yaml",
                "label": "",
                "help": "name one",
                "notes": [],
                **NOWHERE,
            }
        ],
    },
]


def test_json(outcomes: list[Outcome]) -> None:
    assert checks.json(outcomes) == json.dumps(JSON, indent=2) + "\n"


def test_json_of_a_number_that_is_not_there() -> None:
    text = "input: 8x9x3\nlayers:\n  - {relu: {}, when: false}\nexpect: {receptive_field: 1x1}\n"
    (document,) = json.loads(checks.json([outcome("net.yaml", text)]))
    assert document["results"] == [{"name": "receptive_field", "holds": False, "expected": "1x1", "actual": None}]


# GitHub ---------------------------------------------------------------------------------------------------------------

GITHUB = f"""\
::error file=nets/50%25%2Ca%3Ab|c é.yaml,line=9,endLine=9,col=18,endColumn=23,title=expectation-failed::\
`output` is 6x7x4, expected 6x7x5%0Anote: it is that of `stem`, nets\\50%25,a:b|c é.yaml:4:5
::error file=nets/50%25%2Ca%3Ab|c é.yaml,line=9,endLine=9,col=37,endColumn=40,title=expectation-failed::\
`parameters` is 112, expected 110%0A2 too many, 1.8 %25
::error file=wrong.yaml,line=5,endLine=5,col=3,endColumn=22,title=unknown-quantity::\
`100%25, {{a:b}}|c?@x` is not a quantity that can be expected%0Ahelp: a network has {QUANTITIES}
::error file=none.yaml,title=no-such-file::there is no file none.yaml%0Ahelp: name one
4 documents: 3 of 5 expectations hold, 2 documents are wrong
"""


def test_github(outcomes: list[Outcome]) -> None:
    assert checks.github(outcomes) == GITHUB


COMMAND = re.compile(r"::(error|warning|notice) ([^\n]*?)::([^\n]*)")


def told(written: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands in a log, read as GitHub's runner reads them."""

    def plain(text: str, *escapes: tuple[str, str]) -> str:
        for escaped, char in (*escapes, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(escaped, char)
        return text

    found = []
    for line in written.splitlines():
        if line.startswith("::"):
            match = COMMAND.fullmatch(line)
            assert match is not None, line
            pairs = [pair.split("=", 1) for pair in match[2].split(",")]
            named = {name: plain(value, ("%3A", ":"), ("%2C", ",")) for name, value in pairs}
            found.append((match[1], named, plain(match[3])))
    return found


def test_github_reads_what_was_meant(outcomes: list[Outcome]) -> None:
    ((_, place, message), *_) = told(checks.github(outcomes))
    assert place == {
        "file": "nets/50%,a:b|c é.yaml",
        "line": "9",
        "endLine": "9",
        "col": "18",
        "endColumn": "23",
        "title": "expectation-failed",
    }
    assert message == f"`output` is 6x7x4, expected 6x7x5\nnote: it is that of `stem`, {WINDOWS}:4:5"


@pytest.mark.parametrize("name", ["a\nb%0A.yaml", "a::b,c=d.yaml", "%25.yaml", "a\rb.yaml", "é中%3A.yaml"])
def test_every_name_survives(name: str) -> None:
    ((_, place, _),) = told(checks.github([Outcome(name, mistakes=[Diagnostic("wrong", "so % it\nis")])]))
    assert place == {"file": name, "title": "wrong"}


def test_a_message_cannot_begin_a_command() -> None:
    wrong = Diagnostic("wrong", "one\n::error::two", notes=(Note("\n::set-env::three"),), help="\r\n::four")
    written = checks.github([Outcome("net.yaml", mistakes=[wrong])])
    assert [line[:2] for line in written.splitlines()] == ["::", "1 "]


def test_columns_are_of_one_line_only() -> None:
    source = Source("net.yaml", "input: 8\nlayers:\n  - relu\n\n")
    spans = {"one": Span(source, 0, 5), "several": Span(source, 9, 27), "the end": Span(source, 27, 27)}
    found = [Diagnostic("wrong", message, span) for message, span in spans.items()]
    places = {message: place for _, place, message in told(checks.github([Outcome("net.yaml", mistakes=found)]))}
    assert places["one"] | {"line": "1", "endLine": "1", "col": "1", "endColumn": "6"} == places["one"]
    assert places["several"] == {"file": "net.yaml", "line": "2", "endLine": "3", "title": "wrong"}
    assert places["the end"] | {"line": "5", "endLine": "5", "col": "1", "endColumn": "2"} == places["the end"]


def test_severities() -> None:
    found = [Diagnostic("wrong", "a", severity="warning"), Diagnostic("wrong", "b", severity="note")]
    assert [command for command, _, _ in told(checks.github([Outcome("net.yaml", mistakes=found)]))] == [
        "warning",
        "notice",
    ]


@pytest.mark.parametrize("source", ["-", "<stdin>"])
def test_standard_input_is_no_file(source: str) -> None:
    span = Span(Source("<stdin>", "input: 8\n"), 0, 5)
    for diagnostic in (Diagnostic("wrong", "a", span), Diagnostic("wrong", "a")):
        found = [Outcome(source, mistakes=[diagnostic])]
        ((_, place, _),) = told(checks.github(found))
        assert "file" not in place
        assert "locations" not in json.loads(checks.sarif(found))["runs"][0]["results"][0]


@pytest.mark.parametrize(
    ("name", "folder", "expected", "uri"),
    [
        ("net.yaml", "", "net.yaml", "net.yaml"),
        ("./net.yaml", "", "net.yaml", "net.yaml"),
        ("nets\\net.yaml", "", "nets/net.yaml", "nets/net.yaml"),
        ("net.yaml", ".", "net.yaml", "net.yaml"),
        ("net.yaml", "sub/nets", "sub/nets/net.yaml", "sub/nets/net.yaml"),
        ("../net.yaml", "sub/nets", "sub/net.yaml", "sub/net.yaml"),
        ("/there/net.yaml", "sub", "/there/net.yaml", "file:///there/net.yaml"),
        ("C:\\there\\net.yaml", "sub", "C:/there/net.yaml", "file:///C:/there/net.yaml"),
        ("C:/there/net.yaml", "", "C:/there/net.yaml", "file:///C:/there/net.yaml"),
        ("\\there\\net.yaml", "sub", "/there/net.yaml", "file:///there/net.yaml"),
        ("a b%é:#?.yaml", "", "a b%é:#?.yaml", "a%20b%25%C3%A9%3A%23%3F.yaml"),
    ],
)
def test_paths(name: str, folder: str, expected: str, uri: str) -> None:
    found = [Outcome(name, mistakes=[Diagnostic("wrong", "a")])]
    ((_, place, _),) = told(checks.github(found, folder))
    assert place["file"] == expected
    (result,) = json.loads(checks.sarif(found, folder))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_names_that_are_no_text() -> None:
    """A byte that is no UTF-8, as Python has it in a path."""
    found = [Outcome("a\udcff.yaml", mistakes=[Diagnostic("wrong", "a")])]
    for write in (checks.text, checks.json, checks.github, checks.junit, checks.sarif, checks.markdown):
        write(found).encode()
    ((_, place, _),) = told(checks.github(found))
    assert place["file"] == "a?.yaml"
    assert '"uri": "a%FF.yaml"' in checks.sarif(found)
    found = [Outcome("/a\udcff.yaml", mistakes=[Diagnostic("wrong", "a")])]
    assert '"uri": "file:///a%FF.yaml"' in checks.sarif(found)


@pytest.mark.parametrize(("failures", "more"), [(9, ""), (10, ""), (11, "1 more error"), (13, "3 more errors")])
def test_ten_annotations(failures: int, more: str) -> None:
    found = [Outcome("net.yaml", mistakes=[Diagnostic("wrong", str(number))]) for number in range(failures)]
    written = checks.github(found)
    assert [message for _, _, message in told(written)] == [str(number) for number in range(min(10, failures))]
    rest = [line for line in written.splitlines() if not line.startswith("::")]
    said = [f"{more} without an annotation: GitHub shows 10 of a step, whose summary has all"] if more else []
    assert rest == [*said, checks.summary(found)]


# JUnit ----------------------------------------------------------------------------------------------------------------

_CASE = f'<testcase classname="{WINDOWS}" name='
JUNIT = f"""\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="cnncalc check">
  <testsuite name="ok.yaml" tests="3" failures="0" errors="0">
    <testcase classname="ok.yaml" name="valid" />
    <testcase classname="ok.yaml" name="output" />
    <testcase classname="ok.yaml" name="parameters" />
  </testsuite>
  <testsuite name="{WINDOWS}" tests="4" failures="2" errors="0">
    {_CASE}"valid" />
    {_CASE}"output">
      <failure message="`output` is 6x7x4, expected 6x7x5" type="expectation-failed">\
{WINDOWS}:9:18: error[expectation-failed]: `output` is 6x7x4, expected 6x7x5
  |
9 | expect: {{output: 6x7x5, parameters: 110, macs: 4536}}
  |                  ^^^^^
  = note: it is that of `stem`, {WINDOWS}:4:5</failure>
    </testcase>
    {_CASE}"parameters">
      <failure message="`parameters` is 112, expected 110" type="expectation-failed">\
{WINDOWS}:9:37: error[expectation-failed]: `parameters` is 112, expected 110
  |
9 | expect: {{output: 6x7x5, parameters: 110, macs: 4536}}
  |                                     ^^^ 2 too many, 1.8 %</failure>
    </testcase>
    {_CASE}"macs" />
  </testsuite>
  <testsuite name="wrong.yaml" tests="1" failures="0" errors="1">
    <testcase classname="wrong.yaml" name="valid">
      <error message="`100%, {{a:b}}|c?@x` is not a quantity that can be expected" type="unknown-quantity">\
wrong.yaml:5:3: error[unknown-quantity]: `100%, {{a:b}}|c?@x` is not a quantity that can be expected
  |
5 |   "100%, {{a:b}}|c\\n@x": 1
  |   ^^^^^^^^^^^^^^^^^^^
  = help: a network has {QUANTITIES}</error>
    </testcase>
  </testsuite>
  <testsuite name="none.yaml" tests="1" failures="0" errors="1">
    <testcase classname="none.yaml" name="valid">
      <error message="there is no file none.yaml" type="no-such-file">error[no-such-file]: there is no file none.yaml
  = help: name one</error>
    </testcase>
  </testsuite>
</testsuites>
"""


def test_junit(outcomes: list[Outcome]) -> None:
    assert checks.junit(outcomes) == JUNIT


def test_junit_is_read_by_others(outcomes: list[Outcome]) -> None:
    junitparser = pytest.importorskip("junitparser")
    read = junitparser.JUnitXml.fromstring(checks.junit(outcomes).encode())
    suites = {suite.name: suite for suite in read}
    assert {name: (suite.tests, suite.failures, suite.errors) for name, suite in suites.items()} == {
        "ok.yaml": (3, 0, 0),
        WINDOWS: (4, 2, 0),
        "wrong.yaml": (1, 0, 1),
        "none.yaml": (1, 0, 1),
    }
    for suite in suites.values():
        before = (suite.tests, suite.failures, suite.errors)
        suite.update_statistics()
        assert (suite.tests, suite.failures, suite.errors) == before
    cases = {case.name: case for case in suites[WINDOWS]}
    assert list(cases) == ["valid", "output", "parameters", "macs"]
    (failure,) = cases["parameters"].result
    assert (failure.type, failure.message) == ("expectation-failed", "`parameters` is 112, expected 110")
    assert cases["valid"].is_passed
    assert cases["macs"].is_passed


def test_names_of_cases_do_not_change_with_the_values() -> None:
    def names(parameters: int) -> list[str | None]:
        text = FINE.replace("112", str(parameters))
        root = ElementTree.fromstring(checks.junit([outcome("net.yaml", text)]).encode())
        return [case.get("name") for case in root.iter("testcase")]

    assert names(112) == names(113) == ["valid", "output", "parameters"]


def test_all_mistakes_are_in_one_case() -> None:
    found = Outcome("net.yaml", mistakes=[Diagnostic("one", "a"), Diagnostic("two", "b")])
    (error,) = ElementTree.fromstring(checks.junit([found]).encode()).iter("error")
    assert (error.get("type"), error.get("message"), error.text) == ("one", "a", "error[one]: a\n\nerror[two]: b")


def test_characters_that_no_xml_may_hold() -> None:
    wrong = Diagnostic("wrong", "a\0b\x1b[31m\ud800\ufffe<&\"'>]]>", Span(Source("a\x07.yaml", "x\x08\n"), 0, 1))
    written = checks.junit([Outcome("a\x07.yaml", mistakes=[wrong])])
    (error,) = ElementTree.fromstring(written.encode()).iter("error")
    assert error.get("message") == "a?b?[31m??<&\"'>]]>"


# SARIF ----------------------------------------------------------------------------------------------------------------

URI = "nets/50%25%2Ca%3Ab%7Cc%20%C3%A9.yaml"


def located(uri: str, *region: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if region:
        place["region"] = dict(zip(("startLine", "startColumn", "endLine", "endColumn"), region, strict=True))
    return {"physicalLocation": place}


SARIF = {
    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "cnncalc",
                    "version": cnncalc.__version__,
                    "rules": [
                        {"id": "expectation-failed", "shortDescription": {"text": "expectation failed"}},
                        {"id": "no-such-file", "shortDescription": {"text": "no such file"}},
                        {"id": "unknown-quantity", "shortDescription": {"text": "unknown quantity"}},
                    ],
                }
            },
            "columnKind": "unicodeCodePoints",
            "results": [
                {
                    "ruleId": "expectation-failed",
                    "ruleIndex": 0,
                    "level": "error",
                    "message": {
                        "text": f"`output` is 6x7x4, expected 6x7x5\nnote: it is that of `stem`, {WINDOWS}:4:5"
                    },
                    "locations": [located(URI, 9, 18, 9, 23)],
                    "relatedLocations": [
                        {"id": 0, "message": {"text": "it is that of `stem`"}, **located(URI, 4, 5, 7, 21)}
                    ],
                },
                {
                    "ruleId": "expectation-failed",
                    "ruleIndex": 0,
                    "level": "error",
                    "message": {"text": "`parameters` is 112, expected 110\n2 too many, 1.8 %"},
                    "locations": [located(URI, 9, 37, 9, 40)],
                },
                {
                    "ruleId": "unknown-quantity",
                    "ruleIndex": 2,
                    "level": "error",
                    "message": {
                        "text": "`100%, {{a:b}}|c?@x` is not a quantity that can be expected\n"
                        f"help: a network has {QUANTITIES}"
                    },
                    "locations": [located("wrong.yaml", 5, 3, 5, 22)],
                },
                {
                    "ruleId": "no-such-file",
                    "ruleIndex": 1,
                    "level": "error",
                    "message": {"text": "there is no file none.yaml\nhelp: name one"},
                    "locations": [located("none.yaml")],
                },
            ],
        }
    ],
}


def test_sarif(outcomes: list[Outcome]) -> None:
    assert checks.sarif(outcomes) == json.dumps(SARIF, indent=2) + "\n"


@pytest.fixture(scope="module")
def of_sarif() -> Any:
    """A validator by the schema of the standard.

    sarif-2.1.0.json is that of the OASIS committee as the JSON Schema Store has it (in the package schemastore 0.2.3,
    Apache-2.0), with plain newlines.
    """
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parent.parent / "data" / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["title"] == "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)


def test_sarif_by_its_schema(outcomes: list[Outcome], of_sarif: Any) -> None:
    for found in ([], outcomes[:1], outcomes):
        assert list(of_sarif.iter_errors(json.loads(checks.sarif(found)))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), "2.2.0"),
        (("runs", 0, "results", 0, "level"), "fatal"),
        (("runs", 0, "results", 0, "message"), "text"),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
        (("runs", 0, "tool", "driver", "rules", 0, "title"), "a"),
        (("runs", 0, "columnKind"), "bytes"),
    ],
)
def test_the_schema_of_sarif_refuses_what_is_none(
    outcomes: list[Outcome], of_sarif: Any, path: tuple[str | int, ...], value: object
) -> None:
    document = json.loads(checks.sarif(outcomes))
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    assert not of_sarif.is_valid(document)


# Markdown -------------------------------------------------------------------------------------------------------------

MARKDOWN = f"""\
**4 documents: 3 of 5 expectations hold, 2 documents are wrong**

| document | network | layers | expectations | result |
| :-- | :-- | --: | --: | :-- |
| ok.yaml | fine | 1 | 2 of 2 | ✓ |
| nets\\\\50%,a:b\\|c é.yaml | 50 % \\| \\*half\\*, \\<b\\>é\\</b\\>?&#64;all \\~\\$1\\~ | 1 | 1 of 3 | ✗ failed |
| wrong.yaml |  |  |  | ✗ wrong |
| none.yaml |  |  |  | ✗ wrong |

| place | what | expected | is | by |
| :-- | :-- | --: | --: | :-- |
| nets\\\\50%,a:b\\|c é.yaml:9:18 | output | 6x7x5 | 6x7x4 |  |
| nets\\\\50%,a:b\\|c é.yaml:9:37 | parameters | 110 | 112 | 2 too many, 1.8 % |

- wrong.yaml:5:3: `100%, {{a:b}}|c?@x` is not a quantity that can be expected; a network has {QUANTITIES}

- none.yaml: there is no file none.yaml; name one
""".replace("receptive_field", "receptive\\_field")


def test_markdown(outcomes: list[Outcome]) -> None:
    assert checks.markdown(outcomes) == MARKDOWN


def test_markdown_without_failures(outcomes: list[Outcome]) -> None:
    assert (
        checks.markdown(outcomes[:1])
        == """\
**1 document: 2 of 2 expectations hold**

| document | network | layers | expectations | result |
| :-- | :-- | --: | --: | :-- |
| ok.yaml | fine | 1 | 2 of 2 | ✓ |
"""
    )


def test_every_row_has_as_many_cells_as_its_table(outcomes: list[Outcome]) -> None:
    for block in checks.markdown(outcomes).split("\n\n"):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")}
        assert counts in (set(), {6})


def test_entities_are_text() -> None:
    assert "| &amp;lt;b\\> |" in checks.markdown([Outcome("net.yaml", "&lt;b>")])


@pytest.mark.parametrize("message", ["a``b`c` <b>", "one ` alone <b>", "`a` `` `<b>`"])
def test_backticks_that_do_not_pair_are_no_code(message: str) -> None:
    written = checks.markdown([Outcome("net.yaml", mistakes=[Diagnostic("wrong", message)])])
    assert "\\<b\\>" in written
    assert "\\`" in written


def test_the_place_of_a_number_that_is_not_there() -> None:
    text = "input: 8x9x3\nlayers:\n  - {relu: {}, when: false}\nexpect: {receptive_field: 1x1}\n"
    (row,) = re.findall(r"^\| net.yaml:.*$", checks.markdown([outcome("net.yaml", text)]), re.MULTILINE)
    why = "\\`receptive\\_field\\` does not exist: no size describes it"
    assert row == f"| net.yaml:4:27 | receptive\\_field | 1x1 |  | {why} |"


# Failures that are of no single expectation ---------------------------------------------------------------------------


def test_failures_beside_expectations() -> None:
    """Such as what differs from a lock: they are shown, and counted among the expectations."""
    found = outcome("net.yaml", FINE)
    found.expectations += 1
    found.failures.append(Diagnostic("lock-differs", "`stem` is another", notes=(Note("its output is", None),)))
    assert checks.summary([found]) == "1 document: 2 of 3 expectations hold"
    root = ElementTree.fromstring(checks.junit([found]).encode())
    assert [(case.get("name"), len(case)) for case in root.iter("testcase")] == [
        ("valid", 0),
        ("output", 0),
        ("parameters", 0),
        ("lock-differs", 1),
    ]
    assert "| net.yaml | fine | 1 | 2 of 3 | ✗ failed |" in checks.markdown([found])
    assert checks.markdown([found]).endswith("- net.yaml: `stem` is another\n  - its output is\n")
    ((_, place, message),) = told(checks.github([found]))
    assert (place["title"], message) == ("lock-differs", "`stem` is another\nnote: its output is")
