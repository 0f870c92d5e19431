"""A document as it is read: names given, values compiled, layers made where nothing is left to evaluate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cnncalc.diagnostics import DocumentError, Findings, Source
from cnncalc.language.document import Document, LayerUse, Reference
from cnncalc.language.reader import read_document
from cnncalc.language.source import parse
from cnncalc.layers import KINDS


def read(text: str) -> Document:
    found = Findings()
    return read_document(parse(Source("net.yaml", text), found), found)


def every(uses: list[LayerUse]) -> Iterator[LayerUse]:
    for use in uses:
        yield use
        for path in use.paths or ():
            if not isinstance(path, Reference):
                yield from every(path)


def names(text: str) -> list[str]:
    return [use.name for use in every(read(f"input: 8x8x4\nlayers:\n{text}").layers)]


def test_the_parts_of_a_document() -> None:
    document = read(
        "name: Small\ninput: 8x6x3\nargs: {width: 4, depths: [2, width]}\n"
        "blocks: {unit: {args: {out: null, act: relu}, layers: [{linear: out}]}}\n"
        "layers: [{unit: {out: width}}]\noutputs: [unit]\n"
    )
    assert document.name == "Small"
    assert document.inputs["input"].shape == (3, 8, 6)
    assert document.args["width"].value == 4
    assert document.args["depths"].evaluate({"width": 4}) == (2, 4)
    assert document.blocks["unit"].args["act"].value == "relu"
    assert [use.kind for use in document.layers] == ["unit"]
    assert document.outputs is not None
    assert document.outputs[0].reference.name == "unit"


def test_a_document_needs_no_name_args_blocks_or_outputs() -> None:
    document = read("input: 10\nargs:\nblocks:\nlayers: [relu]\n")
    assert (document.name, document.args, document.blocks, document.outputs) == ("", {}, {}, None)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("  - relu\n", ["relu"]),
        ("  - relu\n  - tanh\n  - relu\n", ["relu1", "tanh", "relu2"]),
        ("  - {relu: {}, name: relu1}\n  - relu\n  - relu\n", ["relu1", "relu2", "relu3"]),
        ("  - {tanh: {}, name: relu}\n  - relu\n", ["relu", "relu1"]),
        ("  - relu\n  - add: [[relu], identity]\n  - relu\n", ["relu1", "add", "relu2", "relu3"]),
        ("  - add: [relu, {tanh: {}, name: side}]\n", ["add", "relu", "side"]),
        ("  - {relu: {}, repeat: 3}\n  - relu\n", ["relu1", "relu2"]),
    ],
)
def test_names_of_the_unnamed(layers: str, expected: list[str]) -> None:
    assert names(layers) == expected


def test_names_of_inputs_are_not_given_to_layers() -> None:
    document = read("inputs: {relu: 8, tanh: 8}\nlayers: [{relu: {}, from: relu}, {relu: {}, from: tanh}, tanh]\n")
    assert [use.name for use in document.layers] == ["relu1", "relu2", "tanh1"]


def test_every_block_names_its_own() -> None:
    document = read("input: 8\nblocks: {a: {layers: [relu, relu]}, b: {layers: [relu]}}\nlayers: [a, b]\n")
    assert [use.name for use in document.blocks["a"].layers] == ["relu1", "relu2"]
    assert [use.name for use in document.blocks["b"].layers] == ["relu"]


@pytest.mark.parametrize(
    "layer", ["linear: 10", "linear: {out_features: 10}", "linear: '10'", "linear: 2 * 5", "{linear: 10, name: a}"]
)
def test_a_layer_without_names_to_look_up_is_made_when_read(layer: str) -> None:
    (use,) = read(f"input: 8\nlayers:\n  - {layer}\n").layers
    assert use.spec == KINDS["linear"](out_features=10)


def test_equal_layers_are_one_object() -> None:
    a, b, c = read("input: 8x8x4\nlayers: [relu, relu, {relu: {inplace: true}}]\n").layers
    assert a.spec is b.spec
    assert a.spec is not c.spec


def test_a_layer_with_names_to_look_up_is_not() -> None:
    a, b = read("input: 8\nargs: {n: 3}\nlayers: [{linear: n}, {linear: in_channels}]\n").layers
    assert a.spec is None
    assert a.fields["out_features"].names == {"n"}
    assert b.fields["out_features"].names == {"in_channels"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("padding: same", "same"),
        ("padding: [[0, 1], [2, 3]]", ((0, 1), (2, 3))),
        ("kernel_size: [3, 5]", (3, 5)),
        ("activation: hard_swish", "hard_swish"),
        ("bias: false", False),
        ("rounding: exact", "exact"),
        ("connections: [[0, 1], [2]]", ((0, 1), (2,))),
    ],
)
def test_values_of_fields(field: str, value: object) -> None:
    more = "" if field.startswith("kernel_size") else "kernel_size: 3, "
    (use,) = read(f"input: 8x8x3\nlayers:\n  - conv: {{out_channels: 2, {more}{field}}}\n").layers
    name = field.partition(":")[0]
    assert use.fields[name].value == value
    assert getattr(use.spec, name) == value


def test_real_fields_hold_floats() -> None:
    (use,) = read("input: 8\nlayers: [{dropout: 0.1}]\n").layers
    assert use.fields["p"].value == 0.1
    assert type(use.fields["p"].value) is float


def test_paths() -> None:
    (_, use) = read(
        "input: 8x8x4\nlayers:\n  - {relu: {}, name: stem}\n"
        "  - concat: {paths: [[relu, tanh], tanh, {linear: 3}, stem, identity, []], axis: 1}\n"
    ).layers
    assert use.paths is not None
    shapes = [path.name if isinstance(path, Reference) else [inner.kind for inner in path] for path in use.paths]
    assert shapes == [["relu", "tanh"], ["tanh"], ["linear"], "stem", [], []]
    assert use.spec == KINDS["concat"](axis=1)


def test_a_kind_before_a_name_in_a_path() -> None:
    (_, use) = read("input: 8\nlayers: [{tanh: {}, name: relu}, {add: [relu, identity]}]\n").layers
    assert use.paths is not None
    assert not isinstance(use.paths[0], Reference)


def test_blocks_may_be_used_before_they_stand() -> None:
    document = read("layers: [a]\nblocks: {a: {layers: [b]}, b: {layers: [relu]}}\ninput: 8\n")
    assert document.blocks["a"].layers[0].kind == "b"


def test_args_see_those_before_them() -> None:
    document = read(
        "input: 8\nargs: {w: 4}\nblocks:\n  a:\n    args: {x: 2 * w, y: x + block_in_channels}\n"
        "    layers: [{linear: y}]\nlayers: [a]\n"
    )
    assert document.blocks["a"].args["y"].names == {"x", "block_in_channels"}


def test_all_mistakes_at_once_in_document_order() -> None:
    with pytest.raises(DocumentError) as caught:
        read(
            "input: 0x8x3\nblocks: {a: {args: {i: 3}, layers: [{linear: q}]}}\n"
            "layers: [{a: {x: 3}}, rellu, {linear: -1}, {dropout: 7 // 0}, {relu: {}, from: z}]\noutputs: [y]\n"
        )
    assert [(diagnostic.code, diagnostic.span and diagnostic.span.line) for diagnostic in caught.value.diagnostics] == [
        ("input-sizes", 1),
        ("bad-name", 2),
        ("unknown-name", 2),
        ("unknown-field", 3),
        ("unknown-kind", 3),
        ("wrong-value", 3),
        ("division-by-zero", 3),
        ("unknown-name", 3),
        ("unknown-name", 4),
    ]


def blocks_in_blocks(depth: int) -> str:
    """That many blocks, each but the last holding the next."""
    blocks = "".join(f"  b{number}: {{layers: [b{number + 1}]}}\n" for number in range(depth - 1))
    return f"blocks:\n{blocks}  b{depth - 1}: {{layers: [relu]}}\n"


def test_depth_of_blocks() -> None:
    assert len(read(f"input: 8\n{blocks_in_blocks(100)}layers: [b0]\n").blocks) == 100
    with pytest.raises(DocumentError, match="more than 100 blocks and merges") as caught:
        read(f"input: 8\n{blocks_in_blocks(101)}layers: [b0]\n")
    assert len(caught.value.diagnostics) == 1


def test_depth_of_blocks_in_merges() -> None:
    text = f"input: 8\n{blocks_in_blocks(98)}layers:\n"
    assert read(f"{text}  - add: [[{{add: [b0, identity]}}], identity]\n").layers
    with pytest.raises(DocumentError, match="more than 100 blocks and merges") as caught:
        read(f"{text}  - add: [[{{add: [{{add: [b0, identity]}}, identity]}}], identity]\n")
    assert len(caught.value.diagnostics) == 1
