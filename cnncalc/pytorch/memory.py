"""`verify --memory`: what the eager model says is live in memory beside what torch holds, operator by operator.

The model (`cnncalc.eager`) runs no torch, and what runs here knows none of its rules: the network is built by `build`
and run as anyone would run it, and torch's own profiler tells of every byte. On CPU both sides name the same operators
and the same bytes after each, or one of them is wrong. On CUDA the most that is live as an operator returns has to be
the same in each step; the workspaces of torch's libraries, which come and go inside operators, are told beside it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.autograd.profiler import profile, record_function
from torch.nn.functional import cross_entropy

from cnncalc.collection import collection_paused
from cnncalc.diagnostics import DocumentError
from cnncalc.eager import Event, Setup, Timeline, timeline
from cnncalc.graph import Network
from cnncalc.pytorch.build import TorchRefuses, build, layer_of
from cnncalc.pytorch.verify import (
    DTYPES,
    REFUSED,
    SCHEMA_VERSION,
    Answer,
    Comparison,
    LayerVerification,
    Progress,
    Verification,
    chosen,
    is_out_of_memory,
    out_of_memory,
    place_of,
    same,
    unusable,
)

Run = Callable[[], None]

LEARNING_RATE = 1e-9  # small enough for parameters to stay what they are; no byte depends on it
MOMENTUM = 0.9
WEIGHT_DECAY = 0.01
AUXILIARY = 0.4  # the weight of the losses at every output but the first

# The instrument -------------------------------------------------------------------------------------------------------


class Boundary(NamedTuple):
    """An operator's end, and the bytes that are live then."""

    operator: str
    live: int


def boundaries(run: Run, at_rest: int = 0) -> list[Boundary]:
    """Run something on CPU, and return every operator that torch ran with the bytes that were live as it returned.

    `at_rest` is what is live already. An operator is what torch's dispatcher runs as one kernel: of operators inside
    one another the outermost that is no mere composition. Its inputs and outputs are seen, and what it allocates and
    frees on its way is not. The profiler watches allocations and operators and takes part in neither. A
    `TorchDispatchMode` must not be used for this (torch's MemTracker is one): while one is active autograd takes every
    tensor for a subclass and adds gradients out of place instead of in place, so that peaks are larger than without it.
    """
    return boundaries_of([run], at_rest)[0]


def boundaries_of(runs: Sequence[Run], at_rest: int = 0, device: str = "cpu") -> list[list[Boundary]]:
    """`boundaries` of several things that run one after another, each finding what those before it left.

    On CUDA bytes are those of the allocator's blocks there; what is on the CPU meanwhile is not counted.
    """
    with _quiet(), collection_paused():  # garbage from elsewhere is not freed on the way
        try:
            options = torch._C._profiler._ExperimentalConfig(capture_overload_names=True)
        except TypeError:
            what = f"torch {torch.__version__} cannot measure memory operator by operator"
            raise unusable("torch-too-old", what, "install torch 2.7 or later") from None
        with profile(profile_memory=True, use_kineto=True, experimental_config=options) as profiler:
            for number, run in enumerate(runs):
                with record_function(_MARK + str(number)):
                    run()
        recorded: Any = profiler.kineto_results
        return _sorted_out(recorded.events(), len(runs), at_rest, device.upper())


_MARK = "cnncalc run "


def _sorted_out(events: Sequence[Any], runs: int, at_rest: int, device: str) -> list[list[Boundary]]:
    """Boundaries of the profiler's events, which come in no order; `device` is "CPU" or "CUDA"."""
    changes: list[tuple[int, int]] = []  # when, how many bytes more
    operators: list[tuple[int, int, str, str]] = []  # start, minus end, name, name with overload
    ends = [0] * runs
    for event in events:
        name = event.name()
        if name == "[memory]":
            if event.device_type().name == device:
                changes.append((event.start_ns(), event.nbytes()))
        elif name.startswith("aten::"):
            overload = event.overload_name()
            full = f"{name}.{overload}" if overload else name
            operators.append((event.start_ns(), -event.end_ns(), name.removeprefix("aten::"), full))
        elif name.startswith(_MARK):
            ends[int(name.removeprefix(_MARK))] = event.end_ns()
    changes.sort(key=lambda change: change[0])
    operators.sort()
    found: list[list[Boundary]] = [[] for _ in range(runs)]
    live, done, number, outermost = at_rest, 0, 0, 0
    for start, minus_end, name, full in operators:
        if start < outermost or not _is_one_kernel(full, device):
            continue
        outermost = -minus_end
        while done < len(changes) and changes[done][0] <= outermost:
            live += changes[done][1]
            done += 1
        while ends[number] < outermost:
            number += 1
        found[number].append(Boundary(name, live))
    return found


