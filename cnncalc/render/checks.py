"""What `check` found, for a person (text, Markdown) and for machines: JSON, GitHub annotations, JUnit XML, SARIF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json import dumps
from posixpath import normpath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from cnncalc import __version__
from cnncalc.checks import Outcome, Status
from cnncalc.diagnostics import Diagnostic, Span, printable, render
from cnncalc.render.markdown import escaped, prose, row
from cnncalc.render.summary import counted

MOST_ANNOTATIONS = 10  # of one step that GitHub shows; it drops the others without a word
STDIN = "<stdin>"


def text(outcomes: Sequence[Outcome]) -> str:
    """Each failure at its place, and a line that counts."""
    parts = [render(diagnostic) + "\n" for outcome in outcomes for diagnostic in outcome.diagnostics]
    return "\n".join([*parts, summary(outcomes) + "\n"])


def summary(outcomes: Sequence[Outcome]) -> str:
    """`36 documents: 120 of 122 expectations hold, 1 document is wrong`."""
    expectations = sum(outcome.expectations for outcome in outcomes)
    failed = sum(len(outcome.failures) for outcome in outcomes)
    wrong = sum(outcome.status == "wrong" for outcome in outcomes)
    held = f"{expectations - failed:,} of {counted(expectations, 'expectation')}"
    said = [f"{held} {'holds' if expectations == 1 else 'hold'}" if expectations else "nothing is expected"]
    said += [f"{counted(wrong, 'document')} {'is' if wrong == 1 else 'are'} wrong"] if wrong else []
    return f"{counted(len(outcomes), 'document')}: {', '.join(said)}"


# JSON -----------------------------------------------------------------------------------------------------------------


def json(outcomes: Sequence[Outcome]) -> str:
    """A list of documents. Lines and columns count from 1; `endColumn` is that of the character after the last."""
    return dumps([_document(outcome) for outcome in outcomes], indent=2) + "\n"


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "source": outcome.source,
        "name": outcome.name,
        "status": outcome.status,
        "layers": outcome.layers,
        "expectations": outcome.expectations,
        "results": [
            {
                "name": verdict.name,
                "holds": verdict.failure is None,
                "expected": verdict.expected,
                "actual": verdict.actual or None,
            }
            for verdict in outcome.verdicts
        ],
        "diagnostics": [
            {
                "code": diagnostic.code,
                "severity": diagnostic.severity,
                "message": diagnostic.message,
                "label": diagnostic.label,
                "help": diagnostic.help,
                "notes": [{"message": note.message, **_place(note.span)} for note in diagnostic.notes],
                **_place(diagnostic.span),
            }
            for diagnostic in outcome.diagnostics
        ],
    }


def _place(span: Span | None) -> dict[str, str | int | None]:
    if span is None:
        return dict.fromkeys(("file", "line", "column", "endLine", "endColumn"))
    line, column, end_line, end_column = _stretch(span)
    return {"file": span.source.name, "line": line, "column": column, "endLine": end_line, "endColumn": end_column}


def _stretch(span: Span) -> tuple[int, int, int, int]:
    """First line and column, last line and the column after the last, all from 1; blanks at the end left out."""
    marked = span.source.text[span.start : span.end].rstrip()
    line, column = span.source.position(span.start)
    if "\n" not in marked:
        return line, column, line, column + max(1, len(marked))
    return line, column, *span.source.position(span.start + len(marked))


# GitHub ---------------------------------------------------------------------------------------------------------------


def github(outcomes: Sequence[Outcome], folder: str = "") -> str:
    """Workflow commands that annotate lines of a pull request; what is more than GitHub shows is a number.

    `folder` is where the documents' paths start, seen from the repository's root.
    """
    found = [(outcome, diagnostic) for outcome in outcomes for diagnostic in outcome.diagnostics]
    lines = [_annotation(diagnostic, outcome, folder) for outcome, diagnostic in found[:MOST_ANNOTATIONS]]
    if more := found[MOST_ANNOTATIONS:]:
        why = f"GitHub shows {MOST_ANNOTATIONS} of a step, whose summary has all"
        lines.append(f"{counted(len(more), 'more error')} without an annotation: {why}")
    return "\n".join([*lines, summary(outcomes)]) + "\n"


def _annotation(diagnostic: Diagnostic, outcome: Outcome, folder: str) -> str:
    span = diagnostic.span
    file = span.source.name if span is not None else outcome.source
    properties: dict[str, str | int] = {} if file in (STDIN, "-") else {"file": _repository_path(file, folder)}
    if span is not None:
        line, column, end_line, end_column = _stretch(span)
        # Columns are of one line: GitHub refuses them where an annotation spans several.
        columns = {"col": column, "endColumn": end_column} if line == end_line else {}
        properties |= {"line": line, "endLine": end_line, **columns}
    properties["title"] = diagnostic.code
    command = {"error": "error", "warning": "warning", "note": "notice"}[diagnostic.severity]
    written = ",".join(f"{name}={printable(_property(str(value)))}" for name, value in properties.items())
    return f"::{command} {written}::{_data(_prose(diagnostic))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _prose(diagnostic: Diagnostic) -> str:
    """All that a diagnostic says, a line each, without the place it stands at."""
    lines = [diagnostic.message, diagnostic.label, *(f"note: {note}" for note in diagnostic.notes)]
    lines += [f"help: {diagnostic.help}"] if diagnostic.help else []
    return "\n".join(printable(line) for line in lines if line)


def _repository_path(name: str, folder: str) -> str:
    """A document's path as seen from the repository's root, with forward slashes."""
    path = f"{folder}/{name}" if folder and not _is_absolute(name) else name
    return normpath(path.replace("\\", "/"))


def _is_absolute(path: str) -> bool:
    return path[:1] in ("/", "\\") or path[1:3] in (":/", ":\\")


# JUnit ----------------------------------------------------------------------------------------------------------------


def junit(outcomes: Sequence[Outcome]) -> str:
    """A test suite a document; a test case for its being valid, and one for each expectation, under its keys."""
    root = ElementTree.Element("testsuites", name="cnncalc check")
    for outcome in outcomes:
        source = printable(outcome.source)
        cases = [(verdict.name, verdict.failure) for verdict in outcome.verdicts]
        cases += [(failure.code, failure) for failure in _unnamed(outcome)]
        counts = (1 + len(cases), len(outcome.failures), int(bool(outcome.mistakes)))
        numbers = dict(zip(("tests", "failures", "errors"), map(str, counts), strict=True))
        suite = ElementTree.SubElement(root, "testsuite", {"name": source, **numbers})
        valid = ElementTree.SubElement(suite, "testcase", classname=source, name="valid")
        if outcome.mistakes:
            _fallen(valid, "error", outcome.mistakes)
        for name, failure in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=source, name=printable(name))
            if failure is not None:
                _fallen(case, "failure", [failure])
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _fallen(case: ElementTree.Element, how: str, why: Sequence[Diagnostic]) -> None:
    told = ElementTree.SubElement(case, how, message=printable(why[0].message), type=why[0].code)
    told.text = "\n\n".join(map(render, why))


def _unnamed(outcome: Outcome) -> list[Diagnostic]:
    """The failures that are of no single expectation."""
    named = {id(verdict.failure) for verdict in outcome.verdicts}
    return [failure for failure in outcome.failures if id(failure) not in named]


# SARIF ----------------------------------------------------------------------------------------------------------------

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(outcomes: Sequence[Outcome], folder: str = "") -> str:
    """SARIF 2.1.0, for GitHub's code scanning and editors: a rule a code, a result a diagnostic.

    `folder` is where the documents' paths start, seen from the repository's root.
    """
    found = [(outcome, diagnostic) for outcome in outcomes for diagnostic in outcome.diagnostics]
    rules = {code: position for position, code in enumerate(sorted({diagnostic.code for _, diagnostic in found}))}
    driver = {
        "name": "cnncalc",
        "version": __version__,
        "rules": [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, outcome, rules, folder) for outcome, diagnostic in found],
    }
    return dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(diagnostic: Diagnostic, outcome: Outcome, rules: dict[str, int], folder: str) -> dict[str, Any]:
    location = _location(diagnostic.span, outcome.source, folder)
    related = [
        {"id": position, "message": _message(note.message), **_location(note.span, "", folder)}
        for position, note in enumerate(diagnostic.notes)
        if note.span is not None
    ]
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rules[diagnostic.code],
        "level": diagnostic.severity,
        "message": _message(_prose(diagnostic)),
    }
    result |= {"locations": [location]} if location else {}
    return result | ({"relatedLocations": related} if related else {})


def _message(text: str) -> dict[str, str]:
    """Braces are doubled: alone they would be a place for an argument."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _location(span: Span | None, source: str, folder: str) -> dict[str, Any]:
    """Where it is; nothing for what is in no file."""
    name = span.source.name if span is not None else source
    if name in (STDIN, "-"):
        return {}
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(name, folder)}}
    if span is not None:
        names = ("startLine", "startColumn", "endLine", "endColumn")
        place["region"] = dict(zip(names, _stretch(span), strict=True))
    return {"physicalLocation": place}


