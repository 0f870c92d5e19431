"""Receptive fields measured: the input pixels from which one output unit has a gradient, and what the engine says.

Which pixels a unit sees depends on windows, strides and paddings, not on how many channels there are or what values
pass. So the gradient runs through a stand-in of the network (`STAND_IN`): one channel, double precision, positive
weights, sums where a maximum or a normalisation would hide pixels, no activations. Nothing cancels there and nothing
saturates, so a gradient is zero only where nothing is read. What is blank, padding and the gaps that a transposed
convolution leaves, is filled with a value that has a gradient too, which tells whether a unit reads any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cnncalc.graph import Input, Network, Node, Value
from cnncalc.layers import KINDS, Kind
from cnncalc.layers.pool import GlobalAvgPool
from cnncalc.layers.reshape import Crop, Reshape
from cnncalc.passes.receptive_field import receptive_fields
from cnncalc.pytorch.build import each, module_of, pairs, window
from cnncalc.pytorch.modules import CONVOLUTION, Pairs
from cnncalc.shapes import Shape

Unit = tuple[int, ...]  # a place on a map, or the position in a vector

# Elements that the stand-in's maps may have together, all samples counted: half a gigabyte with their gradients.
LARGEST_CHUNK = 30_000_000


class Extent(NamedTuple):
    """The first and the last pixel along each axis of the input; both empty where no pixel is seen."""

    low: Unit
    high: Unit

    def __str__(self) -> str:
        return " × ".join(f"{a}..{b}" for a, b in zip(self.low, self.high, strict=True)) or "nothing"

    def inside(self, other: Extent) -> bool:
        if NOTHING in (self, other):
            return self == NOTHING
        starts = zip(other.low, self.low, strict=True)
        ends = zip(self.high, other.high, strict=True)
        return all(a <= b for a, b in starts) and all(a <= b for a, b in ends)

    def clipped(self, sizes: Shape) -> Extent:
        """The part of it that lies on a map of these sizes."""
        low = tuple([max(0, a) for a in self.low])
        high = tuple([min(b, size - 1) for b, size in zip(self.high, sizes, strict=True)])
        return Extent(low, high) if all(a <= b for a, b in zip(low, high, strict=True)) else NOTHING


NOTHING = Extent((), ())


@dataclass(frozen=True, slots=True)
class Seen:
    """What one unit sees, by the engine and by the gradient; `reads_blank` if some of what it reads is no pixel."""

    unit: Unit
    engine: Extent
    torch: Extent
    reads_blank: bool

    @property
    def agrees(self) -> bool:
        """The same; or less, where what is blank takes the place of pixels."""
        if self.engine == self.torch:
            return True
        return self.reads_blank and self.torch.inside(self.engine)


# One layer, on one channel --------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A layer's turn: what enters it, what stands for blanks, and the shape that its output has in the real network."""

    inputs: list[Tensor]
    blank: Tensor
    output: Shape

    @property
    def input(self) -> Tensor:
        (input,) = self.inputs
        return input

    @property
    def is_vector(self) -> bool:
        return self.inputs[0].dim() == 2


StandIn = Callable[[Any, Step], Tensor | None]  # None where units have no place that one channel can follow


def same(layer: Any, step: Step) -> Tensor:
    return step.input


def whole_map(layer: Any, step: Step) -> Tensor:
    """Statistics over all positions of a map."""
    input = step.input
    return input if step.is_vector else input + input.sum(tuple(range(2, input.dim())), keepdim=True)


def all_values(layer: Any, step: Step) -> Tensor:
    """Statistics over everything."""
    return step.input.sum(1, keepdim=True) if step.is_vector else whole_map(layer, step)


def all_channels(layer: Any, step: Step) -> Tensor:
    """Every channel of the place; the whole of a vector."""
    return step.input.sum(1, keepdim=True) if step.is_vector else step.input


def some_channels(layer: Any, step: Step) -> Tensor | None:
    """Channels of the place; in a vector, units that one channel does not tell apart."""
    return None if step.is_vector and step.input.shape[1] > 1 else step.input


