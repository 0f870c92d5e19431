"""What autograd keeps for the backward pass, operator by operator: torch, measured anew, against the rules on file.

tests/data/saved_for_backward.yaml holds what torch 2.13 kept; the model of eager torch is written after it. With a
torch that keeps something else, the test that fails is named after the rule that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnncalc.layers import KINDS

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from cnncalc.pytorch.build import module_of

pytestmark = pytest.mark.usefixtures("one_thread")

RULES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent.parent / "data/saved_for_backward.yaml").read_text()
)["ops"]

# Rules of operators that no kind of layer and no loss here runs.
UNUSED = {
    "alpha_dropout_train",
    "conv_padding_mode",
    "dropout_nd_train",
    "embedding",
    "grid_sample",
    "linear_noncontiguous",
    "logsigmoid",
    "max_dim",
    "maximum_minimum",
    "maxunpool",
    "mse_bce_smoothl1",
    "rmsnorm",
    "rrelu_train",
    "sdpa",
    "sdpa_math_dropout",
    "softsign",
    "tanhshrink",
}


@dataclass(frozen=True)
class Case:
    """An operator as a kind of layer (or a function) runs it, on inputs of these shapes, the batch first."""

    rule: str
    runs: str | Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]
    fields: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)  # letters of the rule's shapes
    predicts: bool = False  # in prediction, with gradients all the same

    @property
    def name(self) -> str:
        runs = self.runs if isinstance(self.runs, str) else self.runs.__name__
        return "-".join(
            [self.rule, runs, *[f"{name}={value}" for name, value in self.fields.items()], str(self.shapes[0])]
        )

    def module(self, dtype: Any) -> Any:
        if not isinstance(self.runs, str):
            return self.runs
        inputs = [torch.empty(shape, device="meta") for shape in self.shapes]
        module = module_of(KINDS[self.runs](**self.fields), *inputs).to_empty(device="cpu").to(dtype)
        for parameter in module.parameters():
            nn.init.constant_(parameter, 0.5)
        return module.train(not self.predicts)


LINE, MAP, CUBE = (3, 4, 9), (3, 4, 7, 6), (2, 4, 5, 4, 3)


def cross_entropy(x: Tensor) -> Tensor:
    return F.cross_entropy(x, torch.zeros((len(x), *x.shape[2:]), dtype=torch.int64))


def each(rule: str, kinds: str, shapes: tuple[tuple[int, ...], ...] = (MAP,), **options: Any) -> Iterator[Case]:
    """The same rule for several kinds and shapes of their one input."""
    for kind in kinds.split():
        yield from [Case(rule, kind, (shape,), **options) for shape in shapes]


CASES = [
    *each("conv", "depthwise_conv", (LINE, MAP, CUBE), fields={"kernel_size": 3, "multiplier": 2}),
    *each("conv", "conv", (LINE, MAP, CUBE), fields={"out_channels": 6, "kernel_size": 3, "stride": 2}),
    Case("conv", "conv", (MAP,), {"out_channels": 6, "kernel_size": 3, "padding": 1, "dilation": 2, "groups": 2}),
    Case("conv", "conv_transpose", (MAP,), {"out_channels": 6, "kernel_size": 3, "stride": 2}),
    Case(
        "conv_same_asymmetric",
        "conv",
        (LINE,),
        {"out_channels": 6, "kernel_size": 2, "padding": "same"},
        {"total_pad": [1]},
    ),
    Case(  # sides that are all padded by hand, as torch's `same` pads the odd one
        "conv_same_asymmetric",
        "conv",
        (MAP,),
        {"out_channels": 6, "kernel_size": 2, "padding": "same"},
        {"total_pad": [1, 1]},
    ),
    Case("linear", "linear", ((3, 8),), {"out_features": 5}),
    Case("linear", "linear", (MAP,), {"out_features": 5, "bias": False}),
    *each("batchnorm_train", "batch_norm", ((3, 4), LINE, MAP, CUBE)),
    *each("batchnorm_train", "batch_norm", fields={"affine": False}),
    *each("batchnorm_train", "batch_norm", fields={"track_running_stats": False}),
    *each("batchnorm_eval", "batch_norm", predicts=True),
    *each("instancenorm", "instance_norm", (LINE, MAP, CUBE), fields={"affine": False}),
    *each("instancenorm", "instance_norm", fields={"affine": True}),
    *each("instancenorm", "instance_norm", fields={"affine": True, "track_running_stats": True}),
    *each("groupnorm", "group_norm", (LINE, MAP), fields={"num_groups": 2}, sizes={"groups": 2}),
    *each("layernorm", "layer_norm", fields={"axes": "all"}, sizes={"nd": 3}),
    *each("layernorm", "layer_norm", fields={"axes": "channels"}, sizes={"x": [3, 7, 6, 4], "nd": 1}),
    *each("local_response_norm", "local_response_norm", fields={"size": 3}, sizes={"size": 3}),
    *each("relu", "relu sigmoid tanh softmax log_softmax"),
    *each("relu", "softmax log_softmax", fields={"axis": 2}),
    *each("leaky_relu_like", "leaky_relu elu selu"),
    *each("self_saving_act", "relu6 silu mish hard_swish hard_sigmoid"),
    *each("self_saving_act_no_inplace", "gelu softplus"),
    *each("relu", "relu", fields={"inplace": True}),
    *each("leaky_relu_like", "leaky_relu elu selu", fields={"inplace": True}),
    *each("self_saving_act", "relu6 silu mish hard_swish hard_sigmoid", fields={"inplace": True}),
    *each("prelu", "prelu"),
    *each("dropout_train", "dropout", fields={"p": 0.5}),
    *each("dropout_train", "dropout", fields={"p": 0.5, "inplace": True}),
    *each("stochastic_depth", "drop_path", fields={"p": 0.5}, sizes={"mode": "row"}),
    *each("maxpool", "max_pool", (LINE, MAP, CUBE), fields={"kernel_size": 2}),
    *each("maxpool", "max_pool", fields={"kernel_size": 3, "stride": 2, "padding": 1, "rounding": "ceil"}),
    *each("maxpool", "adaptive_max_pool", (LINE, MAP, CUBE), fields={"output_size": 2}),
    *each("avgpool", "avg_pool", (LINE, MAP, CUBE), fields={"kernel_size": 2}),
    *each("avgpool", "adaptive_avg_pool", (LINE, MAP, CUBE), fields={"output_size": 2}),
    *each("global_avgpool", "global_avg_pool", (LINE, MAP, CUBE)),
    *each("global_avgpool", "adaptive_avg_pool", (MAP, CUBE), fields={"output_size": 1}),
    *each("lppool2d", "lp_pool", fields={"kernel_size": 2}),
    *each("amax", "global_max_pool", (LINE, MAP, CUBE)),
    *each("amax", "maxout", fields={"pieces": 2}),
    *each("amax", "depth_pool", fields={"kernel_size": 2}),
    *each("no_save", "flatten identity"),
    *each("no_save", "channel_shuffle", fields={"groups": 2}),
    *each("no_save", "reshape", fields={"shape": (4, 42)}),
    *each("no_save", "permute", fields={"dims": (1, 2, 0)}),
    *each("no_save", "pad", fields={"padding": 1}),
    *each("no_save", "crop", fields={"size": 4}),
    *each("no_save", "slice", fields={"start": 1, "stop": 3}),
    *each("no_save", "upsample", (LINE, MAP, CUBE), fields={"scale_factor": 2}),
    *each("no_save", "upsample", fields={"scale_factor": 2, "mode": "bilinear"}),
    *each("no_save", "pixel_shuffle", fields={"upscale_factor": 2}),
    *each("no_save", "space_to_depth", ((2, 3, 4, 6),), fields={"block_size": 2}),
    *each("no_save", "depth_pool", fields={"kernel_size": 2, "mode": "avg"}),
    *[Case("no_save", kind, (MAP, MAP)) for kind in ("add", "subtract", "mean", "concat")],
    Case("no_save", "add", (MAP, (3, 4, 1, 1))),
    *each("pad_reflect_replicate", "pad", (LINE, MAP), fields={"padding": 1, "mode": "reflect"}),
    *each("pad_reflect_replicate", "pad", (LINE, MAP), fields={"padding": 1, "mode": "replicate"}),
    Case("mul", "multiply", (MAP, MAP)),
    Case("mul", "multiply", (MAP, (3, 4, 1, 1))),
    Case("div", "divide", (MAP, MAP)),
    Case("matmul", torch.bmm, ((2, 3, 4), (2, 4, 5))),
    Case("matmul", "matmul", ((2, 3, 4), (2, 4, 5))),
    Case("matmul", "matmul", ((2, 6, 3, 4), (2, 6, 4, 5))),
    Case("cross_entropy", cross_entropy, ((3, 8),)),
    Case("cross_entropy", cross_entropy, (MAP,)),
]


def test_every_rule_is_measured_or_said_not_to_be_used() -> None:
    assert {case.rule for case in CASES} | UNUSED == set(RULES)
    assert not {case.rule for case in CASES} & UNUSED


@dataclass(frozen=True)
class Kept:
    """Which of its own tensors an operator keeps, and the bytes of the others."""

    inputs: tuple[bool, ...]
    output: bool
    weight: bool
    extra: list[int]


def wanted(case: Case, parameters: dict[str, Tensor]) -> list[tuple[tuple[bool, ...], bool]]:
    """Which inputs, and whether the parameters, want a gradient: everything that makes autograd take part."""
    if len(case.shapes) == 2:
        return [((True, True), False), ((True, False), False), ((False, True), False)]
    return [((True,), True), ((True,), False), ((False,), True)] if parameters else [((True,), False)]


def kept(case: Case, module: Any, inputs: list[Tensor], parameters: dict[str, Tensor], buffers: list[Tensor]) -> Kept:
    """Measured: the storages that autograd is seen to keep."""
    seen: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if case.rule != "cross_entropy" or tensor.dtype != torch.int64:  # the classes are there anyway
            seen[storage._cdata] = storage
        return tensor.detach()

    def of(tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    given = [of(tensor) for tensor in inputs]
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module(*inputs)
    result = None if of(output) in given else of(output)
    others = {of(tensor) for tensor in [*parameters.values(), *buffers]} | {result, *given}
    return Kept(
        tuple([storage in seen for storage in given]),
        result in seen,
        "weight" in parameters and of(parameters["weight"]) in seen,
        sorted(storage.nbytes() for key, storage in seen.items() if key not in others and storage.nbytes()),
    )


def ruled(
    case: Case, grads: tuple[bool, ...], trained: bool, parameters: dict[str, Tensor], width: int, output: Any
) -> Kept:
    """By the rule, whose shapes and conditions are expressions over the case's sizes."""
    rule = RULES[case.rule]
    x = list(case.shapes[0])
    names = {"x": x, "o": list(output), "N": x[0], "C": x[1], "x_grad": grads[0], "w_grad": trained}
    names |= {"a_grad": grads[0], "b_grad": grads[-1], **case.sizes}

    def value(expression: Any) -> Any:
        if not isinstance(expression, str):
            return expression
        return eval(expression, {"__builtins__": {}, "len": len, "range": range, **names})

    extra = list(rule["extra"])
    if parameters and case.rule == "instancenorm":
        extra += rule["extra_affine"]
    if case.fields.get("track_running_stats") and case.rule == "instancenorm":
        extra += rule["extra_track"]
    in_place = rule.get("inplace") if case.fields.get("inplace") else None
    keeps_input = rule.get("saves_input", False)
    if in_place == "clone":
        extra.append({"dtype": "x", "shape": "x"})
    if in_place in ("output", "clone"):
        keeps_input = in_place == "output"  # the result is written over it
    inputs = (
        (value(rule["saves_a"]), value(rule["saves_b"])) if "saves_a" in rule else (value(keeps_input),) * len(grads)
    )
    return Kept(
        inputs,
        value(rule["saves_output"]) and in_place is None,
        value(rule.get("saves_weight", False)) and "weight" in parameters,
        sorted(_product(value(one["shape"])) * (8 if one["dtype"] == "int64" else width) for one in extra),
    )


