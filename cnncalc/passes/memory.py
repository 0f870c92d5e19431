"""Memory by models that need no framework: each is a rule about which tensors are there at once.

- `textbook`: what the courses say a network needs (Géron 2019, chapter 14, exercise 2). Prediction keeps the outputs of
  the largest two consecutive layers and the parameters; training keeps the input, every layer's output, the parameters.
- `every_output`: the sum of all outputs, none freed; twice that for training (CS231n, the table of VGG-16).
- `liveness`: prediction in the document's order, in which an output goes after its last reader.

A layer that works in place or only reads its input in another shape makes no output of its own. What a framework really
holds is another model, `eager`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from cnncalc import formulas
from cnncalc.graph import Network, Node, Value
from cnncalc.layers.base import sum_of
from cnncalc.shapes import DTYPE_BYTES


@dataclass(frozen=True, slots=True)
class Textbook:
    """Bytes for a batch, term by term. `widest` is the layer that, with those it reads, makes the largest pair."""

    batch: int
    parameters: int
    input: int
    outputs: int
    widest: Node | None = field(repr=False)  # a node shows all that it reads
    widest_pair: int

    @property
    def prediction(self) -> int:
        return formulas.textbook_prediction(self.widest_pair, self.parameters)

    @property
    def training(self) -> int:
        return formulas.textbook_training(self.input, self.outputs, self.parameters)


def textbook(network: Network, batch: int = 1, dtype: str = "float32") -> Textbook:
    """The textbook model of a network for `batch` images of the given number format (a key of `DTYPE_BYTES`)."""
    width = DTYPE_BYTES[dtype]
    widest, most = None, 0
    around: tuple[int, list[int]] = (0, [])  # what the widest layer makes, and what it reads
    owners: dict[Value, Value] = {value: value for value in network.inputs}
    for node in network.nodes:
        read = dict.fromkeys([owners[value] for value in node.inputs])
        if node.layer.shares_input:
            owners[node] = owners[node.inputs[0]]
            continue
        owners[node] = node
        before = [value.facts.activations for value in read if isinstance(value, Node)]
        held = node.facts.activations + sum(before)
        if held > most:
            widest, most, around = node, held, (node.facts.activations, before)
    pair = formulas.largest_pair(around[0], sum_of(around[1]))
    return Textbook(
        batch=batch,
        parameters=formulas.parameter_bytes(parameters(network), width),
        input=formulas.tensor_bytes(
            sum_of([formulas.input_elements(*value.output) for value in network.inputs]), width, batch
        ),
        outputs=formulas.tensor_bytes(sum_of([node.facts.activations for node in network]), width, batch),
        widest=widest,
        widest_pair=formulas.tensor_bytes(pair, width, batch),
    )


def parameters(network: Network) -> int:
    """Weights and biases of all layers."""
    weights = sum_of([node.facts.weights for node in network])
    return formulas.parameters(weights, sum_of([node.facts.biases for node in network]))


@dataclass(frozen=True, slots=True)
class EveryOutput:
    """Bytes of all outputs for a batch. Parameters and the network's input stand apart, and are no part of the sums."""

    batch: int
    outputs: int
    input: int
    parameters: int

    @property
    def prediction(self) -> int:
        return formulas.sum_prediction(self.outputs)

    @property
    def training(self) -> int:
        return formulas.sum_training(self.outputs)


def every_output(network: Network, batch: int = 1, dtype: str = "float32") -> EveryOutput:
    """The model `sum` of a network for `batch` images of the given number format."""
    least = textbook(network, batch, dtype)
    return EveryOutput(batch, least.outputs, least.input, least.parameters)


@dataclass(frozen=True, slots=True)
class Liveness:
    """Bytes for a batch when the most is alive, term by term; `at` is the layer that runs then.

    `outputs` are those alive while it runs: what it reads, what it makes, and what later layers still read. The
    network's input is held throughout, by whoever gave it. `buffers` include a framework's int64 counters.
    """

    batch: int
    parameters: int
    buffers: int
    input: int
    outputs: int
    alive: tuple[Node, ...] = field(repr=False)
    at: Node | None = field(repr=False)

    @property
    def prediction(self) -> int:
        return formulas.liveness_prediction(self.input, self.outputs, self.parameters, self.buffers)


def liveness(network: Network, batch: int = 1, dtype: str = "float32") -> Liveness:
    """The model `liveness` of a network for `batch` images of the given number format."""
    width = DTYPE_BYTES[dtype]
    owners: dict[Value, Value] = {value: value for value in network.inputs}
    last: dict[Value, int] = {}  # of an output's memory: the position of the last layer that reads it
    for position, node in enumerate(network.nodes):
        for value in node.inputs:
            last[owners[value]] = position
        owners[node] = owners[node.inputs[0]] if node.layer.shares_input else node
        last.setdefault(owners[node], position)
    for value in network.outputs:
        last[owners[value]] = len(network.nodes)
    ends: dict[int, list[Node]] = {}
    for value, position in last.items():
        if isinstance(value, Node):
            ends.setdefault(position, []).append(value)
    alive: dict[Node, None] = {}
    now, most, at, found = 0, 0, None, tuple[Node, ...]()
    for position, node in enumerate(network.nodes):
        if owners[node] is node:
            alive[node] = None
            now += node.facts.activations
        if now > most:
            most, at, found = now, node, tuple(alive)
        for value in ends.get(position, ()):
            del alive[value]
            now -= value.facts.activations
    least = textbook(network, batch, dtype)
    buffers = [(parameter, prod(parameter.shape)) for node in network for parameter in node.facts.parameters]
    return Liveness(
        batch=batch,
        parameters=least.parameters,
        buffers=sum(
            size * (DTYPE_BYTES["int64"] if parameter.role == "counter" else width)
            for parameter, size in buffers
            if parameter.role in ("buffer", "counter")
        ),
        input=least.input,
        outputs=formulas.tensor_bytes(most, width, batch),
        alive=found,
        at=at,
    )
