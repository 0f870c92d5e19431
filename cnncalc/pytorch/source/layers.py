"""What torch has for each kind of layer: the call that makes it, or an operator. `CALLS` is the table."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnncalc.language.document import LayerUse
from cnncalc.layers.base import per_axis, sides
from cnncalc.layers.window import Axis
from cnncalc.pytorch.source.algebra import ONE, ZERO, Tree, constant, is_number, names_of, product, simplified, text
from cnncalc.pytorch.source.code import Group, Infix, Piece, flat, operand, prefixed, suffixed
from cnncalc.pytorch.source.values import Row, Values
from cnncalc.shapes import Shape, elements


def called(own: str, x: Piece) -> Piece:
    """What a module makes of a value."""
    return Group(f"{own}(", (x,))


@dataclass(slots=True)
class Made:
    """A module as it is made, and what there is to say about its use.

    What is no module but code in `forward` has another `output`, of its attribute and the value that enters; `piece` is
    then what that attribute holds, or empty, and `type` its type.
    """

    piece: Piece
    channels: Tree | None = None  # of its output, where they are not the input's
    flattens: bool = False  # its input is made a vector first
    activation: str | None = None  # applied to its output
    output: Callable[[str, Piece], Piece] = called
    type: str = "nn.Module"
    overwrites: bool = False  # code that writes over its input

    @property
    def is_module(self) -> bool:
        return self.output is called

    @property
    def is_alone(self) -> bool:
        """Whether calling the module is all there is to do, so that it can stand in a sequence."""
        return self.is_module and not self.flattens and self.activation is None


class Site:
    """A use of a layer in a class, over everything that the class stands for."""

    def __init__(self, use: LayerUse, rows: list[Row], values: Values, inputs: list[Shape] | None = None) -> None:
        """`inputs` are what the layer reads everywhere, where that is not what enters the use."""
        self.use, self.rows, self.values = use, rows, values
        self.layers: list[Any] = [row.done.layer for row in rows]
        self.inputs = [row.entering.output for row in rows] if inputs is None else inputs

    @property
    def rank(self) -> int:
        """Spatial dimensions."""
        found: int = self.one([len(shape) - 1 for shape in self.inputs])
        return found

    def one(self, values: list[Any]) -> Any:
        """The value that all of them are."""
        self.values.vary(self.rows, values)
        return values[0]

    def each(self, name: str) -> list[Any]:
        """A field's value everywhere."""
        return [getattr(layer, name) for layer in self.layers]

    def write(self, label: str, wanted: list[Any], *candidates: Tree | None) -> Tree:
        """An expression for values, one of some candidates or another."""
        return self.values.write(label, self.rows, wanted, [*candidates])

    def given(self, name: str) -> Tree | None:
        """A field as the document has it."""
        return self.values.given(self.use, name, self.rows)

    def field(self, name: str) -> Tree:
        """A field as an expression."""
        return self.write(name, self.each(name), self.given(name))

    def option(self, name: str, default: Any) -> Piece | None:
        """A field as a keyword argument of the same name, left out where it is torch's default."""
        return option(name, self.field(name), default)

    @property
    def channels(self) -> Tree | None:
        """Those of the input, where there is an expression for them."""
        return self.values.channels

    def in_channels(self) -> Tree:
        return self.write("in_channels", [shape[0] for shape in self.inputs], self.channels)

    def in_features(self) -> Tree:
        """All values of the input: `512 * 7 * 7`."""
        return self.write("in_features", [elements(shape) for shape in self.inputs], self.flattened())

    def flattened(self) -> Tree | None:
        shape = self.shape()
        return product(*shape) if shape is not None else None

    def shape(self) -> list[Tree] | None:
        """The input's channels and sizes, where they are the same everywhere."""
        spatial = {shape[1:] for shape in self.inputs}
        return [self.channels, *map(constant, spatial.pop())] if self.channels and len(spatial) == 1 else None

    def axes(self) -> list[tuple[Axis, ...]]:
        """The window along each dimension, everywhere."""
        return [layer.axes(shape) for layer, shape in zip(self.layers, self.inputs, strict=True)]

    def sizes(self, name: str) -> Tree:
        """A field that is one size or one a dimension, as one a dimension."""
        rank, given = self.rank, self.given(name)
        wanted = [per_axis(value, rank, name) for value in self.each(name)]
        return self.write(name, wanted, given, given and ast.Tuple([given] * rank))

    def number(self, name: str) -> Tree:
        """A field of a 1-D layer as a number, never a list of one."""
        written = self.each(name)
        numbers = [value[0] if isinstance(value, tuple) else value for value in written]
        return self.write(name, numbers, self.given(name) if numbers == written else None)

    def stride(self) -> Tree:
        """A pool's stride: the size of its window, where nothing else is said."""
        pairs = zip(self.each("stride"), self.each("kernel_size"), strict=True)
        given = self.given("stride" if "stride" in self.use.fields else "kernel_size")
        return self.write("stride", [kernel if stride is None else stride for stride, kernel in pairs], given)


