"""Every number of `analyze` is derived, and what is derived evaluates to it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

import cnncalc
from cnncalc import derivations, formulas, messages
from cnncalc.derivations import COUNTS, SORTS, Derivation, Explained, explain
from cnncalc.language.load import zoo_names
from cnncalc.layers import KINDS
from cnncalc.render.expression import text
from cnncalc.report import LayerReport

FACTS = {
    row["id"]: row
    for row in yaml.safe_load((Path(__file__).parent / "data" / "course_facts.yaml").read_text("utf-8"))["facts"]
}


def load_printed() -> Any:
    spec = importlib.util.spec_from_file_location("printed", Path(__file__).parent / "printed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


printed = load_printed()

ALEXNET_CONV1 = """
input: 227x227x3
layers:
  - {name: conv1, conv: {out_channels: 96, kernel_size: 11, stride: 4}}
"""


def the(network: cnncalc.Network, layer: str | None, quantity: str, **run: Any) -> Derivation:
    (found,) = explain(network, layer, quantity, **run)
    return found


def check(derivation: Derivation) -> None:
    """Each working is right by the evaluator, gives what a later one uses, and the last gives the number."""
    for position, working in enumerate(derivation.steps):
        if working.terms:
            assert sum(term.value for term in working.terms) == working.value
            for term in working.terms:
                evaluates(term.step.expression, dict(term.step.letters), term.value)
        else:
            evaluates(working.expression, working.letters, working.value)
        for letter in working.called:
            assert any(later.letters.get(letter) == working.value for later in derivation.steps[position + 1 :])
    if isinstance(derivation.value, int) and derivation.steps:
        assert derivation.steps[-1].value == derivation.value


def evaluates(expression: Any, letters: dict[str, int], value: int) -> None:
    assert printed.value(text(expression, letters)) == value
    assert printed.in_letters(text(expression), letters) == value


# Against analyze ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo_names())
def test_every_number_of_every_layer(name: str) -> None:
    network = cnncalc.load(name)
    report = cnncalc.analyze(network, batch=3, dtype="float16")
    explained = Explained(network, batch=3, dtype="float16")
    for row in report.layers:
        for quantity in (*COUNTS, "output", "receptive_field"):
            found = explained.derivations(row.name, quantity)
            for derivation in found:
                check(derivation)
            assert found[0].value == expected(row, quantity), (row.name, quantity)
            if isinstance(found[0].value, int) and found[0].value:
                assert found[0].steps, (row.name, quantity)
            if quantity == "receptive_field" and len(found) == 3 and row.receptive_field is not None:
                assert [one.value for one in found[1:]] == [row.receptive_field.jump, row.receptive_field.start]
        for aside in explained.derivations(row.name):
            check(aside)


def expected(row: LayerReport, quantity: str) -> Any:
    if quantity == "receptive_field":
        return row.receptive_field.size if row.receptive_field is not None else None
    if quantity in SORTS:
        return row.operations.get(quantity, 0)
    if quantity == "flops":
        return sum(row.operations.values())
    return getattr(row, {"memory": "activation_bytes"}.get(quantity, quantity))


@pytest.mark.parametrize("name", zoo_names())
def test_every_total(name: str) -> None:
    network = cnncalc.load(name)
    totals = cnncalc.analyze(network, batch=2).totals
    explained = Explained(network, batch=2)
    wanted = {
        **{quantity: getattr(totals, quantity) for quantity in ("parameters", "weights", "biases", "buffers", "macs")},
        **{quantity: getattr(totals, quantity) for quantity in ("connections", "activations")},
        **{sort: totals.operations.get(sort, 0) for sort in SORTS},
        "flops": sum(totals.operations.values()),
        "memory": totals.activation_bytes,
        "prediction": totals.memory.prediction,
        "training": totals.memory.training,
        "depth": totals.depth.layers,
    }
    for quantity, value in wanted.items():
        (found,) = explained.derivations(None, quantity)
        check(found)
        assert found.value == value, quantity
        assert found.steps or not value, quantity


def test_every_number_of_a_recorded_report_has_its_step() -> None:
    """Else a sum was made without a formula."""
    report = Explained(cnncalc.load("googlenet_aux")).report
    totals: Any = report.totals
    for row in [*report.layers, totals]:
        for quantity in ("parameters", "weights", "biases", "macs", "activations", "activation_bytes", "connections"):
            number = getattr(row, quantity)
            assert number == 0 or hasattr(number, "step"), (row, quantity)
        assert all(hasattr(number, "step") for number in row.operations.values())


def test_explaining_leaves_the_network_as_it_was() -> None:
    network = cnncalc.load("lenet5")
    before = cnncalc.analyze(network)
    explain(network)
    assert cnncalc.analyze(network) == before
    assert all(type(node.facts.macs) is int and type(node.output[0]) is int for node in network)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_size_of_a_parameter_is_the_product_of_its_shape(kind: str) -> None:
    for name in zoo_names():
        for node in cnncalc.load(name):
            if node.layer.kind == kind:
                for parameter in node.facts.parameters:
                    assert parameter.size == formulas.product(*parameter.shape)


# Courses --------------------------------------------------------------------------------------------------------------


def test_cs231n_06_what_sharing_saves() -> None:
    network = cnncalc.loads(ALEXNET_CONV1)
    asked = {one.quantity: one for one in explain(network, "conv1")}
    assert asked["neurons"].value == 290_400
    assert asked["unshared_parameters"].value == 105_705_600
    assert asked["parameters"].value == 34_944
    assert the(network, "conv1", "weights").value == 34_848


def test_cs231n_10_im2col() -> None:
    expect = FACTS["im2col-alexnet"]["expect"]
    found = {one.quantity: one.value for one in explain(cnncalc.loads(ALEXNET_CONV1), "conv1", "im2col")}
    assert found == {
        "im2col_input": expect["columns"],
        "im2col_weights": expect["weights"],
        "im2col_output": [96, 3025],
        "im2col_bytes": expect["columns_bytes_float32"],
    }


def test_im2col_in_groups_is_of_one() -> None:
    """2 groups of 3 channels and 4 filters; 3x2 kernels over 4x4 positions; both matrices of 18 rows are held."""
    network = cnncalc.loads("input: 6x5x6\nlayers: [{conv: {out_channels: 8, kernel_size: [3, 2], groups: 2}}]")
    found = {one.quantity: one.value for one in explain(network, "conv", "im2col", dtype="float16")}
    assert found == {
        "im2col_input": [3 * 3 * 2, 4 * 4],
        "im2col_weights": [4, 18],
        "im2col_output": [4, 16],
        "im2col_bytes": 2 * 18 * 16 * 2,
    }


def test_dense_against_conv() -> None:
    fact = FACTS["dense-against-conv"]
    network = cnncalc.loads(fact["network"])
    assert the(network, "conv", "neurons").value == fact["expect"]["neurons"]
    assert the(network, "conv", "dense_parameters").value == fact["expect"]["dense_weights"]  # it has no bias
    assert the(network, "conv", "weights").value == fact["expect"]["weights"]


def test_notes_conv_example() -> None:
    fact = FACTS["notes-conv-example"]
    network = cnncalc.loads(fact["network"])
    assert the(network, "conv", "filter_parameters").value == fact["expect"]["parameters_per_filter"]
    assert the(network, "conv", "parameters").value == fact["expect"]["parameters"]


def test_a_dense_layer_is_a_convolution_as_large_as_its_input() -> None:
    """CS231n: VGG's first dense layer is 4,096 filters of 7x7x512, whether or not it was flattened before."""
    for before in ("", "  - flatten\n  - {relu: {inplace: true}}\n"):
        network = cnncalc.loads(f"input: 7x7x512\nlayers:\n{before}  - linear: 4096\n")
        found = {one.quantity: one.value for one in explain(network, "linear", "convolution")}
        assert found == {"convolution_kernel": [4096, 512, 7, 7], "convolution_weights": 102_760_448}


