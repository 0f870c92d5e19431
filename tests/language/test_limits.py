"""Layers counted before they are made: never more than there will be."""

from __future__ import annotations

import pytest

from cnncalc.diagnostics import DocumentError, Findings, Source
from cnncalc.language.fields import MAX_NODES
from cnncalc.language.limits import _Counter
from cnncalc.language.load import loads, zoo, zoo_names
from cnncalc.language.reader import read_document
from cnncalc.language.source import parse


def count(text: str) -> int:
    found = Findings()
    document = read_document(parse(Source("net.yaml", text), found), found)
    constants: dict[str, object] = {}
    for name, term in document.args.items():
        constants[name] = term.evaluate(constants)
    return _Counter(document, constants).layers(document.layers, constants)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("layers: [relu, tanh]", 2),
        ("layers: [{relu: {}, repeat: 70}]", 70),
        ("layers: [{relu: {}, repeat: [3, 4, 5]}]", 3),
        ("args: {n: 4}\nlayers: [{relu: {}, repeat: 3 * n}]", 12),
        ("layers: [{add: [[relu, tanh], identity, input, selu]}]", 4),
        ("layers: [{add: [[{relu: {}, repeat: 5}], identity], repeat: 3}]", 18),
        ("blocks: {a: {layers: [relu, tanh]}}\nlayers: [a, {a: {}, repeat: 4}]", 10),
        ("blocks: {a: {args: {n: 2}, layers: [{relu: {}, repeat: n}]}}\nlayers: [a, {a: {n: 5}}]", 7),
        ("args: {deep: true}\nlayers: [{relu: {}, when: deep}, {relu: {}, when: not deep}]", 1),
    ],
)
def test_what_is_counted_exactly(text: str, layers: int) -> None:
    document = f"input: 8\n{text}\n"
    assert count(document) == layers
    assert len(loads(document)) == layers


@pytest.mark.parametrize(
    ("text", "counted", "layers"),
    [
        ("layers: [{relu: {}, repeat: in_channels}]", 0, 8),
        ("layers: [{relu: {}, when: in_channels == 8}]", 0, 1),
        ("layers: [{relu: {}, when: i > 0, repeat: 5}]", 0, 4),
        (
            "blocks: {a: {args: {n: 2}, layers: [{relu: {}, repeat: n}]}}\nlayers: [{a: {n: i}, repeat: 3}]",
            0,
            0 + 1 + 2,
        ),
    ],
)
def test_what_depends_on_sizes_counts_nothing(text: str, counted: int, layers: int) -> None:
    assert count(f"input: 8\n{text}\n") == counted
    assert len(loads(f"input: 8\n{text}\n")) == layers


@pytest.mark.parametrize("name", zoo_names())
def test_never_more_than_there_are(name: str) -> None:
    text = (zoo() / f"{name}.yaml").read_text("utf-8")
    if "extends:" not in text:
        assert count(text) <= len(loads(text))


def test_a_million_and_no_more() -> None:
    assert count(f"input: 8\nlayers: [{{relu: {{}}, repeat: {MAX_NODES}}}]\n") == MAX_NODES
    with pytest.raises(DocumentError, match="1,000,001 layers up to here"):
        count(f"input: 8\nlayers: [{{relu: {{}}, repeat: {MAX_NODES}}}, relu]\n")