# Calls ----------------------------------------------------------------------------------------------------------------


def call(function: str, *arguments: Tree | Piece | None) -> Group:
    """A call, without the arguments that are None."""
    return Group(f"{function}(", tuple([argument(each) for each in arguments if each is not None]))


def argument(value: Tree | Piece) -> Piece:
    """An argument's text; a tuple may be spread over lines."""
    if isinstance(value, ast.Tuple) and len(value.elts) > 1:
        return Group("(", tuple([argument(item) for item in value.elts]))
    return text(value) if isinstance(value, ast.expr) else value


def named(name: str, value: Tree | Piece) -> Piece:
    """A keyword argument."""
    return prefixed(f"{name}=", argument(value))


def option(name: str, value: Tree | Piece, default: Any) -> Piece | None:
    """A keyword argument, or None where it has the value that it would have anyway."""
    return None if flat(argument(value)) == text(constant(default)) else named(name, value)


def in_order(*modules: Piece) -> Group:
    return Group("nn.Sequential(", modules)


# Windows --------------------------------------------------------------------------------------------------------------

Axes = tuple[Axis, ...]


def extra(axis: Axis) -> int:
    """How far the last window reaches beyond the padding (`rounding: ceil`)."""
    return max(0, (axis.output - 1) * axis.stride + axis.effective_kernel - axis.input - axis.before - axis.after)


def as_pad(padding: list[tuple[int, int]]) -> tuple[int, ...]:
    """Paddings as `F.pad` takes them: the last dimension first."""
    return tuple([size for pair in reversed(padding) for size in pair])


def around(axes: Axes) -> tuple[int, ...]:
    """All that a window needs around its input, as `F.pad` takes it."""
    return as_pad([(axis.before, axis.after + extra(axis)) for axis in axes])


def around_or_nothing(axes: Axes) -> tuple[int, ...]:
    return around(axes) if any(around(axes)) else ()


def as_one(sizes: tuple[Any, ...]) -> Any:
    """The same size along every dimension as one number."""
    return sizes[0] if len(set(sizes)) == 1 else sizes


def is_symmetric(axes: Axes) -> bool:
    return all(axis.before == axis.after for axis in axes)


def as_numbers(padding: Any, axes: Axes) -> Any:
    """Symmetric padding in the form in which it is written, where that is numbers."""
    written_so = isinstance(padding, int) or (isinstance(padding, tuple) and all(type(side) is int for side in padding))
    return padding if written_so else as_one(tuple([axis.before for axis in axes]))


def is_same_in_torch(axes: Axes) -> bool:
    """Whether `same` is torch's, too: it has it without strides, and warns where an odd pixel goes to one side."""
    return all(axis.stride == 1 and axis.effective_kernel % 2 for axis in axes)


def needs_same(site: Site) -> bool:
    """Whether `same` has to be worked out as the network runs."""
    same = [layer.padding == "same" for layer in site.layers]
    if all(same):
        return not all(map(is_same_in_torch, site.axes()))
    needs: bool = site.one([each and not is_same_in_torch(own) for each, own in zip(same, site.axes(), strict=True)])
    return needs


def is_uneven(site: Site) -> bool:
    """Whether a window needs more on one side of its input than on the other."""
    uneven: bool = site.one([not is_symmetric(own) or any(map(extra, own)) for own in site.axes()])
    return uneven


# Convolutions and dense layers ----------------------------------------------------------------------------------------


