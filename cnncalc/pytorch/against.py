"""`verify --against`: a document beside a real module, layer by layer, and what both make of the same images.

The module is captured, so that its layers stand in a row as the document's do. They are aligned by what they make and
by what they hold, so that one layer too many is said as that, and not as a difference of all that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from cnncalc.graph import Network, Node
from cnncalc.language.expressions import value_text
from cnncalc.pytorch import references
from cnncalc.pytorch.build import TorchRefuses, build, layer_of
from cnncalc.pytorch.capture import Captured, captured
from cnncalc.pytorch.capture.operators import short
from cnncalc.pytorch.verify import (
    DTYPES,
    SCHEMA_VERSION,
    Comparison,
    LayerVerification,
    Progress,
    Verification,
    check_options,
    chosen,
    is_out_of_memory,
    out_of_memory,
    place_of,
    refusal,
    same,
)
from cnncalc.shapes import Shape

TOLERANCE = 1e-5  # of the largest value
MOST_NAMED = 5

_NOTHING = ("identity", "flatten", "reshape", "dropout", "drop_path")  # the same values in prediction
_UNSEEN = (
    "momentum",
    "inplace",
    "activation",
    "bias",
    "affine",
    "elementwise_affine",
)  # no other values, or said anyway


class Step(NamedTuple):
    """What a layer does, by itself or, for the second of two, as the activation that it applies to its output."""

    node: Node
    kind: str
    output: Shape
    parameters: tuple[Shape, ...]
    macs: int

    @property
    def fields(self) -> dict[str, Any]:
        """What decides the values that it makes."""
        if self.kind != self.node.layer.kind:
            return {}
        return {name: value for name, value in self.node.layer.values().items() if name not in _UNSEEN}

    @property
    def key(self) -> tuple[Shape, tuple[Shape, ...]]:
        return self.output, self.parameters


def steps(network: Network) -> list[Step]:
    """The layers in order, without those that only pass values on; a fused activation is a step of its own."""
    found = []
    for node in network.nodes:
        kind = node.layer.kind
        if kind in _NOTHING or (kind.startswith("adaptive") and (node.output,) == node.input_shapes):
            continue
        trained = sorted([one.shape for one in node.facts.parameters if one.role in ("weight", "bias")])
        found.append(Step(node, kind, node.output, tuple(trained), node.facts.macs))
        activation = getattr(node.layer, "activation", None)
        if activation is not None:
            found.append(Step(node, activation, node.output, (), 0))
    return found


Pairs = list[tuple[list[Step], list[Step]]]


def aligned(ours: Sequence[Step], theirs: Sequence[Step]) -> Pairs:
    """Both sides in order: pairs of one step each, and between them what has no partner on either side."""
    found: Pairs = []
    matcher = SequenceMatcher(None, [step.key for step in ours], [step.key for step in theirs], autojunk=False)
    for _, first, end, other_first, other_end in matcher.get_opcodes():
        own, other = list(ours[first:end]), list(theirs[other_first:other_end])
        if len(own) == len(other):
            found += [([a], [b]) for a, b in zip(own, other, strict=True)]
        else:
            found.append((own, other))
    return found


def verify_against(
    network: Network,
    reference: str,
    device: str = "cpu",
    batch: int = 2,
    dtype: str = "float32",
    seed: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Compare a network with the module that `reference` names, in prediction.

    Layers are compared in order by output shape, parameters' shapes and MACs; in total, parameters and MACs are torch's
    own of the module. Then the network, built in torch with the module's weights copied over, is given the same random
    images as the module: outputs have to be equal to TOLERANCE of their largest value. What training would change
    (weights of 1, biases of 0, statistics) is drawn at random first, since equal values would hide a mix-up. On `meta`
    nothing runs. Raises `DocumentError` where the module cannot be made or run.
    """
    device = chosen(device)
    check_options(batch, dtype)
    report = progress or (lambda doing, done, of: None)
    module, name = references.made(reference)
    with references.running(reference), torch.random.fork_rng():
        torch.manual_seed(seed)
        module = module.to(device=device, dtype=DTYPES[dtype])
        if not isinstance(module, fx.GraphModule):  # a saved program is in the mode that it was exported in
            module.eval()
        images = [torch.rand(batch, *value.output, device=device, dtype=DTYPES[dtype]) for value in network.inputs]
        _vary(module)
        report("capture", 0, 2)
        theirs = captured(module, images, name=name, source=reference)
        macs = _macs(module, images)
    layers = {node: LayerVerification(node.name, node.layer.kind, place_of(node)) for node in network.nodes}
    pairs = aligned(steps(network), steps(theirs.network))
    totals = _compare(pairs, layers)
    facts = [node.facts for node in network]
    totals.append(same("parameters in all", sum(of.weights + of.biases for of in facts), _parameters(module, theirs)))
    totals.append(same("MACs in all", sum(of.macs for of in facts) * batch, macs))
    if device != "meta" and all(one.agrees for one in totals) and _agree(layers.values()):
        report("outputs", 1, 2)
        try:
            for at, comparison in _outputs(network, theirs, module, images, pairs):
                (totals if at is None else layers[at].comparisons).append(comparison)
        except TorchRefuses as refused:
            layers[refused.node].comparisons.append(refusal(refused, batch))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise out_of_memory(device, batch, "use a smaller batch, or `meta` for shapes and counts alone") from None
    return Verification(
        SCHEMA_VERSION,
        network.name,
        network.source,
        torch.__version__,
        device,
        dtype,
        batch,
        seed,
        [layer for layer in layers.values() if layer.comparisons],
        totals,
        against=reference,
    )