def test_a_vector_that_was_never_a_map_is_a_map_of_one_place() -> None:
    network = cnncalc.loads("input: [512]\nlayers: [{linear: 10}]\n")
    assert the(network, "linear", "convolution_kernel").value == [10, 512, 1, 1]


def test_the_homework_of_three_convolutions() -> None:
    fact = FACTS["homework-3-layers"]
    network = cnncalc.loads(fact["network"])
    prediction = the(network, None, "prediction")
    assert prediction.value == fact["expect"]["inference_textbook_bytes"]
    pair = next(step for step in prediction.steps if step.formula is formulas.largest_pair)
    assert (pair.letters, pair.sources) == ({"V_1": 750_000, "V_2": 1_500_000}, {"V_1": "conv2", "V_2": "conv1"})
    training = the(network, None, "training", batch=50)
    assert training.value == fact["expect"]["training_textbook_bytes_batch_50"]
    assert training.steps[-1].letters == {"I_B": 36_000_000, "V_B": 526_000_000, "M_B": 3_613_600}


# What a derivation says -----------------------------------------------------------------------------------------------


def lines(derivation: Derivation) -> list[str]:
    return [f"{' = '.join([*step.called, text(step.expression, step.letters)])}" for step in derivation.steps]


def test_the_steps_of_one_number() -> None:
    network = cnncalc.load("alexnet")
    assert lines(the(network, "conv2", "parameters")) == [
        "C = 96/2",
        "M_w = 256·48·5·5",
        "M_b = 256",
        "307,200 + 256",
    ]