def convolution(site: Site, out: Tree, groups: Tree) -> Made:
    rank, axes, same = site.rank, site.axes(), needs_same(site)
    uneven = not same and is_uneven(site)
    padding: Tree = ZERO
    if not same and not uneven:
        pairs = zip(site.each("padding"), axes, strict=True)
        wanted = [written if written == "same" else as_numbers(written, own) for written, own in pairs]
        padding = site.write("padding", wanted, site.given("padding"))
    made = call(
        f"Conv{rank}dSame" if same else f"nn.Conv{rank}d",
        site.in_channels(),
        out,
        site.field("kernel_size"),
        site.option("stride", 1),
        option("padding", padding, 0),
        site.option("dilation", 1),
        option("groups", groups, 1),
        site.option("bias", True),
    )
    if uneven:
        made = in_order(call(f"nn.ZeroPad{rank}d", site.write("padding", list(map(around, axes)))), made)
    return Made(made, out, activation=site.one(site.each("activation")))


def conv(site: Site) -> Made:
    if not site.one([layer.connections is not None for layer in site.layers]):
        return convolution(site, site.field("out_channels"), site.field("groups"))
    reads = site.one(site.each("connections"))
    made = call(
        "PartialConv",
        Group("[", tuple([Group("[", tuple(map(str, row)), "]") for row in reads]), "]"),
        named("kernel_size", site.sizes("kernel_size")),
        site.option("stride", 1),
        site.option("dilation", 1),
        option("padding", site.write("padding", list(map(around_or_nothing, site.axes()))), ()),
        site.option("bias", True),
    )
    return Made(made, constant(len(reads)), activation=site.one(site.each("activation")))


def depthwise_conv(site: Site) -> Made:
    channels = site.in_channels()
    return convolution(site, simplified(product(channels, site.field("multiplier"))), channels)


def dynamic_conv(site: Site) -> tuple[Made, Tree | None]:
    """The module, and what its input needs around it that the module does not add, as `F.pad` takes it."""
    axes, out = site.axes(), site.field("out_channels")
    padding: Tree = ZERO
    outside = None
    if is_uneven(site):
        outside = site.write("padding", list(map(around, axes)))
    else:
        pairs = zip(site.each("padding"), axes, strict=True)
        padding = site.write("padding", [as_numbers(written, own) for written, own in pairs], site.given("padding"))
    made = call(
        "DynamicConv",
        out,
        named("kernel_size", site.sizes("kernel_size")),
        site.option("stride", 1),
        option("padding", padding, 0),
        site.option("dilation", 1),
        site.option("groups", 1),
    )
    return Made(made, out), outside


def conv_transpose(site: Site) -> Made:
    rank, out = site.rank, site.field("out_channels")
    cut = [sides(layer.padding, rank, "padding") for layer in site.layers]
    uneven = site.one([any(before != after for before, after in own) for own in cut])
    padding: Tree = ZERO
    if not uneven:
        pairs = zip(site.each("padding"), cut, strict=True)
        wanted = [each if isinstance(each, int) else as_one(tuple([side for side, _ in own])) for each, own in pairs]
        padding = site.write("padding", wanted, site.given("padding"))
    made = call(
        f"nn.ConvTranspose{rank}d",
        site.in_channels(),
        out,
        site.field("kernel_size"),
        site.option("stride", 1),
        option("padding", padding, 0),
        site.option("output_padding", 0),
        site.option("groups", 1),
        site.option("bias", True),
        site.option("dilation", 1),
    )
    if uneven:
        made = in_order(made, call("Crop", site.write("padding", list(map(tuple, cut)))))
    return Made(made, out, activation=site.one(site.each("activation")))


def locally_connected(site: Site) -> Made:
    axes, out = site.axes(), site.field("out_channels")
    made = call(
        "LocallyConnected",
        site.in_channels(),
        out,
        named("positions", site.write("positions", [tuple([axis.output for axis in own]) for own in axes])),
        named("kernel_size", site.sizes("kernel_size")),
        named("stride", site.sizes("stride")),
        named("dilation", site.sizes("dilation")),
        option("padding", site.write("padding", list(map(around_or_nothing, axes))), ()),
        site.option("bias", True),
    )
    return Made(made, out, activation=site.one(site.each("activation")))


def linear(site: Site) -> Made:
    out, bias = site.field("out_features"), site.option("bias", True)
    activation, spatial = site.one(site.each("activation")), is_spatial(site)
    if not spatial or site.one(site.each("flatten")):
        return Made(call("nn.Linear", site.in_features(), out, bias), out, spatial, activation)
    last = site.write("in_features", [shape[-1] for shape in site.inputs])
    return Made(call("nn.Linear", last, out, bias), activation=activation)


