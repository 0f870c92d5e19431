"""Networks made documents again: the same layers, edges and outputs, in blocks, repeats and paths."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_networks import documents

from cnncalc.graph import Network
from cnncalc.language.fold import document
from cnncalc.language.load import load, loads, zoo_names
from cnncalc.language.write import flow, text


def edges(network: Network) -> list[Any]:
    """Everything of a graph but the names."""
    places = {value: place for place, value in enumerate((*network.inputs, *network.nodes))}
    nodes = [
        (
            node.layer,
            [places[value] for value in node.inputs],
            node.output,
            node.functional,
            node.shared and places[node.shared],
        )
        for node in network
    ]
    outputs = [places[value] for value in network.outputs]
    return [[value.output for value in network.inputs], nodes, outputs, network.layout]


def names(network: Network) -> list[str]:
    return [value.name for value in (*network.inputs, *network.nodes)]


def folded(network: Network) -> str:
    """The network's document, which has the same graph."""
    written = text(document(network))
    again, expected = edges(loads(written)), edges(network)
    assert again == expected, written
    return written


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo(name: str) -> None:
    network = load(name)
    again = loads(folded(network))
    assert (again.name, again.output_names) == (network.name, network.output_names)
    if name == "mobilenet_v2":  # blocks with and without a sum around them are two, and have no names but numbers
        assert len([node for node in again if ".depthwise" in node.name]) == 3 * 17
    else:
        assert names(again) == names(network)


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
      - {conv: {out_channels: out_channels, kernel_size: 3, padding: 1, activation: relu}, repeat: depth}
      - max_pool: 2

layers:
  - stage: {out_channels: 64, depth: 2}
  - stage: {out_channels: 128, depth: 2}
  - stage: {out_channels: 256, depth: 3}
  - stage: {out_channels: 512, depth: 3}
  - stage: {out_channels: 512, depth: 3}
  - {name: fc6, linear: {out_features: 4096, activation: relu}}
  - {name: fc7, linear: {out_features: 4096, activation: relu}}
  - {name: fc8, linear: 1000}
"""
    )


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_random_networks(drawn: str) -> None:
    network = loads(drawn)
    for node in network:
        node.functional = len(node.name) % 3 == 0
    again = loads(folded(network))
    assert edges(loads(folded(again))) == edges(network)


STACK = """\
input: 32x48x8

