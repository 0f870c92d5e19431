"""`cnncalc import`, and models where commands take documents: references, sizes, and what is wrong with them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from cnncalc.cli.import_ import waiting
from cnncalc.language.load import loads
from cnncalc.models import is_model

torch = pytest.importorskip("torch", reason="torch is not installed")
from torchvision_operators import torchvision_operators

Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("one_thread")

NET = """
import torch
from torch import nn

print("hello from the file")


class Net(nn.Module):
    def __init__(self, classes, width=8, mode=""):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, classes)
        self.mode = mode

    def forward(self, image):
        if self.mode == "data" and image.sum() > 0:
            return image
        if self.mode == "raise":
            raise RuntimeError("no such luck")
        x = self.conv(image).relu()
        if self.mode == "unknown":
            x = x.cumsum(1)
        return self.head(x.mean((2, 3)))


class Two(nn.Module):
    def forward(self, left, right):
        return left + right


class Lib:
    made = Net(4, 2)


number = 3


def leave():
    raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("net.py").write_text(NET)


SIZE = ("--input", "16x12x3")
SET = ("--set", "input=16x12x3")

# The convolution: 3·width·9 weights and a bias each; the head: width·classes and a bias each.
PARAMETERS = 3 * 4 * 9 + 4 + 4 * 10 + 10
MACS = 16 * 12 * 4 * 27 + 4 * 10


@pytest.mark.parametrize("reference", ["net.py:Net(10, width=4)", "net:Net(10, 4)", "./net.py:Net(classes=10,width=4)"])
def test_a_reference_stands_for_a_document(run: Run, reference: str) -> None:
    result = run("analyze", reference, *SET, "--format", "csv", "--columns", "layer,parameters,macs")
    assert result.code == 0, result.err
    rows = [line.split(",") for line in result.out.splitlines()[1:]]
    assert sum(int(row[-2]) for row in rows) == PARAMETERS
    assert sum(int(row[-1]) for row in rows) == MACS
    assert "hello" not in result.out
    assert "hello from the file" in result.err


def test_what_the_code_calls_is_written_so(run: Run) -> None:
    written = run("import", "net.py:Net(10, width=4)", *SIZE).out
    assert [(node.name, node.functional) for node in loads(written)] == [
        ("conv", False),
        ("relu", True),
        ("global_avg_pool", True),
        ("flatten", True),
        ("head", False),
    ]
    assert run("write", "-", stdin=written.encode()).out == written


def test_a_resnet_is_as_short_as_a_person_writes_it(run: Run) -> None:
    """And keeps the names of all parameters but those of `downsample.0` and `.1`, which no document can say."""
    torchvision_operators()
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    written = run("import", "torchvision.models:resnet50", "--input", "224x224x3").out
    assert len(written.splitlines()) < 60
    network = loads(written)
    with torch.device("meta"):
        named = dict(models.resnet50(weights=None).named_parameters())
    counted = {node.name: node.facts.weights + node.facts.biases for node in network}
    expected: dict[str, int] = {}
    for name, parameter in named.items():
        layer = name.rpartition(".")[0].replace("downsample.0", "downsample.conv")
        layer = layer.replace("downsample.1", "downsample.batch_norm")
        expected[layer] = expected.get(layer, 0) + parameter.numel()
    assert {name: number for name, number in counted.items() if number} == expected


@pytest.mark.parametrize("command", ["count", "memory", "verify"])
def test_every_command_takes_one(run: Run, command: str) -> None:
    result = run(command, "net.py:Net(10)", *SET)
    assert (result.code, "hello" in result.out) == (0, False), result.err


def test_a_module_that_is_there_already(run: Run) -> None:
    assert run("import", "net.py:Lib.made", *SIZE).code == 0


@pytest.mark.parametrize(
    ("reference", "options", "code"),
    [
        ("net.py:Net(10)", (), "no-input-size"),
        ("net.py:Net(10)", ("--input", "16x"), "bad-setting"),
        ("net.py:Net(10)", ("--input", "[3, _, 9]"), "bad-setting"),
        ("net.py:Net(10)", ("--input", "[3, 99999999999999999999, 9]"), "bad-setting"),
        ("net.py:Net(10)", ("--input", f"{'9' * 5000}x3x3"), "bad-setting"),
        ("net.py:Net(10)", ("--input", "2000000000x2000000000x3"), "bad-setting"),
        ("net.py:Net(10)", ("--input", "0x3x3"), "bad-setting"),
        ("net.py:Net(10)", ("--input", "image=16x12x3", "--input", "mask=1x1x1"), "unknown-arg"),
        ("net.py:Net(10)", ("--input", "16x12x5"), "module-fails"),
        ("net.py:Net(10,mode='raise')", SIZE, "module-fails"),
        ("net.py:Net(10,mode='data')", SIZE, "data-dependent"),
        ("net.py:Net", SIZE, "model-fails"),
        ("net.py:leave", SIZE, "model-fails"),
        ("net.py:Net(open('x'))", SIZE, "bad-arguments"),
        ("net.py:Net(*[1])", SIZE, "bad-arguments"),
        ("net.py:Nett(1)", SIZE, "no-such-model"),
        ("net.py:number", SIZE, "not-a-module"),
        ("net.py:Two", SIZE, "unknown-arg"),
        ("no_such_module:Net", SIZE, "no-such-module"),
        ("none.py:Net", SIZE, "no-such-file"),
        ("none.pt2", (), "no-such-file"),
        ("net.py", SIZE, "not-a-model"),
    ],
)
def test_mistakes(run: Run, reference: str, options: tuple[str, ...], code: str) -> None:
    result = run("import", reference, *options)
    assert result.code == 2
    assert f"error[{code}]" in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def test_literals_only_are_never_run(run: Run) -> None:
    run("import", "net.py:Net(__import__('pathlib').Path('made').touch())", *SIZE)
    assert not Path("made").exists()


