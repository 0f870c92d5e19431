from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import pytest

from cnncalc.layers import KINDS
from cnncalc.layers.activation import FUSED, FusedName
from cnncalc.layers.base import EVERYTHING, POINTWISE
from cnncalc.shapes import Shape


class Counted:
    """A number that counts the arithmetic done with it. Changing its sign is free; constants are known beforehand."""

    def __init__(self, value: float, done: Counter[str]) -> None:
        self.value, self.done = value, done

    def _did(self, operation: str, value: float) -> Counted:
        self.done[operation] += 1
        return Counted(value, self.done)

    def __neg__(self) -> Counted:
        return Counted(-self.value, self.done)

    def __add__(self, other: Counted | float) -> Counted:
        return self._did("adds", self.value + float(other))

    def __sub__(self, other: Counted | float) -> Counted:
        return self._did("adds", self.value - float(other))

    def __mul__(self, other: Counted | float) -> Counted:
        return self._did("multiplies", self.value * float(other))

    def __truediv__(self, other: Counted | float) -> Counted:
        return self._did("divisions", self.value / float(other))

    __radd__, __rmul__ = __add__, __mul__

    def __rtruediv__(self, other: float) -> Counted:
        return self._did("divisions", other / self.value)

    def __float__(self) -> float:
        return self.value

    def at_least(self, bound: float) -> Counted:
        return self._did("comparisons", max(self.value, bound))

    def at_most(self, bound: float) -> Counted:
        return self._did("comparisons", min(self.value, bound))

    def is_above(self, bound: float) -> bool:
        self.done["comparisons"] += 1
        return self.value > bound

    def exp(self) -> Counted:
        return self._did("exponentials", math.exp(self.value))

    def log(self) -> Counted:
        return self._did("logarithms", math.log(self.value))

    def erf(self) -> Counted:
        return self._did("error_functions", math.erf(self.value))


def relu(x: Counted) -> Counted:
    return x.at_least(0.0)


def relu6(x: Counted) -> Counted:
    return x.at_least(0.0).at_most(6.0)


def leaky_relu(x: Counted) -> Counted:
    return x if x.is_above(0) else 0.01 * x


def prelu(x: Counted) -> Counted:
    return x if x.is_above(0) else 0.25 * x


def elu(x: Counted) -> Counted:
    return x if x.is_above(0) else 1.0 * (x.exp() - 1)


def selu(x: Counted) -> Counted:
    return 1.0507009873554805 * (x if x.is_above(0) else 1.6732632423543772 * (x.exp() - 1))


def sigmoid(x: Counted) -> Counted:
    return 1 / (1 + (-x).exp())


def tanh(x: Counted) -> Counted:
    power = (2 * x).exp()
    return (power - 1) / (power + 1)


def softplus(x: Counted) -> Counted:
    scaled = 1.0 * x
    return x if scaled.is_above(20) else (1 + scaled.exp()).log() / 1.0


def silu(x: Counted) -> Counted:
    return x * sigmoid(x)


def mish(x: Counted) -> Counted:
    return x * tanh((1 + x.exp()).log())


def gelu(x: Counted) -> Counted:
    return 0.5 * x * (1 + (x * math.sqrt(1 / 2)).erf())


def gelu_tanh(x: Counted) -> Counted:
    return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def hard_sigmoid(x: Counted) -> Counted:
    return (x + 3).at_least(0.0).at_most(6.0) / 6


def hard_swish(x: Counted) -> Counted:
    return x * hard_sigmoid(x)


def softmax(xs: list[Counted]) -> list[Counted]:
    powers = [x.exp() for x in xs]
    total = sum(powers[1:], powers[0])
    return [power / total for power in powers]


def log_softmax(xs: list[Counted]) -> list[Counted]:
    powers = [x.exp() for x in xs]
    log = sum(powers[1:], powers[0]).log()
    return [x - log for x in xs]


# What each kind computes of one element, written out, with torch's name for it.
DEFINITIONS: dict[str, tuple[Callable[[Counted], Counted], str, dict[str, Any]]] = {
    "relu": (relu, "relu", {}),
    "relu6": (relu6, "relu6", {}),
    "leaky_relu": (leaky_relu, "leaky_relu", {}),
    "prelu": (prelu, "leaky_relu", {"negative_slope": 0.25}),
    "elu": (elu, "elu", {}),
    "selu": (selu, "selu", {}),
    "gelu": (gelu, "gelu", {}),
    "silu": (silu, "silu", {}),
    "mish": (mish, "mish", {}),
    "sigmoid": (sigmoid, "sigmoid", {}),
    "tanh": (tanh, "tanh", {}),
    "softplus": (softplus, "softplus", {}),
    "hard_swish": (hard_swish, "hardswish", {}),
    "hard_sigmoid": (hard_sigmoid, "hardsigmoid", {}),
}
OVER_CHANNELS = {"softmax": softmax, "log_softmax": log_softmax}

