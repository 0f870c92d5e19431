"""Modules become networks: torchvision's models to the unit, operators one by one, and what cannot be."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnncalc import DocumentError, Network, analyze
from cnncalc.eager import Setup
from cnncalc.language.fold import document
from cnncalc.language.load import loads
from cnncalc.language.write import text
from cnncalc.passes.receptive_field import receptive_fields
from cnncalc.passes.remarks import remarks
from cnncalc.pytorch import verify, verify_memory
from cnncalc.pytorch.capture import _captured, capture, captured, captured_program, trace
from cnncalc.pytorch.references import without_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from torchvision_operators import torchvision_operators

Row = dict[str, str]

with (Path(__file__).parents[1] / "data" / "torchvision_cnn.csv").open() as file:
    ROWS = list(csv.DictReader(file))


def total(network: Network, name: str) -> int:
    return sum(getattr(node.facts, name) for node in network)


def unused(network: Network) -> int:
    """Parameters that the network says nothing reads."""
    return sum(int(one.message.split()[0].replace(",", "")) for one in network.said if one.code == "unused-parameters")


def layers(network: Network) -> list[tuple[str, str]]:
    return [(node.name, node.layer.kind) for node in network]


# torchvision ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torchvision() -> Any:
    """torchvision, which need not be built for this torch: only the code of its models is wanted."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    torchvision_operators()
    import torchvision

    return torchvision


def model(torchvision: Any, name: str, family: str = "", **options: Any) -> Any:
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, **options}
    owner = getattr(torchvision.models, family) if family else torchvision.models
    with without_weights():
        return getattr(owner, name)(weights=None, **options).eval().to("meta")


CHOSEN = {
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "vgg11_bn",
}


@pytest.mark.parametrize("row", [row for row in ROWS if row["name"] in CHOSEN], ids=lambda row: row["name"])
def test_torchvision(torchvision: Any, row: Row) -> None:
    options = {"aux_logits": "aux_logits=True" in row["variant"]} if row["variant"] else {}
    if row["name"] == "googlenet":
        options.setdefault("aux_logits", False)
    module = model(torchvision, row["name"], **options)
    module.training = "set on the top" in row["variant"]
    network = capture(module, torch.empty(2, 3, int(row["in_h"]), int(row["in_w"]), device="meta"))
    kinds = Counter(node.layer.kind for node in network)
    found = {
        "params": total(network, "weights") + total(network, "biases") + unused(network),
        "macs": total(network, "macs"),
        "conv_out_elems": sum(prod(node.output) for node in network if node.layer.kind == "conv"),
        "linear_out_elems": sum(prod(node.output) for node in network if node.layer.kind == "linear"),
        "n_conv_calls": kinds["conv"],
    }
    if not unused(network):  # otherwise of layers that do not run
        found |= {"buffers_float": total(network, "buffers"), "n_linear": kinds["linear"], "n_bn": kinds["batch_norm"]}
    assert found == {key: int(row[key]) for key in found}
    assert ";".join("x".join(map(str, [1, *output.output])) for output in network.outputs) == row["out_shape"]
    assert not kinds["unknown"]


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_b0", "shufflenet_v2_x0_5", "googlenet"])
@pytest.mark.parametrize("size", [(97, 131), (192, 160)])
def test_torchvision_at_other_sizes(torchvision: Any, name: str, size: tuple[int, int]) -> None:
    module = model(torchvision, name, **({"aux_logits": False} if name == "googlenet" else {}))
    images = torch.empty(2, 3, *size, device="meta")
    network = capture(module, images)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(images)
    assert total(network, "macs") == counter.get_total_flops() // 4  # two FLOPs a MAC, two images


