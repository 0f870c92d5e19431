"""Element by element: what operators allocate, what they keep, and what their gradients allocate step by step.

Matrices of 5x5 float32 are 100 bytes, columns of 5 are 20.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnncalc.eager import pointwise
from cnncalc.eager.machine import Machine, Tensor
from cnncalc.eager.pointwise import repeated, result, unary
from cnncalc.eager.views import part, permute, view

Sizes = tuple[int, ...]
MATRIX, COLUMN, ROW = (5, 5), (5, 1), (5,)
FIXED = (-5, 5)  # a matrix that wants no gradient


def function(name: str, in_place: bool = False) -> Callable[[Tensor], Tensor]:
    return lambda x: pointwise.function(x, name, in_place)


def add_number(x: Tensor) -> Tensor:
    return pointwise.add(x, pointwise.number(x))


@pytest.mark.parametrize(
    ("operator", "shapes", "expected"),
    [
        pytest.param(
            lambda x: unary(x, "relu", "d relu", "result"),
            [MATRIX],
            {"forward": [("relu", 100)], "keeps": ["result"], "backward": [("d relu", 100)]},
            id="result-kept",
        ),
        pytest.param(
            lambda x: unary(x, "gelu", "d gelu"),
            [MATRIX],
            {"forward": [("gelu", 100)], "keeps": [0], "backward": [("d gelu", 100)]},
            id="input-kept",
        ),
        pytest.param(
            lambda x: unary(x, "gelu", "d gelu"), [FIXED], {"forward": [("gelu", 100)]}, id="no-gradient-nothing-kept"
        ),
        # in place: the result is the input's memory
        pytest.param(
            lambda x: unary(x, "relu", "d relu", "result", in_place=True),
            [MATRIX],
            {"forward": [("relu_", 0)], "keeps": [0], "backward": [("d relu", 100)]},
            id="in-place-result-kept",
        ),
        # a copy of the input, made before it is written over
        pytest.param(
            lambda x: unary(x, "silu", "d silu", in_place=True),
            [MATRIX],
            {"forward": [("silu_", 100)], "extra": 100, "backward": [("d silu", 100)]},
            id="in-place-copy-kept",
        ),
        pytest.param(
            lambda x: unary(x, "silu", "d silu", in_place=True),
            [FIXED],
            {"forward": [("silu_", 0)]},
            id="in-place-no-gradient-no-copy",
        ),
        pytest.param(function("neg"), [MATRIX], {"forward": [("neg", 100)], "backward": [("neg", 100)]}, id="neg"),
        # gradient · sgn(x)
        pytest.param(
            function("abs"),
            [MATRIX],
            {"forward": [("abs", 100)], "keeps": [0], "backward": [("sgn", 100), ("mul", 200)]},
            id="abs",
        ),
        pytest.param(
            function("sign"), [MATRIX], {"forward": [("sign", 100)], "backward": [("zeros_like", 100)]}, id="sign"
        ),
        pytest.param(
            function("sign", in_place=True),
            [MATRIX],
            {"forward": [("sign_", 0)], "backward": [("zeros_like", 100)]},
            id="sign-in-place",
        ),
        # gradient · exp(x)
        pytest.param(
            function("exp"),
            [MATRIX],
            {"forward": [("exp", 100)], "keeps": ["result"], "backward": [("mul", 100)]},
            id="exp",
        ),
        # gradient / x, of a copy where x is written over
        pytest.param(
            function("log", in_place=True),
            [MATRIX],
            {"forward": [("log_", 100)], "extra": 100, "backward": [("div", 100)]},
            id="log-in-place",
        ),
        # gradient / (2 · √x)
        pytest.param(
            function("sqrt", in_place=True),
            [MATRIX],
            {"forward": [("sqrt_", 0)], "keeps": [0], "backward": [("mul", 100), ("div", 200)]},
            id="sqrt-in-place",
        ),
        # -½ · gradient · result³
        pytest.param(
            function("rsqrt"),
            [MATRIX],
            {"forward": [("rsqrt", 100)], "keeps": ["result"], "backward": [("pow", 100), ("mul", 200), ("mul", 300)]},
            id="rsqrt",
        ),
        # -gradient · (result · result)
        pytest.param(
            function("reciprocal"),
            [MATRIX],
            {
                "forward": [("reciprocal", 100)],
                "keeps": ["result"],
                "backward": [("mul", 100), ("neg", 200), ("mul", 300)],
            },
            id="reciprocal",
        ),
        # 2/√π · exp(-x²) · gradient
        pytest.param(
            function("erf"),
            [MATRIX],
            {
                "forward": [("erf", 100)],
                "keeps": [0],
                "backward": [("pow", 100), ("neg", 200), ("exp", 300), ("mul", 400), ("mul", 500)],
            },
            id="erf",
        ),
        # gradient · cos(x); gradient · -sin(x)
        pytest.param(
            function("sin"),
            [MATRIX],
            {"forward": [("sin", 100)], "keeps": [0], "backward": [("cos", 100), ("mul", 200)]},
            id="sin",
        ),
        pytest.param(
            function("cos"),
            [MATRIX],
            {"forward": [("cos", 100)], "keeps": [0], "backward": [("sin", 100), ("neg", 200), ("mul", 300)]},
            id="cos",
        ),
        # gradient · (exponent · x^(exponent - 1))
        pytest.param(
            pointwise.power,
            [MATRIX],
            {"forward": [("pow", 100)], "keeps": [0], "backward": [("pow", 100), ("mul", 200), ("mul", 300)]},
            id="pow",
        ),
        pytest.param(
            pointwise.power_of_zero,
            [MATRIX],
            {"forward": [("pow", 100)], "keeps": [0], "backward": [("zeros_like", 100)]},
            id="pow-of-0",
        ),
        pytest.param(
            pointwise.subtracted_from_number,
            [MATRIX],
            {"forward": [("rsub", 100)], "backward": [("neg", 100)]},
            id="a-number-minus",
        ),
        # where(x >= least, gradient, 0): the 0 is 4 bytes, the mask 25
        pytest.param(
            lambda x: pointwise.clamp(x, least=True, operator="clamp_min"),
            [MATRIX],
            {
                "forward": [("clamp_min", 100)],
                "keeps": [0],
                "backward": [("scalar_tensor", 4), ("ge", 29), ("where", 129)],
            },
            id="clamp_min",
        ),
        # that of the bound first, which is summed; then where(x <= most, gradient, 0) beside it
        pytest.param(
            lambda x, most: pointwise.clamp_by(x, most, least=False),
            [MATRIX, COLUMN],
            {
                "forward": [("clamp", 100)],
                "keeps": [0, 1],
                "backward": [
                    *[("scalar_tensor", 4), ("gt", 29), ("where", 129)],
                    *[("scalar_tensor", 104), ("le", 129), ("where", 229), ("sum", 220)],
                ],
            },
            id="clamp-by-a-column",
        ),
        # exponent: gradient · where(x == 0 and exponent >= 0, 0, result · log(x)), masks of 25 and 5 bytes;
        # x: where(exponent == 0, 0, gradient · (exponent · x^(exponent - 1)))
        pytest.param(
            pointwise.power_of,
            [MATRIX, COLUMN],
            {
                "forward": [("pow", 100)],
                "keeps": [0, 1, "result"],
                "backward": [
                    *[("ge", 5), ("eq", 30), ("logical_and", 55), ("log", 125), ("mul", 225)],
                    *[("scalar_tensor", 229), ("where", 329), ("mul", 429)],
                    *[("sub", 120), ("pow", 220), ("mul", 320), ("mul", 420)],
                    *[("scalar_tensor", 424), ("eq", 429), ("where", 529), ("sum", 220)],
                ],
            },
            id="a-power-of-a-column",
        ),
        pytest.param(
            pointwise.power_of,
            [FIXED, COLUMN],
            {
                "forward": [("pow", 100)],
                "keeps": [0, 1, "result"],
                "backward": [
                    *[("ge", 5), ("eq", 30), ("logical_and", 55), ("log", 125), ("mul", 225)],
                    *[("scalar_tensor", 229), ("where", 329), ("mul", 429), ("sum", 120)],
                ],
            },
            id="a-power-of-a-constant",
        ),
        # the gradient itself for both
        pytest.param(pointwise.add, [MATRIX, MATRIX], {"forward": [("add", 100)]}, id="add"),
        pytest.param(
            pointwise.add, [MATRIX, COLUMN], {"forward": [("add", 100)], "backward": [("sum", 20)]}, id="add-a-column"
        ),
        # summed to [1, 5], and seen as [5]
        pytest.param(
            pointwise.add,
            [MATRIX, ROW],
            {"forward": [("add", 100)], "backward": [("sum", 20), ("view", 20)]},
            id="add-a-row",
        ),
        pytest.param(
            pointwise.subtract,
            [MATRIX, MATRIX],
            {"forward": [("sub", 100)], "backward": [("neg", 100)]},
            id="subtract",
        ),
        # the negative at full size first
        pytest.param(
            pointwise.subtract,
            [MATRIX, COLUMN],
            {"forward": [("sub", 100)], "backward": [("neg", 100), ("sum", 120)]},
            id="subtract-a-column",
        ),
        pytest.param(pointwise.subtract, [MATRIX, FIXED], {"forward": [("sub", 100)]}, id="subtract-a-constant"),
        pytest.param(
            pointwise.multiply,
            [MATRIX, MATRIX],
            {"forward": [("mul", 100)], "keeps": [0, 1], "backward": [("mul", 100), ("mul", 200)]},
            id="multiply",
        ),
        # each keeps the other's operand, if the other's gradient is wanted
        pytest.param(
            pointwise.multiply,
            [MATRIX, FIXED],
            {"forward": [("mul", 100)], "keeps": [1], "backward": [("mul", 100)]},
            id="multiply-by-a-constant",
        ),
        pytest.param(
            pointwise.multiply,
            [FIXED, MATRIX],
            {"forward": [("mul", 100)], "keeps": [0], "backward": [("mul", 100)]},
            id="multiply-a-constant",
        ),
        # both products at full size, and the sum beside them
        pytest.param(
            pointwise.multiply,
            [MATRIX, COLUMN],
            {"forward": [("mul", 100)], "keeps": [0, 1], "backward": [("mul", 100), ("mul", 200), ("sum", 220)]},
            id="a-gate",
        ),
        # -gradient · (a / b / b); then what that took is gone
        pytest.param(
            pointwise.divide,
            [MATRIX, MATRIX],
            {
                "forward": [("div", 100)],
                "keeps": [0, 1],
                "backward": [("div", 100), ("div", 200), ("neg", 300), ("mul", 400), ("div", 200)],
            },
            id="divide",
        ),
        pytest.param(
            pointwise.divide,
            [MATRIX, FIXED],
            {"forward": [("div", 100)], "keeps": [1], "backward": [("div", 100)]},
            id="divide-by-a-constant",
        ),
        pytest.param(
            pointwise.divide,
            [FIXED, MATRIX],
            {
                "forward": [("div", 100)],
                "keeps": [0, 1],
                "backward": [("div", 100), ("div", 200), ("neg", 300), ("mul", 400)],
            },
            id="divide-a-constant",
        ),
        # a Python number is 8 bytes, kept where a factor is
        pytest.param(
            pointwise.scaled,
            [MATRIX],
            {"forward": [("mul", 108)], "extra": 8, "backward": [("mul", 100)]},
            id="multiply-by-a-number",
        ),
        pytest.param(
            lambda x: pointwise.divide(x, pointwise.number(x)),
            [MATRIX],
            {"forward": [("div", 108)], "extra": 8, "backward": [("div", 100)]},
            id="divide-by-a-number",
        ),
        pytest.param(add_number, [MATRIX], {"forward": [("add", 108)]}, id="add-a-number"),
        pytest.param(
            lambda x, y: pointwise.multiply(x, y, in_place=True),
            [MATRIX, COLUMN],
            {
                "forward": [("mul_", 100)],
                "keeps": [1],
                "extra": 100,
                "backward": [("mul", 100), ("mul", 200), ("sum", 220)],
            },
            id="multiply-in-place",
        ),
        # nothing wants a gradient of the copy
        pytest.param(
            lambda x, y: pointwise.multiply(x, y, in_place=True),
            [MATRIX, FIXED],
            {"forward": [("mul_", 0)], "keeps": [1], "backward": [("mul", 100)]},
            id="multiply-in-place-by-a-constant",
        ),
        pytest.param(
            lambda x, y: pointwise.power_of(x, y, in_place=True),
            [FIXED, FIXED],
            {"forward": [("pow_", 0)]},
            id="power-of-constants-in-place",
        ),
        # noise as large as the input, kept
        pytest.param(
            pointwise.dropout,
            [MATRIX],
            {
                "forward": [("empty_like", 100), ("bernoulli_", 100), ("div_", 100), ("mul", 200)],
                "extra": 100,
                "backward": [("mul", 100)],
            },
            id="dropout",
        ),
        pytest.param(
            lambda x: pointwise.dropout(x, in_place=True),
            [MATRIX],
            {
                "forward": [("empty_like", 100), ("bernoulli_", 100), ("div_", 100), ("mul_", 100)],
                "extra": 100,
                "backward": [("mul", 100)],
            },
            id="dropout-in-place",
        ),
        pytest.param(
            pointwise.dropout,
            [FIXED],
            {"forward": [("empty_like", 100), ("bernoulli_", 100), ("div_", 100), ("mul", 200)]},
            id="dropout-of-the-input",
        ),
        # 5 numbers, and as many scaled up, which are kept
        pytest.param(
            lambda x: pointwise.drop_path(x, 0.2),
            [MATRIX],
            {
                "forward": [("new_empty", 20), ("bernoulli_", 20), ("div", 20 + 20 + 8), ("mul", 140)],
                "extra": 20,
                "backward": [("mul", 100)],
            },
            id="drop_path",
        ),
        pytest.param(
            lambda x: pointwise.drop_path(x, 1),
            [MATRIX],
            {
                "forward": [("new_empty", 20), ("bernoulli_", 20), ("mul", 120)],
                "extra": 20,
                "backward": [("mul", 100)],
            },
            id="drop_path-of-all",
        ),
        # 4 images of 5x5; the bias is seen as [5, 1], its gradient as [5, 1] and as [5]
        pytest.param(
            lambda x, bias: pointwise.bias_added(x, bias, 1),
            [(4, 5, 5), (5,)],
            {
                "shape": (4, 5, 5),
                "forward": [("view", 0), ("add", 400)],
                "backward": [("sum", 20), ("view", 20), ("view", 20)],
            },
            id="bias_added",
        ),
        # what was there before has no say in the result: a gradient of zeros
        pytest.param(
            pointwise.copy_into,
            [MATRIX, MATRIX],
            {"forward": [("copy_", 0)], "backward": [("zeros_like", 100)]},
            id="copy_into",
        ),
        pytest.param(pointwise.copy_into, [FIXED, MATRIX], {"forward": [("copy_", 0)]}, id="copy_into-a-constant"),
    ],
)
def test_operators(
    told: Callable[..., dict[str, Any]], operator: Callable[..., Tensor], shapes: list[Sizes], expected: dict[str, Any]
) -> None:
    assert told(operator, *shapes) == {"shape": MATRIX, **expected}


# On CUDA --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        # 64x64 float32 are 16,384 bytes; the mask is one byte an element
        pytest.param(
            pointwise.dropout,
            {
                "forward": [("native_dropout", 16_384 + 4_096)],
                "extra": 4_096,
                "backward": [("native_dropout_backward", 16_384)],
            },
            id="dropout",
        ),
        pytest.param(
            lambda x: pointwise.dropout(x, in_place=True),
            {
                "forward": [(name, 16_384) for name in ("empty_like", "bernoulli_", "div_", "mul_")],
                "extra": 16_384,
                "backward": [("mul", 16_384)],
            },
            id="dropout-in-place",
        ),
        # Python numbers are no memory of the device
        pytest.param(pointwise.scaled, {"forward": [("mul", 16_384)], "backward": [("mul", 16_384)]}, id="multiply"),
        pytest.param(add_number, {"forward": [("add", 16_384)]}, id="add"),
        # 64 numbers take a block
        pytest.param(
            lambda x: pointwise.drop_path(x, 0.2),
            {
                "forward": [("new_empty", 512), ("bernoulli_", 512), ("div", 1024), ("mul", 16_384 + 1024)],
                "extra": 512,
                "backward": [("mul", 16_384)],
            },
            id="drop_path",
        ),
        # a zero of 4 bytes is a block, a mask of 4,096 bytes is eight
        pytest.param(
            lambda x: pointwise.clamp(x, least=True, operator="clamp_min"),
            {
                "forward": [("clamp_min", 16_384)],
                "keeps": [0],
                "backward": [("scalar_tensor", 512), ("ge", 4_608), ("where", 4_608 + 16_384)],
            },
            id="clamp_min",
        ),
    ],
)
def test_operators_on_cuda(
    told: Callable[..., dict[str, Any]], operator: Callable[..., Tensor], expected: dict[str, Any]
) -> None:
    assert told(operator, (64, 64), cuda=True) == {"shape": (64, 64), **expected}


# Written over a view --------------------------------------------------------------------------------------------------


def test_a_view_written_over_gives_its_base_a_new_history(told: Callable[..., dict[str, Any]]) -> None:
    """Half of a matrix of 4x5, 80 bytes: as torch 2.13 does it."""
    found = told(lambda x: add_number(unary(part(x, 0, 2), "relu", "d relu", "result", in_place=True)), (4, 5))
    assert found["forward"] == [("slice", 0), ("relu_", 0), ("add", 48)]
    assert found["backward"] == [
        ("new_zeros", 80),  # the view's gradient in the base's: AsStrided
        ("as_strided", 80),
        ("copy_", 80),
        ("as_strided", 80),
        ("new_empty_strided", 160),  # a copy of that: CopySlices
        ("copy_", 160),
        ("as_strided", 160),
        ("clone", 200),  # the part that was written over
        ("d relu", 240),
        ("copy_", 200),
    ]


def test_what_is_kept_was_the_base(machine: Machine) -> None:
    x = machine.tensor((4, 5), 4)
    y = unary(x, "y", "d y")
    assert y.edge is None
    assert unary(view(y, (20,)), "relu", "d relu", "result", in_place=True).storage is y.storage
    assert y.storage.version == 1


# Layout and number formats --------------------------------------------------------------------------------------------


def test_a_result_lies_as_its_operands_do(told: Callable[..., dict[str, Any]]) -> None:
    found = told(lambda x: unary(permute(x, (0, 2, 1)), "relu", "d relu"), (3, 4, 5))
    assert (found["shape"], found["strides"]) == ((3, 5, 4), (20, 1, 5))


def test_a_copy_for_backward_lies_as_the_input_does(machine: Machine) -> None:
    """Half of a matrix has gaps, its copy has none."""
    assert result("add", part(machine.tensor((4, 5), 4), 1, 2)).storage.record.bytes == 4 * 2 * 4


@pytest.mark.parametrize(
    ("shapes", "common"),
    [
        pytest.param([(5, 3), (5, 1)], (5, 3), id="column"),
        pytest.param([(3,), (5, 1)], (5, 3), id="row-and-column"),
        pytest.param([(2, 1, 1), (3,), (4, 1)], (2, 4, 3), id="three"),
        pytest.param([(), (2, 3)], (2, 3), id="number"),
    ],
)
def test_repeated(shapes: list[Sizes], common: Sizes) -> None:
    assert repeated(shapes) == common
