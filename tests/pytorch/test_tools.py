"""What other tools print, measured: the data that cnncalc's conventions are held to, while the tools are installed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F
from torch import Tensor, nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from tools import TOOLS, Counts, measured, missing, printed_by_torchvision, torchvision_model

pytestmark = pytest.mark.usefixtures("one_thread")

DATA = Path(__file__).parents[1] / "data"


def needs(*modules: str) -> None:
    """Skip where one of the modules cannot be imported, and say why."""
    reason = missing(*modules)
    if reason is not None:
        pytest.skip(reason)


def whole(counts: Counts) -> dict[str, float]:
    """Every count but timm's is a whole number, though some tools add floats."""
    for name, count in counts.items():
        assert name.startswith("timm") or count == int(count), name
    return {name: float(count) for name, count in counts.items()}


# Networks -------------------------------------------------------------------------------------------------------------

MODELS = {
    "alexnet": 224,
    "vgg16": 224,
    "resnet50": 224,
    "googlenet": 224,
    "mobilenet_v2": 224,
    "densenet121": 224,
    "squeezenet1_1": 224,
    "inception_v3": 299,
}


@cache
def _printed() -> dict[tuple[str, str], float]:
    with (DATA / "tool_counts.csv").open() as file:
        return {(row["model"], row["tool"]): float(row["value"]) for row in csv.DictReader(file)}


def printed(tool: str, model: str) -> float:
    """What a tool printed for a network of torchvision."""
    return _printed()[model, tool]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("model", MODELS)
def test_a_network_of_torchvision(model: str, tool: str) -> None:
    needs("torchvision", *TOOLS[tool].needs)
    size = MODELS[model]
    counts = whole(measured(tool, lambda: torchvision_model(model), (1, 3, size, size)))
    assert counts == {name: printed(name, model) for name in TOOLS[tool].counts}


@pytest.mark.parametrize("model", MODELS)
def test_what_torchvision_says_of_itself(model: str) -> None:
    needs("torchvision")
    assert printed_by_torchvision(model) == printed("torchvision_ops", model)


# Layers ---------------------------------------------------------------------------------------------------------------

CHANNELS = 8  # of the convolution before the layer


class Case(NamedTuple):
    """A layer after a convolution with a kernel of 3 and no bias: as torch's module, or as a call of a function.

    Between the two may stand a ReLU or a flattening. A merge joins that convolution's output and what a second one,
    which keeps the size, makes of it: with an operator where it is not a function.
    """

    kind: str
    fields: str  # as a document has them, in JSON
    call: str  # "module" or "functional"
    before: str  # "", "relu" or "flatten"
    input: str  # as a document has it

    def __str__(self) -> str:
        return " ".join(filter(None, (self.before, self.kind, self.fields, self.call, self.input)))


@cache
def _extras() -> dict[Case, dict[str, int]]:
    extras: dict[Case, dict[str, int]] = {}
    with (DATA / "tool_kinds.csv").open() as file:
        for row in csv.DictReader(file):
            case = Case(row["kind"], row["fields"], row["call"], row["before"], row["input"])
            extras.setdefault(case, {})[row["tool"]] = int(row["extra"])
    return extras


def expected(tool: str, case: Case) -> int:
    """What a tool counts for a layer, beside the convolutions."""
    return _extras()[case][tool]


# A fifth of what was measured, and every tool among it; all of it is what the conventions are held to.
RUNS = [
    pytest.param(case, tool, id=f"{case}-{tool}")
    for case, extras in _extras().items()
    for tool in TOOLS
    if set(TOOLS[tool].counts) & set(extras)
][::5]


@pytest.mark.parametrize(("case", "tool"), RUNS)
def test_a_layer(case: Case, tool: str) -> None:
    needs(*TOOLS[tool].needs)
    extra = extras_of(tool, case)
    known = [name for name in TOOLS[tool].counts if name in _extras()[case]]
    assert {name: extra[name] for name in known} == {name: expected(name, case) for name in known}


