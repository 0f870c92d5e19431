"""What the tests of layer kinds share: a kind's facts and refusals in a form that compares, and torch to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import AxisReach, LayerError
from cnncalc.shapes import Shape

Fields = dict[str, Any]


@pytest.fixture(scope="session")
def told() -> Callable[..., dict[str, Any]]:
    """All that a kind says but for its reach, zeros and empty answers left out: what a row does not list is nothing."""

    def ask(kind: str, fields: Fields, *inputs: Shape) -> dict[str, Any]:
        facts = KINDS[kind](**fields).facts(inputs)
        said: dict[str, Any] = {
            "output": facts.output,
            "parameters": {parameter.name: parameter.shape for parameter in facts.parameters},
            "weights": facts.weights,
            "biases": facts.biases,
            "buffers": facts.buffers,
            "macs": facts.macs,
            **facts.operations._asdict(),
            "connections": facts.connections,
            "activations": facts.activations,
            "remarks": tuple(remark.code for remark in facts.remarks),
        }
        return {name: value for name, value in said.items() if value}

    return ask


@pytest.fixture(scope="session")
def refused() -> Callable[..., tuple[str, str]]:
    """The code of the error with which a kind refuses its inputs, and the field at fault."""

    def ask(kind: str, fields: Fields, *inputs: Shape) -> tuple[str, str]:
        layer = KINDS[kind](**fields)
        with pytest.raises(LayerError) as refusal:
            layer.facts(inputs)
        assert all(source in range(len(inputs)) for source in refusal.value.sources)
        return refusal.value.code, refusal.value.field

    return ask


@pytest.fixture(scope="session")
def spans() -> Callable[..., list[tuple[int, int]]]:
    """The first and the last input that each output reads, along the last dimension."""

    def ask(kind: str, fields: Fields, input: Shape) -> list[tuple[int, int]]:
        facts = KINDS[kind](**fields).facts((input,))
        along: tuple[Any, ...] = facts.reach
        last = along[-1]
        assert isinstance(last, AxisReach)
        return [(last.low.at(o), last.high.at(o)) for o in range(facts.output[-1])]

    return ask


@pytest.fixture(scope="session")
def torch() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def read(torch: Any) -> Callable[[Callable[[Any], Any], int], list[set[int]]]:
    """For each output of a linear function of [1, 1, W], which inputs it reads: those with a derivative."""

    def ask(function: Callable[[Any], Any], W: int) -> list[set[int]]:
        jacobian = torch.autograd.functional.jacobian(function, torch.zeros(1, 1, W, dtype=torch.float64))
        return [{i for i, slope in enumerate(row) if abs(slope) > 1e-6} for row in jacobian.reshape(-1, W).tolist()]

    return ask