def dense(layer: Any, step: Step) -> Tensor:
    return step.input.flatten(1).sum(1, keepdim=True)


def surrounded(input: Tensor, sides: Pairs, blank: Tensor) -> Tensor:
    for dim, (before, after) in enumerate(sides, start=2):
        if before or after:
            value = blank.view(-1, *[1] * (input.dim() - 1))
            ends = [value.expand(*input.shape[:dim], size, *input.shape[dim + 1 :]) for size in (before, after)]
            input = torch.cat([ends[0], input, ends[1]], dim)
    return input


def windows(layer: Any, step: Step) -> Tensor:
    """The sum of each window, one dimension after the other."""
    own = window(layer, step.input.shape[2:])
    output = surrounded(step.input, own.around, step.blank)
    rank = len(own.kernel)
    for axis in range(rank):
        if own.kernel[axis] == own.stride[axis] == 1:
            continue
        kernel, stride, dilation = [
            [size if a == axis else 1 for a in range(rank)]
            for size in (own.kernel[axis], own.stride[axis], own.dilation[axis])
        ]
        output = CONVOLUTION[rank](output, weights(output, kernel), stride=stride, dilation=dilation)
    return output


def weights(like: Tensor, kernel: Sequence[int]) -> Tensor:
    """Equal weights of one filter; neither many sums of all nor a single path through all leaves a float's range."""
    return like.new_full((1, 1, *kernel), prod(kernel) ** -0.5)


def spread(layer: Any, step: Step) -> Tensor:
    """A transposed convolution of a map with blanks on all sides; output positions that get nothing are blank too."""
    rank = step.input.dim() - 2
    kernel, stride, dilation = [each(size, rank) for size in (layer.kernel_size, layer.stride, layer.dilation)]
    more = each(layer.output_padding, rank)
    margin = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    input = surrounded(step.input, [(size, size) for size in margin], step.blank)
    filter = weights(input, kernel)
    transposed = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[rank - 1]
    output = transposed(input, filter, None, stride, 0, more, 1, dilation)
    gaps = transposed(torch.ones_like(input), filter, None, stride, 0, more, 1, dilation) == 0
    output = output + gaps * step.blank.view(-1, *[1] * (rank + 1))
    for axis, (before, after) in enumerate(pairs(layer.padding, rank)):
        cut = margin[axis] * stride[axis]
        size = output.shape[axis + 2] - 2 * cut - before - after
        output = output.narrow(axis + 2, cut + before, size)
    return output


def filtered(layer: Any, step: Step) -> Tensor:
    """A window of the first path, and everything of the second, whose values are the filters."""
    output: Tensor = windows(layer, step._replace(inputs=step.inputs[:1]))
    filters = step.inputs[1].flatten(1)
    seen: Tensor = filters.sum(1) * float(filters.shape[1]) ** -0.5
    return output + seen.view(-1, *[1] * (output.dim() - 1))


def pooled(kind: str) -> StandIn:
    """An adaptive or global mean by torch's own layer."""
    return lambda layer, step: module_of(KINDS[kind](**layer.values()), step.input)(step.input)


def moved(layer: Any, step: Step) -> Tensor:
    """Positions moved about, by torch's own layer."""
    output: Tensor = module_of(layer, step.input)(step.input)
    return output


def padding(layer: Any, step: Step) -> Tensor:
    return surrounded(step.input, pairs(layer.padding, step.input.dim() - 2), step.blank)


def rearranged(layer: Any, step: Step) -> Tensor | None:
    """Only what all units see has a place again after a reshape."""
    input, sizes = step.input, step.output[1:]
    if not sizes:
        return input.flatten(1)
    if input.shape[2:] == sizes:
        return input
    return input.view(-1, *[1] * (len(sizes) + 1)).expand(-1, 1, *sizes) if input[0].numel() == 1 else None


def permuted(layer: Any, step: Step) -> Tensor | None:
    return moved(layer, step) if layer.dims[0] == 0 else rearranged(layer, step)


