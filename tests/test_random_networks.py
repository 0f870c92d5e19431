"""Random networks over every kind of layer: the engine and torch agree on every number of every layer."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings

import cnncalc
from cnncalc.layers import KINDS

sys.path.insert(0, str(Path(__file__).parent))
from random_networks import FIELDS, MERGES, documents

pytest.importorskip("torch", reason="verify needs torch, which is not installed")

from cnncalc.pytorch.verify import diagnostics, verify

NETWORKS = 300
drawn: Counter[str] = Counter()


@seed(20)
@settings(max_examples=NETWORKS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(documents())
@pytest.mark.filterwarnings("ignore")
def test_the_engine_agrees_with_torch(text: str) -> None:
    network = cnncalc.loads(text)
    drawn.update(node.layer.kind for node in network)
    report = verify(network, device="cpu", batch=2)
    assert report.agrees, "\n".join(map(str, diagnostics(report, network)))


def test_every_kind_can_be_drawn() -> None:
    assert set(FIELDS) | set(MERGES) == set(KINDS)


def test_most_kinds_were_drawn() -> None:
    """Runs after the networks: they hold nearly every kind, so that the soak's ten thousand hold all."""
    assert len(drawn) >= len(KINDS) - 5, sorted(set(KINDS) - set(drawn))
