"""Random documents: a hypothesis strategy over every kind of layer, with branches, blocks, repeats and odd sizes.

`FIELDS` says for each kind what fields to draw for an input shape (None: the kind has no use there). What comes out is
offered to the engine layer by layer and dropped where it refuses, so that a drawn document is valid by the engine's own
word; whether torch agrees is for the tests to see. Shrinking makes a failing document small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

from cnncalc.diagnostics import DocumentError
from cnncalc.eager import Setup
from cnncalc.eager.setup import LOSSES, OPTIMIZERS
from cnncalc.graph import Network
from cnncalc.layers import KINDS, Merge
from cnncalc.layers.activation import FUSED
from cnncalc.layers.base import LayerError
from cnncalc.layers.pointwise import FUNCTIONS, IN_PLACE, OPERATIONS
from cnncalc.passes.segments import blocks, segments
from cnncalc.shapes import Shape, elements

Draw = Callable[[st.SearchStrategy[Any]], Any]
Fields = dict[str, Any]
Layer = dict[str, Any]

MOST_ELEMENTS = 4_000
MOST_PARAMETERS = 40_000


def maybe(draw: Draw, fields: Fields, name: str, values: st.SearchStrategy[Any]) -> None:
    """Give a field a drawn value half of the time, and leave its default otherwise."""
    if draw(st.booleans()):
        fields[name] = draw(values)


def sizes(draw: Draw, rank: int, least: int, most: int) -> int | list[int]:
    """One size, or one a dimension."""
    one = st.integers(least, most)
    return draw(one) if draw(st.booleans()) else draw(st.lists(one, min_size=rank, max_size=rank))


def sides(draw: Draw, rank: int, most: int) -> Any:
    """Padding in any of its numeric forms."""
    side = st.integers(0, most)
    form = draw(st.integers(0, 2))
    if form == 0:
        return draw(side)
    if form == 1:
        return draw(st.lists(side, min_size=rank, max_size=rank))
    return draw(st.lists(st.lists(side, min_size=2, max_size=2), min_size=rank, max_size=rank))


def spatial_only(fields: Callable[[Draw, Shape, int], Fields]) -> Callable[[Draw, Shape], Fields | None]:
    return lambda draw, shape: fields(draw, shape, len(shape) - 1) if len(shape) > 1 else None


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def convolution(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields: Fields = {"kernel_size": sizes(draw, rank, 1, 4)}
    maybe(draw, fields, "stride", st.just(sizes(draw, rank, 1, 3)))
    maybe(draw, fields, "dilation", st.just(sizes(draw, rank, 1, 2)))
    maybe(draw, fields, "padding", st.one_of(st.sampled_from(["same", "valid", "full"]), st.just(sides(draw, rank, 3))))
    maybe(draw, fields, "bias", st.booleans())
    maybe(draw, fields, "rounding", st.sampled_from(["floor", "ceil", "exact"]))
    maybe(draw, fields, "activation", st.sampled_from(sorted(FUSED)))
    return fields


def conv(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = convolution(draw, shape, rank)
    groups = draw(st.sampled_from(divisors(shape[0])))
    form = draw(st.integers(0, 3))
    if form == 0:
        reads = st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=shape[0], unique=True)
        fields["connections"] = draw(st.lists(reads, min_size=1, max_size=4))
        fields["out_channels"] = len(fields["connections"])
    else:
        fields["out_channels"] = groups * draw(st.integers(1, 3))
        if groups > 1:
            fields["groups"] = groups
    return fields


def depthwise_conv(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = convolution(draw, shape, rank)
    maybe(draw, fields, "multiplier", st.integers(1, 3))
    return fields


def locally_connected(draw: Draw, shape: Shape, rank: int) -> Fields:
    return {"out_channels": draw(st.integers(1, 3)), **convolution(draw, shape, rank)}


def conv_transpose(draw: Draw, shape: Shape, rank: int) -> Fields:
    groups = draw(st.sampled_from(divisors(shape[0])))
    fields: Fields = {"out_channels": groups * draw(st.integers(1, 2)), "kernel_size": sizes(draw, rank, 1, 4)}
    if groups > 1:
        fields["groups"] = groups
    maybe(draw, fields, "stride", st.just(sizes(draw, rank, 1, 3)))
    maybe(draw, fields, "padding", st.just(sides(draw, rank, 2)))
    maybe(draw, fields, "output_padding", st.just(sizes(draw, rank, 0, 2)))
    maybe(draw, fields, "dilation", st.just(sizes(draw, rank, 1, 2)))
    maybe(draw, fields, "bias", st.booleans())
    maybe(draw, fields, "activation", st.sampled_from(sorted(FUSED)))
    return fields


def pool(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields: Fields = {"kernel_size": sizes(draw, rank, 1, 4)}
    maybe(draw, fields, "stride", st.just(sizes(draw, rank, 1, 3)))
    maybe(draw, fields, "rounding", st.sampled_from(["floor", "ceil", "exact"]))
    return fields


def padded_pool(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = pool(draw, shape, rank)
    maybe(draw, fields, "padding", st.one_of(st.sampled_from(["same", "valid"]), st.just(sides(draw, rank, 2))))
    return fields


def max_pool(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = padded_pool(draw, shape, rank)
    maybe(draw, fields, "dilation", st.just(sizes(draw, rank, 1, 2)))
    return fields


def avg_pool(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = padded_pool(draw, shape, rank)
    maybe(draw, fields, "count_include_pad", st.booleans())
    return fields


def lp_pool(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = pool(draw, shape, rank)
    maybe(draw, fields, "norm_type", st.sampled_from([1, 2, 3]))
    return fields


def subsample(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields = pool(draw, shape, rank)
    maybe(draw, fields, "activation", st.sampled_from(sorted(FUSED)))
    return fields


def depth_pool(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {"kernel_size": draw(st.integers(1, shape[0]))}
    maybe(draw, fields, "stride", st.integers(1, 3))
    maybe(draw, fields, "mode", st.sampled_from(["max", "avg"]))
    return fields


def linear(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {"out_features": draw(st.integers(1, 8))}
    maybe(draw, fields, "flatten", st.booleans())
    maybe(draw, fields, "bias", st.booleans())
    maybe(draw, fields, "activation", st.sampled_from(sorted(FUSED)))
    return fields


def rbf(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {"out_features": draw(st.integers(1, 6))}
    maybe(draw, fields, "trainable", st.booleans())
    return fields


def instance_norm(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields: Fields = {}
    maybe(draw, fields, "affine", st.booleans())
    maybe(draw, fields, "track_running_stats", st.booleans())
    return fields


def batch_norm(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {}
    maybe(draw, fields, "affine", st.booleans())
    maybe(draw, fields, "track_running_stats", st.booleans())
    return fields


def layer_norm(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {"axes": draw(st.sampled_from(["all", "channels", "last"]))}
    maybe(draw, fields, "elementwise_affine", st.booleans())
    maybe(draw, fields, "bias", st.booleans())
    return fields


def arithmetic(draw: Draw, shape: Shape) -> Fields:
    """A number, or a tensor that is repeated over the input or the input over it; not in place."""
    fields: Fields = {"operation": draw(st.sampled_from(sorted(OPERATIONS)))}
    if draw(st.booleans()):
        fields["number"] = draw(st.sampled_from([0, 0.5, 1, 2.0, -1]))
    else:
        fields["shape"] = [draw(st.sampled_from([1, size if size > 1 else 2])) for size in shape]
        maybe(draw, fields, "trainable", st.booleans())
    return fields


def arithmetic_in_place(draw: Draw, shape: Shape) -> Fields:
    fields: Fields = {"operation": draw(st.sampled_from(IN_PLACE)), "inplace": True}
    if draw(st.booleans()):
        return {**fields, "number": draw(st.sampled_from([0, 2.0]))}
    return {**fields, "shape": [draw(st.sampled_from([1, size])) for size in shape], "trainable": draw(st.booleans())}


def reduce(draw: Draw, shape: Shape) -> Fields:
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    by = draw(st.sampled_from(["sum", "mean", "max", "min", "norm"]))
    return {"by": by, "axes": axes, "keep": draw(st.booleans())}


def an_axis(draw: Draw, shape: Shape) -> Fields:
    return {"axis": draw(st.integers(0, len(shape) - 1))}


def nothing(draw: Draw, shape: Shape) -> Fields:
    return {}


def reshape(draw: Draw, shape: Shape) -> Fields:
    first = draw(st.sampled_from(divisors(elements(shape))))
    rest = elements(shape) // first
    second = draw(st.sampled_from(divisors(rest)))
    whole = draw(st.sampled_from([[first, rest], [first, second, rest // second], [elements(shape)]]))
    if draw(st.booleans()):
        whole[draw(st.integers(0, len(whole) - 1))] = -1
    return {"shape": whole}


def permute(draw: Draw, shape: Shape) -> Fields:
    return {"dims": draw(st.permutations(range(len(shape))))}


def pad(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields: Fields = {"padding": sides(draw, rank, 3)}
    maybe(draw, fields, "mode", st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    return fields


def crop(draw: Draw, shape: Shape, rank: int) -> Fields:
    if draw(st.booleans()):
        return {"size": [draw(st.integers(1, size)) for size in shape[1:]]}
    return {"sides": sides(draw, rank, 2)}


def upsample(draw: Draw, shape: Shape, rank: int) -> Fields:
    fields: Fields = {}
    if draw(st.booleans()):
        fields["scale_factor"] = sizes(draw, rank, 1, 3)
    else:
        fields["size"] = sizes(draw, rank, 1, 9)
    if draw(st.booleans()):
        fields["mode"] = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
        maybe(draw, fields, "align_corners", st.booleans())
    return fields


def pixel_shuffle(draw: Draw, shape: Shape, rank: int) -> Fields:
    fitting = [r for r in (1, 2, 3) if shape[0] % r**rank == 0]
    return {"upscale_factor": draw(st.sampled_from(fitting))}


def space_to_depth(draw: Draw, shape: Shape, rank: int) -> Fields:
    fitting = [b for b in (1, 2, 3) if all(size % b == 0 for size in shape[1:])]
    return {"block_size": draw(st.sampled_from(fitting))}


def slice_(draw: Draw, shape: Shape) -> Fields:
    axis = draw(st.integers(0, len(shape) - 1))
    start = draw(st.integers(0, shape[axis] - 1))
    fields: Fields = {"start": start, "axis": axis}
    maybe(draw, fields, "stop", st.integers(start + 1, shape[axis]))
    maybe(draw, fields, "step", st.integers(1, 3))
    return fields


def of_divisors(name: str) -> Callable[[Draw, Shape], Fields]:
    return lambda draw, shape: {name: draw(st.sampled_from(divisors(shape[0])))}


FIELDS: dict[str, Callable[[Draw, Shape], Fields | None]] = {
    "conv": spatial_only(conv),
    "depthwise_conv": spatial_only(depthwise_conv),
    "conv_transpose": spatial_only(conv_transpose),
    "locally_connected": spatial_only(locally_connected),
    "linear": linear,
    "rbf": rbf,
    "max_pool": spatial_only(max_pool),
    "avg_pool": spatial_only(avg_pool),
    "lp_pool": spatial_only(lp_pool),
    "depth_pool": depth_pool,
    "adaptive_avg_pool": spatial_only(lambda draw, shape, rank: {"output_size": sizes(draw, rank, 1, 6)}),
    "adaptive_max_pool": spatial_only(lambda draw, shape, rank: {"output_size": sizes(draw, rank, 1, 6)}),
    "global_avg_pool": spatial_only(lambda draw, shape, rank: {}),
    "global_max_pool": spatial_only(lambda draw, shape, rank: {}),
    "subsample": spatial_only(subsample),
    "maxout": of_divisors("pieces"),
    "batch_norm": batch_norm,
    "group_norm": of_divisors("num_groups"),
    "layer_norm": layer_norm,
    "instance_norm": spatial_only(instance_norm),
    "local_response_norm": lambda draw, shape: {"size": draw(st.integers(1, 5))},
    "l2_norm": nothing,
    "scale": lambda draw, shape: {"bias": draw(st.booleans())},
    "relu": nothing,
    "relu6": nothing,
    "leaky_relu": nothing,
    "prelu": lambda draw, shape: {"num_parameters": draw(st.sampled_from([1, shape[0]]))},
    "elu": nothing,
    "selu": nothing,
    "gelu": lambda draw, shape: {"approximate": draw(st.sampled_from(["none", "tanh"]))},
    "silu": nothing,
    "mish": nothing,
    "sigmoid": nothing,
    "tanh": nothing,
    "softplus": nothing,
    "hard_swish": nothing,
    "hard_sigmoid": nothing,
    "softmax": an_axis,
    "log_softmax": an_axis,
    "arithmetic": arithmetic,
    "function": lambda draw, shape: {"of": draw(st.sampled_from(sorted(FUNCTIONS)))},
    "reduce": reduce,
    "dropout": nothing,
    "drop_path": lambda draw, shape: {"p": draw(st.sampled_from([0, 0.25]))},
    "flatten": nothing,
    "reshape": reshape,
    "permute": permute,
    "pad": spatial_only(pad),
    "crop": spatial_only(crop),
    "upsample": spatial_only(upsample),
    "pixel_shuffle": spatial_only(pixel_shuffle),
    "space_to_depth": spatial_only(space_to_depth),
    "channel_shuffle": of_divisors("groups"),
    "slice": slice_,
    "identity": nothing,
}

# The fields of a convolution that one with computed filters has, too.
DYNAMIC = ("out_channels", "kernel_size", "stride", "padding", "dilation", "rounding", "groups")

# Kinds that keep every shape: what residual paths are made of.
KEEPING = ("batch_norm", "relu", "tanh", "scale", "silu", "local_response_norm", "dropout", "softmax", "identity")


def overwritable(layer: Layer) -> bool:
    """A layer whose output no backward pass needs, so that the next may write over it."""
    return any(
        kind in ("conv", "depthwise_conv", "conv_transpose", "linear", "batch_norm") and not fields.get("activation")
        for kind, fields in layer.items()
        if isinstance(fields, dict)
    )


def frozen(value: Any) -> Any:
    """Lists as tuples, as layers hold them."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def output_of(kind: str, fields: Fields, inputs: tuple[Shape, ...]) -> Shape | None:
    """The output's shape, or None where the engine refuses or the network would grow too large."""
    try:
        facts = KINDS[kind](**{name: frozen(value) for name, value in fields.items()}).facts(inputs)
    except LayerError:
        return None
    too_large = elements(facts.output) > MOST_ELEMENTS or facts.weights + facts.biases > MOST_PARAMETERS
    return None if too_large else facts.output


