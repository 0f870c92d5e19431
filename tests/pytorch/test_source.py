from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cnncalc
from cnncalc.diagnostics import DocumentError, Source
from cnncalc.graph import Network
from cnncalc.language.document import Document
from cnncalc.language.load import document_of, read_source, zoo_names
from cnncalc.layers import KINDS, Merge, pointwise
from cnncalc.layers import activation as activations

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from cnncalc.pytorch.build import TorchRefuses, build, layer_of
from cnncalc.pytorch.source import algebra, source
from cnncalc.pytorch.source.algebra import NoValue
from cnncalc.pytorch.source.classes import SIGNS
from cnncalc.pytorch.source.code import MODULE_ATTRIBUTES
from cnncalc.pytorch.source.file import parts
from cnncalc.pytorch.source.layers import CALLS, FUSED

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_networks import documents

drawn = settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def document(text: str) -> Document:
    return document_of(Source("written.yaml", text), None)


def of_zoo(name: str, *settings: str) -> Document:
    text, folder = read_source(name)
    return document_of(text, folder, settings)


def imported(text: str, folder: Path) -> Any:
    """The class of the network in a source, imported as any file is."""
    path = folder / "model.py"
    path.write_text(text, "utf-8")
    spec = spec_from_file_location("model", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    last = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)][-1]
    return getattr(module, last)


def engine(network: Network) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of a network's parameters, buffers and outputs by the engine, in its order."""
    tensors = [tensor for node in network for tensor in node.facts.parameters]
    return {
        "parameters": [tensor.shape for tensor in tensors if tensor.role in ("weight", "bias")],
        "buffers": [tensor.shape for tensor in tensors if tensor.role not in ("weight", "bias")],
        "outputs": [(2, *value.output) for value in network.outputs],
    }


def outputs(module: Any, inputs: list[Any]) -> list[Any]:
    with torch.no_grad():
        result = module(*inputs)
    return list(result) if isinstance(result, tuple) else [result]


class Made:
    """A module, and the names of its tensors in the order in which they are made: that of the layers.

    (A module's own list has the parameters of a class before those of its layers.)
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.owners: list[tuple[Any, str]] = []
        hooks = [
            register_module_parameter_registration_hook(self.keep),
            register_module_buffer_registration_hook(self.keep),
        ]
        self.module = make().eval()
        for hook in hooks:
            hook.remove()
        assert len(self.owners) == len(self.module.state_dict())

    def keep(self, module: Any, name: str, tensor: Any) -> None:
        self.owners += [] if tensor is None else [(module, name)]

    @property
    def tensors(self) -> list[Any]:
        return [getattr(module, name) for module, name in self.owners]

    def found(self, network: Network, device: str) -> dict[str, list[tuple[int, ...]]]:
        """What `engine` answers, of the module, run on two images."""
        results = outputs(self.module, [torch.zeros(2, *value.output, device=device) for value in network.inputs])
        trained = [isinstance(tensor, torch.nn.Parameter) for tensor in self.tensors]
        return {
            "parameters": [
                tuple(tensor.shape) for tensor, is_trained in zip(self.tensors, trained, strict=True) if is_trained
            ],
            "buffers": [
                tuple(tensor.shape) for tensor, is_trained in zip(self.tensors, trained, strict=True) if not is_trained
            ],
            "outputs": [tuple(result.shape) for result in results],
        }


def agrees(text: str, network: Network, folder: Path) -> str:
    """Checks a source against the engine, and its numbers against the module that `build` makes; returns it.

    The inputs have to be the same afterwards, too: layers that write in place may write over them.
    """
    made = Made(imported(text, folder))
    assert made.found(network, "cpu") == engine(network), text
    built = build(network).eval().double()
    held = [tensor for node in network for tensor in layer_of(built, node.name).state_dict().values()]
    made.module.double()
    torch.manual_seed(0)
    with torch.no_grad():
        for ours, theirs in zip(made.tensors, held, strict=True):
            theirs += torch.rand(theirs.shape).to(theirs.dtype)  # a scale of ones would hide what is done with it
            ours.copy_(theirs)
    inputs = [torch.randn(2, *value.output, dtype=torch.float64) for value in network.inputs]
    values = [[value.clone() for value in inputs] for _ in range(2)]
    results = [outputs(module, own) for module, own in zip((made.module, built), values, strict=True)]
    for ours, theirs in zip([*results[0], *values[0]], [*results[1], *values[1]], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9, equal_nan=True)
    return text


def written(text: str, folder: Path) -> str:
    """The source of a document, checked."""
    return agrees(source(document(text)), cnncalc.loads(text), folder)


def body(text: str) -> str:
    """A source's classes, without what stands above the first of them that is no part."""
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name not in parts()]
    return text[text.index(f"class {names[0]}(") :]


# The whole zoo --------------------------------------------------------------------------------------------------------

SMALL = ("alexnet_two_towers", "cifar_pattern", "densenet121", "lenet5", "mnist_cnn", "mobilenet_v2", "paddle_cnn")


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_has_the_engines_shapes(name: str, tmp_path: Path) -> None:
    network = cnncalc.load(name)
    module = imported(source(of_zoo(name)), tmp_path)
    with torch.device("meta"):
        made = Made(module)
    assert made.found(network, "meta") == engine(network)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_compute_what_build_computes(name: str, tmp_path: Path) -> None:
    agrees(source(of_zoo(name)), cnncalc.load(name), tmp_path)


def test_a_module_trains(tmp_path: Path) -> None:
    """A step of gradient descent reaches every parameter."""
    module = imported(source(of_zoo("lenet5")), tmp_path)()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = [parameter.clone() for parameter in module.parameters()]
    module(torch.randn(4, 1, 32, 32)).sum().backward()
    optimizer.step()
    assert all((a != b).any() for a, b in zip(before, module.parameters(), strict=True))


def test_the_zoo_is_formatted(tmp_path: Path) -> None:
    """As ruff formats by default, and with this repository's longer lines; and nothing in it is to be linted."""
    for name in zoo_names():
        (tmp_path / f"{name}.py").write_text(source(of_zoo(name)), "utf-8")
    ruff(tmp_path)


