"""Small networks, operator by operator, as torch ran them: `golden.py` says where the numbers are from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cnncalc.eager import timeline
from cnncalc.layers import KINDS

sys.path.insert(0, str(Path(__file__).parent))
from golden import Golden, every, written

ROWS = list(every())
WRITTEN = written()


def test_the_file_has_every_row_and_no_other() -> None:
    assert [row.id for row in ROWS] == list(WRITTEN)


def test_every_kind_has_a_row() -> None:
    kinds = {node.layer.kind for row in ROWS if row.mode == "train" for node in row.network}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_torch_held_the_same(row: Golden) -> None:
    at_rest, operators = WRITTEN[row.id]
    found = timeline(row.network, row.setup)
    assert found.at_rest == at_rest
    assert [(event.operator, event.live) for event in found.events] == operators
