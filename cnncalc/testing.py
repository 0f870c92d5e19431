"""For pytest: a `torch.nn.Module` held to the document that describes it.

    def test_the_network_is_the_one_we_agreed_on():
        assert_matches(Net(), "net.yaml")

torch is imported when the function is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncalc.checks import check
from cnncalc.diagnostics import render
from cnncalc.graph import Network
from cnncalc.models import load

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 2  # batch norm cannot train on one image, and a size of one tells little
Shape = tuple[int, ...]


def assert_matches(
    module: nn.Module, document: str | Path | Network, inputs: Tensor | Sequence[Tensor] | None = None
) -> None:
    """Fail with every difference between a module and a document, and what the document expects in vain.

    Compared are parameters and buffers (how many elements, and how many tensors of which shape), the shapes of outputs,
    and multiply-accumulates as torch's FlopCounterMode sees them. The module runs in the mode it is in (`eval()` it for
    what `forward` does in prediction), without values on the meta device; where it cannot, with random ones, or with
    `inputs`, where its parameters are. Nothing of it changes. Raises `DocumentError` where the document is wrong.
    """
    __tracebackhide__ = True
    network = document if isinstance(document, Network) else load(document)
    found = [*_differences(module, network, inputs), *[render(failure) for failure in check(network)]]
    if found:
        name = type(module).__name__
        told = f"{len(found)} {'difference' if len(found) == 1 else 'differences'}"
        lines = [line for text in found for line in text.split("\n")]
        raise AssertionError("\n  ".join([f"{name} is not what {network.source} says, {told}:", *lines]))


def _differences(module: nn.Module, network: Network, inputs: Tensor | Sequence[Tensor] | None) -> Iterator[str]:
    from torch import Tensor, nn

    if not isinstance(module, nn.Module):
        raise TypeError(f"a torch.nn.Module is compared, not {type(module).__name__}")
    yield from _of_tensors(module, network)
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs) if inputs is not None else None
    shapes = [value.output for value in network.inputs]
    if given is not None and [tuple(value.shape[1:]) for value in given] != shapes:
        theirs = " and ".join([_sizes(value.shape) for value in given])
        yield _told("inputs", network, " and ".join([_sizes(("N", *shape)) for shape in shapes]), theirs, "given")
        return
    yield from _of_run(module, network, given)


def _told(quantity: str, network: Network, ours: object, theirs: object, where: str = "in torch") -> str:
    return f"{quantity}: {_text(ours)} in {network.source}, {_text(theirs)} {where}"


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sizes(shape: Sequence[object]) -> str:
    return f"[{', '.join(map(str, shape))}]"


# Parameters and buffers -----------------------------------------------------------------------------------------------


def _of_tensors(module: nn.Module, network: Network) -> Iterator[str]:
    from torch.nn.parameter import is_lazy

    every = [parameter for node in network for parameter in node.facts.parameters]
    parameters, buffers = list(module.parameters()), list(module.buffers())
    if any(is_lazy(tensor) for tensor in [*parameters, *buffers]):
        yield f"{type(module).__name__} has lazy parameters; run it once before it is compared"
        return
    ours = [parameter.shape for parameter in every if parameter.role in ("weight", "bias")]
    kept = [parameter.shape for parameter in every if parameter.role == "buffer"]
    yield from _of_shapes("parameters", network, ours, [tuple(tensor.shape) for tensor in parameters])
    # a counter (batch norm's of batches) is no statistic
    theirs = [tuple(tensor.shape) for tensor in buffers if tensor.is_floating_point()]
    yield from _of_shapes("buffers", network, kept, theirs)


def _of_shapes(what: str, network: Network, ours: Sequence[Shape], theirs: Sequence[Shape]) -> Iterator[str]:
    if (here := sum(map(prod, ours))) != (there := sum(map(prod, theirs))):
        yield _told(what, network, here, there)
    counted, in_torch = Counter(ours), Counter(theirs)
    for shape in dict.fromkeys([*ours, *theirs]):
        if counted[shape] != in_torch[shape]:
            yield _told(f"{what} of shape {_sizes(shape)}", network, counted[shape], in_torch[shape])


# A run ----------------------------------------------------------------------------------------------------------------


def _of_run(module: nn.Module, network: Network, given: list[Tensor] | None) -> Iterator[str]:
    batch = given[0].shape[0] if given else BATCH
    ours = [_sizes((batch, *value.output)) for value in network.outputs]
    try:
        outputs, macs = _run(module, network, given)
    except Exception as error:  # whatever a module's own code raises
        yield _told("outputs", network, ", ".join(ours), f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        return
    theirs = [_sizes(output.shape) for output in outputs]
    if ours != theirs:
        yield _told("outputs", network, ", ".join(ours), ", ".join(theirs) or "none")
    total = sum(node.facts.macs for node in network) * batch
    if total != macs:
        yield _told(f"MACs of a batch of {batch}", network, total, macs)


def _run(module: nn.Module, network: Network, given: list[Tensor] | None) -> tuple[list[Tensor], int]:
    """The outputs of a forward pass and its multiply-accumulates: without values if the module can do without."""
    import torch

    floats = [tensor for tensor in [*module.parameters(), *module.buffers()] if tensor.is_floating_point()]
    dtype, device = (floats[0].dtype, floats[0].device) if floats else (torch.float32, torch.device("cpu"))
    shapes = [(BATCH, *value.output) for value in network.inputs]

    def values(device: Any) -> list[Tensor]:
        if given is None:
            return [torch.rand(shape, dtype=dtype, device=device) for shape in shapes]
        return [torch.empty_like(value, device=device) if device == "meta" else value.to(device) for value in given]

    with torch.random.fork_rng(devices=[]):
        try:
            return _counted(module, values("meta"), on_meta=True)
        except Exception:
            return _counted(module, values(device), on_meta=False)


def _counted(module: nn.Module, inputs: list[Tensor], on_meta: bool) -> tuple[list[Tensor], int]:
    """A run on stand-ins for the module's tensors: none of its own is written to."""
    import torch
    from torch.func import functional_call
    from torch.utils.flop_counter import FlopCounterMode

    tensors: dict[str, Tensor] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if on_meta:
        tensors = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    else:
        tensors |= {name: tensor.clone() for name, tensor in module.named_buffers()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs = functional_call(module, tensors, tuple(inputs))
    return list(_tensors(outputs)), counter.get_total_flops() // 2


def _tensors(outputs: Any) -> Iterator[Tensor]:
    """The tensors of what a module returns, in order: of a tuple, a list, a dict, and of those in each other."""
    from torch import Tensor

    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for output in outputs.values():
            yield from _tensors(output)
    elif isinstance(outputs, (tuple, list)):
        for output in outputs:
            yield from _tensors(output)
