"""Merges: several paths that start at one value and end in one.

Shapes have to be equal, but for dimensions of size 1, which are repeated (a squeeze-and-excitation gate times its map).
"""

from typing import Any

from cnncalc import formulas
from cnncalc.closed import beside
from cnncalc.layers.base import (
    POINTWISE,
    UNTRACKED,
    Facts,
    Kind,
    LayerError,
    Operations,
    Reach,
    Remark,
    Work,
    check_axis,
    known_remarks,
)
from cnncalc.layers.fields import Flag, NonNegativeInt
from cnncalc.messages import told
from cnncalc.shapes import Shape, elements


def _fit(a: Shape, b: Shape) -> bool:
    """Whether two shapes can be joined element by element, size-1 dimensions repeated."""
    return len(a) == len(b) and all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=True))


def joins(inputs: tuple[Shape, ...], output: Shape) -> int:
    """Steps that make one value of each path's."""
    return formulas.path_joins(len(inputs), formulas.output_elements(*output))


class Merge(Kind):
    """A kind with several inputs. `paths` is read by the language; the layer sees the shapes that the paths end in."""

    main = "paths"

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        """The inputs' shape, size-1 dimensions repeated."""
        output = inputs[0]
        for position, shape in enumerate(inputs):
            if not _fit(shape, output):
                raise self.differ(inputs, position)
            output = tuple([max(a, b) for a, b in zip(shape, output, strict=True)])
        return output

    def differ(self, inputs: tuple[Shape, ...], position: int) -> LayerError:
        """The path at `position`, and the first before it that it does not fit."""
        other = next(other for other in range(position) if not _fit(inputs[other], inputs[position]))
        return LayerError(
            "merge-shapes-differ",
            f"`{self.kind}` cannot join {{0}} and {{1}}: path {other + 1} and path {position + 1} differ",
            inputs[other],
            inputs[position],
            sources=(other, position),
            help="give both paths the same strides, paddings and channels, or put a 1x1 `conv` on the shortcut",
        )

    def check_two(self, inputs: tuple[Shape, ...], help: str) -> None:
        if len(inputs) != 2:
            message = f"`{self.kind}` takes two paths, and has {len(inputs)}"
            raise LayerError("two-paths", message, help=help)

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations()

    def facts(self, inputs: tuple[Shape, ...]) -> Facts:
        output = self.output(inputs)
        with beside():
            reach = self.reach(inputs)
        return self.answer(output, self.work(inputs, output), reach=reach, remarks=known_remarks(self.remarks, inputs))

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return POINTWISE

    def remarks(self, inputs: tuple[Shape, ...]) -> tuple[Remark, ...]:
        return ()

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Work, ...]:
        read = sum([elements(shape) for shape in inputs])
        return (Work(self.kind, read, elements(output), others=self.operations(inputs, output)),)

    def title(self, inputs: tuple[Shape, ...]) -> str:
        return told("title.paths", count=len(inputs))


class Add(Merge):
    """The sum of its paths (a residual connection).

    With `inplace: true` it is written over the first path's end, as `x += y` does.
    """

    kind = "add"
    summary = "the sum of its paths (a residual connection)"
    inplace: Flag = False

    @property
    def shares_input(self) -> bool:
        return self.inplace

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        output = super().output(inputs)
        if self.inplace and output != inputs[0]:
            raise LayerError(
                "sum-exceeds-first-path",
                "a sum of {0} cannot be written over {1}, the end of path 1",
                output,
                inputs[0],
                field="inplace",
                sources=(0,),
                help="put the largest path first, or leave out `inplace`",
            )
        return output

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations(adds=joins(inputs, output))


class Subtract(Merge):
    kind = "subtract"
    summary = "the first path minus the others"

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations(adds=joins(inputs, output))


class Multiply(Merge):
    kind = "multiply"
    summary = "the product of its paths (a gate)"

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations(multiplies=joins(inputs, output))


