"""Small networks, operator by operator, as torch ran them: `golden.py` says where the numbers are from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cnncalc.eager import timeline
from cnncalc.layers import KINDS

sys.path.insert(0, str(Path(__file__).parent))
from golden import Golden, Step, every, on_cuda, written, written_on_cuda

ROWS = list(every())
WRITTEN = written()
ROWS_ON_CUDA, WRITTEN_ON_CUDA = list(on_cuda()), written_on_cuda()


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


def test_the_file_of_cuda_has_the_rows_that_torch_runs_there() -> None:
    """What CPU cannot do with half precision or with some algorithm CUDA may, and the other way round."""
    ids = [row.id for row in ROWS_ON_CUDA]
    assert [id for id in ids if id in WRITTEN_ON_CUDA] == list(WRITTEN_ON_CUDA)
    assert len(ids) - len(WRITTEN_ON_CUDA) < 10
    assert {node.layer.kind for row in ROWS_ON_CUDA for node in row.network} == set(KINDS)


@pytest.mark.parametrize("row", [row for row in ROWS_ON_CUDA if row.id in WRITTEN_ON_CUDA], ids=lambda row: row.id)
def test_torch_held_the_same_on_cuda(row: Golden) -> None:
    found = timeline(row.network, replace(row.setup, device="cuda"))
    steps = []
    for number in range(len(found.starts)):
        lives = [found.events[index].live for index in found.step(number)]
        steps.append(Step(max(lives), lives[-1]))
    assert (found.at_rest, steps) == WRITTEN_ON_CUDA[row.id]
