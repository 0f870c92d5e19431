"""Plain arithmetic: with a number, with a tensor of the network's own, functions of a value, sums along axes."""

from typing import Annotated, Any, Literal

from cnncalc import formulas
from cnncalc.layers.activation import InPlaceActivation
from cnncalc.layers.base import (
    EVERYTHING,
    POINTWISE,
    UNTRACKED,
    Layer,
    LayerError,
    Operations,
    Parameter,
    Reach,
    Role,
    across_channels,
    check_axis,
)
from cnncalc.layers.fields import Flag, OptionalReal, OptionalSizes, Takes, choice
from cnncalc.shapes import Shape


def _axes(value: Any) -> bool:
    axes = value if type(value) is tuple else (value,)
    return bool(axes) and all(type(axis) is int and axis >= 0 for axis in axes)


OPERATIONS = {
    "add": Operations(adds=1),
    "subtract": Operations(adds=1),
    "subtract_from": Operations(adds=1),
    "multiply": Operations(multiplies=1),
    "divide": Operations(divisions=1),
    "divide_into": Operations(divisions=1),
    "power": Operations(powers=1),
    "minimum": Operations(comparisons=1),
    "maximum": Operations(comparisons=1),
}
# Those that torch has in a form that writes over the input.
IN_PLACE = ("add", "subtract", "multiply", "divide", "power", "minimum", "maximum")
POWERS = {2: Operations(multiplies=1), 0.5: Operations(roots=1), -1: Operations(divisions=1)}


class Arithmetic(Layer):
    """Every element and a `number`, or the elements of a tensor of that `shape`, a size of which may be 1.

    The tensor is the network's own and the same for every image: a position embedding, the mean of a data set.
    `subtract_from` is the number minus the element, `divide_into` the number divided by it.
    """

    kind = "arithmetic"
    summary = "`operation` of each element and a `number`, or a tensor of the network's own (`shape`)"
    operation: Annotated[
        Literal[
            "add",
            "subtract",
            "subtract_from",
            "multiply",
            "divide",
            "divide_into",
            "power",
            "minimum",
            "maximum",
        ],
        choice(*OPERATIONS),
    ] = "multiply"
    number: OptionalReal = None
    shape: OptionalSizes = None
    trainable: Flag = True
    inplace: Flag = False

    @property
    def shares_input(self) -> bool:
        return self.inplace

    @property
    def tensor(self) -> Shape:
        """The shape of the tensor; none of a number."""
        return (self.shape,) if isinstance(self.shape, int) else self.shape or ()

    def check(self, input: Shape) -> None:
        if (self.number is None) == (self.shape is None):
            help = "write `arithmetic: {operation: multiply, number: 0.5}`"
            raise LayerError("arithmetic-number-or-shape", "`arithmetic` needs either `number` or `shape`", help=help)
        tensor = self.tensor
        if tensor and (
            len(tensor) != len(input) or any(m != n and 1 not in (m, n) for m, n in zip(tensor, input, strict=True))
        ):
            raise LayerError(
                "merge-shapes-differ",
                "`arithmetic` cannot join {0} and a tensor of {1}",
                input,
                tensor,
                field="shape",
                sources=(0,),
                help="give the tensor the input's sizes, or 1 where all places share one",
            )
        if self.inplace and self.operation not in IN_PLACE:
            message = f"`{self.operation}` has no form that writes over its input"
            raise LayerError("not-in-place", message, field="inplace", help="leave out `inplace`")
        if self.inplace and self.output(input) != input:
            raise LayerError(
                "result-exceeds-input",
                "{1}, the result of `arithmetic`, cannot be written over {0}",
                input,
                self.output(input),
                field="inplace",
                sources=(0,),
                help="leave out `inplace`",
            )

    def output(self, input: Shape) -> Shape:
        tensor = self.tensor or (1,) * len(input)
        return tuple([max(m, n) for m, n in zip(tensor, input, strict=True)])

    def parameters(self, input: Shape) -> tuple[Parameter, ...]:
        if not self.tensor:
            return ()
        role: Role = "weight" if self.trainable else "buffer"
        return (Parameter("weight", self.tensor, role, formulas.tensor_elements(*self.tensor)),)

    def operations(self, input: Shape, output: Shape) -> Operations:
        element = OPERATIONS[self.operation]
        if self.operation == "power" and self.number in POWERS:
            element = POWERS[self.number]
        return element.times(formulas.output_elements(*output))

    def reach(self, input: Shape, output: Shape) -> Reach:
        return POINTWISE if input == output else UNTRACKED

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return self.operation