def sliced(layer: Any, step: Step) -> Tensor | None:
    return some_channels(layer, step) if layer.axis == 0 else moved(layer, step)


def shuffled(layer: Any, step: Step) -> Tensor:
    input = step.input
    rank = input.dim() - 2
    return moved(layer, step._replace(inputs=[input.expand(-1, layer.upscale_factor**rank, *[-1] * rank)]))


def unshuffled(layer: Any, step: Step) -> Tensor:
    return moved(layer, step).sum(1, keepdim=True)


def joined(layer: Any, step: Step) -> Tensor | None:
    """What any path sees."""
    lengths = {value.shape[1] for value in step.inputs}
    if step.is_vector and len(lengths) > 1:
        return None
    total = step.inputs[0]
    for value in step.inputs[1:]:
        total = total + value
    return total * len(step.inputs) ** -0.5 if len(step.inputs) > 1 else total


def chained(layer: Any, step: Step) -> Tensor | None:
    if layer.axis or (step.is_vector and any(value.shape[1] > 1 for value in step.inputs)):
        return None
    return joined(layer, step)


def normalised(layer: Any, step: Step) -> Tensor | None:
    if layer.axes == "last" and not step.is_vector:
        return None
    return (all_values if layer.axes == "all" else all_channels)(layer, step)


def broadcast(layer: Any, step: Step) -> Tensor | None:
    """Each value alone, where a tensor of the network's own does not repeat it."""
    return step.input if tuple(step.output[1:]) == tuple(step.input.shape[2:]) else None


def along_an_axis(layer: Any, step: Step) -> Tensor | None:
    return None if layer.axis else all_channels(layer, step)


def reduced(layer: Any, step: Step) -> Tensor | None:
    return all_channels(layer, step) if layer.axes == 0 and layer.keep else None


STAND_IN: dict[str, StandIn] = {
    # windows
    "conv": windows,
    "depthwise_conv": windows,
    "locally_connected": windows,
    "max_pool": windows,
    "avg_pool": windows,
    "lp_pool": windows,
    "subsample": windows,
    "conv_transpose": spread,
    "dynamic_conv": filtered,
    # all of a map
    "linear": lambda layer, step: dense(layer, step) if layer.flatten or step.is_vector else None,
    "rbf": dense,
    "adaptive_avg_pool": pooled("adaptive_avg_pool"),
    "adaptive_max_pool": pooled("adaptive_avg_pool"),
    "global_avg_pool": pooled("global_avg_pool"),
    "global_max_pool": pooled("global_avg_pool"),
    "batch_norm": lambda layer, step: step.input if layer.track_running_stats else whole_map(layer, step),
    "instance_norm": lambda layer, step: step.input if layer.track_running_stats else whole_map(layer, step),
    "group_norm": lambda layer, step: (all_values if layer.num_groups == 1 else whole_map)(layer, step),
    "layer_norm": normalised,
    # channels of a place
    "depth_pool": some_channels,
    "maxout": some_channels,
    "local_response_norm": some_channels,
    "channel_shuffle": some_channels,
    "l2_norm": all_channels,
    "softmax": along_an_axis,
    "log_softmax": along_an_axis,
    # each value alone
    "scale": same,
    "arithmetic": broadcast,
    "function": same,
    "reduce": reduced,
    "relu": same,
    "relu6": same,
    "leaky_relu": same,
    "prelu": same,
    "elu": same,
    "selu": same,
    "gelu": same,
    "silu": same,
    "mish": same,
    "sigmoid": same,
    "tanh": same,
    "softplus": same,
    "hard_swish": same,
    "hard_sigmoid": same,
    "dropout": same,
    "drop_path": same,
    "identity": same,
    # positions moved
    "flatten": rearranged,
    "reshape": rearranged,
    "permute": permuted,
    "pad": padding,
    "crop": moved,
    "slice": sliced,
    "upsample": moved,
    "pixel_shuffle": shuffled,
    "space_to_depth": unshuffled,
    # merges
    "add": joined,
    "subtract": joined,
    "multiply": joined,
    "divide": joined,
    "mean": joined,
    "concat": chained,
    "matmul": lambda layer, step: None,
}


