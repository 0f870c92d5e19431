"""The pages of `compare`: a terminal's, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

import cnncalc
from cnncalc.compare import Comparison, compare
from cnncalc.figures import QUANTITIES, figures
from cnncalc.render import compare as rendered

# 192 outputs of 18 products and a bias; 48 maxima of 4; 48 values into 5, or into 10.
POOLED = """\
name: pooled
input: 6x8x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: pool, max_pool: 2}
  - {name: last, linear: 5}
"""
DENSE = "input: 4x6x2\nlayers: [{name: out, linear: {out_features: 10, bias: false}}]\n"


def compared(*texts: str, layers: bool = False, names: str = "ABCDEFGH") -> Comparison:
    return compare([figures(cnncalc.loads(text)) for text in texts], names[: len(texts)], layers)


def page(found: Comparison, columns: str | None = None, width: int | None = None) -> str:
    chosen = None if columns is None else rendered.chosen(columns)
    return "\n".join(line.text for line in rendered.lines(found, chosen, width)) + "\n"


# A terminal -----------------------------------------------------------------------------------------------------------

TOTALS = """\
A: pooled, 6x8x2 -> 5
B: 4x6x2 -> 10 (another input and output)

total                A    B  ratio
---------------  -----  ---  ------
layers               3    1  ×0.333
parameters         321  480  ×1.50
biases               9    0  ×0
buffers              0    0  -
MACs             3,696  480  ×0.130
flops (cnncalc)  7,733  960  ×0.124

× is the ratio to `A`, to three digits.
layers: all layers, activations and merges among them; parameters: trained
    weights and biases; buffers: kept but not trained.
For one image, MACs: multiply-accumulates of convolutions and dense layers;
    flops (cnncalc): 2 · MACs + bias additions + every other operation.
"""

LAYERS = """\
A: pooled, 6x8x2 -> 5
B: 4x6x2 -> 10 (another input and output)

total           A    B  ratio
----------  -----  ---  ------
parameters    321  480  ×1.50
MACs        3,696  480  ×0.130

A                                | B
layer  parameters   MACs  output | layer  parameters  MACs  output
-----  ----------  -----  ------ | -----  ----------  ----  ------
first          76  3,456  6x8x4  |
pool            0      0  3x4x4  |
last          245    240  5      | out           480   480  10

× is the ratio to `A`, to three digits.
Rows that align: 1 of 1 of `B` with 1 of 3 of `A`.
parameters: trained weights and biases.
For one image, MACs: multiply-accumulates of convolutions and dense layers.
"""


def test_totals() -> None:
    """480 / 321 = 1.4953, 480 / 3,696 = 0.12987, 960 / 7,733 = 0.12414."""
    said = page(compared(POOLED, DENSE), "layers,parameters,biases,buffers,macs,flops")
    assert said == TOTALS


def test_layers() -> None:
    assert page(compared(POOLED, DENSE, layers=True), "parameters,macs,output") == LAYERS


def test_every_table_of_a_count_names_its_convention() -> None:
    found = compared(POOLED, DENSE, layers=True)
    whole = page(found)
    assert "In bytes, to predict 1 image and to train a batch of 2 with SGD in float32, on\n    CPU: textbook" in whole
    for quantity in ("MACs", "multiplies", "flops (cnncalc)", "activations", "connections"):
        assert f"{quantity}: " in whole.replace("\n    ", " ")
    assert not re.search(r"\bflops\b(?! \(cnncalc\))", whole.replace("\n    ", " "))
    # the layer table alone, too
    alone = page(found, "output,kind,activations")
    assert alone.count("activations: output values.") == 1
    assert "In bytes" not in alone


def test_the_same_ends_are_not_remarked_on() -> None:
    assert "another" not in page(compared(POOLED, POOLED))
    assert "B: 4x6x2 -> 5 (another input)\n" in page(compared(POOLED, "input: 4x6x2\nlayers: [{linear: 5}]"))
    assert "B: 6x8x2 -> 6 (another output)\n" in page(compared(POOLED, "input: 6x8x2\nlayers: [{linear: 6}]"))


def test_one_way_to_write_shapes() -> None:
    """The first network's."""
    assert "B: 6x8x2 -> 5\n" in page(compared(POOLED, "input: [2, 6, 8]\nlayers: [{linear: 5}]"))
    said = page(compared("input: [2, 6, 8]\nlayers: [{linear: 5}]", POOLED))
    assert "A: [2, 6, 8] -> [5]\nB: pooled, [2, 6, 8] -> [5]\n" in said


def test_what_torch_refuses() -> None:
    said = page(
        compared("input: 4x4x2\nlayers: [{linear: 3}]", "input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]")
    )
    assert re.search(r"\nmemory\.prediction +\d+ +refused  -\n", said)
    assert "\n`B`: torch refuses to run this: `group_norm` would normalise a single value, a\n" in said


@pytest.mark.parametrize("width", [60, 80, 100, 132])
@pytest.mark.parametrize("columns", [None, "macs,parameters,memory.training"])
def test_within_the_window(width: int, columns: str | None) -> None:
    found = compared(POOLED, DENSE, POOLED, DENSE, DENSE, POOLED, DENSE, layers=True)
    said = page(found, columns, width)
    assert max(map(len, said.splitlines())) <= width
    totals = [line for line in said.splitlines() if line.startswith("total ")]
    assert len(totals) == {60: 3, 80: 2, 100: 2, 132: 1}[width] or columns
    # the first network's number in each of them
    assert len(re.findall(r"^MACs +3,696 ", said, re.MULTILINE)) == len(totals)
    for label in "BCDEFG":
        assert len([line for line in totals if f" {label} " in line]) == 1


