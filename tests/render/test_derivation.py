"""What is printed is right: an evaluator that reads the page, as a reader would, comes to the numbers of `analyze`."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc import messages
from cnncalc.derivations import Explained, Explanation
from cnncalc.language.load import zoo_names
from cnncalc.render import derivation as rendered
from cnncalc.render.terminal import Line

SPEC = importlib.util.spec_from_file_location("printed", Path(__file__).parent.parent / "printed.py")
assert SPEC is not None
assert SPEC.loader is not None
printed: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(printed)

TITLE = re.compile(r"(?:(\S+), )?(.+): (−?\d.*|\[.*\])")
TERM = re.compile(r"    [ +] +([\d,·]+)  \S.*")
END = re.compile(r"    = +([\d,]+).*")


def page(explanation: Explanation) -> list[str]:
    return [line.text for line in rendered.page(explanation)]


def read(lines: list[str]) -> dict[tuple[str, str], Any]:
    """The number in every title, each formula and sum below it evaluated on the way."""
    found: dict[tuple[str, str], Any] = {}
    result = None
    terms: list[str] = []
    for line in lines[3 : lines.index("Letters")]:
        if title := TITLE.fullmatch(line):
            found[title[1] or "", title[2]] = title[3]
        elif term := TERM.fullmatch(line):
            terms.append(term[1])
        elif end := END.fullmatch(line):
            result = printed.value(end[1])
            assert printed.value(" + ".join(terms)) == result, line
            terms = []
        elif line.startswith("  ") and " = " in line and not line.startswith("    "):
            *_, numbers, last = line.rpartition(": ")[2].split(" = ") if ": " in line else ["0", "0"]
            if ": " in line:
                result = printed.leading_number(last)
                if not re.fullmatch(r"[A-Za-z]\w*", numbers):
                    assert printed.value(numbers) == result, line
        elif line == "" and found:
            *_, last_title = found
            amount = re.match(r"[\d,]+(?![\dx,])", found[last_title])
            if result is not None and amount is not None and amount[0] == found[last_title].partition(" ")[0]:
                assert printed.value(amount[0]) == result
            result = None
    assert not terms
    return found


@pytest.mark.parametrize("name", zoo_names())
def test_a_printed_page_evaluates_to_what_analyze_says(name: str) -> None:
    network = cnncalc.load(name)
    report = cnncalc.analyze(network, batch=2)
    explained = Explained(network, batch=2)
    totals = read(page(explained.explanation()))
    assert totals["", "parameters"] == f"{report.totals.parameters:,}"
    assert totals["", "multiply-accumulates"] == f"{report.totals.macs:,} MACs"
    assert totals["", "depth"] == f"{report.totals.depth.layers:,} layers"
    for quantity in ("prediction", "training"):
        assert totals["", f"memory for {quantity}"].startswith(f"{getattr(report.totals.memory, quantity):,} bytes")
    named = [row.name for row in report.layers]
    layers = read(page(explained.explanation(named, ["parameters", "macs", "connections", "operations"])))
    for row in report.layers:
        assert layers[row.name, "parameters"] == f"{row.parameters:,}"
        assert layers[row.name, "multiply-accumulates"] == f"{row.macs:,} MACs"
        assert layers[row.name, "connections"] == f"{row.connections:,}"
        for sort, count in row.operations.items():
            assert layers[row.name, messages.text(f"quantity.{sort}")] == f"{count:,}"


def test_the_evaluator_of_pages_can_fail() -> None:
    lines = page(Explained(cnncalc.load("alexnet")).explanation(["conv1"], ["parameters"]))
    assert read(lines)
    for before, after in (("96·3·11·11", "96·3·11·12"), ("= 34,848 weights", "= 34,849 weights")):
        broken = [line.replace(before, after) for line in lines]
        assert broken != lines
        with pytest.raises(AssertionError):
            read(broken)
    sums = page(Explained(cnncalc.load("alexnet")).explanation([], ["macs"]))
    with pytest.raises(AssertionError):
        read([line.replace("105,415,200  conv1", "105,415,201  conv1") for line in sums])


ALEXNET_CONV1 = """\
AlexNet (alexnet.yaml)
Counts are for one image; bytes are for 1 image in float32.

conv1, output: 55x55x96
  output size, height and width: ⌊(W − F + 2·P) / S⌋ + 1 = ⌊(227 − 11 + 2·0) / 4⌋ + 1 = 55 positions
    Positions of a window, the same padding on both sides (Dumoulin & Visin 2016, relationship 6).

conv1, parameters: 34,944
  weights: M_w = N·C·K_h·K_w = 96·3·11·11 = 34,848 weights
    Each of the N filters has a weight for every kernel position of the C channels it reads, wherever it stands.
  biases: M_b = N = 96 biases
    One bias for each filter or unit.
  parameters: M_w + M_b = 34,848 + 96 = 34,944 parameters
    All that training changes: weights and biases.

