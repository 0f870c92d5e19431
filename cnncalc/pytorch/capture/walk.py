"""A trace becomes nodes: each operator is looked up in the table, and what it holds becomes its parameters."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from torch import Tensor, fx
from torch.utils import _pytree as pytree

from cnncalc import formulas
from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.graph import Input, Node, Value
from cnncalc.layers import Kind, Merge
from cnncalc.layers.base import Facts, LayerError, Parameter
from cnncalc.layers.linear import Linear
from cnncalc.layers.merge import Add
from cnncalc.layers.norm import Scale
from cnncalc.layers.pointwise import Arithmetic
from cnncalc.layers.reshape import Reshape
from cnncalc.layers.unknown import Unknown
from cnncalc.pytorch.capture.modules import WHOLE
from cnncalc.pytorch.capture.operators import REPEATING, TABLE, Call, NoKind, is_value
from cnncalc.pytorch.capture.regrouping import (
    CONVOLUTIONS,
    PADS,
    REGROUPING,
    VIEWS,
    Regrouped,
    Repeated,
    Unmade,
    dynamic_conv,
    keeps_order,
)
from cnncalc.pytorch.capture.trace import Held, Origin, Trace
from cnncalc.shapes import Shape

Stack = Sequence[tuple[str, str, str]]  # of modules around a call, outermost first: key of the call, path, class


@dataclass(slots=True)
class Made:
    """Where a node comes from: its call's modules, and the parameters and buffers that it reads.

    `turned`: the module holds the weights of a dense layer as [in, out], where torch's own is [out, in].
    """

    stack: Stack
    origins: tuple[Origin, ...]
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """One of several results of an operator: a layer is made of it when it is read."""

    node: fx.Node
    call: Call
    result: Any
    shape: Shape


class Walk:
    """Carries out a trace, operator by operator."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.nodes: list[Node] = []
        self.made: dict[Node, Made] = {}
        self.values: dict[fx.Node, Any] = {}
        self.owners: dict[str, Node] = {}  # of parameters and buffers, the layer that counts them
        self.unknown: dict[str, str] = {}  # operators without a kind, and why
        self.known_facts: dict[Any, Facts] = {}
        self.inputs: list[Input] = []
        self.whole: dict[str, Any] = {}  # modules that are one layer whatever they do, and what came out of each call
        self.batch = 0
        self.mixed: set[Any] = set()  # values whose first dimension is not the batch's

    def run(self) -> None:
        for node in self.trace.graph.nodes:
            if node.op == "placeholder":
                self.values[node] = self.placeholder(node)
            elif node.op == "get_attr":
                self.values[node] = self.trace.holds.get(node.name)
            elif node.op == "call_function":
                self.values[node] = self.called(node)

    def placeholder(self, node: fx.Node) -> Any:
        if node.name in self.trace.holds:
            return self.trace.holds[node.name]
        value = node.meta.get("val")
        if not isinstance(value, Tensor):
            return value
        sizes = tuple(map(int, value.shape))
        if len(sizes) < 2:
            message = f"the input `{node.name}` is {list(sizes)}: a batch of images has at least two dimensions"
            raise DocumentError(Diagnostic("input-without-batch", message, help="give a batch: [1, 3, 224, 224]"))
        self.batch = self.batch or sizes[0]
        if sizes[0] != self.batch:
            message = f"the inputs are batches of {self.batch} and of {sizes[0]}"
            raise DocumentError(Diagnostic("batches-differ", message, help="give all inputs the same first size"))
        input = Input(node.name if len(self.trace.inputs) > 1 else "input", sizes[1:])
        self.inputs.append(input)
        return input

    # One operator -----------------------------------------------------------------------------------------------------

    def called(self, node: fx.Node) -> Any:
        if node.target is operator.getitem:
            if not node.users:
                return None  # a piece that nothing reads is not cut off
            source, place = node.args
            return self.item(self.values[source], place)  # type: ignore[index, arg-type]
        if node.meta.get("val") is None:
            return None  # an assertion of torch's
        made = self.regrouped(node)
        if made is None:
            made = self.made_of(node)
        if _base(node)[1] and node.args and isinstance(node.args[0], fx.Node):
            self.values[node.args[0]] = made  # it writes over its input: who reads that later reads what it has written
        return made

    def made_of(self, node: fx.Node) -> Any:
        """What an operator makes of arguments that have the images of the batch one after another."""
        repeats, result = _base(node)[0] in REPEATING, node.meta["val"]
        arguments = fx.node.map_arg(_named(node), lambda one: self.plain(self.values[one], repeats))
        values = [value for value in pytree.tree_leaves(list(arguments.values()), is_leaf=is_value) if is_value(value)]
        if not values:
            return self.computed(node, arguments)
        call = Call(arguments, self.shapes(result), partial(self.layer, node))
        return self.whole_module(node, call) or self.by_table(node, call)

    def item(self, source: Any, place: int) -> Any:
        found = source[place]
        if not isinstance(found, Later):
            return found
        made = self.placed(found.node, found.call, found.result, found.shape)
        source[place] = made
        return made

    def plain(self, value: Any, repeats: bool = False) -> Any:
        """A value as an argument, of an operator that repeats sizes of 1 by itself or not.

        Of several results that are read together it is every one.
        """
        if isinstance(value, Repeated) and repeats:
            return value.value
        if isinstance(value, Unmade):
            return value.whole()
        if isinstance(value, list):
            return [self.item(value, place) for place in range(len(value))]
        return value

    # Images beside one another ----------------------------------------------------------------------------------------

    def regrouped(self, node: fx.Node) -> Any:
        """What an operator makes of a value that has the images of the batch elsewhere; None where there is none."""
        name, in_place = _base(node)
        if in_place or name not in REGROUPING:
            return None
        arguments = fx.node.map_arg(_named(node), self.values.get)
        first = next(iter(arguments.values()))
        if name in CONVOLUTIONS:
            return self.convolved(node, arguments, first, arguments["weight"])
        if isinstance(first, Regrouped) and name in PADS:
            return self.padded(node, arguments, first)
        if not isinstance(first, Regrouped) and (not is_value(first) or first in self.mixed or self.is_apart(node)):
            return None
        value, shape = self.whole_shape(first)
        return self.seen(node, value) if name in VIEWS or keeps_order(name, shape, arguments) else None

    def seen(self, node: fx.Node, value: Value) -> Any:
        """A value in the shape that an operator gives it."""
        shape = whole(node.meta["val"])
        if not self.is_apart(node):
            return Regrouped(value, lambda: self.made_of(node), shape=shape)
        return self.reshaped(node, value, shape[1:])

    def reshaped(self, node: fx.Node, value: Value, shape: Shape) -> Value:
        return value if value.output == (shape or (1,)) else self.layer(node, Reshape(shape=shape or (1,)), value)

    def convolved(self, node: fx.Node, arguments: dict[str, Any], map: Any, filters: Any) -> Any:
        """A convolution with filters of each image's own, and biases, which are added after it."""
        biases = arguments["bias"]
        if not all(is_value(one) or isinstance(one, Regrouped) for one in (map, filters, biases or map)):
            return None
        (of_map, shape), (of_filters, rows) = self.whole_shape(map), self.whole_shape(filters)
        count = len(self.nodes)
        try:
            kind = dynamic_conv(arguments, shape, rows, self.batch)
            of_one = self.reshaped(node, of_map, (shape[1] // self.batch, *shape[2:]))
            made: Value = self.layer(node, kind, of_one, of_filters)
            if biases is not None:
                channels = (kind.out_channels, *[1 for _ in made.output[1:]])
                made = self.layer(node, Add(), made, self.reshaped(node, self.whole_shape(biases)[0], channels))
            return self.seen(node, made)
        except (NoKind, LayerError):
            self.undo(count)
            return None

    def whole_shape(self, value: Any) -> tuple[Value, Shape]:
        """A value and its shape with all dimensions."""
        return (value.value, value.shape) if isinstance(value, Regrouped) else (value, (self.batch, *value.output))

    def padded(self, node: fx.Node, arguments: dict[str, Any], map: Regrouped) -> Any:
        """Values around maps that stand beside one another as channels."""
        one, channels, *sizes = map.shape
        of_one = (channels // self.batch, *sizes)
        if one != 1 or channels % self.batch or map.value.output != of_one:
            return None
        output = (of_one[0], *whole(node.meta["val"])[2:])
        call = Call({**arguments, "self": map.value}, output, partial(self.layer, node))
        try:
            return self.seen(node, self.placed(node, call, TABLE[_base(node)[0]](call), output))
        except NoKind:
            return None

    def computed(self, node: fx.Node, arguments: Mapping[str, Any]) -> Any:
        """What an operator makes of tensors that the module holds is held, too."""
        held, result = held_in(arguments), node.meta["val"]
        turned = sum([one.turned for one in held]) + _turns(node, arguments)
        origins = tuple(dict.fromkeys([origin for value in held for origin in value.origins]))
        if isinstance(result, Tensor):
            number = held[0].number if len(held) == 1 and len(arguments) == 1 else None
            return Held(tuple(result.shape), origins, number, bool(turned % 2))
        if isinstance(result, (list, tuple)):
            return [Held(tuple(one.shape), origins) if isinstance(one, Tensor) else one for one in result]
        return result

    def by_table(self, node: fx.Node, call: Call) -> Any:
        name = _base(node)[0]
        entry, count = TABLE.get(name), len(self.nodes)
        try:
            if entry is None:
                raise NoKind("")
            if not self.is_apart(node) or any(value in self.mixed for value in call.values):
                raise NoKind("the images of a batch are not its first dimension")
            result = entry(call)
            if isinstance(result, list):
                return [Later(node, call, one, shape) for one, shape in zip(result, call.output, strict=True)]
            return self.placed(node, call, result, call.output)
        except NoKind as reason:
            why = str(reason)
        except (LayerError, ValueError, TypeError, LookupError, AttributeError) as error:
            why = _why(error)  # the operator has arguments that its entry knows nothing of
        self.undo(count)
        return self.uncounted(node, call, why)

    def placed(self, node: fx.Node, call: Call, result: Any, shape: Shape) -> Any:
        """A table's answer as a value: layers where it is kinds. Where their shape is not torch's, they are wrong."""
        if result is None:
            return self.uncounted_result(node, call, "this result has no kind", shape)
        if is_value(result) and result.output != (shape or (1,)):
            return Repeated(result, lambda: self.uncounted_result(node, call, "", shape))
        if isinstance(result, Held) or is_value(result):
            return result
        kinds = result if isinstance(result, tuple) else (result,)
        if not kinds:
            return call.input
        held = held_in(call.arguments)
        inputs = tuple(call.values) if isinstance(kinds[0], Merge) else tuple(call.values[:1])
        count = len(self.nodes)
        try:
            value: Value = self.layer(node, kinds[0], *inputs, held=held)
            for kind in kinds[1:]:
                value = self.layer(node, kind, value)
            if value.output != (shape or (1,)):
                raise NoKind(f"torch gives {list(shape)}, where this gives {list(value.output)}")
        except (NoKind, LayerError) as reason:
            self.undo(count)
            return self.uncounted_result(node, call, _why(reason), shape)
        return value

    def undo(self, count: int) -> None:
        """Take back the layers from `count` on."""
        for node in self.nodes[count:]:
            for origin in self.made.pop(node).origins:
                if self.owners.get(origin.name) is node:
                    del self.owners[origin.name]
        del self.nodes[count:]

    def uncounted(self, node: fx.Node, call: Call, why: str) -> Any:
        if isinstance(call.output, list):
            return [
                self.uncounted_result(node, call, why, shape) if place == 0 else Later(node, call, None, shape)
                for place, shape in enumerate(call.output)
            ]
        return self.uncounted_result(node, call, why, call.output)

    def uncounted_result(self, node: fx.Node, call: Call, why: str, shape: Shape) -> Value:
        name = str(node.target).removesuffix(".default")
        self.unknown.setdefault(name, why)
        held = held_in(call.arguments)
        made = self.layer(node, Unknown(operator=name, shape=shape or (1,)), *call.values, held=held)
        if not self.is_apart(node):
            self.mixed.add(made)
        return made

    def is_apart(self, node: fx.Node) -> bool:
        """Whether what an operator makes has the images of the batch one after another."""
        results = [one for one in pytree.tree_leaves(node.meta.get("val")) if isinstance(one, Tensor) and one.dim()]
        return all(int(one.shape[0]) == self.batch for one in results)

    def whole_module(self, node: fx.Node, call: Call) -> Any:
        """The value of a module that is one layer, whatever operators it is written with; None elsewhere."""
        if self.trace.module is None:
            return None
        for key, path, name in stack_of(node):
            read = WHOLE.get(name.rpartition(".")[2])
            if read is None:
                continue
            if key not in self.whole:
                module = self.trace.module.get_submodule(path)
                self.whole[key] = self.layer(node, read(module), call.input)
            return self.whole[key]
        return None

    # Layers -----------------------------------------------------------------------------------------------------------

    def layer(self, node: fx.Node, kind: Kind, *inputs: Value, held: Sequence[Held] = ()) -> Node:
        """A node of this kind; raises `LayerError` where it cannot be."""
        if _base(node)[1] and "inplace" in kind.fields:
            kind = type(kind)(**{**kind.values(), "inplace": True})
        stack = stack_of(node)
        shapes = tuple([value.output for value in inputs])
        key = (kind, shapes)
        facts = self.known_facts.get(key)
        if facts is None:
            facts = self.known_facts[key] = kind.facts(shapes)
        origins = tuple(dict.fromkeys([origin for one in held for origin in one.origins]))
        own = tuple([origin for origin in origins if origin.name not in self.owners])
        shared = next((self.owners[origin.name] for origin in origins if origin.name in self.owners), None)
        made = Node("", kind, inputs, with_parameters(facts, own), None)
        made.shared = shared
        made.functional = _is_functional(node, kind, stack)
        for origin in own:
            self.owners[origin.name] = made
        self.nodes.append(made)
        as_it_stands = _base(node)[0] != "linear"  # which turns the weights itself
        turned = isinstance(kind, Linear) and as_it_stands != any(one.turned for one in held)
        self.made[made] = Made(stack, origins, turned)
        return made

    def shapes(self, result: Any) -> Any:
        if isinstance(result, (list, tuple)):
            return [self.shape(one) for one in result]
        return self.shape(result)

    def shape(self, result: Any) -> Shape:
        """Of one image; a result that has no batch is told by its whole shape."""
        if not isinstance(result, Tensor):
            return ()
        sizes = whole(result)
        return sizes[1:] if sizes[:1] == (self.batch,) else sizes


def whole(result: Tensor) -> Shape:
    """With the batch."""
    return tuple(map(int, result.shape))


def held_in(arguments: Mapping[str, Any]) -> list[Held]:
    """The tensors among arguments that are the same for every image, those in lists included."""
    return [value for value in pytree.tree_leaves(list(arguments.values())) if isinstance(value, Held)]


def _why(error: Exception) -> str:
    """What went wrong, a layer's shapes as torch writes them."""
    if isinstance(error, LayerError):
        return error.message.format(*map(list, error.shapes))
    return str(error)


def with_parameters(facts: Facts, own: Sequence[Origin]) -> Facts:
    """The facts with the parameters that the module really holds there, where those are others."""
    if _sizes(facts.parameters) == _sizes(own) or _trained(facts.parameters) == _trained(own):
        return facts
    return facts.holding(
        [
            Parameter(_last(own, origin), origin.shape, origin.role, formulas.tensor_elements(*origin.shape))
            for origin in own
        ]
    )


def _sizes(parameters: Sequence[Parameter] | Sequence[Origin]) -> dict[str, int]:
    sizes = {"weight": 0, "bias": 0, "buffer": 0}
    for one in parameters:
        if one.role in sizes:
            sizes[one.role] += prod(one.shape)
    return sizes


def _trained(parameters: Sequence[Parameter] | Sequence[Origin]) -> list[int]:
    """Sizes of what is trained, whatever it is called: what a module calls its bias may be a layer's weights."""
    return sorted([prod(one.shape) for one in parameters if one.role in ("weight", "bias")])


def _last(own: Sequence[Origin], origin: Origin) -> str:
    """The last part of a name where that tells it from the others."""
    last = origin.name.rpartition(".")[2]
    alike = [one for one in own if one.name.rpartition(".")[2] == last]
    return last if len(alike) == 1 else origin.name


def stack_of(node: fx.Node) -> Stack:
    """The modules around a call. torch marks the second call of a module by `@1` in the key."""
    stack = node.meta.get("nn_module_stack") or {}
    found = []
    for key, (path, owner) in stack.items():
        name = owner if isinstance(owner, str) else f"{owner.__module__}.{owner.__qualname__}"
        plain = path.partition("@")[0]
        found.append((f"{plain}@{key.rpartition('@')[2]}" if "@" in key else plain, plain, name))
    return found


def _base(node: fx.Node) -> tuple[str, bool]:
    """An operator's name, and whether it works in place: `aten.relu_.default` is relu, and does."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(node.target), False
    space, _, name = schema.name.partition("::")
    if space != "aten":
        return f"{space}.{name}", False
    in_place = name.endswith("_") and not name.endswith("__")
    return name.removesuffix("_") if in_place else name, in_place


def _named(node: fx.Node) -> dict[str, Any]:
    """A call's arguments by the names that the operator's schema gives them, defaults included."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {**{str(place): value for place, value in enumerate(node.args)}, **node.kwargs}
    arguments: dict[str, Any] = {}
    for place, argument in enumerate(schema.arguments):
        if place < len(node.args):
            arguments[argument.name] = node.args[place]
        elif argument.name in node.kwargs:
            arguments[argument.name] = node.kwargs[argument.name]
        else:
            arguments[argument.name] = argument.default_value
    return arguments


def _turns(node: fx.Node, arguments: Mapping[str, Any]) -> bool:
    """Whether an operator makes columns of a matrix's rows."""
    name = _base(node)[0]
    return name in ("t", "transpose", "numpy_T", "mT") or (name == "permute" and [*arguments["dims"]] == [1, 0])


def _is_functional(node: fx.Node, kind: Kind, stack: Stack) -> bool:
    """Whether a layer is a call in the code of a module, rather than a module of torch; `+` is neither."""
    if (
        stack
        and stack[-1][2].startswith("torch.nn.modules.")
        and not stack[-1][2].startswith("torch.nn.modules.container")
    ):
        return False
    if isinstance(kind, (Merge, Arithmetic, Scale)):
        called = (node.meta.get("torch_fn") or ("", ""))[1]
        return called.startswith(("builtin_function_or_method.", "function.")) and "__r" not in called
    return True
