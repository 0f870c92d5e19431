from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.base import EVERYTHING
from cnncalc.shapes import Shape

ROWS = [
    pytest.param(
        "linear",
        {"out_features": 84},
        (120,),
        {
            "output": (84,),
            "parameters": {"weight": (84, 120), "bias": (84,)},
            "weights": 10_164 - 84,
            "biases": 84,
            "macs": 120 * 84,
            "multiplies": 120 * 84,
            "adds": 120 * 84 + 84,
            "connections": 10_164,
            "activations": 84,
        },
        id="lenet5-f6",
    ),
    pytest.param(
        "linear",
        {"out_features": 10, "bias": False, "activation": "softmax"},
        (4, 3, 5),
        {
            "output": (10,),
            "parameters": {"weight": (10, 4 * 3 * 5)},
            "weights": 10 * 60,
            "macs": 10 * 60,
            "multiplies": 10 * 60,
            "adds": 10 * 60 + 9,  # nine adds sum ten exponentials
            "exponentials": 10,
            "divisions": 10,
            "connections": 10 * 60,
            "activations": 10,
        },
        id="flattens-a-map-with-softmax",
    ),
    pytest.param(
        "linear",
        {"out_features": 10, "flatten": False},
        (4, 3, 5),
        {
            "output": (4, 3, 10),
            "parameters": {"weight": (10, 5), "bias": (10,)},
            "weights": 50,
            "biases": 10,
            "macs": 12 * 50,  # twelve places
            "multiplies": 600,
            "adds": 600 + 120,
            "connections": 600 + 120,
            "activations": 120,
        },
        id="along-the-last-dimension",
    ),
    pytest.param(
        "rbf",
        {"out_features": 10},
        (84,),
        {
            "output": (10,),
            "parameters": {"centers": (10, 84)},
            "buffers": 840,
            "multiplies": 840,
            "adds": 840 + 840,  # a difference and an accumulation for each square
            "connections": 840,
            "activations": 10,
        },
        id="lenet5-output",
    ),
    pytest.param(
        "rbf",
        {"out_features": 7, "trainable": True},
        (2, 3, 5),
        {
            "output": (7,),
            "parameters": {"centers": (7, 2 * 3 * 5)},
            "weights": 7 * 30,
            "multiplies": 7 * 30,
            "adds": 2 * 7 * 30,
            "connections": 7 * 30,
            "activations": 7,
        },
        id="trained-centres",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


@pytest.mark.parametrize(
    ("fields", "input", "parameters"),
    [
        pytest.param({"out_features": 1000, "bias": False}, (1, 100, 100), 10_000_000, id="dense-100x100"),
        pytest.param({"out_features": 1, "bias": False}, (3, 32, 32), 3_072, id="dense-neuron-cifar"),
        pytest.param({"out_features": 1, "bias": False}, (3, 200, 200), 120_000, id="dense-neuron-200"),
        pytest.param({"out_features": 4704, "bias": False}, (3, 32, 32), 14_450_688, id="dense-against-conv"),
        pytest.param({"out_features": 128}, (128, 1, 1), 16_512, id="mnist-cnn-f9"),
        pytest.param({"out_features": 10}, (128,), 1_290, id="mnist-cnn-output"),
        pytest.param({"out_features": 4096, "bias": False}, (512, 7, 7), 102_760_448, id="vgg16-table-fc6"),
    ],
)
def test_published_dense_layers(fields: dict[str, Any], input: Shape, parameters: int) -> None:
    facts = KINDS["linear"](**fields).facts((input,))
    assert facts.weights + facts.biases == parameters


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_every_output_reads_every_input(kind: str) -> None:
    assert KINDS[kind](out_features=3).facts(((2, 4, 5),)).reach is EVERYTHING
