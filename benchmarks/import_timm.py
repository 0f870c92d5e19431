"""Every convolutional network of timm through `capture`, against torch: parameters, MACs and output elements.

A model is left out where one of its modules is attention between positions: by the name of the class (`Attention`,
`Attn`), but for those of ATTENTION_OF_CHANNELS, which weigh channels or branches. MACs are torch.utils.flop_counter's
on the meta device, output elements those of its convolutions and dense layers.

    python -m benchmarks.import_timm [--smallest] [--seconds 600] [PATTERN]

`--smallest` takes the smallest model of each of timm's files first, and no other.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cnncalc.pytorch.capture import capture
from cnncalc.pytorch.references import without_weights

LIBRARY = torch.library.Library("torchvision", "DEF")  # timm imports torchvision; it is not built for every torch
LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

ATTENTION_OF_CHANNELS = (
    "SplitAttn",
    "SelectiveKernelAttn",
    "ChannelAttn",
    "SpatialAttn",
    "LightChannelAttn",
    "LightSpatialAttn",
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


def compared(name: str) -> tuple[str, dict[str, int]]:
    """What differs, in words, "" where nothing does; and the operators without a kind."""
    import timm

    with without_weights():
        module = timm.create_model(name)
    module = module.eval().to("meta")
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


def convolutional(pattern: str, smallest: bool) -> list[str]:
    """Names of models without attention between positions; the smallest of each file of timm where that is asked."""
    import timm
    from timm.models._registry import _model_to_module

    best: dict[str, tuple[int, str]] = {}
    names = []
    for name in timm.list_models(pattern or "*"):
        try:
            with without_weights():
                module = timm.create_model(name)
        except Exception as error:
            print(f"{name}: cannot be made: {error}")
            continue
        if any(is_attention(type(one).__name__) for one in module.modules()):
            continue
        names.append(name)
        size, file = sum(one.numel() for one in module.parameters()), _model_to_module[name]
        best[file] = min(best.get(file, (size, name)), (size, name))
    return sorted([name for _, name in best.values()]) if smallest else names


def is_attention(name: str) -> bool:
    return name not in ATTENTION_OF_CHANNELS and ("Attention" in name or "Attn" in name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--smallest", action="store_true")
    parser.add_argument("--names", help="a file with a name a line, instead of looking for them")
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    given = Path(options.names).read_text().split() if options.names else []
    names = given or convolutional(options.pattern, options.smallest)
    start, equal, done = time.perf_counter(), 0, 0
    missing: Counter[str] = Counter()
    for name in names:
        if time.perf_counter() - start > options.seconds:
            break
        done += 1
        try:
            wrong, unknown = compared(name)
        except Exception as error:
            wrong, unknown = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", {}
        missing.update(dict.fromkeys(unknown, 1))
        equal += not wrong and not unknown
        if wrong or unknown:
            print(f"{name}: {'; '.join(filter(None, [wrong, ', '.join(unknown)]))}", flush=True)
    print(f"{equal} of {done} networks (of {len(names)}) have every operator counted and torch's numbers")
    for operator, count in missing.most_common():
        print(f"{count:5} networks have {operator}, which is no kind")


if __name__ == "__main__":
    main()
