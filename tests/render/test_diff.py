"""The pages of `diff`: a terminal's, Markdown, JSON."""

from __future__ import annotations

import io
import json
import re

import pytest

import cnncalc
from cnncalc.diff import Diff, diff, spans
from cnncalc.figures import figures
from cnncalc.growth import hold, limit
from cnncalc.render import diff as rendered

# The numbers are counted in tests/test_figures.py.
SMALL = """\
name: small
input: 6x8x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: last, linear: 5}
"""
STRIDED = SMALL.replace("kernel_size: 3", "kernel_size: 3, stride: 2")


def compared(old: str, new: str, *limits: str, names: tuple[str, str] = ("old.yaml", "new.yaml")) -> Diff:
    network = cnncalc.loads(new, name=names[1])
    found = diff(figures(cnncalc.loads(old)), figures(network), names, spans(network))
    hold(found, [limit(text) for text in limits])
    return found


def page(found: Diff, width: int | None = None) -> str:
    return "\n".join(line.text for line in rendered.lines(found, width)) + "\n"


# A terminal -----------------------------------------------------------------------------------------------------------

# 48 of 192 outputs of 18 products; 8 of 48 places; 8 values into 5. Memory by the model: any number.
PAGE = """\
old.yaml -> new.yaml

The first layer that changed is `first`, new.yaml:4:5.
  4 |   - {name: first, conv: {out_channels: 4, kernel_size: 3, stride: 2, pa...

total                  old    new  change
-------------------  -----  -----  ------  -------
parameters             321    121    -200  -62.3 %
weights                312    112    -200  -64.1 %
macs                 3,696    904  -2,792  -75.5 %
multiplies           3,696    904  -2,792  -75.5 %
flops                7,733  1,885  -5,848  -75.6 %
activations            245     61    -184  -75.1 %
connections          3,893    957  -2,936  -75.4 %
textbook.prediction  2,244    708  -1,536  -68.4 %
textbook.training    4,012  1,740  -2,272  -56.6 %
memory.prediction    M
memory.training      M

  layer  output     parameters     MACs  activations  field
  -----  ---------  ----------  -------  -----------  --------
> first  3x4x4               =   -2,592         -144  3x3
         was 6x8x4              -75.0 %      -75.0 %
   conv 3x3/2, was conv 3x3
  pool   1x2x4               =        =          -40  5x5
         was 3x4x4                           -83.3 %  was 4x4
  last   5                -200     -200            =  5x9
                       -81.6 %  -83.3 %               was 8x10

The same in total: layers, depth, biases, buffers.
Textbook and memory (what torch holds) are bytes to predict 1 image and to train
    a batch of 2 with SGD.
"""


def test_a_page() -> None:
    assert re.sub(r"(\nmemory\.\w+ +)[\d,]+ [^\n]*", r"\1M", page(compared(SMALL, STRIDED))) == PAGE


def test_nothing_changed() -> None:
    assert page(compared(SMALL, SMALL)) == "old.yaml -> new.yaml\n\nNothing changed: 3 layers, every number the same.\n"


def test_limits() -> None:
    said = page(compared(SMALL, STRIDED, "macs>+5%", "parameters>-5%")).split("\n\n")[-1]
    assert said == (
        "✓ `macs>+5%`: `macs` shrinks from 3,696 to 904, by 2,792 (-75.5 %)\n"
        "✗ `parameters>-5%`: `parameters` shrinks from 321 to 121, by 200 (-62.3 %)\n"
    )
    assert page(compared(SMALL, SMALL, "macs>+5%")).endswith("\n\n✓ `macs>+5%`: `macs` stays 3,696\n")


def test_a_layer_that_is_new() -> None:
    said = page(compared(SMALL, SMALL.replace("  - {name: last", "  - {name: act, relu: {}}\n  - {name: last")))
    assert "\nThe first layer that was added is `act`, new.yaml:6:5.\n  6 |   - {name: act, relu: {}}\n" in said
    assert "\n> act    3x4x4            =     =          +48  4x4\n   added\n" in said
    assert "\n2 layers unchanged.\n" in said
    assert "\n  last   5                =     =            =  8x10\n   other: inputs\n" in said


def test_a_layer_that_is_gone() -> None:
    said = page(compared(SMALL, SMALL.replace("  - {name: pool, max_pool: 2}\n", "")))
    assert "\nThe first change is that `pool` is gone; it stood behind `first`, new.yaml:4:5.\n\ntotal" in said
    assert "\n> pool   3x4x4            =         =          -48  4x4\n   removed\n" in said
    first = page(compared(SMALL.replace("  - {name: first", "  - {name: act, relu: {}}\n  - {name: first"), SMALL))
    assert "\nThe first change is that `act` is gone.\n" in first