def _agree(layers: Any) -> bool:
    return all(comparison.agrees for layer in layers for comparison in layer.comparisons)


def _macs(module: nn.Module, images: Sequence[Tensor]) -> int:
    """The MACs of a batch as torch's counter has them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*images)
    flops: int = counter.get_total_flops()
    return flops // 2


def _parameters(module: nn.Module, theirs: Captured) -> int:
    """Those that the module reads in prediction, each tensor once."""
    there = dict(module.named_parameters(remove_duplicate=False))
    read = {there[name] for names in theirs.held.values() for name in names if name in there}
    return sum(parameter.numel() for parameter in read)


def _vary(module: nn.Module) -> None:
    """Draw anew what has one value everywhere: weights of norms, biases, running statistics, factors."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point() and tensor.numel() > 1 and not tensor.is_meta:
            with torch.no_grad():
                if bool((tensor == tensor.flatten()[0]).all()):
                    tensor.uniform_(0.5, 1.5)


# Layers ---------------------------------------------------------------------------------------------------------------


def _compare(pairs: Pairs, layers: Mapping[Node, LayerVerification]) -> list[Comparison]:
    """Compare partners; what has none is said at the layer itself, or at the one before it."""
    before: Node | None = None
    totals: list[Comparison] = []
    for ours, theirs in pairs:
        if len(ours) == len(theirs) == 1:
            (own,), (other,) = ours, theirs
            note = f"`{other.node.name}` ({other.kind}) of the module"
            layers[own.node].comparisons.extend(
                [
                    same("output shape", list(own.output), list(other.output), note),
                    same("parameters", _shapes(own), _shapes(other), note),
                    same("MACs", own.macs, other.macs, note),
                ]
            )
        else:
            different = Comparison("sequence", _named(ours), _named(theirs), False)
            at = ours[0].node if ours else before
            (layers[at].comparisons if at is not None else totals).append(different)
        before = ours[-1].node if ours else before
    return totals


def _shapes(step: Step) -> str:
    return ", ".join([str(list(shape)) for shape in step.parameters]) or "none"


def _named(unmatched: Sequence[Step]) -> str:
    """Steps that have no partner: `conv2` (conv) [64, 8, 8]."""
    told = [f"`{step.node.name}` ({step.kind}) {list(step.output)}" for step in unmatched[:MOST_NAMED]]
    more = len(unmatched) - MOST_NAMED
    return (", ".join(told) or "nothing") + (f" and {more:,} more" if more > 0 else "")


# Values ---------------------------------------------------------------------------------------------------------------


