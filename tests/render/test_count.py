"""A network's counts as a table, Markdown and CSV."""

from __future__ import annotations

import csv as reader
import io

import cnncalc
from cnncalc.counting import CountReport, chosen, count, with_counts
from cnncalc.render.count import csv, csv_layers, lines, markdown, markdown_layers, write_layers

SMALL = """\
name: small
input: 5x4x3
layers:
  - conv: {out_channels: 6, kernel_size: 3, padding: 1}
  - {name: norm, batch_norm: {}}
  - {name: own, l2_norm: {}}
"""


def report(*names: str, document: str = SMALL) -> CountReport:
    return count(cnncalc.loads(document, name="small.yaml"), chosen(names))


def page(drawn: CountReport, width: int | None = None) -> list[str]:
    return [line.text for line in lines(drawn, width)]


def test_a_table() -> None:
    assert page(report("macs", "flop_counter", "fvcore_activations", "timm_gmacs")) == [
        "small (small.yaml)",
        "3,240 MACs an image; how others count it, for one image at prediction",
        "",
        "convention          its word     total  which is",
        "------------------  -----------  -----  " + "-" * 60,
        "macs                MACs         3,240  the MACs",
        "flop_counter        FLOPs        6,480  2 · the MACs: a multiply and an add for each MAC; biases never",
        "                                        at least: nothing is told of `own`",
        "fvcore_activations  activations    120  120: outputs of convolutions and dense layers",
        "                                        at least: nothing is told of `own`",
        "timm_gmacs          GMACs        3,480  the MACs",
        "                                        + 240: 2 a value of a batch norm",
        "                                        printed as 0.0",
        "                                        at least: nothing is told of `own`",
        "",
        "at least: torch has no module for these kinds, so the count depends on the code that stands for them",
        "what each tool is, its version and its rules: docs/conventions.md; a layer's share: --per-layer",
    ]


def test_many_layers_of_which_nothing_is_told() -> None:
    drawn = page(report("thop", document="input: 4\nlayers:\n  - {l2_norm: {}, repeat: 5}\n"))
    assert drawn[5].endswith("at least: nothing is told of `l2_norm.0`, `l2_norm.1`, `l2_norm.2` and 2 layers more")


def test_nothing_to_count() -> None:
    assert page(report("thop", document="input: 4\nlayers: [relu]\n"))[5] == "thop        MACs          0  nothing"


def test_a_narrow_window_wraps_the_words() -> None:
    drawn = page(report("flop_counter"), 80)
    assert max(map(len, drawn)) <= 80
    assert drawn[5:7] == [
        "flop_counter  FLOPs     6,480  2 · the MACs: a multiply and an add for each MAC;",
        "                                   biases never",
    ]


def test_markdown() -> None:
    assert markdown(report("macs", "fvcore")).splitlines()[4:] == [
        "| convention | version | its word | total | which is |",
        "| :-- | :-- | :-- | --: | :-- |",
        "| `macs` | cnncalc | MACs | 3,240 | the MACs |",
        "| `fvcore` | 0.1.5.post20221221 | flops | 3,480 | the MACs<br>+ 240: 2 a value of a batch norm<br>"
        "at least: nothing is told of `own` |",
    ]


def test_csv_has_a_row_a_term() -> None:
    rows = list(reader.DictReader(io.StringIO(csv(report("fvcore", "torchvision")))))
    assert [(row["convention"], row["total"], row["prints"], row["term"], row["amount"]) for row in rows] == [
        ("fvcore", "3480", "", "the MACs", "3240"),
        ("fvcore", "3480", "", "2 a value of a batch norm", "240"),
        ("torchvision", "3240", "0.0", "the MACs", "3240"),
    ]


# By layer -------------------------------------------------------------------------------------------------------------


def layers(*names: str) -> cnncalc.Report:
    network = cnncalc.loads(SMALL, name="small.yaml")
    return with_counts(cnncalc.analyze(network), network, chosen(names))


def test_a_column_a_convention() -> None:
    out = io.StringIO()
    write_layers(layers("fvcore", "flops"), out)
    assert out.getvalue().splitlines() == [
        "layer  kind        output   MACs   fvcore  flops",
        "-----  ----------  ------  -----  -------  -----",
        "conv   conv 3x3    5x4x6   3,240    3,240  6,600",
        "norm   batch_norm  5x4x6       0      240    240",
        "own    l2_norm     5x4x6       0        ?    380",
        "-----  ----------  ------  -----  -------  -----",
        "total                      3,240  ≥ 3,480  7,220",
    ]


def test_a_column_a_convention_in_markdown_and_csv() -> None:
    assert markdown_layers(layers("fvcore")).splitlines()[3:] == [
        "| norm | batch\\_norm | 5x4x6 | 0 | 240 |",
        "| own | l2\\_norm | 5x4x6 | 0 | ? |",
        "| **total** |  |  | **3,240** | **≥ 3,480** |",
    ]
    rows = list(reader.DictReader(io.StringIO(csv_layers(layers("fvcore")))))
    assert [row["fvcore"] for row in rows] == ["3240", "240", "?"]
