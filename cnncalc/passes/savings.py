"""Designs that save parameters and multiplies, each priced against the plain layers that it stands in place of.

What is recognised is a shape of the graph, whatever the kinds are called: filters that slide (`Filters`), layers that
keep their input's shape, pools that read a whole map. Both prices are of the convolutions and dense layers alone: the
norms and activations between them are in neither. What is replaced makes the output that is there, at its positions,
and has a bias where the last layer of the design has one.

A price is what formulas come to, and the expression that they are in letters: C, N, K_h and K_w, E. Of several layers
those of the first are C_1, K_1h, E_1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cnncalc import formulas
from cnncalc.graph import Input, Network, Node, Value
from cnncalc.layers.base import AxesSwapped, Everything, Filters, Pointwise, Rearranged
from cnncalc.readings import letters
from cnncalc.shapes import elements, sizes_text
from cnncalc.tree import Tree, letter

# Every sort of saving, in the order in which they are told.
SORTS = ("bottleneck", "separable", "grouped", "factorized", "side_by_side", "stack", "pooled")


class Count(NamedTuple):
    """A number as an expression, the sizes that its letters stand for, and what it comes to."""

    expression: Tree | int
    letters: dict[str, int]
    value: int


class Cost(NamedTuple):
    """Parameters and multiply-accumulates for one image."""

    parameters: Count
    macs: Count


class Saving(NamedTuple):
    """A design: the layers that make it, what they stand in place of, and what both cost.

    `equal_widths` says, for a stack, what both cost with C channels everywhere.
    """

    sort: str
    layers: tuple[Node, ...]
    replaces: str
    without: Cost
    having: Cost
    equal_widths: str = ""


def savings(network: Network) -> list[Saving]:
    """What saves in a network, by sort (`SORTS`), in the network's order within a sort.

    Two of the same sort share no layer; two of different sorts may.
    """
    graph = _Graph(network)
    separable = list(_separable(graph))
    paired = {node for saving in separable for node in saving.layers}
    in_groups = [(node, own) for node, own in graph.filters.items() if own.groups > 1 and node not in paired]
    return [
        *_bottlenecks(graph),
        *separable,
        *[_grouped(node, own) for node, own in in_groups],
        *_factorized(graph),
        *_side_by_side(graph),
        *_stacks(graph),
        *_pooled(graph),
    ]


# The graph ------------------------------------------------------------------------------------------------------------


class _Graph:
    """Who reads what, and which layers slide filters."""

    def __init__(self, network: Network) -> None:
        self.nodes = network.nodes
        self.position = {node: position for position, node in enumerate(network.nodes)}
        self.results = set(network.outputs)
        self.readers: dict[Value, list[Node]] = {}
        self.filters: dict[Node, Filters] = {}
        for node in network.nodes:
            for value in node.inputs:
                self.readers.setdefault(value, []).append(node)
            filters = node.layer.filters(node.inputs[0].output)
            if filters is not None:
                self.filters[node] = filters

    def ends(self, value: Value, passes: Callable[[Node], bool]) -> list[Node]:
        """The layers that read a value, past those it passes through; none where part of it is read otherwise.

        That is where a result of the network, or nothing at all, is on the way.
        """
        found: list[Node] = []
        open: list[Value] = [value]
        while open:
            value = open.pop()
            readers = self.readers.get(value, [])
            if value in self.results or not readers:
                return []
            for reader in readers:
                if passes(reader):
                    open.append(reader)
                else:
                    found.append(reader)
        return sorted(found, key=self.position.__getitem__)

    def next(self, node: Node) -> Node | None:
        """The one layer that a layer's output goes to, past those that keep its shape."""
        ends = self.ends(node, _keeps_shape)
        return ends[0] if len(ends) == 1 else None

    def next_filters(self, node: Node) -> tuple[Node, Filters] | None:
        """The same where that layer slides filters."""
        after = self.next(node)
        return (after, self.filters[after]) if after in self.filters else None

    def runs(
        self, fits: Callable[[Node, Filters], bool], goes_on: Callable[[Sequence[Filters], Filters], bool]
    ) -> Iterator[list[Node]]:
        """Two or more layers of filters that fit, one after another, as long as they go on; each in one run only."""
        taken: set[Node] = set()
        for first, filters in self.filters.items():
            if first in taken or not fits(first, filters):
                continue
            run, seen = [first], [filters]
            while (after := self.next_filters(run[-1])) and fits(*after) and goes_on(seen, after[1]):
                run.append(after[0])
                seen.append(after[1])
            taken.update(run)
            if len(run) > 1:
                yield run


