"""Published figures: how they are read, and which counts give them."""

from __future__ import annotations

from fractions import Fraction

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.published import figure, matches


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("4.11G", 4_110_000_000, 10_000_000),
        ("4.11 GFLOPs", 4_110_000_000, 10_000_000),
        ("4.1 BFLOPs", 4_100_000_000, 100_000_000),
        ("4.11GMACs", 4_110_000_000, 10_000_000),
        ("569 million mult-adds", 569_000_000, 1_000_000),
        ("569M", 569_000_000, 1_000_000),
        ("3.8 billion", 3_800_000_000, 100_000_000),
        ("about 138M parameters", 138_000_000, 1_000_000),
        ("12k", 12_000, 1_000),
        ("0.7T", 700_000_000_000, 100_000_000_000),
        ("25,557,032", 25_557_032, 1),
        ("25557032 params", 25_557_032, 1),
        ("120 MACs", 120, 1),
        ("4.10G", 4_100_000_000, 10_000_000),
    ],
)
def test_how_a_figure_is_read(text: str, value: int, step: int) -> None:
    read = figure(text)
    assert (read.value, read.step) == (value, step)


@pytest.mark.parametrize("text", ["", "foo", "4,11G", "4.11 GB/s", "-3", "1.2.3G", "4.11Q", "12x"])
def test_what_is_no_figure(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        figure(text)
    assert caught.value.diagnostics[0].code == "not-a-figure"


@pytest.mark.parametrize(
    ("text", "amount", "fit"),
    [
        ("4.11G", 4_110_000_000, "exact"),
        ("4.11G", 4_105_000_000, "rounded"),
        ("4.11G", 4_115_000_000, "rounded"),
        ("4.11G", 4_115_000_001, "cut"),
        ("4.11G", 4_119_999_999, "cut"),
        ("4.11G", 4_120_000_000, ""),
        ("4.11G", 4_104_999_999, ""),
        ("4,110", 4_110, "exact"),
        ("4,110", 4_111, ""),
        ("4,110", 4_109, ""),
        ("12.5", 12, ""),
    ],
)
def test_when_a_count_gives_a_figure(text: str, amount: int, fit: str) -> None:
    assert figure(text).fits(amount) == fit


def names(network: str, text: str, *settings: str) -> set[str]:
    return {match.name for match in matches(cnncalc.load(network, settings), figure(text)).matches}


def test_figures_that_were_published() -> None:
    # torchvision's metadata of resnet50, and timm's table of it.
    assert "torchvision" in names("resnet50", "4.089 GFLOPS")
    assert names("resnet50", "4.11G") >= {"timm_gmacs", "fvcore"}
    assert "macs" not in names("resnet50", "4.11G")
    # Howard et al. 2017, table 4: MobileNet's 569 million mult-adds and 4.2 million parameters.
    assert "macs" in names("mobilenet_v1", "569 million mult-adds")
    assert "parameters" in names("mobilenet_v1", "4.2 million parameters")
    # Keras's table of VGG16.
    assert "parameters" in names("vgg16", "138.4M")


def test_the_best_fits_come_first() -> None:
    found = matches(cnncalc.load("resnet50"), figure("4,111,512,576"))
    assert [(match.name, match.fit) for match in found.matches] == [("fvcore", "exact"), ("timm_gmacs", "exact")]
    fits = [match.fit for match in matches(cnncalc.load("resnet50"), figure("4.08G")).matches]
    assert fits == sorted(fits, key=["exact", "rounded", "cut"].index)
    assert set(fits) == {"cut"}


def test_the_nearest_where_none_fits() -> None:
    found = matches(cnncalc.load("resnet50"), figure("3.858G"))
    assert found.matches == []
    assert [match.amount for match in found.nearest] == [4_089_184_256] * 3
    assert all(match.fit == "" for match in found.nearest)


def test_buffers_count_where_there_are_some() -> None:
    # Keras: 25,610,152 for what torchvision has as parameters and running statistics.
    assert names("resnet50", "25,610,152") == {"parameters_and_buffers"}
    assert all(match.name != "parameters_and_buffers" for match in matches(cnncalc.load("vgg16"), figure("1")).nearest)


def test_a_value_is_a_fraction() -> None:
    assert figure("15.5 G").value == Fraction("15.5") * 10**9
