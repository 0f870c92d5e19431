"""Dense layers as convolutions, so that a network slides over larger images (Sermanet et al. 2013; CS231n notes).

A dense layer on a C x H x W map is a convolution with H x W kernels; one on a vector, which is a 1x1 map then, with 1x1
kernels. A global pool is a pool over the map that it saw, with stride 1. Weights stay as they are, and a larger image
gives the scores of every crop that the last layer's windows see, at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError, Findings, Note, Source, Span, quoted
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.language import fold, write
from cnncalc.language.inputs import evaluated, read_input
from cnncalc.language.source import parse
from cnncalc.layers.base import Facts, Kind, LayerError
from cnncalc.layers.conv import Conv, ConvTranspose
from cnncalc.layers.linear import Linear
from cnncalc.layers.pool import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AdaptivePool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    GlobalPool,
    MaxPool,
)
from cnncalc.layers.reshape import Flatten, Reshape
from cnncalc.layers.window import Window
from cnncalc.passes.receptive_field import receptive_fields
from cnncalc.shapes import Shape, elements, shape_text, sizes_text

SCHEMA_VERSION = 1

_POOLS: dict[type[Kind], type[Kind]] = {
    GlobalAvgPool: AvgPool,
    GlobalMaxPool: MaxPool,
    AdaptiveAvgPool: AvgPool,
    AdaptiveMaxPool: MaxPool,
}


@dataclass(slots=True)
class Change:
    """A layer that became another: what it was on the crop, and what it is. Counts are for one image."""

    name: str
    before: str
    after: str
    output: list[int]  # [channels, *spatial]
    parameters: int
    macs: int


@dataclass(slots=True)
class Scores:
    """An output: the scores at each of `positions`, `step` input pixels apart (None where that cannot be said)."""

    name: str
    output: list[int]
    positions: int
    step: list[str] | None


@dataclass(slots=True)
class Conversion:
    """A network, and the same one with its dense layers as convolutions, on a larger image.

    `macs_of_crop` are the multiply-accumulates of the network as it was, on one crop; `macs_at_once` those of the
    converted network on the whole image; `macs_of_crops` those of as many crops as there are positions, one by one:
    None where outputs have different numbers of them. `exact` says that the scores are those of the crops to the last
    bit of arithmetic: nothing pads, and no window reaches over a crop's border, where the image goes on.
    """

    schema_version: int
    name: str
    source: str
    layout: str
    crop: list[int]
    input: list[int]
    changes: list[Change]
    outputs: list[Scores]
    parameters: int
    macs_of_crop: int
    macs_at_once: int
    macs_of_crops: int | None
    exact: bool
    document: str

    @property
    def gain(self) -> str | None:
        """How many times the work of the converted network the crops take one by one, to two decimals."""
        if not self.macs_of_crops or not self.macs_at_once:
            return None
        hundredths = (200 * self.macs_of_crops + self.macs_at_once) // (2 * self.macs_at_once)
        return f"{hundredths // 100:,}.{hundredths % 100:02}"


def to_json(found: Conversion) -> str:
    return json.dumps({**asdict(found), "gain": found.gain}, indent=2, ensure_ascii=False)


def input_shape(text: str) -> Shape:
    """The shape [channels, *spatial] of an input as a document writes it; raises `DocumentError`."""
    source, found = Source("--input", text), Findings()
    size = read_input("input", parse(source, found), (), found)
    if any(one.code not in ("input-sizes", "input-rank") for one in found.diagnostics):
        help = "write height x width x channels, e.g. 384x384x3, or [3, 384, 384]"
        message = f"{quoted(text)} is not the size of an image"
        raise DocumentError(Diagnostic("input-sizes", message, Span(source, 0, len(text)), help=help))
    found.raise_if_any()
    return evaluated(size, {})[0].output


def dense_to_conv(network: Network, input: Shape | None = None) -> Conversion:
    """The network with its dense layers as convolutions, on an input of that shape [channels, *spatial].

    Without a shape, on its own. Raises `DocumentError` where it has no dense layer, or one that cannot slide.
    """
    with collection_paused():
        converter = _Converter(network, input)
        converted = converter.network()
        return _conversion(network, converted, converter.changed)


def converted(network: Network, input: Shape | None = None) -> Network:
    """The network alone."""
    with collection_paused():
        return _Converter(network, input).network()


def _conversion(network: Network, converted: Network, changed: dict[Node, Node]) -> Conversion:
    fields = receptive_fields(converted)
    outputs = []
    for value in converted.outputs:
        seen = fields.get(value) if isinstance(value, Node) else None
        step = [str(jump) for jump in seen.jump] if seen is not None and seen.jump is not None else None
        outputs.append(Scores(value.name, list(value.output), elements(value.output[1:]), step))
    of_crop, at_once = (sum([node.facts.macs for node in one]) for one in (network, converted))
    positions = {output.positions for output in outputs}
    return Conversion(
        schema_version=SCHEMA_VERSION,
        name=network.name,
        source=network.source,
        layout=network.layout,
        crop=list(network.inputs[0].output),
        input=list(converted.inputs[0].output),
        changes=[
            Change(
                new.name,
                _title(old),
                _title(new),
                list(new.output),
                new.facts.weights + new.facts.biases,
                new.facts.macs,
            )
            for old, new in changed.items()
        ],
        outputs=outputs,
        parameters=sum([node.facts.weights + node.facts.biases for node in converted]),
        macs_of_crop=of_crop,
        macs_at_once=at_once,
        macs_of_crops=of_crop * positions.pop() if len(positions) == 1 else None,
        exact=all(map(_is_exact, network)),
        document=write.text(fold.document(converted)),
    )


def _title(node: Node) -> str:
    return f"{node.layer.kind} {node.layer.title(node.input_shapes)}".rstrip()


def _is_exact(node: Node) -> bool:
    """Whether a layer computes at a crop's borders what it computes there in a larger image."""
    layer, input, output = node.layer, node.input_shapes[0], node.output
    if isinstance(layer, Window):
        return all(
            axis.before == axis.after == 0 and (axis.output - 1) * axis.stride + axis.effective_kernel <= axis.input
            for axis in layer.axes(input)
        )
    if isinstance(layer, GlobalPool | AdaptivePool) or len(output) == 1:
        return True
    return input[1:] == output[1:] and not isinstance(layer, ConvTranspose)