def _keeps_shape(node: Node) -> bool:
    """Whether a layer changes values only: a norm, an activation, a dropout."""
    return (
        len(node.inputs) == 1
        and node.output == node.inputs[0].output
        and not node.layer.weighted
        and isinstance(node.facts.reach, Pointwise | Everything)
    )


def _keeps_values(node: Node) -> bool:
    """Whether a layer gives each value on, changed or in another shape (a flatten)."""
    rearranges = len(node.inputs) == 1 and isinstance(node.facts.reach, Rearranged)
    return _keeps_shape(node) or (rearranges and elements(node.output) == elements(node.inputs[0].output))


# Prices ---------------------------------------------------------------------------------------------------------------


ONE = Count(1, {}, 1)  # leaves no trace in a product


def _size(name: str, size: int, mark: str = "", axis: str = "") -> Count:
    """A size under its letter; the layer and the dimension that it is of follow as an index: K_1h."""
    index = f"_{mark}{axis}" if mark or axis else ""
    return Count(letter(name + index), {name + index: size}, size)


def _along(name: str, sizes: Sequence[int], mark: str = "") -> list[Count]:
    """A size for each spatial dimension, named as formulas do: K, or K_h and K_w."""
    axes = [known.lstrip("O_") for known in letters(formulas.positions, len(sizes))]
    return [_size(name, size, mark, axis) for size, axis in zip(sizes, axes, strict=True)]


def _counted(formula: Callable[..., int], *given: Count) -> Count:
    """What a formula makes of these: called with their expressions, and with their values."""
    stand_for = {name: size for own in given for name, size in own.letters.items()}
    return Count(formula(*[own.expression for own in given]), stand_for, formula(*[own.value for own in given]))


def _kernel(kernel: tuple[int, ...], mark: str = "") -> list[Count]:
    """The sizes of a window; none, so that they leave no trace, where it is one position."""
    return [] if _one_position(kernel) else _along("K", kernel, mark)


def _convolution(node: Node, N: Count, C: Count, K: Sequence[Count], bias: bool, mark: str = "") -> Cost:
    """N filters that read C channels each, at the output positions of `node`; `mark` is that of its outputs."""
    E = _size("E", elements(node.output[1:]) * N.value, mark)
    weights = _counted(formulas.convolution_weights, N, C, *K)
    return Cost(_with_biases(weights, N, bias), _counted(formulas.convolution_macs, E, C, *K))


def _dense(node: Node, E_in: Count, N: Count) -> Cost:
    weights = _counted(formulas.dense_weights, E_in, N)
    return Cost(_with_biases(weights, N, node.facts.biases > 0), _counted(formulas.dense_macs, E_in, N))


def _with_biases(weights: Count, N: Count, bias: bool) -> Count:
    return _counted(formulas.parameters, weights, _counted(formulas.filter_biases, N)) if bias else weights


def _total(costs: Sequence[Cost]) -> Cost:
    parameters, macs = zip(*costs, strict=True)
    return Cost(_counted(formulas.total, *parameters), _counted(formulas.total, *macs))


def _chain(graph: _Graph, run: Sequence[Node], kernel: tuple[int, ...], same_kernel: int = -1) -> tuple[Cost, Cost]:
    """What one convolution with `kernel`, from the first layer's channels to the last one's, and what the layers cost.

    K is that kernel, and that of the layer `same_kernel`; C_1, C_2 ... are the channels between the layers.
    """
    filters = [graph.filters[node] for node in run]
    last = len(run) - 1
    C, N = _size("C", filters[0].in_channels), _size("N", filters[last].out_channels)
    channels = [C, *[_size("C", own.out_channels, str(place)) for place, own in enumerate(filters[:-1], 1)], N]
    costs = []
    for place, (node, own) in enumerate(zip(run, filters, strict=True)):
        K = _kernel(own.kernel, "" if place == same_kernel else str(place + 1))
        mark = "" if place == last else str(place + 1)
        costs.append(_convolution(node, channels[place + 1], channels[place], K, own.bias, mark))
    return _convolution(run[last], N, C, _kernel(kernel), filters[last].bias), _total(costs)