@cache
def _is_one_kernel(operator: str, device: str) -> bool:
    """Whether the dispatcher runs an operator (`aten::add.Tensor`) itself; else it is written in terms of others."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    try:
        return has_kernel(operator, device) or not has_kernel(operator, "CompositeImplicitAutograd")
    except RuntimeError:  # no operator of that name is registered
        return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines that the profiler's library (kineto) writes to standard error as it starts and stops."""
    name, level = "KINETO_LOG_LEVEL", "99"  # read once, at the first start of a profiler
    before = os.environ.get(name)
    os.environ.setdefault(name, level)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


# Running --------------------------------------------------------------------------------------------------------------


class _Ready:
    """A network in torch as a setup asks for it, with its images and classes, ready to run."""

    def __init__(self, network: Network, setup: Setup) -> None:
        self.network, self.setup = network, setup
        dtype, device = DTYPES[setup.dtype], setup.device
        checkpointed = setup.checkpointed if setup.training else ()
        self.module = build(network, device, dtype, checkpointed).train(setup.training)
        self.inputs = [torch.rand(setup.batch, *value.output, dtype=dtype, device=device) for value in network.inputs]
        self.targets: dict[tuple[int, ...], Tensor] = {}
        if setup.training and setup.loss == "cross_entropy":
            for value in network.outputs:
                places = (setup.batch, *value.output[1:])
                self.targets.setdefault(places, torch.zeros(places, dtype=torch.int64, device=device))
        self.optimizer: torch.optim.Optimizer | None = None
        if setup.training:
            self._freeze()
            self.optimizer = self._optimizer()

    def _freeze(self) -> None:
        for node in self.network.nodes:
            for name, parameter in layer_of(self.module, node.name).named_parameters():
                if any(fnmatchcase(f"{node.name}.{name}", pattern) for pattern in self.setup.frozen):
                    parameter.requires_grad_(False)

    def _optimizer(self) -> torch.optim.Optimizer | None:
        parameters, name = list(self.module.parameters()), self.setup.optimizer
        decay = WEIGHT_DECAY if self.setup.weight_decay else 0.0
        if not parameters or not name:
            return None
        if name == "adam":
            return torch.optim.Adam(parameters, LEARNING_RATE, weight_decay=decay)
        if name == "adamw":
            return torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=decay)
        return torch.optim.SGD(parameters, LEARNING_RATE, MOMENTUM if name == "momentum" else 0.0, weight_decay=decay)

    @property
    def there(self) -> list[Tensor]:
        """What is live from the start: parameters, buffers, images, classes."""
        module = self.module
        return [*module.parameters(), *module.buffers(), *self.inputs, *self.targets.values()]

    @property
    def at_rest(self) -> int:
        return sum(tensor.untyped_storage().nbytes() for tensor in self.there)

    # What runs

    def runs(self) -> list[Run]:
        """The steps of training, or the one prediction."""
        return [self.step] * self.setup.steps if self.setup.training else [self.predict]

    def predict(self) -> None:
        with torch.no_grad(), self._autocast():
            self.outputs()

    def step(self) -> None:
        """One step of training; the outputs and the loss go as it returns."""
        self.module.zero_grad(set_to_none=True)
        with self._autocast():
            outputs = self.outputs()
            ends = [self.loss(outputs)] if self.targets else list(outputs)
        ends = [end for end in ends if end.requires_grad]
        if ends:
            torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        if self.optimizer is not None:
            self.optimizer.step()

    def outputs(self) -> tuple[Tensor, ...]:
        """Of the same images each time, without the history of what a layer wrote over them."""
        outputs = self.module(*[images.data for images in self.inputs])
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def loss(self, outputs: Sequence[Tensor]) -> Tensor:
        """Cross-entropy of the first output and 0.4 of that of each other."""
        first, *others = outputs
        total = self._cross_entropy(first)
        for output in others:
            total = total + AUXILIARY * self._cross_entropy(output)
        return total

    def _cross_entropy(self, output: Tensor) -> Tensor:
        return cross_entropy(output, self.targets[(output.shape[0], *output.shape[2:])])

    def _autocast(self) -> AbstractContextManager[Any]:
        if not self.setup.amp:
            return nullcontext()
        return torch.autocast(self.setup.device, DTYPES[self.setup.amp])

    # What is kept

    def kept(self) -> dict[str, int]:
        """Bytes of the storages that each layer is the first to keep for backward; "" is the loss.

        What is there from the start is not counted. torch does not show the Python numbers that it keeps.
        """
        layer = ""
        seen = {storage._cdata: storage for storage in (tensor.untyped_storage() for tensor in self.there)}
        kept: dict[str, int] = {}

        def keep(tensor: Tensor) -> None:
            storage = tensor.untyped_storage()
            if storage._cdata not in seen:
                seen[storage._cdata] = storage  # held until the end, lest another takes its address
                kept[layer] = kept.get(layer, 0) + storage.nbytes()

        def begins(name: str) -> Callable[[nn.Module, Any], None]:
            def begin(module: nn.Module, inputs: Any) -> None:
                nonlocal layer
                layer = name

            return begin

        with ExitStack() as hooks:
            for node in self.network.nodes:
                hooks.callback(layer_of(self.module, node.name).register_forward_pre_hook(begins(node.name)).remove)
            hooks.enter_context(saved_tensors_hooks(keep, _never_read))
            with self._autocast():
                outputs = self.outputs()
                layer = ""
                if self.targets:
                    self.loss(outputs)
        return kept