class BackboneAndHead(nn.Module):
    """A detector up to where the sizes of what follows depend on the images."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.head if hasattr(detector, "head") else detector.rpn.head

    def forward(self, images: Tensor) -> Any:
        return self.head(list(self.backbone(images).values()))


@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "ssd300_vgg16"])
def test_detectors_up_to_their_heads(torchvision: Any, name: str) -> None:
    """Heads are used at every level, their weights counted once, and the document says so."""
    detector = BackboneAndHead(model(torchvision, name, "detection", weights_backbone=None))
    images = torch.empty(2, 3, 300, 332, device="meta")
    network = capture(detector, images)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector(images)
    assert not any(node.facts.unknown for node in network)
    again = loads(text(document(network)))
    for one in (network, again):
        assert total(one, "macs") == counter.get_total_flops() // 4  # two FLOPs a MAC, two images
        assert total(one, "weights") + total(one, "biases") == sum(part.numel() for part in detector.parameters())
    assert [node.layer for node in again] == [node.layer for node in network]


@pytest.mark.parametrize(
    ("family", "name", "shape", "outputs"),
    [
        ("segmentation", "deeplabv3_resnet50", (3, 97, 130), ("out",)),
        ("segmentation", "fcn_resnet50", (3, 64, 96), ("out",)),
        ("segmentation", "lraspp_mobilenet_v3_large", (3, 96, 128), ("out",)),
        ("video", "r3d_18", (3, 8, 56, 64), ()),
        ("video", "mc3_18", (3, 8, 56, 64), ()),
        ("video", "r2plus1d_18", (3, 8, 56, 64), ()),
        ("video", "s3d", (3, 16, 224, 224), ()),
    ],
)
def test_torchvisions_other_models(
    torchvision: Any, family: str, name: str, shape: tuple[int, ...], outputs: tuple[str, ...]
) -> None:
    options = {"weights_backbone": None} if family == "segmentation" else {}
    module = model(torchvision, name, family, **options)
    images = torch.empty(2, *shape, device="meta")
    network = capture(module, images)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        results = module(images)
    assert total(network, "macs") == counter.get_total_flops() // 4
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert total(network, "weights") + total(network, "biases") + unused(network) == parameters
    assert not [node for node in network if node.facts.unknown]
    assert network.output_names == outputs
    tensors = list(results.values()) if isinstance(results, dict) else [results]
    assert [output.output for output in network.outputs] == [tuple(tensor.shape[1:]) for tensor in tensors]


def test_a_captured_network_is_right_layer_by_layer(torchvision: Any) -> None:
    """`verify` builds it again from its kinds, and finds torch's numbers: shared activations, shuffles, gates."""
    for name in ("shufflenet_v2_x0_5", "mobilenet_v3_small"):
        network = capture(model(torchvision, name), torch.empty(2, 3, 65, 97, device="meta"))
        assert verify(network, "meta").disagreements == []


def test_auxiliary_heads_are_there_in_training_and_named(torchvision: Any) -> None:
    module = model(torchvision, "googlenet", aux_logits=True).train()
    network = capture(module, torch.empty(2, 3, 224, 224, device="meta"))
    assert network.output_names == ("logits", "aux_logits2", "aux_logits1")
    assert unused(network) == 0


# Names, parts and modes -----------------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding="same", padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(torch.add(self.conv2(out), x) + x)


def test_names_are_the_modules() -> None:
    network = capture(nn.Sequential(Block(), nn.Flatten(), nn.Linear(6 * 5 * 7, 4)), torch.empty(2, 6, 5, 7))
    assert [(*pair, node.functional) for pair, node in zip(layers(network), network, strict=True)] == [
        ("0.conv1", "conv", False),
        ("0.bn1", "batch_norm", False),
        ("0.relu", "relu", False),
        ("0.conv2_pad", "pad", False),
        ("0.conv2", "conv", False),
        ("0.add", "add", True),  # torch.add
        ("0.add_2", "add", False),  # +
        ("0.relu_2", "relu", False),
        ("1", "flatten", False),
        ("2", "linear", False),
    ]
    assert [node.layer.inplace for node in network if node.layer.kind == "relu"] == [True, True]
    assert verify(network, "cpu").disagreements == []


