"""Every convolutional network of timm through `capture`, against torch: parameters, MACs and output elements.

A model is left out, and counted as such, where one of its modules is attention between positions: by the name of the
class (`Attention`, `Attn`, and the few of ATTENTION), but for GATES, which weigh channels, branches, rows or columns.
Hybrids of convolutions and attention are thereby among them. MACs are torch.utils.flop_counter's on the meta device,
output elements those of convolutions and dense layers.

    python -m benchmarks.import_timm [--every 10] [--part 1/2] [--seconds 600] [PATTERN]

`--every` takes each tenth name of the list, `--part` one of so many equal parts, for several processes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cnncalc.pytorch.capture import capture

LIBRARY = torch.library.Library("torchvision", "DEF")  # timm imports torchvision; it is not built for every torch
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

# Of EfficientViT, SHViT, EfficientViM (a mixer of states), iFormer, LambdaNetworks, ConViT and two vision transformers.
ATTENTION = ("LiteMLA", "SHSA", "HSMSSD", "SHMA", "LambdaLayer", "GPSA", "MHSA")
ATTENTION += ("ParallelScalingBlock", "DiffParallelScalingBlock")
GATES = (
    "SplitAttn",
    "SelectiveKernelAttn",
    "ChannelAttn",
    "SpatialAttn",
    "LightChannelAttn",
    "LightSpatialAttn",
    "CoordAttn",
    "SimpleCoordAttn",
    "EfficientLocalAttn",
    "StripAttn",
)
OUTPUTS = ("aten::convolution", "aten::addmm", "aten::mm", "aten::linear")


class Elements(TorchDispatchMode):
    """Output elements of convolutions and dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function._schema.name in OUTPUTS:
            self.count += result.numel()
        return result


def compared(module: nn.Module) -> tuple[str, Counter[str]]:
    """What differs, in words, "" where nothing does; and the operators without a kind."""
    channels, height, width = module.default_cfg.get("input_size", (3, 224, 224))
    images = torch.empty(2, channels, height, width, device="meta")
    network = capture(module, images)
    with torch.no_grad(), FlopCounterMode(display=False) as flops, Elements() as elements:
        module(images)
    facts = [node.facts for node in network]
    dense = [node for node in network if node.layer.weighted]
    parameters = sum(parameter.numel() for parameter in module.parameters())
    used = sum(of.weights + of.biases for of in facts)
    unused = sum(
        int(one.message.split()[0].replace(",", "")) for one in network.said if one.code == "unused-parameters"
    )
    pairs = {
        "parameters": (used + unused, parameters),
        "MACs": (sum(of.macs for of in facts), flops.get_total_flops() // 4),
        "output elements": (sum(prod(node.output) for node in dense), elements.count // 2),
    }
    wrong = [f"{what} {ours:,} instead of {theirs:,}" for what, (ours, theirs) in pairs.items() if ours != theirs]
    return "; ".join(wrong), Counter([of.unknown for of in facts if of.unknown])


def made(name: str) -> nn.Module:
    """The model as in prediction, without memory for its weights."""
    import timm

    module: nn.Module = timm.create_model(name, device="meta")
    return module.eval()


def attention_in(module: nn.Module) -> str:
    """The class of the first module that is attention between positions; "" where there is none."""
    names = [type(one).__name__ for one in module.modules()]
    return next((name for name in names if is_attention(name)), "")


def is_attention(name: str) -> bool:
    named = "Attention" in name or "Attn" in name or name in ATTENTION
    return named and name not in GATES


def main() -> None:
    import timm

    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", nargs="?", default="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    part, parts = map(int, options.part.split("/"))
    names = timm.list_models(options.pattern)[:: options.every][part - 1 :: parts]
    start, equal, counted, done = time.perf_counter(), 0, 0, 0
    left_out: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for name in names:
        if time.perf_counter() - start > options.seconds:
            break
        try:
            module = made(name)
            attention = attention_in(module)
            if attention:
                left_out[attention] += 1
                continue
            wrong, unknown = compared(module)
        except Exception as error:
            wrong, unknown = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", Counter()
        done += 1
        missing.update(dict.fromkeys(unknown, 1))
        equal += not wrong
        counted += not wrong and not unknown
        if wrong or unknown:
            print(f"{name}: {'; '.join(filter(None, [wrong, ', '.join(unknown)]))}", flush=True)
    print(f"{sum(left_out.values())} models are left out for attention:")
    for name, count in left_out.most_common():
        print(f"{count:5} have {name}")
    print(f"{equal} of {done} others ({equal / max(done, 1):.1%}) have torch's parameters, MACs and output elements;")
    print(f"{counted} of them have no operator without a kind")
    for operator, count in missing.most_common():
        print(f"{count:5} have {operator}, which is no kind")


if __name__ == "__main__":
    main()