# What the engine says -------------------------------------------------------------------------------------------------


def analytic(network: Network, wanted: list[tuple[Node, Unit]]) -> dict[tuple[Node, Unit], tuple[Input, Extent]]:
    """What single units see of which input, by the engine.

    The network is continued so that a unit stands alone, and its field asked for. Units without a place have no entry.
    """
    fields = receptive_fields(network)
    probes: dict[tuple[Node, Unit], Node] = {}
    nodes = list(network.nodes)
    for node, unit in wanted:
        field = fields[node]
        if field is None:
            continue
        end = node
        for layer in _alone(node.output, unit, len(field.input.output) - 1):
            end = Node(f"{node.name}[{unit}]", layer, (end,), layer.facts((end.output,)), node.span)
            nodes.append(end)
        probes[node, unit] = end
    known = receptive_fields(replace(network, nodes=tuple(nodes)))
    answers = {}
    for key, probe in probes.items():
        field = known[probe]
        if field is not None and field.start is not None:
            last = [low + size - 1 for low, size in zip(field.start, field.size, strict=True)]
            answers[key] = (field.input, Extent(field.start, tuple(last)).clipped(field.input.output[1:]))
    return answers


def _alone(output: Shape, unit: Unit, rank: int) -> list[Kind]:
    """Layers that leave one unit of a map: the rest cut away, and a mean of it. A vector becomes one place."""
    if len(output) == 1:
        return [Reshape(shape=(output[0], *[1] * rank))]
    sides = tuple([(place, size - 1 - place) for place, size in zip(unit, output[1:], strict=True)])
    return [Crop(sides=sides), GlobalAvgPool()]


# What the gradient says -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """One pass through the stand-in."""

    inputs: dict[Input, Tensor]
    blank: Tensor
    values: dict[Value, Tensor | None]


def _run(network: Network, shapes: dict[Node, Shape], batch: int, device: str, end: int) -> _Run:
    """The stand-in of the first `end` nodes, for `batch` samples."""
    options: dict[str, Any] = {"dtype": torch.float64, "device": device, "requires_grad": True}
    inputs = {value: torch.ones(batch, 1, *value.output[1:], **options) for value in network.inputs}
    blank = torch.ones(batch, **options)
    values: dict[Value, Tensor | None] = dict(inputs.items())
    for node in network.nodes[:end]:
        entering = [tensor for value in node.inputs if (tensor := values[value]) is not None]
        complete = len(entering) == len(node.inputs)
        step = Step(entering, blank, shapes[node])
        values[node] = STAND_IN[node.layer.kind](node.layer, step) if complete else None
    return _Run(inputs, blank, values)


def measured(network: Network, shapes: dict[Node, Shape], device: str = "cpu") -> Iterator[tuple[Node, list[Seen]]]:
    """What two neighbouring units of each node see, the engine's word beside torch's.

    `shapes` are the nodes' outputs in torch. The units stand near the middle of a map, or are the first and the last
    of a vector. Left out are nodes whose units have no place (of a flattened map, after a reshape), and those whose
    shape is another by the engine.
    """
    sketch = _run(network, shapes, 1, "meta", len(network))
    first: dict[int, Value] = {id(tensor): value for value, tensor in sketch.inputs.items()}
    owner_of: dict[Node, Value] = {}  # the first node with the same tensor: an activation sees what its input sees
    for node in network.nodes:
        if (tensor := sketch.values[node]) is not None and shapes[node] == node.output:
            _check_sizes(node, tensor, shapes[node])
            owner_of[node] = first.setdefault(id(tensor), node)
    units = {owner: _units(tensor) for owner in first.values() if (tensor := sketch.values[owner]) is not None}
    engine = analytic(network, [(node, unit) for node, owner in owner_of.items() for unit in units[owner]])
    followers: dict[Value, list[Node]] = {}
    for node, owner in owner_of.items():
        if all((node, unit) in engine for unit in units[owner]):
            followers.setdefault(owner, []).append(node)
    for chunk in _chunks(sketch, {owner: units[owner] for owner in sketch.values if owner in followers}):
        for owner, unit_gradients in _gradients(network, shapes, chunk, device):
            for node in followers[owner]:
                seen = []
                for unit, gradient in zip(units[owner], unit_gradients, strict=True):
                    input, extent = engine[node, unit]
                    seen.append(Seen(unit, extent, gradient.extents[input], gradient.reads_blank))
                yield node, seen