def _uri(name: str, folder: str) -> str:
    path = _repository_path(name, folder)
    if not _is_absolute(path):
        return quote(path, safe="/", errors="surrogateescape")
    return f"file:///{quote(path.lstrip('/'), safe='/:', errors='surrogateescape')}"


# Markdown -------------------------------------------------------------------------------------------------------------

_SAID: dict[Status, str] = {"ok": "✓", "failed": "✗ failed", "wrong": "✗ wrong"}


def markdown(outcomes: Sequence[Outcome]) -> str:
    """For a pull request or a step's summary: the documents, and then every failure with both values."""
    lines = [f"**{summary(outcomes)}**", "", row(["document", "network", "layers", "expectations", "result"])]
    lines.append(row([":--", ":--", "--:", "--:", ":--"]))
    for outcome in outcomes:
        held = outcome.expectations - len(outcome.failures)
        counts = [f"{outcome.layers:,}", f"{held:,} of {outcome.expectations:,}"]
        counts = ["", ""] if outcome.status == "wrong" else counts
        lines.append(row([_cell(outcome.source), _cell(outcome.name), *counts, _SAID[outcome.status]]))
    failed = [cells for outcome in outcomes for cells in _failed(outcome)]
    if failed:
        lines += ["", row(["place", "what", "expected", "is", "by"]), row([":--", ":--", "--:", "--:", ":--"])]
        lines += [row(cells) for cells in failed]
    for outcome in outcomes:
        for diagnostic in outcome.mistakes or _unnamed(outcome):
            said = f"{diagnostic.message}; {diagnostic.help}" if diagnostic.help else diagnostic.message
            lines += ["", f"- {_cell(str(diagnostic.span or outcome.source))}: {_sentence(said)}"]
            lines += [f"  - {_sentence(str(note))}" for note in diagnostic.notes]
    return "\n".join(lines) + "\n"


def _failed(outcome: Outcome) -> Iterator[list[str]]:
    for verdict in outcome.verdicts:
        if (failure := verdict.failure) is not None:
            by = failure.label if verdict.actual else failure.message
            place = str(failure.span or outcome.source)
            yield [_cell(text) for text in (place, verdict.name, verdict.expected, verdict.actual, by)]


def _cell(text: str) -> str:
    """Text that is nothing else on GitHub, such as somebody who is mentioned."""
    plain = escaped(printable(text).replace("&", "&amp;"))
    return plain.replace("@", "&#64;").replace("~", "\\~").replace("$", "\\$")


def _sentence(text: str) -> str:
    """A message, with what stands between its backticks as code, if they pair."""
    return _cell(text) if "``" in text or text.count("`") % 2 else prose(printable(text))