# Operations of one element; sines and cosines are counted as exponentials, whose series they share.
FUNCTIONS = {
    "abs": Operations(),
    "neg": Operations(),
    "sign": Operations(comparisons=1),
    "exp": Operations(exponentials=1),
    "log": Operations(logarithms=1),
    "sqrt": Operations(roots=1),
    "rsqrt": Operations(roots=1, divisions=1),
    "reciprocal": Operations(divisions=1),
    "erf": Operations(error_functions=1),
    "sin": Operations(exponentials=1),
    "cos": Operations(exponentials=1),
}


class Function(InPlaceActivation):
    """A function of every element that is no activation of its own name: a root, an exponential."""

    kind = "function"
    main = "of"
    summary = "a function of each element: `exp`, `log`, `sqrt`, `abs` and others"
    of: Annotated[
        Literal["abs", "neg", "sign", "exp", "log", "sqrt", "rsqrt", "reciprocal", "erf", "sin", "cos"],
        choice(*FUNCTIONS),
    ]

    def operations(self, input: Shape, output: Shape) -> Operations:
        return FUNCTIONS[self.of].times(formulas.output_elements(*output))

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return self.of


class Reduce(Layer):
    """One value of all those along some axes, channels being 0: their sum, mean, largest, smallest, or their length.

    The axes stay with size 1, or are gone with `keep: false`; where none is left, one value of one channel is.
    """

    kind = "reduce"
    summary = "`by` sum, mean, max, min or norm over `axes`, channels being 0"
    by: Annotated[Literal["sum", "mean", "max", "min", "norm"], choice("sum", "mean", "max", "min", "norm")] = "mean"
    axes: Annotated[
        int | tuple[int, ...],
        Takes("an axis, or a list of axes, channels being 0", _axes),
    ] = 0
    keep: Flag = True

    @property
    def over(self) -> tuple[int, ...]:
        return (self.axes,) if isinstance(self.axes, int) else self.axes

    def check(self, input: Shape) -> None:
        if len(set(self.over)) < len(self.over):
            message = f"{list(self.over)} names an axis twice"
            raise LayerError("axis-twice", message, field="axes", help="name each axis once")
        for axis in self.over:
            check_axis(axis, input, "axes")

    def output(self, input: Shape) -> Shape:
        over = self.over
        if self.keep:
            return tuple([1 if axis in over else size for axis, size in enumerate(input)])
        return tuple([size for axis, size in enumerate(input) if axis not in over]) or (1,)

    def operations(self, input: Shape, output: Shape) -> Operations:
        inputs, outputs = formulas.input_elements(*input), formulas.output_elements(*output)
        rest = formulas.joins(inputs, outputs)
        if self.by in ("max", "min"):
            return Operations(comparisons=rest)
        if self.by == "norm":
            return Operations(multiplies=inputs, adds=rest, roots=outputs)
        return Operations(adds=rest, divisions=outputs if self.by == "mean" else 0)

    def reach(self, input: Shape, output: Shape) -> Reach:
        if set(self.over) == set(range(len(input))):
            return EVERYTHING
        return across_channels(input) if self.over == (0,) and self.keep else UNTRACKED

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return self.by