@dataclass(frozen=True, slots=True)
class _Gradient:
    """The pixels of each input from which one unit has a gradient, and whether it has one from what is blank."""

    extents: dict[Input, Extent]
    reads_blank: bool


Job = tuple[Value, list[Unit]]


def _check_sizes(node: Node, tensor: Tensor, shape: Shape) -> None:
    if tensor.dim() > 2 and tensor.shape[2:] != shape[1:]:
        raise AssertionError(f"`{node.name}`: the stand-in is {tuple(tensor.shape[2:])}, the layer {shape[1:]}")


def _units(tensor: Tensor) -> list[Unit]:
    if tensor.dim() == 2:
        return sorted({(0,), (tensor.shape[1] - 1,)})
    sizes = tensor.shape[2:]
    middle = tuple([(size - 1) // 2 for size in sizes])
    return sorted({middle, tuple([min(place + 1, size - 1) for place, size in zip(middle, sizes, strict=True)])})


def _chunks(sketch: _Run, jobs: dict[Value, list[Unit]]) -> Iterator[list[Job]]:
    """Jobs, in the nodes' order, so many at once that the stand-in's maps for all their units fit."""
    held, elements = {}, 0
    for value, tensor in sketch.values.items():
        elements += 0 if tensor is None else tensor[0].numel()
        held[value] = elements
    chunk: list[Job] = []
    samples = 0
    for value, units in jobs.items():
        if chunk and (samples + len(units)) * held[value] > LARGEST_CHUNK:
            yield chunk
            chunk, samples = [], 0
        chunk.append((value, units))
        samples += len(units)
    if chunk:
        yield chunk


def _gradients(
    network: Network, shapes: dict[Node, Shape], jobs: list[Job], device: str
) -> Iterator[tuple[Value, list[_Gradient]]]:
    """One pass for many units: a sample for each, and one backward pass for the sum of them all."""
    samples = [(value, unit) for value, units in jobs for unit in units]
    last = jobs[-1][0]
    end = network.nodes.index(last) + 1 if isinstance(last, Node) else 0
    run = _run(network, shapes, len(samples), device, end)
    chosen = [_pick(run.values[value], sample, unit) for sample, (value, unit) in enumerate(samples)]
    leaves = [*run.inputs.values(), run.blank]
    *gradients, blank = torch.autograd.grad(torch.stack(chosen).sum(), leaves, materialize_grads=True)
    masks = dict(zip(run.inputs, [gradient.squeeze(1) != 0 for gradient in gradients], strict=True))
    reads_blank = (blank != 0).tolist()
    sample = iter(range(len(samples)))
    for value, units in jobs:
        found = []
        for _ in units:
            k = next(sample)
            found.append(_Gradient({input: _extent_of(mask[k]) for input, mask in masks.items()}, reads_blank[k]))
        yield value, found


def _pick(tensor: Tensor | None, sample: int, unit: Unit) -> Tensor:
    """One unit of one sample; a vector has no channel beside its units."""
    assert tensor is not None
    return tensor[(sample, *unit)] if tensor.dim() == 2 else tensor[(sample, 0, *unit)]


def _extent_of(mask: Tensor) -> Extent:
    """From the first to the last true position along each axis."""
    places = mask.nonzero()
    if not len(places):
        return NOTHING
    return Extent(tuple(places.amin(0).tolist()), tuple(places.amax(0).tolist()))
