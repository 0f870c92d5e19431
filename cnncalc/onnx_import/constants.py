"""Constants of a file, and what its operators make of them: shapes above all, which exporters compute in the graph.

A constant has a shape, and its numbers where they are few. What is not known of a result is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import ceil, floor, prod, sqrt
from typing import Any, NamedTuple

from cnncalc.onnx_import.file import MAX_VALUES, Operator, Tensor

Numbers = tuple[Any, ...]


class Constant(NamedTuple):
    """`tensors` are the file's tensors whose numbers these are, turned or cut at most."""

    shape: tuple[int, ...] | None
    values: Numbers | None = None  # in C order
    real: bool = False
    tensors: tuple[str, ...] = ()


def of_tensor(tensor: Tensor) -> Constant:
    return Constant(tensor.shape, tensor.values, tensor.real, (tensor.name,) if tensor.name else ())


def integers(values: Sequence[int]) -> Constant:
    """A list of whole numbers, as a shape is one."""
    return Constant((len(values),), tuple(values))


# Indexing -------------------------------------------------------------------------------------------------------------


def strides(shape: Sequence[int]) -> list[int]:
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * shape[axis + 1]
    return steps


def picked(values: Numbers, shape: Sequence[int], choices: Sequence[Sequence[int]]) -> Numbers:
    """The values at every combination of indices, one list of indices a dimension."""
    steps = strides(shape)
    return tuple(
        [values[sum(index * step for index, step in zip(place, steps, strict=True))] for place in product(*choices)]
    )


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape of values joined element by element (numpy's rule); ValueError where they do not fit."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        larger = {size for size in sizes if size != 1}
        if len(larger) > 1:
            raise ValueError(f"shapes do not fit: {', '.join(str(list(shape)) for shape in shapes)}")
        result.append(larger.pop() if larger else 1)
    return tuple(result)


def expanded(values: Numbers, shape: Sequence[int], to: Sequence[int]) -> Numbers:
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return picked(
        values, padded, [[0] * size if own == 1 else range(size) for own, size in zip(padded, to, strict=True)]
    )


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front; ValueError where there is none."""
    if not -rank <= axis < max(rank, 1):
        raise ValueError(f"axis {axis} does not exist in {rank} dimensions")
    return axis % rank if rank else 0


def reshaped(shape: Sequence[int], asked: Sequence[int], zero_is_zero: bool = False) -> tuple[int, ...]:
    """What Reshape makes of a shape: 0 keeps a size, -1 is what is left. ValueError where that is impossible."""
    sizes = list(asked)
    for axis, size in enumerate(sizes):
        if size == 0 and not zero_is_zero:
            if axis >= len(shape):
                raise ValueError(f"{list(asked)} keeps a dimension that {list(shape)} does not have")
            sizes[axis] = shape[axis]
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise ValueError(f"{list(asked)} is not a shape")
    count = prod(shape)
    if -1 in sizes:
        known = prod([size for size in sizes if size != -1])
        if not known or count % known:
            raise ValueError(f"{list(shape)} does not fit {list(asked)}")
        sizes[sizes.index(-1)] = count // known
    if prod(sizes) != count:
        raise ValueError(f"{list(shape)} does not fit {list(asked)}")
    return tuple(sizes)


def ranges(shape: Sequence[int], starts: Numbers, ends: Numbers, axes: Numbers, steps: Numbers) -> dict[int, range]:
    """What Slice takes of each axis it names, as Python's slices do."""
    taken = {}
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError("starts, ends, axes and steps differ in length")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        where = axis_of(axis, len(shape))
        size = shape[where]
        if step == 0:
            raise ValueError("a step is not 0")
        end = None if step < 0 and end < -size else end  # -2**63 is "from the beginning"
        taken[where] = range(*slice(start, end, step).indices(size))
    return taken


# Folding --------------------------------------------------------------------------------------------------------------

Fold = Callable[[Operator, Sequence[Constant | None]], "Constant | None"]


def setting(operator: Operator, inputs: Sequence[Any], name: str, place: int) -> Numbers | None:
    """A list that older operators have as an attribute and newer ones as an input."""
    given = operator.attributes.get(name)
    if isinstance(given, tuple):
        return given
    if isinstance(given, (int, float)):
        return (given,)
    constant = inputs[place] if place < len(inputs) else None
    return constant.values if isinstance(constant, Constant) else None


def _constant(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    for name, value in operator.attributes.items():
        if isinstance(value, Tensor):
            return of_tensor(value)
        if name in ("value_int", "value_float"):
            return Constant((), (value,), name == "value_float")
        if name in ("value_ints", "value_floats") and isinstance(value, tuple):
            return Constant((len(value),), value, name == "value_floats")
    return None


def _same(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    return inputs[0]


def _cast(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    (constant,) = inputs
    assert constant is not None
    real = operator.attributes.get("to") in (1, 10, 11, 16)
    kind = float if real else int
    values = constant.values
    return constant._replace(real=real, values=None if values is None else tuple([kind(value) for value in values]))


def _elementwise(function: Callable[..., Any]) -> Fold:
    def fold(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
        constants = [one for one in inputs if one is not None]
        shapes = [one.shape for one in constants if one.shape is not None]
        if len(shapes) < len(inputs):
            return None
        shape = broadcast(*shapes)
        real = any(one.real for one in constants)
        tensors = tuple(dict.fromkeys([name for one in constants for name in one.tensors]))
        values = [one.values for one in constants if one.values is not None]
        if len(values) < len(constants) or prod(shape) > MAX_VALUES:
            return Constant(shape, None, real, tensors)
        spread = [expanded(one, own, shape) for one, own in zip(values, shapes, strict=True)]
        try:
            made = tuple([function(*each) for each in zip(*spread, strict=True)])
        except (ArithmeticError, ValueError):
            return Constant(shape, None, real, tensors)
        return Constant(shape, made, real, tensors)

    return fold


def _divided(a: Any, b: Any) -> Any:
    """Division; of whole numbers the whole part, towards 0."""
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _power(a: Any, b: Any) -> Any:
    if abs(b) > 64 or abs(a) > 2**64:
        raise ValueError
    return a**b


def _gather(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    data, indices = inputs
    if data is None or indices is None or data.shape is None or indices.shape is None:
        return None
    axis = axis_of(operator.attributes.get("axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    if data.values is None or indices.values is None or prod(shape) > MAX_VALUES:
        return Constant(shape, None, data.real, data.tensors)
    size = data.shape[axis]
    if not all(-size <= index < size for index in indices.values):
        raise ValueError(f"an index is not among {size}")
    choices = [range(one) for one in data.shape]
    picks = [*choices[:axis], [index % size for index in indices.values], *choices[axis + 1 :]]
    return Constant(shape, picked(data.values, data.shape, picks), data.real, data.tensors)


def _concat(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    constants = [one for one in inputs if one is not None]
    if any(one.shape is None for one in constants) or len(constants) < len(inputs):
        return None
    shapes = [one.shape for one in constants if one.shape is not None]
    axis = axis_of(operator.attributes.get("axis", 0), len(shapes[0]))
    if any(len(shape) != len(shapes[0]) for shape in shapes):
        raise ValueError("tensors of different rank are joined")
    shape = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    tensors = tuple([name for one in constants for name in one.tensors])
    values = None
    if len(shape) == 1 and all(one.values is not None for one in constants):
        values = tuple([value for one in constants for value in one.values or ()])
    return Constant(shape, values, constants[0].real, tensors)


def _slice(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    data = inputs[0]
    if data is None or data.shape is None:
        return None
    taken = slices(operator, inputs, data.shape)
    if taken is None:
        return None
    shape = tuple([len(taken[axis]) if axis in taken else size for axis, size in enumerate(data.shape)])
    values = data.values
    if values is not None:
        values = picked(values, data.shape, [taken.get(axis, range(size)) for axis, size in enumerate(data.shape)])
    return Constant(shape, values, data.real, data.tensors)


def slices(operator: Operator, inputs: Sequence[Any], shape: Sequence[int]) -> dict[int, range] | None:
    """What a Slice takes of each axis that it names; None where that is not written in the file."""
    starts, ends = setting(operator, inputs, "starts", 1), setting(operator, inputs, "ends", 2)
    if starts is None or ends is None:
        return None
    axes = setting(operator, inputs, "axes", 3)
    if axes is None and len(inputs) > 3 and inputs[3] is not None:
        return None
    steps = setting(operator, inputs, "steps", 4)
    if steps is None and len(inputs) > 4 and inputs[4] is not None:
        return None
    return ranges(shape, starts, ends, axes or tuple(range(len(starts))), steps or (1,) * len(starts))


def unsqueezed(shape: Sequence[int], axes: Numbers) -> tuple[int, ...]:
    rank = len(shape) + len(axes)
    places = {axis_of(axis, rank) for axis in axes}
    if len(places) < len(axes):
        raise ValueError(f"axes {list(axes)} are not different")
    sizes = iter(shape)
    return tuple([1 if axis in places else next(sizes) for axis in range(rank)])


def squeezed(shape: Sequence[int], axes: Numbers | None) -> tuple[int, ...]:
    if axes is None:
        return tuple([size for size in shape if size != 1])
    places = {axis_of(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in places):
        raise ValueError(f"axes {list(axes)} of {list(shape)} are not of size 1")
    return tuple([size for axis, size in enumerate(shape) if axis not in places])


def _shaped(to: Callable[[Operator, Sequence[Any], tuple[int, ...]], tuple[int, ...] | None]) -> Fold:
    """The same numbers in another shape."""

    def fold(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
        data = inputs[0]
        if data is None or data.shape is None:
            return None
        shape = to(operator, inputs, data.shape)
        return None if shape is None else data._replace(shape=shape)

    return fold


def reshape_target(operator: Operator, inputs: Sequence[Any], shape: Sequence[int]) -> tuple[int, ...] | None:
    asked = setting(operator, inputs, "shape", 1)
    return None if asked is None else reshaped(shape, asked, bool(operator.attributes.get("allowzero", 0)))


def flatten_target(operator: Operator, inputs: Sequence[Any], shape: Sequence[int]) -> tuple[int, ...]:
    axis = operator.attributes.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis <= len(shape):
        raise ValueError(f"axis {axis} does not exist in {len(shape)} dimensions")
    return (prod(shape[:axis]), prod(shape[axis:]))


def unsqueeze_target(operator: Operator, inputs: Sequence[Any], shape: Sequence[int]) -> tuple[int, ...] | None:
    axes = setting(operator, inputs, "axes", 1)
    return None if axes is None else unsqueezed(shape, axes)


def squeeze_target(operator: Operator, inputs: Sequence[Any], shape: Sequence[int]) -> tuple[int, ...] | None:
    axes = setting(operator, inputs, "axes", 1)
    if axes is None and len(inputs) > 1 and inputs[1] is not None:
        return None
    return squeezed(shape, axes)


def _transpose(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    data = inputs[0]
    if data is None or data.shape is None:
        return None
    order = permutation(operator, len(data.shape))
    shape = tuple([data.shape[axis] for axis in order])
    values = data.values
    if values is not None:
        steps = strides(data.shape)
        turned = [steps[axis] for axis in order]
        values = tuple(
            [
                values[sum(index * step for index, step in zip(place, turned, strict=True))]
                for place in product(*map(range, shape))
            ]
        )
    return Constant(shape, values, data.real, data.tensors)


def permutation(operator: Operator, rank: int) -> tuple[int, ...]:
    order = operator.attributes.get("perm") or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise ValueError(f"perm {list(order)} does not name each of {rank} dimensions once")
    return tuple(order)


def _range(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    bounds = [one.values[0] for one in inputs if one is not None and one.values]
    if len(bounds) != 3 or not all(isinstance(bound, int) for bound in bounds) or not bounds[2]:
        return None
    numbers = range(*bounds)
    return integers(tuple(numbers)) if len(numbers) <= MAX_VALUES else Constant((len(numbers),))


def _filled(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    shape = inputs[0].values if inputs and inputs[0] is not None else None
    if shape is None:
        return None
    value = operator.attributes.get("value")
    given = value.values if isinstance(value, Tensor) else (0.0,)
    values = given * prod(shape) if given and prod(shape) <= MAX_VALUES else None
    return Constant(tuple(shape), values, not isinstance(value, Tensor) or value.real)


def _expand(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    data, wanted = inputs
    if data is None or wanted is None or data.shape is None or wanted.values is None:
        return None
    shape = broadcast(data.shape, wanted.values)
    fits = data.values is not None and prod(shape) <= MAX_VALUES
    return Constant(shape, expanded(data.values or (), data.shape, shape) if fits else None, data.real, data.tensors)


def _product(operator: Operator, inputs: Sequence[Constant | None]) -> Constant | None:
    data = inputs[0]
    if data is None or data.values is None or data.shape is None or len(data.shape) != 1:
        return None
    return Constant((1,) if operator.attributes.get("keepdims", 1) else (), (prod(data.values),), data.real)


FOLDS: Mapping[str, Fold] = {
    "Constant": _constant,
    "Identity": _same,
    "Cast": _cast,
    "DequantizeLinear": lambda operator, inputs: inputs[0]._replace(values=None, real=True) if inputs[0] else None,
    "Add": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(_divided),
    "Mod": _elementwise(lambda a, b: a % b),
    "Pow": _elementwise(_power),
    "Min": _elementwise(lambda *each: min(each)),
    "Max": _elementwise(lambda *each: max(each)),
    "Neg": _elementwise(lambda a: -a),
    "Abs": _elementwise(abs),
    "Sqrt": _elementwise(sqrt),
    "Floor": _elementwise(lambda a: float(floor(a))),
    "Ceil": _elementwise(lambda a: float(ceil(a))),
    "Equal": _elementwise(lambda a, b: a == b),
    "Greater": _elementwise(lambda a, b: a > b),
    "Less": _elementwise(lambda a, b: a < b),
    "Not": _elementwise(lambda a: not a),
    "Where": _elementwise(lambda condition, a, b: a if condition else b),
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Reshape": _shaped(reshape_target),
    "Flatten": _shaped(flatten_target),
    "Unsqueeze": _shaped(unsqueeze_target),
    "Squeeze": _shaped(squeeze_target),
    "Transpose": _transpose,
    "Range": _range,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "ReduceProd": _product,
}


def folded(operator: Operator, inputs: Sequence[Constant | None]) -> Constant:
    """What an operator makes of constants, of unknown shape where it is not known how. ValueError where it cannot."""
    tensors = tuple([name for one in inputs if one is not None for name in one.tensors])
    fold = FOLDS.get(operator.type) if not operator.domain else None
    if fold is None:
        return Constant(None, tensors=tensors)
    try:
        return fold(operator, inputs) or Constant(None, tensors=tensors)
    except (TypeError, IndexError, AssertionError, OverflowError):
        raise ValueError("its inputs or attributes are not those of its type") from None
