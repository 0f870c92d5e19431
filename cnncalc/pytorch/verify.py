"""`verify`: the engine's numbers beside torch's, layer by layer, with real tensors.

The two sides share the document's layers and nothing else: what torch builds of a layer is `build.TABLE`. A number that
both give is one that neither a formula nor a table got wrong alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnncalc.diagnostics import Diagnostic, DocumentError, Note, choices
from cnncalc.graph import Network, Node
from cnncalc.layers.base import Parameter
from cnncalc.pytorch.build import NetworkModule, TorchRefuses, build, layer_of, materialised
from cnncalc.pytorch.receptive_field import Extent, Seen, Unit, measured
from cnncalc.report import Place
from cnncalc.shapes import DTYPE_BYTES, elements

SCHEMA_VERSION = 1
DEVICES = ("cpu", "cuda", "auto", "meta")
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

MOST_LAYERS = 5  # that are told of one by one where they differ from a module's
REFUSED = "refused: "  # how an answer begins that is torch's error message

Answer = int | str | list[int] | dict[str, list[int]]
Progress = Callable[[str, int, int], None]  # what is being done, how many layers are done, of how many

# The result -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity by both sides. Counts and bytes are for the batch, shapes begin with it.

    `count` is how many comparisons this one tells of, of which at most the last differs.
    """

    quantity: str
    engine: Answer
    torch: Answer
    agrees: bool
    note: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class LayerVerification:
    """What was compared of one layer."""

    name: str
    kind: str
    place: Place | None
    comparisons: list[Comparison] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared of a network, with what in torch, and with which result.

    `layers` ends early where torch refuses a layer. Against a module, they are those that were compared.
    """

    schema_version: int
    name: str
    source: str
    torch: str
    device: str
    dtype: str
    batch: int
    seed: int
    layers: list[LayerVerification]
    totals: list[Comparison]
    against: str = field(
        default="", kw_only=True
    )  # the module that it was compared with; "" where torch built the document's own layers

    @property
    def conditions(self) -> str:
        """What was run, in words."""
        what = f"{self.against}, " if self.against else ""
        return f"{what}torch {self.torch} on {self.device}, batch of {self.batch}, {self.dtype}"

    @property
    def other(self) -> str:
        """Where the numbers beside the engine's are from, as a message says it."""
        return "in the module" if self.against else "in torch"

    @property
    def compared(self) -> int:
        return sum(comparison.count for _, comparison in self)

    @property
    def disagreements(self) -> list[tuple[LayerVerification | None, Comparison]]:
        """Every comparison that fails, with its layer; None stands for the whole network."""
        return [both for both in self if not both[1].agrees]

    @property
    def agrees(self) -> bool:
        return not self.disagreements

    def __iter__(self) -> Iterator[tuple[LayerVerification | None, Comparison]]:
        for layer in self.layers:
            yield from [(layer, comparison) for comparison in layer.comparisons]
        yield from [(None, comparison) for comparison in self.totals]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def diagnostics(verification: Verification, network: Network) -> list[Diagnostic]:
    """Every disagreement as an error at its place in the document.

    Against a module, where one difference brings others after it, an error for each of the first few layers, and one
    that counts the rest.
    """
    spans = {node.name: node.span for node in network.nodes}
    together: dict[Any, list[Comparison]] = {}
    for place, (layer, comparison) in enumerate(verification.disagreements):
        key = (layer.name, layer.kind) if layer else ("", "")
        together.setdefault(key if verification.against else (*key, place), []).append(comparison)
    found: list[Diagnostic] = []
    for (name, kind, *_), comparisons in together.items():
        if verification.against and len(found) == MOST_LAYERS and name:
            continue
        of = f"`{name}` ({kind}): " if name else ""
        message = of + "; ".join([_said(comparison, verification) for comparison in comparisons])
        notes = [Note(note) for note in dict.fromkeys([one.note for one in comparisons]) if note]
        found.append(Diagnostic("torch-disagrees", message, spans.get(name), notes=tuple(notes)))
    more = sum(bool(name) for name, *_ in together) - MOST_LAYERS
    if verification.against and more > 0:
        told = f"{more:,} {'layer' if more == 1 else 'layers'} after them {'differs' if more == 1 else 'differ'}, too"
        found.insert(MOST_LAYERS, Diagnostic("torch-disagrees", told))
    return found


def _said(comparison: Comparison, verification: Verification) -> str:
    answer = text(comparison.torch)
    if answer.startswith(REFUSED):
        return f"torch refuses the {comparison.quantity}: {answer.removeprefix(REFUSED)}"
    return f"{comparison.quantity} is {text(comparison.engine)} by cnncalc, {answer} {verification.other}"


def text(answer: Answer) -> str:
    """An answer in words: counts with commas, shapes in brackets."""
    if isinstance(answer, int):
        return f"{answer:,}"
    if isinstance(answer, list):
        return str(answer)
    if isinstance(answer, dict):
        return ", ".join(f"{name} {shape}" for name, shape in answer.items()) or "none"
    return answer


