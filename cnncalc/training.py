"""`count --training`: the multiply-accumulates of a step of training, put together into a report.

Counts are for one image; a batch of N has N times as many. The records are plain, of exact integers; pydantic writes
and reads their JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cnncalc.graph import Network, Node
from cnncalc.layers.conv import Conv, ConvTranspose, DepthwiseConv, DynamicConv
from cnncalc.passes.training import Gradients, Why, gradients

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1

TORCH = "2.13"  # whose flop counter `flop_counter` is


@dataclass(slots=True)
class LayerTraining:
    """One layer's multiply-accumulates in each pass; `total` is all three.

    `why_not_weights` and `why_not_inputs` are why that gradient is not computed, "" where it is. `flop_counter` is what
    torch's flop counter counts of the layer, forward and backward, in its FLOPs.
    """

    name: str
    kind: str
    forward: int
    to_weights: int
    to_inputs: int
    total: int
    why_not_weights: Why
    why_not_inputs: Why
    flop_counter: int


@dataclass(slots=True)
class TrainingReport:
    """Multiply-accumulates of convolutions and dense layers in a step of training, for one image.

    `backward` is `to_weights + to_inputs`, `total` is `forward + backward`, `flops` is 2 · `total`. `flop_counter` is
    what torch.utils.flop_counter prints, which is more where there are groups. `layers` are those with
    multiply-accumulates, in the order in which they run.
    """

    schema_version: int
    name: str
    source: str
    frozen: list[str]
    forward: int
    to_weights: int
    to_inputs: int
    backward: int
    total: int
    flops: int
    flop_counter: int
    layers: list[LayerTraining]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def training(network: Network, frozen: Sequence[str] = ()) -> TrainingReport:
    """What a step of training takes, where parameters of the `frozen` patterns (`stage1.*`) are not trained.

    Raises `DocumentError` for a pattern that matches no parameter.
    """
    layers = [_layer(one) for one in gradients(network, frozen)]
    forward = sum([layer.forward for layer in layers])
    to_weights = sum([layer.to_weights for layer in layers])
    to_inputs = sum([layer.to_inputs for layer in layers])
    total = forward + to_weights + to_inputs
    return TrainingReport(
        schema_version=SCHEMA_VERSION,
        name=network.name,
        source=network.source,
        frozen=list(frozen),
        forward=forward,
        to_weights=to_weights,
        to_inputs=to_inputs,
        backward=to_weights + to_inputs,
        total=total,
        flops=2 * total,
        flop_counter=sum([layer.flop_counter for layer in layers]),
        layers=layers,
    )


def _layer(one: Gradients) -> LayerTraining:
    return LayerTraining(
        name=one.node.name,
        kind=one.node.layer.kind,
        forward=one.forward,
        to_weights=one.to_weights,
        to_inputs=one.to_inputs,
        total=one.forward + one.to_weights + one.to_inputs,
        why_not_weights=one.why_not_weights,
        why_not_inputs=one.why_not_inputs,
        flop_counter=_flop_counter(one),
    )


# torch's flop counter -------------------------------------------------------------------------------------------------


def _flop_counter(one: Gradients) -> int:
    """FLOPs of torch.utils.flop_counter for one image: 2 a product, but those of a gradient to grouped weights.

    `conv_backward_flop` counts that gradient from the shapes of the input and of the output's gradient alone,
    2 · N · C_in · C_out · kernel · positions, and so all pairs of channels: as many times too many as there are groups.
    The forward pass and the gradient to the inputs are counted from the weight's shape, which knows of the groups.
    Filters that another path computes are such weights; images of a batch would be groups, too: this is of one alone.
    """
    to_filters = one.to_paths[1] if isinstance(one.node.layer, DynamicConv) else 0
    to_grouped = one.to_weights + to_filters
    return 2 * (one.forward + _groups(one.node) * to_grouped + one.to_inputs - to_filters)


def _groups(node: Node) -> int:
    """Groups of channels in the convolution that torch runs; `connections` run as a group for each pair of channels."""
    layer = node.layer
    if isinstance(layer, DepthwiseConv):
        return node.input_shapes[0][0]
    if isinstance(layer, Conv) and layer.pairs is not None:
        return layer.pairs
    return layer.groups if isinstance(layer, Conv | ConvTranspose | DynamicConv) else 1


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(report: TrainingReport, indent: int | None = 2) -> str:
    text: str = _adapter().dump_json(report, indent=indent).decode()
    return text


def from_json(text: str | bytes) -> TrainingReport:
    """Raises pydantic's ValidationError where the text is not such a report."""
    report: TrainingReport = _adapter().validate_json(text)
    return report


def json_schema() -> dict[str, Any]:
    """The JSON Schema of such a report."""
    return _adapter().json_schema()


def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(TrainingReport)