def _product(shape: list[int]) -> int:
    elements = 1
    for size in shape:
        elements *= size
    return elements


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_autograd_keeps(case: Case, dtype: str) -> None:
    width = {"float32": 4, "float64": 8}[dtype]
    module = case.module(getattr(torch, dtype))
    parameters = dict(module.named_parameters()) if isinstance(module, nn.Module) else {}
    buffers = list(module.buffers()) if isinstance(module, nn.Module) else []
    for grads, trained in wanted(case, parameters):
        for parameter in parameters.values():
            parameter.requires_grad_(trained)
        leaves = [
            torch.rand(shape, dtype=getattr(torch, dtype)).requires_grad_(grad)
            for shape, grad in zip(case.shapes, grads, strict=True)
        ]
        inputs = [leaf * 1.0 for leaf in leaves]  # values of the network, which a layer may write over
        with torch.no_grad():
            output = module(*[tensor.detach().clone() for tensor in inputs]).shape
        expected = ruled(case, grads, trained, parameters, width, output)
        what = f"torch {torch.__version__} does not follow the rule `{case.rule}`"
        assert kept(case, module, inputs, parameters, buffers) == expected, what


def test_nothing_is_kept_where_no_gradient_is_wanted() -> None:
    module = Case("conv", "conv", (MAP,), {"out_channels": 6, "kernel_size": 3}).module(torch.float32)
    module.requires_grad_(False)
    seen: list[Any] = []
    with saved_tensors_hooks(seen.append, lambda tensor: tensor):
        module(torch.rand(MAP))
    assert seen == []


def test_python_numbers_are_kept_and_not_shown() -> None:
    """Eight bytes beside the product, which is all that autograd is seen to hold."""
    from cnncalc.pytorch.memory import boundaries

    held: list[Any] = []
    x = torch.rand(3, requires_grad=True)
    shown: list[Any] = []
    with saved_tensors_hooks(lambda tensor: shown.append(tensor) or tensor, lambda tensor: tensor):
        run = boundaries(lambda: held.append(x * 2.0 + x))
    assert run == [("mul", 12 + 8), ("add", 12 + 12 + 8)]
    assert shown == []
