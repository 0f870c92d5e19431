from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

import cnncalc
from cnncalc import Report, analyze
from cnncalc.analysis import folded
from cnncalc.report import LayerReport, Place, ReceptiveField

# A network small enough to count by hand: H is not W, kernels and strides are oblong, and every kind of row occurs.
SMALL = """\
name: small
input: 6x8x2
layers:
  - conv: {out_channels: 4, kernel_size: [3, 5], stride: [1, 2], padding: [1, 2]}
    name: first
  - batch_norm
  - relu: {inplace: true}
  - add:
      - - conv: {out_channels: 4, kernel_size: 1, bias: false}
      - identity
  - max_pool: 2
  - flatten
  - linear: {out_features: 5, activation: relu}
"""


def small(**options: Any) -> Report:
    return analyze(cnncalc.loads(SMALL, name="small.yaml"), **options)


def row(report: Report, name: str) -> LayerReport:
    return {layer.name: layer for layer in report.layers}[name]


def column(report: Report, key: str) -> dict[str, Any]:
    return {layer.name: getattr(layer, key) for layer in report.layers}


# Rows -----------------------------------------------------------------------------------------------------------------


def test_a_row() -> None:
    assert row(small(), "first") == LayerReport(
        name="first",
        kind="conv",
        title="3x5/1x2",
        inputs=["input"],
        input=[2, 6, 8],
        input_shapes=[[2, 6, 8]],
        output=[4, 6, 4],  # (6 - 3 + 2)/1 + 1 = 6, (8 - 5 + 4)/2 + 1 = 4
        parameters=120 + 4,
        weights=4 * 2 * 3 * 5,
        biases=4,
        buffers=0,
        macs=96 * 30,
        multiplies=96 * 30,
        operations={"multiplies": 96 * 30, "adds": 96 * 30 + 96},  # a bias for each output is an add more
        activations=4 * 6 * 4,
        activation_bytes=96 * 4,
        neurons=96,
        connections=96 * 30 + 96,
        receptive_field=ReceptiveField("input", [3, 5], [1, 2], [-1, -2]),
        place=Place("small.yaml", 4, 5),
        used_at=[],
    )


def test_columns() -> None:
    report = small()
    assert [layer.name for layer in report.layers] == [
        "first",
        "batch_norm",
        "relu",
        "conv",
        "add",
        "max_pool",
        "flatten",
        "linear",
    ]
    assert column(report, "inputs")["add"] == ["conv", "relu"]
    assert column(report, "input_shapes")["add"] == [[4, 6, 4], [4, 6, 4]]
    assert list(column(report, "output").values()) == [
        *[[4, 6, 4]] * 5,
        [4, 3, 2],
        [24],
        [5],
    ]
    assert list(column(report, "weights").values()) == [120, 4, 0, 4 * 4, 0, 0, 0, 5 * 24]
    assert list(column(report, "biases").values()) == [4, 4, 0, 0, 0, 0, 0, 5]
    assert list(column(report, "buffers").values()) == [0, 4 + 4, 0, 0, 0, 0, 0, 0]
    assert list(column(report, "macs").values()) == [2880, 0, 0, 96 * 4, 0, 0, 0, 120]
    # in place and a view: no tensor of their own, but as many neurons as ever
    assert list(column(report, "activations").values()) == [96, 96, 0, 96, 96, 24, 0, 5]
    assert list(column(report, "neurons").values()) == [96, 96, 96, 96, 96, 24, 24, 5]
    assert row(report, "linear").operations == {"multiplies": 120, "adds": 120 + 5, "comparisons": 5}
    assert row(report, "max_pool").operations == {"comparisons": 3 * 24}
    assert row(report, "add").operations == {"adds": 96}
    assert row(report, "flatten").operations == {}
    assert row(report, "flatten").receptive_field == ReceptiveField("input", [4, 7], None, None)  # 3 + 1·1, 5 + 1·2


def test_fractional_jumps_are_text() -> None:
    report = analyze(cnncalc.loads("{input: 4x6x1, layers: [{upsample: [2, 3]}, {max_pool: [1, 6]}]}"))
    seen = [layer.receptive_field for layer in report.layers]
    assert seen == [
        ReceptiveField("input", [1, 1], ["1/2", "1/3"], [0, 0]),
        ReceptiveField("input", [1, 2], ["1/2", 2], [0, 0]),
    ]


