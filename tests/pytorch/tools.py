"""Other people's counters, each called as its documentation says, with its answer to the unit.

`RUNS` are the tools: a run takes a model in evaluation mode and the shape of its input, and gives a number for each of
the tool's counts. `measured` runs one without a word from it, and puts back what it leaves patched in torch.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision_operators import torchvision_operators

Shape = tuple[int, ...]  # with the batch
Counts = dict[str, int | float]


# Quiet ----------------------------------------------------------------------------------------------------------------

# What the tools patch while they count; calflops leaves its patches behind when it fails.
_PATCHED: tuple[Any, ...] = (torch, torch.nn.functional, torch.Tensor)


@contextmanager
def quiet() -> Iterator[None]:
    """No output, logging or warnings, and torch's functions afterwards as they were before."""
    before = [dict(vars(scope)) for scope in _PATCHED]
    disabled = logging.root.manager.disable
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)
            for scope, names in zip(_PATCHED, before, strict=True):
                _restore(scope, names)


def _restore(scope: Any, before: dict[str, Any]) -> None:
    for name, value in list(vars(scope).items()):
        if name in before:
            if before[name] is not value and callable(value):
                setattr(scope, name, before[name])
        elif scope is torch.Tensor and hasattr(torch._C.TensorBase, name):
            delattr(scope, name)


# What can be imported -------------------------------------------------------------------------------------------------


def missing(*modules: str) -> str | None:
    """Why the modules cannot be imported, or None where they can."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    for module in modules:
        try:
            with quiet():
                torchvision_operators()
                importlib.import_module(module)
        except (ImportError, RuntimeError, OSError) as error:
            return f"{module} cannot be imported: {str(error).splitlines()[0]}"
    return None


# The tools ------------------------------------------------------------------------------------------------------------


def _flop_counter(model: nn.Module, shape: Shape) -> Counts:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(shape))
    return {"flop_counter": counter.get_total_flops()}


def _fvcore(model: nn.Module, shape: Shape) -> Counts:
    """fvcore's, and timm's, whose benchmark.py rounds them."""
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    flops = FlopCountAnalysis(model, torch.ones(shape)).total()
    activations = ActivationCountAnalysis(model, torch.ones(shape)).total()
    return {
        "fvcore": flops,
        "fvcore_activations": activations,
        "timm_gmacs": round(flops / 1e9, 2),
        "timm_macts": round(activations / 1e6, 2),
    }


def _torchinfo(model: nn.Module, shape: Shape) -> Counts:
    from torchinfo import summary

    return {"torchinfo": summary(model, input_size=shape, verbose=0).total_mult_adds}


def _ptflops(backend: str) -> Run:
    def run(model: nn.Module, shape: Shape) -> Counts:
        from ptflops import get_model_complexity_info

        macs, _ = get_model_complexity_info(
            model, shape[1:], as_strings=False, print_per_layer_stat=False, backend=backend
        )
        return {f"ptflops_{backend}": macs}

    return run


def _thop(model: nn.Module, shape: Shape) -> Counts:
    from thop import profile

    return {"thop": profile(model, inputs=(torch.zeros(shape),), verbose=False)[0]}


def _calflops(model: nn.Module, shape: Shape) -> Counts:
    from calflops import calculate_flops

    flops, macs, _ = calculate_flops(model, input_shape=shape, output_as_string=False, print_results=False)
    return {"calflops_flops": flops, "calflops_macs": macs}


def _deepspeed(model: nn.Module, shape: Shape) -> Counts:
    from deepspeed.profiling.flops_profiler import get_model_profile

    flops, macs, _ = get_model_profile(model, input_shape=shape, print_profile=False, as_string=False, warm_up=0)
    return {"deepspeed_flops": flops, "deepspeed_macs": macs}


def _torchprofile(model: nn.Module, shape: Shape) -> Counts:
    from torchprofile import profile_macs

    return {"torchprofile": profile_macs(model, torch.zeros(shape))}


def _profiled(model: Any) -> int:
    """onnx-tool's MACs of an ONNX model."""
    from onnx_tool import loadmodel

    graph = loadmodel(model, {"verbose": False}).graph
    graph.graph_reorder_nodes()
    graph.shape_infer(None)
    graph.profile()
    return int(graph.macs[0])


