"""Blocks, repeats, conditions and names carried out: which layers there are, their names, and what they read."""

from __future__ import annotations

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.graph import Network
from cnncalc.language.load import loads
from cnncalc.layers import KINDS


def network(text: str) -> Network:
    return loads(text, name="net.yaml")


def names(network: Network) -> list[str]:
    return [node.name for node in network]


def sources(network: Network) -> dict[str, list[str]]:
    return {node.name: [value.name for value in node.inputs] for node in network}


def channels(network: Network) -> list[int]:
    return [node.output[0] for node in network]


# A chain --------------------------------------------------------------------------------------------------------------


def test_layers_follow_one_another() -> None:
    net = network(
        "name: Chain\ninput: 9x7x3\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n  - relu\n  - linear: 5\n"
    )
    assert net.name == "Chain"
    assert net.source == "net.yaml"
    assert sources(net) == {"conv": ["input"], "relu": ["conv"], "linear": ["relu"]}
    # 9 - 3 + 1 = 7 rows, 7 - 3 + 1 = 5 columns
    assert [node.output for node in net] == [(4, 7, 5), (4, 7, 5), (5,)]
    assert [value.name for value in net.outputs] == ["linear"]
    assert [str(node.span) for node in net] == ["net.yaml:4:5", "net.yaml:5:5", "net.yaml:6:5"]
    assert [node.uses for node in net] == [(), (), ()]


def test_fields_are_exact_arithmetic() -> None:
    net = network(
        "input: 9x7x32\nargs: {multiplier: 0.75, kernel: 5}\nlayers:\n"
        "  - conv: {out_channels: in_channels * multiplier, kernel_size: [kernel, 3], padding: [kernel // 2, 1]}\n"
        "  - dropout: 1 / 8\n"
    )
    conv, dropout = net
    # 32 · 3/4 = 24, and not 24.0 or 23.999
    assert conv.layer == KINDS["conv"](out_channels=24, kernel_size=(5, 3), padding=(2, 1))
    assert conv.output == (24, 9, 7)
    assert dropout.layer == KINDS["dropout"](p=0.125)


def test_equal_layers_share_their_facts() -> None:
    net = network("input: 9x7x3\nlayers:\n  - {conv: {out_channels: 3, kernel_size: 1}, repeat: 4}\n")
    assert len({id(node.layer) for node in net}) == 1
    assert len({id(node.facts) for node in net}) == 1


def test_values_that_only_look_equal_are_told_apart() -> None:
    with pytest.raises(DocumentError, match="`bias` has to be true or false, not `item`, which is 1"):
        network("input: 8\nlayers:\n  - {linear: {out_features: 3, bias: item}, repeat: [true, 1]}\n")


# Repeats --------------------------------------------------------------------------------------------------------------


def test_repeat_by_number() -> None:
    net = network("input: 8\nlayers:\n  - {linear: 10 + i, repeat: 3}\n  - relu\n")
    assert names(net) == ["linear.0", "linear.1", "linear.2", "relu"]
    assert channels(net) == [10, 11, 12, 12]


def test_repeat_by_list() -> None:
    net = network("input: 8\nargs: {widths: [20, 30]}\nlayers:\n  - {linear: item + i, repeat: widths}\n")
    assert channels(net) == [20, 31]


def test_repeat_by_a_list_of_mappings_and_words() -> None:
    net = network(
        "input: 8x6x4\nlayers:\n  - conv: {out_channels: item.out, kernel_size: 1, activation: item.act}\n"
        "    repeat: [{out: 5, act: relu}, {out: in_channels + 1, act: tanh}]\n"
    )
    # the list is read before the first: 4 channels enter it
    assert channels(net) == [5, 5]
    assert [node.layer.values()["activation"] for node in net] == ["relu", "tanh"]


def test_what_enters_changes_in_a_repeat() -> None:
    net = network("input: 3\nlayers:\n  - {linear: 2 * in_channels, repeat: 4}\n")
    assert channels(net) == [6, 12, 24, 48]


def test_repeat_zero_leaves_its_value_as_it_is() -> None:
    net = network("input: 8\nlayers:\n  - {relu: {}, name: a, repeat: 0}\n  - {linear: 3, from: a}\n")
    assert sources(net) == {"linear": ["input"]}


