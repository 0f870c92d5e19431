from __future__ import annotations

from dataclasses import replace

import pytest

import cnncalc
from cnncalc import Report
from cnncalc.render.columns import BY_KEY, COLUMNS, DEFAULT, body, chosen, heading, text, together, total


def keys(names: str) -> list[str]:
    return [column.key for column in chosen(names)]


def test_chosen() -> None:
    assert keys("output") == ["output"]
    assert keys("output, layer ,macs") == ["output", "layer", "macs"]
    assert keys("all") == [column.key for column in COLUMNS]
    assert keys(",".join(BY_KEY)) == list(BY_KEY)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("layer,outputs", "`outputs` is not a column; did you mean `output` or `inputs`?"),
        ("MACs", "`MACs` is not a column; did you mean `macs`?"),
        (
            "flops",
            "`flops` is not a column; columns: layer, kind, inputs, input, output, parameters, weights, biases, "
            "buffers, macs, multiplies, connections, neurons, activations, bytes, field, jump, start, place, or all",
        ),
        ("layer,", "`` is not a column; columns: layer"),
        ("", "`` is not a column; columns: layer"),
    ],
)
def test_a_wrong_column_is_refused(names: str, message: str) -> None:
    with pytest.raises(ValueError, match="is not a column") as refusal:
        chosen(names)
    assert str(refusal.value).startswith(message)


def test_cells(small: Report) -> None:
    """Every column of a window, of a view and of the totals; the numbers are counted in tests/test_analysis.py."""
    rows = {row[0]: dict(zip(BY_KEY, row, strict=True)) for row in body(small, COLUMNS)}
    assert rows["first"] == {
        "layer": "first",
        "kind": "conv 3x5/1x2",
        "inputs": "input",
        "input": "6x8x2",
        "output": "6x4x4",
        "parameters": "124",
        "weights": "120",
        "biases": "4",
        "buffers": "0",
        "macs": "2,880",
        "multiplies": "2,880",
        "connections": "2,976",
        "neurons": "96",
        "activations": "96",
        "bytes": "384",
        "field": "3x5",
        "jump": "1, 2",
        "start": "-1, -2",
        "place": "small.yaml:4",
    }
    flatten = rows["flatten"]
    assert (flatten["output"], flatten["field"], flatten["jump"], flatten["start"]) == ("24", "4x7", "-", "-")
    assert rows["add"]["inputs"] == "conv, relu"
    assert dict(zip(BY_KEY, total(small, COLUMNS), strict=True)) == {
        "layer": "total",
        "kind": "",
        "inputs": "",
        "input": "",
        "output": "",
        "parameters": "273",
        "weights": "260",
        "biases": "13",
        "buffers": "8",
        "macs": "3,384",
        "multiplies": "3,480",  # and 96 of the batch norm
        "connections": "3,677",
        "neurons": "",
        "activations": "413",
        "bytes": "1,652",
        "field": "",
        "jump": "",
        "start": "",
        "place": "",
    }


def test_a_column_with_a_total_adds_up() -> None:
    report = cnncalc.analyze(cnncalc.load("googlenet"))
    for column in COLUMNS:
        if column.total is not None:
            cells = [column.cell(row, report) for row in report.layers]
            assert sum(cell for cell in cells if isinstance(cell, int)) == column.total(report), column.key
            assert column.number


def test_no_receptive_field() -> None:
    report = cnncalc.analyze(cnncalc.loads("{input: 8, layers: [{linear: 3}]}"))
    columns = chosen("field,jump,start")
    assert body(report, columns) == [["-", "-", "-"]]


def test_shapes_in_the_documents_order(small: Report) -> None:
    columns = chosen("input,output")
    assert body(small, columns)[0] == ["6x8x2", "6x4x4"]
    assert body(replace(small, layout="chw"), columns)[0] == ["[2, 6, 8]", "[4, 6, 4]"]


def test_the_heading_of_bytes_says_the_batch(small: Report, batch_of_8: Report) -> None:
    assert heading(BY_KEY["bytes"], small) == "bytes"
    assert heading(BY_KEY["bytes"], batch_of_8) == "bytes, batch of 8"
    assert heading(BY_KEY["macs"], batch_of_8) == "MACs"


