"""torchvision's models, what torch says of them, and their files as torch's two exporters write them.

torch is the other side of the comparison: parameters are those of the modules that ran, MACs are half of what its
FlopCounterMode says (which counts a multiply-accumulate as two), shapes are those that hooks see.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnncalc.graph import Network

sys.path.insert(0, str(Path(__file__).parent))
from torchvision_operators import torchvision_operators

torchvision_operators()
import torchvision.models as torchvision

# With the side of the image: small, but not so small that a window does not fit.
MODELS = {
    "alexnet": 224,
    "vgg11_bn": 224,
    "squeezenet1_0": 64,
    "squeezenet1_1": 96,
    "resnet18": 64,
    "resnet50": 96,
    "resnext50_32x4d": 64,
    "wide_resnet50_2": 64,
    "densenet121": 64,
    "googlenet": 96,
    "inception_v3": 96,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "mobilenet_v3_large": 96,
    "shufflenet_v2_x1_0": 64,
    "mnasnet1_0": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "regnet_x_400mf": 64,
    "regnet_y_400mf": 96,
    "convnext_tiny": 96,
    "fcn_resnet50": 64,
    "deeplabv3_resnet50": 96,
    "lraspp_mobilenet_v3_large": 64,
}
_SEGMENTATION = ("fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large")


class Facts(NamedTuple):
    """Of the modules that ran: parameters, channels of batch norms and of those among them that follow a convolution
    with a bias, MACs, the shapes that convolutions and dense layers gave (sizes sorted: a file may have channels last),
    the shape of the first output; all for one image."""

    parameters: int
    normalised: int
    after_bias: int
    macs: int
    shapes: list[list[int]]
    output: tuple[int, ...]


def model(name: str) -> nn.Module:
    """With random numbers in every tensor: exporters leave out a bias of zeros and share tensors that are equal."""
    options: dict[str, Any] = {"weights": None}
    where: Any = torchvision
    if name in _SEGMENTATION:
        where, options["weights_backbone"] = torchvision.segmentation, None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    torch.manual_seed(8)
    made: nn.Module = getattr(where, name)(**options).eval()
    for tensor in [*made.parameters(), *made.buffers()]:
        if tensor.dim() == 1 and tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.data.mul_(1 + 0.01 * torch.rand_like(tensor))
    return made


def facts(module: nn.Module, input: Tensor) -> Facts:
    ran: dict[nn.Module, None] = {}
    order: list[nn.Module] = []
    shapes: list[list[int]] = []

    def hook(called: nn.Module, _: Any, output: Any) -> None:
        ran[called] = None
        if not list(called.children()):
            order.append(called)
        if isinstance(called, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)):
            shapes.append(sorted(output.shape[1:]))

    handles = [each.register_forward_hook(hook) for each in module.modules()]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module(input)
    for handle in handles:
        handle.remove()
    if isinstance(output, dict):
        output = next(iter(output.values()))
    own = {parameter: None for each in ran for parameter in each.parameters(recurse=False)}
    norms = [(before, each) for before, each in pairwise(order) if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    channels = [int(each.num_features) for _, each in norms]
    biased = [
        int(each.num_features) for before, each in norms if isinstance(before, nn.Conv2d) and before.bias is not None
    ]
    parameters = sum(parameter.numel() for parameter in own)
    return Facts(
        parameters, sum(channels), sum(biased), counter.get_total_flops() // 2, shapes, tuple(output.shape[1:])
    )


def export(module: nn.Module, input: Tensor, path: Path, dynamo: bool, folds: bool = True, **options: Any) -> None:
    """Write a model's file, its weights in it or beside it; `folds` is batch norms into convolutions."""
    if not folds and dynamo:
        options["optimize"] = False
    elif not folds:
        options |= {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (input,), str(path), dynamo=dynamo, verbose=False, **options)


def differences(network: Network, said: Facts, folds: bool) -> Sequence[str]:
    """Where a network read from a file is not what torch says of the model.

    Of a batch norm's 2C parameters, folding leaves C biases, none where the convolution has a bias already.
    """
    from cnncalc import analyze

    totals = analyze(network).totals
    kept = totals.buffers // 2
    left = said.normalised - kept
    lost = left + (said.after_bias if left else 0)
    rows = [
        ("parameters", totals.parameters, said.parameters - lost),
        ("MACs", totals.macs, said.macs),
        ("output", network.outputs[0].output, said.output),
        ("shapes", [sorted(node.output) for node in network if node.facts.macs], said.shapes),
        ("unknown", [node.name for node in network if node.layer.kind == "unknown"], []),
    ]
    if not folds:
        rows.append(("batch norms", kept, said.normalised))
    return [f"{what}: {ours}, and torch {theirs}" for what, ours, theirs in rows if ours != theirs]