def test_a_repeated_name_is_the_last_and_every_one_can_be_named() -> None:
    net = network(
        "input: 8\nlayers:\n  - {linear: 10 + i, name: a, repeat: 3}\n"
        "  - {linear: 1, name: b, from: a}\n  - {linear: 1, name: c, from: a.0}\n"
    )
    assert sources(net)["b"] == ["a.2"]
    assert sources(net)["c"] == ["a.0"]


def test_repeated_merge_and_the_index_inside_it() -> None:
    net = network(
        "input: 8x6x4\nlayers:\n  - concat: [identity, [{conv: {out_channels: i + 1, kernel_size: 1}}]]\n"
        "    name: dense\n    repeat: 3\n  - {relu: {}, repeat: 2}\n"
    )
    # growth: 4 + 1, + 2, + 3
    assert [(node.name, node.output[0]) for node in net] == [
        ("dense.0.conv", 1),
        ("dense.0", 5),
        ("dense.1.conv", 2),
        ("dense.1", 7),
        ("dense.2.conv", 3),
        ("dense.2", 10),
        ("relu.0", 10),
        ("relu.1", 10),
    ]


def test_a_repeat_in_a_repeated_merge_gives_the_index_back() -> None:
    net = network(
        "input: 4\nlayers:\n  - concat: [[{linear: 10 * (i + 1), repeat: 2}], [{linear: 100 + i}]]\n    repeat: 2\n"
    )
    assert channels(net) == [10, 20, 100, 120, 10, 20, 101, 121]


def test_names_inside_a_repeated_merge() -> None:
    net = network(
        "input: 4\nblocks: {unit: {layers: [{linear: 4, name: deep}]}}\nlayers:\n"
        "  - add:\n"
        "      - [{relu: {}, name: a}, {tanh: {}, name: b, repeat: 2}, {selu: {}, from: a}, {elu: {}, from: b.0}]\n"
        "      - [unit, {mish: {}, from: unit.deep}]\n"
        "      - [{multiply: [{gelu: {}, name: c}, identity], name: inner, repeat: 2}]\n"
        "    name: sum\n    repeat: 2\n"
        "  - {relu6: {}, name: last, from: a}\n  - {relu6: {}, name: first, from: sum.0.a}\n"
    )
    assert len(set(names(net))) == len(net)
    found = sources(net)
    for i, entering in ((0, "input"), (1, "sum.0")):
        assert found[f"sum.{i}.a"] == [entering]
        assert found[f"sum.{i}.selu"] == [f"sum.{i}.a"]
        assert found[f"sum.{i}.elu"] == [f"sum.{i}.b.0"]
        assert found[f"sum.{i}.mish"] == [f"sum.{i}.unit.deep"]
        assert found[f"sum.{i}.inner.1"] == [f"sum.{i}.inner.1.c", f"sum.{i}.inner.0"]
        assert found[f"sum.{i}"] == [f"sum.{i}.elu", f"sum.{i}.mish", f"sum.{i}.inner.1"]
    assert found["last"] == ["sum.1.a"]
    assert found["first"] == ["sum.0.a"]


# Conditions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("training", "expected"), [("true", ["relu", "dropout", "linear"]), ("false", ["relu", "linear"])]
)
def test_when(training: str, expected: list[str]) -> None:
    net = network(
        f"input: 8\nargs: {{training: {training}}}\nlayers:\n"
        "  - relu\n  - {dropout: 0.5, when: training}\n  - linear: 3\n"
    )
    assert names(net) == expected


def test_a_name_of_a_layer_left_out_is_what_enters_it() -> None:
    net = network(
        "input: 8\nlayers:\n  - relu\n  - {tanh: {}, name: a, when: false}\n  - linear: 3\n  - {selu: {}, from: a}\n"
    )
    assert sources(net) == {"relu": ["input"], "linear": ["relu"], "selu": ["relu"]}


def test_when_in_a_repeat_is_asked_each_time() -> None:
    net = network("input: 8\nlayers:\n  - {relu: {}, when: i != 1, repeat: 3}\n")
    assert sources(net) == {"relu.0": ["input"], "relu.2": ["relu.0"]}


def test_a_side_branch_left_out_does_not_move_the_main_line() -> None:
    net = network(
        "input: 8\nlayers:\n  - {relu: {}, name: a}\n  - tanh\n  - {linear: 9, from: a, when: false}\n  - selu\n"
    )
    assert sources(net)["selu"] == ["tanh"]


