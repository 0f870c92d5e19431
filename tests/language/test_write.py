"""Documents written: the text reads back as the same data, in the style of the zoo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_networks import documents

from cnncalc.diagnostics import Findings, Source
from cnncalc.language.load import load, loads, read_source, root_of, zoo_names
from cnncalc.language.source import parse, plain
from cnncalc.language.write import WIDTH, flow, scalar, text


def read(written: str) -> Any:
    return plain(parse(Source("net.yaml", written), Findings()))


def tuples(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: tuples(value) for key, value in data.items()}
    return tuple(map(tuples, data)) if isinstance(data, list | tuple) else data


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (-1, "-1"),
        (4096, "4096"),
        (25_557_032, "25_557_032"),
        (0.5, "0.5"),
        (1e-5, "1e-05"),
        (True, "true"),
        (None, "null"),
        ("same", "same"),
        ("224x224x3", "224x224x3"),
        ("4 * width", "4 * width"),
        ("stride if i == 0 else 1", "stride if i == 0 else 1"),
        ("max(a, b)", '"max(a, b)"'),
        ("depths[0]", '"depths[0]"'),
        ("true", '"true"'),
        ("10", '"10"'),
        ("1_000", '"1_000"'),
        ("", '""'),
        ("-x", '"-x"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        (" a", '" a"'),
        ('one\ntwo\t\\ "3"', '"one\\ntwo\\t\\\\ \\"3\\""'),
        ("\x00\x85\u2028", '"\\x00\\x85\\u2028"'),
        (">= 7x7", '">= 7x7"'),
        ("579_722_400 B", "579_722_400 B"),
        ("Ünet", '"Ünet"'),
    ],
)
def test_scalars(value: Any, written: str) -> None:
    assert scalar(value) == written
    assert read(f"a: {written}") == {"a": value}
    assert read(f"[{written}]") == (value,)


def test_in_one_line() -> None:
    value = {"out_channels": "out", "kernel_size": (3, 5), "connections": ((0, 1), ()), "fields": {}}
    assert flow(value) == "{out_channels: out, kernel_size: [3, 5], connections: [[0, 1], []], fields: {}}"


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text("aB1 ,:#[]{}()-_'\"&*!|>%@`?\\=<", max_size=30)
)
words = st.text("abcdefg_", min_size=1, max_size=8) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4))


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(["name", "input", "args", "outputs", "expect", "blocks"]) | words, values, max_size=4
    ),
    st.lists(st.dictionaries(words, values, min_size=1, max_size=3) | st.text("abc", min_size=1), max_size=3),
)
def test_any_data(data: dict[str, Any], layers: list[Any]) -> None:
    """Of any shape, sensible or not, and never in a way that reads as something else."""
    data = {**data, "layers": layers}
    assert tuples(read(text(data))) == tuples(data)


# Documents ------------------------------------------------------------------------------------------------------------


def rewritten(name: str) -> str:
    source, folder = read_source(name)
    return text(plain(root_of(source, folder, (), Findings())))


def edges(network: Any) -> list[Any]:
    places = {value: place for place, value in enumerate((*network.inputs, *network.nodes))}
    outputs = [places[value] for value in network.outputs]
    return [*[(node.name, node.layer, [places[value] for value in node.inputs]) for node in network], outputs]


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo(name: str) -> None:
    written = rewritten(name)
    network, again = load(name), loads(written)
    assert edges(again) == edges(network)
    assert [one.quantity for one in again.expectations] == [one.quantity for one in network.expectations]
    assert max(map(len, written.splitlines())) <= WIDTH
    assert rewritten(name) == written


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_random_documents(document: str) -> None:
    source = Source("net.yaml", document)
    data = plain(root_of(source, None, (), Findings()))
    assert read(text(data)) == data
    assert edges(loads(text(data))) == edges(loads(document))


def test_the_style() -> None:
    path = [{"linear": 3, "name": "b"}, {"dropout": 0.25}]
    data = {
        "layers": [
            "relu",
            {"name": "a", "conv": {"out_channels": 4, "kernel_size": 3}, "repeat": 2},
            {"add": ["identity", ["relu", {"conv": {"out_channels": 4, "kernel_size": 1}}]]},
            {"concat": ["a", "identity"]},
            {"concat": {"paths": [path, ["relu", "tanh"], "identity", path, path], "axis": 1}},
            {"conv": {"out_channels": 2, "kernel_size": 1, "connections": [list(range(20)), list(range(19)), [1]]}},
        ],
        "input": "8x8x3",
        "name": "Net",
    }
    assert (
        text(data)
        == """\
name: Net
input: 8x8x3

layers:
  - relu
  - {name: a, conv: {out_channels: 4, kernel_size: 3}, repeat: 2}
  - add: [identity, [relu, {conv: {out_channels: 4, kernel_size: 1}}]]
  - concat: [a, identity]
  - concat:
      axis: 1
      paths:
        - - {name: b, linear: 3}
          - dropout: 0.25
        - [relu, tanh]
        - identity
        - - {name: b, linear: 3}
          - dropout: 0.25
        - - {name: b, linear: 3}
          - dropout: 0.25
  - conv:
      out_channels: 2
      kernel_size: 1
      connections:
        - [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
        - [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
        - [1]
"""
    )