def _never_read(kept: Any) -> Tensor:
    raise AssertionError("no backward pass runs here")


class Refusal(Exception):
    """One side does not run this; the message is its reason."""


@contextmanager
def _refusals() -> Iterator[None]:
    """torch's errors as `Refusal`, but for that of memory that does not suffice."""
    try:
        yield
    except TorchRefuses as refusal:
        raise Refusal(f"`{refusal.node.name}`: {refusal.reason}") from refusal
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        raise Refusal(str(error).split("\n")[0]) from error


# Measuring ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """What torch says of a run: bytes at rest, each step's boundaries, and on CPU what is kept.

    On CUDA `allocated` are the peaks of its allocator, with what operators take and give back inside themselves.
    """

    at_rest: int
    steps: list[list[Boundary]]
    kept: dict[str, int]
    allocated: list[int]

    @property
    def peaks(self) -> list[int]:
        """The most that is live at the end of an operator, in each step."""
        return [max([boundary.live for boundary in step], default=self.at_rest) for step in self.steps]


def measured(network: Network, setup: Setup) -> Measured:
    """Build a network in torch and run it as a setup says. Raises `Refusal` where torch refuses."""
    with _refusals():
        return (_on_cuda if setup.device == "cuda" else _on_cpu)(network, setup)


def _on_cpu(network: Network, setup: Setup) -> Measured:
    with _one_thread():
        ready = _Ready(network, setup)
        at_rest = ready.at_rest
        kept = ready.kept() if setup.training else {}
        steps = boundaries_of(ready.runs(), at_rest)
    return Measured(at_rest, steps, kept, [])


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch on one thread. The choice between oneDNN's convolution and torch's own looks at the number of threads
    (`use_mkldnn` in Convolution.cpp, for kernels of one pixel), and the two differ in what they return.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _on_cuda(network: Network, setup: Setup) -> Measured:
    """Bytes of the allocator's blocks, as the model has them. What was live before is not counted."""
    with _blocks_of_512():
        for run in _Ready(network, setup).runs():  # the workspaces that libraries keep are there from now on
            run()
        gc.collect()
        before = torch.cuda.memory_allocated()
        ready = _Ready(network, setup)
        at_rest = torch.cuda.memory_allocated() - before
        allocated: list[int] = []

        def watched(run: Run) -> Run:
            def watching() -> None:
                torch.cuda.reset_peak_memory_stats()
                run()
                torch.cuda.synchronize()
                allocated.append(torch.cuda.max_memory_allocated() - before)

            return watching

        steps = boundaries_of([watched(run) for run in ready.runs()], at_rest, "cuda")
    return Measured(at_rest, steps, {}, allocated)


@contextmanager
def _blocks_of_512() -> Iterator[None]:
    """The allocator hands out as many blocks of 512 bytes as are needed, of tensors of megabytes, too.

    Otherwise it does not cut off a rest of less than one, and what it then counts depends on what was there before.
    """
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    of_any_device = getattr(torch._C, "_accelerator_setAllocatorSettings", None)
    choose: Callable[[str], None] = of_any_device or torch.cuda.memory._set_allocator_settings
    choose("expandable_segments:True")
    try:
        yield
    finally:
        choose("expandable_segments:False")
        torch.cuda.empty_cache()


