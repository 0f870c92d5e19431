"""Activations: element by element, or (softmax) over the channels of one place, or along another axis."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from cnncalc import formulas
from cnncalc.layers.base import (
    UNTRACKED,
    Layer,
    LayerError,
    Operations,
    Parameter,
    Reach,
    Work,
    across_channels,
    check_axis,
)
from cnncalc.layers.fields import (
    Flag,
    NonNegativeInt,
    NonNegativeReal,
    PositiveInt,
    PositiveReal,
    Real,
    Takes,
    choice,
)
from cnncalc.shapes import Shape, elements

# Operations of one element, as the function's definition has them -----------------------------------------------------

RELU = Operations(comparisons=1)  # max(x, 0)
RELU6 = Operations(comparisons=2)  # min(max(x, 0), 6)
LEAKY_RELU = Operations(comparisons=1, multiplies=1)  # x if x > 0 else slope · x
ELU = Operations(comparisons=1, exponentials=1, adds=1, multiplies=1)  # x if x > 0 else α · (e^x - 1)
SELU = Operations(comparisons=1, exponentials=1, adds=1, multiplies=2)  # scale · elu(x)
SIGMOID = Operations(exponentials=1, adds=1, divisions=1)  # 1 / (1 + e^-x)
TANH = Operations(exponentials=1, multiplies=1, adds=2, divisions=1)  # (e^2x - 1) / (e^2x + 1)
SOFTPLUS = Operations(
    comparisons=1, multiplies=1, exponentials=1, adds=1, logarithms=1, divisions=1
)  # ln(1 + e^βx) / β
SILU = SIGMOID + Operations(multiplies=1)  # x · sigmoid(x)
MISH = Operations(exponentials=1, adds=1, logarithms=1, multiplies=1) + TANH  # x · tanh(ln(1 + e^x))
GELU = Operations(multiplies=3, adds=1, error_functions=1)  # ½x · (1 + erf(x / √2))
GELU_TANH = Operations(multiplies=6, adds=2) + TANH  # ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
HARD_SIGMOID = Operations(adds=1, comparisons=2, divisions=1)  # min(max(x + 3, 0), 6) / 6
HARD_SWISH = HARD_SIGMOID + Operations(multiplies=1)  # x · hard_sigmoid(x)


def softmax_operations(shape: Shape, axis: int = 0) -> Operations:
    """e^x_c / Σ e^x over the channels of each place, or along another axis."""
    element = Operations(exponentials=1, divisions=1).times(formulas.output_elements(*shape))
    return element + Operations(adds=_axis_joins(shape, axis))


def log_softmax_operations(shape: Shape, axis: int = 0) -> Operations:
    """x_c - ln Σ e^x over the channels of each place, or along another axis."""
    element = Operations(exponentials=1, adds=1).times(formulas.output_elements(*shape))
    each = Operations(logarithms=1).times(_sets(shape, axis), formulas.per_set)
    return element + each + Operations(adds=_axis_joins(shape, axis))


def _axis_joins(shape: Shape, axis: int) -> int:
    """Adds that make one value of all along an axis."""
    if axis == 0:
        return formulas.channel_joins(*shape)
    return formulas.joins(formulas.output_elements(*shape), _sets(shape, axis))


def _sets(shape: Shape, axis: int) -> int:
    """How often values along an axis are summed: once for each place along the others."""
    return formulas.positions(*shape[:axis], *shape[axis + 1 :])


def of_each(element: Operations) -> Callable[[Shape], Operations]:
    return lambda shape: element.times(formulas.output_elements(*shape))


# What `activation:` on a convolution or dense layer may name: activations without parameters, at their defaults.
FUSED: dict[str, Callable[[Shape], Operations]] = {
    "relu": of_each(RELU),
    "relu6": of_each(RELU6),
    "leaky_relu": of_each(LEAKY_RELU),
    "elu": of_each(ELU),
    "selu": of_each(SELU),
    "gelu": of_each(GELU),
    "silu": of_each(SILU),
    "mish": of_each(MISH),
    "sigmoid": of_each(SIGMOID),
    "tanh": of_each(TANH),
    "softplus": of_each(SOFTPLUS),
    "hard_swish": of_each(HARD_SWISH),
    "hard_sigmoid": of_each(HARD_SIGMOID),
    "softmax": softmax_operations,
    "log_softmax": log_softmax_operations,
}
FusedName = Literal[
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "softplus",
    "hard_swish",
    "hard_sigmoid",
    "softmax",
    "log_softmax",
]
FusedActivation = Annotated[
    FusedName | None,
    Takes(
        f"the name of an activation ({', '.join(FUSED)})",
        lambda value: value is None or (type(value) is str and value in FUSED),
        tuple(FUSED),
    ),
]


def fused_work(activation: str | None, shape: Shape) -> tuple[Work, ...]:
    """The ledger's line of an `activation:`, where there is one."""
    if activation is None:
        return ()
    return (Work(activation, elements(shape), elements(shape), others=FUSED[activation](shape)),)


