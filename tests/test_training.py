from __future__ import annotations

import json
from dataclasses import fields

import pytest
from pydantic import ValidationError

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.training import SCHEMA_VERSION, TrainingReport, from_json, json_schema, to_json, training

# 20 places. First: 4 outputs of 2·9 products; grouped: 6 outputs of 2·9, in 2 groups; depthwise: 6 of 9; then 5 of 120.
SMALL = """\
name: small
input: 4x5x2
layers:
  - {name: first, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - relu
  - {name: grouped, conv: {out_channels: 6, kernel_size: 3, padding: 1, groups: 2}}
  - {name: each, depthwise_conv: {kernel_size: 3, padding: 1}}
  - {name: last, linear: 5}
"""


@pytest.fixture(scope="module")
def small() -> TrainingReport:
    return training(cnncalc.loads(SMALL, name="small.yaml"))


def test_totals(small: TrainingReport) -> None:
    first, grouped, each, last = 20 * 4 * 18, 20 * 6 * 18, 20 * 6 * 9, 5 * 120
    assert [layer.forward for layer in small.layers] == [first, grouped, each, last] == [1440, 2160, 1080, 600]
    assert small.forward == small.to_weights == 1440 + 2160 + 1080 + 600 == 5280
    assert small.to_inputs == 5280 - 1440 == 3840
    assert (small.backward, small.total, small.flops) == (9120, 14_400, 28_800)
    assert (small.name, small.source, small.frozen) == ("small", "small.yaml", [])


def test_flop_counter_by_hand(small: TrainingReport) -> None:
    """Two a product; the gradient to grouped weights as often as there are groups: 2 and, depthwise, 6."""
    expected = [2 * 2 * 1440, 2 * (2 + 2) * 2160, 2 * (2 + 6) * 1080, 2 * 3 * 600]
    assert [layer.flop_counter for layer in small.layers] == expected
    assert small.flop_counter == sum(expected) == 28_800 + 2 * 1 * 2160 + 2 * 5 * 1080


def test_frozen_weights_are_counted_right_by_torch() -> None:
    report = training(cnncalc.loads(SMALL), ["grouped.weight", "each.*"])
    assert report.frozen == ["grouped.weight", "each.*"]
    assert report.to_weights == 1440 + 600
    assert report.flop_counter == report.flops


@pytest.mark.parametrize(
    ("layer", "groups"),
    [
        # 5 pairs of channels: the three channels are gathered into five, and each is convolved by itself
        pytest.param(
            "conv: {out_channels: 3, kernel_size: 2, connections: [[0, 1], [2], [1, 2]]}", 5, id="connections"
        ),
        pytest.param("conv_transpose: {out_channels: 6, kernel_size: 2, groups: 3}", 3, id="transposed"),
        pytest.param("depthwise_conv: {kernel_size: 2, multiplier: 2}", 3, id="depthwise"),
        pytest.param("locally_connected: {out_channels: 2, kernel_size: 2}", 1, id="locally-connected"),
    ],
)
def test_groups_of_the_flop_counter(layer: str, groups: int) -> None:
    (row,) = training(cnncalc.loads(f"input: 4x4x3\nlayers: [{{{layer}}}]")).layers
    assert row.flop_counter == 2 * (row.forward + groups * row.to_weights)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # torchvision's networks, measured with torch 2.13 for a batch of 2
        ("vgg16", 185_296_355_328),
        ("resnet50", 48_598_155_264),
    ],
)
def test_measured(name: str, expected: int) -> None:
    report = training(cnncalc.load(name))
    assert 2 * report.flops == 2 * report.flop_counter == expected


def test_the_first_convolution_of_vgg16() -> None:
    """The same, from the plain MACs: six a product, but for the first layer's gradient to the image."""
    report = training(cnncalc.load("vgg16"))
    first = 64 * 224 * 224 * 27
    assert report.forward == 15_470_264_320
    assert report.flops == 6 * 15_470_264_320 - 2 * first


@pytest.mark.parametrize("name", ["lenet5", "mobilenet_v2", "googlenet_aux", "unet"])
def test_everything_adds_up(name: str) -> None:
    network = cnncalc.load(name)
    report = training(network)
    for key in ("forward", "to_weights", "to_inputs", "total", "flop_counter"):
        assert getattr(report, key) == sum(getattr(layer, key) for layer in report.layers), key
    assert report.forward == cnncalc.analyze(network).totals.macs
    assert [layer.name for layer in report.layers] == [node.name for node in network if node.facts.macs]


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(DocumentError, match="nothing-to-freeze"):
        training(cnncalc.loads(SMALL), ["nowhere.*"])


# JSON -----------------------------------------------------------------------------------------------------------------


def test_json(small: TrainingReport) -> None:
    written = json.loads(to_json(small))
    assert list(written) == [field.name for field in fields(TrainingReport)]
    assert written["schema_version"] == SCHEMA_VERSION == 1
    assert written["layers"][0] == {
        "name": "first",
        "kind": "conv",
        "forward": 1440,
        "to_weights": 1440,
        "to_inputs": 0,
        "total": 2880,
        "why_not_weights": "",
        "why_not_inputs": "image",
        "flop_counter": 5760,
    }
    assert written == small.to_dict()
    assert from_json(to_json(small)) == from_json(to_json(small, indent=None)) == small


def test_json_that_is_none(small: TrainingReport) -> None:
    written = json.loads(to_json(small))
    written["layers"][0]["why_not_inputs"] = "tired"
    with pytest.raises(ValidationError, match="why_not_inputs"):
        from_json(json.dumps(written))


def test_json_schema(small: TrainingReport) -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json_schema())
    assert validator.is_valid(json.loads(to_json(small)))
    assert not validator.is_valid({**json.loads(to_json(small)), "total": "many"})