def test_places_inside_blocks() -> None:
    report = analyze(
        cnncalc.loads(
            """\
input: 8x8x1
blocks:
  pair:
    layers:
      - relu
      - tanh
  pairs:
    layers:
      - pair
      - pair
layers:
  - pairs
""",
            name="nested.yaml",
        )
    )
    second = row(report, "pairs.pair2.tanh")
    assert second.place == Place("nested.yaml", 6, 9)
    assert second.used_at == [Place("nested.yaml", 12, 5), Place("nested.yaml", 10, 9)]


def test_a_layer_of_an_extended_document_stands_in_that_document() -> None:
    place = analyze(cnncalc.load("resnet101")).layers[0].place
    assert place is not None
    assert place.file == "resnet50.yaml"


# Totals ---------------------------------------------------------------------------------------------------------------


def test_totals() -> None:
    totals = small().totals
    assert totals.layers == 8
    assert (totals.parameters, totals.weights, totals.biases, totals.buffers) == (260 + 13, 260, 13, 8)
    assert totals.macs == 2880 + 384 + 120
    assert totals.activations == 4 * 96 + 24 + 5
    assert totals.activation_bytes == 4 * 413
    assert totals.input_elements == 6 * 8 * 2
    assert totals.connections == (2880 + 96) + 384 + 125 + 96 * 2  # batch norm scales and shifts each of 96 values
    assert (totals.depth.layers, totals.depth.sorts) == (3, {"convolution": 2, "dense": 1})


@pytest.mark.parametrize("name", ["lenet5", "googlenet_aux", "unet", "ssd300_vgg16", "mobilenet_v2"])
def test_totals_are_sums_of_rows(name: str) -> None:
    report = analyze(cnncalc.load(name))
    counted = [
        "parameters",
        "weights",
        "biases",
        "buffers",
        "macs",
        "multiplies",
        "activations",
        "activation_bytes",
        "connections",
    ]
    for key in counted:
        assert getattr(report.totals, key) == sum(column(report, key).values()), key
    kinds = {kind for layer in report.layers for kind in layer.operations}
    sums = {kind: sum(layer.operations.get(kind, 0) for layer in report.layers) for kind in kinds}
    assert report.totals.operations == sums
    assert report.totals.multiplies == sums["multiplies"]
    assert report.totals.parameters == report.totals.weights + report.totals.biases


def test_inputs_and_outputs() -> None:
    report = analyze(
        cnncalc.loads("""
        inputs: {image: 8x6x3, mask: 8x6x1}
        layers:
          - {name: both, concat: [image, mask]}
          - {name: masked, multiply: [image, mask]}
        outputs: [masked, both]
        """)
    )
    assert [(value.name, value.shape) for value in report.inputs] == [("image", [3, 8, 6]), ("mask", [1, 8, 6])]
    assert [(value.name, value.shape) for value in report.outputs] == [("masked", [3, 8, 6]), ("both", [4, 8, 6])]
    assert report.totals.input_elements == 4 * 48
    assert report.totals.memory.input == 4 * 4 * 48


def test_remarks() -> None:
    (remark,) = analyze(cnncalc.loads("{input: 7x8x1, layers: [{name: half, max_pool: 2}]}", name="odd.yaml")).remarks
    assert (remark.severity, remark.code, remark.help) == ("note", "input-unread", "")
    assert remark.message == "`half`: no window reads the last 1 of 7 rows"
    assert remark.place == Place("odd.yaml", 1, 25)