def test_what_does_not_fit_is_left_out_and_said() -> None:
    long = POOLED.replace("name: first", "name: a_rather_long_name.of_the_first_layer")
    wide = long.replace("6x8x2", "6000x8000x2").replace("a_rather", "another_rather")
    found = compared(
        long.replace("a_rather_long_name.of_the", "a_rather_long_name_of_the"), wide.replace(".of", "_of"), layers=True
    )
    said = page(found, None, 80)
    assert "\n(not shown at 80 columns: MACs; --columns chooses)\n" in said
    assert max(map(len, said.splitlines())) <= 80
    table = said.partition("\nlayer ")[2]
    assert "a_rather_" in table
    assert "MACs" not in table.partition("\n\n")[0].partition("(not shown")[0]
    assert "not shown" not in page(found)


def test_folded() -> None:
    assert rendered._folded("git:HEAD:nets/lenet5.yaml", 12) == ["git:HEAD:", " nets/", " lenet5.yaml"]
    assert rendered._folded("abcdefghijkl", 5) == ["abcde", " fghi", " jkl"]
    assert rendered._folded("short", 5) == ["short"]
    assert rendered._cut("git:HEAD:nets/lenet5.yaml", 14) == "...lenet5.yaml"
    assert rendered._cut("vgg16", 8) == "vgg16   "


def test_networks_that_were_aligned_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncalc.compare.MOST_PAIRS", 0)
    said = page(compared(POOLED, DENSE, layers=True)).replace("\n    ", " ")
    assert "\n`B` is too large to be aligned by what its layers do: it was by their names.\n" in said


def test_nothing_drives_the_terminal() -> None:
    hostile = 'name: "a\\e[31mb"\ninput: 7x9x1\nlayers: [{max_pool: 2}]\n'
    found = compare([figures(cnncalc.loads(hostile))] * 2, ["x\x1b]0;t\x07", "y|z"], True)
    for said in (page(found), rendered.markdown(found)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", said)
    assert "y\\|z" in rendered.markdown(found)


# Columns --------------------------------------------------------------------------------------------------------------


def test_chosen() -> None:
    assert rendered.chosen("macs, output,macs") == ["macs", "output"]
    assert rendered.chosen("all") == ["kind", "output", *QUANTITIES]
    with pytest.raises(ValueError, match="`mac` is not a column; did you mean `macs`"):
        rendered.chosen("mac")
    with pytest.raises(ValueError, match="`` is not a column; columns: kind, output, layers, "):
        rendered.chosen("macs,")


# Markdown, CSV, JSON --------------------------------------------------------------------------------------------------


def test_markdown() -> None:
    said = rendered.markdown(compared(POOLED, DENSE, layers=True), ["macs", "flops"])
    assert (
        said
        == """\
### A, B

- A: pooled, 6x8x2 → 5
- B: 4x6x2 → 10 (another input and output)

| total | A | B |
| :-- | --: | --: |
| MACs | 3,696 | 480 (×0.130) |
| flops (cnncalc) | 7,733 | 960 (×0.124) |

<details><summary>layer by layer</summary>

| A layer | A MACs | A flops (cnncalc) | B layer | B MACs | B flops (cnncalc) |
| :-- | --: | --: | :-- | --: | --: |
| first | 3,456 | 7,104 |  |  |  |
| pool | 0 | 144 |  |  |  |
| last | 240 | 485 | out | 480 | 960 |

</details>

× is the ratio to `A`, to three digits. Rows that align: 1 of 1 of `B` with 1 of 3 of `A`. For one image, MACs: \
multiply-accumulates of convolutions and dense layers; flops (cnncalc): 2 · MACs + bias additions + every other \
operation.
"""
    )


def test_csv() -> None:
    rows = list(csv.reader(io.StringIO(rendered.csv(compared(POOLED, DENSE)))))
    assert rows[0] == ["quantity", "A", "B", "B ratio", "counts"]
    assert [row[0] for row in rows[1:]] == list(QUANTITIES)
    by_name = {row[0]: row[1:] for row in rows}
    macs = "multiply-accumulates of convolutions and dense layers, for one image"
    assert by_name["macs"] == ["3696", "480", str(480 / 3696), macs]
    assert by_name["buffers"][:3] == ["0", "0", ""]
    refused = compared(POOLED, "input: 4x4x2\nlayers: [global_avg_pool, {group_norm: 2}]")
    assert "\nmemory.prediction," in rendered.csv(refused, ["memory.prediction"])
    assert rendered.csv(refused, ["memory.prediction"]).splitlines()[1].split(",")[2:4] == ["", ""]


def test_csv_of_layers() -> None:
    said = rendered.csv(compared(POOLED, DENSE, layers=True), ["kind", "output", "macs"])
    assert said == (
        "A layer,A kind,A output,A macs,B layer,B kind,B output,B macs\n"
        "first,conv 3x3,6x8x4,3456,,,,\n"
        "pool,max_pool 2x2/2,3x4x4,0,,,,\n"
        "last,linear,5,240,out,linear,10,480\n"
    )


def test_json() -> None:
    found = compared(POOLED, DENSE, layers=True)
    read = json.loads(rendered.json(found))
    assert read == json.loads(json.dumps(found.to_dict()))
    assert (read["schema_version"], read["layout"], read["by_name"]) == (1, "hwc", [])
    (macs,) = [one for one in read["totals"] if one["quantity"] == "macs"]
    assert (macs["values"], macs["ratios"]) == ([3696, 480], [1.0, 480 / 3696])
    assert [row[1] and row[1]["name"] for row in read["rows"]] == [None, None, "out"]
    assert json.loads(rendered.json(compared(POOLED, DENSE)))["rows"] is None
