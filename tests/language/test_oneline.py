"""The one-line notation: what it stands for, what it refuses and where, and that a YAML document says the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.diagnostics import DocumentError, Findings, render
from cnncalc.graph import Network
from cnncalc.language.load import from_expression, load, loads, root_of
from cnncalc.language.oneline import MAX_CHARACTERS, MAX_DEPTH, OPTIONS, UNSAID, WORDS, spellings
from cnncalc.language.source import Expression, plain
from cnncalc.language.write import text
from cnncalc.layers import KINDS, Kind

PATTERN = "32x32x3 -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> [FC-512 -> RELU]*2 -> FC-10"
# Simonyan & Zisserman 2014, table 1, column D, in its own words.
VGG_D = """224x224x3,
    conv3-64, conv3-64, maxpool,
    conv3-128, conv3-128, maxpool,
    conv3-256, conv3-256, conv3-256, maxpool,
    conv3-512, conv3-512, conv3-512, maxpool,
    conv3-512, conv3-512, conv3-512, maxpool,
    FC-4096, FC-4096, FC-1000, soft-max"""


def written(expression: str) -> str:
    """The expression as a YAML document."""
    return text(plain(root_of(Expression("<expression>", expression), None, (), Findings())))


def edges(network: Network) -> list[tuple[str, Kind, list[int], tuple[int, ...]]]:
    places = {value: place for place, value in enumerate((*network.inputs, *network.nodes))}
    return [(node.name, node.layer, [places[value] for value in node.inputs], node.output) for node in network]


def layers(expression: str) -> list[Kind]:
    return [node.layer for node in from_expression(expression)]


# What it stands for ---------------------------------------------------------------------------------------------------


def test_the_pattern_of_the_notes() -> None:
    """Parameters, with biases."""
    network = from_expression(PATTERN)
    assert len(network) == 3 * (2 * 2 + 1) + 2 * 2 + 1
    assert cnncalc.analyze(network).totals.parameters == (
        (3 * 9 * 64 + 64)  # the first convolution
        + 5 * (64 * 9 * 64 + 64)
        + (4 * 4 * 64 * 512 + 512)  # 32 / 2 / 2 / 2 = 4
        + (512 * 512 + 512)
        + (512 * 10 + 10)
    )
    assert [node.name for node in network][:5] == [
        "stage1.0.block.0.conv",
        "stage1.0.block.0.relu",
        "stage1.0.block.1.conv",
        "stage1.0.block.1.relu",
        "stage1.0.max_pool",
    ]


def test_the_table_of_vgg() -> None:
    """138 million parameters (table 2); those and the multiply-accumulates of torchvision's vgg16."""
    totals = cnncalc.analyze(from_expression(VGG_D)).totals
    assert (totals.parameters, totals.macs) == (138_357_544, 15_470_264_320)


@pytest.mark.parametrize("separator", ["->", " -> ", "→", " → ", ",", " , ", "\n->\t"])
def test_separators(separator: str) -> None:
    assert edges(from_expression(separator.join(["9x7x3", "CONV3-4", "RELU", "FC-5"]))) == edges(
        from_expression("9x7x3 -> CONV3-4 -> RELU -> FC-5")
    )


def conv(out: int, kernel: object, **fields: object) -> Kind:
    return KINDS["conv"](out_channels=out, kernel_size=kernel, **fields)