def rbf(site: Site) -> Made:
    out = site.field("out_features")
    return Made(
        call("Rbf", site.in_features(), out, named("trainable", site.field("trainable"))), out, is_spatial(site)
    )


def is_spatial(site: Site) -> bool:
    return any(len(shape) > 1 for shape in site.inputs)


# Pooling --------------------------------------------------------------------------------------------------------------


def pool_padding(site: Site, same: bool) -> Tree | None:
    """Padding as torch's pools take it: even, and at most half of the window."""
    axes = site.axes()
    plain = [is_symmetric(own) and all(2 * axis.before <= axis.kernel for axis in own) for own in axes]
    if same or not site.one(plain):
        return None
    wanted = [as_numbers(written, own) for written, own in zip(site.each("padding"), axes, strict=True)]
    return site.write("padding", wanted, site.given("padding"))


def padded(site: Site, same: bool, value: str, pool: Piece) -> Made:
    """A pool with padding before it that torch's pool has not."""
    if not same:
        padding = site.write("padding", list(map(around, site.axes())))
        with_zeros = call(f"nn.ZeroPad{site.rank}d", padding)
        return Made(in_order(with_zeros if value == "0" else call(f"nn.ConstantPad{site.rank}d", padding, value), pool))
    rank, kernel, stride = site.rank, site.given("kernel_size"), site.stride()
    window = [tuple([axis.effective_kernel for axis in own]) for own in site.axes()]
    strides = [tuple([axis.stride for axis in own]) for own in site.axes()]
    before = call(
        "PadSame",
        site.write("window", window, kernel and ast.Tuple([kernel] * rank)),
        site.write("stride", strides, ast.Tuple([stride] * rank), stride),
        option("value", value, 0),
    )
    return Made(in_order(before, pool))


def ceil_mode(site: Site) -> Piece | None:
    wanted = [layer.rounding == "ceil" and getattr(layer, "padding", 0) != "same" for layer in site.layers]
    return option("ceil_mode", site.write("ceil_mode", wanted), False)


def max_pool(site: Site) -> Made:
    same = needs_same(site)
    function, kernel, stride = f"nn.MaxPool{site.rank}d", site.field("kernel_size"), site.option("stride", None)
    padding, dilation = pool_padding(site, same), site.option("dilation", 1)
    if padding is None:
        return padded(site, same, "-torch.inf", call(function, kernel, stride, dilation))
    return Made(call(function, kernel, stride, option("padding", padding, 0), dilation, ceil_mode(site)))


def avg_pool(site: Site) -> Made:
    same, axes = needs_same(site), site.axes()
    function, kernel, stride = f"nn.AvgPool{site.rank}d", site.field("kernel_size"), site.option("stride", None)
    padding = pool_padding(site, same)
    if padding is not None:
        counts = site.option("count_include_pad", True)
        return Made(call(function, kernel, stride, option("padding", padding, 0), ceil_mode(site), counts))
    all_count = zip(site.each("count_include_pad"), axes, strict=True)
    if site.one([counts and not any(map(extra, own)) for counts, own in all_count]):
        return padded(site, same, "0", call(function, kernel, stride))
    counted = [as_pad([(axis.before, axis.after) for axis in own]) for own in axes]
    uncounted = [as_pad([(0, extra(axis)) for axis in own]) for own in axes]
    made = call(
        "PaddedAvgPool",
        kernel,
        site.stride(),
        named("padding", site.write("padding", counted)),
        named("extra", site.write("extra", uncounted)),
        named("count_include_pad", site.field("count_include_pad")),
    )
    return Made(made)


def lp_pool(site: Site) -> Made:
    """torch's 1-D pooling by norms takes no tuples."""
    size = site.number if site.rank == 1 else site.field
    stride = option("stride", size("stride"), None)
    return Made(call(f"nn.LPPool{site.rank}d", site.field("norm_type"), size("kernel_size"), stride, ceil_mode(site)))


def subsample(site: Site) -> Made:
    beyond = [around(own) if any(map(extra, own)) else () for own in site.axes()]
    made = call(
        "Subsample",
        site.in_channels(),
        named("kernel_size", site.sizes("kernel_size")),
        named("stride", site.stride()),
        option("extra", site.write("extra", beyond), ()),
    )
    return Made(made, activation=site.one(site.each("activation")))


