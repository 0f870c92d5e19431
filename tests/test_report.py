from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

import cnncalc
from cnncalc import Report, analyze, json_schema
from cnncalc.analysis import folded
from cnncalc.report import SCHEMA_VERSION, from_json, to_json

# Fractional jumps, blocks, a vector, several outputs, remarks, a layer without a receptive field.
EVERYTHING = """\
name: everything
input: 7x9x2
blocks:
  pair:
    layers:
      - {conv: {out_channels: 4, kernel_size: 3, stride: 2}}
      - {relu: {inplace: true}}
layers:
  - {upsample: 2}
  - {name: pairs, pair: {}, repeat: 2}
  - {name: joined, concat: {axis: 1, paths: [identity, identity]}}
  - {name: classes, linear: 5}
outputs: [classes, joined]
"""


@pytest.fixture(scope="module")
def report() -> Report:
    return analyze(cnncalc.loads(EVERYTHING), batch=3, dtype="float16")


# What other programs read: these names are a promise, and a change of them is a new `schema_version`.
FIELDS = {
    "report": [
        "schema_version",
        "name",
        "source",
        "layout",
        "batch",
        "dtype",
        "inputs",
        "outputs",
        "layers",
        "totals",
        "remarks",
    ],
    "layer": [
        "name",
        "kind",
        "title",
        "inputs",
        "input",
        "input_shapes",
        "output",
        "parameters",
        "weights",
        "biases",
        "buffers",
        "macs",
        "multiplies",
        "operations",
        "activations",
        "activation_bytes",
        "neurons",
        "connections",
        "receptive_field",
        "place",
        "used_at",
        "layers",
        "counted",
    ],
    "totals": [
        "layers",
        "parameters",
        "weights",
        "biases",
        "buffers",
        "macs",
        "multiplies",
        "operations",
        "activations",
        "activation_bytes",
        "input_elements",
        "connections",
        "depth",
        "memory",
        "counted",
        "unknown",
    ],
    "depth": ["layers", "sorts"],
    "memory": [
        "model",
        "batch",
        "dtype",
        "parameters",
        "input",
        "outputs",
        "widest_pair",
        "widest_layer",
        "prediction",
        "training",
    ],
    "receptive_field": ["of", "size", "jump", "start"],
    "place": ["file", "line", "column"],
    "remark": ["severity", "code", "message", "help", "place"],
    "tensor": ["name", "shape"],
}


def test_fields_of_the_json(report: Report) -> None:
    written = json.loads(to_json(report))
    layer, totals = written["layers"][0], written["totals"]
    assert written["schema_version"] == SCHEMA_VERSION == 1
    found = {
        "report": written,
        "layer": layer,
        "totals": totals,
        "depth": totals["depth"],
        "memory": totals["memory"],
        "receptive_field": layer["receptive_field"],
        "place": layer["place"],
        "remark": written["remarks"][0],
        "tensor": written["inputs"][0],
    }
    assert {name: list(value) for name, value in found.items()} == FIELDS


def test_shapes_are_channels_first_and_numbers_exact(report: Report) -> None:
    written = json.loads(to_json(report))
    assert written["inputs"] == [{"name": "input", "shape": [2, 7, 9]}]
    assert written["outputs"] == [{"name": "classes", "shape": [5]}, {"name": "joined", "shape": [4, 2 + 2, 3]}]
    # 14x18; (14 - 3)//2 + 1 = 6, (18 - 3)//2 + 1 = 8; then 2x3
    assert [layer["output"] for layer in written["layers"][:3]] == [[2, 14, 18], [4, 6, 8], [4, 6, 8]]
    assert written["layers"][0]["receptive_field"] == {
        "of": "input",
        "size": [1, 1],
        "jump": ["1/2", "1/2"],
        "start": [0, 0],
    }
    assert written["layers"][-1]["receptive_field"] is None


def test_large_numbers_are_exact_in_json() -> None:
    """Beyond 2^53 a float would be off by one."""
    wide = analyze(cnncalc.loads("{input: 2000000001, layers: [{linear: 2000000011}]}"))
    macs = 2_000_000_001 * 2_000_000_011
    assert macs > 2**53
    assert json.loads(to_json(wide))["totals"]["macs"] == macs
    assert from_json(to_json(wide)).totals.macs == macs