class _Converter:
    """Walks the nodes with the value that each becomes. A value that was a vector is a map in the new network."""

    def __init__(self, network: Network, input: Shape | None) -> None:
        self.old = network
        self.shape = input
        self.values: dict[Value, Value] = {}
        self.maps: dict[Value, Shape] = {}  # of the crop, for old values that were flattened: the map that they were
        self.nodes: list[Node] = []
        self.made: dict[Node, Node] = {}
        self.changed: dict[Node, Node] = {}

    def network(self) -> Network:
        if not any(node.layer.weighted == "dense" for node in self.old.nodes):
            message = f"{self.old.name or self.old.source} has no dense layers: there is nothing to convert"
            help = "`cnncalc analyze FILE --set input=384x384x3` shows it on a larger image"
            raise DocumentError(Diagnostic("no-dense-layers", message, help=help))
        self.input()
        for node in self.old.nodes:
            self.node(node)
        name = f"{self.old.name}, convolutional" if self.old.name else ""
        inputs = tuple([value for value in self.values.values() if isinstance(value, Input)])
        outputs = tuple([self.values[value] for value in self.old.outputs])
        names = tuple([value.name for value in outputs]) if self.old.output_names else ()
        return Network(name, inputs, tuple(self.nodes), outputs, self.old.layout, self.old.source, (), names)

    def input(self) -> None:
        if len(self.old.inputs) > 1:
            message = f"{self.old.name or self.old.source} has {len(self.old.inputs)} inputs: only one image can slide"
            raise DocumentError(Diagnostic("several-inputs", message))
        (input,) = self.old.inputs
        shape = self.shape or input.output
        layout = self.old.layout
        if len(input.output) == 1:
            message = (
                f"the input is a vector of {input.output[0]}: dense layers on it see no image that could be larger"
            )
            raise DocumentError(Diagnostic("no-spatial-dimensions", message, input.span))
        if len(shape) != len(input.output) or shape[0] != input.output[0]:
            fitting = shape_text((input.output[0], *[2 * size for size in input.output[1:]]), layout)
            message = f"--input {shape_text(shape, layout)} is no larger {shape_text(input.output, layout)}"
            note = Note(f"the network's input is {shape_text(input.output, layout)}", input.span)
            help = f"keep the {input.output[0]} channels and change the sizes, e.g. {fitting}"
            raise DocumentError(Diagnostic("input-differs", message, notes=(note,), help=help))
        self.values[input] = Input(input.name, shape, input.span)

    def node(self, node: Node) -> None:
        layer, first = node.layer, node.inputs[0]
        crop = self.map_of(first)
        if isinstance(layer, Flatten) or (isinstance(layer, Reshape) and len(node.output) == 1):
            self.values[node], self.maps[node] = self.values[first], crop
            return
        new = self.layer(node, crop)
        shapes = tuple([self.values[value].output for value in node.inputs])
        facts = self.facts(node, new, shapes)
        facts = facts if node.shared is None else facts.holding(())
        if facts.weights + facts.biases + facts.buffers != node.facts.weights + node.facts.biases + node.facts.buffers:
            raise self.refused(node, "its parameters belong to the positions of a crop, and a larger image has others")
        keeps = len(shapes) == 1 and facts.output[1:] == shapes[0][1:] and not isinstance(new, Window)
        if not isinstance(layer, Linear) and (keeps or len(first.output) == 1):
            self.check_each_place(node)
        inputs = tuple([self.values[value] for value in node.inputs])
        shared = None if node.shared is None else self.made[node.shared]
        value = Node(node.name, new, inputs, facts, node.span, node.uses, node.functional, shared)
        self.nodes.append(value)
        self.made[node] = value
        self.values[node] = value
        if len(node.output) == 1:
            self.maps[node] = (node.output[0], *[1 for _ in self.old.inputs[0].output[1:]])
            if len(first.output) == 1 and not isinstance(layer, Linear):  # it keeps the places of a flattened map
                self.maps[node] = (node.output[0] // elements(crop[1:]), *crop[1:])
        if new is not layer:
            self.changed[node] = value

    def map_of(self, value: Value) -> Shape:
        """The map that a value of the crop is, or was before it became a vector."""
        return self.maps.get(value, value.output)

    def layer(self, node: Node, crop: Shape) -> Kind:
        layer, sizes = node.layer, crop[1:]
        if isinstance(layer, Linear):
            return Conv(
                out_channels=layer.out_features, kernel_size=_one(sizes), bias=layer.bias, activation=layer.activation
            )
        if isinstance(layer, GlobalPool):
            return _POOLS[type(layer)](kernel_size=_one(sizes), stride=1)
        if isinstance(layer, AdaptivePool):
            to = node.output[1:]
            if any(size % out for size, out in zip(sizes, to, strict=True)):
                raise self.refused(
                    node, f"its windows on {sizes_text(sizes)} are not all alike, as those of a pool that slides are"
                )
            kernel = _one(tuple([size // out for size, out in zip(sizes, to, strict=True)]))
            stride = 1 if max(to) == 1 else kernel
            return _POOLS[type(layer)](kernel_size=kernel, stride=stride)
        if layer.weighted == "dense":
            raise self.refused(node, "it is no weighted sum, and no convolution is the same")
        return layer

    def facts(self, node: Node, layer: Kind, shapes: tuple[Shape, ...]) -> Facts:
        try:
            return layer.facts(shapes)
        except LayerError as error:
            shown = [shape_text(shape, self.old.layout) for shape in error.shapes]
            why = error.message.format(*shown) if shown else error.message
            raise self.refused(node, f"on the larger image {why}") from None

    def check_each_place(self, node: Node) -> None:
        """A layer has to do the same at each place of a map, as many operations on twice the height as there are."""
        places = [self.map_of(value) for value in node.inputs]
        try:
            there = node.layer.facts(tuple(places))
            wider = node.layer.facts(tuple([(shape[0], *[2 * size for size in shape[1:]]) for shape in places]))
        except LayerError as error:
            raise self.refused(node, f"on a map {error.message.format(*error.shapes)}") from None
        times = 2 ** (len(places[0]) - 1)
        same = (there.operations, elements(there.output)) == (node.facts.operations, elements(node.output))
        grown = wider.operations == there.operations.times(times) and elements(wider.output) == times * elements(
            there.output
        )
        if not same or not grown:
            raise self.refused(
                node, "it computes with values of all places of a map, and a larger map has more of them"
            )

    def refused(self, node: Node, why: str) -> DocumentError:
        message = f"`{node.name}` cannot slide: {why}"
        return DocumentError(Diagnostic("cannot-slide", message, node.span))


def _one(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    """A size for all dimensions where they agree."""
    return sizes[0] if len(set(sizes)) == 1 else sizes