def test_dimensions_that_agree_are_one_step_and_others_two() -> None:
    square = the(cnncalc.loads(ALEXNET_CONV1), "conv1", "output")
    assert [len(step.dimensions) for step in square.steps] == [2]
    oblong = the(cnncalc.loads(ALEXNET_CONV1.replace("227x227", "227x231")), "conv1", "output")
    assert [[dimension.position for dimension in step.dimensions] for step in oblong.steps] == [[0], [1]]


def test_same_padding_dilation_and_rounding_up_have_their_formulas() -> None:
    network = cnncalc.loads(
        "input: 13x9x2\nlayers:\n"
        "  - conv: {out_channels: 3, kernel_size: 6, stride: 5, padding: same}\n"
        "  - max_pool: {kernel_size: 2, stride: 2, rounding: ceil}\n"
        "  - conv: {out_channels: 3, kernel_size: 2, dilation: 2, padding: full}\n"
    )
    names = {
        name: [step.formula.__name__ for step in the(network, name, "output").steps]
        for name in ("conv1", "max_pool", "conv2")
    }
    assert names == {
        "conv1": ["output_size_same", "output_size_same"],  # 13 and 9 positions
        "max_pool": ["output_size_ceil", "output_size_ceil"],
        "conv2": ["effective_kernel", "padding_full", "output_size", "output_size"],  # the kernel is square
    }


def test_a_merge_has_the_field_of_the_widest_of_its_paths() -> None:
    (found,) = explain(cnncalc.load("resnet50"), "layer1.0", "receptive_field")
    assert found.value == [19, 19]
    assert [step.formula for step in found.steps] == [formulas.field_span]


def test_a_field_that_no_window_describes() -> None:
    network = cnncalc.loads("input: 4x4x2\nlayers:\n  - concat: {paths: [identity, identity], axis: 1}\n")
    (found,) = explain(network, "concat", "receptive_field")
    assert (found.value, found.steps) == (None, [])


def test_a_block_is_the_sum_of_its_layers() -> None:
    network = cnncalc.load("resnet50")
    report = cnncalc.analyze(network)
    rows = [row for row in report.layers if row.name.startswith("layer1.0.")]
    for quantity in COUNTS:
        found = explain(network, "layer1.0", quantity)[0]
        check(found)
        assert found.value == sum(expected(row, quantity) for row in rows), quantity
    assert the(network, "layer1.0", "output").value == [256, 56, 56]
    weights = the(network, "layer1.0", "weights").steps[-1]
    assert {term.layer for term in weights.terms} == {row.name for row in rows if row.weights}


def test_a_block_does_not_begin_in_the_middle_of_a_name() -> None:
    with pytest.raises(cnncalc.DocumentError, match=r"no layer or block `layer1\.0\.con`"):
        explain(cnncalc.load("resnet50"), "layer1.0.con")


def test_a_sum_of_a_single_layer_names_it() -> None:
    found = the(cnncalc.loads("input: 8\nlayers: [{linear: {out_features: 3, bias: false}}]"), None, "weights")
    (step,) = found.steps
    assert [(term.layer, term.value) for term in step.terms] == [("linear", 24)]


def test_zeros_are_told_when_they_are_asked_for() -> None:
    network = cnncalc.load("alexnet")
    assert [one.quantity for one in explain(network, "pool1")] == [
        "output",
        "memory",
        "receptive_field",
        "jump",
        "start",
        "neurons",
    ]
    found = the(network, "pool1", "weights")
    assert (found.value, found.steps, found.unit) == (0, [], "weights")


def test_operations_are_those_that_there_are() -> None:
    assert [one.quantity for one in explain(cnncalc.load("alexnet"), "conv1", "operations")] == [
        "multiplies",
        "adds",
        "comparisons",
    ]


@pytest.mark.parametrize(
    ("layer", "quantity", "message"),
    [
        ("conv9", None, r"no layer or block `conv9`\n.*did you mean `conv\d`"),
        ("conv1", "parameter", r"`parameter` is nothing that can be explained\n.*did you mean `parameters`"),
        ("conv1", "prediction", "`prediction` is nothing"),
        (None, "im2col", "`im2col` is nothing"),
        ("pool1", "im2col", "`im2col` is nothing"),
        ("", "parameter", "did you mean `parameters`"),
    ],
)
def test_what_cannot_be_explained(layer: str | None, quantity: str | None, message: str) -> None:
    with pytest.raises(cnncalc.DocumentError, match=message):
        explain(cnncalc.load("alexnet"), layer, quantity)


@pytest.mark.parametrize("run", [{"batch": 0}, {"dtype": "float12"}])
def test_runs_that_there_are_not(run: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch has at least 1 image|not a number format"):
        explain(cnncalc.load("lenet5"), **run)


def test_every_quantity_has_a_name_and_a_unit() -> None:
    for quantity in {*derivations.OF_LAYERS, *derivations.OF_NETWORKS}:
        assert messages.text(f"quantity.{quantity}")
    for unit in COUNTS.values():
        assert messages.text(f"unit.{unit}")
