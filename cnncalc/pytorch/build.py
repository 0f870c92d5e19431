"""A network as a `torch.nn.Module`.

`TABLE` says what torch makes of each layer kind. It is written from torch's documentation and reads a layer's fields
and the tensor that enters it, nothing else: not the engine's formulas, nor a layer's own answers. That is what lets
`verify` compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cnncalc.graph import Network, Node
from cnncalc.layers import KINDS, Kind
from cnncalc.passes.segments import segments
from cnncalc.pytorch import modules

Sizes = tuple[int, ...]


# Windows --------------------------------------------------------------------------------------------------------------


class Window(NamedTuple):
    """A window along each spatial dimension: `sides` of padding, and what rounding up adds after them."""

    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    sides: list[tuple[int, int]]
    extra: Sizes

    @property
    def symmetric(self) -> bool:
        return all(before == after for before, after in self.sides)

    @property
    def around(self) -> list[tuple[int, int]]:
        """All that is added, the extra included."""
        return [(before, after + more) for (before, after), more in zip(self.sides, self.extra, strict=True)]


def each(value: int | Sizes, rank: int) -> Sizes:
    """A size for each spatial dimension; torch refuses a list of another length."""
    return (value,) * rank if isinstance(value, int) else value


def pairs(value: Any, rank: int) -> list[tuple[int, int]]:
    """(before, after) for each spatial dimension."""
    sides = (value,) * rank if isinstance(value, int) else value
    return [(side, side) if isinstance(side, int) else side for side in sides]


def window(layer: Any, sizes: Sizes) -> Window:
    """The window of a convolution or pooling over a map of these sizes."""
    rank = len(sizes)
    if rank not in (1, 2, 3):
        raise ValueError(f"torch has windows over 1, 2 or 3 spatial dimensions, not {rank}")
    kernel = each(layer.kernel_size, rank)
    stride = each(layer.stride, rank) if layer.stride is not None else kernel
    dilation = each(getattr(layer, "dilation", 1), rank)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = getattr(layer, "padding", 0)
    if padding == "same":
        sides = [_same(n, f, s) for n, f, s in zip(sizes, spans, stride, strict=True)]
    elif padding == "full":
        sides = [(f - 1, f - 1) for f in spans]
    else:
        sides = pairs(0 if padding == "valid" else padding, rank)
    extra = (0,) * rank
    if getattr(layer, "rounding", "floor") == "ceil" and padding != "same":
        extra = tuple([_rounded_up(n, f, s, p) for n, f, s, p in zip(sizes, spans, stride, sides, strict=True)])
    return Window(kernel, stride, dilation, sides, extra)


def _same(size: int, span: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: as many windows as strides fit into the map, padding in halves, the odd one after."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def _rounded_up(size: int, span: int, stride: int, sides: tuple[int, int]) -> int:
    """What the last window needs beyond the padding when it may end outside (torch's `ceil_mode`).

    It has to start inside the map or the padding before it.
    """
    before, after = sides
    last = -(-(before + size + after - span) // stride) * stride
    if last >= before + size:
        last -= stride
    return max(0, last + span - (before + size + after))


def _fused(layer: Any) -> nn.Module | None:
    """The activation that a layer applies to its own output, in place where torch can."""
    if layer.activation is None:
        return None
    kind = KINDS[layer.activation]
    activation = kind(inplace=True) if "inplace" in kind.fields else kind()
    return TABLE[kind.kind](activation)


# Convolutions and dense layers ----------------------------------------------------------------------------------------

_CONV: dict[int, type[nn.Module]] = {1: modules.Conv1d, 2: modules.Conv2d, 3: modules.Conv3d}
_CONV_TRANSPOSE: dict[int, type[nn.Module]] = {
    1: modules.ConvTranspose1d,
    2: modules.ConvTranspose2d,
    3: modules.ConvTranspose3d,
}


def _convolution(layer: Any, input: Tensor, out_channels: int, groups: int) -> nn.Module:
    own = window(layer, input.shape[2:])
    as_torch = own.symmetric and not any(own.extra)
    return _of_rank(_CONV, input)(
        input.shape[1],
        out_channels,
        own.kernel,
        own.stride,
        tuple([before for before, _ in own.sides]) if as_torch else 0,
        own.dilation,
        groups,
        layer.bias,
        before=None if as_torch else modules.Pad(own.around),
        activation=_fused(layer),
    )


def conv(layer: Any, input: Tensor) -> nn.Module:
    if layer.connections is None:
        return _convolution(layer, input, layer.out_channels, layer.groups)
    own = window(layer, input.shape[2:])
    return modules.PartialConv(
        layer.connections, own.kernel, own.stride, own.dilation, own.around, layer.bias, _fused(layer)
    )


def depthwise_conv(layer: Any, input: Tensor) -> nn.Module:
    channels = input.shape[1]
    return _convolution(layer, input, channels * layer.multiplier, channels)


def dynamic_conv(layer: Any, input: Tensor, filters: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    as_torch = own.symmetric and not any(own.extra)
    return modules.DynamicConv(
        layer.out_channels,
        own.kernel,
        own.stride,
        [before if as_torch else 0 for before, _ in own.sides],
        own.dilation,
        layer.groups,
        None if as_torch else modules.Pad(own.around),
    )


def conv_transpose(layer: Any, input: Tensor) -> nn.Module:
    rank = input.dim() - 2
    sides = pairs(layer.padding, rank)
    symmetric = all(before == after for before, after in sides)
    return _of_rank(_CONV_TRANSPOSE, input)(
        input.shape[1],
        layer.out_channels,
        each(layer.kernel_size, rank),
        each(layer.stride, rank),
        tuple([before for before, _ in sides]) if symmetric else 0,
        each(layer.output_padding, rank),
        layer.groups,
        layer.bias,
        each(layer.dilation, rank),
        after=None if symmetric else modules.Crop(sides),
        activation=_fused(layer),
    )


def locally_connected(layer: Any, input: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    positions = [
        (before + size + after - (d * (k - 1) + 1)) // s + 1
        for size, k, s, d, (before, after) in zip(
            input.shape[2:], own.kernel, own.stride, own.dilation, own.around, strict=True
        )
    ]
    shape = (layer.out_channels, *positions)
    return modules.LocallyConnected(
        shape, input.shape[1], own.kernel, own.stride, own.dilation, own.around, layer.bias, _fused(layer)
    )


def linear(layer: Any, input: Tensor) -> nn.Module:
    return modules.Linear(
        input[0].numel() if layer.flatten else input.shape[-1],
        layer.out_features,
        layer.bias,
        before=nn.Flatten() if layer.flatten and input.dim() > 2 else None,
        activation=_fused(layer),
    )


def rbf(layer: Any, input: Tensor) -> nn.Module:
    return modules.Rbf(input[0].numel(), layer.out_features, layer.trainable)


# Pooling --------------------------------------------------------------------------------------------------------------

_MAX_POOL: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVG_POOL: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_LP_POOL: dict[int, type[nn.Module]] = {1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d}
_ADAPTIVE_AVG: dict[int, type[nn.Module]] = {
    1: nn.AdaptiveAvgPool1d,
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}
_ADAPTIVE_MAX: dict[int, type[nn.Module]] = {
    1: nn.AdaptiveMaxPool1d,
    2: nn.AdaptiveMaxPool2d,
    3: nn.AdaptiveMaxPool3d,
}


def _pools_in_torch(own: Window, sizes: Sizes) -> bool:
    """Whether torch's own pooling layers take this padding: the same on both sides, at most half of the kernel.

    Two things torch 2.13 gets wrong are kept from it. A dilated window that steps over all of a small map makes the
    backward pass write outside its memory; and 3-D averages want a map no smaller than the kernel, padding or not.
    """
    if not own.symmetric or any(2 * before > k for (before, _), k in zip(own.sides, own.kernel, strict=True)):
        return False
    unpadded = not any(before for before, _ in own.sides)
    return unpadded or (set(own.dilation) == {1} and all(k <= n for k, n in zip(own.kernel, sizes, strict=True)))


def max_pool(layer: Any, input: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    if not _pools_in_torch(own, input.shape[2:]):
        return modules.PaddedMaxPool(own.kernel, own.stride, own.dilation, own.around)
    padding = tuple([before for before, _ in own.sides])
    up = layer.rounding == "ceil"
    return _of_rank(_MAX_POOL, input)(own.kernel, own.stride, padding, own.dilation, ceil_mode=up)


def avg_pool(layer: Any, input: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    if not _pools_in_torch(own, input.shape[2:]):
        return modules.PaddedAvgPool(own.kernel, own.stride, own.sides, own.extra, layer.count_include_pad)
    padding = tuple([before for before, _ in own.sides])
    up = layer.rounding == "ceil"
    return _of_rank(_AVG_POOL, input)(own.kernel, own.stride, padding, up, layer.count_include_pad)


def lp_pool(layer: Any, input: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    kernel, stride = (own.kernel, own.stride) if len(own.kernel) > 1 else (own.kernel[0], own.stride[0])
    return _of_rank(_LP_POOL, input)(layer.norm_type, kernel, stride, layer.rounding == "ceil")


def subsample(layer: Any, input: Tensor) -> nn.Module:
    own = window(layer, input.shape[2:])
    return modules.Subsample(input.shape[1], own.kernel, own.stride, own.around, _fused(layer))


def depth_pool(layer: Any, input: Tensor) -> nn.Module:
    return modules.DepthPool(layer.kernel_size, layer.stride or layer.kernel_size, layer.mode)


def adaptive_avg_pool(layer: Any, input: Tensor) -> nn.Module:
    return _of_rank(_ADAPTIVE_AVG, input)(each(layer.output_size, input.dim() - 2))


def adaptive_max_pool(layer: Any, input: Tensor) -> nn.Module:
    return _of_rank(_ADAPTIVE_MAX, input)(each(layer.output_size, input.dim() - 2))


# Normalisation --------------------------------------------------------------------------------------------------------

_BATCH_NORM: dict[int, type[nn.Module]] = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORM: dict[int, type[nn.Module]] = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


def batch_norm(layer: Any, input: Tensor) -> nn.Module:
    norm = _of_rank(_BATCH_NORM, input)
    return norm(input.shape[1], layer.eps, layer.momentum, layer.affine, layer.track_running_stats)


def group_norm(layer: Any, input: Tensor) -> nn.Module:
    return nn.GroupNorm(layer.num_groups, input.shape[1], layer.eps, layer.affine)


def layer_norm(layer: Any, input: Tensor) -> nn.Module:
    if layer.axes == "channels":
        return modules.ChannelLayerNorm(input.shape[1], layer.eps, layer.elementwise_affine, layer.bias)
    over = input.shape[-1:] if layer.axes == "last" else input.shape[1:]
    return nn.LayerNorm(over, layer.eps, layer.elementwise_affine, layer.bias)


def instance_norm(layer: Any, input: Tensor) -> nn.Module:
    norm = _of_rank(_INSTANCE_NORM, input)
    return norm(input.shape[1], layer.eps, layer.momentum, layer.affine, layer.track_running_stats)


def local_response_norm(layer: Any, input: Tensor) -> nn.Module:
    return modules.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)


def scale(layer: Any, input: Tensor) -> nn.Module:
    return modules.Scale(input.shape[1], layer.init, layer.bias)


# Arithmetic -----------------------------------------------------------------------------------------------------------


def arithmetic(layer: Any, input: Tensor) -> nn.Module:
    shape = (layer.shape,) if isinstance(layer.shape, int) else layer.shape
    return modules.Arithmetic(layer.operation, layer.number, shape, layer.trainable, layer.inplace)


def reduce(layer: Any, input: Tensor) -> nn.Module:
    axes = (layer.axes,) if isinstance(layer.axes, int) else layer.axes
    return modules.Reduce(layer.by, [axis + 1 for axis in axes], layer.keep)


# Values moved about ---------------------------------------------------------------------------------------------------


def reshape(layer: Any, input: Tensor) -> nn.Module:
    return modules.Reshape((layer.shape,) if isinstance(layer.shape, int) else layer.shape)


def pad(layer: Any, input: Tensor) -> nn.Module:
    value = layer.value if layer.mode == "constant" else None
    return modules.Pad(pairs(layer.padding, input.dim() - 2), layer.mode, value)


def crop(layer: Any, input: Tensor) -> nn.Module:
    rank = input.dim() - 2
    if layer.sides is not None:
        return modules.Crop(pairs(layer.sides, rank))
    cut = [size - kept for size, kept in zip(input.shape[2:], each(layer.size, rank), strict=True)]
    return modules.Crop([(total // 2, total - total // 2) for total in cut])


def upsample(layer: Any, input: Tensor) -> nn.Module:
    rank = input.dim() - 2
    return nn.Upsample(
        size=None if layer.size is None else each(layer.size, rank),
        scale_factor=None if layer.scale_factor is None else tuple(map(float, each(layer.scale_factor, rank))),
        mode=layer.mode,
        align_corners=None if layer.mode == "nearest" else layer.align_corners,
    )


# The table ------------------------------------------------------------------------------------------------------------

Builder = Callable[..., nn.Module]  # from a layer and the tensors that enter it

TABLE: dict[str, Builder] = {
    # convolutions and dense layers
    "conv": conv,
    "depthwise_conv": depthwise_conv,
    "conv_transpose": conv_transpose,
    "locally_connected": locally_connected,
    "dynamic_conv": dynamic_conv,
    "linear": linear,
    "rbf": rbf,
    # pooling
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "lp_pool": lp_pool,
    "depth_pool": depth_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "adaptive_max_pool": adaptive_max_pool,
    "global_avg_pool": lambda layer, *_: modules.GlobalPool("avg"),
    "global_max_pool": lambda layer, *_: modules.GlobalPool("max"),
    "subsample": subsample,
    "maxout": lambda layer, *_: modules.Maxout(layer.pieces),
    # normalisation
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "l2_norm": lambda layer, *_: modules.L2Norm(layer.eps),
    "scale": scale,
    # activations
    "relu": lambda layer, *_: nn.ReLU(layer.inplace),
    "relu6": lambda layer, *_: nn.ReLU6(layer.inplace),
    "leaky_relu": lambda layer, *_: nn.LeakyReLU(layer.negative_slope, layer.inplace),
    "prelu": lambda layer, *_: nn.PReLU(layer.num_parameters),
    "elu": lambda layer, *_: nn.ELU(layer.alpha, layer.inplace),
    "selu": lambda layer, *_: nn.SELU(layer.inplace),
    "gelu": lambda layer, *_: nn.GELU(layer.approximate),
    "silu": lambda layer, *_: nn.SiLU(layer.inplace),
    "mish": lambda layer, *_: nn.Mish(layer.inplace),
    "sigmoid": lambda layer, *_: modules.SigmoidInPlace() if layer.inplace else nn.Sigmoid(),
    "tanh": lambda layer, *_: modules.TanhInPlace() if layer.inplace else nn.Tanh(),
    "softplus": lambda layer, *_: nn.Softplus(layer.beta, layer.threshold),
    "hard_swish": lambda layer, *_: nn.Hardswish(layer.inplace),
    "hard_sigmoid": lambda layer, *_: nn.Hardsigmoid(layer.inplace),
    "softmax": lambda layer, *_: nn.Softmax(dim=layer.axis + 1),
    "log_softmax": lambda layer, *_: nn.LogSoftmax(dim=layer.axis + 1),
    # arithmetic
    "arithmetic": arithmetic,
    "function": lambda layer, *_: modules.Function(layer.of, layer.inplace),
    "reduce": reduce,
    # regularisation
    "dropout": lambda layer, *_: nn.Dropout(layer.p, layer.inplace),
    "drop_path": lambda layer, *_: modules.DropPath(layer.p),
    # shape
    "flatten": lambda layer, *_: nn.Flatten(),
    "reshape": reshape,
    "permute": lambda layer, *_: modules.Permute(layer.dims),
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "pixel_shuffle": lambda layer, *_: modules.PixelShuffle(layer.upscale_factor),
    "space_to_depth": lambda layer, *_: modules.SpaceToDepth(layer.block_size),
    "channel_shuffle": lambda layer, *_: modules.ChannelShuffle(layer.groups),
    "slice": lambda layer, *_: modules.Slice(layer.start, layer.stop, layer.step, layer.axis),
    "identity": lambda layer, *_: nn.Identity(),
    # merges
    "add": lambda layer, *_: modules.Fold(Tensor.add_ if layer.inplace else torch.add),
    "subtract": lambda layer, *_: modules.Fold(torch.sub),
    "multiply": lambda layer, *_: modules.Fold(torch.mul),
    "divide": lambda layer, *_: modules.Fold(torch.div),
    "mean": lambda layer, *_: modules.Mean(),
    "concat": lambda layer, *_: modules.Concat(layer.axis),
    "matmul": lambda layer, *_: modules.Fold(torch.matmul),
}


def _of_rank(of: dict[int, type[nn.Module]], input: Tensor) -> type[nn.Module]:
    """torch's layer for the number of spatial dimensions of this tensor."""
    rank = input.dim() - 2
    if rank not in of:
        raise ValueError(f"torch has no layer like {of[1].__name__} for {rank} spatial dimensions")
    return of[rank]


def module_of(layer: Kind, *inputs: Tensor) -> nn.Module:
    """The torch module of one layer, for tensors of the given shapes; its parameters are on the meta device."""
    if layer.kind not in TABLE:
        raise ValueError(f"`{layer.title(())}` is an operator that only its own code can run")
    with torch.device("meta"):
        return TABLE[layer.kind](layer, *inputs)


# The network ----------------------------------------------------------------------------------------------------------


class TorchRefuses(Exception):
    """torch cannot build or run a layer; `node` is the layer, `reason` what torch says."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(f"`{node.name}` ({node.layer.kind}): {reason}")
        self.node, self.reason = node, reason


class Scope(nn.Module):
    """Layers under a common name, as a block or a repeat has them: `stage`, `stage.2`."""

    def __setattr__(self, name: str, value: Any) -> None:
        """A layer may have the name of torch's flag `training`, which is set on every module."""
        if name == "training":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


@dataclass(frozen=True, slots=True)
class Step:
    """One layer's turn: values are numbered, the inputs first; `ends` are those that nothing reads any more."""

    name: str
    reads: tuple[int, ...]
    makes: int
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that keep nothing for the backward pass, which runs them again (gradient checkpointing).

    `reads` are values from before, `returns` those that later steps or the network's outputs need.
    """

    reads: tuple[int, ...]
    steps: tuple[Step, ...]
    returns: tuple[int, ...]
    ends: tuple[int, ...]


class NetworkModule(Scope):
    """The layers of a network in the document's order.

    Layers are submodules under the document's names, so `network.stage1[...]`, `state_dict` and forward hooks all
    speak of `stage1.0.conv1`. Takes a tensor for each input of the network and returns one for each output, a tuple
    where there are several.
    """

    def __init__(self, inputs: Sequence[str], parts: Sequence[Step | Segment], outputs: Sequence[int]) -> None:
        super().__init__()
        self.inputs, self.parts, self.outputs = tuple(inputs), tuple(parts), tuple(outputs)
        self.shared: list[tuple[str, str]] = []  # a layer, and the earlier one whose parameters it uses

    def share(self) -> None:
        """Let layers have the parameters and buffers of those that they share them with."""
        for name, owner in self.shared:
            module, other = layer_of(self, name), layer_of(self, owner)
            for key, parameter in other._parameters.items():
                if module._parameters.get(key) is not None:
                    module._parameters[key] = parameter
            for key, buffer in other._buffers.items():
                if module._buffers.get(key) is not None:
                    module._buffers[key] = buffer

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if len(inputs) != len(self.inputs):
            raise TypeError(f"the network has {len(self.inputs)} inputs ({', '.join(self.inputs)}), not {len(inputs)}")
        values = dict(enumerate(inputs))
        for part in self.parts:
            if isinstance(part, Step):
                self._run(part, values)
            else:
                self._run_again_later(part, values)
        results = tuple([values[slot] for slot in self.outputs])
        return results[0] if len(results) == 1 else results

    def _run(self, step: Step, values: dict[int, Tensor]) -> None:
        values[step.makes] = layer_of(self, step.name)(*[values[slot] for slot in step.reads])
        for slot in step.ends:
            del values[slot]

    def _run_again_later(self, segment: Segment, values: dict[int, Tensor]) -> None:
        def run(*read: Tensor) -> tuple[Tensor, ...]:
            own = dict(zip(segment.reads, read, strict=True))
            for step in segment.steps:
                self._run(step, own)
            return tuple([own[slot] for slot in segment.returns])

        read = [values[slot] for slot in segment.reads]
        values.update(zip(segment.returns, checkpoint(run, *read, use_reentrant=False), strict=True))
        for slot in segment.ends:
            del values[slot]


OWN = "(own)"  # a layer that shares its name with the scope of others


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """The module of that dotted name. (A layer may be called `forward` or `type`, which attributes cannot be.)"""
    module: Any = network
    for part in name.split("."):
        module = module._modules[part]
    found: nn.Module = module._modules.get(OWN, module)
    return found


def place(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module under a dotted name, with scopes on the way."""
    *scopes, last = name.split(".")
    parent: Any = network
    for part in scopes:
        parent = parent._modules.setdefault(part, Scope())
    there = parent._modules.get(last)
    if type(there) is Scope:  # a repeated merge, `add.0`, whose paths are `add.0.conv`; it holds no parameters itself
        there._modules[OWN] = module
    elif there is not None:
        raise ValueError(f"two layers are named `{name}`")
    else:
        parent._modules[last] = module


def build(
    network: Network,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    checkpointed: Sequence[str] = (),
) -> NetworkModule:
    """The network in torch, its parameters drawn as torch draws them (`torch.manual_seed` repeats them).

    On the meta device it has shapes and no values. Blocks named in `checkpointed` run again in the backward pass.
    Raises `TorchRefuses` where torch cannot have a layer.
    """
    slots: dict[Any, int] = {value: slot for slot, value in enumerate((*network.inputs, *network.nodes))}
    parts = _parts(network, slots, segments(network, checkpointed))
    outputs = [slots[value] for value in network.outputs]
    built = NetworkModule([value.name for value in network.inputs], parts, outputs)
    values: dict[Any, Tensor] = {
        value: torch.empty(2, *value.output, device="meta", dtype=dtype) for value in network.inputs
    }
    for node in network.nodes:
        read = [values[value] for value in node.inputs]
        try:
            module = module_of(node.layer, *read).to(dtype=dtype)
            with torch.no_grad():
                values[node] = module.eval()(*read)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise TorchRefuses(node, str(error).split("\n")[0]) from error
        place(built, node.name, module)
        if node.shared is not None:
            built.shared.append((node.name, node.shared.name))
    return materialised(built.train(), device)


def _parts(network: Network, slots: dict[Any, int], taken: Sequence[Any]) -> list[Step | Segment]:
    """The network's steps in order, those of each segment in one part."""
    parts: list[Step | Segment] = []
    segment_of = {node: segment for segment in taken for node in segment.nodes}
    ends = _ends([(segment_of.get(node, node), node, node.inputs) for node in network.nodes], network.outputs)
    for node in network.nodes:
        segment = segment_of.get(node)
        if segment is None:
            reads = tuple([slots[value] for value in node.inputs])
            parts.append(Step(node.name, reads, slots[node], tuple([slots[value] for value in ends.get(node, ())])))
        elif node is segment.nodes[0]:
            inner = _ends([(node, node, node.inputs) for node in segment.nodes], (*segment.reads, *segment.returns))
            steps = [
                Step(
                    node.name,
                    tuple([slots[value] for value in node.inputs]),
                    slots[node],
                    tuple([slots[value] for value in inner.get(node, ())]),
                )
                for node in segment.nodes
            ]
            outside = [
                value for value in ends.get(segment, ()) if value not in segment.nodes or value in segment.returns
            ]
            parts.append(
                Segment(
                    tuple([slots[value] for value in segment.reads]),
                    tuple(steps),
                    tuple([slots[value] for value in segment.returns]),
                    tuple([slots[value] for value in outside]),
                )
            )
    return parts


def _ends(readers: Sequence[tuple[Any, Any, Sequence[Any]]], stays: Sequence[Any]) -> dict[Any, list[Any]]:
    """For (turn, value it makes, values it reads) in order: after each turn, the values that no later one reads."""
    last: dict[Any, Any] = {}
    for turn, makes, reads in readers:
        last[makes] = turn
        for value in reads:
            last[value] = turn
    ends: dict[Any, list[Any]] = {}
    for value, turn in last.items():
        if value not in stays:
            ends.setdefault(turn, []).append(value)
    return ends


def materialised(network: NetworkModule, device: str | torch.device) -> NetworkModule:
    """The network with its parameters on a device, drawn anew."""
    if torch.device(device).type == "meta":
        network.share()
        return network
    network.to_empty(device=device)
    network.share()
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    return network
