"""From a file's operators to the nodes of a network: what each name stands for, one operator after the other.

A file's shapes begin with the batch; the network's do not. Views (reshapes and transposes) wait beside a value until a
layer needs it as it then is: those that cancel leave nothing, and a few together are a layer (a channel shuffle).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

from cnncalc.diagnostics import Diagnostic, DocumentError, Note
from cnncalc.graph import Input, Node
from cnncalc.layers import KINDS, Kind
from cnncalc.layers.base import Facts, LayerError, Parameter
from cnncalc.layers.unknown import Unknown
from cnncalc.onnx_import.constants import Constant, axis_of, broadcast, folded, integers, of_tensor, setting
from cnncalc.onnx_import.file import Branch, Graph, Operator, inferred, refused
from cnncalc.onnx_import.patterns import OWN
from cnncalc.shapes import LARGEST_SIZE, Shape, elements, shape_text

MAX_SIZE = 2**63 - 1

_LIFTED = re.compile(r"val_\d+")


class Step(NamedTuple):
    """A view that waits: a reshape to `shape`, or with `order` a permutation that gives it."""

    shape: Shape
    operator: Operator  # the file's, for its name
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a name of the file stands for: `source` seen through `steps`. `shape` is the file's, with the batch."""

    source: Node | Input
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()

    @property
    def dims(self) -> Shape:
        """The shape for one image."""
        return self.steps[-1].shape if self.steps else self.source.output

    @property
    def apart(self) -> bool:
        """Whether the batch is the first dimension by itself."""
        return self.shape[1:] == self.dims

    def axis(self, axis: int) -> int:
        """Which dimension of an image a dimension of the file is; `NoKind` for that of the batch."""
        place = axis_of(axis, len(self.shape))
        if self.apart:
            if place == 0:
                raise NoKind("it works across the images of a batch")
            return place - 1
        if self.shape == self.dims:
            return place
        raise NoKind("it works across the images of a batch")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A sequence of values, which older graphs split a value into."""

    values: tuple[Value, ...]


class NoKind(Exception):
    """No layer kind is what this operator does; the message says why, where it is not plain."""


Result = Value | Pieces | Constant | Sequence[Value | None] | None
Given = Value | Pieces | Constant | None


class At:
    """An operator with what enters it, for the table of operators to read. `inputs` are the values, None left out."""

    def __init__(self, walk: Walk, operator: Operator, inputs: Sequence[Given]) -> None:
        self.walk, self.operator, self.inputs = walk, operator, inputs

    # What is written --------------------------------------------------------------------------------------------------

    def number(self, name: str, default: int) -> int:
        value = self.operator.attributes.get(name, default)
        if type(value) is not int:
            raise ValueError(f"`{name}` has to be a whole number")
        return value

    def real(self, name: str, default: float) -> float:
        value = self.operator.attributes.get(name, default)
        if type(value) not in (int, float):
            raise ValueError(f"`{name}` has to be a number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        value = self.operator.attributes.get(name, default)
        if type(value) is not str:
            raise ValueError(f"`{name}` has to be a text")
        return value

    def numbers(self, name: str, count: int, default: int) -> tuple[int, ...]:
        """A list of `count` whole numbers."""
        value = self.operator.attributes.get(name) or (default,) * count
        if type(value) is not tuple or len(value) != count or not all(type(one) is int for one in value):
            raise ValueError(f"`{name}` has to be a list of {count} whole numbers")
        return value

    def setting(self, name: str, place: int) -> tuple[Any, ...] | None:
        """A list that is an attribute in older files and an input in newer ones; None where it is not given.

        Raises `NoKind` where it is computed from the image.
        """
        found = setting(self.operator, self.inputs, name, place)
        if found is None and len(self.inputs) > place and self.inputs[place] is not None:
            raise NoKind(f"`{name}` is not written in the file")
        return found

    # What enters ------------------------------------------------------------------------------------------------------

    def value(self, place: int = 0) -> Value:
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, Value):
            return value
        if value is None:
            raise ValueError(f"it has no input {place + 1}")
        raise NoKind("it works on a constant")

    def constant(self, place: int) -> Constant | None:
        """The constant that enters there, None where nothing does; `NoKind` where it comes from the image."""
        constant = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(constant, (Value, Pieces)):
            raise NoKind(f"its input {place + 1} is not written in the file")
        return constant

    def weight(self, place: int = 1) -> tuple[int, ...]:
        """The shape of the weights that enter there."""
        constant = self.constant(place)
        if constant is None:
            raise ValueError(f"it has no input {place + 1}")
        if constant.shape is None:
            raise NoKind("the shape of its weights is not written in the file")
        return constant.shape

    def has_bias(self, place: int) -> bool:
        """Whether a bias enters there. Zeros that no tensor of the file holds are none: exporters write them."""
        constant = self.constant(place)
        return constant is not None and bool(constant.tensors or constant.values is None or any(constant.values))

    def learns(self, *places: int) -> bool:
        """Whether factors and shifts are tensors of the file, or numbers that differ; not ones and zeros by rule.

        torch's exporter writes such ones and zeros as tensors, too, which it names `val_7`.
        """
        found = [one for place in places if (one := self.constant(place)) is not None]
        return any(
            len(set(one.values or ())) > 1 or any(not _LIFTED.fullmatch(name) for name in one.tensors) for one in found
        )

    @property
    def rank(self) -> int:
        """Spatial dimensions."""
        return len(self.value().dims) - 1

    # What comes out ---------------------------------------------------------------------------------------------------

    def layer(self, kind: Kind, *values: Value, weights: Sequence[int] = ()) -> Value:
        """A layer on values as they are in the file; `weights` are the places of the tensors it holds."""
        read = values or (self.value(),)
        return self.made(kind, [self.walk.plain(value) for value in read], weights, read[0])

    def made(self, kind: Kind, read: Sequence[Node | Input], weights: Sequence[int], like: Value) -> Value:
        """A new node's output, whose batch stands where that of `like` does."""
        constants = [one for place in weights if (one := self.constant(place)) is not None]
        node = self.walk.node(kind, read, self.operator, constants)
        return Value(node, self.walk.whole(node.output, like))

    def pointwise(self, kind: Kind, *values: Value, weights: Sequence[int] = ()) -> Value:
        """A layer to which the order of dimensions is nothing: a transpose of all its inputs stays beyond it."""
        read = values or (self.value(),)
        turned = turn(read)
        if turned is None:
            return self.layer(kind, *read, weights=weights)
        made = self.made(kind, [value.source for value in read], weights, read[0])
        dims = tuple([made.dims[axis] for axis in turned.order])
        return self.walk.view(made, Step(dims, turned.operator, turned.order))

    def on_channels(self, axis: int, kind: Kind, weights: Sequence[int] = ()) -> Value:
        """A layer that works on channels, on dimension `axis` of an image: moved to the front, and back afterwards."""
        value = self.value()
        rank = len(value.dims)
        front = (axis, *[other for other in range(rank) if other != axis])
        moved = self.walk.view(value, Step(tuple([value.dims[one] for one in front]), self.operator, front))
        made = self.made(kind, [self.walk.plain(moved)], weights, value)
        back = tuple([front.index(one) for one in range(rank)])
        return self.walk.view(made, Step(tuple([made.dims[one] for one in back]), self.operator, back))

    def reshaped(self, shape: tuple[int, ...]) -> Value:
        return self.walk.reshaped(self.value(), shape, self.operator)