def test_when_sees_what_enters() -> None:
    text = "input: {}\nlayers:\n  - {{linear: 3, when: in_channels > 5}}\n  - relu\n"
    assert names(network(text.format(6))) == ["linear", "relu"]
    assert names(network(text.format(5))) == ["relu"]


# Paths and names ------------------------------------------------------------------------------------------------------


def test_paths_start_from_the_current_value() -> None:
    net = network(
        "input: 8x6x4\nlayers:\n  - {relu: {}, name: stem}\n  - add:\n      - [tanh, selu]\n      - sigmoid\n"
        "      - {elu: 0.5}\n      - input\n      - identity\n      - []\n      - stem\n  - relu6\n"
    )
    assert sources(net) == {
        "stem": ["input"],
        "tanh": ["stem"],
        "selu": ["tanh"],
        "sigmoid": ["stem"],
        "elu": ["stem"],
        "add": ["selu", "sigmoid", "elu", "input", "stem", "stem", "stem"],
        "relu6": ["add"],
    }


def test_layers_inside_paths_have_names_outside() -> None:
    net = network("input: 8\nlayers:\n  - add: [[{relu: {}, name: a}, tanh], identity]\n  - {selu: {}, from: a}\n")
    assert sources(net)["selu"] == ["a"]


def test_merges_in_merges() -> None:
    net = network("input: 8\nlayers:\n  - add: [[relu, {multiply: [tanh, identity]}], identity]\n")
    assert sources(net) == {
        "relu": ["input"],
        "tanh": ["relu"],
        "multiply": ["tanh", "relu"],
        "add": ["multiply", "input"],
    }


def test_from_goes_back_and_the_line_goes_on_from_there() -> None:
    net = network(
        "input: 8\nlayers:\n  - relu\n  - tanh\n  - {selu: {}, from: relu}\n  - elu\n  - {mish: {}, from: input}\n"
    )
    assert sources(net) == {"relu": ["input"], "tanh": ["relu"], "selu": ["relu"], "elu": ["selu"], "mish": ["input"]}


def test_a_path_may_start_elsewhere() -> None:
    net = network("input: 8\nlayers:\n  - relu\n  - tanh\n  - add: [[{selu: {}, from: relu}, elu], identity]\n")
    assert sources(net)["selu"] == ["relu"]
    assert sources(net)["add"] == ["elu", "tanh"]


# Blocks ---------------------------------------------------------------------------------------------------------------

STAGES = """\
input: 16x12x3
args: {width: 4, depths: [1, 2]}
blocks:
  unit:
    args: {out: null, stride: 1}
    layers:
      - conv: {out_channels: out, kernel_size: 3, stride: stride, padding: 1}
        name: conv1
      - relu
  stage:
    args: {width: null, depth: null}
    layers:
      - unit: {out: width, stride: 2 if i == 0 else 1}
        repeat: depth
layers:
  - stage: {width: width * 2 ** i, depth: item}
    repeat: depths
  - {linear: 10, name: head}
"""


def test_blocks_in_blocks() -> None:
    net = network(STAGES)
    assert names(net) == [
        "stage.0.unit.0.conv1",
        "stage.0.unit.0.relu",
        "stage.1.unit.0.conv1",
        "stage.1.unit.0.relu",
        "stage.1.unit.1.conv1",
        "stage.1.unit.1.relu",
        "head",
    ]
    # 16x12 is halved by the first unit of each stage
    assert [node.output for node in net][::2] == [(4, 8, 6), (8, 4, 3), (8, 4, 3), (10,)]
    assert sources(net)["head"] == ["stage.1.unit.1.relu"]


def test_a_layer_of_a_block_knows_where_it_is_written_and_used() -> None:
    node = network(STAGES)["stage.1.unit.0.conv1"]
    assert str(node.span) == "net.yaml:7:9"
    assert [str(span) for span in node.uses] == ["net.yaml:16:5", "net.yaml:13:9"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stage", "stage.1.unit.1.relu"),
        ("stage.0", "stage.0.unit.0.relu"),
        ("stage.1.unit", "stage.1.unit.1.relu"),
        ("stage.1.unit.0", "stage.1.unit.0.relu"),
        ("stage.1.unit.0.conv1", "stage.1.unit.0.conv1"),
    ],
)
def test_names_inside_blocks_can_be_reached_from_outside(name: str, expected: str) -> None:
    net = network(f"{STAGES}  - {{tanh: {{}}, from: {name}}}\noutputs: [tanh, {name}]\n")
    assert sources(net)["tanh"] == [expected]
    assert [value.name for value in net.outputs] == ["tanh", expected]