def _one_position(kernel: tuple[int, ...]) -> bool:
    return max(kernel) == 1


def _pointwise(filters: Filters) -> bool:
    """Whether this is a 1x1 convolution across all channels."""
    return _one_position(filters.kernel) and filters.groups == 1


def _words(kernel: tuple[int, ...], dilation: tuple[int, ...], C: int, N: int) -> str:
    window = f"size-{kernel[0]}" if len(kernel) == 1 else sizes_text(kernel)
    dilated = [step if size > 1 else 1 for size, step in zip(kernel, dilation, strict=True)]
    apart = "" if max(dilated) == 1 else f" (dilation {sizes_text(tuple(dilated))})"
    return f"{window} convolution{apart} from {C:,} to {N:,} channels"


# Sorts ----------------------------------------------------------------------------------------------------------------


def _bottlenecks(graph: _Graph) -> Iterator[Saving]:
    """A 1x1 convolution to fewer channels, then larger ones that read nothing else, perhaps a 1x1 to more again.

    They stand in place of the larger convolution straight from the 1x1's input, and to the last 1x1's output.
    """
    for node, filters in graph.filters.items():
        if not _pointwise(filters) or filters.out_channels >= filters.in_channels:
            continue
        readers = graph.ends(node, _keeps_shape)
        if any(reader not in graph.filters or graph.filters[reader].groups > 1 for reader in readers):
            continue
        if not all(_pointwise(graph.filters[reader]) for reader in readers):
            yield _bottleneck(graph, node, *readers) if len(readers) == 1 else _squeeze(graph, node, readers)


def _bottleneck(graph: _Graph, reduce: Node, wide: Node) -> Saving:
    run = [reduce, wide]
    after = graph.next_filters(wide)
    if after and _pointwise(after[1]) and after[1].out_channels > after[1].in_channels:
        run.append(after[0])
    own = graph.filters[wide]
    replaces = _words(own.kernel, own.dilation, reduce.inputs[0].output[0], run[-1].output[0])
    return Saving("bottleneck", tuple(run), replaces, *_chain(graph, run, own.kernel, same_kernel=1))


def _squeeze(graph: _Graph, reduce: Node, readers: Sequence[Node]) -> Saving:
    """A 1x1 convolution whose output several convolutions read, as SqueezeNet's fire modules have it."""
    filters = graph.filters[reduce]
    C, C_1 = _size("C", filters.in_channels), _size("C", filters.out_channels, "1")
    without = []
    having = [_convolution(reduce, C_1, C, [], filters.bias, "1")]
    words = []
    for place, node in enumerate(readers, 2):
        own = graph.filters[node]
        K, N = _kernel(own.kernel, str(place)), _size("N", own.out_channels, str(place))
        without.append(_convolution(node, N, C, K, own.bias, str(place)))
        having.append(_convolution(node, N, C_1, K, own.bias, str(place)))
        words.append(_words(own.kernel, own.dilation, filters.in_channels, own.out_channels))
    return Saving("bottleneck", (reduce, *readers), " and ".join(words), _total(without), _total(having))


def _separable(graph: _Graph) -> Iterator[Saving]:
    """A convolution of each channel by itself, then a 1x1 across channels (Howard et al. 2017, section 3.1)."""
    for node, filters in graph.filters.items():
        after = graph.next_filters(node)
        depthwise = filters.groups == filters.in_channels > 1 and not _one_position(filters.kernel)
        if not depthwise or after is None or not _pointwise(after[1]):
            continue
        pointwise, across = after
        same = filters.out_channels == filters.in_channels
        C, N = _size("C", filters.in_channels), _size("N", across.out_channels)
        C_1 = C if same else _size("C", filters.out_channels, "1")
        K = _kernel(filters.kernel)
        alone = _convolution(node, C_1, ONE, K, filters.bias, "1")
        having = _total([alone, _convolution(pointwise, N, C_1, [], across.bias)])
        without = _convolution(pointwise, N, C, K, across.bias)
        replaces = _words(filters.kernel, filters.dilation, filters.in_channels, across.out_channels)
        yield Saving("separable", (node, pointwise), replaces, without, having)


