from __future__ import annotations

import inspect
from collections.abc import Callable
from math import gcd
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncalc import formulas, messages, readings
from cnncalc.readings import Dimension, formula, part, recording, remembered
from cnncalc.render.expression import latex, text
from cnncalc.tree import Tree

np = pytest.importorskip("numpy", reason="the array reading needs numpy, which is not installed")
sympy = pytest.importorskip("sympy", reason="the symbolic reading needs sympy, which is not installed")

FORMULAS = [function for _, function in inspect.getmembers(formulas, inspect.isfunction) if hasattr(function, "unit")]


# Recording ------------------------------------------------------------------------------------------------------------


def test_a_recorded_number_knows_how_it_was_made() -> None:
    with recording() as steps:
        O = formulas.output_size(227, 11, 0, 4)
        E = formulas.output_elements(96, O, O)
    assert (O, E) == (55, 290_400)
    assert [step.formula.__name__ for step in steps] == ["output_size", "output_elements"]
    (step,) = [step for step in steps if step.value == 55]
    assert step.letters == {"W": 227, "F": 11, "P": 0, "S": 4}
    assert text(step.expression) == "⌊(W − F + 2·P) / S⌋ + 1"
    assert text(step.expression, step.letters) == "⌊(227 − 11 + 2·0) / 4⌋ + 1"
    assert latex(step.expression, step.letters) == (r"\left\lfloor \frac{227 - 11 + 2 \cdot 0}{4} \right\rfloor + 1")
    recorded: Any = E
    assert recorded.step.letters["O_h"].step is step


def test_nothing_is_left_outside_a_recording() -> None:
    with recording():
        pass
    assert type(formulas.output_size(5, 3, 1, 1)) is int


def test_plain_arithmetic_forgets() -> None:
    with recording():
        assert type(formulas.filter_biases(4) + 1) is int


def test_recordings_nest() -> None:
    with recording() as outer:
        formulas.filter_biases(1)
        with recording() as inner:
            formulas.filter_biases(2)
        formulas.filter_biases(3)
    assert ([step.value for step in outer], [step.value for step in inner]) == ([1, 3], [2])


def test_parts_say_what_a_step_is_of() -> None:
    with recording() as steps, part("conv1"):
        formulas.filter_biases(1)
        with part(Dimension(1, 2)):
            formulas.filter_biases(2)
    formulas.filter_biases(3)
    assert [(step.place, step.dimension) for step in steps] == [("conv1", None), ("conv1", Dimension(1, 2))]


def test_what_is_remembered_is_asked_again_inside_a_recording() -> None:
    calls = []

    @remembered
    def biases(N: int) -> int:
        calls.append(N)
        return formulas.filter_biases(N)

    assert [biases(4), biases(4)] == [4, 4]
    assert calls == [4]
    with recording() as steps:
        biases(4)
        biases(4)
    assert len(steps) == 2
    assert type(biases(4)) is int


@pytest.mark.parametrize(
    ("count", "letters"),
    [
        (2, ("N", "C")),
        (3, ("N", "C", "K")),
        (4, ("N", "C", "K_h", "K_w")),
        (5, ("N", "C", "K_d", "K_h", "K_w")),
        (6, ("N", "C", "K_1", "K_2", "K_3", "K_4")),
    ],
)
def test_letters_of_spatial_sizes(count: int, letters: tuple[str, ...]) -> None:
    assert readings.letters(formulas.convolution_weights, count) == letters


def test_letters_of_terms_are_numbered() -> None:
    assert readings.letters(formulas.total, 2) == ("t_1", "t_2")


def test_named_numbers_are_recorded_in_the_formulas_order() -> None:
    with recording() as steps:
        formulas.output_size(S=2, W=7, P=1, F=3)
    assert list(steps[0].letters) == ["W", "F", "P", "S"]


# Every formula in every reading ---------------------------------------------------------------------------------------


def numbers_of(function: Callable[..., int], sizes: list[int], rest: int) -> tuple[int, ...]:
    """As many sizes as a formula takes, those that have to divide made to."""
    names = readings.letters(function, len(inspect.signature(function).parameters))
    plain: Any = function
    code = plain.__wrapped__.__code__
    count = code.co_argcount + (rest if code.co_flags & inspect.CO_VARARGS else 0)
    numbers = sizes[:count]
    by_name = dict(zip(names, range(count), strict=False))
    if function is formulas.channels_to_positions or function is formulas.rest_size:
        numbers[0] *= readings.product(*numbers[1:])
    if function is formulas.output_size_exact:
        W, F, P, S = numbers
        numbers[0] = W * S + F - 2 * P
    elif function is formulas.padding_wanted:
        O, S, F, P = numbers
        numbers[3] = (O - 1) * S + F - 2 * P
    elif function is formulas.stride_wanted:
        S, F, P, O = numbers
        numbers[0], numbers[3] = S * O + F - 2 * P, O + 1
    for divided, parts in (("C_all", "G"), ("N_all", "G"), ("E", "N"), ("C", "m"), ("W", "u")):
        if divided in by_name and parts in by_name:
            numbers[by_name[divided]] *= numbers[by_name[parts]]
    return tuple(numbers)