Letters
  C    input channels, those that a filter reads
  F    effective kernel size
  K    kernel size
  M_b  biases
  M_w  weights
  N    output channels: filters or units
  P    padding on each side
  S    stride
  W    input size"""


def test_a_page() -> None:
    explanation = Explained(cnncalc.load("alexnet")).explanation(["conv1"], ["output", "parameters"])
    assert "\n".join(page(explanation)) == ALEXNET_CONV1


def test_a_working_is_shown_once_but_for_the_last() -> None:
    lines = page(Explained(cnncalc.load("alexnet")).explanation(["conv1"], ["activations", "memory", "neurons"]))
    assert [line for line in lines if line.startswith("  output values")] == [
        "  output values: N·O_h·O_w = 96·55·55 = 290,400 values",
        "  output values: E = N·O_h·O_w = 96·55·55 = 290,400 values",
        "  output values: N·O_h·O_w = 96·55·55 = 290,400 neurons",
    ]
    assert len([line for line in lines if line.startswith("  output size")]) == 1


def test_many_terms_are_summed_up() -> None:
    network = cnncalc.load("resnet152")
    lines = page(Explained(network).explanation([], ["macs"]))
    (others,) = [line for line in lines if "other layers" in line]
    assert len([line for line in lines if TERM.fullmatch(line)]) == rendered.MOST_TERMS + 1
    assert others.endswith(" other layers")
    assert read(lines)["", "multiply-accumulates"] == f"{cnncalc.analyze(network).totals.macs:,} MACs"


def test_what_has_no_working_says_why() -> None:
    network = cnncalc.load("alexnet")
    lines = page(Explained(network).explanation(["fc6", "pool1"], ["output", "weights"]))
    assert "  No formula: the layer itself gives the sizes, or its input does." in lines
    assert lines[lines.index("pool1, weights: 0") + 1] == "  There is nothing of the kind in it."
    crossed = cnncalc.loads("input: 4x4x2\nlayers:\n  - concat: {paths: [identity, identity], axis: 1}\n")
    lines = page(Explained(crossed).explanation(["concat"], ["receptive_field"]))
    assert lines[lines.index("concat, receptive field: no size describes it") + 1].strip().startswith("Its units see")


def test_a_hostile_name_cannot_drive_the_terminal() -> None:
    network = cnncalc.loads('name: "a\\e[31mb"\ninput: 4x4x1\nlayers: [{linear: 2}]')
    lines: list[Line] = rendered.page(Explained(network).explanation())
    assert not [line for line in lines if "\x1b" in line.text]


# The other formats ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alexnet", "lenet5", "resnet50", "googlenet_aux", "ssd300_vgg16", "unet"])
def test_latex_is_balanced_and_has_the_numbers_of_the_text(name: str) -> None:
    network = cnncalc.load(name)
    explained = Explained(network)
    layers = [node.name for node in network]
    for explanation in (explained.explanation(), explained.explanation(layers)):
        written = rendered.latex(explanation)
        assert written.isascii() or not set(re.sub(r"[éÉ]", "", written)) & set("⌊⌋⌈⌉·−×√Σ")
        depth = 0
        for char in re.sub(r"\\[{}]", "", written):
            depth += {"{": 1, "}": -1}.get(char, 0)
            assert depth >= 0
        assert depth == 0
        assert written.count("\\[") == written.count("\\]")
        assert written.count("\\begin{align*}") == written.count("\\end{align*}")
        workings = re.findall(r"^\\\[ (.*) \\\]$", written, re.MULTILINE)
        shown = [line for line in page(explanation) if re.match(r"  \S.*: .* = ", line)]
        assert len(workings) == len(shown)
        for formula, line in zip(workings, shown, strict=True):
            numbers = re.findall(r"\d[\d,]*", re.sub(r"_\{\w+\}", "", formula).replace("{,}", ","))
            assert numbers == re.findall(r"(?<![\w])\d[\d,]*", re.sub(r"(?<=[A-Za-z])_\w+", "", line.split(": ", 1)[1]))


def test_latex_escapes_names() -> None:
    network = cnncalc.loads("name: '50% & #1'\ninput: 4x4x1\nlayers: [{name: fc_1, linear: 2}]")
    written = rendered.latex(Explained(network).explanation(["fc_1"], ["weights"]))
    assert r"\paragraph{50\% \& \#1 ($<$text$>$)}" in written
    assert r"fc\_1, weights: 32" in written


def test_markdown() -> None:
    explanation = Explained(cnncalc.load("alexnet")).explanation(["conv2"], ["weights"])
    assert rendered.markdown(explanation).splitlines()[4:9] == [
        "### conv2, weights: 307,200",
        "",
        "- **channels of a group**: `C = C_all/G = 96/2 = 48` channels",
        "  In G groups, each filter reads the channels of its own (Krizhevsky et al. 2012).",
        "- **weights**: `N·C·K_h·K_w = 256·48·5·5 = 307,200` weights",
    ]
    sums = rendered.markdown(Explained(cnncalc.load("alexnet")).explanation([], ["biases"]))
    assert "- **sum over 8 layers, the largest first**\n\n  ```text\n" in sums
    assert "\n  =  10,568 biases\n  ```\n" in sums


def test_json_has_every_term_and_number() -> None:
    network = cnncalc.load("resnet152")
    report = cnncalc.analyze(network)
    written = json.loads(rendered.to_json(Explained(network).explanation([], ["macs", "prediction"])))
    macs, prediction = written["derivations"]
    (total,) = macs["steps"]
    assert {term["layer"]: term["value"] for term in total["terms"]} == {
        row.name: row.macs for row in report.layers if row.macs
    }
    for term in total["terms"]:
        assert printed.value(term["in_numbers"]) == term["value"]
    assert prediction["value"] == report.totals.memory.prediction
    read, pair = prediction["steps"][:2]
    assert (pair["formula"], list(pair["sources"])) == ("largest_pair", ["V_1"])
    assert (read["called"], len(read["terms"])) == (["V_2"], 2)  # an `add` reads two paths
    for step in prediction["steps"]:
        if "terms" not in step:
            assert printed.value(step["in_numbers"]) == step["value"]
            assert printed.in_letters(step["in_letters"], step["letters"]) == step["value"]
    assert set(written["letters"]) >= {"V_1", "V_2", "M_w", "b", "B"}
