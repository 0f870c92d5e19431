"""`fit`: the largest batch that a budget of memory holds, what fills it, and what would make room.

Every answer is a run of the eager model. The peak grows with the batch, so the largest that fits is found by bisection;
the first guess follows the lines that each operator's live bytes draw through two small batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import Diagnostic, DocumentError
from cnncalc.eager import Setup, Timeline, timeline
from cnncalc.graph import Network, Node, Value
from cnncalc.passes.segments import blocks, segments

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
LARGEST_BATCH = 1 << 20  # where looking for a larger one ends
MOST_TRIES = 12  # of layers taken back from being in place


@dataclass(slots=True)
class Measure:
    """Something that makes room: what it is, the option that asks for it, and the largest batch that then fits.

    `peak` is what the batch that fits without it then takes; `recomputed` are the multiply-accumulates an image that
    run a second time, for checkpointing.
    """

    name: str
    option: str
    batch: int
    peak: int
    recomputed: int


@dataclass(slots=True)
class Fit:
    """The largest batch that fits (0 where not even one image does), its peak, and the next larger one's.

    `categories` are of the peak of the batch that fits, or of one image; `checkpointed` is what `auto` chose, with the
    multiply-accumulates an image that it computes twice. `limited` says that larger batches would fit but were not
    tried.
    """

    schema_version: int
    name: str
    source: str
    budget: int
    training: bool
    optimizer: str
    dtype: str
    device: str
    amp: str
    checkpointed: list[str]
    recomputed: int
    batch: int
    limited: bool
    peak: int
    next_peak: int
    layer: str
    phase: str
    operator: str
    categories: dict[str, int]
    measures: list[Measure]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fit(network: Network, budget: int, setup: Setup | None = None) -> Fit:
    """The largest batch of `network` that takes at most `budget` bytes when run as `setup` says, but for its batch.

    Raises `DocumentError` where torch would refuse to run the network with any batch.
    """
    with collection_paused():
        return _fit(network, budget, setup or Setup())


def _fit(network: Network, budget: int, setup: Setup) -> Fit:
    if setup.checkpointed == ("auto",):
        setup = _with_fewest_blocks(network, budget, setup)
    batch = largest_batch(network, budget, setup)
    shown = max(batch, _least_batch(network, setup))
    run = _run(network, setup, shown)
    where = run.events[run.peak] if run.peak >= 0 else None
    following = peak(network, setup, batch + 1 if batch else shown)
    return Fit(
        schema_version=SCHEMA_VERSION,
        name=network.name,
        source=network.source,
        budget=budget,
        training=setup.training,
        optimizer=setup.optimizer,
        dtype=setup.dtype,
        device=setup.device,
        amp=setup.amp,
        checkpointed=list(setup.checkpointed),
        recomputed=recomputed(network, setup.checkpointed) if setup.training else 0,
        batch=batch,
        limited=batch >= LARGEST_BATCH,
        peak=run.bytes,
        next_peak=following,
        layer=where.layer if where else "",
        phase=where.phase if where else "",
        operator=where.operator if where else "",
        categories=run.categories(run.peak) if where else {},
        measures=_measures(network, budget, setup, run),
    )


# The largest batch ----------------------------------------------------------------------------------------------------


def peak(network: Network, setup: Setup, batch: int) -> int:
    """The most bytes alive at once with that batch."""
    return _run(network, setup, batch).bytes


def _run(network: Network, setup: Setup, batch: int) -> Timeline:
    """One prediction or one steady step: no step holds more than one that finds the optimizer's state in place."""
    return timeline(network, replace(setup, batch=batch, steps=1, steady=True))


def largest_batch(network: Network, budget: int, setup: Setup) -> int:
    """The largest batch, up to `LARGEST_BATCH`, whose peak is within the budget; 0 where there is none."""
    known: dict[int, int] = {}

    def fits(batch: int) -> bool:
        if batch not in known:
            known[batch] = peak(network, setup, batch)
        return known[batch] <= budget

    runs = [_run(network, setup, batch) for batch in (2, 3)]
    known.update({run.setup.batch: run.bytes for run in runs})
    if not fits(2):
        return 1 if _least_batch(network, setup) == 1 and fits(1) else 0
    low, high = 2, LARGEST_BATCH + 1  # low fits, high does not (or is not tried)
    guess = _along_lines(runs, budget)
    while high - low > 1:
        guess = min(max(guess, low + 1), high - 1)
        if fits(guess):
            low, guess = guess, guess + 1  # as a rule the next one does not fit
        else:
            high, guess = guess, (low + guess) // 2
    return low


