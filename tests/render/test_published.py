"""Which counts give a published figure, as a table and in Markdown."""

from __future__ import annotations

import cnncalc
from cnncalc.published import Matches, figure, matches
from cnncalc.render.published import lines, markdown


def found(network: str, text: str) -> Matches:
    return matches(cnncalc.load(network), figure(text))


def page(drawn: Matches, width: int | None = None) -> list[str]:
    return [line.text for line in lines(drawn, width)]


def test_figures_that_a_network_has() -> None:
    assert page(found("resnet50", "25.6M")) == [
        "2 counts of ResNet-50 give 25.6M",
        "",
        "count                   of this network  gives it  which is",
        "----------------------  ---------------  --------  " + "-" * 40,
        "parameters                   25,557,032  rounded   parameters: weights and biases",
        "parameters_and_buffers       25,610,152  rounded   parameters and buffers: as Keras counts them in all",
    ]


def test_digits_that_were_cut_off() -> None:
    drawn = page(found("resnet50", "4.08G"))
    assert drawn[4].startswith("macs              4,089,184,256  cut off   multiply-accumulates (MACs)")
    assert drawn[-1] == "cut off: the figure has the count's first digits, not rounded"


def test_one_count() -> None:
    assert page(found("resnet50", "25,557,032"))[0] == "1 count of ResNet-50 gives 25,557,032"


def test_none() -> None:
    """4,089,184,256 / 3,858,000,000 = 1.0599."""
    drawn = page(found("resnet50", "3.858G"), 100)
    assert drawn[0] == "no count of ResNet-50 gives 3.858G; the nearest are"
    assert drawn[4] == "macs           4,089,184,256  ×1.060    multiply-accumulates (MACs): the MACs"
    assert "the figure may be of another input" in drawn[-2]
    assert max(map(len, drawn)) <= 100


def test_nothing_is_no_multiple_of_zero() -> None:
    assert " -  " in page(found("vgg16", "0"))[4]


def test_markdown() -> None:
    assert markdown(found("resnet50", "25,557,032")).splitlines() == [
        "1 count of ResNet-50 gives 25,557,032",
        "",
        "| count | of this network | gives it | which is |",
        "| :-- | --: | :-- | :-- |",
        "| `parameters` | 25,557,032 | exactly | parameters: weights and biases |",
    ]
