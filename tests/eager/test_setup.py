"""What may be asked for, and what is said where it may not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from cnncalc import DocumentError
from cnncalc.eager import Setup
from cnncalc.eager.setup import DEVICES, DTYPES, LOSSES, OPTIMIZERS


def test_defaults() -> None:
    setup = Setup()
    assert {field.name: getattr(setup, field.name) for field in fields(setup)} == {
        "batch": 1,
        "dtype": "float32",
        "device": "cpu",
        "training": False,
        "optimizer": "sgd",
        "weight_decay": False,
        "loss": "cross_entropy",
        "frozen": (),
        "checkpointed": (),
        "amp": "",
        "steps": 2,
        "steady": False,
    }


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("dtype", DTYPES),
        ("device", DEVICES),
        ("optimizer", ("", *OPTIMIZERS)),
        ("loss", LOSSES),
        ("amp", ("", "bfloat16")),
        ("batch", (1, 7)),
        ("steps", (1, 3)),
    ],
)
def test_what_may_be_asked_for(option: str, values: tuple[Any, ...]) -> None:
    for value in values:
        assert getattr(Setup(**{option: value}), option) == value


@pytest.mark.parametrize(
    ("options", "code", "message", "help"),
    [
        pytest.param({"batch": 0}, "batch-size", "a batch has at least 1 image, not 0", "use 2", id="batch"),
        pytest.param({"steps": 0}, "step-count", "training takes at least 1 step, not 0", "use 2", id="steps"),
        pytest.param(
            {"dtype": "bfloat"},
            "unknown-dtype",
            "`bfloat` is not a number format that torch runs networks in",
            "did you mean `bfloat16`, `float16` or `float32`?",
            id="dtype",
        ),
        pytest.param(
            {"dtype": "int8"},
            "unknown-dtype",
            "`int8` is not a number format that torch runs networks in",
            "known: float32, float64, float16, bfloat16",
            id="dtype-of-others",
        ),
        pytest.param(
            {"device": "mps"},
            "unknown-device",
            "`mps` is not a device of the memory model",
            "known: cpu, cuda",
            id="device",
        ),
        pytest.param(
            {"optimizer": "adamx"},
            "unknown-optimizer",
            "`adamx` is not an optimizer of the memory model",
            "did you mean `adam` or `adamw`?",
            id="optimizer",
        ),
        pytest.param(
            {"loss": "mse"},
            "unknown-loss",
            "`mse` is not a loss of the memory model",
            "known: cross_entropy, none",
            id="loss",
        ),
        pytest.param(
            {"amp": "float16"},
            "unknown-amp",
            "`float16` is not a number format of torch.autocast",
            "did you mean `bfloat16`?",
            id="amp",
        ),
        pytest.param(
            {"amp": "bfloat16", "dtype": "float64"},
            "autocast-of-float32",
            "autocast is for parameters in float32, not float64",
            "leave out one of --dtype and --amp",
            id="amp-and-dtype",
        ),
    ],
)
def test_what_may_not(options: dict[str, Any], code: str, message: str, help: str) -> None:
    with pytest.raises(DocumentError) as error:
        Setup(**options)
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.message, diagnostic.help) == (code, message, help)
