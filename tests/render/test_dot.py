from __future__ import annotations

import re

import pytest

import cnncalc
from cnncalc.language.load import zoo_names
from cnncalc.render.dot import document, text

SMALL = """\
name: small
input: 6x8x2
blocks:
  pair: {layers: [{conv: {out_channels: 4, kernel_size: 3, padding: 1}}, relu]}
layers:
  - {name: pair, pair: {}, repeat: 2}
  - {name: scores, linear: 5}
"""

DRAWN = """\
digraph "small" {
  rankdir=TB;
  node [shape=box, style=rounded, fontname="Helvetica"];
  edge [fontname="Helvetica", fontsize=10];
  i0 [label="input", shape=ellipse];
  subgraph cluster_1 {
    label="pair";
    subgraph cluster_2 {
      label="0";
      n0 [label="conv 3x3"];
      n1 [label="relu"];
    }
    subgraph cluster_3 {
      label="1";
      n2 [label="conv 3x3"];
      n3 [label="relu"];
    }
  }
  n4 [label="scores\\nlinear"];
  i0 -> n0 [label="6x8x2"];
  n0 -> n1 [label="6x8x4"];
  n1 -> n2 [label="6x8x4"];
  n2 -> n3 [label="6x8x4"];
  n3 -> n4 [label="6x8x4"];
  o0 [label="output", shape=ellipse];
  n4 -> o0 [label="5"];
}
"""


def test_a_network() -> None:
    assert document(cnncalc.loads(SMALL)) == DRAWN


def test_odd_names_stay_inside_their_quotes() -> None:
    assert text('a "b" \\', "c\n") == '"a \\"b\\" \\\\\\nc?"'


STRING = r'"(?:[^"\\\n]|\\.)*"'
LINE = re.compile(
    rf"digraph {STRING} \{{|\}}|(?:  )+(?:\}}|rankdir=TB;|(?:node|edge) \[[^\]]+\];|subgraph cluster_\d+ \{{|"
    rf"label={STRING};|[ion]\d+ \[label={STRING}(?:, shape=ellipse)?\];|[in]\d+ -> [no]\d+ \[label={STRING}\];)"
)


@pytest.mark.parametrize("name", zoo_names())
def test_every_line_is_of_the_grammar(name: str) -> None:
    network = cnncalc.load(name)
    lines = document(network).splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert sum(line.endswith("{") for line in lines) == sum(line.strip() == "}" for line in lines)
    declared = [match[1] for line in lines if (match := re.fullmatch(r" *([ion]\d+) \[.*", line))]
    assert len(declared) == len(set(declared)) == len(network.inputs) + len(network.nodes) + len(network.outputs)
    used = {end for line in lines if " -> " in line for end in re.findall(r"\b[ion]\d+\b", re.sub('".*"', "", line))}
    assert used <= set(declared)