ROWS = [
    *[
        pytest.param(
            kind,
            {},
            (3, 5, 4),
            {"output": (3, 5, 4), **{operation: 60 * count for operation, count in each.items()}, "activations": 60},
            id=kind,
        )
        for kind, each in [
            ("relu", {"comparisons": 1}),
            ("relu6", {"comparisons": 2}),
            ("leaky_relu", {"comparisons": 1, "multiplies": 1}),
            ("elu", {"comparisons": 1, "exponentials": 1, "adds": 1, "multiplies": 1}),
            ("selu", {"comparisons": 1, "exponentials": 1, "adds": 1, "multiplies": 2}),
            ("gelu", {"error_functions": 1, "adds": 1, "multiplies": 3}),
            ("silu", {"exponentials": 1, "adds": 1, "divisions": 1, "multiplies": 1}),
            # ln(1 + eˣ), its tanh as (e²ˣ - 1) / (e²ˣ + 1), times x
            ("mish", {"exponentials": 2, "adds": 1 + 2, "logarithms": 1, "divisions": 1, "multiplies": 1 + 1}),
            ("sigmoid", {"exponentials": 1, "adds": 1, "divisions": 1}),
            ("tanh", {"multiplies": 1, "exponentials": 1, "adds": 2, "divisions": 1}),
            (
                "softplus",
                {"multiplies": 1, "comparisons": 1, "exponentials": 1, "adds": 1, "logarithms": 1, "divisions": 1},
            ),
            ("hard_swish", {"adds": 1, "comparisons": 2, "divisions": 1, "multiplies": 1}),
            ("hard_sigmoid", {"adds": 1, "comparisons": 2, "divisions": 1}),
        ]
    ],
    pytest.param(
        "prelu",
        {"num_parameters": 3},
        (3, 10),
        {
            "output": (3, 10),
            "parameters": {"weight": (3,)},
            "weights": 3,
            "comparisons": 30,
            "multiplies": 30,
            "connections": 30,
            "activations": 30,
        },
        id="prelu-a-slope-a-channel",
    ),
    pytest.param(
        "prelu",
        {},
        (3, 2, 5, 4),
        {
            "output": (3, 2, 5, 4),
            "parameters": {"weight": (1,)},
            "weights": 1,
            "comparisons": 120,
            "multiplies": 120,
            "connections": 120,
            "activations": 120,
        },
        id="prelu-one-slope",
    ),
    pytest.param(
        "gelu",
        {"approximate": "tanh"},
        (7,),
        {  # three multiplies for 0.044715 x³, one by √(2/π), one for 2x in tanh, one for ½x, one at the end
            "output": (7,),
            "multiplies": 7 * (3 + 1 + 1 + 1 + 1),
            "adds": 7 * (1 + 2 + 1),
            "exponentials": 7,
            "divisions": 7,
            "activations": 7,
        },
        id="gelu-tanh",
    ),
    pytest.param(
        "softmax",
        {},
        (10,),
        {"output": (10,), "exponentials": 10, "adds": 9, "divisions": 10, "activations": 10},
        id="softmax",
    ),
    pytest.param(
        "softmax",
        {},
        (21, 5, 4),
        {
            "output": (21, 5, 4),
            "exponentials": 21 * 20,
            "adds": 20 * 20,
            "divisions": 21 * 20,
            "activations": 21 * 20,
        },
        id="softmax-of-each-place",
    ),
    pytest.param(
        "log_softmax",
        {},
        (21, 5),
        {
            "output": (21, 5),
            "exponentials": 21 * 5,
            "adds": (20 + 21) * 5,
            "logarithms": 5,
            "activations": 21 * 5,
        },
        id="log-softmax-of-each-place",
    ),
    # along rows of 4, at 3·5 places of the others
    pytest.param(
        "softmax",
        {"axis": 2},
        (3, 5, 4),
        {"output": (3, 5, 4), "exponentials": 60, "adds": 15 * 3, "divisions": 60, "activations": 60},
        id="softmax-along-rows",
    ),
    pytest.param(
        "log_softmax",
        {"axis": 1},
        (3, 5, 4),
        {"output": (3, 5, 4), "exponentials": 60, "adds": 12 * 4 + 60, "logarithms": 12, "activations": 60},
        id="log-softmax-along-columns",
    ),
    *[
        pytest.param(kind, {"inplace": True}, (3, 5, 4), {"output": (3, 5, 4), **each}, id=f"{kind}-in-place")
        for kind, each in [("relu", {"comparisons": 60}), ("relu6", {"comparisons": 2 * 60})]
    ],
]


@pytest.mark.parametrize(("kind", "fields", "input", "expected"), ROWS)
def test_facts(
    kind: str, fields: dict[str, Any], input: Shape, expected: dict[str, Any], told: Callable[..., dict[str, Any]]
) -> None:
    assert told(kind, fields, input) == expected


