"""What the tests of renderers share: a network small enough to count by hand, and one whose rows repeat."""

from __future__ import annotations

import pytest

import cnncalc
from cnncalc import Report

# 6x8 stays 6x4 behind the strides; 24 values reach the dense layer. tests/test_analysis.py counts this network by hand.
SMALL = """\
name: small
input: 6x8x2
layers:
  - conv: {out_channels: 4, kernel_size: [3, 5], stride: [1, 2], padding: [1, 2]}
    name: first
  - batch_norm
  - relu: {inplace: true}
  - add:
      - - conv: {out_channels: 4, kernel_size: 1, bias: false}
      - identity
  - max_pool: 2
  - flatten
  - linear: {out_features: 5, activation: relu}
"""

# 4·4·9 + 4 = 148 and 4·4·25 + 4 = 404 parameters; 256 outputs of 36 or 100 products each.
REPEATING = """\
name: repeating
input: 8x8x4
blocks:
  unit:
    layers:
      - {name: conv, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
      - {relu: {inplace: true}}
layers:
  - {name: conv3_1, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: conv3_2, conv: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: wide, conv: {out_channels: 4, kernel_size: 5, padding: 2}, repeat: 3}
  - {name: unit, unit: {}, repeat: 2}
"""

# Names and a file that try to be more than names: escape sequences, line breaks, Markdown, HTML, CSV.
HOSTILE = 'name: "a|b `c` *d*\\e[31m\\n<script>alert(1)</script>"\ninput: 7x9x1\nlayers: [{max_pool: 2}]\n'
HOSTILE_FILE = 'x|y,"z"\x1b]0;t\x07<b>&_\n.yaml'


@pytest.fixture(scope="session")
def small() -> Report:
    return cnncalc.analyze(cnncalc.loads(SMALL, name="small.yaml"))


@pytest.fixture(scope="session")
def repeating() -> Report:
    return cnncalc.analyze(cnncalc.loads(REPEATING, name="repeating.yaml"))


@pytest.fixture(scope="session")
def hostile() -> Report:
    return cnncalc.analyze(cnncalc.loads(HOSTILE, name=HOSTILE_FILE))


@pytest.fixture(scope="session")
def batch_of_8() -> Report:
    return cnncalc.analyze(cnncalc.loads(SMALL, name="small.yaml"), batch=8, dtype="float16")
