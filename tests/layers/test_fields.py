from typing import Annotated, Any

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.conv import Connections
from cnncalc.layers.fields import (
    AnyInt,
    Declared,
    Flag,
    NonNegativeInt,
    NonNegativeReal,
    NonNegativeSizes,
    OptionalCount,
    OptionalInt,
    OptionalReal,
    OptionalSides,
    OptionalSizes,
    PositiveInt,
    PositiveReal,
    Probability,
    Real,
    Sides,
    Sizes,
    Takes,
    choice,
    sides_or,
)

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


def takes(annotation: Any) -> Takes:
    found = annotation.__metadata__[0]
    assert isinstance(found, Takes)
    return found


@pytest.mark.parametrize(
    ("annotation", "accepted", "refused"),
    [
        pytest.param(PositiveInt, [1, 2**31 - 1], [0, -1, 2**31, 1.0, True, "1", None, (1,)], id="positive-int"),
        pytest.param(NonNegativeInt, [0, 7], [-1, 2**31, False, 0.0], id="non-negative-int"),
        pytest.param(AnyInt, [-(2**31) + 1, 0, 5], [2**31, -(2**31), 0.5, True], id="any-int"),
        pytest.param(OptionalInt, [None, -3], ["null", False], id="optional-int"),
        pytest.param(OptionalCount, [None, 3], [0, -3], id="optional-count"),
        pytest.param(Real, [0, -1.5], [INFINITE, NOT_A_NUMBER, True, "1", None], id="real"),
        pytest.param(PositiveReal, [1e-12, 2], [0, 0.0, -1.0], id="positive-real"),
        pytest.param(NonNegativeReal, [0, 1e-5], [-1e-5, INFINITE], id="non-negative-real"),
        pytest.param(Probability, [0, 0.5, 1], [-0.1, 1.5, NOT_A_NUMBER], id="probability"),
        pytest.param(OptionalReal, [None, 0.1], ["0.1", INFINITE], id="optional-real"),
        pytest.param(Flag, [True, False], [0, 1, "true", None], id="flag"),
        pytest.param(Sizes, [3, (3, 5), (1,)], [0, (3, 0), (), [3, 5], (3, (5,)), None], id="sizes"),
        pytest.param(OptionalSizes, [None, 2, (2, 3)], [0, ()], id="optional-sizes"),
        pytest.param(NonNegativeSizes, [0, (0, 1)], [-1, (0, -1), ()], id="non-negative-sizes"),
        pytest.param(Sides, [0, (1, 2), ((0, 1), (2, 3)), (1, (2, 3))], [-1, ((0, 1, 2),), ((0, -1),), ()], id="sides"),
        pytest.param(OptionalSides, [None, ((0, 1),)], ["same", ()], id="optional-sides"),
        pytest.param(Annotated[Any, sides_or("same")], ["same", 0, ((0, 1),)], ["valid", -1, None], id="sides-or"),
        pytest.param(
            Connections,
            [None, ((0, 1), (2,)), ()],
            [0, (0, 1), ((0, -1),), ((0, "1"),), ((True,),), "all"],
            id="connections",
        ),
        pytest.param(Annotated[Any, choice("max", "avg")], ["max", "avg"], ["min", None, 1, ""], id="choice"),
    ],
)
def test_accepts(annotation: Any, accepted: list[Any], refused: list[Any]) -> None:
    assert [value for value in accepted if not takes(annotation).accepts(value)] == []
    assert [value for value in refused if takes(annotation).accepts(value)] == []


def test_words_name_every_choice() -> None:
    assert choice("max", "avg", "min").words == "`max`, `avg` or `min`"
    assert sides_or("valid", "same").words.endswith("[before, after] for each, or `valid`, `same`")


class Window(Declared):
    stride: Sizes = 1
    note = "no annotation, no field"


class Kernel(Window):
    out_channels: PositiveInt
    kernel_size: Sizes
    stride: Sizes = 2
    bias: Flag = True


def test_fields_are_the_annotated_attributes_required_ones_first() -> None:
    assert list(Window.fields) == ["stride"]
    assert list(Kernel.fields) == ["out_channels", "kernel_size", "stride", "bias"]
    assert [field.name for field in Kernel.fields.values() if field.required] == ["out_channels", "kernel_size"]


def test_values_are_those_given_or_the_defaults() -> None:
    kernel = Kernel(out_channels=4, kernel_size=(3, 5), bias=False)
    assert kernel.values() == {"out_channels": 4, "kernel_size": (3, 5), "stride": 2, "bias": False}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"kernel_size": 3}, "Kernel needs `out_channels`", id="missing"),
        pytest.param({"out_channels": 4, "kernel_size": 3, "pad": 4}, "Kernel has no field `pad`", id="unknown"),
        pytest.param({"out_channels": 4, "kernel_size": 3, "note": 4}, "Kernel has no field `note`", id="no-field"),
        pytest.param(
            {"out_channels": "4", "kernel_size": 3},
            "`out_channels` has to be a positive whole number, not '4'",
            id="wrong-type",
        ),
    ],
)
def test_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Kernel(**values)


def test_a_record_does_not_change() -> None:
    kernel = Kernel(out_channels=4, kernel_size=3)
    with pytest.raises(AttributeError, match="Kernel cannot be changed"):
        kernel.bias = False  # type: ignore[misc]


def test_records_are_equal_by_value() -> None:
    one, same = Kernel(out_channels=4, kernel_size=3), Kernel(kernel_size=3, out_channels=4, stride=2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != Kernel(out_channels=4, kernel_size=3, stride=1)
    assert Window(stride=2) != one
    assert repr(Window(stride=(2, 1))) == "Window(stride=(2, 1))"


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_values_their_fields_take(kind: str) -> None:
    fields = KINDS[kind].fields.values()
    assert [field.name for field in fields if not field.required and not field.takes.accepts(field.default)] == []