def turn(values: Sequence[Value]) -> Step | None:
    """The transpose that all of these wait for, where it is all they wait for."""
    if any(len(value.steps) != 1 or not value.steps[0].order for value in values):
        return None
    orders = {value.steps[0].order for value in values}
    return values[0].steps[0] if len(orders) == 1 else None


def is_uniform(constant: Constant) -> bool:
    """Whether it is a vector of one number."""
    return len(constant.shape or ()) == 1 and constant.values is not None and len(set(constant.values)) == 1


Handler = Callable[[At], Result]


class Walk:
    """Makes a network's nodes of a file's operators."""

    def __init__(
        self, path: str, graph: Graph, sizes: Mapping[str, tuple[int, ...]], table: Mapping[str, Handler]
    ) -> None:
        self.path, self.graph, self.table = path, graph, table
        self.sizes = sizes
        first = next(iter(sizes.values()), ())
        self.batch = first[0] if first else 1
        self.nodes: list[Node] = []
        self.made_by: dict[Node, Operator] = {}
        self.inputs: dict[str, Input] = {}
        self.values: dict[str, Given] = {name: of_tensor(tensor) for name, tensor in graph.tensors.items()}
        self.views: dict[tuple[Any, ...], Node | Input] = {}
        self.known_facts: dict[tuple[Kind, tuple[Shape, ...]], Facts] = {}
        self.holders: dict[str, Node] = {}
        self.unknown_holds: set[str] = set()
        self.reasons: dict[str, str] = {}  # why operators are unknown
        self.held: dict[Node, tuple[str, ...]] = {}
        self.stated: Mapping[str, tuple[Any, ...]] | None = None

    # Shapes -----------------------------------------------------------------------------------------------------------

    def image(self, shape: Sequence[int]) -> Shape:
        """One image's part of a shape of the file. Where the batch is not in front by itself, it is divided out."""
        if not shape:
            return (1,)
        first, *rest = shape
        if first == self.batch and rest:
            return tuple(rest)
        if first % self.batch:
            raise NoKind("it mixes the images of a batch")
        return (first // self.batch, *rest)

    def whole(self, dims: Shape, like: Value) -> tuple[int, ...]:
        """The file's shape of a value that is like another: with the batch in front, or in its first dimension."""
        return (self.batch, *dims) if like.apart else (self.batch * dims[0], *dims[1:])

    # Views ------------------------------------------------------------------------------------------------------------

    def view(self, value: Value, step: Step, shape: tuple[int, ...] | None = None) -> Value:
        """The value seen through one more step; neighbours are put together, what changes nothing is left out."""
        steps = list(value.steps)
        if steps and not steps[-1].order and not step.order:
            steps.pop()
        elif steps and steps[-1].order and step.order:
            order = tuple([steps[-1].order[axis] for axis in step.order])
            step = Step(step.shape, step.operator, order)
            steps.pop()
        before = steps[-1].shape if steps else value.source.output
        idle = step.order == tuple(range(len(before))) if step.order else step.shape == before
        if not idle:
            steps.append(step)
        return Value(value.source, self.whole(step.shape, value) if shape is None else shape, tuple(steps))

    def reshaped(self, value: Value, shape: tuple[int, ...], operator: Operator) -> Value:
        """The value in another shape of the file."""
        if prod(shape) != prod(value.shape):
            raise ValueError(f"{list(value.shape)} does not fit {list(shape)}")
        if 0 in shape:
            raise ValueError(f"{list(shape)} has a size of 0")
        dims = self.image(shape)
        if elements(dims) != elements(value.dims):
            raise NoKind("it mixes the images of a batch")
        return self.view(value, Step(dims, operator), shape)

    def permuted(self, value: Value, order: Sequence[int], operator: Operator) -> Value:
        """The value with the file's dimensions in another order."""
        shape = tuple([value.shape[axis] for axis in order])
        apart = value.apart
        if apart and order[0] == 0:
            step = Step(shape[1:], operator, tuple([axis - 1 for axis in order[1:]]))
            return self.view(value, step, shape)
        if self.batch != 1 and (apart or order[0] != 0):
            raise NoKind("it mixes the images of a batch")
        rest = tuple([axis - apart for axis in order if not (apart and axis == 0)])
        moved = self.view(value, Step(tuple([value.dims[axis] for axis in rest]), operator, rest))
        return self.reshaped(Value(moved.source, (self.batch * elements(moved.dims),), moved.steps), shape, operator)

    def plain(self, value: Value) -> Node | Input:
        """The node whose output this value is, its views made layers."""
        source: Node | Input = value.source
        steps = list(value.steps)
        while steps:
            kind, count = first_layer(source.output, steps)
            key = (source, kind, steps[count - 1].shape)
            if key not in self.views:
                self.views[key] = self.view_node(source, kind, steps[count - 1])
            source = self.views[key]
            del steps[:count]
        return source

    def view_node(self, source: Node | Input, kind: Kind | None, step: Step) -> Node:
        if kind is None:
            return self.unknown_node(
                step.operator, [source], step.shape, reason="it has more than 3 spatial dimensions"
            )
        return self.node(kind, [source], step.operator)

    # Nodes ------------------------------------------------------------------------------------------------------------

    def node(
        self, kind: Kind, read: Sequence[Node | Input], operator: Operator, constants: Sequence[Constant] = ()
    ) -> Node:
        """A new node; raises `DocumentError` where the layer cannot be, or its weights are not the file's."""
        shapes = tuple([value.output for value in read])
        key = (kind, shapes)
        facts = self.known_facts.get(key)
        if facts is None:
            try:
                facts = kind.facts(shapes)
            except LayerError as error:
                raise self.cannot_be(error, operator, read) from None
            if max(facts.output) > MAX_SIZE:
                raise refused("output-too-large", f"{self.path}: {operator.label}: a size is at most {MAX_SIZE:,}")
            self.known_facts[key] = facts
        node = Node("", kind, tuple(read), facts, None)
        self.check_weights(node, operator, constants)
        self.nodes.append(node)
        self.made_by[node] = operator
        self.hold(node, constants)
        return node

    def check_weights(self, node: Node, operator: Operator, constants: Sequence[Constant]) -> None:
        """That the layer has as many weights as the file has for it."""
        facts = node.facts
        counted = facts.weights + facts.biases + facts.buffers
        written = sum([prod(one.shape) for one in constants if one.shape is not None])
        if counted != written:
            shapes = " and ".join([str(list(one.shape)) for one in constants if one.shape is not None]) or "none"
            message = f"{self.path}: {operator.label} has weights {shapes}, {written:,} in all: {counted:,} are needed"
            notes = tuple([Note(f"it gets {shape_text(shape, 'chw')} an image") for shape in node.input_shapes])
            raise DocumentError(Diagnostic("onnx-weights-differ", message, notes=notes))

    def hold(self, node: Node, constants: Sequence[Constant]) -> None:
        """Remember whose weights these are; what an earlier layer holds is counted there and no longer here.

        But vectors of one number, as biases and norms begin: exporters make one tensor of those that are equal, and
        whose weights are another's has them by more than that.
        """
        names = tuple([name for one in constants for name in one.tensors])
        owners = [next((self.holders[name] for name in one.tensors if name in self.holders), None) for one in constants]
        if not any(owner for owner, one in zip(owners, constants, strict=True) if not is_uniform(one)):
            owners = [None] * len(constants)
        self.held[node] = names if not owners or owners[0] is None else ()
        node.shared = next(filter(None, owners), None)
        if node.shared is not None:
            kept = [place for place, owner in enumerate(owners) if owner is None]
            node.facts = node.facts.holding([node.facts.parameters[place] for place in kept])
        for name in names:
            self.holders.setdefault(name, node)

    def is_new(self, constant: Constant) -> bool:
        """Whether this is a tensor of the file that no layer holds so far."""
        names = constant.tensors
        return bool(names) and not any(name in self.holders or name in self.unknown_holds for name in names)

    def cannot_be(self, error: LayerError, operator: Operator, read: Sequence[Node | Input]) -> DocumentError:
        shapes = [shape_text(shape, "chw") for shape in error.shapes]
        message = error.message.format(*shapes) if shapes else error.message
        notes = []
        for place in error.sources:
            value = read[place]
            maker = f"input `{value.name}`" if isinstance(value, Input) else self.made_by[value].label
            notes.append(Note(f"{shape_text(value.output, 'chw')} comes from {maker}"))
        return DocumentError(Diagnostic(error.code, f"{self.path}: {operator.label}: {message}", notes=tuple(notes)))

    # Operators --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        for name, sizes in self.sizes.items():
            self.inputs[name] = Input(name, self.image(sizes) if len(sizes) > 1 else (sizes or (1,)))
            self.values[name] = Value(self.inputs[name], tuple(sizes))
            if len(sizes) == 1:
                self.inputs[name] = Input(name, (1,)) if sizes[0] == self.batch else Input(name, tuple(sizes))
                self.values[name] = Value(self.inputs[name], tuple(sizes))

    def run(self, operator: Operator) -> None:
        inputs = [self.values[name] if name else None for name in operator.inputs]
        unclear = [name for name, value in zip(operator.inputs, inputs, strict=True) if name and value is None]
        try:
            if unclear:
                raise NoKind(f"it reads `{unclear[0]}`, which no layer gives")
            results = self.results(operator, inputs)
        except NoKind as reason:
            try:
                results = self.unknown(operator, inputs, str(reason))
            except ValueError as error:
                raise refused("onnx-operator", f"{self.path}: {operator.label}: {error}") from None
        except ValueError as error:
            raise refused("onnx-operator", f"{self.path}: {operator.label}: {error}") from None
        except (IndexError, TypeError, AttributeError, OverflowError):
            message = f"{self.path}: {operator.label} does not have the inputs or attributes of its type"
            raise refused("onnx-operator", message) from None
        for name, result in zip(operator.outputs, results, strict=False):
            if name:
                self.values[name] = result

    def results(self, operator: Operator, inputs: Sequence[Given]) -> Sequence[Given]:
        """What each output stands for; None where nothing is known of it, which is wrong once it is read."""
        many = max(1, len(operator.outputs))
        first = inputs[0] if inputs else None
        if operator.type == "Shape" and not operator.domain and isinstance(first, (Value, Constant)):
            if first.shape is None:
                return [Constant(None)]
            start, end = operator.attributes.get("start", 0), operator.attributes.get("end")
            return [integers(first.shape[start:end])]
        if operator.type == "Size" and isinstance(first, (Value, Constant)) and first.shape is not None:
            return [Constant((), (prod(first.shape),))]
        if operator.type == "CastLike" and isinstance(first, Constant):
            return [first]
        if operator.type == "If" and isinstance(first, Constant) and first.values:
            return self.branch(operator.attributes.get("then_branch" if first.values[0] else "else_branch"))
        values = [one for one in inputs if isinstance(one, (Value, Pieces))]
        if not values and operator.type not in _FROM_NOTHING:
            constants = [one if isinstance(one, Constant) else None for one in inputs]
            return [folded(operator, constants)] * many
        handler = None if operator.domain not in ("", OWN) else self.table.get(operator.type)
        if handler is None:
            raise NoKind("")
        made = handler(At(self, operator, inputs))
        if made is None:
            raise NoKind("")
        results = list(made) if isinstance(made, (list, tuple)) and not isinstance(made, Constant) else [made]
        return [*results, *[None] * (many - len(results))]  # type: ignore[list-item]

    def branch(self, branch: Any) -> list[Given]:
        """What the branch of an If gives that is always taken."""
        if not isinstance(branch, Branch):
            raise NoKind("")
        self.values |= {tensor.name: of_tensor(tensor) for tensor in branch.tensors}
        self.read |= {name for operator in branch.operators for name in operator.inputs} | set(branch.outputs)
        for operator in branch.operators:
            if not all(name in self.values for name in operator.inputs if name):
                raise NoKind("its branch reads what is not there")
            self.run(operator)
        return [self.values.get(name) for name in branch.outputs]

    def unknown(self, operator: Operator, inputs: Sequence[Any], reason: str) -> list[Given]:
        """A node of unknown kind for each output that is read."""
        used = [name for name in operator.outputs if name and name in self.read]
        made: list[Given] = []
        values = [one for one in inputs if isinstance(one, Value)]
        held = [one for one in inputs if isinstance(one, Constant) and one.real and self.is_new(one)]
        parameters = sum([prod(one.shape) for one in held if one.shape is not None and prod(one.shape) > 1])
        for constant in held:
            self.unknown_holds |= set(constant.tensors)
        for name in operator.outputs:
            if name not in used and (used or name != operator.outputs[0]):
                made.append(None)
                continue
            shape = self.shape_of(name, operator, inputs, reason)
            try:
                dims = self.image(shape)
            except NoKind as error:
                raise refused("onnx-batch", f"{self.path}: {operator.label}: {error}") from None
            first = not any(made)
            read = [self.plain(one) for one in values]
            node = self.unknown_node(operator, read, dims, parameters if first else 0, reason)
            made.append(Value(node, shape))
        return made

    def unknown_node(
        self, operator: Operator, read: Sequence[Node | Input], dims: Shape, parameters: int = 0, reason: str = ""
    ) -> Node:
        """A node that no kind stands for: its shape and its weights are known, its work is not."""
        name = f"{operator.domain}.{operator.type}" if operator.domain not in ("", OWN) else operator.type
        inputs = tuple(read) or tuple(self.inputs.values())[:1]
        kind = Unknown(operator=name, shape=dims)
        facts = kind.facts(tuple([value.output for value in inputs]))
        if parameters:
            weight = Parameter("weight", (parameters,), "weight", parameters)
            facts = replace(facts, parameters=(weight,), weights=parameters)
        node = Node("", kind, inputs, facts, None)
        self.nodes.append(node)
        self.made_by[node] = operator
        self.held[node] = ()
        self.reasons.setdefault(name, reason)
        return node

    def shape_of(self, name: str, operator: Operator, inputs: Sequence[Any], reason: str) -> tuple[int, ...]:
        """The shape of an unknown operator's output: by a rule, as the file states it, or as onnx infers it."""
        ruled = _ruled(operator, inputs)
        if ruled is not None:
            return ruled
        batches = {shape[0] for shape in self.graph.inputs.values() if shape and isinstance(shape[0], str) and shape[0]}
        for stated in (self.graph.stated, self.inferred()):
            known = [self.batch if size in batches else size for size in stated.get(name, ("",))]
            if all(type(size) is int and 1 <= size <= LARGEST_SIZE for size in known):
                return tuple([size for size in known if type(size) is int])
        why = f" ({reason})" if reason else ""
        message = (
            f"{self.path}: {operator.label} is no layer that is known here{why}, and the shape it gives is not stated"
        )
        raise refused("onnx-unknown-shape", message, "save the file with shapes: `onnx.shape_inference.infer_shapes`")

    def inferred(self) -> Mapping[str, tuple[Any, ...]]:
        if self.stated is None:
            self.stated = inferred(self.graph, self.sizes)
        return self.stated

    def walk(self, operators: Sequence[Operator]) -> list[Node | Input]:
        """Run all operators; the network's outputs."""
        self.read = {name for operator in operators for name in operator.inputs} | set(self.graph.outputs)
        self.start()
        for operator in operators:
            self.run(operator)
        outputs = []
        for name in self.graph.outputs:
            value = self.values.get(name)
            if isinstance(value, Value):
                outputs.append(self.plain(value))
        return outputs


_FROM_NOTHING = frozenset({"If", "Loop", "Scan"})

# Operators that are no layer, but whose shapes are plain.
_SAME_SHAPE = frozenset(
    [
        "Abs",
        "Acos",
        "Asin",
        "Atan",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "CumSum",
        "DequantizeLinear",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "HardSigmoid",
        "HardSwish",
        "IsInf",
        "IsNaN",
        "LRN",
        "LayerNormalization",
        "Log",
        "LogSoftmax",
        "LpNormalization",
        "Neg",
        "Not",
        "PRelu",
        "QuantizeLinear",
        "Reciprocal",
        "Round",
        "Shrink",
        "Sign",
        "Sin",
        "Softmax",
        "Softsign",
        "Sqrt",
        "Tan",
        "ThresholdedRelu",
        "Trilu",
    ]
)
_BROADCAST = frozenset(
    [
        "Add",
        "And",
        "Div",
        "Equal",
        "Expand",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Mul",
        "Or",
        "Pow",
        "Sub",
        "Sum",
        "Where",
        "Xor",
    ]
)


def _ruled(operator: Operator, inputs: Sequence[Given]) -> tuple[int, ...] | None:
    """The shape that follows from those of the inputs, where the rule is short."""
    known = [one for one in inputs if isinstance(one, (Value, Constant))]
    shapes = [one.shape for one in known if one.shape is not None]
    if operator.domain or len(shapes) < len(inputs) or not shapes:
        return None
    if operator.type in _SAME_SHAPE:
        return shapes[0]
    if operator.type == "Expand":
        wanted = inputs[1].values if isinstance(inputs[1], Constant) else None
        return None if wanted is None else broadcast(shapes[0], wanted)
    if operator.type.startswith("Reduce"):
        axes = setting(operator, inputs, "axes", 1)
        if axes is None:
            return None
        places = {axis_of(axis, len(shapes[0])) for axis in axes}
        kept = operator.attributes.get("keepdims", 1)
        return tuple(
            [1 if axis in places else size for axis, size in enumerate(shapes[0]) if kept or axis not in places]
        )
    if operator.type in _BROADCAST:
        return broadcast(*shapes)
    if operator.type == "MatMul" and len(shapes) == 2 and min(map(len, shapes)) > 1:
        a, b = shapes
        if a[-1] != b[-2]:
            raise ValueError(f"{list(a)} and {list(b)} cannot be multiplied")
        return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    return folded(operator, [one if isinstance(one, Constant) else Constant(one.shape) for one in known]).shape


# Views that are layers ------------------------------------------------------------------------------------------------


def first_layer(source: Shape, steps: Sequence[Step]) -> tuple[Kind | None, int]:
    """The layer that the first of these steps are together, and how many; None where no kind is that."""
    if len(steps) > 2 and not steps[0].order and steps[1].order and not steps[2].order:
        together = _three(source, steps[0].shape, steps[1].order, steps[2].shape)
        if together is not None:
            return together, 3
    step = steps[0]
    if step.order:
        return KINDS["permute"](dims=step.order), 1
    if len(step.shape) == 1:
        return KINDS["flatten"](), 1
    return (KINDS["reshape"](shape=step.shape), 1) if len(step.shape) <= 4 else (None, 1)


def _three(source: Shape, split: Shape, order: tuple[int, ...], joined: Shape) -> Kind | None:
    """Reshape, permute, reshape: channels dealt out in turn, or exchanged for positions."""
    channels, *sizes = source
    if joined == source and split[0] > 1 and split == (split[0], channels // split[0], *sizes):
        return KINDS["channel_shuffle"](groups=split[0]) if order == (1, 0, *range(2, len(split))) else None
    if len(sizes) != 2 or len(split) != 5:
        return None
    H, W = sizes
    r = joined[1] // H if len(joined) == 3 else 0
    if r > 1 and joined == (channels // r**2, H * r, W * r):
        ways: dict[tuple[int, ...], Shape] = {
            (0, 3, 1, 4, 2): (joined[0], r, r, H, W),
            (2, 3, 0, 4, 1): (r, r, joined[0], H, W),
        }
        return KINDS["pixel_shuffle"](upscale_factor=r) if ways.get(order) == split else None
    b = H // joined[1] if len(joined) == 3 else 0
    if b > 1 and joined == (channels * b**2, H // b, W // b) and split == (channels, H // b, b, W // b, b):
        return KINDS["space_to_depth"](block_size=b) if order in ((0, 2, 4, 1, 3), (2, 4, 0, 1, 3)) else None
    return None