def counted(definition: Callable[[Counted], Counted], x: float) -> tuple[float, Counter[str]]:
    done: Counter[str] = Counter()
    return float(definition(Counted(x, done))), done


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_operations_are_those_of_the_definition(kind: str) -> None:
    """The most that any input takes: functions of two branches do their arithmetic on one of them."""
    definition, _, _ = DEFINITIONS[kind]
    most: Counter[str] = Counter()
    for x in (-1.5, 0.5, 7.0):
        most |= counted(definition, x)[1]
    operations = KINDS[kind]().facts(((3, 5, 4),)).operations
    assert {name: count for name, count in operations._asdict().items() if count} == {
        name: 3 * 5 * 4 * count for name, count in most.items()
    }


def test_operations_of_gelu_by_tanh_are_those_of_the_definition() -> None:
    _, done = counted(gelu_tanh, 0.5)
    operations = KINDS["gelu"](approximate="tanh").facts(((7,),)).operations
    assert {name: count for name, count in operations._asdict().items() if count} == {
        name: 7 * count for name, count in done.items()
    }


@pytest.mark.parametrize("kind", OVER_CHANNELS)
@pytest.mark.parametrize("channels", [1, 2, 10])
def test_operations_over_channels_are_those_of_the_definition(kind: str, channels: int) -> None:
    done: Counter[str] = Counter()
    OVER_CHANNELS[kind]([Counted(0.1 * channel, done) for channel in range(channels)])
    operations = KINDS[kind]().facts(((channels, 5, 4),)).operations
    assert {name: count for name, count in operations._asdict().items() if count} == {
        name: 5 * 4 * count for name, count in done.items()
    }


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_the_definition_is_torchs(kind: str, torch: Any) -> None:
    definition, name, arguments = DEFINITIONS[kind]
    xs = [-4.0, -1.5, -0.1, 0.0, 0.5, 2.5, 7.0, 25.0]
    function = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    expected = function(torch.tensor(xs, dtype=torch.float64), **arguments).tolist()
    assert [counted(definition, x)[0] for x in xs] == pytest.approx(expected)


def test_the_definition_of_gelu_by_tanh_is_torchs(torch: Any) -> None:
    xs = [-4.0, -1.5, 0.0, 2.5]
    expected = torch.nn.functional.gelu(torch.tensor(xs, dtype=torch.float64), approximate="tanh").tolist()
    assert [counted(gelu_tanh, x)[0] for x in xs] == pytest.approx(expected)


@pytest.mark.parametrize("kind", OVER_CHANNELS)
def test_the_definition_over_channels_is_torchs(kind: str, torch: Any) -> None:
    xs = [-1.5, 0.5, 2.0]
    expected = getattr(torch, kind)(torch.tensor(xs, dtype=torch.float64), 0).tolist()
    done: Counter[str] = Counter()
    assert [float(y) for y in OVER_CHANNELS[kind]([Counted(x, done) for x in xs])] == pytest.approx(expected)


def test_fused_names_are_the_activations_without_parameters() -> None:
    assert set(FUSED) == set(get_args(FusedName)) == (set(DEFINITIONS) | set(OVER_CHANNELS)) - {"prelu"}


@pytest.mark.parametrize("kind", FUSED)
def test_a_fused_activation_does_what_its_own_layer_does(kind: str) -> None:
    plain = KINDS["conv"](out_channels=6, kernel_size=3).facts(((2, 7, 5),))
    fused = KINDS["conv"](out_channels=6, kernel_size=3, activation=kind).facts(((2, 7, 5),))
    assert fused.operations == plain.operations + KINDS[kind]().facts((plain.output,)).operations
    assert (fused.output, fused.parameters, fused.macs) == (plain.output, plain.parameters, plain.macs)
    assert (fused.connections, fused.activations) == (plain.connections, plain.activations)


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_an_activation_stays_in_its_place(kind: str) -> None:
    assert KINDS[kind]().facts(((3, 5, 4),)).reach is POINTWISE
    assert KINDS[kind]().facts(((3,),)).reach is POINTWISE


@pytest.mark.parametrize("kind", OVER_CHANNELS)
def test_a_softmax_reads_a_whole_vector_or_one_place(kind: str) -> None:
    assert KINDS[kind]().facts(((3, 5, 4),)).reach is POINTWISE
    assert KINDS[kind]().facts(((3,),)).reach is EVERYTHING


IN_PLACE = [kind for kind in DEFINITIONS if "inplace" in KINDS[kind].fields]


def test_the_kinds_that_work_in_place() -> None:
    assert set(DEFINITIONS) - set(IN_PLACE) == {"prelu", "gelu", "softplus"}


@pytest.mark.parametrize("kind", IN_PLACE)
def test_in_place_makes_no_tensor(kind: str) -> None:
    written, kept = KINDS[kind](inplace=True).facts(((3, 5, 4),)), KINDS[kind]().facts(((3, 5, 4),))
    assert (written.activations, kept.activations) == (0, 60)
    assert written.operations == kept.operations


@pytest.mark.parametrize("slopes", [2, 5])
def test_prelu_refuses_slopes_that_are_no_channels(slopes: int, refused: Callable[..., tuple[str, str]]) -> None:
    assert refused("prelu", {"num_parameters": slopes}, (3, 5, 4)) == ("parameters-match-channels", "num_parameters")