class Divide(Merge):
    kind = "divide"
    summary = "the first path divided by the others"

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations(divisions=joins(inputs, output))


class Mean(Merge):
    kind = "mean"
    summary = "the mean of its paths"

    def operations(self, inputs: tuple[Shape, ...], output: Shape) -> Operations:
        return Operations(
            adds=joins(inputs, output), divisions=formulas.per_element(1, formulas.output_elements(*output))
        )


class Concat(Merge):
    kind = "concat"
    summary = "its paths one after the other along `axis` (channels)"
    axis: NonNegativeInt = 0

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        first = inputs[0]
        check_axis(self.axis, first, "axis")
        for position, shape in enumerate(inputs):
            if self._without_axis(shape) != self._without_axis(first) or len(shape) != len(first):
                raise self.differ(inputs, position)
        size = formulas.concatenated_size(*[shape[self.axis] for shape in inputs])
        return (*first[: self.axis], size, *first[self.axis + 1 :])

    def differ(self, inputs: tuple[Shape, ...], position: int) -> LayerError:
        return LayerError(
            "merge-shapes-differ",
            f"`concat` cannot join {{0}} and {{1}}: path 1 and path {position + 1} may differ "
            f"in {'channels' if self.axis == 0 else f'dimension {self.axis}'} only",
            inputs[0],
            inputs[position],
            sources=(0, position),
            help="give both paths the same strides and paddings, or `crop` the larger one",
        )

    def _without_axis(self, shape: Shape) -> tuple[Any, ...]:
        return (*shape[: self.axis], *shape[self.axis + 1 :])

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return POINTWISE if self.axis == 0 else UNTRACKED


class Matmul(Merge):
    """The matrix product of two paths: [..., n, k] and [..., k, m] make [..., n, m], a product for each of the others.

    The matrices are the last two dimensions, as in torch.matmul; all sizes before them have to be equal.
    """

    kind = "matmul"
    summary = "the matrix product of two paths, along their last two dimensions"

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        self.check_two(inputs, "multiply two, and their product by the next: `matmul: [[{matmul: [a, b]}], c]`")
        for position, shape in enumerate(inputs):
            if len(shape) == 1:
                raise LayerError(
                    "not-a-matrix",
                    f"`matmul` multiplies matrices, and path {position + 1} ends in a vector of {{0}}",
                    shape,
                    sources=(position,),
                    help=f"make it one column, `reshape: [{shape[0]}, 1]`, or one row, `reshape: [1, {shape[0]}]`",
                )
        self._check_sizes(*inputs)
        left, right = inputs
        return (*left[:-1], right[-1])

    def _check_sizes(self, left: Shape, right: Shape) -> None:
        last = len(left) - 1
        if len(left) != len(right):
            why = "one has more dimensions than the other"
            help = "`reshape` one of them: a size of 1 is a dimension, too"
        elif left[:-2] != right[:-2]:
            axis = next(axis for axis in range(last) if left[axis] != right[axis])
            why = f"they differ in {'channels' if axis == 0 else f'dimension {axis}'}, {left[axis]} and {right[axis]}"
            help = "make all sizes equal but the last two: none is repeated"
        elif left[-1] != right[-2]:
            why = f"a row of {left[-1]} values meets a column of {right[-2]}"
            help = f"make dimension {last} of path 1 as large as dimension {last - 1} of path 2, channels being 0"
        else:
            return
        message = f"`matmul` cannot multiply {{0}} by {{1}}: {why}"
        raise LayerError("matrices-do-not-fit", message, left, right, sources=(0, 1), help=help)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> tuple[Work, ...]:
        read = sum([elements(shape) for shape in inputs])
        macs = formulas.matmul_macs(formulas.output_elements(*output), inputs[0][-1])
        return (Work(self.kind, read, elements(output), macs),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return UNTRACKED  # a row of one path, a column of the other: no window has that shape