# The kinds ------------------------------------------------------------------------------------------------------------


class Activation(Layer):
    """An activation that keeps the shape; `inplace: true` writes over its input, as in torch."""

    element: ClassVar[Operations]

    def operations(self, input: Shape, output: Shape) -> Operations:
        return self.element.times(formulas.output_elements(*output))


class InPlaceActivation(Activation):
    inplace: Flag = False

    @property
    def shares_input(self) -> bool:
        return self.inplace


class Relu(InPlaceActivation):
    kind = "relu"
    summary = "max(x, 0)"
    element = RELU


class Relu6(InPlaceActivation):
    kind = "relu6"
    summary = "min(max(x, 0), 6)"
    element = RELU6


class LeakyRelu(InPlaceActivation):
    kind = "leaky_relu"
    main = "negative_slope"
    summary = "x where positive, a small multiple of x elsewhere"
    element = LEAKY_RELU
    negative_slope: Real = 0.01


class Prelu(Layer):
    """Leaky ReLU with learned slopes: one, or one a channel (He et al. 2015)."""

    kind = "prelu"
    main = "num_parameters"
    summary = "leaky ReLU with a learned slope, one or one a channel"
    num_parameters: PositiveInt = 1

    def check(self, input: Shape) -> None:
        if self.num_parameters not in (1, input[0]):
            raise LayerError(
                "parameters-match-channels",
                f"{self.num_parameters} slopes do not match {input[0]} channels",
                field="num_parameters",
                sources=(0,),
                help=f"use 1 or {input[0]}",
            )

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        slopes = formulas.slopes(self.num_parameters)
        return (Parameter("weight", (self.num_parameters,), "weight", slopes),)

    def operations(self, input: Shape, output: Shape) -> Operations:
        return LEAKY_RELU.times(formulas.output_elements(*output))

    def connection_count(self, input: Shape, output: Shape) -> int:
        return formulas.per_element(1, formulas.output_elements(*output))


class Elu(InPlaceActivation):
    kind = "elu"
    main = "alpha"
    summary = "x where positive, α·(eˣ − 1) elsewhere"
    element = ELU
    alpha: Real = 1.0


class Selu(InPlaceActivation):
    kind = "selu"
    summary = "scaled ELU, self-normalising constants"
    element = SELU


class Gelu(Layer):
    """Gaussian error linear unit, exact or by tanh (Hendrycks & Gimpel 2016)."""

    kind = "gelu"
    main = "approximate"
    summary = "x·Φ(x), exact or `approximate: tanh`"
    approximate: Annotated[Literal["none", "tanh"], choice("none", "tanh")] = "none"

    def operations(self, input: Shape, output: Shape) -> Operations:
        element = GELU if self.approximate == "none" else GELU_TANH
        return element.times(formulas.output_elements(*output))


class Silu(InPlaceActivation):
    kind = "silu"
    summary = "x·sigmoid(x), also called swish"
    element = SILU


class Mish(InPlaceActivation):
    kind = "mish"
    summary = "x·tanh(softplus(x))"
    element = MISH


class Sigmoid(InPlaceActivation):
    kind = "sigmoid"
    summary = "1 / (1 + e⁻ˣ)"
    element = SIGMOID


class Tanh(InPlaceActivation):
    kind = "tanh"
    summary = "hyperbolic tangent"
    element = TANH


class Softplus(Activation):
    kind = "softplus"
    main = "beta"
    summary = "ln(1 + e^βx) / β"
    element = SOFTPLUS
    beta: PositiveReal = 1.0
    threshold: NonNegativeReal = 20.0


class HardSwish(InPlaceActivation):
    kind = "hard_swish"
    summary = "x·hard_sigmoid(x)"
    element = HARD_SWISH


class HardSigmoid(InPlaceActivation):
    kind = "hard_sigmoid"
    summary = "min(max(x + 3, 0), 6) / 6"
    element = HARD_SIGMOID


class AlongAnAxis(Layer):
    """An activation of all values along an axis: of the channels of each place, where none is named."""

    axis: NonNegativeInt = 0

    def check(self, input: Shape) -> None:
        check_axis(self.axis, input, "axis")

    def reach(self, input: Shape, output: Shape) -> Reach:
        return UNTRACKED if self.axis else across_channels(input, all_of_them=True)


class Softmax(AlongAnAxis):
    kind = "softmax"
    summary = "probabilities along `axis`: over the channels of each place"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return softmax_operations(output, self.axis)


class LogSoftmax(AlongAnAxis):
    kind = "log_softmax"
    summary = "logarithms of the softmax"

    def operations(self, input: Shape, output: Shape) -> Operations:
        return log_softmax_operations(output, self.axis)
