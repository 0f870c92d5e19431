"""Autograd: the graph that a forward pass records, and the engine that runs it backward.

The order, the moments at which gradients and saved tensors are let go, and the conditions under which two gradients are
added in place are those of torch's engine (torch/csrc/autograd: engine.cpp, input_buffer.cpp, accumulate_grad.h).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from cnncalc.eager.checkpoint import Region, Stopped
from cnncalc.eager.machine import Machine, Refused, Sizes, Tensor
from cnncalc.eager.strides import contiguous, elementwise, is_dense

Gradients = list[Tensor | None]
# From a node and the gradients of its outputs to those of its inputs, None where none is wanted.
Formula = Callable[["Node", Gradients], Gradients]
Edge = tuple["Node", int]
Kind = tuple[Sizes, int]  # a tensor's shape, and the bytes of one of its numbers

COPY_SLICES = "CopySlices"  # the node of an operator that wrote into a view
LAST = 1 << 62  # the sequence number of leaves: they run as soon as they can


class Node:
    """One differentiable operator: where its gradients go, what it keeps, and how it computes them."""

    __slots__ = ("edges", "formula", "inputs", "layer", "name", "outputs", "promised", "saved", "sequence", "versions")

    def __init__(
        self,
        name: str,
        layer: str,
        sequence: int,
        edges: Sequence[Edge | None],
        inputs: Sequence[Kind],
        formula: Formula,
    ) -> None:
        self.name, self.layer, self.sequence, self.formula = name, layer, sequence, formula
        self.edges, self.inputs = edges, inputs
        self.outputs = 1
        self.saved: list[Tensor] = []
        self.versions: list[int] = []
        self.promised: tuple[Region, list[int]] | None = None  # what it keeps in a checkpointed region

    def wants(self, input: int) -> bool:
        """Whether the gradient of this input goes anywhere."""
        return self.edges[input] is not None

    def save(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            tensor.storage.keep()
        self.saved.extend(tensors)
        self.versions.extend([tensor.storage.version for tensor in tensors])

    def fetch(self) -> None:
        """Have what was promised to this node made again."""
        if self.promised is not None:
            region, numbers = self.promised
            self.save([region.take(number) for number in numbers])
            self.promised = (region, [])

    def check(self) -> None:
        """Raise `Refused` if what is kept was written over in the meantime."""
        for tensor, version in zip(self.saved, self.versions, strict=True):
            if tensor.storage.version != version:
                raise Refused(
                    self.layer,
                    "needed-for-backward",
                    f"`{self.layer}` needs a value for its gradient that another layer writes over",
                    "remove `inplace: true` from the layer that follows",
                )

    def drop(self) -> None:
        """Let go of what was kept."""
        for tensor in self.saved:
            tensor.storage.release()
        self.saved.clear()
        self.versions.clear()

    def release(self) -> None:
        """Let go of all that the backward pass needed it for."""
        self.drop()
        self.promised = None


class Leaf(Node):
    """The end of the graph at a parameter: it keeps the sum of the gradients that arrive (AccumulateGrad)."""

    __slots__ = ("gradient", "parameter")

    def __init__(self, parameter: Tensor, layer: str) -> None:
        super().__init__("AccumulateGrad", layer, LAST, (), (), _unused)
        self.parameter = parameter.alias()
        self.gradient: Tensor | None = None

    def accumulate(self, gradient: Tensor) -> None:
        """Take the gradient over where nothing else holds it and it lies as the parameter does; else copy or add."""
        own = self.parameter
        if self.gradient is not None:
            own.tick("add_")
        elif gradient.uses <= 1 and _lies_like(gradient, own):
            self.gradient = Tensor(gradient.storage, gradient.shape, gradient.width, gradient.strides)
            own.tick("detach")
        else:
            self.gradient = own.like(strides=own.strides if is_dense(own.shape, own.strides) else None)
            own.tick("new_empty_strided")
            own.tick("copy_")
        taken, named = self.gradient.storage.record, own.storage.record
        taken.role, taken.name = "gradients", named.name


def _unused(node: Node, gradients: Gradients) -> Gradients:
    raise AssertionError(f"{node.name} has no formula")


def _lies_like(gradient: Tensor, parameter: Tensor) -> bool:
    pairs = zip(gradient.shape, gradient.strides, parameter.strides, strict=True)
    return all(size == 1 or own == wanted for size, own, wanted in pairs)


def record(
    outputs: Sequence[Tensor],
    name: str,
    inputs: Sequence[Tensor | None],
    formula: Formula,
    saves: Sequence[Tensor | None] = (),
    results: Sequence[Tensor] = (),
) -> Node | None:
    """Put an operator that has just run into the graph, where one of its inputs wants a gradient.

    Its formula needs `saves`, which were there before it ran, and `results`, which it made. A result is kept without
    its history, which would hold the node itself. A Python number is kept in any case, in a checkpointed region too.
    """
    edges = [input.edge if input is not None else None for input in inputs]
    if not any(edges):
        return None
    machine = outputs[0].storage.machine
    machine.recorded += 1
    kinds = [(input.shape, input.width) if input is not None else ((), 0) for input in inputs]
    node = Node(name, machine.layer, machine.recorded, edges, kinds, formula)
    node.outputs = len(outputs)
    before = [kept for kept in saves if kept is not None and kept.storage.record.role != "number"]
    node.save([kept for kept in saves if kept is not None and kept.storage.record.role == "number"])
    after = [kept.alias() for kept in results]
    if machine.region is None:
        node.save(before)
        node.save(after)
    elif machine.promising:
        if before or after:
            node.promised = (machine.region, machine.region.promise(len(before) + len(after)))
    elif machine.region.made([*before, *after]):
        _interrupt(machine, [*outputs, *results, *[input for input in inputs if input is not None]])
    else:
        node.save(before)
        node.save(after)
    for number, output in enumerate(outputs):
        output.edge = (node, number)
    return node


def _interrupt(machine: Machine, made: Sequence[Tensor]) -> None:
    """End an operator at its last save: what it made, copies of its operands too, is gone where nothing keeps it."""
    assert machine.region is not None
    now = len(machine.events) - 1
    kept = {tensor.storage for tensor in machine.region.again or () if tensor is not None}
    lost = {tensor.storage for tensor in made if tensor.storage.record.born == now} - kept
    operator, phase, layer, live = machine.events[-1]
    machine.events[-1] = (operator, phase, layer, live - sum([storage.record.bytes for storage in lost]))
    raise Stopped


# The engine -----------------------------------------------------------------------------------------------------------


def backward(machine: Machine, roots: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Run the graph from `roots` back, their gradients given (and held by the caller until the end)."""
    edges = [root.edge for root in roots]
    if len(edges) == 1 and edges[0] is not None:
        root, number = edges[0]
        start: Gradients = [None] * root.outputs
        start[number] = _held(gradients[0])
    else:
        root = Node("GraphRoot", "", LAST, edges, [(tensor.shape, tensor.width) for tensor in roots], _pass_on)
        start = [_held(gradient) for gradient in gradients]
    waiting = _dependencies(root)
    arrived: dict[Node, Gradients] = {}
    order = 0
    ready: list[tuple[int, int, Node, Gradients]] = [(-root.sequence, order, root, start)]
    for gradient in gradients:
        gradient.uses += 1  # the caller's
    del start
    while ready:
        _, _, node, incoming = heappop(ready)
        machine.layer = node.layer
        if isinstance(node, Leaf):
            if incoming[0] is not None:
                node.accumulate(incoming[0])
                _let_go(incoming)
            continue
        outgoing = _run(node, incoming)
        _let_go(incoming)
        node.release()
        for position, edge in enumerate(node.edges):
            if edge is None:
                continue
            target, number = edge
            if outgoing[position] is not None:
                slots = arrived.get(target)
                if slots is None:
                    slots = arrived[target] = [None] * target.outputs
                _arrive(slots, number, outgoing, position)
            waiting[target] -= 1
            if not waiting[target]:
                order += 1
                heappush(ready, (-target.sequence, order, target, arrived.pop(target, [None] * target.outputs)))
        _let_go(outgoing)
    machine.layer = ""