def _grouped(node: Node, filters: Filters) -> Saving:
    """A convolution in groups, in place of one whose filters read every channel (Krizhevsky et al. 2012, 3.2)."""
    C, N, K = _size("C", filters.in_channels), _size("N", filters.out_channels), _kernel(filters.kernel)
    of_group = _counted(formulas.group_channels, C, _size("G", filters.groups))
    without = _convolution(node, N, C, K, filters.bias)
    having = _convolution(node, N, of_group, K, filters.bias)
    words = _words(filters.kernel, filters.dilation, filters.in_channels, filters.out_channels)
    return Saving("grouped", (node,), f"{words}, in one group", without, having)


def _factorized(graph: _Graph) -> Iterator[Saving]:
    """1xn then nx1, in place of nxn (Szegedy et al. 2015, "Rethinking the Inception Architecture", 3.2)."""

    def thin(node: Node, filters: Filters) -> bool:
        unchanged = zip(filters.kernel, filters.stride, node.inputs[0].output[1:], node.output[1:], strict=True)
        return _thin(filters) and all(
            size > 1 or (stride == 1 and before == after) for size, stride, before, after in unchanged
        )

    for run in graph.runs(thin, lambda seen, after: not any(_share_axes(filters, after) for filters in seen)):
        filters = [graph.filters[node] for node in run]
        kernel, dilation = _crossed(filters)
        replaces = _words(kernel, dilation, filters[0].in_channels, filters[-1].out_channels)
        yield Saving("factorized", tuple(run), replaces, *_chain(graph, run, kernel))


def _thin(filters: Filters) -> bool:
    """Whether a window has one position along some dimensions and more along others."""
    return filters.groups == 1 and min(filters.kernel) == 1 < max(filters.kernel)


def _share_axes(a: Filters, b: Filters) -> bool:
    return any(m > 1 and n > 1 for m, n in zip(a.kernel, b.kernel, strict=True))