def modelled(network: Network, setup: Setup) -> Timeline:
    """The model's run. Raises `Refusal` where torch is said to refuse, `DocumentError` for a wrong setup."""
    try:
        return timeline(network, setup)
    except DocumentError as error:
        beginning, _, reason = error.diagnostics[0].message.partition(" this: ")
        if not reason or not beginning.startswith("torch refuses"):
            raise
        raise Refusal(reason) from error


# Verifying ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MemoryVerification(Verification):
    """What was compared of a network's memory. `setup` is the training; prediction is the same without it."""

    setup: Setup

    @property
    def conditions(self) -> str:
        setup = self.setup
        optimizer = (setup.optimizer or "no optimizer") + (" with weight decay" if setup.weight_decay else "")
        loss = "no loss" if setup.loss == "none" else setup.loss.replace("_", "-")
        further = [f"autocast to {setup.amp}"] if setup.amp else []
        if setup.frozen:
            further.append(f"{', '.join(setup.frozen)} frozen")
        if setup.checkpointed:
            further.append(f"{', '.join(setup.checkpointed)} checkpointed")
        return ", ".join([super().conditions, optimizer, loss, *further])

    def to_dict(self) -> dict[str, Any]:
        said = super().to_dict()
        said["setup"] |= {"frozen": list(self.setup.frozen), "checkpointed": list(self.setup.checkpointed)}
        return said


Found = dict[str, list[Comparison]]  # by layer; "" is the whole network


def verify_memory(
    network: Network, setup: Setup | None = None, seed: int = 0, progress: Progress | None = None
) -> MemoryVerification:
    """Run a network in torch, in prediction and in training, and compare what is live with what the model says.

    On CPU: every operator's name and the bytes live as it returns, the peaks, what is there at rest, and what each
    layer keeps for backward. On CUDA: what is there at rest, and the peaks, both in whole blocks. Training is as
    `setup` says, by default in batches of 2 with Adam; where the model says that torch refuses to train, torch has to.
    Raises `DocumentError` where torch cannot be used as asked.
    """
    setup = setup or Setup(batch=2, optimizer="adam")
    chosen(setup.device)
    training = replace(setup, training=True, steady=False)
    runs = {"prediction": replace(setup, training=False), "training": training}
    told = progress or (lambda doing, done, of: None)
    found: Found = {}
    try:
        with torch.random.fork_rng([torch.cuda.current_device()] if setup.device == "cuda" else []):
            torch.manual_seed(seed)
            for done, (what, of) in enumerate(runs.items()):
                told(f"memory in {what}", done, len(runs))
                _compare(what, network, of, found)
                told(f"memory in {what}", done + 1, len(runs))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(setup.device, setup.batch, "use a smaller batch, or a smaller input") from None
    layers = [
        LayerVerification(node.name, node.layer.kind, place_of(node), found.get(node.name, []))
        for node in network.nodes
    ]
    return MemoryVerification(
        SCHEMA_VERSION,
        network.name,
        network.source,
        torch.__version__,
        setup.device,
        setup.dtype,
        setup.batch,
        seed,
        layers,
        found.get("", []),
        training,
    )


def _compare(what: str, network: Network, setup: Setup, found: Found) -> None:
    """One kind of run by both sides, of which each may refuse it."""
    sides: list[Timeline | Measured | Refusal] = []
    for side in (modelled, measured):
        try:
            sides.append(side(network, setup))
        except Refusal as refusal:
            sides.append(refusal)
    by_model, by_torch = sides
    if not isinstance(by_model, Timeline) or not isinstance(by_torch, Measured):
        both = isinstance(by_model, Refusal) and isinstance(by_torch, Refusal)
        answers = ["runs" if not isinstance(side, Refusal) else f"{REFUSED}{side}" for side in sides]
        _add(found, "", Comparison(what, answers[0], answers[1], both, "both refuse it" if both else ""))
        return
    _add(found, "", same(f"live bytes at rest in {what}", by_model.at_rest, by_torch.at_rest))
    if setup.device == "cuda":
        for comparison in _of_peaks(what, by_model, by_torch):
            _add(found, "", comparison)
        return
    for layer, comparison in _of_operators(what, by_model, by_torch):
        _add(found, layer, comparison)
    for comparison in _of_peaks(what, by_model, by_torch):
        _add(found, "", comparison)
    if setup.training and not setup.checkpointed:  # what checkpointing holds is shown to no hook
        for layer, comparison in _of_kept(network, by_model, by_torch):
            _add(found, layer, comparison)