class Writer:
    """Draws layers one after another, and keeps the blocks and names that they need."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.blocks: dict[str, Any] = {}
        self.names: dict[str, Shape] = {}

    def layer(self, shape: Shape, kinds: list[str] | None = None) -> tuple[Layer, Shape]:
        """One layer that takes this shape; identity where the drawn one cannot."""
        kind = self.draw(st.sampled_from(kinds or sorted(FIELDS)))
        fields = FIELDS[kind](self.draw, shape)
        output = None if fields is None else output_of(kind, fields, (shape,))
        if output is None:
            return {"identity": {}}, shape
        layer: Layer = {kind: fields}
        if output == shape and self.draw(st.integers(0, 5)) == 0:
            layer["repeat"] = self.draw(st.integers(1, 3))
        return layer, output

    def in_place(self, shape: Shape) -> tuple[Layer, Shape]:
        """A layer that writes over its input; torch can train through it only where nothing else needs that."""
        kinds = ["relu", "relu6", "leaky_relu", "elu", "silu", "hard_swish", "dropout", "function", "arithmetic"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "arithmetic":
            return {kind: arithmetic_in_place(self.draw, shape)}, shape
        fields = FIELDS[kind](self.draw, shape) if kind == "function" else {}
        return {kind: {**fields, "inplace": True}}, shape

    def residual(self, shape: Shape) -> tuple[Layer, Shape]:
        """An elementwise merge of paths that keep the shape, or of one and a gate that is repeated over it."""
        kind = self.draw(st.sampled_from(["add", "multiply", "mean", "subtract", "divide"]))
        paths: list[Any] = ["identity"]
        for _ in range(self.draw(st.integers(1, 2))):
            paths.append([self.layer(shape, list(KEEPING))[0] for _ in range(self.draw(st.integers(0, 2)))])
        if len(shape) > 1 and self.draw(st.booleans()):
            paths.append([{"global_avg_pool": {}}, {"conv": {"out_channels": shape[0], "kernel_size": 1}}, "sigmoid"])
        merge: Layer = {kind: paths}
        if kind == "add" and self.draw(st.booleans()):
            first = {"linear": shape[0]} if len(shape) == 1 else {"conv": {"out_channels": shape[0], "kernel_size": 1}}
            merge = {kind: {"paths": [[first], *paths], "inplace": True}}
        if self.draw(st.integers(0, 2)) == 0:
            merge["repeat"] = self.draw(st.integers(1, 3))
        return merge, shape

    def concat(self, shape: Shape) -> tuple[Layer, Shape]:
        """Convolutions (or dense layers) of any width beside one another, along the channels or another axis."""
        channels = 0
        paths: list[Any] = []
        for _ in range(self.draw(st.integers(2, 3))):
            width = self.draw(st.integers(1, 4))
            if self.draw(st.integers(0, 3)) == 0:
                paths.append("identity")
                channels += shape[0]
            elif len(shape) > 1:
                kernel = self.draw(st.integers(1, 3))
                paths.append([{"conv": {"out_channels": width, "kernel_size": kernel, "padding": "same"}}])
                channels += width
            else:
                paths.append([{"linear": width}])
                channels += width
        axis = self.draw(st.integers(0, len(shape) - 1))
        if axis and all(path == "identity" for path in paths):
            return {"concat": {"paths": paths, "axis": axis}}, tuple(
                size * len(paths) if a == axis else size for a, size in enumerate(shape)
            )
        return {"concat": paths}, (channels, *shape[1:])

    def product(self, shape: Shape) -> tuple[Layer, Shape]:
        """The matrix product of the value, or of all of it as one matrix, and its transpose, in either order."""
        in_one = len(shape) == 1 or self.draw(st.integers(0, 3)) == 0
        rows = self.draw(st.sampled_from(divisors(elements(shape))))
        *others, n, m = (1, rows, elements(shape) // rows) if in_one else shape
        last = len(others)
        paths: list[Any] = []
        for turn in ([], [{"permute": [*range(last), last + 1, last]}]):
            between = self.draw(st.sampled_from(["tanh", {"softmax": {"axis": last}}, "relu", "identity"]))
            paths.append([*([{"reshape": [1, n, m]}] if in_one else []), between, *turn])
        if self.draw(st.booleans()):
            paths, n = paths[::-1], m
        output = (*others, n, n)
        return ({"identity": {}}, shape) if elements(output) > MOST_ELEMENTS else ({"matmul": paths}, output)

    def filtered(self, shape: Shape) -> tuple[Layer, Shape]:
        """A convolution with filters that a dense layer makes of the value, or of another one."""
        rank = len(shape) - 1
        if not rank:
            return {"identity": {}}, shape
        fields = {name: value for name, value in conv(self.draw, shape, rank).items() if name in DYNAMIC}
        kernel = fields["kernel_size"]
        positions = kernel**rank if isinstance(kernel, int) else elements(tuple(kernel))
        count = fields["out_channels"] * (shape[0] // fields.get("groups", 1)) * positions
        output = output_of("dynamic_conv", fields, (shape, (count,)))
        if output is None or count * shape[0] > MOST_PARAMETERS:
            return {"identity": {}}, shape
        start = self.draw(st.sampled_from([[{"global_avg_pool": {}}], [{"global_max_pool": {}}, "flatten"]]))
        between = self.draw(st.sampled_from(["sigmoid", {"linear": 2}, "identity"]))
        filters = [*start, between, {"linear": {"out_features": count, "bias": self.draw(st.booleans())}}]
        first = self.draw(st.sampled_from(["identity", ["tanh"], ["dropout", "relu"]]))
        return {"dynamic_conv": {"paths": [first, filters], **fields}}, output

    def block(self, shape: Shape) -> tuple[Layer, Shape]:
        """A block of a few layers, whose width may be an arg; repeated where it keeps the shape."""
        name = f"block_{'abcdefgh'[len(self.blocks)]}"
        self.blocks[name] = {}
        inner = Writer(self.draw)
        layers, output = inner.layers(shape, self.draw(st.integers(1, 3)), nested=True)
        self.blocks[name] = {"layers": layers}
        use: Layer = {name: {}}
        if len(shape) > 1 and self.draw(st.booleans()):
            width = self.draw(st.integers(1, 3))
            layers.append({"conv": {"out_channels": "2 * width", "kernel_size": 1, "bias": "width > 1"}})
            self.blocks[name]["args"] = {"width": None}
            use = {name: {"width": width}}
            if len(output) == 1:
                layers.pop()
            else:
                output = (2 * width, *output[1:])
        if output == shape and self.draw(st.booleans()):
            layers.append({"add": ["identity", "input"]})
        if output == shape:
            use["repeat"] = self.draw(st.integers(1, 2))
        return use, output

    def layers(self, shape: Shape, count: int, nested: bool = False) -> tuple[list[Layer], Shape]:
        """A list of layers and the shape it ends in."""
        written: list[Layer] = []
        for _ in range(count):
            if elements(shape) > MOST_ELEMENTS:
                break
            form = self.draw(st.integers(0, 11))
            if form == 0:
                layer, after = self.residual(shape)
            elif form == 1:
                layer, after = self.concat(shape)
            elif form == 2 and not nested and len(self.blocks) < 3:
                layer, after = self.block(shape)
            elif form == 3:
                layer, after = self.product(shape)
            elif form == 4:
                layer, after = self.filtered(shape)
            else:
                layer, after = self.layer(shape)
            if not nested and self.draw(st.integers(0, 3)) == 0:
                name = f"layer_{len(self.names)}"
                layer["name"] = name
                self.names[name] = after
            if not nested and self.names and self.draw(st.integers(0, 9)) == 0:
                written.append(layer)
                source = self.draw(st.sampled_from(sorted(self.names)))
                layer, after = self.layer(self.names[source])
                layer["from"] = source
            written.append(layer)
            if not nested and "name" in layer and "conv" in layer and shape == after and self.draw(st.booleans()):
                written.append({"conv": layer["conv"], "shares": layer["name"]})
            if "name" not in layer and overwritable(layer) and self.draw(st.booleans()):
                written.append(self.in_place(after)[0])
            shape = after
        return written, shape


@st.composite
def documents(draw: Draw, most_layers: int = 7) -> str:
    """The YAML text of a valid network over one input of up to three spatial dimensions."""
    rank = draw(st.integers(0, 3))
    largest = {0: 1, 1: 14, 2: 11, 3: 6}[rank]
    shape: Shape = (draw(st.integers(1, 6)), *[draw(st.integers(1, largest)) for _ in range(rank)])
    writer = Writer(draw)
    layers, _ = writer.layers(shape, draw(st.integers(1, most_layers)))
    document: dict[str, Any] = {"input": list(shape)}
    if writer.blocks:
        document["blocks"] = writer.blocks
    document["layers"] = layers
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=110)
    return text


MERGES = tuple(kind for kind, layer in KINDS.items() if issubclass(layer, Merge))


# What the memory of a network may be asked for ------------------------------------------------------------------------


@st.composite
def setups(draw: Draw, network: Network) -> Setup:
    """A training of that network: a batch of up to 3, any number format and loss; parts frozen, parts checkpointed."""
    dtype = draw(st.sampled_from(["float32", "float32", "float32", "float64", "bfloat16", "float16"]))
    trained = [
        f"{node.name}.{parameter.name}"
        for node in network.nodes
        for parameter in node.facts.parameters
        if parameter.role in ("weight", "bias")
    ]
    names = [*blocks(network), *[node.name for node in network.nodes]]
    return Setup(
        batch=draw(st.integers(1, 3)),
        dtype=dtype,
        training=True,
        optimizer=draw(st.sampled_from(["", *OPTIMIZERS])),
        weight_decay=draw(st.booleans()),
        loss=draw(st.sampled_from(LOSSES)),
        frozen=tuple(draw(some_of(trained))),
        checkpointed=separate(network, draw(some_of(names))),
        amp=draw(st.sampled_from(["", "bfloat16"])) if dtype == "float32" else "",
    )


def some_of(names: list[str]) -> st.SearchStrategy[list[str]]:
    """None of them as often as some."""
    some = st.lists(st.sampled_from(names), unique=True, max_size=4) if names else st.just([])
    return st.one_of(st.just([]), some)


def separate(network: Network, names: list[str]) -> tuple[str, ...]:
    """Those of the names that can be checkpointed beside those before them."""
    taken: tuple[str, ...] = ()
    for name in names:
        try:
            segments(network, (*taken, name))
        except DocumentError:
            continue
        taken = (*taken, name)
    return taken


def lacks_kernel(answers: object) -> bool:
    """Whether torch refuses for want of a kernel in that number format, of which the model knows nothing."""
    return "not implemented for" in str(answers)