def extras_of(tool: str, case: Case) -> dict[str, int]:
    """What a tool counts for a network of two or three layers, less what it counts without the last of them."""
    sizes, channels = shape_of(case)
    shape = (1, channels, *sizes)
    total = whole(measured(tool, lambda: Model(case), shape))
    rest = whole(measured(tool, lambda: Model(case, with_layer=False), shape))
    return {name: int(total[name] - rest[name]) for name in total if not name.startswith("timm")}


def document(case: Case, with_layer: bool = True) -> str:
    """The same network in cnncalc's language, in JSON, which YAML includes."""
    first = {"conv": {"out_channels": CHANNELS, "kernel_size": 3, "bias": False}}
    layers: list[Any] = [first, *([case.before] if case.before else [])]
    layer: Any = json.loads(case.fields)
    if case.kind in MERGES:
        second = {"conv": {"out_channels": CHANNELS, "kernel_size": 3, "padding": 1, "bias": False}}
        layer = ["identity", [second]]
        layers += [] if with_layer else [second]
    if with_layer:
        layers.append({case.kind: layer, "functional": case.call == "functional"})
    return json.dumps({"input": case.input, "layers": layers})


def shape_of(case: Case) -> tuple[tuple[int, ...], int]:
    """The sizes and the channels of the network's input."""
    *sizes, channels = map(int, case.input.split("x"))
    return tuple(sizes), channels


# torch's module of a layer, written from torch's documentation: cnncalc's own classes are not the ones that tools know.

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "hard_swish": nn.Hardswish,
    "hard_sigmoid": nn.Hardsigmoid,
}
OF_RANK = {
    "conv": "Conv",
    "conv_transpose": "ConvTranspose",
    "max_pool": "MaxPool",
    "avg_pool": "AvgPool",
    "adaptive_avg_pool": "AdaptiveAvgPool",
    "adaptive_max_pool": "AdaptiveMaxPool",
    "batch_norm": "BatchNorm",
    "instance_norm": "InstanceNorm",
}
MERGES: dict[str, dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "add": {"module": lambda a, b: a + b, "functional": lambda a, b: torch.add(a, b)},
    "subtract": {"module": lambda a, b: a - b, "functional": lambda a, b: torch.sub(a, b)},
    "multiply": {"module": lambda a, b: a * b, "functional": lambda a, b: torch.mul(a, b)},
    "divide": {"module": lambda a, b: a / b, "functional": lambda a, b: torch.div(a, b)},
    "mean": {"module": lambda a, b: (a + b) / 2, "functional": lambda a, b: torch.add(a, b) / 2},
    "concat": {"module": lambda a, b: torch.cat([a, b], 1), "functional": lambda a, b: torch.cat([a, b], 1)},
    "matmul": {"module": lambda a, b: a @ b, "functional": lambda a, b: torch.matmul(a, b)},
}


def module_of(kind: str, fields: dict[str, Any], sizes: tuple[int, ...]) -> nn.Module:
    """torch.nn's layer after maps of these sizes; the fields are mostly torch's own arguments."""
    rank, options = len(sizes), dict(fields)
    if options.pop("rounding", None) == "ceil":
        options["ceil_mode"] = True
    if kind in ("conv", "conv_transpose"):
        return _of_rank(kind, rank)(CHANNELS, **options)
    if kind == "depthwise_conv":
        return _of_rank("conv", rank)(CHANNELS, CHANNELS * options.pop("multiplier", 1), groups=CHANNELS, **options)
    if kind == "linear":
        features = CHANNELS
        for size in sizes:
            features *= size
        return nn.Linear(features, **options)
    if kind in ("batch_norm", "instance_norm"):
        return _of_rank(kind, rank)(CHANNELS, **options)
    if kind in OF_RANK:
        return _of_rank(kind, rank)(**options)
    if kind == "lp_pool":
        return getattr(nn, f"LPPool{rank}d")(2, **options)
    if kind == "global_avg_pool":
        return _of_rank("adaptive_avg_pool", rank)(1)
    if kind == "global_max_pool":
        return _of_rank("adaptive_max_pool", rank)(1)
    if kind in ACTIVATIONS:
        return ACTIVATIONS[kind](**options)
    return OTHERS[kind](options, sizes)