def depth_pool(site: Site) -> Made:
    return Made(call("DepthPool", site.field("kernel_size"), site.stride(), site.field("mode")))


def maxout(site: Site) -> Made:
    pieces = site.field("pieces")
    return Made(call("Maxout", pieces), divided(site.channels, pieces))


def divided(channels: Tree | None, by: Tree) -> Tree | None:
    return channels and simplified(ast.BinOp(channels, ast.FloorDiv(), by))


def power(base: Tree, exponent: int) -> Tree:
    return simplified(ast.BinOp(base, ast.Pow(), constant(exponent)))


def adaptive(function: str) -> Callable[[Site], Made]:
    return lambda site: Made(call(f"nn.{function}{site.rank}d", site.field("output_size")))


def over_everything(function: str) -> Callable[[Site], Made]:
    return lambda site: Made(call(f"nn.{function}{site.rank}d", ONE))


# Normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(site: Site) -> Made:
    made = call(
        f"nn.BatchNorm{site.rank or 1}d",
        site.in_channels(),
        site.option("eps", 1e-5),
        site.option("momentum", 0.1),
        site.option("affine", True),
        site.option("track_running_stats", True),
    )
    return Made(made)


def instance_norm(site: Site) -> Made:
    made = call(
        f"nn.InstanceNorm{site.rank}d",
        site.in_channels(),
        site.option("eps", 1e-5),
        site.option("momentum", 0.1),
        site.option("affine", False),
        site.option("track_running_stats", False),
    )
    return Made(made)


def group_norm(site: Site) -> Made:
    eps, affine = site.option("eps", 1e-5), site.option("affine", True)
    return Made(call("nn.GroupNorm", site.field("num_groups"), site.in_channels(), eps, affine))


def layer_norm(site: Site) -> Made:
    options = site.option("eps", 1e-5), site.option("elementwise_affine", True), site.option("bias", True)
    if not site.rank:
        return Made(call("nn.LayerNorm", site.in_channels(), *options))
    axes = site.one(site.each("axes"))
    if axes == "channels":
        return Made(call("ChannelLayerNorm", site.in_channels(), *options))
    if axes == "last":
        return Made(call("nn.LayerNorm", site.write("size", [shape[-1] for shape in site.inputs]), *options))
    shape = site.shape()
    written = site.write("shape", [*site.inputs], None if shape is None else ast.Tuple(shape))
    return Made(call("nn.LayerNorm", written, *options))


def local_response_norm(site: Site) -> Made:
    options = site.option("alpha", 1e-4), site.option("beta", 0.75), site.option("k", 1)
    return Made(call("nn.LocalResponseNorm" if site.rank else "VectorResponseNorm", site.field("size"), *options))


def scale(site: Site) -> Made:
    return Made(call("Scale", site.in_channels(), site.option("init", 1), site.option("bias", False)))


# Activations and regularisation ---------------------------------------------------------------------------------------


def activation(function: str, *, in_place: str = "", **defaults: Any) -> Callable[[Site], Made]:
    """An activation by its class in torch; `in_place` is the class that writes over its input where that is another."""

    def make(site: Site) -> Made:
        if in_place and site.one(site.each("inplace")):
            return Made(call(in_place))
        return Made(call(f"nn.{function}", *[site.option(name, default) for name, default in defaults.items()]))

    return make


def along_an_axis(name: str) -> Callable[[Site], Made]:
    return lambda site: Made(
        call(f"nn.{name}", named("dim", site.write("dim", [axis + 1 for axis in site.each("axis")])))
    )


def prelu(site: Site) -> Made:
    wanted, given = site.each("num_parameters"), site.given("num_parameters")
    count = site.write("num_parameters", wanted, given, given and site.channels)
    return Made(call("nn.PReLU", option("num_parameters", count, 1)))


# Arithmetic -----------------------------------------------------------------------------------------------------------

SIGNS = {
    "add": "+",
    "subtract": "-",
    "subtract_from": "-",
    "multiply": "*",
    "divide": "/",
    "divide_into": "/",
    "power": "**",
}
TURNED = ("subtract_from", "divide_into")  # whose second operand is the value
BOUNDS = {"minimum": "max", "maximum": "min"}  # of torch.clamp
IN_PLACE = {
    **{"add": "add_(", "subtract": "sub_(", "multiply": "mul_(", "divide": "div_(", "power": "pow_("},
    **{operation: f"clamp_({bound}=" for operation, bound in BOUNDS.items()},
}


