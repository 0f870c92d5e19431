"""`verify --against`: a document beside a real module; what agrees, and every way in which it can differ."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cnncalc
from cnncalc.language.load import load

torch = pytest.importorskip("torch", reason="verify needs torch, which is not installed")


sys.path.insert(0, str(Path(__file__).parents[1]))
from torchvision_operators import torchvision_operators

from cnncalc.pytorch.against import TOLERANCE, verify_against
from cnncalc.pytorch.verify import Verification, diagnostics

pytestmark = pytest.mark.usefixtures("one_thread")

MODULE = """
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, eps=1e-5, extra=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8, eps=eps)
        self.left = nn.Conv2d(8, 8, 1)
        self.right = nn.Conv2d(8, 8, 1)
        self.extra = nn.Conv2d(8, 8, 1) if extra else None
        self.idle = nn.Linear(3, 3)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, image):
        x = F.relu(self.bn(self.conv(image)))
        x = F.relu(self.left(x)) - self.right(x)
        if self.extra is not None:
            x = self.extra(x)
        return self.head(F.max_pool2d(x, 2).flatten(1))


class Ends(Net):
    def forward(self, image):
        x = self.conv(image)
        return {"low": self.bn(x), "high": self.left(x)}
"""

DOCUMENT = """
input: 8x8x3
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, bias: false}
    name: first
  - batch_norm
  - relu
  - subtract:
    - - conv: {out_channels: 8, kernel_size: 1, activation: relu}
        name: one
    - - conv: {out_channels: 8, kernel_size: 1}
        name: other
  - max_pool: 2
  - dropout: 0.5
  - linear: 5
"""


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verification]:
    """The comparison of DOCUMENT, with some text replaced, with a module of MODULE."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODULE)

    def compare(old: str = "", new: str = "", module: str = "Net", **options: Any) -> Verification:
        assert old in DOCUMENT
        Path("net.yaml").write_text(DOCUMENT.replace(old, new) if old else DOCUMENT)
        return verify_against(load("net.yaml"), f"net.py:{module}", **options)

    return compare


PRODUCTS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.square, self.wide, self.narrow = [nn.Parameter(torch.rand(*sizes)) for sizes in ((6, 6), (6, 9), (4, 9))]

    def forward(self, vector):
        return vector @ self.square @ self.wide @ self.narrow.t()