def test_text() -> None:
    assert [text(cell) for cell in (0, 999, 1_234_567, "conv 3x3")] == ["0", "999", "1,234,567", "conv 3x3"]


# Rows that repeat -----------------------------------------------------------------------------------------------------


def names(report: Report, columns: str) -> list[str]:
    shown = chosen(columns)
    place = [column.key for column in shown].index("layer")
    return [row[place] for row in body(report, shown)]


def test_rows_that_repeat_are_one(repeating: Report) -> None:
    runs = [(row.name, times) for row, times in together(repeating.layers)]
    assert runs == [
        ("conv3_1..2", 2),
        ("wide.0..2", 3),
        ("unit.0.conv", 1),
        ("unit.0.relu", 1),
        ("unit.1.conv", 1),
        ("unit.1.relu", 1),
    ]
    last = together(repeating.layers)[1][0]
    assert last.receptive_field is not None
    assert last.receptive_field.size == [17, 17]  # 5 after two 3x3; 9, 13, 17
    written = ["conv3_1..2 ×2", "wide.0..2 ×3", "unit.0.conv", "unit.0.relu", "unit.1.conv", "unit.1.relu"]
    assert names(repeating, "layer,output") == written
    assert names(repeating, "output,layer") == written


@pytest.mark.parametrize("columns", ["layer,inputs", "layer,place", "layer,output,inputs,macs"])
def test_rows_stay_apart_where_a_column_tells_them_apart(repeating: Report, columns: str) -> None:
    assert names(repeating, columns) == [row.name for row in repeating.layers]


def test_without_names_every_row_is_drawn(repeating: Report) -> None:
    """Or a column of numbers would not add up to its total."""
    rows = body(repeating, chosen("parameters"))
    assert sum(int(number) for (number,) in rows) == repeating.totals.parameters
    assert total(repeating, chosen("parameters")) == ["1,804"]
    assert total(repeating, chosen("parameters,output")) == ["1,804", "total"]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("{name: conv2, conv: {out_channels: 4, kernel_size: 3, padding: 1, bias: false}}", id="no-bias"),
        pytest.param(
            "{name: conv2, conv: {out_channels: 4, kernel_size: 3, padding: 1, activation: relu}}", id="fused"
        ),
        pytest.param("{name: conv2, conv: {out_channels: 4, kernel_size: 3, padding: 1, groups: 2}}", id="groups"),
        pytest.param("{name: conv2, conv: {out_channels: 4, kernel_size: 3}}", id="another-size"),
        pytest.param("{name: other2, conv: {out_channels: 4, kernel_size: 3, padding: 1}}", id="another-name"),
        pytest.param(
            "{name: conv2, conv: {out_channels: 4, kernel_size: [1, 9], padding: [0, 4]}}", id="another-kernel"
        ),
    ],
)
def test_rows_that_differ_stay_apart(second: str) -> None:
    first = "{name: conv1, conv: {out_channels: 4, kernel_size: 3, padding: 1}}"
    report = cnncalc.analyze(cnncalc.loads(f"{{input: 8x8x4, layers: [{first}, {second}]}}"))
    assert [times for _, times in together(report.layers)] == [1, 1]


def test_rows_that_read_another_shape_stay_apart() -> None:
    report = cnncalc.analyze(cnncalc.loads("{input: 8x8x4, layers: [{name: c1, crop: 6}, {name: c2, crop: 6}]}"))
    assert [times for _, times in together(report.layers)] == [1, 1]


def test_in_place_is_no_copy() -> None:
    report = cnncalc.analyze(
        cnncalc.loads("{input: 8x8x4, layers: [{name: r1, relu: {}}, {name: r2, relu: {inplace: true}}]}")
    )
    assert [times for _, times in together(report.layers)] == [1, 1]


def test_the_default_columns_are_columns() -> None:
    assert DEFAULT == ("layer", "kind", "output", "parameters", "macs", "bytes", "field")
    assert set(DEFAULT) <= set(BY_KEY)
    assert len(BY_KEY) == len(COLUMNS)