@pytest.mark.parametrize(
    ("written", "layer"),
    [
        ("CONV3-64", conv(64, 3, padding=1)),
        ("conv1-64", conv(64, 1)),
        ("Conv5x3-6", conv(6, (5, 3), padding=(2, 1))),
        ("CONV7-8/2", conv(8, 7, stride=2, padding=3)),
        ("CONV7-8/2x1", conv(8, 7, stride=(2, 1), padding=3)),
        ("CONV7-8 s2 p0", conv(8, 7, stride=2, padding=0)),
        ("CONV3-8 P0x1", conv(8, 3, padding=(0, 1))),
        ("CONV3-8 d2", conv(8, 3, dilation=2, padding=2)),  # 2 · (3 - 1) / 2
        ("CONV4-8", conv(8, 4, padding="same")),  # 3 to pad, which is no whole number a side
        ("CONV4-8 d2", conv(8, 4, dilation=2, padding=3)),
        ("CONV3-8 g4", conv(8, 3, padding=1, groups=4)),
        ("DWCONV3/2", KINDS["depthwise_conv"](kernel_size=3, stride=2, padding=1)),
        ("DECONV2-6/2", KINDS["conv_transpose"](out_channels=6, kernel_size=2, stride=2)),
        ("DECONV4-6/2 p1", KINDS["conv_transpose"](out_channels=6, kernel_size=4, stride=2, padding=1)),
        ("POOL", KINDS["max_pool"](kernel_size=2)),
        ("max-pool", KINDS["max_pool"](kernel_size=2)),
        ("POOL3/2", KINDS["max_pool"](kernel_size=3, stride=2)),
        ("MAXPOOL3/2 p1", KINDS["max_pool"](kernel_size=3, stride=2, padding=1)),
        ("AVGPOOL3x2", KINDS["avg_pool"](kernel_size=(3, 2))),
        ("GAP", KINDS["global_avg_pool"]()),
        ("FC-10", KINDS["linear"](out_features=10)),
        ("FC10", KINDS["linear"](out_features=10)),
        ("Dense-10", KINDS["linear"](out_features=10)),
        ("BN", KINDS["batch_norm"]()),
        ("LRN", KINDS["local_response_norm"](size=5)),
        ("DROPOUT0.25", KINDS["dropout"](p=0.25)),
        ("dropout", KINDS["dropout"]()),
        ("RELU6", KINDS["relu6"]()),
        ("l2_norm", KINDS["l2_norm"]()),
        ("Leaky_ReLU0.1", KINDS["leaky_relu"](negative_slope=0.1)),
        ("soft-max", KINDS["softmax"]()),
        ("UPSAMPLE2", KINDS["upsample"](scale_factor=2)),
    ],
)
def test_layers(written: str, layer: Kind) -> None:
    assert layers(f"[8, 16, 12] -> {written}") == [layer]


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_convolution_keeps_its_size(kernel: int, dilation: int) -> None:
    (node,) = from_expression(f"19x14x2 -> CONV{kernel}-5 d{dilation}")
    assert node.output == (5, 19, 14)


@pytest.mark.parametrize("written", ["*3", " * 3", "×3", " x3", " X3"])
@pytest.mark.parametrize("repeated", ["RELU", "[RELU]", "[[RELU]]"])
def test_repeats_of_one_layer(repeated: str, written: str) -> None:
    assert [node.name for node in from_expression(f"8 -> {repeated}{written} -> FC-2")] == [
        "relu.0",
        "relu.1",
        "relu.2",
        "linear",
    ]


def test_brackets() -> None:
    assert layers("8 -> [RELU -> TANH] -> FC-2") == layers("8 -> RELU -> TANH -> FC-2")
    assert len(from_expression("8 -> [RELU -> TANH]*0 -> FC-2")) == 1
    assert len(from_expression("8 -> [RELU*2]*3")) == 6
    names = [node.name for node in from_expression("8 -> [[RELU -> [TANH -> GELU]x2]*2 -> SILU]*2, [RELU, TANH]*1")]
    assert names[:6] == [f"stage1.0.block.0.{rest}" for rest in ("relu", *UNITS)] + ["stage1.0.block.1.relu"]
    assert names[-2:] == ["stage2.0.relu", "stage2.0.tanh"]


UNITS = ("unit.0.tanh", "unit.0.gelu", "unit.1.tanh", "unit.1.gelu")


def test_inputs() -> None:
    assert from_expression("100 -> FC-2").inputs[0].output == (100,)
    assert from_expression("16000x1, FC-2").inputs[0].output == (1, 16000)
    assert from_expression("INPUT 9x7x3 -> FC-2").inputs[0].output == (3, 9, 7)
    network = from_expression("[3, 9,7] -> FC-2")
    assert (network.inputs[0].output, network.layout) == ((3, 9, 7), "chw")
    assert from_expression("9x7x3 -> FC-2", ["input=5x4x3"]).inputs[0].output == (3, 5, 4)


def test_where_a_document_is_named() -> None:
    assert edges(load(PATTERN)) == edges(from_expression(PATTERN))
    assert edges(load("9x7x3, FC-2")) == edges(load("[3, 9, 7], FC-2"))
    with pytest.raises(DocumentError, match="no file 9x7x3"):
        load("9x7x3")


def test_every_word_is_in_the_documentation() -> None:
    from pathlib import Path

    page = (Path(__file__).parent.parent.parent / "docs" / "notation.md").read_text("utf-8")
    for word, kind in WORDS.items():
        assert re.search(rf"^\| `{word}`.*\| `{kind}`", page, re.MULTILINE), word
    for letter, name in OPTIONS.items():
        assert re.search(rf"^\| `{letter}2`.*\| `{name}`", page, re.MULTILINE), letter
    assert set(UNSAID) <= set(WORDS.values()) <= set(spellings().values()) <= set(KINDS)


# A document says the same ---------------------------------------------------------------------------------------------