@pytest.mark.parametrize("function", FORMULAS, ids=lambda function: function.__name__)
@settings(derandomize=True, max_examples=15, deadline=None)
@given(
    columns=st.lists(st.lists(st.integers(1, 40), min_size=9, max_size=9), min_size=1, max_size=3),
    rest=st.integers(1, 3),
)
def test_readings_agree(function: Callable[..., Any], columns: list[list[int]], rest: int) -> None:
    rows = [numbers_of(function, column, rest) for column in columns]
    counted = [function(*row) for row in rows]
    with recording():
        assert [function(*row) for row in rows] == counted
    for dtype in (np.int64, object):
        assert function(*[np.array(sizes, dtype) for sizes in zip(*rows, strict=True)]).tolist() == counted
    letters = [sympy.Symbol(name, integer=True, positive=True) for name in readings.letters(function, len(rows[0]))]
    closed = function(*letters)
    for row, value in zip(rows, counted, strict=True):
        # sympy leaves the greatest common divisor as it is
        put_in = closed.subs(dict(zip(letters, row, strict=True)), simultaneous=True)
        assert put_in.replace(sympy.Function("gcd"), lambda a, b: sympy.Integer(gcd(int(a), int(b)))) == value


def test_a_range_of_sizes() -> None:
    read: Any = formulas.output_size
    assert read(np.array([227, 224, 5]), np.array([11, 11, 3]), np.array([0, 3, 1]), np.array([4, 4, 2])).tolist() == [
        55,
        55,
        3,
    ]


def test_closed_forms() -> None:
    """DESIGN of the field: three 3x3 convolutions against one of 7x7, C channels each (CS231n)."""
    C, W = sympy.symbols("C W", integer=True, positive=True)
    read: Any = formulas.convolution_weights
    assert 3 * read(C, C, 3, 3) == 27 * C**2
    assert read(C, C, 7, 7) == 49 * C**2
    size: Any = formulas.output_size
    assert size(W, 3, 1, 2) == sympy.floor((W - 1) / 2) + 1
    same: Any = formulas.output_size_same
    assert same(W, 2) == sympy.ceiling(W / 2)
    assert sympy.simplify(formulas.adaptive_taps(W, 2) - (W + 2 - sympy.Function("gcd")(W, 2))) == 0


@pytest.mark.parametrize(
    "ask", [readings.ceil_div, readings.share, readings.minimum, readings.maximum, readings.common_divisor]
)
def test_what_no_formula_reads(ask: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="no formula reads str and int"):
        ask("W", 2)


def test_products_and_sums_of_nothing() -> None:
    assert (readings.product(), readings.total()) == (1, 0)


# What is said of a formula --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FORMULAS, ids=lambda function: function.__name__)
def test_a_formula_says_why_in_a_sentence(function: Callable[..., Any]) -> None:
    assert messages.why(function)
    assert "\n" not in messages.why(function)
    assert len(messages.why(function)) <= 120


@pytest.mark.parametrize("function", FORMULAS, ids=lambda function: function.__name__)
def test_letters_and_units_have_words(function: Any) -> None:
    assert messages.text(f"unit.{function.unit}") or function.unit == "sum"
    for count in (1, 2, 3):
        for name in readings.letters(function, function.__wrapped__.__code__.co_argcount + count):
            assert messages.letter(name)


def test_a_letter_that_is_not_explained() -> None:
    with pytest.raises(KeyError):
        messages.letter("Y_q")


def test_every_word_of_a_formula_is_of_one() -> None:
    """No key is left of a formula or letter that is gone."""
    names = {function.__name__ for function in FORMULAS}
    assert {key.partition(".")[2] for key in messages.ENGLISH if key.startswith("formula.")} <= names
    used = {
        messages.plain_letter(name)
        for function in FORMULAS
        for count in (0, 2)
        for name in readings.letters(function, function.__wrapped__.__code__.co_argcount + count)  # type: ignore[attr-defined]
    }
    assert {key.partition(".")[2] for key in messages.ENGLISH if key.startswith("letter.")} == used


def test_a_language_falls_back_to_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        messages.CATALOGUES,
        "zh",
        {
            "unit.bytes": "字节",
            "formula.output_size": "输出尺寸",
            "why.output_size": "窗口的位置数",
            "letter.W": "输入尺寸",
        },
    )
    assert messages.text("unit.bytes", "zh") == "字节"
    assert messages.text("unit.pixels", "zh") == "pixels"
    assert messages.formula_name(formulas.output_size, "zh") == "输出尺寸"
    assert messages.why(formulas.output_size, "zh") == "窗口的位置数"
    assert messages.why(formulas.remainder, "zh").startswith("Positions of the padded input")
    assert (messages.letter("W", "zh"), messages.letter("K_h", "zh")) == ("输入尺寸", "kernel size")


def test_trees_show_themselves() -> None:
    expression: Any = readings.in_letters(formulas.output_size, 4)
    assert isinstance(expression, Tree)
    assert repr(expression) == "(+ (// (+ (- W F) (* 2 P)) S) 1)"


def test_a_formula_of_ones_own() -> None:
    @formula("values")
    def doubled(W: int) -> int:
        """Twice."""
        return 2 * W

    with recording() as steps:
        assert doubled(4) == 8
    assert text(steps[0].expression, steps[0].letters) == "2·4"