class Residual(nn.Module):
    """As torchvision writes a block: the sum in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn(self.conv(x))
        out += x
        return F.relu(out, inplace=True)


def test_what_works_in_place_does_so_here() -> None:
    network = capture(nn.Sequential(Residual(), Residual(), nn.Flatten(), nn.Linear(120, 3)), torch.empty(2, 4, 5, 6))
    assert [node.layer.inplace for node in network if node.layer.kind in ("add", "relu")] == [True] * 4
    assert verify(network, "cpu").disagreements == []
    for training in (False, True):
        assert verify_memory(network, Setup(batch=2, training=training)).disagreements == []


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.norm(self.conv(self.norm(self.conv(x)))), self.conv.weight, groups=1)


def test_shared_weights_are_counted_once() -> None:
    module = Shared()
    network = capture(module, torch.empty(2, 4, 6, 8))
    assert [(node.name, node.shared and node.shared.name) for node in network] == [
        ("conv", None),
        ("norm", None),
        ("conv_2", "conv"),
        ("norm_2", "norm"),
        ("conv_3", "conv"),
    ]
    assert total(network, "weights") + total(network, "biases") == 4 * 4 * 9 + 4 + 8
    assert total(network, "buffers") == 8
    assert total(network, "macs") == 36 * 4 * (48 + 48 + 4 * 6)
    assert network["conv_3"].functional
    assert verify(network, "cpu").disagreements == []


class Heads(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"mean": x.mean((2, 3)), "pair": (x.relu(), x.sigmoid()), "none": None}


def test_outputs_keep_their_names() -> None:
    network = capture(Heads(), torch.empty(2, 3, 4, 5))
    assert network.output_names == ("mean", "pair.0", "pair.1")
    assert [output.name for output in network.outputs] == ["flatten", "relu", "sigmoid"]


class Written(nn.Module):
    """It writes over a value, and reads that by its old name."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.relu_()
        return y + x


def test_what_is_written_over_is_read_as_written() -> None:
    network = capture(Written(), torch.empty(2, 3, 4, 4))
    assert [[value.name for value in node.inputs] for node in network][-1] == ["relu", "input"]


def test_training_has_dropout_and_counts_no_counter() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.25)).train()
    network = capture(module, torch.empty(2, 3, 4, 4))
    assert layers(network) == [("0", "conv"), ("1", "batch_norm"), ("2", "dropout")]
    assert network["2"].layer.p == 0.25


# Operators ------------------------------------------------------------------------------------------------------------