def _add(found: Found, layer: str, comparison: Comparison) -> None:
    found.setdefault(layer, []).append(comparison)


def _of_operators(what: str, model: Timeline, in_torch: Measured) -> Iterator[tuple[str, Comparison]]:
    """A comparison a layer, of all its operators: the most that is live at one, or the first operator that differs.

    Behind a difference nothing is compared: it may go on through all that follows.
    """
    quantity = f"live bytes in {what}"
    boundaries = [boundary for step in in_torch.steps for boundary in step]
    peaks: dict[str, int] = {}
    counts: dict[str, int] = {}
    differs: tuple[str, Comparison] | None = None
    for number in range(max(len(model.events), len(boundaries))):
        event = model.events[number] if number < len(model.events) else None
        boundary = boundaries[number] if number < len(boundaries) else None
        layer = event.layer if event else ""
        counts[layer] = counts.get(layer, 0) + 1
        if event is None or boundary is None or (event.operator, event.live) != boundary:
            differs = layer, _difference(quantity, model, number, event, boundary, counts[layer])
            break
        peaks[layer] = max(peaks.get(layer, 0), event.live)
    for layer, peak in peaks.items():
        if differs is None or layer != differs[0]:
            yield layer, Comparison(quantity, peak, peak, True, count=counts[layer])
    if differs is not None:
        yield differs


def _difference(
    quantity: str, model: Timeline, number: int, event: Event | None, boundary: Boundary | None, count: int
) -> Comparison:
    """The first operator after which the two sides differ."""
    before = model.events[number - 1] if number else None
    step = sum(1 for start in model.starts if start <= number)
    where = f"operator {number + 1:,} of {len(model.events):,} of the model"
    where += f", in the {event.phase} of step {step}" if event and event.phase != "prediction" else ""
    where += f"; after `{before.operator}` before it both have {before.live:,}" if before else ""
    return Comparison(quantity, _after(event), _after(boundary), False, where, count)


def _after(boundary: Event | Boundary | None) -> Answer:
    return f"{boundary.live:,} after `{boundary.operator}`" if boundary else "at an end"


def _of_peaks(what: str, model: Timeline, in_torch: Measured) -> Iterator[Comparison]:
    for name, number in _steps(what, model):
        peak = max([model.events[index].live for index in model.step(number)], default=model.at_rest)
        note = ""
        if in_torch.allocated:
            inside = in_torch.allocated[number] - in_torch.peaks[number]
            note = f"without up to {inside:,} bytes that operators take and give back inside themselves, as cuDNN does"
        yield same(f"peak of {name}", peak, in_torch.peaks[number], note)


def _steps(what: str, model: Timeline) -> list[tuple[str, int]]:
    """The steps whose peaks are of interest: optimizers make their state in the first, and have it in the others."""
    if what == "prediction":
        return [("prediction", 0)]
    last = len(model.starts) - 1
    return [("the first training step", 0), *([("a later training step", last)] if last else [])]


def _of_kept(network: Network, model: Timeline, in_torch: Measured) -> Iterator[tuple[str, Comparison]]:
    by_model, hidden = visibly_kept(model)
    for node in network.nodes:
        yield node.name, same("kept bytes", by_model.get(node.name, 0), in_torch.kept.get(node.name, 0))
    if model.setup.loss != "none":
        yield "", same("kept bytes of the loss", by_model.get("", 0), in_torch.kept.get("", 0))
    note = f"without {hidden} bytes of Python numbers, which torch keeps and does not show" if hidden else ""
    yield "", same("kept bytes in all", sum(by_model.values()), sum(in_torch.kept.values()), note)


def visibly_kept(model: Timeline) -> tuple[dict[str, int], int]:
    """`Timeline.kept` without the Python numbers, which torch keeps and shows to no hook, and the bytes of those."""
    kept, hidden = model.kept(), 0
    first = model.starts[1] if len(model.starts) > 1 else len(model.events)
    for record in model._records:
        if record.role == "number" and 0 <= record.kept <= first:
            kept[record.keeper] -= record.bytes
            hidden += record.bytes
    return kept, hidden
