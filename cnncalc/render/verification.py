"""What `verify` found, as text, JSON, Markdown or JUnit XML: what was compared, how much agrees, every disagreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from cnncalc.diagnostics import Diagnostic, render
from cnncalc.graph import Network

if TYPE_CHECKING:
    from cnncalc.pytorch.verify import Verification

Found = Sequence[tuple[Network, "Verification"]]


def text(found: Found) -> str:
    """A line a network, each disagreement at its place in the document, and what was compared in all."""
    lines = []
    for network, report in found:
        lines.append(_headline(report))
        lines += [f"  {told}" for told in _unequal(report)]
        lines += [f"\n{render(diagnostic)}\n" for diagnostic in _diagnostics(network, report)]
    if len(found) > 1:
        lines.append(_overall(found))
    lines += [f"  {quantity}: {said}" for quantity, said in _quantities(found)]
    return "\n".join(lines) + "\n"


def json(found: Found) -> str:
    """An object for one network, a list for several."""
    reports = [report.to_dict() | {"agrees": report.agrees, "compared": report.compared} for _, report in found]
    return dumps(reports[0] if len(reports) == 1 else reports, indent=2) + "\n"


def markdown(found: Found) -> str:
    lines = ["| network | compared | agree | device | batch | dtype |", "|:--|--:|--:|:--|--:|:--|"]
    for _, report in found:
        agree = report.compared - len(report.disagreements)
        mark = "" if report.agrees else " ✗"
        cells = [report.name or report.source, f"{report.compared:,}", f"{agree:,}{mark}"]
        lines.append(f"| {' | '.join([*cells, report.device, str(report.batch), report.dtype])} |")
    for network, report in found:
        for diagnostic in _diagnostics(network, report):
            place = f" ({diagnostic.span})" if diagnostic.span else ""
            lines += ["", f"- {diagnostic.message}{place}"]
        for told in _unequal(report):
            lines += ["", f"- {report.name or report.source}: {told}"]
    return "\n".join(lines) + "\n"


def junit(found: Found) -> str:
    """A test suite a network, a test case a layer (and one for the totals)."""
    root = ElementTree.Element("testsuites", name="cnncalc verify")
    for _, report in found:
        cases: dict[str, list[str]] = {name: [] for name in [*(layer.name for layer in report.layers), "totals"]}
        for layer, comparison in report:
            if not comparison.agrees:
                said = f"{comparison.quantity}: {comparison.engine} by cnncalc, {comparison.torch} {report.other}"
                cases[layer.name if layer else "totals"].append(said)
        failures = sum(1 for failed in cases.values() if failed)
        counts = {"name": report.source, "tests": str(len(cases)), "failures": str(failures)}
        suite = ElementTree.SubElement(root, "testsuite", counts)
        for name, failed in cases.items():
            case = ElementTree.SubElement(suite, "testcase", classname=report.source, name=name)
            if failed:
                ElementTree.SubElement(case, "failure", message=failed[0]).text = "\n".join(failed)
            if name == "totals" and (told := _unequal(report)):
                ElementTree.SubElement(case, "system-out").text = "\n".join(told)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _headline(report: Verification) -> str:
    agree = report.compared - len(report.disagreements)
    told = f"{agree:,} of {report.compared:,} comparisons agree"
    return f"{report.name or report.source} ({report.source}): {told} ({report.conditions})"


def _unequal(report: Verification) -> list[str]:
    """What agrees of a whole network without being equal, such as bounds and two sides' words for the same refusal."""
    from cnncalc.pytorch.verify import text as answer

    return [
        f"{total.quantity}: {answer(total.engine)} by cnncalc, {answer(total.torch)} {report.other} ({total.note})"
        for total in report.totals
        if total.agrees and total.engine != total.torch
    ]


def _quantities(found: Found) -> list[tuple[str, str]]:
    """How often each quantity was compared, and how often it differs."""
    every = [comparison for _, report in found for _, comparison in report]
    compared: Counter[str] = Counter()
    for comparison in every:
        compared[comparison.quantity] += comparison.count
    differ: Counter[str] = Counter(comparison.quantity for comparison in every if not comparison.agrees)
    return [
        (quantity, f"{count:,} compared" + (f", {differ[quantity]:,} differ" if differ[quantity] else ""))
        for quantity, count in compared.items()
    ]


def _overall(found: Found) -> str:
    compared = sum(report.compared for _, report in found)
    wrong = sum(len(report.disagreements) for _, report in found)
    return f"{len(found)} networks: {compared - wrong:,} of {compared:,} comparisons agree"


def _diagnostics(network: Network, report: Verification) -> list[Diagnostic]:
    from cnncalc.pytorch.verify import diagnostics

    return diagnostics(report, network)