def test_two_inputs(run: Run) -> None:
    result = run("import", "net.py:Two", "--input", "left=16x12x3", "--input", "right=[3, 16, 12]")
    assert result.code == 0, result.err


def test_strict_fails_where_an_operator_is_unknown(run: Run) -> None:
    reference = "net.py:Net(10,mode='unknown')"
    loose, strict = run("import", reference, *SIZE), run("import", reference, *SIZE, "--strict")
    assert (loose.code, strict.code) == (0, 1)
    assert "at least: 1 layer unknown" in loose.out
    assert "warning[unknown-operator]: `aten.cumsum`" in loose.err
    written = run("import", reference, *SIZE, "-o", "net.yaml")
    assert (written.code, Path("net.yaml").exists()) == (2, False)
    memory = run("memory", reference, *SET)
    assert memory.code == 2
    assert "error[unknown-operator]" in memory.err


@pytest.mark.parametrize("command", ["analyze", "count"])
def test_strict_of_other_commands(run: Run, command: str) -> None:
    unknown, known = "net.py:Net(10,mode='unknown')", "net.py:Net(10)"
    assert run(command, unknown, *SET).code == 0
    assert run(command, unknown, *SET, "--strict").code == 1
    assert run(command, known, *SET, "--strict").code == 0


def test_a_lock_of_a_module(run: Run) -> None:
    """It lies beside the module's file, under the module's name, and holds while the module is the same."""
    Path("nets").mkdir()
    Path("net.py").rename("nets/net.py")
    assert run("lock", "nets/net.py:Net(10)", *SET).code == 0
    assert sorted(path.name for path in Path("nets").glob("*.json")) == ["Net.lock.json"]
    checked = run("check", "--lock", "nets/net.py:Net(10)", *SET)
    assert (checked.code, "1 document" in checked.out) == (0, True), checked.out
    assert run("check", "--lock", "nets/net.py:Net(10)", "--set", "input=16x16x3").code == 1
    other = run("check", "--lock", "nets/net.py:Net(11)", *SET)
    assert (other.code, "another-lock" in other.out) == (2, True)
    assert run("check", "--lock", "--update", "nets/net.py:Net(11)", *SET).code == 0
    assert run("check", "--lock", "nets/net.py:Net(11)", *SET).code == 0
    assert run("diff", "nets/Net.lock.json", "nets/net.py:Net(11)", *SET).out.count("same") == 1
    assert run("diff", "nets/net.py:Net(10)", "nets/net.py:Net(11)", *SET, "--fail-on", "parameters>+0").code == 1


def test_no_lock_holds_what_is_not_known(run: Run) -> None:
    reference = "net.py:Net(10,mode='unknown')"
    assert "no lock can hold the numbers of `aten.cumsum`" in run("lock", reference, *SET).err
    assert list(Path().glob("*.json")) == []


@pytest.mark.parametrize("command", ["diff", "compare"])
def test_what_is_not_known_is_said_where_networks_are_compared(run: Run, command: str) -> None:
    result = run(command, "net.py:Net(10)", "net.py:Net(10,mode='unknown')", *SET)
    assert result.code == 0
    assert result.err.count("warning[unknown-operator]: `aten.cumsum`") == 1


def test_what_is_made_of_a_document_is_made_of_a_module(run: Run) -> None:
    reference = ("net.py:Net(10)", *SET)
    written = run("write", *reference)
    assert written == run("import", "net.py:Net(10)", *SIZE)
    assert "linear: 10" in written.out
    assert "smallest" in run("solve", *reference).out
    assert "class Net(" in run("export", "torch", *reference).out
    assert "conv 1x1" in run("convert", "--dense-to-conv", *reference).out
    closed = run("analyze", *reference, "--symbol", "H=height", "--format", "markdown")
    assert "H" in closed.out, closed.err
    assert (
        "error[unknown-operator]: no document can say `aten.cumsum"
        in run("write", "net.py:Net(1,2,'unknown')", *SET).err
    )


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("net.py", "`net.py` is Python source, not a document\n  = help: name what makes the module in it"),
        ("net.pt", "`net.pt` is a PyTorch file of weights, not a document"),
        ("nets/net.pth", "`nets/net.pth` is a PyTorch file of weights, not a document"),
    ],
)
@pytest.mark.parametrize("command", ["analyze", "lock", "write"])
def test_files_that_hold_no_network(run: Run, command: str, file: str, says: str) -> None:
    result = run(command, file)
    assert (result.code, result.out) == (2, "")
    assert says in result.err