def test_names_in_blocks_are_local() -> None:
    net = network(
        "input: 8\nblocks:\n  unit: {layers: [{relu: {}, name: a}, tanh, {selu: {}, from: a}]}\n"
        "layers:\n  - {elu: {}, name: a}\n  - unit\n  - {mish: {}, from: a}\n"
    )
    assert sources(net)["unit.selu"] == ["unit.a"]
    assert sources(net)["mish"] == ["a"]


def test_args_their_defaults_and_what_enters() -> None:
    net = network(
        "input: 6\nargs: {w: 5}\nblocks:\n  unit:\n"
        "    args: {a: null, b: a + w, c: block_in_channels}\n"
        "    layers: [{linear: a}, {linear: b}, {linear: c}, {linear: in_channels + block_in_channels}]\n"
        "layers:\n  - unit: {a: 2}\n  - unit: {a: in_channels, b: 9}\n"
    )
    # 2; 2 + 5; 6 entered; 6 + 6.  Then 12 enter: 12; 9; 12; 12 + 12
    assert channels(net) == [2, 7, 6, 12, 12, 9, 12, 24]


def test_an_arg_hides_the_document_s_of_that_name() -> None:
    net = network(
        "input: 8\nargs: {w: 5}\nblocks: {unit: {args: {w: 3}, layers: [{linear: w}]}}\nlayers: [unit, {linear: w}]\n"
    )
    assert channels(net) == [3, 5]


def test_words_are_passed_on_as_text() -> None:
    net = network(
        "input: 9x7x3\nblocks:\n  unit:\n    args: {pad: valid, act: null}\n"
        "    layers: [{conv: {out_channels: 2, kernel_size: 3, padding: pad, activation: act}}]\n"
        "layers: [{unit: {pad: same, act: relu}}, {unit: {act: tanh}}]\n"
    )
    assert [node.layer for node in net] == [
        KINDS["conv"](out_channels=2, kernel_size=3, padding="same", activation="relu"),
        KINDS["conv"](out_channels=2, kernel_size=3, padding="valid", activation="tanh"),
    ]


def test_lists_are_passed_on() -> None:
    net = network(
        "input: 9x7x3\nblocks:\n"
        "  unit: {args: {kernel: null}, layers: [{conv: {out_channels: 2, kernel_size: kernel}}]}\n"
        "layers: [{unit: {kernel: [3, 5]}}]\n"
    )
    assert net["unit.conv"].output == (2, 7, 3)


def test_a_repeat_does_not_reach_into_its_block() -> None:
    net = network(
        "input: 8\nblocks: {unit: {args: {place: null}, layers: [{linear: 10 + place}]}}\n"
        "layers: [{unit: {place: i}, repeat: 2}]\n"
    )
    assert channels(net) == [10, 11]


def test_a_block_with_everything_left_out_passes_its_value_on() -> None:
    net = network(
        "input: 8\nblocks: {unit: {layers: [{relu: {}, when: false}]}}\nlayers: [unit, tanh, {selu: {}, from: unit}]\n"
    )
    assert sources(net) == {"tanh": ["input"], "selu": ["input"]}


# Inputs and outputs ---------------------------------------------------------------------------------------------------


def test_several_inputs() -> None:
    net = network(
        "inputs: {left: 8x6x3, right: [3, 8, 6]}\nlayers:\n"
        "  - {relu: {}, from: right}\n  - add: [left, relu, identity]\n"
    )
    # a kind of layer before a layer of that name: `relu` is a new one
    assert sources(net) == {"relu1": ["right"], "relu2": ["relu1"], "add": ["left", "relu2", "relu1"]}


def test_several_inputs_meet_in_a_merge() -> None:
    net = network("inputs: {left: 8x6x3, right: 8x6x3}\nlayers:\n  - concat: [left, right]\n")
    assert sources(net) == {"concat": ["left", "right"]}
    assert net["concat"].output == (6, 8, 6)


def test_outputs() -> None:
    net = network("input: 8\nlayers: [relu, tanh, selu]\noutputs: [tanh, input, selu]\n")
    assert [value.name for value in net.outputs] == ["tanh", "input", "selu"]


