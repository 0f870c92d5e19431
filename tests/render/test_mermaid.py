from __future__ import annotations

import re

import pytest

import cnncalc
from cnncalc.language.load import zoo_names
from cnncalc.render.mermaid import document, text

SMALL = """\
name: small
input: 6x8x2
blocks:
  pair: {layers: [{conv: {out_channels: 4, kernel_size: 3, padding: 1}}, relu]}
layers:
  - {name: pair, pair: {}, repeat: 2}
  - add: [{conv: {out_channels: 4, kernel_size: 1}}, identity]
  - {name: scores, linear: 5}
"""

DRAWN = """\
flowchart TD
  i0(["input"])
  subgraph b1["pair"]
    subgraph b2["0"]
      n0["conv 3x3"]
      n1["relu"]
    end
    subgraph b3["1"]
      n2["conv 3x3"]
      n3["relu"]
    end
  end
  n4["conv 1x1"]
  n5["add 2 paths"]
  n6["scores<br>linear"]
  i0 -->|"6x8x2"| n0
  n0 -->|"6x8x4"| n1
  n1 -->|"6x8x4"| n2
  n2 -->|"6x8x4"| n3
  n3 -->|"6x8x4"| n4
  n4 -->|"6x8x4"| n5
  n3 -->|"6x8x4"| n5
  n5 -->|"6x8x4"| n6
  o0(["output"])
  n6 -->|"5"| o0
"""


def test_a_network() -> None:
    assert document(cnncalc.loads(SMALL)) == DRAWN


def test_shapes_are_written_as_the_document_writes_them() -> None:
    assert 'i0 -->|"[2, 6, 8]"| n0' in document(cnncalc.loads(SMALL.replace("6x8x2", "[2, 6, 8]")))


def test_outputs_have_their_names() -> None:
    network = cnncalc.loads("input: 8x8x2\nlayers: [{name: a, relu: {}}, {name: b, sigmoid: {}}]\noutputs: [a, b]")
    assert document(network).endswith('  o0(["a"])\n  n0 -->|"8x8x2"| o0\n  o1(["b"])\n  n1 -->|"8x8x2"| o1\n')


def test_odd_names_stay_inside_their_quotes() -> None:
    assert text('a "b" <c> `d` &#34; e\n') == "a #34;b#34; #60;c#62; #96;d#96; #38;#35;34; e?"


LINE = re.compile(
    r'flowchart TD|(?:  )+(?:end|subgraph b\d+\["[^"]+"\]|[ion]\d+(?:\["[^"]+"\]|\(\["[^"]+"\]\))|'
    r'[in]\d+ -->\|"[^"]+"\| [no]\d+)'
)


@pytest.mark.parametrize("name", zoo_names())
def test_every_line_is_of_the_grammar(name: str) -> None:
    network = cnncalc.load(name)
    lines = document(network).splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert sum("subgraph" in line for line in lines) == sum(line.strip() == "end" for line in lines)
    declared = [match[1] for line in lines if (match := re.fullmatch(r" *([ion]\d+)[\[(].*", line))]
    assert len(declared) == len(set(declared)) == len(network.inputs) + len(network.nodes) + len(network.outputs)
    used = {end for line in lines if "-->" in line for end in re.findall(r"\b[ion]\d+\b", re.sub('".*"', "", line))}
    assert used <= set(declared)