"""


def test_weights_that_the_module_holds_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[in, out], where torch's dense layer has [out, in]: they are copied over turned, square ones too."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(PRODUCTS)
    layers = "".join([f"  - linear: {{out_features: {features}, bias: false}}\n" for features in (6, 9, 4)])
    Path("net.yaml").write_text(f"input: 6\nlayers:\n{layers}")
    report = verify_against(load("net.yaml"), "net.py:Net")
    assert different(report) == []
    assert report.totals[-1].quantity == "difference of the outputs"


def different(report: Verification) -> list[tuple[str, str, Any, Any]]:
    return [(layer.name if layer else "", one.quantity, one.engine, one.torch) for layer, one in report.disagreements]


def test_agreement(compared: Callable[..., Verification]) -> None:
    """Every layer but the dropout, a fused activation as one more; parameters that the module does not use aside."""
    report = compared()
    assert different(report) == []
    assert report.against == "net.py:Net"
    assert [layer.name for layer in report.layers] == [
        *("first", "batch_norm", "relu", "one", "other", "subtract", "max_pool", "linear")
    ]
    of_one = next(layer for layer in report.layers if layer.name == "one")
    assert [(one.quantity, one.torch) for one in of_one.comparisons] == [
        ("output shape", [8, 8, 8]),
        ("parameters", "[8], [8, 8, 1, 1]"),
        ("MACs", 8 * 8 * 64),
        ("output shape", [8, 8, 8]),
        ("parameters", "none"),
        ("MACs", 0),
    ]
    parameters = 8 * 3 * 9 + 2 * 8 + 2 * (8 * 8 + 8) + 8 * 16 * 5 + 5
    macs = 2 * (64 * 8 * 27 + 2 * 64 * 64 + 8 * 16 * 5)
    assert [(one.quantity, one.torch) for one in report.totals] == [
        ("parameters in all", parameters),
        ("MACs in all", macs),
        ("outputs", "[2, 5]"),
        ("difference of the outputs", f"at most {TOLERANCE:g} of the largest value"),
    ]


def test_another_size_of_a_kernel_is_no_other_sequence(compared: Callable[..., Verification]) -> None:
    report = compared("max_pool: 2", "conv: {out_channels: 8, kernel_size: 2, stride: 2, groups: 8, bias: false}")
    assert different(report) == [
        ("conv", "parameters", "[8, 1, 2, 2]", "none"),
        ("conv", "MACs", 8 * 4 * 16, 0),
        ("", "parameters in all", 1053, 1021),
        ("", "MACs in all", 2 * (22656 + 512), 2 * 22656),
    ]


def test_layers_that_differ_are_told_of_once_each_and_the_first_of_them_only(
    compared: Callable[..., Verification],
) -> None:
    report = compared("out_channels: 8", "out_channels: 9")
    network = load("net.yaml")
    first, *others = diagnostics(report, network)
    assert first.message == (
        "`first` (conv): output shape is [9, 8, 8] by cnncalc, [8, 8, 8] in the module; parameters is [9, 3, 3, 3] by "
        f"cnncalc, [8, 3, 3, 3] in the module; MACs is {9 * 64 * 27:,} by cnncalc, {8 * 64 * 27:,} in the module"
    )
    assert [note.message for note in first.notes] == ["`conv` (conv) of the module"]
    assert [one.message.partition(": ")[0].partition(" is ")[0] for one in others] == [
        *("`batch_norm` (batch_norm)", "`relu` (relu)", "`one` (conv)", "`other` (conv)"),
        "3 layers after them differ, too",
        "parameters in all",
    ]


def test_a_layer_too_many_and_one_too_few(compared: Callable[..., Verification]) -> None:
    report = compared(module="Net(extra=True)")
    assert different(report)[0] == ("subtract", "sequence", "nothing", "`extra` (conv) [8, 8, 8]")
    report = compared("  - max_pool: 2\n", "  - max_pool: 2\n  - softmax\n")
    assert different(report) == [("softmax", "sequence", "`softmax` (softmax) [8, 4, 4]", "nothing")]
    report = compared("layers:\n", "layers:\n  - sigmoid\n")
    assert different(report) == [("sigmoid", "sequence", "`sigmoid` (sigmoid) [3, 8, 8]", "nothing")]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        (
            "- batch_norm",
            "- batch_norm: {eps: 0.5}",
            6,
            "`batch_norm` (batch_norm): eps is 0.5 by cnncalc, 1e-05 in the",
        ),
        ("activation: relu", "activation: silu", 9, "`one` (conv): kind is silu by cnncalc, relu in the module"),
        ("  - relu\n", "  - tanh\n", 7, "`tanh` (tanh): kind is tanh by cnncalc, relu in the module"),
        ("subtract", "add", 8, "`add` (add): kind is add by cnncalc, subtract in the module"),
    ],
)
def test_other_values(compared: Callable[..., Verification], old: str, new: str, line: int, says: str) -> None:
    """Shapes and counts agree, and what comes out does not: the layer that is other is told, and where that begins."""
    report = compared(old, new)
    first, *others = diagnostics(report, load("net.yaml"))
    assert first.message.startswith(says)
    assert first.span is not None
    assert first.span.line == line
    assert "difference of the outputs is at most 1e-05 of the largest value" in "".join(
        [one.message for one in (first, *others)]
    )


def test_where_other_values_begin(compared: Callable[..., Verification]) -> None:
    """Nothing that a field says: the first module whose output differs is the next one."""
    report = compared("padding: 1, bias: false", "padding: [[2, 0], [1, 1]], bias: false")
    found = different(report)
    assert found[0] == ("first", "padding", "[[2, 0], 1]", "1")
    assert found[1][:2] == ("first", "difference of the outputs")
    report = compared("- max_pool: 2", "- avg_pool: 2")
    at = [layer.name for layer, one in report.disagreements if layer and "first layer" in one.note]
    assert at == ["linear"]


def test_weights_alike_at_the_start_would_hide_nothing(compared: Callable[..., Verification]) -> None:
    """A norm's weights of 1 and statistics of 0 and 1 are drawn anew: without its norm the network differs."""
    report = compared("- batch_norm", "- instance_norm: {affine: true}")
    kind, outputs = different(report)
    assert kind == ("instance_norm", "kind", "instance_norm", "batch_norm")
    assert outputs[:2] == ("instance_norm", "difference of the outputs")


def test_several_outputs(compared: Callable[..., Verification], tmp_path: Path) -> None:
    compared()
    Path("ends.yaml").write_text(
        "input: 8x8x3\nlayers:\n"
        "  - conv: {out_channels: 8, kernel_size: 3, padding: 1, bias: false}\n"
        "  - batch_norm\n"
        "  - conv: {out_channels: 8, kernel_size: 1}\n    name: left\n    from: conv\n"
        "outputs: [batch_norm, left]\n"
    )
    report = verify_against(load("ends.yaml"), "net.py:Ends")
    assert different(report) == []
    assert ("outputs", "[2, 8, 8, 8], [2, 8, 8, 8]") in [(one.quantity, one.torch) for one in report.totals]
    other = Path("ends.yaml").read_text().replace("[batch_norm, left]", "[left]")
    Path("ends.yaml").write_text(other)
    assert ("", "outputs", "[2, 8, 8, 8]", "[2, 8, 8, 8], [2, 8, 8, 8]") in different(
        verify_against(load("ends.yaml"), "net.py:Ends")
    )


def test_a_saved_program(compared: Callable[..., Verification]) -> None:
    compared()
    from cnncalc.pytorch.references import made

    module, _ = made("net.py:Net")
    torch.export.save(torch.export.export(module.eval(), (torch.rand(2, 3, 8, 8),)), "net.pt2")
    assert different(verify_against(load("net.yaml"), "net.pt2")) == []


def test_on_meta_nothing_runs(compared: Callable[..., Verification]) -> None:
    report = compared("subtract", "add", device="meta")
    assert report.agrees
    assert [one.quantity for one in report.totals] == ["parameters in all", "MACs in all"]


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v2", "squeezenet1_1", "googlenet(init_weights=False)"])
def test_the_zoo_and_torchvision(model: str) -> None:
    """The documents of the zoo are torchvision's networks: the same values from the same weights."""
    torchvision_operators()
    pytest.importorskip("torchvision", reason="the networks are torchvision's")
    report = verify_against(cnncalc.load(model.partition("(")[0]), f"torchvision.models:{model}", batch=1)
    assert different(report) == []
    assert report.totals[-1].quantity == "difference of the outputs"
