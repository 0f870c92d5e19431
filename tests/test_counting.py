"""Counts put together: totals, parts and layers that agree; names, rounding, and a report with counts in it."""

from __future__ import annotations

import pytest

import cnncalc
from cnncalc.analysis import folded
from cnncalc.conventions import CONVENTIONS
from cnncalc.counting import chosen, convention, count, rounded, to_json, with_counts
from cnncalc.diagnostics import DocumentError

NETWORKS = ["alexnet_torchvision", "googlenet", "lenet5", "se_resnet50", "unet"]


@pytest.mark.parametrize("name", NETWORKS)
def test_parts_and_layers_add_up_to_the_total(name: str) -> None:
    network = cnncalc.load(name)
    report = count(network)
    assert [each.convention for each in report.counts] == list(CONVENTIONS)
    assert report.macs == cnncalc.analyze(network).totals.macs
    for each in report.counts:
        assert sum(part.amount for part in each.parts) == each.total
        assert sum(layer.amount or 0 for layer in each.layers) == each.total
        assert [layer.name for layer in each.layers] == [node.name for node in network]
        assert each.untold == [layer.name for layer in each.layers if layer.amount is None]
        assert len({part.words for part in each.parts}) == len(each.parts)


def test_what_is_rounded_and_what_is_not() -> None:
    counts = {each.convention: each for each in count(cnncalc.load("resnet50")).counts}
    assert counts["torchvision"].prints == "4.089"  # torchvision's metadata of ResNet50_Weights
    assert counts["timm_gmacs"].prints == "4.11"  # timm's tables of resnet50 at 224
    assert counts["timm_macts"].prints == "11.11"
    assert counts["fvcore"].prints == ""


@pytest.mark.parametrize(
    ("total", "unit", "digits", "text"),
    [(15_470_264_320, 10**9, 3, "15.47"), (500_000, 10**9, 3, "0.001"), (8 * 10**9, 10**9, 2, "8.0")],
)
def test_rounding_is_pythons(total: int, unit: int, digits: int, text: str) -> None:
    assert rounded(total, unit, digits) == text


# Names ----------------------------------------------------------------------------------------------------------------


def test_names() -> None:
    assert convention("fvcore") is CONVENTIONS["fvcore"]
    assert convention("FlopCounter".replace("C", "-C")) is CONVENTIONS["flop_counter"]
    assert chosen(["thop", "fvcore", "thop"]) == [CONVENTIONS["thop"], CONVENTIONS["fvcore"]]
    assert chosen(["thop", "all"]) == list(CONVENTIONS.values())


def test_an_unknown_name() -> None:
    with pytest.raises(DocumentError) as caught:
        convention("fvcor")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == ("unknown-convention", "did you mean `fvcore`?")


# In a report ----------------------------------------------------------------------------------------------------------

UNITS = """\
input: 6x5x4
blocks:
  unit: {layers: [{conv: {out_channels: 4, kernel_size: 1}}, batch_norm]}
  own: {layers: [l2_norm, relu]}
layers:
  - {name: unit, unit: {}, repeat: 2}
  - own
"""


def test_a_report_with_counts() -> None:
    network = cnncalc.loads(UNITS)
    report = with_counts(cnncalc.analyze(network), network, chosen(["fvcore", "macs"]))
    values, macs = 6 * 5 * 4, 6 * 5 * 4 * 4
    by_name = {row.name: row.counted for row in report.layers}
    assert by_name["unit.0.conv"] == {"fvcore": macs, "macs": macs}
    assert by_name["unit.1.batch_norm"] == {"fvcore": 2 * values, "macs": 0}
    assert by_name["own.l2_norm"] == {"fvcore": None, "macs": 0}
    assert report.totals.counted == {"fvcore": 2 * (macs + 2 * values), "macs": 2 * macs}


def test_a_block_has_the_sum_of_its_layers() -> None:
    network = cnncalc.loads(UNITS)
    report = folded(with_counts(cnncalc.analyze(network), network, chosen(["fvcore", "macs"])), 1)
    values, macs = 6 * 5 * 4, 6 * 5 * 4 * 4
    assert {row.name: row.counted for row in report.layers} == {
        "unit": {"fvcore": 2 * (macs + 2 * values), "macs": 2 * macs},
        "own": {"fvcore": None, "macs": 0},
    }


def test_json_has_every_number() -> None:
    import json

    report = count(cnncalc.loads(UNITS), chosen(["fvcore"]))
    (read,) = json.loads(to_json(report))["counts"]
    assert read["total"] == report.counts[0].total
    assert read["layers"][4] == {"name": "own.l2_norm", "kind": "l2_norm", "amount": None}