@pytest.mark.parametrize("indent", [None, 2])
def test_round_trip(report: Report, indent: int | None) -> None:
    assert from_json(to_json(report, indent)) == report
    assert from_json(to_json(report, indent).encode()) == report
    assert json.loads(to_json(report, indent)) == report.to_dict()


@pytest.mark.parametrize("name", ["lenet5", "ssd300_vgg16", "unet", "googlenet_aux"])
def test_round_trip_of_the_zoo(name: str) -> None:
    report = analyze(cnncalc.load(name))
    assert from_json(to_json(report)) == report
    assert from_json(to_json(folded(report, 1))) == folded(report, 1)


def test_one_report_is_an_object_and_several_are_a_list(report: Report) -> None:
    other = analyze(cnncalc.load("cifar_pattern"))
    assert json.loads(to_json(report))["name"] == "everything"
    assert json.loads(to_json([report, other])) == [report.to_dict(), other.to_dict()]
    assert json.loads(to_json([report])) == [report.to_dict()]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda written: written.pop("totals"), id="a-field-missing"),
        pytest.param(lambda written: written["totals"].update(parameters="many"), id="text-for-a-number"),
        pytest.param(lambda written: written["totals"].update(macs=1.5), id="half-a-multiply"),
        pytest.param(lambda written: written.update(layout="wch"), id="no-such-layout"),
    ],
)
def test_what_is_no_report_is_refused(report: Report, change: Any) -> None:
    written = report.to_dict()
    change(written)
    with pytest.raises(ValidationError):
        from_json(json.dumps(written))


# The JSON Schema ------------------------------------------------------------------------------------------------------


def fits(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a value fits a JSON Schema, for the words that ours uses; any other word is an error."""
    known = {"$ref", "$defs", "title", "description", "default", "type", "properties", "required", "items", "anyOf"}
    known |= {"const", "enum", "additionalProperties"}
    assert set(schema) <= known, f"words of JSON Schema that this check does not know: {set(schema) - known}"
    if "$ref" in schema:
        return fits(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], whole)
    if "anyOf" in schema:
        return any(fits(value, choice, whole) for choice in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    if schema["type"] == "object":
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        return (
            isinstance(value, dict)
            and set(schema.get("required", ())) <= set(value)
            and all(fits(item, properties.get(key, others), whole) for key, item in value.items())
        )
    if schema["type"] == "array":
        return isinstance(value, list) and all(fits(item, schema["items"], whole) for item in value)
    types = {"integer": int, "string": str, "null": type(None)}
    return type(value) is types[schema["type"]]


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "unet", "ssd300_vgg16"])
def test_reports_fit_the_schema(name: str) -> None:
    schema = json_schema()
    report = analyze(cnncalc.load(name))
    assert fits(json.loads(to_json(report)), schema, schema)
    assert fits(json.loads(to_json(folded(report, 1))), schema, schema)


def test_the_schema_describes_every_field(report: Report) -> None:
    schema = json_schema()
    assert list(schema["properties"]) == FIELDS["report"]
    assert list(schema["$defs"]["LayerReport"]["properties"]) == FIELDS["layer"]
    assert list(schema["$defs"]["Totals"]["properties"]) == FIELDS["totals"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("totals", "macs"), "0", id="text-for-a-number"),
        pytest.param(("layers", 0, "output"), [1.5], id="half-a-channel"),
        pytest.param(("layers", 0, "receptive_field", "jump"), [0.5], id="a-float-jump"),
        pytest.param(("layout",), "wch", id="no-such-layout"),
        pytest.param(("totals", "memory", "model"), "guess", id="no-such-model"),
        pytest.param(("remarks", 0), {}, id="fields-missing"),
    ],
)
def test_the_schema_refuses(report: Report, path: tuple[Any, ...], value: Any) -> None:
    written = report.to_dict()
    at = written
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert not fits(written, json_schema(), json_schema())


# The same from Python -------------------------------------------------------------------------------------------------


def test_a_notebook_shows_the_table(report: Report) -> None:
    shown = report._repr_html_()
    assert shown.startswith("<div><strong>everything</strong>")
    assert "<td>" not in shown  # every cell says on which side it stands
    assert shown.count("<tr>") == 1 + len(report.layers) + 1