def _pass_on(node: Node, gradients: Gradients) -> Gradients:
    return list(gradients)


def _held(gradient: Tensor) -> Tensor:
    gradient.uses += 1
    return gradient


def _let_go(gradients: Gradients) -> None:
    """Drop the gradients that a node no longer needs."""
    for position, gradient in enumerate(gradients):
        if gradient is not None:
            gradient.uses -= 1
            gradients[position] = None


def _dependencies(root: Node) -> dict[Node, int]:
    """How many edges lead to each node that can be reached."""
    count: dict[Node, int] = {}
    stack = [root]
    while stack:
        for edge in stack.pop().edges:
            if edge is not None:
                if edge[0] not in count:
                    count[edge[0]] = 0
                    stack.append(edge[0])
                count[edge[0]] += 1
    return count


def _run(node: Node, incoming: Gradients) -> Gradients:
    """A node's gradients, each brought to its input's shape and number format."""
    if all(gradient is None for gradient in incoming):
        return [None] * len(node.edges)
    if node.name != COPY_SLICES:  # which gets what it needs when it comes to it
        node.fetch()
    node.check()
    outgoing = node.formula(node, incoming)
    if node.promised is not None:
        node.drop()
    for position, (shape, width) in enumerate(node.inputs):
        if node.wants(position):
            _sum_to(outgoing, position, shape)
            _cast_to(outgoing, position, width)
    for gradient in outgoing:
        if gradient is not None:
            gradient.uses += 1
    return outgoing


def _arrive(slots: Gradients, number: int, outgoing: Gradients, position: int) -> None:
    """Put a gradient where its node will find it, or add it to the one that is there.

    What is added stays alive, in `outgoing`, until all gradients of its node have arrived.
    """
    first, gradient = slots[number], outgoing[position]
    assert gradient is not None
    if first is None:
        slots[number], outgoing[position] = gradient, None
    elif first.uses == 1 and first.storage.tensors == 1 and is_dense(first.shape, first.strides):
        first.tick("add_")
    else:
        operands = ((first.shape, first.strides), (gradient.shape, gradient.strides))
        slots[number] = total = first.like(strides=elementwise(first.shape, *operands))
        first.tick("add")
        total.uses = 1
        first.uses -= 1


def _sum_to(gradients: Gradients, position: int, shape: Sizes) -> None:
    """Replace a gradient by its sum over the dimensions along which a value of this shape was repeated (at::sum_to)."""
    full = gradients[position]
    if full is None or full.shape == shape:
        return
    lead = len(full.shape) - len(shape)
    gradients[position] = total = full.like((*[1] * lead, *shape))
    full.tick("sum")
    del full
    if lead:
        total.tick("view")
        gradients[position] = total.view(shape, contiguous(shape))


def _cast_to(gradients: Gradients, position: int, width: int) -> None:
    """Replace a gradient by its copy in a number format of that width."""
    gradient = gradients[position]
    if gradient is not None and gradient.width != width:
        gradients[position] = gradient.cast(width)
        gradient.tick("_to_copy")


def summed_to(gradient: Tensor, shape: Sizes) -> Tensor:
    """The sum over the dimensions along which a value of this shape was repeated."""
    gradients: Gradients = [gradient]
    _sum_to(gradients, 0, shape)
    assert gradients[0] is not None
    return gradients[0]