def _crossed(filters: Sequence[Filters]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kernel and dilation of the window that spans, along each dimension, what one of these does."""
    axes = list(zip(*[zip(own.kernel, own.dilation, strict=True) for own in filters], strict=True))
    longest = [max(axis) for axis in axes]
    return tuple([size for size, _ in longest]), tuple([step for _, step in longest])


def _side_by_side(graph: _Graph) -> Iterator[Saving]:
    """1xn beside nx1, joined, in place of nxn with as many filters as both (Szegedy et al. 2015, figure 7).

    Each is that convolution without all but one row, or column, of every filter.
    """
    joined: dict[tuple[Value, Node, tuple[int, ...]], list[Node]] = {}
    for node, filters in graph.filters.items():
        after = graph.next(node) if _thin(filters) else None
        if after is not None and _joins_channels(after):
            joined.setdefault((node.inputs[0], after, filters.stride), []).append(node)
    for nodes in joined.values():
        beside: list[list[Node]] = [[]]
        for node in nodes:
            if any(_share_axes(graph.filters[other], graph.filters[node]) for other in beside[-1]):
                beside.append([])
            beside[-1].append(node)
        yield from [_crossing(graph, together) for together in beside if len(together) > 1]


def _joins_channels(node: Node) -> bool:
    """Whether a layer puts the channels of several maps one after the other."""
    shapes = node.input_shapes
    return (
        len(shapes) > 1
        and node.output[0] == sum([shape[0] for shape in shapes])
        and all(shape[1:] == node.output[1:] for shape in shapes)
    )


def _crossing(graph: _Graph, nodes: Sequence[Node]) -> Saving:
    filters = [graph.filters[node] for node in nodes]
    kernel, dilation = _crossed(filters)
    outputs = sum([own.out_channels for own in filters])
    C, N = _size("C", filters[0].in_channels), _size("N", outputs)
    having = []
    for place, (node, own) in enumerate(zip(nodes, filters, strict=True), 1):
        K, N_i = _kernel(own.kernel, str(place)), _size("N", own.out_channels, str(place))
        having.append(_convolution(node, N_i, C, K, own.bias, str(place)))
    without = _convolution(nodes[0], N, C, _kernel(kernel), any(own.bias for own in filters))
    replaces = _words(kernel, dilation, filters[0].in_channels, outputs)
    return Saving("side_by_side", tuple(nodes), replaces, without, _total(having))


def _stacks(graph: _Graph) -> Iterator[Saving]:
    """Convolutions one after another with stride 1, in place of one that sees as much (Simonyan & Zisserman 2014, 2.3).

    As many as follow one another, all dilated alike; whatever their padding, the one makes the last one's output.
    """

    def whole(node: Node, filters: Filters) -> bool:
        return filters.groups == 1 and min(filters.kernel) > 1 and max(filters.stride) == 1

    for run in graph.runs(whole, lambda seen, after: seen[0].dilation == after.dilation):
        filters = [graph.filters[node] for node in run]
        kernel = tuple([sum(sizes) - len(sizes) + 1 for sizes in zip(*[own.kernel for own in filters], strict=True)])
        replaces = _words(kernel, filters[0].dilation, filters[0].in_channels, filters[-1].out_channels)
        small = sum([elements(own.kernel) for own in filters])
        equal = f"{small}·C² in place of {elements(kernel)}·C²"
        yield Saving("stack", tuple(run), replaces, *_chain(graph, run, kernel), equal)


def _pooled(graph: _Graph) -> Iterator[Saving]:
    """A pool of the whole map before a dense layer, in place of that layer on all of the map (Lin et al. 2013, 3.2)."""
    for node in graph.nodes:
        if not _reads_whole_map(node) or not _read_alone(graph, node.inputs[0]):
            continue
        layers = graph.ends(node, _keeps_values)
        if not layers or not all(map(_connects_everything, layers)):
            continue
        channels, *sizes = node.inputs[0].output
        C = _size("C", channels)
        whole_map = _counted(formulas.input_elements, C, *_along("W", sizes))
        without, having = [], []
        for place, layer in enumerate(layers, 1):
            N = _size("N", layer.output[0], str(place) if len(layers) > 1 else "")
            without.append(_dense(layer, whole_map, N))
            having.append(_dense(layer, C, N))
        outputs = " and ".join([f"{layer.output[0]:,}" for layer in layers])
        replaces = f"dense layer from the whole {sizes_text(tuple(sizes))} map of {channels:,} channels to {outputs}"
        yield Saving("pooled", (node, *layers), replaces, _total(without), _total(having))


def _reads_whole_map(node: Node) -> bool:
    """Whether a layer without weights makes one position of all of a map, channel by channel."""
    input, output, reach = node.inputs[0].output, node.output, node.facts.reach
    if len(node.inputs) > 1 or elements(input[1:]) == 1 or output != (input[0], *[1 for _ in input[1:]]):
        return False
    return (
        not node.facts.parameters
        and isinstance(reach, tuple)
        and not isinstance(reach, AxesSwapped)
        and all(
            axis.low.at(0) <= 0 and axis.high.at(0) >= size - 1 for axis, size in zip(reach, input[1:], strict=True)
        )
    )


def _read_alone(graph: _Graph, value: Value) -> bool:
    """Whether one layer reads this value and what it was before norms and activations: no gate is beside the pool."""
    while len(graph.readers[value]) == 1 and value not in graph.results:
        if isinstance(value, Input) or not _keeps_shape(value):
            return True
        value = value.inputs[0]
    return False


def _connects_everything(node: Node) -> bool:
    """Whether every output has a weight for every input: a dense layer, or a 1x1 convolution on one position."""
    weighted = node.layer.weighted
    sums = weighted == "dense" or (weighted != "" and elements(node.output[1:]) == 1)
    return sums and node.facts.macs == elements(node.inputs[0].output) * elements(node.output)