blocks:
  short:
    args: {out: null, stride: 1}
    layers: [{name: conv, conv: {out_channels: out, kernel_size: 1, stride: stride}}, batch_norm]
  gate:
    args: {squeeze: null}
    layers:
      - multiply:
          - - global_avg_pool
            - {name: fc1, conv: {out_channels: squeeze, kernel_size: 1}}
            - {name: fc2, conv: {out_channels: block_in_channels, kernel_size: 1}}
          - identity
  unit:
    args: {hidden: null, out: null, kernel: null, stride: null, groups: null, expand: null, squeeze: null, short: null}
    layers:
      - add:
          - - {name: expand, short: {out: hidden}, when: expand}
            - {name: conv, conv: {out_channels: hidden, kernel_size: kernel, stride: stride, padding: kernel // 2}}
            - batch_norm
            - {name: gate, gate: {squeeze: squeeze}, when: squeeze > 0}
            - {name: project, conv: {out_channels: out, kernel_size: 1, groups: groups}}
          - - {name: short, short: {out: out, stride: stride}, when: short}
      - relu
  trunk:
    layers:
"""
LINE = "      - {{name: stage{}, unit: {{{}}}, repeat: [{}]}}\n"


@st.composite
def stacks(draw: st.DrawFn) -> str:
    """Networks of one block again and again, with numbers that follow from others, or seem to."""
    of = {"out": [8, 16, 24], "times": [1, 2, 4], "kernel": [1, 3, 5], "stride": [1, 1, 2], "groups": [1, 8]}
    flags, squeezes = st.booleans(), st.sampled_from([0, 2, 4, 8])
    channels, lines = 8, []
    for stage in range(draw(st.integers(1, 4))):
        items = []
        for _ in range(draw(st.integers(1, 3))):
            item: dict[str, Any] = {name: draw(st.sampled_from(values)) for name, values in of.items()}
            item["hidden"] = item.pop("times") * draw(st.sampled_from([channels, item["out"]]))
            item |= {"expand": draw(flags), "squeeze": draw(squeezes)}
            item["short"] = item["stride"] > 1 or item["out"] != channels or draw(flags)
            channels = item["out"]
            items.append(item)
        args = ", ".join([f"{name}: item.{name}" for name in items[0]])
        lines.append(LINE.format(stage, args, ", ".join(map(flow, items))))
    return f"{STACK}{''.join(lines)}\nlayers: [trunk]\n"


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(stacks())
def test_stacks_of_one_block(drawn: str) -> None:
    written = folded(loads(drawn))
    assert written.count("name: project") == 1, written
    folded(loads(written))


def called(layers: str, names: str, input: str = "8x8x4") -> Network:
    """A network of these layers under these names, which may be of modules inside others."""
    network = loads(f"input: {input}\nlayers: [{layers}]\n")
    for node, name in zip(network, names.split(), strict=True):
        node.name = name
    return network


CONV = "{{conv: {{out_channels: {}, kernel_size: {}, padding: {}}}}}, relu"


@pytest.mark.parametrize(("second", "said"), [((4, 5, 2), "kernel_size // 2"), ((4, 5, 1), "1")])
def test_a_padding_is_half_of_every_kernel(second: tuple[int, ...], said: str) -> None:
    layers = f"{CONV.format(4, 3, 1)}, tanh, {CONV.format(*second)}"
    assert f", padding: {said}}}" in folded(called(layers, "a.conv a.relu tanh b.conv b.relu"))


def test_groups_are_the_channels_that_enter() -> None:
    """Those that enter the layer, which are not those that enter the block."""
    pair = (
        "{{conv: {{out_channels: {0}, kernel_size: 1}}}}, {{conv: {{out_channels: 48, kernel_size: 1, groups: {0}}}}}"
    )
    written = folded(called(f"{pair.format(8)}, tanh, {pair.format(16)}", "a.c a.d tanh b.c b.d"))
    assert "groups: in_channels" in written


def test_groups_are_not_the_channels_of_the_first_repeat() -> None:
    pair = "{{conv: {{out_channels: {}, kernel_size: 1, groups: {}}}}}"
    one, other = pair.format(8, 4), pair.format(16, 8)
    network = called(f"{one}, {one}, relu, tanh, {other}, {other}, relu", "a.c.0 a.c.1 a.r t b.c.0 b.c.1 b.r")
    assert "groups: in_channels" not in folded(network)


def test_groups_are_not_the_channels_of_the_first_use() -> None:
    pair = "{{conv: {{out_channels: 8, kernel_size: 1, groups: {}}}}}, relu"
    layers = f"{pair.format(4)}, tanh, {pair.format(4)}, tanh, {pair.format(8)}"
    assert "in_channels" not in folded(called(layers, "a.c a.r t b.c b.r u c.c c.r"))


def test_only_the_first_of_a_repeat_may_differ() -> None:
    conv = "{{conv: {{out_channels: 4, kernel_size: 1, stride: {}}}}}, relu"
    names = " ".join([f"stage.{place}.{layer}" for place in range(3) for layer in ("conv", "relu")])
    written = folded(called(", ".join(map(conv.format, (2, 1, 1))), names))
    assert "  - {name: stage, conv_relu: {stride: 2 if i == 0 else 1}, repeat: 3}\n" in written
    again = loads(written)
    assert [node.name for node in again] == names.split()
    assert "i == 0" not in folded(called(", ".join(map(conv.format, (2, 1, 2))), names))


def test_a_block_is_not_called_as_a_value_in_a_path() -> None:
    """`add: [a, ...]` would be the block `a` once more, not what left it."""
    network = called(
        "linear: 8, {name: r, relu: {}}, {name: b, tanh: {}}, gelu, {mean: [b, r]}", "a.fc a.relu b gelu mean", "8"
    )
    assert "  - mean: [b, a]\n" in folded(network)


def test_a_merge_of_several_values_before_a_block() -> None:
    """A layer of a DenseNet, which joins what it reads first."""
    one = "{name: x, relu: {}}, {concat: [input, x]}, linear: 8, {name: y, tanh: {}}"
    layers = f"{one}, {{concat: [input, x, y]}}, linear: 8, tanh"
    network = called(layers, "x one.join one.fc one.tanh two.join two.fc two.tanh", "8")
    again = loads(folded(network))
    assert [node.name for node in again] == ["x", "one_join", "one.fc", "one.tanh", "two_join", "two.fc", "two.tanh"]


def test_an_arg_is_not_called_as_a_word_is() -> None:
    """A width after the layer `same`, where a block is given the word `same`."""
    inner = "{{conv: {{out_channels: 4, kernel_size: 3, padding: {}}}}}, relu"
    outer = "{{conv: {{out_channels: {}, kernel_size: 1}}}}, {}"
    same = inner.format("same")
    layers = f"{inner.format('valid')}, {outer.format(5, same)}, {outer.format(7, same)}"
    folded(called(layers, "c.c c.r a.same a.c.c a.c.r b.same b.c.c b.c.r"))


def test_one_of_a_kind_without_a_name_is_not_repeated() -> None:
    """`x.1.0`: no document can say the `1`, and so none needs the `0`."""
    layers = "linear: 8, linear: 4, relu, linear: 2, relu"
    assert "repeat" not in folded(called(layers, "x.0 x.1.0.fc x.1.0.relu x.2.0.fc x.2.0.relu", "8")).replace(": 2", "")


def test_shared_parameters() -> None:
    """By name in their own list, in a block for every use of it, and out of a block; a repeat shares them, too."""
    conv = "conv: {out_channels: 4, kernel_size: 3, padding: 1}"
    network = loads(
        "input: 8x8x4\n"
        f"blocks: {{unit: {{layers: [{{name: one, {conv}}}, relu, {{name: two, {conv}, shares: one}}]}}}}\n"
        "layers:\n"
        "  - {name: stage, unit: {}, repeat: 2}\n"
        "  - {name: alone, unit: {}}\n"
        f"  - {{name: last, {conv}, shares: alone.two}}\n"
        f"  - {{name: more, {conv}, shares: last, repeat: 3}}\n"
    )
    written = folded(network)
    assert written.count("shares: one") == 1
    assert written.count("shares: alone.one") == 2
    assert "repeat: 3" in written


def test_functional_layers() -> None:
    """As the code calls them: alone, in a merge, and in blocks, which are one only where they agree on it."""
    network = loads(
        "input: 8\nlayers: [linear: 8, relu, linear: 4, relu, {name: c, add: [[tanh], identity]}, linear: 2]\n"
    )
    for node, name in zip(network, ["a.fc", "a.relu", "b.fc", "b.relu", "tanh", "c", "fc"], strict=True):
        node.name = name
        node.functional = name in ("a.relu", "c", "fc")
    assert (
        folded(network)
        == """\
input: 8

blocks:
  a:
    layers:
      - {name: fc, linear: 8}
      - {relu: {}, functional: true}
  b:
    layers:
      - {name: fc, linear: 4}
      - relu

layers:
  - a
  - b
  - {name: c, add: [[tanh], identity], functional: true}
  - {name: fc, linear: 2, functional: true}
"""
    )


@pytest.mark.parametrize(
    ("layers", "written"),
    [
        ("[relu, relu, tanh]", "  - relu\n  - relu\n  - tanh\n"),
        ("[{relu: {}, repeat: 3}]", "  - {relu: {}, repeat: 3}\n"),
        ("[{relu: {}, repeat: 1}]", "  - {relu: {}, repeat: 1}\n"),
        ("[{name: a, relu: {}}, tanh]", "  - {name: a, relu: {}}\n  - tanh\n"),
        ("[{name: relu2, relu: {}}, relu]", "  - {name: relu2, relu: {}}\n  - {name: relu, relu: {}}\n"),
        ("[{add: [[relu], identity]}]", "  - add: [[relu], identity]\n"),
        ("[{add: [[relu], identity], repeat: 2}]", "  - {add: [[relu], identity], repeat: 2}\n"),
        (
            "[{add: [[relu, {add: [[tanh], identity]}], [selu]]}]",
            "  - add: [[relu, {add: [[tanh], identity]}], [selu]]\n",
        ),
        (
            "[{name: a, relu: {}}, tanh, {add: [a, identity]}, selu]",
            "  - {name: a, relu: {}}\n  - add: [identity, [tanh]]\n  - selu\n",
        ),
        (
            "[{name: a, relu: {}}, {name: b, tanh: {}}, gelu, {mean: [b, a]}]",
            "  - {name: a, relu: {}}\n  - {name: b, tanh: {}}\n  - gelu\n  - mean: [b, a]\n",
        ),
        (
            "[{name: a, relu: {}}, tanh, {selu: {}, from: a}]",
            "  - {name: a, relu: {}}\n  - tanh\n  - {selu: {}, from: a}\n",
        ),
    ],
)
def test_shapes_of_graphs(layers: str, written: str) -> None:
    assert folded(loads(f"input: 8\nlayers: {layers}\n")) == f"input: 8\n\nlayers:\n{written}"


def test_a_name_that_is_a_kind_is_not_called() -> None:
    """`add: [relu, ...]` would be a layer: the value meant needs another name."""
    network = loads("input: 8\nlayers: [{name: a, relu: {}}, {name: b, tanh: {}}, gelu, {mean: [b, a]}]\n")
    network.nodes[0].name = "relu"
    assert "  - {name: relu2, relu: {}}\n" in folded(network)
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
      - {relu: {}, repeat: 2}

layers:
  - features
  - {name: x_y, tanh: {}}
  - {name: x, linear: 2}
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
  - {name: a, relu: {}, from: x}
  - {name: b, linear: 2, from: y}
outputs: [a, b, x]
"""
    )


def test_names_of_inputs_that_no_document_can_spell() -> None:
    network = loads("inputs: {one: 4x4x2, two: 4x4x2}\nlayers: [{add: [one, two]}]\n")
    named = replace(network, inputs=tuple(network.inputs))
    for value, name in zip(named.inputs, ("input.1", "3"), strict=True):
        object.__setattr__(value, "name", name)
    assert list(document(named)["inputs"]) == ["input_1", "input_3"]
    assert [value.name for value in loads(text(document(named))).inputs] == ["input_1", "input_3"]