def test_a_lock_has_no_settings(run: Run) -> None:
    run("lock", "lenet5")
    result = run("diff", "lenet5.lock.json", "lenet5.lock.json", "--set", "classes=9")
    assert (result.code, "--set has no effect on locks" in result.err) == (2, True)
    assert run("diff", "lenet5.lock.json", "lenet5", "--set", "input=36x36x1").code == 0


def test_an_onnx_file_is_imported(run: Run) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert run("export", "onnx", "mnist_cnn", "-o", "mnist.onnx").code == 0
    result = run("import", "mnist.onnx")
    assert result.code == 0
    Path("mnist.yaml").write_text(result.out)
    counted = [
        run("analyze", name, "--format", "csv", "--columns", "output,parameters,macs").out
        for name in ("mnist.yaml", "mnist.onnx")
    ]
    assert counted[0] == counted[1]
    refused = run("import", "mnist.onnx", "--training")
    assert (refused.code, "--training has no effect on an ONNX file" in refused.err) == (2, True)


def test_a_terminal_sees_that_a_model_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with waiting("reading net.py:Net([3, 4])"):
        pass
    assert "reading net.py:Net([3, 4])" in terminal.getvalue()
    monkeypatch.undo()
    assert "reading" not in run("import", "net.py:Net(10)", *SIZE).err


TWICE = """
from torch import nn


class Twice(nn.Module):
    def __init__(self, tied=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.other = nn.Conv2d(3, 3, 3, padding=1)
        if tied:
            self.other.weight = self.conv.weight

    def forward(self, x):
        return self.other(self.conv(self.conv(x).relu()))
"""


def test_shared_weights(run: Run) -> None:
    """They are counted once, and the document says whose they are; verified against the module itself."""
    Path("shared.py").write_text(TWICE)
    assert run("import", "shared.py:Twice", *SIZE, "-o", "shared.yaml").code == 0
    assert (
        "conv_2, conv: {out_channels: 3, kernel_size: 3, padding: 1}, shares: conv" in Path("shared.yaml").read_text()
    )
    counted = [
        run("analyze", name, *more, "--format", "csv", "--columns", "layer,parameters,macs").out
        for name, more in (("shared.yaml", ()), ("shared.py:Twice", SET))
    ]
    assert counted[0] == counted[1]
    assert sum(int(line.split(",")[1]) for line in counted[0].splitlines()[1:]) == 2 * (81 + 3)
    verified = run("verify", "shared.yaml", "--against", "shared.py:Twice", "--device", "cpu")
    assert verified.code == 0, verified.out
    fitting = run("fit", "shared.py:Twice", *SET, "--training", "--memory", "1MB")
    assert (fitting.code, "Traceback" in fitting.err) == (0, False), fitting.err


def test_a_constructor_that_computes_with_its_weights(run: Run) -> None:
    """Such a module is made with real ones."""
    Path("computes.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 1)\n"
        "        self.factor = float(self.conv.weight.abs().max()) + 2\n\n"
        "    def forward(self, x):\n        return self.conv(x) * self.factor\n"
    )
    result = run("import", "computes.py:Net", *SIZE)
    assert (result.code, "arithmetic" in result.out) == (0, True), result.err


def test_a_part_of_the_parameters_that_is_shared(run: Run) -> None:
    """A weight that is tied, beside a bias of one's own, is counted right, and no document says it."""
    Path("shared.py").write_text(TWICE)
    shown = run("import", "shared.py:Twice(tied=True)", *SIZE)
    assert (shown.code, "87  81 weights + 6 biases" in shown.out) == (0, True), shown.out
    refused = run("import", "shared.py:Twice(tied=True)", *SIZE, "-o", "shared.yaml")
    assert (refused.code, Path("shared.yaml").exists()) == (2, False)
    assert (
        "error[partly-shared]: no document can say that `other` uses a part of the parameters of `conv`" in refused.err
    )


def test_a_saved_program(run: Run) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    torch.export.save(torch.export.export(module, (torch.empty(2, 3, 8, 9),)), "saved.pt2")
    result = run("analyze", "saved.pt2", "--format", "csv")
    assert result.code == 0, result.err
    assert "0,conv 3x3" in result.out
    Path("wrong.pt2").write_text("no program")
    assert "error[not-a-program]" in run("analyze", "wrong.pt2").err
    assert "error[bad-setting]" in run("analyze", "saved.pt2", *SET).err


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("torchvision.models:resnet50", True),
        ("a/b/net.py:Net(10)", True),
        ("program.pt2", True),
        ("net.yaml", False),
        ("resnet50", False),
        ("-", False),
        ("git:main:net.yaml", False),
        ("a/b:c", False),
    ],
)
def test_what_a_model_is(name: str, is_one: bool) -> None:
    assert is_model(name) is is_one