OTHERS: dict[str, Callable[[dict[str, Any], tuple[int, ...]], nn.Module]] = {
    "prelu": lambda fields, _: nn.PReLU(**fields),
    "softmax": lambda fields, _: nn.Softmax(dim=fields.get("axis", 0) + 1),
    "log_softmax": lambda fields, _: nn.LogSoftmax(dim=fields.get("axis", 0) + 1),
    "group_norm": lambda fields, _: nn.GroupNorm(num_channels=CHANNELS, **fields),
    "layer_norm": lambda fields, sizes: nn.LayerNorm([CHANNELS, *sizes], **fields),
    "local_response_norm": lambda fields, _: nn.LocalResponseNorm(**fields),
    "dropout": lambda *_: nn.Dropout(),
    "flatten": lambda *_: nn.Flatten(),
    "pad": lambda fields, sizes: getattr(nn, f"ConstantPad{len(sizes)}d")(value=0.0, **fields),
    "pixel_shuffle": lambda fields, _: nn.PixelShuffle(**fields),
    "upsample": lambda fields, _: nn.Upsample(**fields),
}


def _of_rank(kind: str, rank: int) -> Callable[..., nn.Module]:
    found: Callable[..., nn.Module] = getattr(nn, f"{OF_RANK[kind]}{rank}d")
    return found


class Weights(nn.Module):
    """What a function of weights is called with, from where tools that look for layers see no layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.weights = nn.ParameterList(parameter for parameter in layer.parameters())

    def forward(self, input: Tensor, function: Callable[..., Tensor], **options: Any) -> Tensor:
        return function(input, *self.weights, **options)


def called(kind: str, fields: dict[str, Any], rank: int, input: Tensor) -> Tensor:
    """torch.nn.functional's function, found where a tool may have put its own."""
    options = dict(fields)
    name = {"hard_swish": "hardswish", "hard_sigmoid": "hardsigmoid", "upsample": "interpolate"}.get(kind, kind)
    if "pool" in kind:
        name = f"{kind.replace('global', 'adaptive')}{rank}d"
    if kind.startswith("global"):
        options["output_size"] = 1
    if kind in ("softmax", "log_softmax"):
        options["dim"] = options.pop("axis", 0) + 1
    if kind == "dropout":
        options["training"] = False
    first = [options.pop(key) for key in ("kernel_size", "output_size") if key in options]
    output: Tensor = getattr(F, name)(input, *first, **options)
    return output


class Model(nn.Module):
    """The network of a case, or what of it stands before the layer."""

    def __init__(self, case: Case, with_layer: bool = True) -> None:
        super().__init__()
        sizes, channels = shape_of(case)
        self.rank = len(sizes)
        convolution = _of_rank("conv", self.rank)
        self.case, self.with_layer, self.fields = case, with_layer, json.loads(case.fields)
        self.conv = convolution(channels, CHANNELS, 3, bias=False)
        self.before = {"relu": nn.ReLU, "flatten": nn.Flatten, "": nn.Identity}[case.before]()
        if case.kind in MERGES:
            self.second = convolution(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        elif with_layer:
            inner = tuple(size - 2 for size in sizes)
            if case.call == "module":
                self.layer = module_of(case.kind, self.fields, inner)
            elif case.kind in ("conv", "linear"):
                self.layer = Weights(module_of(case.kind, self.fields, inner))

    def forward(self, input: Tensor) -> Any:
        first = self.before(self.conv(input))
        if self.case.kind in MERGES:
            second = self.second(first)
            return MERGES[self.case.kind][self.case.call](first, second) if self.with_layer else (first, second)
        if not self.with_layer:
            return first
        if self.case.call == "module":
            return self.layer(first)
        if self.case.kind in ("conv", "linear"):
            function = F.linear if self.case.kind == "linear" else getattr(F, f"conv{self.rank}d")
            options = {key: self.fields[key] for key in ("stride", "padding", "groups") if key in self.fields}
            return self.layer(first, function, **options)
        return called(self.case.kind, self.fields, self.rank, first)