def _onnx_tool(key: str, **options: Any) -> Run:
    def run(model: nn.Module, shape: Shape) -> Counts:
        import onnx

        file = io.BytesIO()
        torch.onnx.export(model, (torch.zeros(shape),), file, dynamo=False, **options)
        return {key: _profiled(onnx.load_from_string(file.getvalue()))}

    return run


def _onnx_tool_dynamo(model: nn.Module, shape: Shape) -> Counts:
    program = torch.onnx.export(model, (torch.zeros(shape),), dynamo=True, verbose=False)
    assert program is not None
    return {"onnx_tool_dynamo": _profiled(program.model_proto)}


Run = Callable[[nn.Module, Shape], Counts]


class Tool(NamedTuple):
    """The counts it gives, the modules it needs, and how it is run."""

    counts: tuple[str, ...]
    needs: tuple[str, ...]
    run: Run


_ONNX = ("onnx", "onnx_tool")
TOOLS: dict[str, Tool] = {
    "flop_counter": Tool(("flop_counter",), (), _flop_counter),
    "fvcore": Tool(("fvcore", "fvcore_activations", "timm_gmacs", "timm_macts"), ("fvcore.nn",), _fvcore),
    "torchinfo": Tool(("torchinfo",), ("torchinfo",), _torchinfo),
    "ptflops_aten": Tool(("ptflops_aten",), ("ptflops",), _ptflops("aten")),
    "ptflops_pytorch": Tool(("ptflops_pytorch",), ("ptflops",), _ptflops("pytorch")),
    "thop": Tool(("thop",), ("thop",), _thop),
    "calflops": Tool(("calflops_flops", "calflops_macs"), ("calflops",), _calflops),
    "deepspeed": Tool(("deepspeed_flops", "deepspeed_macs"), ("deepspeed.profiling.flops_profiler",), _deepspeed),
    "torchprofile": Tool(("torchprofile",), ("torchprofile",), _torchprofile),
    "onnx_tool": Tool(("onnx_tool",), _ONNX, _onnx_tool("onnx_tool")),
    "onnx_tool_unfolded": Tool(
        ("onnx_tool_unfolded",),
        _ONNX,
        _onnx_tool("onnx_tool_unfolded", training=torch.onnx.TrainingMode.PRESERVE),
    ),
    "onnx_tool_dynamo": Tool(("onnx_tool_dynamo",), (*_ONNX, "onnxscript"), _onnx_tool_dynamo),
}


def measured(tool: str, model: Callable[[], nn.Module], shape: Shape) -> Counts:
    """What a tool counts of a model made anew, for the input `shape`; counts of operations are whole numbers.

    No parameter is zero: torch's exporter drops a bias of zeros, of which a network that was never trained has many.
    """
    with quiet(), torch.no_grad():
        torchvision_operators()
        with torch.device("meta"):
            made = model()
        made = made.to_empty(device="cpu").eval()
        for value in _values(made):
            value.fill_(0.5)
        return TOOLS[tool].run(made, shape)


def _values(model: nn.Module) -> Iterator[Tensor]:
    for value in (*model.parameters(), *model.buffers()):
        if value.is_floating_point():
            yield value


def torchvision_model(name: str) -> nn.Module:
    """A classifier of torchvision with random weights, without the heads that only training has."""
    from torchvision import models

    heads = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model: nn.Module = getattr(models, name)(weights=None, **heads)
    return model


def printed_by_torchvision(name: str) -> float:
    """`_ops` of a model's weights: GFLOPS with three decimals, as its documentation prints them."""
    from torchvision.models import get_model_weights

    return float(get_model_weights(name).DEFAULT.meta["_ops"])