class Code(nn.Module):
    """A function as a module, with a parameter of four channels and a buffer."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.gain = nn.Parameter(torch.ones(4, 1, 1))
        self.place = nn.Parameter(torch.ones(1, 4, 6, 9))
        self.register_buffer("mean", torch.zeros(4, 1, 1))

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Case(NamedTuple):
    name: str
    function: Any
    kinds: str  # of the layers, in order
    parameters: int = 0
    buffers: int = 0


CASES = [
    Case("chunk", lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1), "slice slice concat"),
    Case("split", lambda m, x: x.split([1, 3], 1)[1], "slice"),
    Case("index", lambda m, x: x[:, ::2, 1:-1], "slice slice"),
    Case("select", lambda m, x: x[:, 1], "slice reshape"),
    Case("unbind", lambda m, x: torch.stack(x.unbind(1), 1), "slice reshape " * 4 + "reshape " * 4 + "concat"),
    Case("gate", lambda m, x: x * x.mean((2, 3), keepdim=True).sigmoid(), "global_avg_pool sigmoid multiply"),
    Case("means", lambda m, x: x.mean(1, keepdim=True) + x.amax(1, True), "reduce reduce add"),
    Case("maximum", lambda m, x: x.max(1, keepdim=True)[0], "reduce"),
    Case("largest", lambda m, x: F.adaptive_max_pool2d(x, 1).flatten(1), "adaptive_max_pool flatten"),
    Case("numbers", lambda m, x: 1 - (x + 3).clamp(0, 6) / 6, "arithmetic relu6 arithmetic arithmetic"),
    Case("gain", lambda m, x: m.gain * x - m.mean, "scale arithmetic", 4, 4),
    Case("place", lambda m, x: x + m.place, "arithmetic", 216),
    Case("normalised", lambda m, x: (x - m.mean) / m.gain, "arithmetic arithmetic", 4, 4),
    Case("resize", lambda m, x: F.interpolate(x, (9, 5), mode="bilinear"), "upsample"),
    Case("twice", lambda m, x: F.interpolate(x, scale_factor=2), "upsample"),
    Case("shuffle", lambda m, x: x.view(-1, 2, 2, 6, 9).transpose(1, 2).reshape(x.shape), "channel_shuffle"),
    Case("pixels", lambda m, x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 3), "pixel_shuffle space_to_depth"),
    Case(
        "blocks",
        lambda m, x: x.view(-1, 4, 2, 3, 3, 3).permute(0, 3, 5, 1, 2, 4).reshape(-1, 36, 2, 3),
        "space_to_depth",
    ),
    Case("padded", lambda m, x: F.pad(x, (1, 0, 0, 2), value=1.0), "pad"),
    Case("cut", lambda m, x: F.pad(x, (-1, 0, 1, -2)), "pad crop"),
    Case("ceiled", lambda m, x: F.max_pool2d(x, 2, 2, 1, ceil_mode=True), "max_pool"),
    Case("averaged", lambda m, x: F.avg_pool2d(x, 3, 2, 1, False, False), "avg_pool"),
    Case("tokens", lambda m, x: F.layer_norm(x.flatten(2).transpose(1, 2), (4,)), "reshape permute layer_norm"),
    Case("turned", lambda m, x: x.permute(0, 2, 3, 1).contiguous(), "permute"),
    Case("gated", lambda m, x: F.glu(x, 1), "slice slice sigmoid multiply"),
    Case("normal", lambda m, x: F.instance_norm(F.group_norm(x, 2)), "group_norm instance_norm"),
    Case("squeezed", lambda m, x: x.mean((2, 3)).unsqueeze(-1).squeeze(-1), "global_avg_pool flatten reshape flatten"),
    Case("cast", lambda m, x: x.detach().clone().contiguous().to(torch.float32) + 0, "arithmetic"),
    Case("merged", lambda m, x: torch.sub(x / x.exp(), x), "function divide subtract"),
    Case("product", lambda m, x: x.flatten(2) @ x.flatten(2).transpose(1, 2), "reshape reshape permute matmul"),
    Case(
        "batches of matrices", lambda m, x: torch.bmm(x.flatten(2), x.flatten(2).mT), "reshape reshape permute matmul"
    ),
    Case("along rows", lambda m, x: x.softmax(-1) + F.log_softmax(x, 2), "softmax log_softmax add"),
    Case("one matrix for all", lambda m, x: x @ x.mean((1, 2)).unflatten(1, (1, 9, 1)), "reduce reshape unknown"),
    Case("across images", lambda m, x: x + x.mean(0, keepdim=True), "unknown unknown"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_operators(case: Case) -> None:
    module = Code(case.function)
    images = torch.rand(2, 4, 6, 9)
    network = capture(module.eval(), images)
    assert [node.layer.kind for node in network] == case.kinds.split()
    assert total(network, "weights") + total(network, "biases") == case.parameters
    assert total(network, "buffers") == case.buffers
    if "across" not in case.name:
        assert network.outputs[0].output == tuple(module(images).shape[1:])
    if "unknown" not in case.kinds:
        assert verify(network, "cpu").disagreements == []


class GlobalContext(nn.Module):
    """A sum of all places by one map of attention, through two 1x1 convolutions, as a gate (Cao et al. 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv2d(channels, 1, 1)
        self.narrow, self.wide = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        weights = F.softmax(self.attention(x).reshape(B, 1, H * W), dim=-1).unsqueeze(3)
        context = (x.reshape(B, C, H * W).unsqueeze(1) @ weights).view(B, C, 1, 1)
        return x * self.wide(self.narrow(context).relu()).sigmoid()


def test_global_context() -> None:
    network = capture(GlobalContext(5).eval(), torch.rand(2, 5, 6, 9))
    kinds = "conv reshape softmax reshape reshape reshape matmul reshape conv relu conv sigmoid multiply"
    assert [node.layer.kind for node in network] == kinds.split()
    assert network["softmax"].layer.axis == 1
    # one channel of attention and as many products again for each channel's sum, then 5·2 twice
    assert total(network, "macs") == 5 * 54 + 5 * 54 + 10 + 10
    assert verify(network, "cpu").disagreements == []


class CondConv(nn.Module):
    """A convolution with a mixture of experts for each image (Yang et al. 2019), all images at once."""

    def __init__(self, bias: bool = False, same: bool = False, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.routing = nn.Linear(4, 3)
        self.weight = nn.Parameter(torch.rand(3, 6 * (4 // groups) * 9))
        self.bias = nn.Parameter(torch.rand(3, 6)) if bias else None
        self.same, self.stride, self.groups = same, stride, groups

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        routing = self.routing(F.adaptive_avg_pool2d(x, 1).flatten(1)).sigmoid()
        weight = torch.matmul(routing, self.weight).view(B * 6, C // self.groups, 3, 3)
        bias = None if self.bias is None else torch.matmul(routing, self.bias).view(B * 6)
        x = x.reshape(1, B * C, H, W)
        x = F.pad(x, (0, 1, 0, 1)) if self.same else x
        x = F.conv2d(x, weight, bias, self.stride, 0 if self.same else 1, 1, B * self.groups)
        return x.permute(1, 0, 2, 3).view(B, 6, *x.shape[2:])


@pytest.mark.parametrize(
    ("options", "kinds", "macs"),
    [
        pytest.param({}, "dynamic_conv", 3 * 216 + 216 * 54, id="plain"),
        pytest.param({"groups": 2, "stride": 2}, "dynamic_conv", 3 * 108 + 108 * 15, id="groups"),
        pytest.param({"bias": True}, "linear dynamic_conv reshape add", 3 * 216 + 216 * 54 + 3 * 6, id="bias"),
        pytest.param({"same": True, "stride": 2}, "pad dynamic_conv", 3 * 216 + 216 * 12, id="same"),
    ],
)
@pytest.mark.parametrize("traced", [False, True], ids=["exported", "traced"])
@pytest.mark.parametrize("batch", [1, 2, 13])
def test_filters_of_each_images_own(options: Any, kinds: str, macs: int, traced: bool, batch: int) -> None:
    """6 filters of 3x3 over 4 channels, a mixture of 3: 3·216 products for them and 216 a place, 12 for the mixture."""
    module, images = CondConv(**options).eval(), torch.rand(batch, 4, 6, 9)
    if traced:
        network = _captured(trace.dispatched(module, (images,), {}), "CondConv", "", "chw").network
    else:
        network = capture(module, images)
    assert sorted(node.layer.kind for node in network) == sorted(
        ["adaptive_avg_pool", "flatten", "linear", "sigmoid", "linear", *kinds.split()]
    )
    assert total(network, "macs") == macs + 12
    trained = total(network, "weights") + total(network, "biases")
    assert trained == sum(parameter.numel() for parameter in module.parameters())
    assert network.outputs[0].output == tuple(module(images).shape[1:])
    assert verify(network, "cpu").disagreements == []
    assert {one.code for one in network.said} == ({"captured-by"} if traced else set())


def test_images_beside_one_another_that_are_no_groups_are_not_counted() -> None:
    """One convolution over all of them mixes the images."""
    module = Code(lambda m, x: m.conv(x.reshape(1, -1, 6, 9)).view(1, 2, -1, 6, 9).squeeze(0))
    module.conv = nn.Conv2d(8, 10, 3, padding=1)
    network = capture(module.eval(), torch.rand(2, 4, 6, 9))
    assert "conv" not in [node.layer.kind for node in network]
    assert {one.code for one in network.said} >= {"unknown-operator"}


def test_weights_that_are_held_turned() -> None:
    """[in, out] and [out, in], by either operator: the numbers of the one are those of the other turned."""

    class Products(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = [nn.Parameter(torch.rand(4, 4)) for _ in range(4)]

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(F.linear(x @ self.a @ self.b.t(), self.c), self.d.t())

    found = captured(Products().eval(), torch.rand(2, 4))
    assert [node.layer.kind for node in found.network] == ["linear"] * 4
    assert [node.name for node in found.network if node in found.turned] == ["a", "d"]


def test_a_repeated_value_is_a_layer_but_where_it_meets_another() -> None:
    """A convolution reads all 3 channels of one that is repeated; a gate is repeated by the product itself."""
    module = Code(lambda m, x: m.conv(x.expand(-1, 3, -1, -1)) * x.mean((1, 2, 3), keepdim=True).expand(-1, 5, 4, 7))
    module.conv = nn.Conv2d(3, 5, 3)
    images = torch.rand(2, 1, 6, 9)
    network = capture(module.eval(), images)
    assert [node.layer.kind for node in network] == ["unknown", "conv", "reduce", "multiply"]
    assert next(iter(network)).output == (3, 6, 9)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(images)
    assert total(network, "macs") == counter.get_total_flops() // 4


def test_why_a_layer_cannot_be_is_said_with_its_shapes() -> None:
    """torch.matmul repeats leading sizes of 1."""
    network = capture(Code(lambda m, x: x @ x[:, :1].transpose(2, 3)), torch.rand(2, 4, 6, 9))
    said = " ".join([one.message for one in network.said])
    assert "`aten.matmul` is no kind of layer here (`matmul` cannot multiply [4, 6, 9] by [1, 9, 6]: " in said


def test_what_is_repeated_comes_out_in_its_size() -> None:
    network = capture(Code(lambda m, x: x.mean((2, 3), keepdim=True).expand_as(x)), torch.rand(2, 4, 6, 9))
    assert network.outputs[0].output == (4, 6, 9)


MODULES = [
    (nn.Conv1d(4, 6, 3, 2, 1), (4, 11)),
    (nn.Conv3d(4, 6, (1, 3, 3), padding="same", dilation=2, groups=2), (4, 3, 7, 8)),
    (nn.Conv2d(4, 6, (2, 4), padding="same"), (4, 7, 8)),
    (nn.Conv2d(4, 4, 3, groups=4, padding=1, padding_mode="circular"), (4, 7, 8)),
    (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), (4, 7, 8)),
    (nn.ConvTranspose1d(4, 6, 3, 2), (4, 7)),
    (nn.Linear(8, 5), (8,)),
    (nn.Linear(8, 5, bias=False), (4, 7, 8)),
    (nn.LayerNorm(8), (7, 8)),
    (nn.LayerNorm((4, 7, 8)), (4, 7, 8)),
    (nn.GroupNorm(2, 4), (4, 7, 8)),
    (nn.InstanceNorm2d(4, affine=True), (4, 7, 8)),
    (nn.BatchNorm1d(4), (4,)),
    (nn.BatchNorm2d(4, affine=False), (4, 7, 8)),
    (nn.BatchNorm2d(4, track_running_stats=False), (4, 7, 8)),
    (nn.LocalResponseNorm(3), (4, 7, 8)),
    (nn.LPPool2d(2, 3), (4, 7, 8)),
    (nn.PReLU(4), (4, 7, 8)),
    (nn.AdaptiveAvgPool2d((3, None)), (4, 7, 8)),
    (nn.MaxPool1d(3, return_indices=False), (4, 7)),
    (nn.AvgPool3d(2), (4, 5, 6, 7)),
    (nn.Upsample(scale_factor=2, mode="trilinear"), (4, 5, 6, 7)),
    (nn.ChannelShuffle(2), (4, 7, 8)),
    *[
        (activation, (4, 7, 8))
        for activation in (
            nn.ReLU6(),
            nn.LeakyReLU(0.2),
            nn.ELU(),
            nn.SELU(),
            nn.GELU("tanh"),
            nn.SiLU(inplace=True),
            nn.Mish(),
            nn.Sigmoid(),
            nn.Tanh(),
            nn.Softplus(),
            nn.Hardswish(),
            nn.Hardsigmoid(),
            nn.Softmax(1),
            nn.LogSoftmax(1),
        )
    ],
]


@pytest.mark.parametrize(
    ("module", "shape"), MODULES, ids=lambda value: str(value) if isinstance(value, nn.Module) else ""
)
def test_modules(module: Any, shape: tuple[int, ...]) -> None:
    images = torch.rand(2, *shape)
    network = capture(nn.Sequential(module).eval(), images)
    assert not [node for node in network if node.facts.unknown]
    assert total(network, "weights") + total(network, "biases") == sum(p.numel() for p in module.parameters())
    assert total(network, "buffers") == sum(b.numel() for b in module.buffers() if b.is_floating_point())
    with torch.no_grad():
        assert network.outputs[0].output == tuple(module.eval()(images.clone()).shape[1:])
    assert verify(network, "cpu").disagreements == []
    assert network.nodes[-1].name == "0"
    assert not any(node.functional for node in network)


# What is not known ----------------------------------------------------------------------------------------------------


def test_an_unknown_operator_is_loud() -> None:
    network = capture(Code(lambda m, x: x.cumsum(1).relu()), torch.empty(2, 4, 6, 9))
    (remark,) = [one for one in remarks(network) if one.code == "unknown-operator"]
    assert "`aten.cumsum`" in remark.message
    assert remark.severity == "warning"
    assert analyze(network).totals.unknown == 1
    assert network["relu"].output == (4, 6, 9)


def test_a_residual_keeps_its_field() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), Code(lambda m, x: (x + m.place) * m.gain))
    network = capture(module, torch.empty(2, 4, 6, 9))
    field = receptive_fields(network)[network.nodes[-1]]
    assert field is not None
    assert field.size == (3, 3)


# What torch.export refuses, and what nobody can -----------------------------------------------------------------------


class Result:
    def __init__(self, logits: Tensor, features: Tensor) -> None:
        self.logits, self.features = logits, features


class OwnResult(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Result:
        self.last = self.conv(x)
        return Result(F.relu(self.last), self.last)


def test_what_export_refuses_is_traced_and_says_so() -> None:
    module = OwnResult()
    network = capture(module, torch.empty(2, 3, 5, 5))
    assert [(node.name, node.layer.kind, node.functional) for node in network] == [
        ("conv", "conv", False),
        ("relu", "relu", True),
    ]
    assert network.output_names == ("logits", "features")
    assert "captured-by" in [one.code for one in network.said]
    assert not hasattr(module, "last")


@pytest.mark.parametrize(
    ("module", "code"),
    [
        (Code(lambda m, x: x if x.sum() > 0 else -x), "data-dependent"),
        (Code(lambda m, x: m.gain @ m.place @ x), "module-fails"),
        (nn.Identity(), "no-layers"),
    ],
)
def test_what_has_no_network(module: Any, code: str) -> None:
    with pytest.raises(DocumentError) as caught:
        capture(module, torch.empty(2, 5, 6, 9))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_two_inputs_by_name() -> None:
    class Two(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return image * mask

    network = capture(Two(), {"image": torch.empty(2, 3, 4, 5), "mask": torch.empty(2, 1, 4, 5)})
    assert [(value.name, value.output) for value in network.inputs] == [("image", (3, 4, 5)), ("mask", (1, 4, 5))]
    with pytest.raises(DocumentError) as caught:
        capture(Two(), [torch.empty(2, 3, 4, 5), torch.empty(1, 1, 4, 5)])
    assert caught.value.diagnostics[0].code == "batches-differ"


def test_a_saved_program() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    program = torch.export.export(module, (torch.empty(2, 3, 8, 9),))
    network = captured_program(program, name="saved")
    assert layers(network) == [("0", "conv"), ("1", "batch_norm"), ("2", "relu")]
    assert total(network, "weights") + total(network, "biases") == 4 * 27 + 4 + 8


def test_weights_are_not_in_memory() -> None:
    with without_weights():
        module = nn.Linear(20_000, 20_000)
    assert module.weight.is_meta
    assert capture(module, torch.empty(2, 20_000, device="meta")).nodes[0].facts.macs == 400_000_000


class TokensFirst(nn.Module):
    """The images of the batch are the second dimension for a while, as attention has them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 4, 4)
        self.dense = nn.Linear(32, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).flatten(2).permute(2, 0, 1)
        x = self.dense(x).permute(1, 0, 2)
        return self.head(x.mean(1))


def test_what_is_done_to_all_images_together_is_in_no_count() -> None:
    """Counted as one image's it would be the whole batch's."""
    network = capture(TokensFirst(), torch.empty(7, 3, 16, 16))
    assert [node.name for node in network if node.facts.unknown] == ["permute", "dense", "permute_2"]
    assert total(network, "macs") == 16 * 32 * 48 + 32 * 5
    assert [node.output for node in network][-1] == (5,)
    assert any("not its first dimension" in one.message for one in network.said)