def arithmetic(site: Site) -> Made:
    operation: str = site.one(site.each("operation"))
    overwrites: bool = site.one(site.each("inplace"))
    holds: Piece = ""
    number, type = "", "float"
    if site.one([layer.number is None for layer in site.layers]):
        holds, type = own_tensor(site), "Tensor"
    elif names_of(tree := site.field("number")):
        holds = text(tree)
    else:
        number = text(tree)

    def output(own: str, x: Piece) -> Piece:
        other = number or own
        if overwrites:
            return Group(f"{operand(x)}.{IN_PLACE[operation]}", (other,))
        if operation in BOUNDS:
            return Group("torch.clamp(", (x, f"{BOUNDS[operation]}={other}"))
        return Infix(other, SIGNS[operation], x) if operation in TURNED else Infix(x, SIGNS[operation], other)

    return Made(holds, output=output, type=type, overwrites=overwrites)


def own_tensor(site: Site) -> Group:
    """A tensor of the network's own: trained, or not."""
    given = site.given("shape")
    shape = site.write("shape", [layer.tensor for layer in site.layers], given, given and ast.Tuple([given]))
    ones = call("torch.ones", *shape.elts) if isinstance(shape, ast.Tuple) else call("torch.ones", shape)
    return call("nn.Parameter" if site.one(site.each("trainable")) else "nn.Buffer", ones)


def function(site: Site) -> Made:
    name, overwrites = site.one(site.each("of")), site.one(site.each("inplace"))

    def output(own: str, x: Piece) -> Piece:
        return Group(f"{operand(x)}.{name}_(", ()) if overwrites else Group(f"torch.{name}(", (x,))

    return Made("", output=output, overwrites=overwrites)


REDUCTIONS = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin"}  # methods of a tensor


def reduce(site: Site) -> Made:
    by, keep = site.one(site.each("by")), site.one(site.each("keep"))
    dims = site.one([tuple([axis + 1 for axis in layer.over]) for layer in site.layers])
    options = f"dim={text(constant(as_one(dims)))}", *(["keepdim=True"] if keep else [])
    leaves_nothing = not keep and site.one([len(shape) == len(dims) for shape in site.inputs])

    def output(own: str, x: Piece) -> Piece:
        if by == "norm":
            made = Group("torch.linalg.vector_norm(", (x, *options))
        else:
            made = Group(f"{operand(x)}.{REDUCTIONS[by]}(", options)
        return suffixed(made, ".unsqueeze(1)") if leaves_nothing else made

    return Made("", output=output)


# Values moved about ---------------------------------------------------------------------------------------------------


def reshape(site: Site) -> Made:
    wanted = [(shape,) if isinstance(shape, int) else shape for shape in site.each("shape")]
    tree = site.write("shape", wanted, site.given("shape"))
    if isinstance(tree, ast.Tuple):
        return Made(call("Reshape", *tree.elts), tree.elts[0])
    return Made(call("Reshape", f"*{text(tree)}"))


def permute(site: Site) -> Made:
    dims = site.one(site.each("dims"))
    return Made(call("Permute", *[constant(dim + 1) for dim in dims]))


_PADS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


def pad(site: Site) -> Made:
    rank, mode, value = site.rank, site.one(site.each("mode")), site.field("value")
    wanted = [as_one(as_pad(sides(padding, rank, "padding"))) for padding in site.each("padding")]
    padding = site.write("padding", wanted, site.given("padding"))
    if mode != "constant":
        return Made(call(f"nn.{_PADS[mode]}{rank}d", padding))
    if is_number(value, 0):
        return Made(call(f"nn.ZeroPad{rank}d", padding))
    return Made(call(f"nn.ConstantPad{rank}d", padding, value))


def crop(site: Site) -> Made:
    if site.one([layer.sides is None for layer in site.layers]):
        size = site.sizes("size")
        return Made(call("CenterCrop", *(size.elts if isinstance(size, ast.Tuple) else [f"*{text(size)}"])))
    wanted = [tuple(sides(layer.sides, site.rank, "sides")) for layer in site.layers]
    return Made(call("Crop", site.write("sides", wanted)))


def upsample(site: Site) -> Made:
    by = "scale_factor" if site.one([layer.size is None for layer in site.layers]) else "size"
    options = site.option("mode", "nearest"), site.option("align_corners", False)
    return Made(call("nn.Upsample", named(by, site.field(by)), *options))