def test_names_alone() -> None:
    said = page(compared(SMALL, SMALL.replace("name: pool", "name: down")))
    assert said == (
        "old.yaml -> new.yaml\n\n"
        "No layer changed but in its name.\n\n"
        "The totals are the same.\n\n"
        "Renamed and otherwise the same: `down` was `pool`.\n"
        "2 layers unchanged.\n"
        f"{said.partition('unchanged.')[2].lstrip()}"
    )
    many = "".join(f"  - {{name: c{number}, relu: {{}}}}\n" for number in range(8))
    chain = f"input: 6x8x2\nlayers:\n{many}"
    told = page(compared(chain, chain.replace("name: c", "name: d"))).replace("\n    ", " ")
    assert "Renamed and otherwise the same: `d0` was `c0`, " in told
    assert "`d5` was `c5` and 2 more.\n0 layers unchanged." in told


def test_renamed_and_changed() -> None:
    said = page(compared(SMALL, SMALL.replace("name: pool, max_pool: 2", "name: down, max_pool: 3")))
    assert "\nThe first layer that changed is `down`, new.yaml:5:5.\n" in said
    assert "\n   renamed from pool; max_pool 3x3/3, was max_pool 2x2/2\n" in said


def test_inputs_and_outputs() -> None:
    said = page(compared(SMALL, SMALL.replace("6x8x2", "6x8x3").replace("linear: 5", "linear: 6")))
    assert re.search(r"\ninputs +input 6x8x2 +input 6x8x3\noutputs +last 5 +last 6\nparameters ", said)


def test_what_torch_refuses() -> None:
    old = "input: 4x4x2\nlayers: [{group_norm: 2}, global_avg_pool]"
    said = page(compared(old, "input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]"))
    assert re.search(r"\nmemory.prediction +\d+ +refused\n", said)
    assert "\n  torch refuses to run this: `group_norm` would normalise a single value, " in said


def test_a_block_says_where_it_is_used() -> None:
    text = """\
input: 6x8x2
blocks:
  wide:
    args: {stride: 1}
    layers: [{conv: {out_channels: 4, kernel_size: 3, stride: stride}}]
layers:
  - {name: one, wide: {}}
"""
    said = page(compared(text, text.replace("wide: {}", "wide: {stride: 2}")))
    assert "The first layer that changed is `one.conv`, new.yaml:5:14, in a block used at\n    new.yaml:7:5.\n" in said


@pytest.mark.parametrize("pair", [("resnet18", "resnet34"), ("vgg16", "vgg19"), ("resnet50", "se_resnet50")])
@pytest.mark.parametrize("width", [None, 80, 60, 120])
def test_lines_fit(pair: tuple[str, str], width: int | None) -> None:
    """A table of totals with long numbers apart, nothing is wider than asked for."""
    old, new = [cnncalc.load(name) for name in pair]
    found = diff(figures(old), figures(new), pair, spans(new))
    layers = page(found, width).partition("\n  layer ")[2]
    assert max(map(len, layers.splitlines())) <= (width or 80)
    shown = [line for line in page(found, width).splitlines() if "not shown" in line]
    assert shown == (["(not shown at 60 columns: activations, field)"] if width == 60 else [])


def test_long_names_go_on_in_the_next_line() -> None:
    old, new = cnncalc.load("resnet18"), cnncalc.load("resnet34")
    lines = page(diff(figures(old), figures(new), places=spans(new))).splitlines()
    at = lines.index("> layer1.2.conv1.  56x56x64      +36,864  +115,605,504     +200,704  51x51")
    assert lines[at + 1 : at + 3] == ["   conv", "   added"]
    at = lines.index("  layer2.0.conv1.  28x28x128           =             =            =  67x67")
    assert lines[at + 1] == "   conv                                                              was 51x51"
    old, new = cnncalc.load("vgg16"), cnncalc.load("vgg19")
    lines = page(diff(figures(old), figures(new), places=spans(new))).splitlines()
    at = lines.index("  stage3.        28x28x256           =               =            =  52x52")
    assert lines[at + 1] == "   max_pool                                                          was 44x44"


def test_a_number_stays_with_its_percent_sign() -> None:
    found = compared(SMALL, STRIDED, "macs>+5%", "parameters>-5%", "activations>-10k", "memory.training>+0")
    for width in range(60, 90):
        assert [line for line in page(found, width).splitlines() if line.lstrip().startswith("%")] == []


def test_outputs_alone() -> None:
    """No total changed, and no sentence says what bytes are of."""
    text = "input: 6x8x2\nlayers: [{name: a, relu: {}}, {name: b, tanh: {}}]\noutputs: [a, b]"
    said = page(compared(text, text.replace("[a, b]", "[b, a]")))
    assert "\nNo layer changed.\n" in said
    assert "\noutputs  a 6x8x2, b 6x8x2  b 6x8x2, a 6x8x2\n" in said
    assert "bytes" not in said