# Batch and number format ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "width"),
    [("float64", 8), ("float32", 4), ("float16", 2), ("bfloat16", 2), ("int8", 1)],
)
@pytest.mark.parametrize("batch", [1, 7])
def test_bytes_are_for_the_batch_and_counts_for_an_image(batch: int, dtype: str, width: int) -> None:
    one, ours = small(), small(batch=batch, dtype=dtype)
    assert (ours.batch, ours.dtype) == (batch, dtype)
    assert column(ours, "activation_bytes") == {
        name: count * width * batch for name, count in column(one, "activations").items()
    }
    assert ours.totals.activation_bytes == 413 * width * batch
    memory = ours.totals.memory
    assert (memory.batch, memory.dtype) == (batch, dtype)
    assert memory.parameters == 273 * width  # once, however large the batch
    assert memory.input == 96 * width * batch
    assert memory.outputs == 413 * width * batch
    for key in ("parameters", "macs", "multiplies", "operations", "activations", "neurons", "connections"):
        assert column(ours, key) == column(one, key), key


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "a batch has at least 1 image, not 0"),
        ({"batch": -3}, "a batch has at least 1 image, not -3"),
        ({"dtype": "float31"}, "`float31` is not a number format; known: float64, float32"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


# By blocks ------------------------------------------------------------------------------------------------------------

BLOCKS = """\
input: 8x8x2
blocks:
  unit:
    layers:
      - {name: conv, conv: {out_channels: 2, kernel_size: 3, padding: 1}}
      - relu
  stage:
    layers:
      - {name: unit, unit: {}, repeat: 2}
      - {name: sum, add: [unit.0, identity]}
layers:
  - {name: stem, conv: {out_channels: 2, kernel_size: 1}}
  - {name: first, stage: {}}
  - {name: join, add: [identity, first.unit.0]}
  - {name: last, stage: {}}
"""


def test_folded_to_blocks() -> None:
    report = folded(analyze(cnncalc.loads(BLOCKS, name="blocks.yaml")), 1)
    assert [(layer.name, layer.kind, layer.title, layer.layers) for layer in report.layers] == [
        ("stem", "conv", "1x1", 1),
        ("first", "block", "5 layers", 5),
        ("join", "add", "2 paths", 1),
        ("last", "block", "5 layers", 5),
    ]
    block = report.layers[3]
    conv = 2 * 2 * 9 + 2  # parameters of a 3x3 from 2 to 2 channels
    assert (block.parameters, block.weights, block.biases) == (2 * conv, 72, 4)
    assert block.macs == 2 * 128 * 18
    assert block.operations == {
        "multiplies": 2 * 128 * 18,
        "adds": 2 * (128 * 18 + 128) + 128,
        "comparisons": 2 * 128,
    }
    assert block.activations == 5 * 128
    assert block.activation_bytes == 5 * 128 * 4
    assert (block.input, block.output) == ([2, 8, 8], [2, 8, 8])
    assert block.receptive_field == ReceptiveField("input", [9, 9], [1, 1], [-4, -4])
    assert block.place == Place("blocks.yaml", 15, 5)
    assert block.used_at == []


def test_folded_rows_read_folded_rows() -> None:
    report = folded(analyze(cnncalc.loads(BLOCKS)), 1)
    assert [layer.inputs for layer in report.layers] == [["input"], ["stem"], ["first", "first"], ["join"]]
    report = folded(analyze(cnncalc.loads(BLOCKS)), 2)
    rows = {layer.name: layer.inputs for layer in report.layers}
    assert rows == {
        "stem": ["input"],
        "first.unit": ["stem"],
        "first.sum": ["first.unit", "first.unit"],  # unit.0 and unit.1
        "join": ["first.sum", "first.unit"],
        "last.unit": ["join"],
        "last.sum": ["last.unit", "last.unit"],
    }


def test_folded_two_deep() -> None:
    report = folded(analyze(cnncalc.loads(BLOCKS, name="blocks.yaml")), 2)
    unit = report.layers[1]
    assert (unit.name, unit.kind, unit.layers) == ("first.unit", "block", 4)
    assert unit.place == Place("blocks.yaml", 9, 9)
    assert unit.used_at == [Place("blocks.yaml", 13, 5)]


def test_folding_deeper_than_the_blocks_changes_nothing() -> None:
    report = analyze(cnncalc.loads(BLOCKS))
    assert folded(report, 9) == report


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["inception_v3", "se_resnet50", "ssd300_vgg16", "densenet121"])
def test_folding_loses_nothing(name: str, depth: int) -> None:
    report = analyze(cnncalc.load(name))
    less = folded(report, depth)
    assert less.totals == report.totals
    for key in (
        "parameters",
        "buffers",
        "macs",
        "multiplies",
        "activations",
        "activation_bytes",
        "connections",
        "neurons",
    ):
        assert sum(column(less, key).values()) == sum(column(report, key).values()), key
    assert sum(layer.layers for layer in less.layers) == report.totals.layers
    names = {layer.name for layer in less.layers} | {value.name for value in report.inputs}
    assert len(names) == len(less.layers) + len(report.inputs)
    assert all(set(layer.inputs) <= names - {layer.name} for layer in less.layers)


def test_every_field_of_a_report_survives_folding() -> None:
    report = analyze(cnncalc.load("vgg16"), batch=3, dtype="float16")
    less = folded(report, 1)
    for field in fields(Report):
        if field.name != "layers":
            assert getattr(less, field.name) == getattr(report, field.name), field.name