def pixel_shuffle(site: Site) -> Made:
    rank, factor = site.rank, site.field("upscale_factor")
    made = call("nn.PixelShuffle" if rank == 2 else "PixelShuffle", factor)
    return Made(made, divided(site.channels, power(factor, rank)))


def space_to_depth(site: Site) -> Made:
    rank, block = site.rank, site.field("block_size")
    made = call("nn.PixelUnshuffle" if rank == 2 else "SpaceToDepth", block)
    return Made(made, site.channels and product(site.channels, power(block, rank)))


def channel_shuffle(site: Site) -> Made:
    return Made(call("nn.ChannelShuffle" if site.rank else "ChannelShuffle", site.field("groups")))


def slice_(site: Site) -> Made:
    dim = site.write("dim", [axis + 1 for axis in site.each("axis")])
    start, stop = site.field("start"), site.field("stop")
    return Made(call("Slice", start, stop, site.option("step", 1), option("dim", dim, 1)))


# The table ------------------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Site], Made]] = {
    # convolutions and dense layers
    "conv": conv,
    "depthwise_conv": depthwise_conv,
    "conv_transpose": conv_transpose,
    "locally_connected": locally_connected,
    "linear": linear,
    "rbf": rbf,
    # pooling
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "lp_pool": lp_pool,
    "depth_pool": depth_pool,
    "adaptive_avg_pool": adaptive("AdaptiveAvgPool"),
    "adaptive_max_pool": adaptive("AdaptiveMaxPool"),
    "global_avg_pool": over_everything("AdaptiveAvgPool"),
    "global_max_pool": over_everything("AdaptiveMaxPool"),
    "subsample": subsample,
    "maxout": maxout,
    # normalisation
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "l2_norm": lambda site: Made(call("L2Norm", site.option("eps", 1e-12))),
    "scale": scale,
    # activations
    "relu": activation("ReLU", inplace=False),
    "relu6": activation("ReLU6", inplace=False),
    "leaky_relu": activation("LeakyReLU", negative_slope=0.01, inplace=False),
    "prelu": prelu,
    "elu": activation("ELU", alpha=1, inplace=False),
    "selu": activation("SELU", inplace=False),
    "gelu": activation("GELU", approximate="none"),
    "silu": activation("SiLU", inplace=False),
    "mish": activation("Mish", inplace=False),
    "sigmoid": activation("Sigmoid", in_place="SigmoidInPlace"),
    "tanh": activation("Tanh", in_place="TanhInPlace"),
    "softplus": activation("Softplus", beta=1, threshold=20),
    "hard_swish": activation("Hardswish", inplace=False),
    "hard_sigmoid": activation("Hardsigmoid", inplace=False),
    "softmax": along_an_axis("Softmax"),
    "log_softmax": along_an_axis("LogSoftmax"),
    # arithmetic
    "arithmetic": arithmetic,
    "function": function,
    "reduce": reduce,
    # regularisation
    "dropout": lambda site: Made(call("nn.Dropout", site.field("p"), site.option("inplace", False))),
    "drop_path": lambda site: Made(call("DropPath", site.field("p"))),
    # shape
    "flatten": lambda site: Made(call("nn.Flatten"), site.flattened()),
    "reshape": reshape,
    "permute": permute,
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "pixel_shuffle": pixel_shuffle,
    "space_to_depth": space_to_depth,
    "channel_shuffle": channel_shuffle,
    "slice": slice_,
    "identity": lambda site: Made(call("nn.Identity")),
}

# The activation that a layer applies to its own output: a function, and arguments after the first.
FUSED: dict[str, tuple[str, ...]] = {
    "relu": ("F.relu",),
    "relu6": ("F.relu6",),
    "leaky_relu": ("F.leaky_relu",),
    "elu": ("F.elu",),
    "selu": ("F.selu",),
    "gelu": ("F.gelu",),
    "silu": ("F.silu",),
    "mish": ("F.mish",),
    "sigmoid": ("torch.sigmoid",),
    "tanh": ("torch.tanh",),
    "softplus": ("F.softplus",),
    "hard_swish": ("F.hardswish",),
    "hard_sigmoid": ("F.hardsigmoid",),
    "softmax": ("F.softmax", "dim=1"),
    "log_softmax": ("F.log_softmax", "dim=1"),
}
