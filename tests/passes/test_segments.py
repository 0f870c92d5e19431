from __future__ import annotations

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError
from cnncalc.passes.segments import blocks, segments

DOCUMENT = """
input: 12x12x3
blocks:
  pair:
    layers:
      - {name: a, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
      - {name: b, relu: {}}
  stage:
    layers:
      - pair: {}
        repeat: 2
layers:
  - {name: first, stage: {}}
  - {name: second, stage: {}}
  - add: [first.pair.1.b, identity]
  - linear: 5
outputs: [linear, second.pair.0.a]
"""


@pytest.fixture
def network() -> cnncalc.Network:
    return cnncalc.loads(DOCUMENT)


def test_blocks(network: cnncalc.Network) -> None:
    inside = [f"{stage}{part}" for stage in ("first", "second") for part in ("", ".pair", ".pair.0", ".pair.1")]
    assert blocks(network) == inside


def test_what_a_segment_reads_and_returns(network: cnncalc.Network) -> None:
    one, two = segments(network, ["second", "first"])  # in the network's order
    assert (one.name, two.name) == ("first", "second")
    assert [node.name for node in one.nodes] == ["first.pair.0.a", "first.pair.0.b", "first.pair.1.a", "first.pair.1.b"]
    assert [value.name for value in one.reads] == ["input"]
    assert [node.name for node in one.returns] == ["first.pair.1.b"]
    assert [value.name for value in two.reads] == ["first.pair.1.b"]
    assert [node.name for node in two.returns] == ["second.pair.0.a", "second.pair.1.b"]  # the first is an output


def test_one_layer_is_a_segment(network: cnncalc.Network) -> None:
    (add,) = segments(network, ["add"])
    assert [value.name for value in add.reads] == ["first.pair.1.b", "second.pair.1.b"]
    assert [node.name for node in add.returns] == ["add"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("first.pair.*", ["first.pair.0", "first.pair.1"]),
        ("*.pair", ["first.pair", "second.pair"]),
        ("*.pair.1", ["first.pair.1", "second.pair.1"]),
        ("*", ["first", "second", "add", "linear"]),
    ],
)
def test_patterns(network: cnncalc.Network, pattern: str, names: list[str]) -> None:
    assert [segment.name for segment in segments(network, [pattern])] == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fist"], "no block or layer is called `fist`"),
        (["first.*.9"], "no block or layer is called like `first.*.9`"),
        (["first", "first.pair.1"], "`first.pair.1` and `first` share layers"),
    ],
)
def test_refused(network: cnncalc.Network, names: list[str], message: str) -> None:
    with pytest.raises(DocumentError) as refused:
        segments(network, names)
    assert refused.value.diagnostics[0].message == message


def test_a_near_name_is_offered(network: cnncalc.Network) -> None:
    with pytest.raises(DocumentError, match="did you mean `first`"):
        segments(network, ["fist"])