def test_styles() -> None:
    """What is first in a table stands out, what was before stands back."""
    drawn = {
        line.text.split()[0]: line.style
        for line in rendered.lines(compared(SMALL, STRIDED, "parameters>-5%"))
        if line.text
    }
    assert (drawn[">"], drawn["pool"], drawn["was"], drawn["total"], drawn["✗"]) == ("bold", "", "dim", "bold", "red")


def test_shapes_as_the_new_document_writes_them() -> None:
    old = "input: [2, 6, 8]\nlayers: [{max_pool: 2}]"
    assert "  [2, 2, 2]\n" not in page(compared(old, old))
    assert "> max_pool  [2, 2, 2] " in page(compared(old, old.replace("max_pool: 2", "max_pool: 3")))


def test_a_stream_gets_the_page() -> None:
    stream = io.StringIO()
    rendered.write(compared(SMALL, STRIDED), stream)
    assert stream.getvalue() == page(compared(SMALL, STRIDED))


# Markdown -------------------------------------------------------------------------------------------------------------


def test_markdown() -> None:
    said = rendered.markdown(compared(SMALL, STRIDED, "parameters>-5%"))
    assert said.startswith(
        "### old.yaml → new.yaml\n"
        "\n"
        "The first layer that changed is `first`, new.yaml:4:5.\n"
        "\n"
        "    - {name: first, conv: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}\n"
        "\n"
        "| total | old | new | change |  |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| parameters | 321 | 121 | -200 | -62.3 % |\n"
    )
    assert (
        "<details><summary>3 layers changed</summary>\n"
        "\n"
        "| layer | output | parameters | MACs | activations | field |\n"
        "| :-- | :-- | --: | --: | --: | :-- |\n"
        "| **first**<br>conv 3x3/2, was conv 3x3 | 3x4x4<br>was 6x8x4 | = "
        "| -2,592<br>-75.0 % | -144<br>-75.0 % | 3x3 |\n"
        "| pool | 1x2x4<br>was 3x4x4 | = | = | -40<br>-83.3 % | 5x5<br>was 4x4 |\n"
        "| last | 5 | -200<br>-81.6 % | -200<br>-83.3 % | = | 5x9<br>was 8x10 |\n"
        "\n"
        "</details>\n"
        "\n"
        "The same in total: layers, depth, biases, buffers. Textbook"
    ) in said
    assert said.endswith("\n\n- ✗ `parameters>-5%`: `parameters` shrinks from 321 to 121, by 200 (-62.3 %)\n")


def test_markdown_of_nothing() -> None:
    said = rendered.markdown(compared(SMALL, SMALL))
    assert said == "### old.yaml → new.yaml\n\nNothing changed: 3 layers, every number the same.\n"


def test_hostile_names() -> None:
    """What a file or a document says cannot end a cell, begin a heading or drive a terminal."""
    hostile = SMALL.replace("max_pool: 2}", "max_pool: 3}  # `x` | <script>\u202e")
    found = compared(SMALL, hostile, names=("a|b*\x1b[31m", "<i>\n# c.yaml"))
    said = rendered.markdown(found)
    assert said.startswith("### a\\|b\\*?\\[31m → \\<i\\>?\\# c.yaml\n")
    assert "\n    - {name: pool, max_pool: 3}  # `x` | <script>?\n" in said
    assert all(char.isprintable() or char == "\n" for char in said + page(found))
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 7}


# JSON -----------------------------------------------------------------------------------------------------------------


def test_json() -> None:
    found = json.loads(rendered.json(compared(SMALL, STRIDED, "macs>+5%")))
    assert found["schema_version"] == 1
    assert found["old"]["source"] == "old.yaml"
    assert found["first"] == {
        "name": "first",
        "status": "changed",
        "place": {"file": "new.yaml", "line": 4, "column": 5},
        "line": "  - {name: first, conv: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}",
    }
    assert [layer["name"] for layer in found["layers"]] == ["first", "pool", "last"]
    assert found["layers"][0]["changes"][0] == {
        "quantity": "output",
        "old": [4, 6, 8],
        "new": [4, 3, 4],
        "difference": None,
        "percent": None,
        "refused": "",
    }
    assert [total["quantity"] for total in found["totals"] if total["quantity"] == "depth"] == ["depth"]
    assert {
        "quantity": "macs",
        "old": 3696,
        "new": 904,
        "difference": -2792,
        "percent": -75.54,
        "refused": "",
    } in found["totals"]
    assert found["unchanged"] == 0
    assert found["limits"][0]["exceeded"] is False
