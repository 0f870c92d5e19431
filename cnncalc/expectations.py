"""What a document expects of its network: quantities, and the values or bounds that they are held to.

Only the words and numbers are here; `language/expect.py` reads them from a document, `checks.py` holds a network to
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cnncalc.diagnostics import Span

Sort = Literal["count", "sizes", "shape", "bytes"]
Comparison = Literal["=", "<", "<=", ">", ">="]

# What can be expected of a whole network, and of one layer or block.
OF_NETWORK: dict[str, Sort] = {
    "output": "shape",
    "parameters": "count",
    "weights": "count",
    "biases": "count",
    "buffers": "count",
    "macs": "count",
    "multiplies": "count",
    "flops": "count",
    "activations": "count",
    "connections": "count",
    "receptive_field": "sizes",
    "depth": "count",
    "layers": "count",
    "memory.prediction": "bytes",
    "memory.training": "bytes",
}
OF_LAYER: dict[str, Sort] = {
    name: sort for name, sort in OF_NETWORK.items() if name not in ("depth", "memory.prediction", "memory.training")
}
MODELS = ("eager", "textbook", "sum", "liveness")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it was written: exact, or rounded to `step` (15.5G is 15,500,000,000, to 100,000,000)."""

    value: Fraction
    step: Fraction  # 0 where every digit is written

    def is_met_by(self, actual: int, comparison: Comparison) -> bool:
        """Whether a count is equal to the digits written, or within the bound."""
        if comparison == "=":
            return abs(actual - self.value) * 2 <= self.step
        below, same = actual < self.value, actual == self.value
        return {"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[comparison]


@dataclass(frozen=True, slots=True)
class Run:
    """What a figure of memory is of: a batch, run so, by that model."""

    batch: int = 1
    model: str = "eager"
    dtype: str = "float32"
    device: str = "cpu"
    optimizer: str = "sgd"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line of `expect`: a quantity of a layer ("" is the whole network), and what it is held to.

    `key` are the keys that lead to it in the document: `layers.stem.output`. `amount` is of a count or of bytes,
    `sizes` of shapes [channels, *spatial] and of sizes along each axis. `output` is the name of one of several outputs.
    `written` is the value as it stands in the document, at `span`; `name_span` is where the layer, the output or else
    the quantity is named.
    """

    key: str
    quantity: str
    layer: str
    comparison: Comparison
    amount: Amount | None
    sizes: tuple[int, ...]
    written: str
    span: Span
    name_span: Span
    output: str = ""
    run: Run | None = None