def _along_lines(runs: Sequence[Timeline], budget: int) -> int:
    """The largest batch by the lines that each operator's live bytes draw through two batches."""
    few, more = runs
    if len(few.events) != len(more.events):
        return 4
    most = LARGEST_BATCH
    for one, two in zip(few.events, more.events, strict=True):
        step = two.live - one.live
        if step > 0:
            most = min(most, few.setup.batch + (budget - one.live) // step)
    return most


def _least_batch(network: Network, setup: Setup) -> int:
    """1, or 2 where batch norm cannot train on one image."""
    try:
        peak(network, setup, 1)
    except DocumentError:
        peak(network, setup, 2)
        return 2
    return 1


# What makes room ------------------------------------------------------------------------------------------------------


def _measures(network: Network, budget: int, setup: Setup, run: Timeline) -> list[Measure]:
    """What could be changed and lowers the peak of a run, what helps most first; each priced by running the model."""
    found = []
    for name, option, changed, other in _candidates(network, setup):
        try:
            batch = largest_batch(changed, budget, other)
            now = peak(changed, other, run.setup.batch)
        except DocumentError:
            continue  # torch would refuse it
        again = recomputed(network, other.checkpointed) - recomputed(network, setup.checkpointed)
        found.append(Measure(name, option, batch, now, again))
    helpful = [measure for measure in found if measure.peak < run.bytes]
    return sorted(helpful, key=lambda measure: (-measure.batch, measure.peak, measure.recomputed))


def _candidates(network: Network, setup: Setup) -> list[tuple[str, str, Network, Setup]]:
    """(what, option, network, setup) of each change that is not made yet."""
    candidates: list[tuple[str, str, Network, Setup]] = []
    in_place = with_activations_in_place(network, setup)
    if in_place is not None:
        candidates.append(("activations in place", "inplace: true", in_place, setup))
    if setup.dtype == "float32" and not setup.amp and setup.training:
        candidates.append(("autocast to bfloat16", "--amp bfloat16", network, replace(setup, amp="bfloat16")))
    if setup.dtype == "float32" and not setup.amp:
        candidates.append(("everything in bfloat16", "--dtype bfloat16", network, replace(setup, dtype="bfloat16")))
    if not setup.training:
        return candidates
    if setup.optimizer != "sgd" and setup.optimizer:
        candidates.append(("SGD without momentum", "--optimizer sgd", network, replace(setup, optimizer="sgd")))
    frozen = _all_but_the_last(network)
    if frozen and not setup.frozen:
        options = " ".join(f"--freeze '{pattern}'" for pattern in frozen)
        candidates.append(("training the last layer only", options, network, replace(setup, frozen=frozen)))
    if not setup.checkpointed:
        for names in _ways_to_checkpoint(network):
            title = f"checkpointing {names[0]}" if len(names) == 1 else f"checkpointing {len(names)} blocks"
            option = f"--checkpoint '{','.join(_patterns(network, names))}'"
            candidates.append((title, option, network, replace(setup, checkpointed=names)))
    return candidates


def with_activations_in_place(network: Network, setup: Setup) -> Network | None:
    """The network with every layer in place that can be, or None where none more can.

    A layer that torch refuses in place, another one needing what it writes over, is left as it is.
    """
    chosen = {
        node
        for node in network.nodes
        if "inplace" in type(node.layer).fields
        and len(node.inputs) == 1
        and not node.layer.shares_input
        and isinstance(node.inputs[0], Node)
    }
    readers: dict[Value, int] = {}
    for node in network.nodes:
        for value in node.inputs:
            readers[value] = readers.get(value, 0) + 1
    chosen = {node for node in chosen if readers[node.inputs[0]] == 1 and node.inputs[0] not in network.outputs}
    for _ in range(MOST_TRIES):
        if not chosen:
            return None
        changed = _in_place(network, chosen)
        try:
            peak(changed, setup, _least_batch(network, setup))
        except DocumentError as refusal:
            needing = refusal.diagnostics[0].message
            blamed = {node for node in chosen if any(f"`{value.name}`" in needing for value in (node, *node.inputs))}
            if not blamed:
                return None
            chosen -= blamed
        else:
            return changed
    return None


def _in_place(network: Network, chosen: set[Node]) -> Network:
    made: dict[Value, Value] = {value: value for value in network.inputs}
    nodes: dict[Node, Node] = {}
    for node in network.nodes:
        layer = node.layer
        if node in chosen:
            kind = type(layer)
            fields = {name: getattr(layer, name) for name in kind.fields}
            layer = kind(**{**fields, "inplace": True})
        inputs = tuple(made[value] for value in node.inputs)
        shared = None if node.shared is None else nodes[node.shared]
        made[node] = nodes[node] = replace(node, layer=layer, inputs=inputs, shared=shared)
    return replace(network, nodes=tuple(nodes.values()), outputs=tuple(made[value] for value in network.outputs))


def _all_but_the_last(network: Network) -> tuple[str, ...]:
    """Patterns for the parameters of every layer but the last that has any."""
    owners = [node.name for node in network.nodes if node.facts.weights + node.facts.biases]
    patterns = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in owners[:-1])
    return () if any(f"{owners[-1]}.".startswith(pattern[:-1]) for pattern in patterns) else tuple(patterns)