@st.composite
def expressions(draw: st.DrawFn, depth: int = 0) -> tuple[str, list[str]]:
    """Steps that keep a spatial shape or shrink it by nothing, and the kinds of layers that they come to."""
    steps, kinds = [], []
    for _ in range(draw(st.integers(1, 3))):
        if depth < 3 and draw(st.integers(0, 2)) == 0:
            inner, inside = draw(expressions(depth + 1))
            times = draw(st.integers(0, 3))
            steps.append(f"[{inner}]{draw(st.sampled_from(['*', ' x', '×']))}{times}")
            kinds += inside * times
        else:
            written, kind = draw(st.sampled_from(STEPS))
            times = draw(st.sampled_from([1, 1, 2]))
            steps.append(written if times == 1 else f"{written} *{times}")
            kinds += [kind] * times
    return draw(st.sampled_from([" -> ", "→", ", "])).join(steps), kinds


STEPS = [
    ("CONV3-4", "conv"),
    ("conv5x1-6 g2", "conv"),
    ("CONV1-2", "conv"),
    ("DWCONV3", "depthwise_conv"),
    ("POOL3/1 p1", "max_pool"),
    ("RELU", "relu"),
    ("BN", "batch_norm"),
    ("LRN5", "local_response_norm"),
    ("DROPOUT0.25", "dropout"),
    ("softmax", "softmax"),
]


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(expressions())
def test_random_expressions(drawn: tuple[str, list[str]]) -> None:
    steps, kinds = drawn
    expression = f"6x5x4 -> {steps} -> FC-3"
    network = from_expression(expression)
    assert [node.layer.kind for node in network] == [*kinds, "linear"]
    assert network.nodes[-1].output == (3,)
    document = loads(written(expression))
    assert edges(document) == edges(network)
    assert cnncalc.analyze(document).totals == cnncalc.analyze(network).totals


# Mistakes -------------------------------------------------------------------------------------------------------------


def message(expression: str) -> str:
    with pytest.raises(DocumentError) as caught:
        from_expression(expression)
    return "\n\n".join(map(render, caught.value.diagnostics))


def test_letters_need_numbers() -> None:
    """All of it at once, as the notes write it."""
    found = message("INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC")
    assert re.findall(r"<expression>:1:(\d+): error\[([\w-]+)\]", found) == [
        ("1", "no-input-size"),
        ("12", "missing-field"),
        ("26", "no-number"),
        ("31", "maybe-a-layer"),
        ("38", "no-number"),
        ("44", "missing-field"),
        ("56", "no-number"),
        ("61", "missing-field"),
    ]
    assert found.startswith("""\
<expression>:1:1: error[no-input-size]: `INPUT` has no size
  |
1 | INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC
  | ^^^^^
  = help: begin with height x width x channels: `32x32x3 -> ...`

<expression>:1:12: error[missing-field]: `CONV` does not say its window and how many filters""")


def test_a_shape_that_cannot_be() -> None:
    assert (
        message("8x8x3 -> [CONV3-4 -> POOL]*4 -> FC-10")
        == """\
<expression>:1:22: error[window-exceeds-input]: a 2x2 window does not fit a 1x1 input
  |
1 | 8x8x3 -> [CONV3-4 -> POOL]*4 -> FC-10
  |                      ^^^^ larger than 1x1
  = note: 1x1x4 comes from `stage.3.conv`, <expression>:1:11
  = note: in `stage.3`, <expression>:1:10
  = help: use a larger input, a smaller kernel, more padding, or fewer strides before it"""
    )


