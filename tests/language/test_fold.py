"""Networks made documents again: the same layers, edges and outputs, in blocks, repeats and paths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_networks import documents

from cnncalc.graph import Network
from cnncalc.language.fold import document
from cnncalc.language.load import load, loads, zoo_names
from cnncalc.language.write import text


def edges(network: Network) -> list[Any]:
    """Everything of a graph but the names."""
    places = {value: place for place, value in enumerate((*network.inputs, *network.nodes))}
    nodes = [(node.layer, [places[value] for value in node.inputs], node.output) for node in network]
    outputs = [places[value] for value in network.outputs]
    return [[value.output for value in network.inputs], nodes, outputs, network.layout]


def names(network: Network) -> list[str]:
    return [value.name for value in (*network.inputs, *network.nodes)]


def folded(network: Network) -> str:
    """The network's document, which has the same graph."""
    written = text(document(network))
    assert edges(loads(written)) == edges(network), written
    return written


# Names are kept but for the repeats of a block that are not all alike, which have no name but a number.
RENAMED = {
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet50_paper",
    "resnet101",
    "resnet152",
    "se_resnet50",
}


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo(name: str) -> None:
    network = load(name)
    again = loads(folded(network))
    assert (names(again) == names(network)) == (name not in RENAMED)
    assert (again.name, again.output_names) == (network.name, network.output_names)


def test_vgg16() -> None:
    assert (
        folded(load("vgg16"))
        == """\
name: VGG-16
input: 224x224x3

blocks:
  stage:
    args: {out_channels: null, depth: null}
    layers:
      - conv: {out_channels: out_channels, kernel_size: 3, padding: 1, activation: relu}
        repeat: depth
      - max_pool: 2

layers:
  - stage: {out_channels: 64, depth: 2}
  - stage: {out_channels: 128, depth: 2}
  - stage: {out_channels: 256, depth: 3}
  - stage: {out_channels: 512, depth: 3}
  - stage: {out_channels: 512, depth: 3}
  - linear: {out_features: 4096, activation: relu}
    name: fc6
  - linear: {out_features: 4096, activation: relu}
    name: fc7
  - linear: 1000
    name: fc8
"""
    )


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_random_networks(drawn: str) -> None:
    network = loads(drawn)
    again = loads(folded(network))
    assert edges(loads(folded(again))) == edges(network)


@pytest.mark.parametrize(
    ("layers", "written"),
    [
        ("[relu, relu, tanh]", "  - relu\n  - relu\n  - tanh\n"),
        ("[{relu: {}, repeat: 3}]", "  - relu: {}\n    repeat: 3\n"),
        ("[{relu: {}, repeat: 1}]", "  - relu: {}\n    repeat: 1\n"),
        ("[{name: a, relu: {}}, tanh]", "  - relu: {}\n    name: a\n  - tanh\n"),
        ("[{name: relu2, relu: {}}, relu]", "  - relu: {}\n    name: relu2\n  - relu: {}\n    name: relu\n"),
        ("[{add: [[relu], identity]}]", "  - add: [[relu], identity]\n"),
        ("[{add: [[relu], identity], repeat: 2}]", "  - add: [[relu], identity]\n    repeat: 2\n"),
        (
            "[{add: [[relu, {add: [[tanh], identity]}], [selu]]}]",
            "  - add: [[relu, {add: [[tanh], identity]}], [selu]]\n",
        ),
        (
            "[{name: a, relu: {}}, tanh, {add: [a, identity]}, selu]",
            "  - relu: {}\n    name: a\n  - add: [identity, [tanh]]\n  - selu\n",
        ),
        (
            "[{name: a, relu: {}}, {name: b, tanh: {}}, gelu, {mean: [b, a]}]",
            "  - relu: {}\n    name: a\n  - tanh: {}\n    name: b\n  - gelu\n  - mean: [b, a]\n",
        ),
        (
            "[{name: a, relu: {}}, tanh, {selu: {}, from: a}]",
            "  - relu: {}\n    name: a\n  - tanh\n  - selu: {}\n    from: a\n",
        ),
    ],
)
def test_shapes_of_graphs(layers: str, written: str) -> None:
    assert folded(loads(f"input: 8\nlayers: {layers}\n")) == f"input: 8\n\nlayers:\n{written}"


def test_a_name_that_is_a_kind_is_not_called() -> None:
    """`add: [relu, ...]` would be a layer: the value meant needs another name."""
    network = loads("input: 8\nlayers: [{name: a, relu: {}}, {name: b, tanh: {}}, gelu, {mean: [b, a]}]\n")
    network.nodes[0].name = "relu"
    assert "    name: relu2\n" in folded(network)
    assert "  - mean: [b, relu2]\n" in folded(network)


def test_merges_lie_in_one_another_only_so_deep() -> None:
    """A sum with the input again and again, each of which the one before could be a path of."""
    layers = ", ".join(["tanh, {add: [identity, input]}"] * 60)
    written = folded(loads(f"input: 8\nlayers: [{layers}]\n"))
    assert max(line.count("add:") for line in written.splitlines()) <= 5


def test_names_of_modules() -> None:
    """As a framework has them: numbers, and a layer called like a folder of layers."""
    network = loads(
        "input: 9x8x3\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}, relu, relu, tanh, {linear: 2}]\n"
    )
    for node, name in zip(network, ["features.0", "features.1", "features.2", "x.y", "x"], strict=True):
        node.name = name
    assert (
        folded(network)
        == """\
input: 9x8x3

blocks:
  features:
    layers:
      - conv: {out_channels: 4, kernel_size: 3}
      - relu: {}
        repeat: 2

layers:
  - features
  - tanh: {}
    name: x_y
  - linear: 2
    name: x
"""
    )


def test_what_needs_two_values_is_no_block() -> None:
    text = "input: 8\nlayers: [{name: a, relu: {}}, {name: b, tanh: {}, from: input}, {name: c, add: [a, b]}, selu]\n"
    network = loads(text)
    for node, name in zip(network, ["a", "b", "block.c", "block.d"], strict=True):
        node.name = name
    written = folded(network)
    assert "blocks" not in written


def test_inputs_and_outputs() -> None:
    text = (
        "inputs: {x: [3, 8, 6], y: 4}\n"
        "layers: [{name: a, relu: {}, from: x}, {name: b, linear: 2, from: y}]\n"
        "outputs: [a, b, x]\n"
    )
    assert (
        folded(loads(text))
        == """\
inputs: {x: [3, 8, 6], y: [4]}

layers:
  - relu: {}
    name: a
    from: x
  - linear: 2
    name: b
    from: y
outputs: [a, b, x]
"""
    )
