"""Layers that are written as several operators are put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnncalc.graph import Node, Value
from cnncalc.layers import Kind
from cnncalc.layers.norm import LayerNorm
from cnncalc.layers.reshape import ChannelShuffle, Flatten, Permute, Reshape, SpaceToDepth
from cnncalc.layers.unknown import Unknown
from cnncalc.pytorch.capture.walk import Made


def channel_shuffle(split: Node, turn: Kind, joined: Node, start: Value) -> Kind | None:
    """[C] as [g, C/g], turned and put together again."""
    if not (_is_view(split) and isinstance(turn, Permute) and _is_view(joined)):
        return None
    channels, *sizes = start.output
    groups, each, *rest = *split.output, 0
    if rest[:-1] != sizes or groups * each != channels or joined.output != start.output:
        return None
    return ChannelShuffle(groups=groups) if turn.dims == (1, 0, *range(2, len(split.output))) else None


def space_to_depth(split: Node, turn: Kind, joined: Node, start: Value) -> Kind | None:
    """[C, H, W] as [C, H/b, b, W/b, b], the blocks' positions turned to the channels, in whatever order."""
    if not (_is_view(split) and isinstance(turn, Permute) and _is_view(joined)) or len(start.output) != 3:
        return None
    channels, height, width = start.output
    block = split.output[2] if len(split.output) == 5 else 0
    if not block or split.output != (channels, height // block, block, width // block, block):
        return None
    fits = turn.dims[3:] == (1, 3) and joined.output == (channels * block**2, height // block, width // block)
    return SpaceToDepth(block_size=block) if fits else None


def layer_norm(first: Node, norm: Kind, last: Node, start: Value) -> Kind | None:
    """A layer norm along the last dimension between a turn to channels last and one back."""
    turn, back = first.layer, last.layer
    if not (isinstance(turn, Permute) and isinstance(norm, LayerNorm) and isinstance(back, Permute)):
        return None
    rank = len(start.output)
    there, again = (*range(1, rank), 0), (rank - 1, *range(rank - 1))
    if rank < 2 or norm.axes != "last" or turn.dims != there or back.dims != again:
        return None
    return LayerNorm(**{**norm.values(), "axes": "channels"})


def _is_view(node: Node) -> bool:
    """Whether a node is its input in another shape, one of more dimensions than a document can say included."""
    if isinstance(node.layer, Unknown):
        return node.layer.operator in ("aten.view", "aten.reshape")
    return isinstance(node.layer, (Reshape, Flatten))


Fold = Callable[[Node, Kind, Node, Value], Kind | None]
OF_THREE: tuple[Fold, ...] = (channel_shuffle, space_to_depth, layer_norm)


def folded(nodes: Sequence[Node], made: dict[Node, Made], outputs: Sequence[Value]) -> list[Node]:
    """The nodes with those that are one layer in one; the last of them stands for all."""
    readers: dict[Value, int] = {}
    for value in [value for node in nodes for value in node.inputs] + list(outputs):
        readers[value] = readers.get(value, 0) + 1
    gone: set[Node] = set()
    for last in nodes:
        chain = _chain(last, readers)
        if chain is None:
            continue
        first, middle = chain
        start = first.inputs[0]
        if made[first].stack[-1:] != made[last].stack[-1:]:
            continue  # written by different modules
        for fold in OF_THREE:
            kind = fold(first, middle.layer, last, start)
            if kind is not None:
                own = [one for one in (first, middle, last) if one.facts.parameters or one.shared]
                facts = kind.facts((start.output,))
                if own:
                    facts = facts.holding(own[0].facts.parameters)
                    last.shared, last.functional = own[0].shared, own[0].functional
                made[last] = Made(made[last].stack, made[(own or [last])[0]].origins)
                last.layer, last.inputs, last.facts = kind, (start,), facts
                gone |= {first, middle}
                break
    return [node for node in nodes if node not in gone]


def _chain(last: Node, readers: dict[Value, int]) -> tuple[Node, Node] | None:
    """The two nodes before, where each is read by the next alone."""
    middle = last.inputs[0] if len(last.inputs) == 1 else None
    if not isinstance(middle, Node) or readers[middle] != 1 or len(middle.inputs) != 1:
        return None
    first = middle.inputs[0]
    if not isinstance(first, Node) or readers[first] != 1 or len(first.inputs) != 1:
        return None
    return first, middle