# Checkpointing --------------------------------------------------------------------------------------------------------


def recomputed(network: Network, names: Sequence[str]) -> int:
    """Multiply-accumulates an image that run a second time where these blocks are checkpointed."""
    return sum(node.facts.macs for segment in segments(network, names) for node in segment.nodes)


def _ways_to_checkpoint(network: Network) -> list[tuple[str, ...]]:
    """All outermost blocks together, the blocks right inside them, and the dearest outermost block by itself."""
    levels = [names for depth in (1, 2) if (names := _blocks_at(network, depth))]
    return list(dict.fromkeys(levels))


def _blocks_at(network: Network, depth: int) -> tuple[str, ...]:
    """The blocks of that depth whose layers run one after another."""
    names = [name for name in blocks(network) if name.count(".") == depth - 1]
    runs = [name for name, _ in groupby([".".join(node.name.split(".")[:depth]) for node in network.nodes])]
    return tuple([name for name in names if runs.count(name) == 1])


def _patterns(network: Network, names: Sequence[str]) -> list[str]:
    """The same blocks in fewer words: `stage1.*` where every part of `stage1` is among them."""
    parts: dict[str, set[str]] = {}
    for node in network.nodes:
        dotted = node.name.split(".")
        for end in range(1, len(dotted)):
            parts.setdefault(".".join(dotted[:end]), set()).add(".".join(dotted[: end + 1]))
    whole = {name for name, inside in parts.items() if inside <= set(names)}
    above = {name: name.rpartition(".")[0] for name in names}
    return list(dict.fromkeys([f"{above[name]}.*" if above[name] in whole else name for name in names]))


def _with_fewest_blocks(network: Network, budget: int, setup: Setup) -> Setup:
    """The setup with blocks checkpointed so that the budget holds the largest batch, at little recomputation.

    Starts from the level of blocks that fits the largest batch and takes blocks back, the dearest to recompute first,
    as long as that batch still fits.
    """
    plain = replace(setup, checkpointed=())
    ways = _ways_to_checkpoint(network)
    if not ways:
        raise DocumentError(
            Diagnostic("nothing-to-checkpoint", "the network has no blocks to checkpoint", help="name a layer instead")
        )
    batches = {names: largest_batch(network, budget, replace(plain, checkpointed=names)) for names in ways}
    best = max(ways, key=batches.__getitem__)
    batch = batches[best]
    if batch == 0 or batch <= largest_batch(network, budget, plain):
        return plain
    chosen = list(best)
    for name in sorted(best, key=lambda name: -recomputed(network, [name])):
        fewer = tuple(other for other in chosen if other != name)
        if peak(network, replace(plain, checkpointed=fewer), batch) <= budget:
            chosen.remove(name)
    return replace(plain, checkpointed=tuple(chosen))


# JSON -----------------------------------------------------------------------------------------------------------------


def to_json(found: Fit, indent: int | None = 2) -> str:
    text: str = _adapter().dump_json(found, indent=indent).decode()
    return text


def _adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Fit)
