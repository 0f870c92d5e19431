"""Memory by the courses' model, `textbook`: the least a network could do with (Géron 2019, chapter 14, exercise 2).

Prediction keeps the outputs of the largest two consecutive layers and the parameters; training keeps the input, every
layer's output and the parameters. A layer that works in place or only reads its input in another shape makes no output
of its own. What a framework really holds is more, and is another model.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnncalc import formulas
from cnncalc.graph import Network, Node, Value
from cnncalc.shapes import DTYPE_BYTES, elements


@dataclass(frozen=True, slots=True)
class Textbook:
    """Bytes for a batch, term by term. `widest` is the layer that, with those it reads, makes the largest pair."""

    batch: int
    parameters: int
    input: int
    outputs: int
    widest: Node | None
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
    widest, pair = None, 0
    owners: dict[Value, Value] = {value: value for value in network.inputs}
    for node in network.nodes:
        read = {owners[value] for value in node.inputs}
        if node.layer.shares_input:
            owners[node] = owners[node.inputs[0]]
            continue
        owners[node] = node
        held = node.facts.activations + sum(value.facts.activations for value in read if isinstance(value, Node))
        if held > pair:
            widest, pair = node, held
    return Textbook(
        batch=batch,
        parameters=formulas.tensor_bytes(sum(node.facts.weights + node.facts.biases for node in network), width, 1),
        input=formulas.tensor_bytes(sum(elements(value.output) for value in network.inputs), width, batch),
        outputs=formulas.tensor_bytes(sum(node.facts.activations for node in network), width, batch),
        widest=widest,
        widest_pair=formulas.tensor_bytes(pair, width, batch),
    )
