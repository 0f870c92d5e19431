from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import EVERYTHING, POINTWISE, UNTRACKED, LayerError
from cnncalc.layers.unknown import Unknown
from cnncalc.shapes import Shape

ROWS = [
    pytest.param(
        "arithmetic",
        {"operation": "add", "number": 3},
        (6, 5, 4),
        {"output": (6, 5, 4), "adds": 6 * 5 * 4, "activations": 120},
        id="a-number",
    ),
    pytest.param(
        "arithmetic",
        {"operation": "subtract", "number": 1, "inplace": True},
        (6, 5, 4),
        {"output": (6, 5, 4), "adds": 120},
        id="in-place",
    ),
    pytest.param(
        "arithmetic",
        {"shape": (6, 1, 4)},
        (6, 5, 4),
        {
            "output": (6, 5, 4),
            "parameters": {"weight": (6, 1, 4)},
            "weights": 24,
            "multiplies": 120,
            "activations": 120,
        },
        id="a-tensor",
    ),
    pytest.param(
        "arithmetic",
        {"operation": "divide", "shape": (6, 5), "trainable": False},
        (1, 5),
        {"output": (6, 5), "parameters": {"weight": (6, 5)}, "buffers": 30, "divisions": 30, "activations": 30},
        id="a-buffer-that-repeats-the-input",
    ),
    pytest.param(
        "arithmetic",
        {"operation": "power", "number": 2},
        (7,),
        {"output": (7,), "multiplies": 7, "activations": 7},
        id="a-square",
    ),
    pytest.param(
        "arithmetic",
        {"operation": "power", "number": 3},
        (7,),
        {"output": (7,), "powers": 7, "activations": 7},
        id="a-cube",
    ),
    pytest.param(
        "function",
        {"of": "rsqrt"},
        (6, 5),
        {"output": (6, 5), "roots": 30, "divisions": 30, "activations": 30},
        id="a-function",
    ),
    pytest.param(
        "reduce",
        {"axes": (0,)},
        (6, 5, 4),
        {"output": (1, 5, 4), "adds": 20 * 5, "divisions": 20, "activations": 20},  # 20 places, six channels each
        id="mean-of-channels",
    ),
    pytest.param(
        "reduce",
        {"by": "max", "axes": (0, 2), "keep": False},
        (6, 5, 4),
        {"output": (5,), "comparisons": 5 * 23, "activations": 5},
        id="maximum-of-two-axes",
    ),
    pytest.param(
        "reduce",
        {"by": "norm", "axes": (1, 2)},
        (6, 5, 4),
        {"output": (6, 1, 1), "multiplies": 120, "adds": 6 * 19, "roots": 6, "activations": 6},
        id="length",
    ),
    pytest.param(
        "reduce",
        {"by": "sum", "axes": 0, "keep": False},
        (7,),
        {"output": (1,), "adds": 6, "activations": 1},
        id="sum-of-a-vector",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


def test_what_units_see() -> None:
    arithmetic, reduce = KINDS["arithmetic"], KINDS["reduce"]
    assert arithmetic(number=2).facts(((3, 5, 4),)).reach is POINTWISE
    assert arithmetic(shape=(3, 1, 1)).facts(((3, 5, 4),)).reach is POINTWISE
    assert arithmetic(shape=(3, 5, 4)).facts(((3, 1, 4),)).reach is UNTRACKED
    assert reduce(axes=0).facts(((3, 5, 4),)).reach is POINTWISE
    assert reduce(axes=(1, 2)).facts(((3, 5, 4),)).reach is UNTRACKED
    assert reduce(axes=(0, 1, 2)).facts(((3, 5, 4),)).reach is EVERYTHING


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("arithmetic", {}, "arithmetic-number-or-shape"),
        ("arithmetic", {"number": 2, "shape": (3, 1, 1)}, "arithmetic-number-or-shape"),
        ("arithmetic", {"shape": (2, 1, 1)}, "merge-shapes-differ"),
        ("arithmetic", {"shape": (3, 5)}, "merge-shapes-differ"),
        ("reduce", {"axes": 3}, "no-such-axis"),
        ("reduce", {"axes": (1, 1)}, "axis-twice"),
    ],
)
def test_refused(kind: str, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(LayerError) as caught:
        KINDS[kind](**fields).facts(((3, 5, 4),))
    assert caught.value.code == code


def test_an_unknown_operator_has_a_shape_and_says_so() -> None:
    facts = Unknown(operator="aten.bmm", shape=(4, 6)).facts(((4, 5), (5, 6)))
    assert (facts.output, facts.activations, facts.macs, facts.unknown) == ((4, 6), 24, 0, "aten.bmm")
    assert facts.work[0].inputs == 20 + 30
    assert facts.reach is UNTRACKED
