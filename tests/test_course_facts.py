"""The worked examples of five course notes: every fact of `data/course_facts.yaml`, asked of cnncalc.

What a network has to give is read from that file. Each check answers with the keys of its fact's `expect`, taken from
the public API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml

import cnncalc
from cnncalc import DocumentError, Network, Report
from cnncalc.analysis import folded
from cnncalc.derivations import explain
from cnncalc.report import LayerReport

COPY = Path(__file__).parent / "data" / "course_facts.yaml"
ORIGINAL = Path(__file__).parents[2] / "shared" / "course_facts.yaml"

Fact = dict[str, Any]
FACTS: dict[str, Fact] = {fact["id"]: fact for fact in yaml.safe_load(COPY.read_text("utf-8"))["facts"]}


def test_the_copy_is_the_original() -> None:
    if not ORIGINAL.exists():
        pytest.skip("the original stands beside the author's checkout only")
    assert COPY.read_bytes() == ORIGINAL.read_bytes()


def test_every_fact_is_checked() -> None:
    assert list(FACTS) == list(CHECKS), "a check for each fact, in the file's order"


@pytest.mark.parametrize("id", FACTS)
def test_fact(id: str) -> None:
    fact = FACTS[id]
    assert CHECKS[id](fact) == fact["expect"]


# Networks to ask ------------------------------------------------------------------------------------------------------


@cache
def zoo(name: str, *settings: str) -> Report:
    return cnncalc.analyze(cnncalc.load(name, settings))


def written(fact: Fact) -> Report:
    """The report of the network that the fact gives as a document."""
    return cnncalc.analyze(cnncalc.loads(fact["network"]))


def network_of(input: list[int], *layers: dict[str, Any], settings: tuple[str, ...] = ()) -> Network:
    """A network from its parts: JSON is YAML."""
    return cnncalc.loads(json.dumps({"input": input, "layers": list(layers)}), settings)


def one_layer(input: list[int], kind: str, **fields: Any) -> LayerReport:
    return cnncalc.analyze(network_of(input, {kind: fields})).layers[0]


def positions(W: int, F: int, P: Any, S: int, rounding: str = "floor") -> int:
    """How often a 1-D window of F stands on W inputs."""
    fields = {"kernel_size": F, "padding": P, "stride": S, "rounding": rounding}
    (size,) = one_layer([1, W], "conv", out_channels=1, **fields).output[1:]
    return size


def row(report: Report, name: str) -> LayerReport:
    return {layer.name: layer for layer in report.layers}[name]


def shapes(report: Report) -> list[list[int]]:
    return [layer.output for layer in report.layers]


def weighted(report: Report, kind: str) -> int:
    """The parameters of the layers of one kind."""
    return sum(layer.parameters for layer in report.layers if layer.kind == kind)


def about(printed: str, answer: Fraction | int) -> str:
    """`printed` where the answer is within 15 per cent of the number that follows "about", else the answer."""
    number = int(re.findall(r"about (\d+)", printed)[0])
    return printed if abs(Fraction(answer) - number) <= Fraction(15, 100) * number else str(float(answer))


# The checks -----------------------------------------------------------------------------------------------------------


def output_size(fact: Fact) -> Any:
    given = {letter.upper(): size for letter, size in fact["given"].items()}
    input = given.pop("INPUT", None)
    if input is None:
        given["W"] = given.pop("N", given.get("W"))
        return {"output_size": positions(**given)}
    F, P, S = given["F"], given["P"], given["S"]
    output = one_layer(input, "conv", out_channels=1, kernel_size=F, padding=P, stride=S).output
    return {"output_size": output[1:]}


def does_not_fit(fact: Fact) -> Any:
    given = fact["given"]
    with pytest.raises(DocumentError) as refusal:
        positions(**given, rounding="exact")
    (diagnostic,) = refusal.value.diagnostics
    assert diagnostic.code == "does-not-divide"
    (remainder,) = re.findall(r"the remainder is (\d+)", diagnostic.message)
    return {"exact": "refused", "remainder": int(remainder), "floor": positions(**given)}


def padding_that_keeps_the_size(fact: Fact) -> Any:
    S, W = fact["given"]["S"], 32
    return {"padding": [P for F in fact["given"]["F"] for P in range(F) if positions(W, F, P, S) == W]}


def padding_words(fact: Fact) -> Any:
    n, f, s = (fact["given"][letter] for letter in "nfs")
    return {word: positions(n, f, word, s) for word in ("valid", "same", "full")}


def oblong(fact: Fact) -> Any:
    given = dict(fact["given"])
    input = given.pop("input")
    return {padding: one_layer(input, "conv", **given, padding=padding).output for padding in ("same", "valid")}


def same_stride_2(fact: Fact) -> Any:
    given = dict(fact["given"])
    return {"output": one_layer(given.pop("input"), "conv", out_channels=1, **given).output}


def notes_conv(fact: Fact) -> Any:
    (conv,) = written(fact).layers
    return {
        "output": conv.output,
        "parameters": conv.parameters,
        "parameters_per_filter": conv.parameters // conv.output[0],
    }


def im2col(fact: Fact) -> Any:
    given = dict(fact["given"])
    network = network_of(given.pop("input"), {"conv": given})
    asked = {"columns": "im2col_input", "weights": "im2col_weights", "columns_bytes_float32": "im2col_bytes"}
    answers = {key: explain(network, "conv", quantity)[0].value for key, quantity in asked.items()}
    return {**answers, "output": list(network.outputs[0].output)}


def dense_weights(fact: Fact) -> Any:
    return {"weights": written(fact).totals.weights}


def dense_neuron(fact: Fact) -> Any:
    return {"weights_per_neuron": one_layer(fact["given"]["input"], "linear", out_features=1).weights}


def dense_against_conv(fact: Fact) -> Any:
    report = written(fact)
    (conv,) = report.layers
    dense = one_layer(report.inputs[0].shape, "linear", out_features=conv.neurons, bias=False)
    return {
        "output": conv.output,
        "neurons": conv.neurons,
        "weights": conv.weights,
        "dense_weights": dense.weights,
        "ratio": dense.weights / conv.weights,
    }


def weight_sharing(fact: Fact) -> Any:
    neurons, each = fact["given"]["neurons"], fact["given"]["weights_per_neuron"]
    side, kernel = round(neurons**0.5), round(each**0.5)
    image = [1, side + kernel - 1, side + kernel - 1]
    shared = one_layer(image, "conv", out_channels=1, kernel_size=kernel, bias=False)
    unshared = one_layer(image, "locally_connected", out_channels=1, kernel_size=kernel, bias=False)
    assert shared.neurons == unshared.neurons == neurons
    return {"unshared": unshared.weights, "shared": shared.weights}


def conv_200_maps(fact: Fact) -> Any:
    (conv,) = written(fact).layers
    batch_100 = cnncalc.analyze(cnncalc.loads(fact["network"]), batch=100)
    return {
        "output": conv.output,
        "parameters": conv.parameters,
        "multiplies": conv.multiplies,
        "output_bits": 8 * conv.activation_bytes,
        "output_bytes": conv.activation_bytes,
        "output_mib": round(conv.activation_bytes / 2**20, 2),
        "batch_100_bytes": batch_100.layers[0].activation_bytes,
    }


def lenet5_layer(name: str, *keys: str) -> Callable[[Fact], Any]:
    return lambda fact: {key: getattr(row(zoo("lenet5"), name), key) for key in keys}


def lenet5_subsampling(fact: Fact) -> Any:
    return {
        f"{name.lower()}_{key}": getattr(row(zoo("lenet5"), name), key)
        for name in ("S2", "S4")
        for key in ("parameters", "connections")
    }


def lenet5_total(fact: Fact) -> Any:
    return {"trainable_parameters": zoo("lenet5").totals.parameters, "shapes": shapes(zoo("lenet5"))}


def mnist_cnn(fact: Fact) -> Any:
    layers = [layer for layer in zoo("mnist_cnn").layers if layer.kind != "dropout"]  # the table's ten rows
    return {
        "parameters": zoo("mnist_cnn").totals.parameters,
        "per_layer": [layer.parameters for layer in layers if layer.parameters],
        "shapes": [layer.output for layer in layers],
    }


def paddle_cnn_too_small(fact: Fact) -> Any:
    with pytest.raises(DocumentError) as refusal:
        cnncalc.load("paddle_cnn", [f"input={fact['given']['input']}"])
    (diagnostic,) = refusal.value.diagnostics
    assert diagnostic.span is not None
    source = diagnostic.span.source
    last = source.text[: source.text.rfind("max_pool")].count("\n") + 1
    pool = "the last max_pool" if diagnostic.span.line == last else str(diagnostic.span)
    (window, input) = re.findall(r"(\dx\d) window does not fit a (\dx\d) input", diagnostic.message)[0]
    assert zoo("paddle_cnn").outputs[0].shape == [10]  # at 36x36 the same network works
    return {"error": f"{pool} has a {window} window over a {input} input"}


def alexnet_227(fact: Fact) -> Any:
    report = zoo("alexnet_one_tower")
    return {"shapes": shapes(report), "parameters": report.totals.parameters}


def alexnet_layer1(fact: Fact) -> Any:
    (conv,) = written(fact).layers
    return {
        "output": conv.output,
        "elements": conv.activations,
        "parameters": conv.parameters,
        "multiplies_per_output": conv.multiplies // conv.activations,
        "multiplies": conv.multiplies,
    }


def alexnet_two_gpus(fact: Fact) -> Any:
    report = zoo("alexnet_two_towers")
    return {
        "parameters": report.totals.parameters,
        "conv_parameters": weighted(report, "conv"),
        "flatten": prod(row(report, "fc6").input),
    }


def cost(name: str) -> Callable[[Fact], Any]:
    return lambda fact: {"parameters": zoo(name).totals.parameters, "macs": zoo(name).totals.macs}


def alexnet_same(fact: Fact) -> Any:
    height, width = row(zoo("alexnet_table"), "C1").output[1:]
    assert height == width
    return {"output_size": height}


def vgg16_table(fact: Fact) -> Any:
    report = zoo("vgg16")
    totals = report.totals
    return {
        "parameters": totals.parameters,
        "weights": totals.weights,
        "weights_per_layer": [layer.weights for layer in report.layers if layer.weights],
        "activations_with_input": totals.input_elements + totals.activations,
        "activation_bytes": totals.memory.input + totals.memory.outputs,
    }


def vgg_a_to_e(fact: Fact) -> Any:
    documents = ("vgg11", "vgg11_lrn", "vgg13", "vgg_c", "vgg16", "vgg19")
    return {"parameters": [zoo(name).totals.parameters for name in documents]}


def vgg19_compute(fact: Fact) -> Any:
    report = zoo("vgg19")
    return {
        "parameters": report.totals.parameters,
        "dense_parameters": weighted(report, "linear"),
        "macs": report.totals.macs,
    }


def vgg_dense_to_conv(fact: Fact) -> Any:
    stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
    layers: list[dict[str, Any]] = []
    for channels, depth in stages:
        layers += [{"conv": {"out_channels": channels, "kernel_size": 3, "padding": 1}}] * depth
        layers += [{"max_pool": 2}]
    dense = [{"conv": {"out_channels": out, "kernel_size": F}} for out, F in [(4096, 7), (4096, 1), (1000, 1)]]
    small = network_of([3, 224, 224], *layers, *dense)
    large = network_of([3, 224, 224], *layers, *dense, settings=("input=384x384x3",))
    as_dense = zoo("vgg16")
    assert cnncalc.analyze(small).totals.parameters == as_dense.totals.parameters
    output = list(large.outputs[0].output)
    return {
        "at_224": list(small.outputs[0].output),
        "at_384_volume": list(large.nodes[len(layers) - 1].output),
        "at_384": output,
        "positions": prod(output[1:]),
    }


def stack_of_3x3(count: int, channels: int = 1) -> Report:
    conv = {"conv": {"out_channels": channels, "kernel_size": 3, "padding": 1, "bias": False}}
    return cnncalc.analyze(network_of([channels, 32, 32], *[conv] * count))


def stacked_field(fact: Fact) -> Any:
    fields = {}
    for count in fact["expect"]["receptive_field"]:
        seen = stack_of_3x3(count).layers[-1].receptive_field
        assert seen is not None
        fields[count], _ = seen.size
    return {"receptive_field": fields}


def in_channels_squared(weights: Callable[[int], int]) -> str:
    """`27*C^2` where weights(C) is 27·C² for the numbers of channels tried."""
    return f"{weights(1)}*C^2" if all(weights(C) == weights(1) * C**2 for C in (2, 3, 64, 100)) else "something else"


def stacked_parameters(fact: Fact) -> Any:
    def one(F: int) -> str:
        return in_channels_squared(
            lambda C: one_layer([C, 32, 32], "conv", out_channels=C, kernel_size=F, bias=False).parameters
        )

    def several(count: int) -> str:
        return in_channels_squared(lambda C: stack_of_3x3(count, C).totals.parameters)

    return {"one_7x7": one(7), "three_3x3": several(3), "one_5x5": one(5), "two_3x3": several(2)}


def bottleneck_1x1(fact: Fact) -> Any:
    wide = {"conv": {"out_channels": 32, "kernel_size": 5, "padding": "same"}}
    narrow = {"conv": {"out_channels": 16, "kernel_size": 1, "padding": "same"}}
    input = fact["given"]["input"]
    direct = cnncalc.analyze(network_of(input, wide)).totals.multiplies
    report = cnncalc.analyze(network_of(input, narrow, wide))
    reduce, expand = (layer.multiplies for layer in report.layers)
    return {
        "direct_multiplies": direct,
        "reduce_multiplies": reduce,
        "expand_multiplies": expand,
        "bottleneck_multiplies": report.totals.multiplies,
        "saving": round(direct / report.totals.multiplies, 3),
    }


def network_depths(fact: Fact) -> Any:
    documents = {"AlexNet": "alexnet", "VGG-19": "vgg19", "GoogLeNet": "googlenet", "ResNet-152": "resnet152"}
    depths = {name: zoo(document).totals.depth for name, document in documents.items()}
    return {
        name: {"depth": depth.layers, "convolutions": depth.sorts["convolution"], "dense": depth.sorts["dense"]}
        for name, depth in depths.items()
    }


def resnet_stages(fact: Fact) -> Any:
    answers = {}
    for name, document in {"ResNet-34": "resnet34", "ResNet-152": "resnet152"}.items():
        units: dict[str, int] = {}
        maps: dict[str, int] = {}
        for unit in folded(zoo(document), 2).layers:
            stage = unit.name.split(".")[0]
            if stage.startswith("layer"):
                units[stage] = units.get(stage, 0) + 1
                maps[stage] = unit.output[0]
        answers[name] = {"units": list(units.values()), "maps": list(maps.values())}
    return answers


def googlenet_against_alexnet(fact: Fact) -> Any:
    expect, parameters = fact["expect"], zoo("googlenet").totals.parameters
    ratio = Fraction(zoo("alexnet").totals.parameters, parameters)
    return {
        "GoogLeNet": about(expect["GoogLeNet"], Fraction(parameters, 10**6)),
        "ratio_to_alexnet": about(expect["ratio_to_alexnet"], ratio),
    }


def ssd300_priors(fact: Fact) -> Any:
    network = cnncalc.load("ssd300_vgg16")
    sources = ("conv4_3", "fc7", "conv8_2", "conv9_2", "conv10_2", "conv11_2")
    heads = [network[f"{name}_loc.conv"] for name in sources]
    assert [head.output[1:] for head in heads] == [(size, size) for size in fact["given"]["maps"]]
    assert [head.output[0] // 4 for head in heads] == fact["given"]["boxes"]
    locations, scores = (value.output for value in network.outputs)
    of_91_classes = cnncalc.load("ssd300_vgg16", ["classes=91"]).outputs[1].output
    assert scores == (locations[0], 21)
    assert of_91_classes == (locations[0], 91)
    return {"priors": locations[0], "outputs": f"{locations[0]} x (classes + {locations[1]})"}


def faster_rcnn_anchors(fact: Fact) -> Any:
    """Ren et al. 2015, section 3.1.1: three scales, three shapes; four numbers a box come out of a 1x1 convolution."""
    network = cnncalc.loads("""
        input: [512, 38, 50]
        args: {scales: [128, 256, 512], ratios: [1/2, 1, 2]}
        layers:
          - conv: {out_channels: 512, kernel_size: 3, padding: 1, activation: relu}
          - conv: {out_channels: 4 * len(scales) * len(ratios), kernel_size: 1}
        """)
    return {"anchors_per_position": network.outputs[0].output[0] // 4}


def homework(fact: Fact) -> Any:
    report = written(fact)
    training = cnncalc.analyze(cnncalc.loads(fact["network"]), batch=50)
    return {
        "shapes": shapes(report),
        "parameters": report.totals.parameters,
        "parameters_per_layer": [layer.parameters for layer in report.layers],
        "output_bytes": [layer.activation_bytes for layer in report.layers],
        "inference_textbook_bytes": report.totals.memory.prediction,
        "training_textbook_bytes_batch_50": training.totals.memory.training,
        "multiplies": report.totals.multiplies,
    }


CHECKS: dict[str, Callable[[Fact], Any]] = {
    "window-1d-stride1": output_size,
    "window-1d-stride2": output_size,
    "window-1d-stride3-does-not-fit": does_not_fit,
    "numpy-volume": output_size,
    "same-padding-rule": padding_that_keeps_the_size,
    "floor-rule": output_size,
    "valid-same-full": padding_words,
    "tf-same-valid-oblong": oblong,
    "same-stride2-pads-5x7": same_stride_2,
    "notes-conv-example": notes_conv,
    "cifar-pattern": lambda fact: {"shapes": shapes(written(fact))},
    "im2col-alexnet": im2col,
    "dense-100x100": dense_weights,
    "dense-neuron-cifar": dense_neuron,
    "dense-neuron-200": dense_neuron,
    "dense-against-conv": dense_against_conv,
    "weight-sharing": weight_sharing,
    "conv-200-maps-parameters": conv_200_maps,
    "lenet5-c5": lenet5_layer("C5", "parameters", "connections"),
    "lenet5-f6": lenet5_layer("F6", "parameters"),
    "lenet5-c3-partial-table": lenet5_layer("C3", "parameters", "connections"),
    "lenet5-trainable-subsampling": lenet5_subsampling,
    "lenet5-total": lenet5_total,
    "mnist-cnn": mnist_cnn,
    "paddle-cnn-too-small": paddle_cnn_too_small,
    "alexnet-227": alexnet_227,
    "alexnet-layer1": alexnet_layer1,
    "alexnet-two-gpus": alexnet_two_gpus,
    "alexnet-1998-grouped": cost("alexnet"),
    "alexnet-torchvision": cost("alexnet_torchvision"),
    "alexnet-table-same": alexnet_same,
    "vgg16-table": vgg16_table,
    "vgg-a-to-e": vgg_a_to_e,
    "vgg19-compute": vgg19_compute,
    "vgg-dense-to-conv": vgg_dense_to_conv,
    "stacked-3x3-field": stacked_field,
    "stacked-3x3-parameters": stacked_parameters,
    "bottleneck-1x1": bottleneck_1x1,
    "network-depths": network_depths,
    "resnet-stages": resnet_stages,
    "googlenet-against-alexnet": googlenet_against_alexnet,
    "ssd300-priors": ssd300_priors,
    "faster-rcnn-anchors": faster_rcnn_anchors,
    "homework-3-layers": homework,
}
