"""`capture`: a `torch.nn.Module` becomes a network, without its weights and without a number computed.

torch.export traces the module on fake tensors; what it refuses is traced operator by operator. `operators.TABLE` says
which kind of layer each operator is. An operator that is none becomes an `unknown` layer of the right shape, and the
network says so: nothing is counted as zero in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from cnncalc.diagnostics import Diagnostic, DocumentError, Note
from cnncalc.graph import Network, Node, uncounted
from cnncalc.pytorch.capture import trace as tracing
from cnncalc.pytorch.capture.folding import folded
from cnncalc.pytorch.capture.names import name as name_nodes
from cnncalc.pytorch.capture.operators import is_value
from cnncalc.pytorch.capture.trace import Origin, Refused, Trace
from cnncalc.pytorch.capture.walk import Walk
from cnncalc.shapes import Layout

Examples = Tensor | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Captured:
    """A module's network, and by which names the module holds the parameters and buffers of each layer.

    `turned` are the dense layers whose weights it holds as [in, out].
    """

    network: Network
    held: Mapping[Node, tuple[str, ...]]
    turned: frozenset[Node]


def capture(
    module: nn.Module, example_inputs: Examples, *, name: str = "", source: str = "", layout: Layout = "chw"
) -> Network:
    """The network of a module, in the mode (training or not) that it is in.

    `example_inputs` are a batch, several in the order of `forward`'s parameters, or a mapping by their names; only
    their shapes are read. Counts are for one image. Layers are named for the modules. Raises `DocumentError` where the
    module cannot run on them or its code depends on their values.
    """
    return captured(module, example_inputs, name=name, source=source, layout=layout).network


def captured(
    module: nn.Module, example_inputs: Examples, *, name: str = "", source: str = "", layout: Layout = "chw"
) -> Captured:
    """What `capture` makes, with the names of what the layers hold."""
    args, kwargs = _arguments(module, example_inputs)
    try:
        traced = tracing.exported(module, args, kwargs)
    except Refused as refused:
        try:
            traced = tracing.dispatched(module, args, kwargs)
        except Refused as again:
            raise _cannot(module, refused, again) from None
    return _captured(traced, name or type(module).__name__, source or type(module).__name__, layout)


def captured_program(program: Any, *, name: str = "", source: str = "", layout: Layout = "chw") -> Network:
    """The network of a `torch.export.ExportedProgram`."""
    return _captured(tracing.of_program(program, None, "torch.export"), name, source, layout).network


def _captured(traced: Trace, name: str, source: str, layout: Layout) -> Captured:
    walk = Walk(traced)
    walk.run()
    outputs = [(key, walk.plain(walk.values[node])) for key, node in traced.outputs]
    outputs = [(key, value) for key, value in outputs if is_value(value)]
    values = tuple([value for _, value in outputs])
    if not walk.nodes:
        raise DocumentError(Diagnostic("no-layers", f"`{name}` does nothing with its input"))
    nodes = folded(walk.nodes, walk.made, values)
    name_nodes(nodes, walk.made, [value.name for value in walk.inputs])
    names = tuple([key for key, _ in outputs]) if any(key for key, _ in outputs) else ()
    said = (*uncounted(nodes, walk.unknown), *_remarks(walk, traced))
    network = Network(name, tuple(walk.inputs), tuple(nodes), values, layout, source, (), names, said)
    held = {node: tuple([origin.name for origin in walk.made[node].origins]) for node in nodes}
    return Captured(network, held, frozenset([node for node in nodes if walk.made[node].turned]))


def _remarks(walk: Walk, traced: Trace) -> list[Diagnostic]:
    """What else a reader of the numbers has to know: what is held and not used, how it was read."""
    said = []
    if idle := unused(walk, traced):
        parameters = sum(prod(one.shape) for one in idle if one.role in ("weight", "bias"))
        if parameters:
            first = idle[0].name
            more = f" and {len(idle) - 1} more" if len(idle) > 1 else ""
            message = f"{parameters:,} parameters of the module are read by nothing and not counted: `{first}`{more}"
            said.append(Diagnostic("unused-parameters", message, severity="warning"))
    if traced.how != "torch.export":
        said.append(
            Diagnostic("captured-by", f"torch.export refuses this module; it was read by {traced.how}", severity="note")
        )
    return said


def unused(walk: Walk, traced: Trace) -> list[Origin]:
    """What the module holds and no layer reads, each tensor once; counters of batches are nobody's."""
    every = {origin.name: origin for origin in traced.tensors.values()}
    return [origin for name, origin in every.items() if name not in walk.owners and origin.role != "counter"]


# The example ----------------------------------------------------------------------------------------------------------


def _arguments(module: nn.Module, examples: Examples) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments, on the device that the module's parameters are on."""
    device = next((tensor.device for tensor in module.parameters()), None)

    def moved(value: Any) -> Any:
        if isinstance(value, Tensor) and device is not None and value.device != device:
            return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)
        return value

    if isinstance(examples, Tensor):
        return (moved(examples),), {}
    if isinstance(examples, Mapping):
        return (), {name: moved(value) for name, value in examples.items()}
    return tuple([moved(value) for value in examples]), {}


def _cannot(module: nn.Module, refused: Refused, again: Refused) -> DocumentError:
    """Why a module has no network: its code depends on values, or it cannot take the input."""
    text = f"{refused} {again}"
    name = type(module).__name__
    if any(
        word in text
        for word in ("data-dependent", "DataDependent", "Could not guard", "Eq(u", "aten._local_scalar_dense")
    ):
        message = f"what `{name}` does depends on the values of its input, so that it has no one graph"
        return DocumentError(
            Diagnostic(
                "data-dependent", message, notes=(Note(str(refused)),), help="capture the part of it that does not"
            )
        )
    message = f"`{name}` cannot run on this input: {again}"
    return DocumentError(
        Diagnostic("module-fails", message, help="give an input of the sizes that its `forward` takes")
    )


__all__ = ["Captured", "capture", "captured", "captured_program"]