# Verifying ------------------------------------------------------------------------------------------------------------


def verify(
    network: Network,
    device: str = "cpu",
    batch: int = 2,
    dtype: str = "float32",
    seed: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Build the network in torch, run it forward and backward, and compare every layer with the engine's numbers.

    `device` is cpu, cuda, auto (cuda where there is one) or meta: shapes, parameters and MACs only, of networks of any
    size. A batch of one runs as in prediction, since torch's batch norm cannot train on one image. Raises
    `DocumentError` where torch cannot be used as asked.
    """
    device = chosen(device)
    check_options(batch, dtype)
    report = progress or (lambda doing, done, of: None)
    layers = {node: LayerVerification(node.name, node.layer.kind, place_of(node)) for node in network.nodes}
    totals: list[Comparison] = []
    refused: Node | None = None
    try:
        _compare(network, device, batch, dtype, seed, report, layers, totals)
    except TorchRefuses as error:
        refused = error.node
        layers[refused].comparisons.append(refusal(error, batch))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        help = "use a smaller batch, or `meta` for shapes, parameters and MACs without memory"
        raise out_of_memory(device, batch, help) from None
    shown = list(layers.values())
    if refused is not None:
        shown = [layer for layer in shown if layer.comparisons]
    return Verification(
        SCHEMA_VERSION, network.name, network.source, torch.__version__, device, dtype, batch, seed, shown, totals
    )


def _compare(
    network: Network,
    device: str,
    batch: int,
    dtype: str,
    seed: int,
    progress: Progress,
    layers: dict[Node, LayerVerification],
    totals: list[Comparison],
) -> None:
    module = build(network, "meta", DTYPES[dtype]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sketch = _forward(network, module, batch, "meta", DTYPES[dtype], counter)
    observed = sketch
    if device != "meta":
        with torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else []):
            torch.manual_seed(seed)
            materialised(module, device).train(batch > 1)
            observed = _forward(network, module, batch, device, DTYPES[dtype], progress=progress)
            totals.append(_backward(observed))
    for node, layer in layers.items():
        layer.comparisons.extend(_of_layer(node, observed.layers[node], batch, DTYPE_BYTES[dtype]))
        layer.comparisons.append(same("MACs", node.facts.macs * batch, sketch.layers[node].macs))
        layer.comparisons.extend(_of_parameters(node, layer_of(module, node.name), with_gradients=device != "meta"))
    totals.extend(_of_network(network, module, batch, counter))
    if device == "meta":
        return
    shapes = {node: tuple(layer.shape[1:]) for node, layer in observed.layers.items()}
    for done, (node, seen) in enumerate(measured(network, shapes, device), start=1):
        layers[node].comparisons.append(_of_field(seen))
        progress("receptive fields", done, len(network))


# Running --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Layer:
    """What torch shows of one layer as it runs."""

    shape: tuple[int, ...]
    bytes: int
    macs: int


@dataclass(slots=True)
class _Forward:
    """One forward pass: every layer, and the values at which the network ends."""

    layers: dict[Node, _Layer] = field(default_factory=dict)
    ends: list[Tensor] = field(default_factory=list)


def _forward(
    network: Network,
    module: NetworkModule,
    batch: int,
    device: str,
    dtype: torch.dtype,
    counter: FlopCounterMode | None = None,
    progress: Progress | None = None,
) -> _Forward:
    """Random images through the network, with a look at each layer's output. Raises `TorchRefuses`."""
    seen = _Forward()
    unread = set(network.nodes) - {value for node in network.nodes for value in node.inputs}
    before = 0

    def look(node: Node, output: Tensor) -> None:
        nonlocal before
        total = counter.get_total_flops() if counter else 0
        flops, before = total - before, total
        seen.layers[node] = _Layer(tuple(output.shape), output.numel() * output.element_size(), flops // 2)
        if node in unread:
            seen.ends.append(output)
        if progress:
            progress("forward", len(seen.layers), len(network))

    def hook(node: Node) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: look(node, output)

    inputs = [torch.rand(batch, *value.output, device=device, dtype=dtype) for value in network.inputs]
    with ExitStack() as hooks:
        for node in network.nodes:
            hooks.callback(layer_of(module, node.name).register_forward_hook(hook(node)).remove)
        try:
            outputs = module(*inputs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            raise TorchRefuses(network.nodes[len(seen.layers)], str(error).split("\n")[0]) from error
    seen.ends += outputs if isinstance(outputs, tuple) else [outputs]
    return seen


def _backward(forward: _Forward) -> Comparison:
    """Gradients from every end of the network to every parameter."""
    ends = [end for end in forward.ends if end.requires_grad]
    ran = "runs"
    if ends:
        try:
            torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            ran = REFUSED + str(error).split("\n")[0]
    forward.ends.clear()
    return same("backward pass", "runs", ran)


# Comparing ------------------------------------------------------------------------------------------------------------


def same(quantity: str, engine: Answer, in_torch: Answer, note: str = "") -> Comparison:
    return Comparison(quantity, engine, in_torch, engine == in_torch, note)


def _of_layer(node: Node, seen: _Layer, batch: int, width: int) -> list[Comparison]:
    """A view's output is counted as its input's; its bytes are those of its elements all the same."""
    activations = elements(node.output) if node.layer.shares_input else node.facts.activations
    return [
        same("output shape", [batch, *node.output], list(seen.shape)),
        same("output bytes", activations * width * batch, seen.bytes),
    ]


def _of_parameters(node: Node, module: nn.Module, with_gradients: bool) -> list[Comparison]:
    if node.shared is not None:
        return []  # those of an earlier layer, and compared there
    parameters = dict(module.named_parameters())
    buffers = dict(module.named_buffers())
    trained = [parameter for parameter in node.facts.parameters if parameter.role in ("weight", "bias")]
    kept = [parameter for parameter in node.facts.parameters if parameter.role not in ("weight", "bias")]
    comparisons = [
        same("parameters", _shapes(trained), {name: list(tensor.shape) for name, tensor in parameters.items()}),
        same("weights", node.facts.weights, sum(p.numel() for name, p in parameters.items() if name != "bias")),
        same("biases", node.facts.biases, sum(p.numel() for name, p in parameters.items() if name == "bias")),
        same("buffers", _shapes(kept), {name: list(tensor.shape) for name, tensor in buffers.items()}),
        same("buffer elements", node.facts.buffers, _elements(buffers)),
    ]
    if with_gradients and (trained or parameters):
        gradients = {name: list(p.grad.shape) for name, p in parameters.items() if p.grad is not None}
        comparisons.append(same("gradients", _shapes(trained), gradients))
    return comparisons


def _shapes(parameters: list[Parameter]) -> dict[str, list[int]]:
    return {parameter.name: list(parameter.shape) for parameter in parameters}


def _elements(buffers: dict[str, Tensor]) -> int:
    """A counter (batch norm's of batches) is no statistic and counts as nothing."""
    return sum(buffer.numel() for buffer in buffers.values() if buffer.is_floating_point())


def _of_network(network: Network, module: nn.Module, batch: int, counter: FlopCounterMode) -> list[Comparison]:
    facts = [node.facts for node in network.nodes]
    parameters = sum(of.weights + of.biases for of in facts)
    return [
        same("parameters in all", parameters, sum(parameter.numel() for parameter in module.parameters())),
        same("buffer elements in all", sum(of.buffers for of in facts), _elements(dict(module.named_buffers()))),
        same("MACs in all", sum(of.macs for of in facts) * batch, counter.get_total_flops() // 2),
    ]


def _of_field(seen: list[Seen]) -> Comparison:
    """What neighbouring units see, which is a field's size, start and jump at once."""
    hidden = any(unit.agrees and unit.engine != unit.torch for unit in seen)
    return Comparison(
        "receptive field",
        "; ".join(_sight(unit.unit, unit.engine) for unit in seen),
        "; ".join(_sight(unit.unit, unit.torch) for unit in seen),
        all(unit.agrees for unit in seen),
        "padding or gaps on the way take the place of the other pixels" if hidden else "",
    )


def _sight(unit: Unit, extent: Extent) -> str:
    return f"unit {', '.join(map(str, unit))} sees {extent}"


def refusal(error: TorchRefuses, batch: int) -> Comparison:
    return same("output shape", [batch, *error.node.output], REFUSED + error.reason)


def place_of(node: Node) -> Place | None:
    return None if node.span is None else Place(node.span.source.name, node.span.line, node.span.column)


# What torch can be asked for ------------------------------------------------------------------------------------------


def chosen(device: str) -> str:
    """The device that is meant: `auto` is cuda where torch finds one. Raises `DocumentError` for what is not there."""
    if device not in DEVICES:
        raise unusable("unknown-device", f"`{device}` is not a device", f"use {choices(DEVICES)}")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise unusable("no-such-device", "torch finds no CUDA device here", "use `auto`, `cpu` or `meta`")
    return device


def check_options(batch: int, dtype: str) -> None:
    if batch < 1:
        raise unusable("batch-size", f"a batch has at least 1 image, not {batch}", "use 2")
    if dtype not in DTYPES:
        raise unusable("unknown-dtype", f"`{dtype}` is not a number format torch trains in", f"use {choices(DTYPES)}")


def is_out_of_memory(error: Exception) -> bool:
    """torch has an exception of its own on GPUs only."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def out_of_memory(device: str, batch: int, help: str) -> DocumentError:
    return unusable("out-of-memory", f"a batch of {batch} does not fit into memory on {device}", help)


def unusable(code: str, message: str, help: str) -> DocumentError:
    return DocumentError(Diagnostic(code, message, help=help))