def _outputs(
    network: Network, theirs: Captured, module: nn.Module, images: Sequence[Tensor], pairs: Pairs
) -> Iterator[tuple[Node | None, Comparison]]:
    """What both make of the images, the module's weights in both; where it differs, at the layers that may be why."""
    built = build(network, images[0].device, images[0].dtype).eval()
    both = [(ours[0], theirs[0]) for ours, theirs in pairs]
    state = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    with torch.no_grad():
        for own, other in both:
            tensors = {name: state[name] for name in theirs.held[other.node]}
            if other.node in theirs.turned:
                tensors = {name: tensor.t() if tensor.dim() == 2 else tensor for name, tensor in tensors.items()}
            _copy(tensors, layer_of(built, own.node.name))
        wanted = [leaf for leaf in pytree.tree_leaves(module(*images)) if isinstance(leaf, Tensor)]
        result = built(*images)
        results = list(result) if isinstance(result, tuple) else [result]
        shapes = [[list(one.shape) for one in outputs] for outputs in (results, wanted)]
        outputs = same("outputs", *[", ".join(map(str, each)) for each in shapes])
        yield None, outputs
        if not outputs.agrees:
            return
        found = [_difference(a, b) for a, b in zip(results, wanted, strict=True)]
        first: Step | None = None
        note = ""
        if max(found, default=0) > TOLERANCE:
            yield from _otherwise(both)
            begins = _first_difference(built, module, both, images)
            if begins is not None:
                first, other = begins
                note = f"it is the first layer whose output differs from that of a module (`{other.node.name}`)"
    equal = f"at most {TOLERANCE:g} of the largest value"
    for difference in found:
        told = equal if difference <= TOLERANCE else f"{difference:.1e} of it"
        at = first.node if first is not None and told != equal else None
        yield at, same("difference of the outputs", equal, told, note if at is not None else "")


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, as a part of the largest value; infinite where there is no number."""
    difference = float((one - other).abs().max() / other.abs().max().clamp(min=torch.finfo(other.dtype).tiny))
    return difference if difference == difference else float("inf")


def _copy(tensors: Mapping[str, Tensor], layer: nn.Module) -> None:
    """Give a layer the values of tensors: of the same last name where it has such, or else of the same shape."""
    left = dict(tensors)
    for own, target in [*layer.named_parameters(), *layer.named_buffers()]:
        fitting = [name for name, tensor in left.items() if tensor.shape == target.shape]
        for name in sorted(fitting, key=lambda name: name.rpartition(".")[2] != own)[:1]:
            target.copy_(left.pop(name))


def _first_difference(
    built: nn.Module, module: nn.Module, both: Sequence[tuple[Step, Step]], images: Sequence[Tensor]
) -> tuple[Step, Step] | None:
    """The first layer that makes something else, of those whose partner is a module that is called once."""
    there = {name: one for name, one in module.named_modules() if not list(one.children())}
    last = {own.node.name: (own, other) for own, other in both}
    compared = {name: pair for name, pair in last.items() if pair[1].node.name in there}
    theirs = _values(module, {pair[1].node.name: there[pair[1].node.name] for pair in compared.values()}, images)
    ours = _values(built, {name: layer_of(built, name) for name in compared}, images)
    for name, (own, other) in compared.items():
        one, another = ours[name], theirs[other.node.name]
        if len(one) == len(another) == 1 and _difference(one[0], another[0]) > TOLERANCE:
            return own, other
    return None


def _values(module: nn.Module, layers: Mapping[str, nn.Module], images: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """What each of some layers makes of the images, at every call."""
    made: dict[str, list[Tensor]] = {name: [] for name in layers}

    def keep(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: made[name].append(output.clone())

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(keep(name)).remove)
        module(*images)
    return made


def _otherwise(both: Sequence[tuple[Step, Step]]) -> Iterator[tuple[Node, Comparison]]:
    """Layers that are another kind, or have other fields, than their partners: the first few of them."""
    told = 0
    for own, other in both:
        fields, others = [
            {"kind": step.kind, **{name: value_text(_short(value)) for name, value in step.fields.items()}}
            for step in (own, other)
        ]
        names = ["kind"] if own.kind != other.kind else [name for name in fields if fields[name] != others[name]]
        for name in names:
            yield own.node, same(name, fields[name], others[name], f"`{other.node.name}` of the module")
        told += bool(names)
        if told == MOST_NAMED:
            return


def _short(value: Any) -> Any:
    """One size for all dimensions where they are the same."""
    return short([_short(size) for size in value]) if isinstance(value, tuple) else value
