from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import POINTWISE
from cnncalc.shapes import Shape

ROWS = [
    pytest.param("dropout", {}, (64, 5, 4), {"output": (64, 5, 4), "activations": 64 * 5 * 4}, id="dropout"),
    pytest.param("dropout", {"p": 0.25, "inplace": True}, (10,), {"output": (10,)}, id="dropout-in-place"),
    pytest.param("drop_path", {"p": 0.1}, (8, 20), {"output": (8, 20), "activations": 8 * 20}, id="drop-path"),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


@pytest.mark.parametrize("kind", ["dropout", "drop_path"])
def test_stays_in_its_place(kind: str) -> None:
    assert KINDS[kind](p=0.5).facts(((3, 5, 4),)).reach is POINTWISE


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_p_is_a_probability(p: float) -> None:
    for kind in ("dropout", "drop_path"):
        with pytest.raises(ValueError, match="`p` has to be a number from 0 to 1"):
            KINDS[kind](p=p)