@pytest.mark.parametrize(
    ("expression", "code", "marked", "help"),
    [
        ("", "empty-expression", "", "begin with height x width x channels: `32x32x3 -> ...`"),
        ("8x8x3", "no-layers", "8x8x3", "go on with `-> CONV3-64`"),
        ("8x8x3 ->", "no-layer", "->", "write one there, or take it out"),
        ("8x8x3 -> -> RELU", "no-layer", "->", "write one there, or take it out"),
        ("8x8x3 -> [] -> RELU", "no-layer", "]", "write one there, or take it out"),
        ("8x8x3 -> [RELU", "expression-bracket", "[", "end it with `]`, and say how often: `]*2`"),
        ("8x8x3 -> RELU]*2 -> FC-2", "expression-bracket", "]", "take it out"),
        ("8x8x3 -> *2 -> RELU", "no-layer", "*", "write it behind a layer or a bracket"),
        ("8x8x3 -> RELU* -> FC-2", "no-number", "*", "say how often: `*2`"),
        ("8x8x3 -> RELU TANH", "no-arrow", "TANH", "put `->` or `,` between layers; options are s2"),
        ("8x8x3 -> RELU [TANH]", "no-arrow", "[", "put `->` before the bracket"),
        ("8x8x3 [TANH]", "no-arrow", "[", "put `->` before the bracket"),
        ("CONV3-4 -> RELU", "no-input-size", "CONV3-4", "begin with height x width x channels"),
        ("8 x 8 x 3 -> RELU", "input-sizes", "8 x 8 x 3", "write `8x8x3`"),
        ("8×8×3 -> RELU", "input-sizes", "8×8×3", "write `8x8x3`"),
        ("8x8x3 -> CONV-64", "missing-field", "CONV-64", "write `CONV3-64`: 3x3 kernels, 64 filters"),
        ("8x8x3 -> CONV3-64-3", "unknown-layer", "CONV3-64-3", "a layer is a word, its window"),
        ("8x8x3 -> Conv2D", "unknown-layer", "Conv2D", "did you mean `CONV`?"),
        ("8x8x3 -> MaxPool2d", "unknown-layer", "MaxPool2d", "did you mean `MAXPOOL`?"),
        ("8x8x3 -> RELUU", "unknown-layer", "RELUU", "did you mean `RELU`"),
        ("8x8x3 -> SEPCONV3-64", "unknown-layer", "SEPCONV3-64", "write its two layers: `DWCONV3 -> CONV1-64`"),
        ("8x8x3 -> ADD", "unknown-layer", "ADD", "an expression is one line of layers: paths that meet again"),
        ("8x8x3 -> CONV3-4, p0", "unknown-layer", "p0", "put it behind its layer, with a blank between"),
        ("8x8x3 -> CONV3-4 q1", "unknown-option", "q1", "options are s2 (stride), p1 (padding)"),
        ("8x8x3 -> CONV3-4/2 s2", "duplicate-field", "2", "keep one of the two"),
        ("8x8x3 -> POOL2-64", "unknown-field", "64", "write `POOL` and a `CONV1-64` behind it"),
        ("8x8x3 -> RELU p1", "unknown-field", "1", "write `RELU`"),
        ("8x8x3 -> CONV0-4", "wrong-value", "0", ""),
        ("8x8x3 -> CONV03-4", "not-an-expression", "03", "a number has no leading zeros"),
        ("8x8x3 -> FC-0", "wrong-value", "0", ""),
        ("8x8x3 -> CONV3x3x3-4", "wrong-number-of-sizes", "3x3x3", "give one number, or a list of 2"),
        ("8x8x3 -> CONV3-4 g2", "groups-divide-channels", "2", "use 1"),
        ("8x8x3 -> DROPOUT1.5", "wrong-value", "1.5", ""),
        ("8x8x3 -> FC-4 -> POOL", "no-spatial-dimensions", "POOL", "put it before the layer that flattens"),
        ("8x8x3 -> RELU*1000001", "too-many-layers", "1000001", "use a smaller number"),
        ("8x8x3 -> [[RELU*1000]*999 -> RELU]*9", "too-many-layers", "9", "repeat less"),
    ],
)
def test_mistakes(expression: str, code: str, marked: str, help: str) -> None:
    with pytest.raises(DocumentError) as caught:
        from_expression(expression)
    first = caught.value.diagnostics[0]
    assert first.code == code
    assert first.span is not None
    assert first.span.source.text[first.span.start : first.span.end] == marked
    assert first.help.startswith(help) if help else not first.help
    assert len(caught.value.diagnostics) == 1


def test_limits() -> None:
    with pytest.raises(DocumentError, match="an expression may have 100,000") as caught:
        from_expression("8 -> " + "RELU, " * (MAX_CHARACTERS // 6) + "RELU")
    assert caught.value.diagnostics[0].code == "expression-too-large"
    deep = "[" * MAX_DEPTH + "RELU" + "]" * MAX_DEPTH
    assert len(from_expression(f"8 -> {deep}")) == 1
    with pytest.raises(DocumentError, match="more than 100 brackets"):
        from_expression(f"8 -> [{deep}]")
    assert "too-many-layers" in message("8 -> " + "[" * 9 + "RELU -> RELU" + "]*99" * 9)
    assert "cannot" not in message("8 -> FC-" + "9" * 5000)


@settings(max_examples=400, deadline=None, database=None)
@given(
    st.lists(st.sampled_from(["8x8x3", "[", "]", "->", ",", "*", "x2", "2", "CONV3-4", "POOL", "p1", "FC", " ", "?"]))
)
def test_any_text_is_a_network_or_a_mistake(words: list[str]) -> None:
    for expression in ("".join(words), "8x8x3 -> " + " ".join(words)):
        try:
            network = from_expression(expression)
        except DocumentError:
            continue
        assert edges(loads(written(expression))) == edges(network)