@pytest.mark.parametrize(("aux", "expected"), [("true", ["relu", "tanh"]), ("false", ["tanh"])])
def test_outputs_on_condition(aux: str, expected: list[str]) -> None:
    net = network(
        f"input: 8\nargs: {{aux: {aux}}}\nlayers: [relu, tanh]\n"
        "outputs: [{name: relu, when: aux}, {name: tanh, when: true}]\n"
    )
    assert [value.name for value in net.outputs] == expected


# functional -----------------------------------------------------------------------------------------------------------


def test_functional_is_kept_for_every_instance() -> None:
    net = network(
        "input: 8\nblocks: {unit: {layers: [{tanh: {}, functional: true}, {selu: {}, functional: false}]}}\nlayers:\n"
        "  - elu\n  - {relu: {}, functional: true, repeat: 2}\n  - unit\n"
        "  - {add: [identity, identity], functional: true}\n"
    )
    assert {node.name: node.functional for node in net} == {
        "elu": False,
        "relu.0": True,
        "relu.1": True,
        "unit.tanh": True,
        "unit.selu": False,
        "add": True,
    }


# Depth ----------------------------------------------------------------------------------------------------------------


def test_the_deepest_document_does_not_exhaust_the_stack() -> None:
    blocks = "".join(f"  b{n}: {{layers: [{{b{n + 1}: {{}}, repeat: 1 + {'-' * 46}0}}]}}\n" for n in range(99))
    text = f"input: 8\nblocks:\n{blocks}  b99: {{layers: [{{linear: in_channels + {'-' * 46}2}}]}}\nlayers: [b0]\n"

    def below(frames: int) -> Network:
        return network(text) if frames == 0 else below(frames - 1)

    assert channels(below(150)) == [10]


def test_a_block_calls_the_value_that_enters_it_input() -> None:
    """Its own, wherever it is used and repeated; the network's where no block is around."""
    network = loads(
        "input: 8x8x4\n"
        "blocks:\n"
        "  inner:\n    layers: [relu, {add: [input, identity]}]\n"
        "  outer:\n    layers: [tanh, inner, {add: [{inner: {}, from: input}, input]}]\n"
        "layers: [sigmoid, {outer: {}, repeat: 2}, {add: [input, identity]}]\n"
    )
    reads = {node.name: [value.name for value in node.inputs] for node in network}
    assert reads["outer.0.inner1.add"] == ["outer.0.tanh", "outer.0.inner1.relu"]
    assert reads["outer.0.inner2.add"] == ["sigmoid", "outer.0.inner2.relu"]
    assert reads["outer.0.add"] == ["outer.0.inner2.add", "sigmoid"]
    assert reads["outer.1.inner2.relu"] == ["outer.0.add"]
    assert reads["outer.1.add"] == ["outer.1.inner2.add", "outer.0.add"]
    assert reads["add"] == ["input", "outer.1.add"]


# shares ---------------------------------------------------------------------------------------------------------------


def test_shared_parameters_are_counted_once() -> None:
    """Where they are named, through another that shares them, in every repeat; the work is done each time."""
    network = loads(
        "input: 6x6x4\n"
        "blocks: {pair: {layers: [{name: a, batch_norm: {}}, {name: b, batch_norm: {}, shares: a}]}}\n"
        "layers:\n"
        "  - {name: one, conv: {out_channels: 4, kernel_size: 3, padding: 1}}\n"
        "  - {name: two, conv: {out_channels: 4, kernel_size: 3, padding: 1}, shares: one}\n"
        "  - {name: more, conv: {out_channels: 4, kernel_size: 3, padding: 1}, shares: two, repeat: 2}\n"
        "  - {pair: {}, repeat: 2}\n"
    )
    assert {node.name: node.shared.name for node in network if node.shared is not None} == {
        **{"two": "one", "more.0": "one", "more.1": "one"},
        **{"pair.0.b": "pair.0.a", "pair.1.b": "pair.1.a"},
    }
    facts = [node.facts for node in network]
    assert [of.weights + of.biases for of in facts] == [4 * 36 + 4, 0, 0, 0, 8, 0, 8, 0]
    assert [of.buffers for of in facts] == [0, 0, 0, 0, 8, 0, 8, 0]
    assert {of.macs for of in facts[:4]} == {36 * 4 * 36}