def ruff(folder: Path) -> None:
    program = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if program is None:
        pytest.skip("ruff is not installed")
    rules = "E,F,I,UP,B,SIM,RUF,C4,W"
    for arguments in (
        ["format", "--check", "--diff"],
        ["format", "--check", "--diff", "--line-length", "120"],
        ["check", "--select", rules, "--ignore", "SIM300", "--line-length", "88", "--target-version", "py311"],
    ):
        done = subprocess.run(
            [program, arguments[0], "--isolated", "--no-cache", *arguments[1:], str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", zoo_names())
def test_a_source_imports_torch_alone(name: str) -> None:
    tree = ast.parse(source(of_zoo(name)))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert modules <= {"torch", "torch.nn.functional"}
    assert "from torch import Tensor, nn" in ast.unparse(tree)


WITHOUT_TORCH = """
import sys, types
import cnncalc
from pathlib import Path
from cnncalc.language.load import document_of, read_source
sys.modules["torch"] = None  # importing it raises ImportError
package = types.ModuleType("cnncalc.pytorch")  # whose other modules need torch
package.__path__ = [str(Path(cnncalc.__file__).parent / "pytorch")]
sys.modules["cnncalc.pytorch"] = package
from cnncalc.pytorch.source import source
sys.stdout.write(source(document_of(*read_source("googlenet_paper"))))
"""


def test_writing_needs_no_torch() -> None:
    folder = str(Path(cnncalc.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {folder!r})\n{WITHOUT_TORCH}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == source(of_zoo("googlenet_paper"))


def test_a_source_is_the_same_each_time() -> None:
    assert source(of_zoo("mobilenet_v2")) == source(of_zoo("mobilenet_v2"))


# How it reads ---------------------------------------------------------------------------------------------------------

RESIDUAL = """
name: Small ResNet
input: 32x48x3
args: {classes: 10, depths: [2, 3], slow: false}
blocks:
  conv_bn:
    args: {out: null, kernel: 1, stride: 1}
    layers:
      - conv: {out_channels: out, kernel_size: kernel, stride: stride, padding: kernel // 2, bias: slow}
      - batch_norm
  basic:
    args: {width: null, stride: 1}
    layers:
      - add:
          - - {name: conv1, conv_bn: {out: width, kernel: 3, stride: stride}}
            - relu
            - {name: conv2, conv_bn: {out: width, kernel: 3}}
          - - {name: shortcut, conv_bn: {out: width, stride: stride}, when: stride > 1 or block_in_channels != width}
      - relu: {inplace: true}
layers:
  - {name: stem, conv_bn: {out: 16, kernel: 3}}
  - {name: stage1, basic: {width: 16}, repeat: "depths[0]"}
  - {name: stage2, basic: {width: 32, stride: 2 if i == 0 else 1}, repeat: "depths[1]"}
  - {linear: classes, name: fc}
"""
RESIDUAL_SOURCE = '''\
# Exported by cnncalc from written.yaml.

from torch import Tensor, nn


class ConvBn(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out,
            kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
        )
        self.batch_norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.batch_norm(x)


class Basic(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvBn(in_channels, out=width, kernel=3, stride=stride)
        self.relu1 = nn.ReLU()
        self.conv2 = ConvBn(width, out=width, kernel=3)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != width:
            self.shortcut = ConvBn(in_channels, out=width, stride=stride)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x)
        return self.relu2(x)


class SmallResNet(nn.Module):
    """Small ResNet: 184,346 parameters.

    Takes [N, 3, 32, 48], returns [N, 10].
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBn(3, out=16, kernel=3)
        self.stage1 = nn.Sequential(*[Basic(16, width=16) for _ in range(2)])
        self.stage2 = nn.Sequential(
            Basic(16, width=32, stride=2),
            *[Basic(32, width=32) for _ in range(2)],
        )
        self.fc = nn.Linear(32 * 16 * 24, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # [16, 32, 48]
        x = self.stage1(x)
        x = self.stage2(x)  # [32, 16, 24]
        return self.fc(x.flatten(1))
'''


def test_a_residual_network(tmp_path: Path) -> None:
    assert written(RESIDUAL, tmp_path) == RESIDUAL_SOURCE


BRANCHES = """
name: Branches
inputs: {image: 20x22x3, depth: 20x22x1}
blocks:
  inception:
    args: {c1: null, r3: null, c3: null}
    layers:
      - concat:
          - - {name: conv1, conv: {out_channels: c1, kernel_size: 1, activation: relu}}
          - - {name: reduce3, conv: {out_channels: r3, kernel_size: 1, activation: relu}}
            - {name: conv3, conv: {out_channels: c3, kernel_size: 3, padding: same, activation: relu}}
          - - {max_pool: {kernel_size: 3, stride: 1, padding: 1}}
layers:
  - {name: wide, inception: {c1: 4, r3: 2, c3: 5}, from: image}
  - {max_pool: 2, name: half}
  - {conv_transpose: {out_channels: 4, kernel_size: 2, stride: 2}, name: up}
  - concat: [{crop: [20, 22], from: wide}, identity, depth]
    name: joined
  - {multiply: [identity, [global_avg_pool, {conv: {out_channels: 17, kernel_size: 1}}, sigmoid]], name: gated}
outputs: [gated, half]
"""
BRANCHES_SOURCE = '''\
class Inception(nn.Module):
    def __init__(self, in_channels: int, c1: int, r3: int, c3: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, c1, 1)
        self.reduce3 = nn.Conv2d(in_channels, r3, 1)
        self.conv3 = nn.Conv2d(r3, c3, 3, padding="same")
        self.max_pool = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        conv1 = F.relu(self.conv1(x))
        conv3 = F.relu(self.conv3(F.relu(self.reduce3(x))))
        max_pool = self.max_pool(x)
        return torch.cat([conv1, conv3, max_pool], 1)


class Branches(nn.Module):
    """Branches: 621 parameters.

    Takes [N, 3, 20, 22], [N, 1, 20, 22], returns [N, 17, 20, 22], [N, 12, 10, 11].
    """

    def __init__(self) -> None:
        super().__init__()
        self.wide = Inception(3, c1=4, r3=2, c3=5)
        self.half_ = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(12, 4, 2, stride=2)
        self.crop = CenterCrop(20, 22)
        self.global_avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(17, 17, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, image: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        wide = self.wide(image)  # [12, 20, 22]
        half = self.half_(wide)  # [12, 10, 11]
        x = self.up(half)  # [4, 20, 22]
        x = torch.cat([self.crop(wide), x, depth], 1)  # [17, 20, 22]
        gated = x * self.sigmoid(self.conv(self.global_avg_pool(x)))
        return gated, half
'''


def test_branches(tmp_path: Path) -> None:
    assert body(written(BRANCHES, tmp_path)) == BRANCHES_SOURCE


TABLE = """
name: A table of stages
input: [3, 24, 20]
blocks:
  stage:
    args: {width: null, depth: null, stride: 1}
    layers:
      - {conv: {out_channels: width, kernel_size: 3, stride: stride if i == 0 else 1, padding: 1, activation: relu},
         repeat: depth}
      - {max_pool: 2, when: stride == 1}
layers:
  - stage: {width: item.w, depth: item.d, stride: 1 if i == 0 else 2}
    repeat: [{w: 4, d: 1}, {w: 6, d: 3}, {w: 9, d: 2}]
  - {name: tail, conv: {out_channels: 12 - 2 * i, kernel_size: 1}, repeat: 3}
  - {name: dense, concat: [identity, {conv: {out_channels: 5, kernel_size: 1}}], repeat: 4}
"""
TABLE_SOURCE = '''\
class Stage(nn.Module):
    def __init__(
        self,
        in_channels: int,
        width: int,
        depth: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            [
                nn.Conv2d(in_channels, width, 3, stride=stride, padding=1),
                *[nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 1)],
            ],
        )
        self.max_pool: nn.Module = nn.Identity()
        if stride == 1:
            self.max_pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.conv:
            x = F.relu(conv(x))
        return self.max_pool(x)


class Dense(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x)], 1)


class ATableOfStages(nn.Module):
    """A table of stages: 2,895 parameters.

    Takes [N, 3, 24, 20], returns [N, 28, 3, 3].
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential()
        for in_channels, width, depth, stride in [
            (3, 4, 1, 1),
            (4, 6, 3, 2),
            (6, 9, 2, 2),
        ]:
            self.stage.append(
                Stage(in_channels, width=width, depth=depth, stride=stride),
            )
        self.tail = nn.Sequential()
        for in_channels, out_channels in [(9, 12), (12, 10), (10, 8)]:
            self.tail.append(nn.Conv2d(in_channels, out_channels, 1))
        self.dense = nn.Sequential(*[Dense(8 + 5 * i) for i in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage(x)  # [9, 3, 3]
        x = self.tail(x)  # [8, 3, 3]
        return self.dense(x)  # [28, 3, 3]
'''


def test_loops(tmp_path: Path) -> None:
    text = written(TABLE, tmp_path)
    assert body(text) == TABLE_SOURCE
    assert text.startswith(
        "# Exported by cnncalc from written.yaml.\n\nimport torch\nimport torch.nn.functional as F\n"
    )


PLAIN_ARITHMETIC = """
name: Plain arithmetic
input: [3, 8, 9]
blocks:
  gate:
    args: {factor: 0.5, on: true, shifted: false}
    layers:
      - {arithmetic: {operation: multiply, number: factor}, name: scaled}
      - {arithmetic: {operation: add, shape: [block_in_channels, 1, 1]}, name: shift, when: shifted}
      - {function: exp, when: on}
      - multiply:
          - - arithmetic: {operation: add, number: 1}
            - arithmetic: {operation: power, number: 2}
            - reduce: {by: mean, axes: [1, 2]}
          - - arithmetic: {operation: subtract, number: 1}
          - identity
layers:
  - {arithmetic: {operation: subtract, shape: [3, 1, 1], trainable: false}, name: mean}
  - arithmetic: {operation: divide, number: 255}
  - gate
  - gate: {factor: 2, shifted: true}
  - gate: {on: false}
  - linear: {out_features: 5, flatten: false, bias: false, activation: relu}
  - function: sqrt
  - {arithmetic: {operation: divide_into, number: 2}, repeat: 2}
  - arithmetic: {operation: maximum, number: -1}
  - add:
      paths: [[{conv: {out_channels: 3, kernel_size: 1}}, batch_norm], identity]
      inplace: true
  - arithmetic: {operation: multiply, number: -2, inplace: true}
  - reduce: {by: norm, axes: 0}
  - reduce: {by: max, axes: [0, 1, 2], keep: false}
  - linear: {out_features: 4, flatten: false}
"""
PLAIN_ARITHMETIC_SOURCE = '''\
class Gate(nn.Module):
    def __init__(
        self,
        in_channels: int,
        factor: float = 0.5,
        on: bool = True,
        shifted: bool = False,
    ) -> None:
        super().__init__()
        self.scaled = factor
        self.shift: Tensor | None = None
        if shifted:
            self.shift = nn.Parameter(torch.ones(in_channels, 1, 1))
        self.function = on

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.scaled
        if self.shift is not None:
            x = x + self.shift
        if self.function:
            x = torch.exp(x)
        return ((x + 1) ** 2).mean(dim=(2, 3), keepdim=True) * (x - 1) * x


class PlainArithmetic(nn.Module):
    """Plain arithmetic: 74 parameters.

    Takes [N, 3, 8, 9], returns [N, 4].
    """

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.ones(3, 1, 1))
        self.gate1 = Gate(3)
        self.gate2 = Gate(3, factor=2, shifted=True)
        self.gate3 = Gate(3, on=False)
        self.linear1 = nn.Linear(9, 5, bias=False)
        self.conv = nn.Conv2d(3, 3, 1)
        self.batch_norm = nn.BatchNorm2d(3)
        self.linear2 = nn.Linear(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x - self.mean
        x = x / 255
        x = self.gate1(x)
        x = self.gate2(x)
        x = self.gate3(x)
        x = F.relu(self.linear1(x))  # [3, 8, 5]
        x = torch.sqrt(x)
        x = 2 / x
        x = 2 / x
        x = torch.clamp(x, min=-1)
        x = self.batch_norm(self.conv(x)).add_(x)
        x = x.mul_(-2)
        x = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # [1, 8, 5]
        x = x.amax(dim=(1, 2, 3)).unsqueeze(1)  # [1]
        return self.linear2(x)  # [4]
'''


def test_arithmetic(tmp_path: Path) -> None:
    assert body(written(PLAIN_ARITHMETIC, tmp_path)) == PLAIN_ARITHMETIC_SOURCE


def test_the_origin_is_said() -> None:
    assert source(of_zoo("resnet101")).startswith("# Exported by cnncalc from resnet101.yaml.\n")
    given = source(of_zoo("vgg16", "classes=7"), "vgg16.yaml, classes=7")
    assert given.startswith("# Exported by cnncalc from vgg16.yaml, classes=7.\n")
    assert "def __init__(self, classes: int = 7) -> None:" in given


@pytest.mark.parametrize("origin", ['a"""\nimport os\n', "a\\", "\r\x1b[2J#", "ä\u2028b\u202ec"])
def test_no_text_of_the_user_ends_a_comment_or_docstring(origin: str) -> None:
    read = document("input: 8x8x3\nlayers: [relu]\n")
    read.name = origin
    tree = ast.parse(source(read, origin))
    assert [type(node) for node in tree.body] == [ast.ImportFrom, ast.ClassDef]
    assert source(read, origin).isprintable() is False  # line breaks, and nothing else that is not printed
    assert all(line.isprintable() for line in source(read, origin).split("\n"))


# Args that become parameters of the network ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "googlenet_aux", "ssd300_vgg16", "unet", "squeezenet1_1"])
def test_another_number_of_classes(name: str, tmp_path: Path) -> None:
    """The parameter gives the network that the arg gives."""
    network = cnncalc.load(name, ["classes=7"])
    with torch.device("meta"):
        made = Made(partial(imported(source(of_zoo(name)), tmp_path), classes=7))
    assert made.found(network, "meta") == engine(network)


@pytest.mark.parametrize(
    ("layers", "signature"),
    [
        ("[{conv: {out_channels: n, kernel_size: 1}}, relu, {linear: 4}]", "self, n: int = 3"),
        (
            "[{conv: {out_channels: n, kernel_size: 1}}, {conv: {out_channels: 4, kernel_size: 1}, repeat: n}]",
            "self, n: int = 3",
        ),
        ("[{conv: {out_channels: n + 1, kernel_size: 1}}]", "self"),  # no field of its own
        (
            "[{conv: {out_channels: n, kernel_size: 1}}, {permute: [1, 0, 2]}, {linear: 4}]",
            "self",
        ),  # sizes depend on it
        ("[{conv: {out_channels: 4, kernel_size: n}}, {linear: 5}]", "self"),
    ],
)
def test_an_arg_is_a_parameter_where_that_is_right(layers: str, signature: str, tmp_path: Path) -> None:
    text = written(f"input: 9x8x3\nargs: {{n: 3}}\nlayers: {layers}\n", tmp_path)
    assert f"def __init__({signature}) -> None:" in text


def test_an_arg_of_the_document_reaches_blocks(tmp_path: Path) -> None:
    text = written(
        "input: 9x8x3\nargs: {classes: 5, wide: 4}\n"
        "blocks: {head: {layers: [{conv: {out_channels: 2 * wide, kernel_size: 1}}, {linear: classes}]}}\n"
        "layers: [head]\n",
        tmp_path,
    )
    assert "class Head(nn.Module):\n    def __init__(self, in_channels: int, classes: int) -> None:" in text
    assert "nn.Conv2d(in_channels, 8, 1)" in text
    assert "self.head = Head(3, classes=classes)" in text


# Every kind and form --------------------------------------------------------------------------------------------------

ROWS = """
[5, 9, 8] conv: {out_channels: 4, kernel_size: 3, padding: same}
[5, 9, 8] conv: {out_channels: 4, kernel_size: [2, 3], padding: same}
[5, 9, 8] conv: {out_channels: 4, kernel_size: 3, stride: 2, dilation: 2, padding: same}
[5, 9] conv: {out_channels: 4, kernel_size: 4, stride: 3, padding: same, bias: false}
[2, 5, 6, 7] conv: {out_channels: 4, kernel_size: 2, stride: 2, padding: same, activation: gelu}
[5, 9, 8] conv: {out_channels: 4, kernel_size: [3, 2], padding: full, activation: softmax}
[6, 9, 8] conv: {out_channels: 4, kernel_size: 3, groups: 2, padding: [[0, 1], [2, 0]], activation: log_softmax}
[5, 9, 8] conv: {out_channels: 4, kernel_size: 2, stride: 2, rounding: ceil, activation: tanh}
[3, 9, 8] conv: {out_channels: 2, kernel_size: 3, connections: [[0, 2], [1]], padding: [[0, 1], [2, 2]], bias: false}
[3, 9] conv: {out_channels: 2, kernel_size: 3, connections: [[0, 2], [1]], stride: 2, dilation: 2}
[3, 9, 8] depthwise_conv: {kernel_size: 3, multiplier: 2, padding: 1, activation: hard_swish}
[3, 9, 8] conv_transpose: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1, dilation: 2}
[4, 9, 8] conv_transpose: {out_channels: 4, kernel_size: 3, groups: 2, padding: [[0, 1], [1, 0]], activation: elu}
[3, 5, 6, 4] conv_transpose: {out_channels: 2, kernel_size: 2, bias: false}
[3, 9, 8] locally_connected: {out_channels: 2, kernel_size: 3, stride: [2, 1], dilation: 2, padding: same}
[3, 9] locally_connected: {out_channels: 2, kernel_size: 3, bias: false, activation: relu6}
[3, 5, 4] linear: {out_features: 6, bias: false, activation: silu}
[7] linear: {out_features: 6, activation: mish}
[3, 5, 4] linear: {out_features: 6, flatten: false, activation: softmax}
[7] linear: {out_features: 6, flatten: false, bias: false}
[3, 5, 4] rbf: 6
[7] rbf: {out_features: 6, trainable: true}
[3, 9, 8] max_pool: {kernel_size: 3, stride: 2, padding: 1, dilation: 2, rounding: ceil}
[3, 9, 8] max_pool: {kernel_size: 3, stride: 2, padding: same}
[3, 9, 8] max_pool: {kernel_size: [2, 3], dilation: [1, 2], padding: same}
[3, 9, 8] max_pool: {kernel_size: 3, padding: [[0, 1], [1, 0]], rounding: ceil}
[3, 9] avg_pool: {kernel_size: 3, stride: 2, padding: 1, rounding: ceil, count_include_pad: false}
[3, 9, 8] avg_pool: {kernel_size: 3, stride: 2, padding: same}
[3, 9, 8] avg_pool: {kernel_size: 3, stride: 2, padding: same, count_include_pad: false}
[3, 9, 8] avg_pool: {kernel_size: 3, padding: [[0, 1], [1, 0]]}
[3, 9, 8] avg_pool: {kernel_size: 4, padding: [[0, 1], [1, 0]], rounding: ceil}
[3, 7, 8, 6] lp_pool: {kernel_size: 2, norm_type: 3, rounding: ceil}
[6, 5] depth_pool: {kernel_size: 3, stride: 1}
[6, 5, 4] depth_pool: {kernel_size: 2, mode: avg}
[3, 9, 8] adaptive_avg_pool: [4, 3]
[3, 9] adaptive_max_pool: 4
[3, 9, 8] global_avg_pool
[3, 5, 4, 6] global_max_pool
[3, 9, 8] subsample: {kernel_size: 2, rounding: ceil, activation: sigmoid}
[3, 9] subsample: {kernel_size: 3, stride: 2}
[6, 5, 4] maxout: 3
[6] maxout: 2
[6, 5, 4] batch_norm: {eps: 0.001, momentum: null}
[6] batch_norm: {affine: false}
[6, 5] batch_norm: {track_running_stats: false}
[6, 5, 4] group_norm: {num_groups: 3, eps: 0.01}
[6] group_norm: {num_groups: 2, affine: false}
[6, 5, 4] layer_norm
[6, 5, 4] layer_norm: {axes: channels, bias: false}
[6] layer_norm: {elementwise_affine: false}
[6, 5, 4] instance_norm: {affine: true, track_running_stats: true}
[6, 5, 4] local_response_norm: {size: 3, alpha: 0.5, beta: 0.5, k: 2}
[6] local_response_norm: 3
[6, 5, 4] l2_norm
[6] l2_norm: {eps: 0.5}
[6, 5, 4] scale: 20
[6] scale: {bias: true}
[6, 5, 4] leaky_relu: {negative_slope: 0.2, inplace: true}
[6, 5, 4] prelu: 6
[6] prelu
[6, 5, 4] elu: 0.5
[6, 5, 4] gelu: tanh
[6, 5, 4] sigmoid: {inplace: true}
[6, 5, 4] tanh: {inplace: true}
[6, 5, 4] softplus: {beta: 2, threshold: 1}
[6, 5, 4] softmax
[6] log_softmax
[6, 5, 4] softmax: {axis: 2}
[6, 5, 4] log_softmax: {axis: 1}
[6, 5, 4] dropout: {p: 0.25, inplace: true}
[6, 5, 4] drop_path: 0.25
[6, 5, 4] flatten
[6, 5, 4] reshape: [3, -1]
[6, 5, 4] reshape: 120
[6, 5, 4] permute: [2, 0, 1]
[6, 5, 4] pad: {padding: [[0, 1], [2, 3]], value: 1.5}
[6, 5] pad: 2
[6, 5, 4] pad: {padding: 2, mode: reflect}
[6, 5, 4, 3] pad: {padding: [1, 2, 1], mode: replicate}
[6, 5, 4] pad: {padding: [[1, 0], [0, 2]], mode: circular}
[6, 5, 4] crop: 3
[6, 5, 4] crop: {sides: [[1, 0], [0, 2]]}
[6, 5, 4] upsample: 2
[6, 5, 4] upsample: {size: [7, 9], mode: bilinear, align_corners: true}
[6, 5] upsample: {scale_factor: 3, mode: linear}
[8, 5, 4] pixel_shuffle: 2
[8, 3, 2, 2] pixel_shuffle: 2
[3, 6, 4] space_to_depth: 2
[3, 6] space_to_depth: 3
[6, 5, 4] channel_shuffle: 3
[6] channel_shuffle: 2
[6, 5, 4] slice: {start: 1, stop: 5, step: 2}
[6, 5, 4] slice: {start: -3, axis: 2}
[6, 5, 4] concat: {paths: [relu, identity], axis: 1}
[6, 5, 4] divide: [{scale: 2}, softplus, sigmoid]
[6, 5, 4] subtract: [{scale: 2}, [tanh, relu]]
[6, 5, 4] subtract: [relu, {arithmetic: {operation: add, number: 3}}]
[6, 5, 4] divide: [{arithmetic: {operation: power, number: 2}}, {arithmetic: {operation: multiply, number: 3}}]
[6, 5, 4] add: {inplace: true, paths: [identity, relu]}
[6, 5, 4] add: {inplace: true, paths: [identity, [tanh], [tanh, relu], identity]}
[6, 5, 4] add: {inplace: true, paths: [[tanh, {scale: 2}], [global_avg_pool, {scale: 3}]]}
[6, 5, 4] mean: [{scale: 2}, [tanh, relu], identity]
[6, 5, 4] dynamic_conv: {paths: [relu, [global_avg_pool, {linear: 48}]], out_channels: 2, kernel_size: 2}
[6, 5, 4] dynamic_conv: {paths: [tanh, {linear: 36}], out_channels: 4, kernel_size: [3, 1], stride: 2, groups: 2}
[6, 5, 4] dynamic_conv: {paths: [tanh, {linear: 36}], out_channels: 2, kernel_size: [3, 1], dilation: 2, padding: 2}
[6, 5, 4] dynamic_conv: {paths: [identity, [flatten, {linear: 48}]], out_channels: 2, kernel_size: 2, padding: same}
[6, 5, 4] dynamic_conv: {stride: 3, paths: [tanh, {linear: 24}], out_channels: 1, kernel_size: 2, rounding: ceil}
[6, 5] dynamic_conv: {paths: [identity, [global_avg_pool, {linear: 6}]], out_channels: 1, kernel_size: 1}
[6, 5, 4, 3] dynamic_conv: {paths: [identity, [global_avg_pool, {linear: 48}]], out_channels: 1, kernel_size: 2}
[6, 5, 4] matmul: [tanh, [{scale: 2}, {permute: [0, 2, 1]}]]
[6, 4, 4] matmul: [identity, {arithmetic: {operation: multiply, number: 3}}]
[6, 4, 4] multiply: [identity, [{matmul: [identity, {arithmetic: {operation: add, number: 3}}]}]]
"""
PLAIN = [
    *[
        f"arithmetic: {{operation: {operation}, {other}}}"
        for operation in pointwise.OPERATIONS
        for other in (
            "number: 1.5",
            "number: -2, inplace: true",
            "shape: [6, 1, 4]",
            "shape: [1, 5, 4], trainable: false, inplace: true",
        )
        if operation in pointwise.IN_PLACE or "inplace" not in other
    ],
    *[f"function: {{of: {of}{option}}}" for of in pointwise.FUNCTIONS for option in ("", ", inplace: true")],
    *[
        f"reduce: {{by: {by}, axes: {axes}, keep: {keep}}}"
        for by in ("sum", "mean", "max", "min", "norm")
        for axes in ("0", "[1, 2]", "[2, 0, 1]")
        for keep in ("true", "false")
    ],
]
KIND_ROWS = [
    *[(row[: row.index("] ") + 1], row[row.index("] ") + 2 :]) for row in ROWS.strip().split("\n")],
    *[("[6, 5, 4]", layer) for layer in PLAIN],
    ("[7]", "arithmetic: {operation: add, shape: 7}"),
    ("[7]", "reduce: {axes: 0, keep: false}"),
]


@pytest.mark.parametrize(("input", "layer"), KIND_ROWS, ids=[" ".join(row) for row in KIND_ROWS])
def test_kinds(input: str, layer: str, tmp_path: Path) -> None:
    layer = f"{{{layer}}}" if ":" in layer else layer
    written(f"input: {input}\nlayers: [{layer}]\n", tmp_path)


def test_every_part_is_used_by_some_kind() -> None:
    """And so compared with what `build` makes, but for the two that serve others."""
    used: set[str] = set()
    for input, layer in KIND_ROWS:
        text = source(document(f"input: {input}\nlayers: [{f'{{{layer}}}' if ':' in layer else layer}]\n"))
        used |= {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert set(parts()) - used == {"make_divisible"}


def test_the_tables_know_every_kind() -> None:
    merges = {name for name, kind in KINDS.items() if issubclass(kind, Merge)}
    assert set(CALLS) == set(KINDS) - merges
    assert {*SIGNS, "concat", "dynamic_conv"} == merges
    assert set(FUSED) == set(activations.FUSED)


def test_parts_stand_alone() -> None:
    """A part reads torch, builtins and other parts."""
    import builtins

    for name, text in parts().items():
        tree = ast.parse(text)
        assigned = {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - assigned - arguments
        assert read <= {"torch", "F", "nn", "Tensor", *dir(builtins), *parts()}, name


# The language ---------------------------------------------------------------------------------------------------------

DOCUMENTS = {
    "an arg that is a list": """
        input: 16x18x3
        blocks:
          convs:
            args: {widths: [4, 8], kernel: 3}
            layers:
              - {conv: {out_channels: item, kernel_size: kernel, padding: kernel // 2}, repeat: widths}
              - {conv: {out_channels: "widths[-1]", kernel_size: 1}}
        layers: [convs, {convs: {widths: [5, 6]}}, {convs: {widths: [5, 6, 9], kernel: 1}}]
        """,
    "turns that are left out": """
        input: 16x18x3
        layers:
          - {conv: {out_channels: "4 * (i + 1)", kernel_size: 3, padding: 1}, when: i != 1, repeat: 4}
          - {conv: {out_channels: 4, kernel_size: 1, activation: "'relu' if i < 2 else 'tanh'"}, repeat: 3}
          - {relu: {}, repeat: 0}
        """,
    "repeated merges": """
        input: 16x18x3
        blocks:
          stack:
            args: {n: null, width: 3}
            layers:
              - {add: [[{conv: {out_channels: width, kernel_size: 1}}, relu], identity], repeat: n}
        layers:
          - {add: [[{conv: {out_channels: 3, kernel_size: 1}, name: c}], identity], repeat: 3}
          - {concat: [[{conv: {out_channels: 3 + i, kernel_size: 1}}, relu], identity], repeat: 3, name: grow}
          - {relu: {}, name: before}
          - {add: [[tanh], before], repeat: 2}
          - {conv: {out_channels: 5, kernel_size: 1}}
          - stack: {n: 3, width: 5}
          - stack: {n: 2, width: 5}
        """,
    "layers of repeated merges read from outside": """
        input: 8x8x3
        layers:
          - {add: [[{conv: {out_channels: 3, kernel_size: 1}, name: c}, relu], identity], repeat: 3}
          - {relu: {}, from: c}
          - concat: [add.1.c, add.0, identity, add.2.c]
          - {add: [[{mean: [[{tanh: {}, name: t}], identity], repeat: 2, name: m}], identity], repeat: 2, name: o}
          - concat: [o.0.m.1.t, o.1.m.0.t, identity]
        """,
    "layers read from outside their block": """
        input: 8x8x3
        blocks:
          b:
            args: {out: 3}
            layers:
              - {conv: {out_channels: out, kernel_size: 1}, name: c}
              - relu
          outer: {layers: [{b: {out: in_channels + 1}, name: inner}]}
        layers:
          - {b: {}, repeat: 2, name: st}
          - {relu: {}, from: st.1.c}
          - {relu: {}, from: st.0}
          - {b: {out: 7}, name: two}
          - {outer: {}, name: three}
          - concat: [st.1.c, identity, two.c, three.inner.c, three]
        outputs: [st.0.c, concat]
        """,
    "names that Python, torch or the source have": """
        input: 8x8x3
        args: {classes: 10}
        blocks:
          lambda:
            args: {out: 4, self: 3, torch: 2, super: 1, x: 3, range: 1, F: 2, nn: 2, Len: 1, Lambda: 2, Scale: 1}
            layers:
              - {conv: {out_channels: out + self + torch + super + x, kernel_size: range}, name: forward}
              - {conv: {out_channels: F + nn + Len + Lambda + Scale, kernel_size: 1}, name: train}
              - {relu: {}, name: self}
          tensor: {layers: [{relu: {}}]}
          Scale: {layers: [{scale: 2}]}
          network2: {layers: [relu]}
        layers:
          - {name: type, lambda: {out: 4}}
          - {name: def, lambda: {out: 5, F: 3, self: 1, torch: 7, super: 9, x: 2, Len: 4, nn: 9, Lambda: 3, Scale: 2}}
          - tensor
          - {name: torch, relu: {}}
          - {Scale: {}, name: F}
          - network2
          - {conv: {out_channels: 8, kernel_size: 1}, name: x}
          - add:
              - {from: F, conv: {out_channels: 8, kernel_size: 1}}
              - {from: torch, name: nn, conv: {out_channels: 8, kernel_size: 1}}
              - x
          - {linear: classes, name: y}
        """,
    "inputs, outputs and layers that nothing reads": """
        inputs: {left: 8x8x3, right: 8x8x2, unused: 4x4x1}
        layers:
          - {conv: {out_channels: 4, kernel_size: 3}, from: left, name: a}
          - {conv: {out_channels: 4, kernel_size: 3}, from: right, name: b}
          - concat: [a, b]
          - {relu: {}, name: c}
          - {subtract: [a, b], name: d, when: false}
          - {from: right, name: dead, conv: {out_channels: 2, kernel_size: 1}}
          - {from: right, add: [[{conv: {out_channels: 2, kernel_size: 1}}, relu], identity]}
        outputs: [c, a, right]
        """,
    "a block on maps and on vectors": """
        input: 12x12x6
        blocks:
          norm: {layers: [batch_norm, {dropout: 0.1}]}
          head: {args: {hidden: null}, layers: [{linear: hidden}, relu]}
          both: {layers: [{norm: {}}, {head: {hidden: 5}}, {norm: {}}]}
        layers:
          - norm
          - max_pool: 2
          - add: [[{head: {hidden: 4}}], [{head: {hidden: 4}}]]
          - both
          - norm
        """,
    "fractions": """
        input: 12x12x16
        args: {ratio: 0.5, wide: 0.75, classes: 4}
        blocks:
          gate:
            args: {ratio: 0.25, drop: 0.3, up: 1.5}
            layers:
              - multiply:
                  - identity
                  - - global_avg_pool
                    - conv: {out_channels: ratio * in_channels, kernel_size: 1}
                    - conv: {out_channels: "make_divisible(block_in_channels / 3)", kernel_size: 1}
                    - conv: {out_channels: "make_divisible(block_in_channels // 3, 4)", kernel_size: 1}
                    - conv: {out_channels: floor(up * in_channels), kernel_size: 1}
                    - conv: {out_channels: round(block_in_channels / 8) * 8, kernel_size: 1}
                    - dropout: drop
          varied:
            args: {ratio: null}
            layers: [{conv: {out_channels: ceil(ratio * in_channels), kernel_size: 1}}]
        layers:
          - gate
          - conv: {out_channels: 24, kernel_size: 1}
          - gate: {drop: 0.1}
          - varied: {ratio: 0.5}
          - varied: {ratio: 1.5}
          - varied: {ratio: ratio}
          - conv: {out_channels: floor(wide * 32), kernel_size: 1}
          - linear: classes
        """,
    "args of every sort": """
        input: 12x13x4
        blocks:
          b:
            args: {pad: same, k: 3, cfg: {width: 4, groups: 1}, on: true, fuse: true, m: 2}
            layers:
              - conv: {out_channels: cfg.width, kernel_size: k, padding: pad, groups: cfg.groups}
              - {conv: {out_channels: 4, kernel_size: 1, activation: relu}, when: fuse}
              - {add: [identity, identity], when: on, name: twice}
              - {concat: [identity, {conv: {out_channels: m, kernel_size: 1}}], when: on and fuse, name: cc}
              - max_pool: {kernel_size: k, padding: pad, stride: m}
          act:
            args: {a: relu}
            layers: [{conv: {out_channels: 4, kernel_size: 1, activation: a}}]
        layers:
          - b
          - b: {pad: valid, on: false}
          - b: {fuse: false, cfg: {width: 6, groups: 2}}
          - b: {pad: 1, k: 3, on: false, fuse: false, m: 1}
          - act
          - act: {a: tanh}
          - act: {a: null}
        """,
    "paths inside paths, and long sums": """
        input: 12x13x4
        layers:
          - add:
              - - add: [[{conv: {out_channels: 4, kernel_size: 1}}, relu, tanh, relu], identity]
                - relu
              - - multiply: [[sigmoid], [tanh], identity]
              - identity
              - []
          - {name: a_long_layer_name_number_one, relu: {}}
          - {name: a_long_layer_name_number_two, sigmoid: {}}
          - {name: a_long_layer_name_number_three, tanh: {}}
          - {name: a_long_layer_name_number_four, conv: {out_channels: 4, kernel_size: 1, activation: gelu}}
          - mean: [a_long_layer_name_number_one, a_long_layer_name_number_two, a_long_layer_name_number_three,
                   a_long_layer_name_number_four, identity]
          - mean: [[relu, relu, relu, relu], [tanh, tanh, tanh, tanh], identity]
          - {concat: {paths: [[relu, {max_pool: 2}], [{avg_pool: 2}, tanh], [{max_pool: 2}]], axis: 1}}
        """,
    "layers that are left out": """
        input: 12x13x4
        args: {skip: false}
        blocks:
          nothing: {args: {on: true}, layers: [{relu: {}, when: on}]}
        layers:
          - {nothing: {on: skip}, name: a}
          - {nothing: {on: skip}, name: b, when: skip}
          - {conv: {out_channels: 3, kernel_size: 1}, name: c}
          - {identity: {}, name: d}
          - {conv: {out_channels: 3, kernel_size: 1}, name: e, from: a, when: skip}
          - {relu: {}, repeat: 0, from: c, name: f}
          - {conv: {out_channels: 3, kernel_size: 1}, from: a, name: g}
          - {relu: {}, repeat: 1, when: skip, from: c}
          - concat: [a, b, d, e, f, input]
        """,
    "conditions on repeats and sources": """
        input: 20x20x4
        blocks:
          cond:
            args: {n: 2, on: true}
            layers:
              - {conv: {out_channels: 4, kernel_size: 1}, repeat: n, when: on}
              - {conv: {out_channels: 4, kernel_size: 1}, when: n > 1 and in_channels == 4 and on}
              - {conv: {out_channels: 5, kernel_size: 1, activation: relu}, from: conv1, when: not on}
        layers: [cond, {cond: {n: 3}}, {cond: {on: false}}, {cond: {n: 0}}]
        """,
    "blocks in loops in blocks": """
        input: 20x20x3
        blocks:
          inner:
            args: {n: 1, k: 3}
            layers:
              - {conv: {out_channels: 4 * n, kernel_size: k, padding: k // 2}, repeat: n, name: convs}
              - {relu: {}, repeat: 2}
          outer:
            args: {ns: [1, 2], ks: [3, 5]}
            layers: [{inner: {n: item, k: "ks[i]"}, repeat: ns}]
        layers: [outer, {outer: {ns: [2, 2], ks: [1, 3]}}, {outer: {ns: [2, 2, 1], ks: [1, 3, 3]}}]
        """,
    "growing channels": """
        input: [4, 9]
        blocks:
          layer: {args: {growth: null}, layers: [{concat: [identity, {conv: {out_channels: growth, kernel_size: 1}}]}]}
          dense:
            args: {growth: 3, n: 2}
            layers:
              - {layer: {growth: growth}, repeat: n}
              - {conv: {out_channels: in_channels // 2, kernel_size: 1}}
        layers:
          - dense
          - dense: {growth: 5, n: 4}
          - {conv: {out_channels: 4, kernel_size: 2, padding: [[1, 0]]}, repeat: 2}
        """,
    "arithmetic in loops and under conditions": """
        input: [4, 6]
        blocks:
          b:
            args: {times: 0.5, on: true, n: 2, wide: 4}
            layers:
              - {arithmetic: {number: times}, when: on, name: times}
              - {arithmetic: {operation: power, number: 2}, repeat: n}
              - {arithmetic: {operation: add, shape: [wide, 1], trainable: false}, name: type}
              - {arithmetic: {operation: divide, number: i + 1}, repeat: n, when: i < 2}
              - {reduce: {by: sum, axes: 1}, when: on}
              - {add: {paths: [[{function: exp}], [{function: {of: abs, inplace: true}}], identity], inplace: on},
                 repeat: n}
        layers: [b, {b: {times: 2, n: 1}}, {b: {on: false, n: 3}}, {b: {times: 3, on: true, n: 1}}]
        """,
    "a sum that is read through what it is written over": """
        input: [4, 6]
        layers:
          - {tanh: {}, name: a}
          - add: {paths: [a, identity], inplace: true}
          - {relu: {}, from: a}
        """,
    "no layer left": "{input: 12x12x3, layers: [{relu: {}, when: false}]}",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name: str, tmp_path: Path) -> None:
    written(DOCUMENTS[name], tmp_path)


def test_documents_are_formatted(tmp_path: Path) -> None:
    for position, text in enumerate(DOCUMENTS.values()):
        (tmp_path / f"document{position}.py").write_text(source(document(text)), "utf-8")
    ruff(tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("an arg that is a list", "self.conv1_1 = nn.Conv2d(widths[0], widths[1], kernel, padding=kernel // 2)"),
        ("repeated merges", "self.add = nn.Sequential(*[Add(in_channels) for _ in range(n)])"),
        ("fractions", "self.conv1 = nn.Conv2d(in_channels, in_channels // 4, 1)"),
        ("fractions", "self.conv2 = nn.Conv2d(in_channels // 4, make_divisible(in_channels // 3), 1)"),
        ("fractions", "def __init__(self, in_channels: int, drop: float = 0.3) -> None:"),
        ("args of every sort", 'self.conv3 = nn.Conv2d(cfg["width"], m, 1)'),
        ("args of every sort", "self.cc = on and fuse"),
        ("growing channels", "*[Layer(in_channels + growth * i, growth=growth) for i in range(n)],"),
        ("blocks in loops in blocks", "*[Inner(in_channels, n=item, k=ks[i]) for i, item in enumerate(ns)],"),
    ],
)
def test_expressions_are_carried_over(name: str, line: str) -> None:
    assert line in [each.strip() for each in source(document(DOCUMENTS[name])).splitlines()]


def test_names_are_not_what_a_module_has() -> None:
    assert {name for name in dir(torch.nn.Module()) if not name.startswith("_")} <= MODULE_ATTRIBUTES


def test_blocks_inside_one_another() -> None:
    """As deep as a document may nest them."""
    chain = "".join(f"  b{depth}: {{layers: [{{b{depth - 1}: {{}}}}]}}\n" for depth in range(1, 99))
    text = f"input: 8x8x3\nblocks:\n  b0: {{layers: [relu]}}\n{chain}layers: [{{b98: {{}}}}]\n"
    assert source(document(text)).count("class B") == 99


def test_what_the_engine_refuses_is_refused() -> None:
    with pytest.raises(DocumentError, match="does not fit"):
        source(document("input: 4x4x3\nlayers: [{conv: {out_channels: 2, kernel_size: 5}}]\n"))


# Random networks ------------------------------------------------------------------------------------------------------


@drawn
@given(text=documents())
def test_random_networks(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    written(text, tmp_path_factory.mktemp("random"))


NUMBERS = (
    "{a}", "{a} + 1", "2 * {a}", "{a} // 2 + 1", "max({a}, {b})", "in_channels", "in_channels + {a}", "{a} % 3 + 1",
    "{a} if {b} > 2 else 3", "ceil(0.5 * {a}) + 1", "floor({a} / 3) + 1", "(in_channels + {b}) // 2 + 1", "3",
    "make_divisible({a}, 2)",
)  # fmt: skip
CONDITIONS = ("{a} > 2", "{a} == {b}", "in_channels > 3", "{a} > 1 and {b} < 4", "not {a} > 3")


class Drawing:
    """Draws documents for their language: blocks with args, conditions, repeats and names around small convolutions."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.blocks: dict[str, Any] = {}
        self.names = 0

    def one(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def expression(self, forms: tuple[str, ...], names: list[str]) -> str:
        text: str = self.one(*forms)
        return text.format(a=self.one("2", *names), b=self.one("3", *names))

    def document(self) -> str:
        for name in ("block_a", "block_b", "block_c")[: self.one(1, 2, 3)]:
            args = [f"arg{position}" for position in range(self.one(0, 1, 2))]
            layers = self.layers([*args, "block_in_channels"])
            self.blocks[name] = {"args": {arg: self.one(None, 1, 2, 3) for arg in args}, "layers": layers}
        layers = self.layers(["wide"])
        uses = [self.use(name, ["wide"]) for name in self.blocks for _ in range(self.one(0, 1, 2))]
        args = {"wide": self.one(1, 2, 4)}
        written = {"input": [self.one(1, 3, 5), 4], "args": args, "blocks": self.blocks, "layers": [*layers, *uses]}
        text: str = yaml.safe_dump(written, sort_keys=False)
        return text

    def layers(self, names: list[str]) -> list[Any]:
        named = ["input"]
        return [self.layer(names, named, True) for _ in range(self.one(1, 2, 3))]

    def use(self, block: str, names: list[str]) -> dict[str, Any]:
        args = self.blocks[block]["args"]
        given = {arg: self.expression(NUMBERS, names) for arg in args if args[arg] is None or self.one(True, False)}
        return {block: given}

    def layer(self, names: list[str], named: list[str], outermost: bool) -> dict[str, Any]:
        beside: dict[str, Any] = {}
        if self.one(0, 0, 1):
            beside["repeat"] = self.one(0, 1, 2, 3, [2], [3, 1, 4], *[name for name in names if name.startswith("arg")])
            names = [*names, "i", *(["item"] if isinstance(beside["repeat"], list) else [])]
        if self.one(0, 0, 1):
            beside["when"] = self.one(True, False, self.expression(CONDITIONS, names))
        if named and self.one(0, 0, 1):
            beside["from"] = self.one(*named)
        form = self.one("conv", "conv", "block", "merge", "other") if outermost else self.one("conv", "conv", "block")
        if form == "block" and self.blocks:
            layer = self.use(self.one(*self.blocks), names)
        elif form == "merge":
            paths: list[Any] = [["identity"], *([[self.one(*named)]] if named else [])]
            paths = [*[path[0] for path in paths[: self.one(1, 2)]]]
            paths += [[self.layer(names, [], False) for _ in range(self.one(1, 2))] for _ in range(self.one(1, 2))]
            layer = {"concat": paths}
        elif form == "other":
            layer = {self.one("relu", "batch_norm", "scale", "identity"): {}}
        else:
            layer = {"conv": {"out_channels": self.expression(NUMBERS, names), "kernel_size": self.one(1, 3)}}
            layer["conv"] |= {"padding": "same", "bias": self.one(True, False, self.expression(CONDITIONS, names))}
            layer["conv"] |= self.one({}, {}, {"activation": "relu"})
        if outermost and self.one(True, False):
            self.names += 1
            beside["name"] = f"name{self.names}"
            named.append(beside["name"])
        return {**layer, **beside}


@drawn
@given(data=st.data())
def test_random_blocks(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = Drawing(data.draw).document()
    try:
        network = cnncalc.loads(text)
    except DocumentError:
        assume(False)
    assume(len(network) < 100)
    assume(max([node.output[0] for node in network], default=0) < 100)
    agrees(source(document(text)), network, tmp_path_factory.mktemp("random"))


class Plain(Drawing):
    """Draws plain arithmetic, in place and not, around views and sums of values that are written over."""

    def document(self) -> str:
        names = ["factor"]
        self.blocks["block"] = {"args": {"factor": 2, "on": True}, "layers": self.layers(names)}
        size = [self.one(1, 3, 4), *self.one([], [5, 2])]
        written = {"input": size, "blocks": self.blocks, "layers": self.layers([])}
        text: str = yaml.safe_dump(written, sort_keys=False)
        return text

    def layers(self, names: list[str]) -> list[Any]:
        named: list[str] = []
        return [self.layer(names, named, True) for _ in range(self.one(2, 3, 5))]

    def layer(self, names: list[str], named: list[str], outermost: bool) -> dict[str, Any]:
        beside: dict[str, Any] = {}
        if outermost and named and self.one(0, 0, 1):
            beside["from"] = self.one(*named)
        if self.one(0, 0, 0, 1):
            beside["repeat"] = self.one(0, 1, 2)
        if names and self.one(0, 0, 1):
            beside["when"] = self.one("on", "not on", "factor > 2")
        layer = self.merge(names, named) if outermost and self.one(0, 0, 1) else self.plain(names, outermost)
        if outermost and self.one(0, 1):
            self.names += 1
            beside["name"] = f"name{self.names}"
            named.append(beside["name"])
        return {**layer, **beside}

    def merge(self, names: list[str], named: list[str]) -> dict[str, Any]:
        paths: list[Any] = ["identity", *named]
        paths += [[self.layer(names, [], False) for _ in range(self.one(1, 2, 4))] for _ in range(2)]
        taken = [self.one(*paths) for _ in range(self.one(2, 2, 3))]
        kind = self.one("add", "add", "add", "subtract", "multiply", "divide", "mean")
        return {kind: {"paths": taken, "inplace": True}} if kind == "add" and self.one(0, 1, 1) else {kind: taken}

    def plain(self, names: list[str], outermost: bool) -> dict[str, Any]:
        inplace = {"inplace": True} if self.one(0, 1) else {}
        form = self.one("number", "number", "tensor", "function", "reduce", "other", "block")
        if form in ("number", "tensor"):
            number = {"number": self.one(-1, 0.5, 2, *names, *[f"{name} + 1" for name in names])}
            tensor = {"shape": self.one([1], [3], [1, 1, 1], [3, 1, 2], [4, 5, 1], "[block_in_channels, 1, 1]")}
            tensor |= {"trainable": self.one(True, False)}
            of = {"operation": self.one(*(pointwise.IN_PLACE if inplace else pointwise.OPERATIONS))}
            return {"arithmetic": {**of, **inplace, **(number if form == "number" else tensor)}}
        if form == "function":
            return {"function": {"of": self.one(*pointwise.FUNCTIONS), **inplace}}
        if form == "reduce":
            by = {"by": self.one("sum", "mean", "max", "min", "norm"), "keep": self.one(True, True, False)}
            return {"reduce": {**by, "axes": self.one(0, 1, [1, 2], [0, 1, 2])}}
        if form == "block" and self.blocks and outermost:
            return {"block": self.one({}, {"factor": 3}, {"factor": 0.5, "on": False})}
        return self.one(
            {"linear": {"out_features": self.one(1, 2, 3), "flatten": False}},
            {"slice": {"start": 1, "axis": 0}},
            {"crop": {"sides": [[1, 1], 0]}},
            {"identity": {}},
            {"relu": inplace},
        )


@drawn
@given(data=st.data())
def test_random_arithmetic(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = Plain(data.draw).document()
    try:
        network = cnncalc.loads(text)
        outputs(build(network).eval(), [torch.ones(2, *value.output) for value in network.inputs])
    except (
        DocumentError,
        TorchRefuses,
        RuntimeError,
    ):  # where torch cannot write in place, it refuses some as they run
        assume(False)
    agrees(source(document(text)), network, tmp_path_factory.mktemp("random"))


# Expressions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "python"),
    [
        ("4 * 64", "256"),
        ("a * 1 + 0", "a"),
        ("a if 3 > 2 else b", "a"),
        ("a if b > 2 else a", "a"),
        ("a > 1 or false", "a > 1"),
        ("a > 1 and true and not b == 2", "a > 1 and not b == 2"),
        ("floor(0.5 * a)", "a // 2"),
        ("floor(0.75 * a)", "3 * a // 4"),
        ("ceil(a / 2)", "-(-a // 2)"),
        ("int(a * b / 4)", "a * b // 4"),
        ("round(a)", "a"),
        ("2 ** a", "2**a"),
        ("2 ** (a + 1)", "2 ** (a + 1)"),
        ("(a + b) * (a - b) // (a * b)", "(a + b) * (a - b) // (a * b)"),
        ("a - (b - 1)", "a - (b - 1)"),
        ("-(a ** 2)", "-a**2"),
        ("(-a) ** 2", "(-a) ** 2"),
        ("[a, b][0]", "(a, b)[0]"),
        ("max([a, 3])", "max((a, 3))"),
        ("1 < a <= b", "1 < a <= b"),
        ("make_divisible(a, divisor=4)", "make_divisible(a, 4)"),
        ("'same' if a in [1, 2] else 'valid'", '"same" if a in (1, 2) else "valid"'),
        ("a if b else (1 if a else 2)", "a if b else 1 if a else 2"),
        ("(a if b else 1) + 2", "(a if b else 1) + 2"),
    ],
)
def test_expressions(expression: str, python: str) -> None:
    read = document(
        f"input: 4x4x1\nblocks: {{b: {{args: {{a: 1, b: 2, c: {expression!r}}}, layers: [relu]}}}}\nlayers: [b]\n"
        if "'" not in expression
        else f'input: 4x4x1\nblocks: {{b: {{args: {{a: 1, b: 2, c: "{expression}"}}, layers: [relu]}}}}\nlayers: [b]\n'
    )

    def simplified(tree: ast.expr) -> ast.expr:
        return algebra.simplified(algebra.mapped(tree, simplified))

    tree = simplified(algebra.written(read.blocks["b"].args["c"]))
    assert algebra.text(tree) == python
    for a in range(1, 6):
        for b in range(1, 4):
            names = {"a": a, "b": b, "make_divisible": lambda value, divisor: -1}
            assert eval(algebra.text(tree), dict(names)) == (
                -1 if "make_divisible" in python else algebra.value(tree, names, whole=True)
            )


def trees(depth: int = 3) -> st.SearchStrategy[ast.expr]:
    """Trees of whole numbers, with every sign."""
    leaves: st.SearchStrategy[ast.expr] = st.one_of(
        st.sampled_from("ab").map(ast.Name), st.integers(-3, 5).map(algebra.constant)
    )

    def larger(parts: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
        signs = [ast.Add(), ast.Sub(), ast.Mult(), ast.FloorDiv(), ast.Mod(), ast.Pow()]
        orders = [ast.Lt(), ast.GtE(), ast.Eq(), ast.NotEq()]
        compared = st.builds(lambda a, op, b: ast.Compare(a, [op], [b]), parts, st.sampled_from(orders), parts)
        conditions = st.one_of(
            compared,
            st.builds(
                lambda op, a, b: ast.BoolOp(op, [a, b]), st.sampled_from([ast.And(), ast.Or()]), compared, compared
            ),
            compared.map(lambda part: ast.UnaryOp(ast.Not(), part)),
        )
        return st.one_of(
            st.builds(ast.BinOp, parts, st.sampled_from(signs), parts),
            parts.map(lambda part: ast.UnaryOp(ast.USub(), part)),
            st.builds(ast.IfExp, conditions, parts, parts),
            st.lists(parts, min_size=1, max_size=3).map(
                lambda items: ast.Call(ast.Name("max"), [ast.Tuple(items)], [])
            ),
            conditions,
        )

    return st.recursive(leaves, larger, max_leaves=8)


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(tree=trees(), a=st.integers(1, 5), b=st.integers(1, 5))
def test_text_means_what_the_tree_means(tree: ast.expr, a: int, b: int) -> None:
    """Python's own parser and arithmetic agree: parentheses stand where they have to."""
    try:
        expected = algebra.value(tree, {"a": a, "b": b}, whole=True)
    except NoValue:
        return
    assert eval(algebra.text(tree), {"a": a, "b": b}) == expected
    simple = algebra.substituted(tree, {})
    assert eval(algebra.text(simple), {"a": a, "b": b}) == expected
