from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytest.importorskip("torch", reason="torch is not installed")

SMALL = '''\
# Exported by cnncalc from small.yaml.

from torch import Tensor, nn


class Pair(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.relu(x)


class Small(nn.Module):
    """small: 1,189 parameters.

    Takes [N, 2, 6, 8], returns [N, 5].
    """

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.pair = nn.Sequential(Pair(2), Pair(4))
        self.linear = nn.Linear(4 * 6 * 8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pair(x)  # [4, 6, 8]
        return self.linear(x.flatten(1))
'''


def test_to_standard_output(run: Run, small: Path) -> None:
    """2·4·9 + 4 + 4·4·9 + 4 + 192·5 + 5 = 1,189 parameters."""
    assert run("export", "torch", "small.yaml") == (0, SMALL, "")
    assert run("export", "torch", "small.yaml", "-o", "-") == (0, SMALL, "")


def test_to_a_file(run: Run, small: Path) -> None:
    assert run("export", "torch", "small.yaml", "-o", "model.py") == (0, "", "")
    assert Path("model.py").read_bytes() == SMALL.encode()
    assert sorted(os.listdir()) == ["model.py", "small.yaml"]


def test_the_file_runs(run: Run, small: Path) -> None:
    run("export", "torch", "small.yaml", "--output", "model.py")
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(Path("model.py").read_text(), "model.py", "exec"), names)
    model = names["Small"](classes=3)
    assert sum(parameter.numel() for parameter in model.parameters()) == 1189 - 2 * 193
    assert tuple(model(names["Tensor"](7, 2, 6, 8)).shape) == (7, 3)


def test_from_standard_input(run: Run, small: Path) -> None:
    result = run("export", "torch", "-", stdin=small.read_bytes())
    assert result == (0, SMALL.replace("small.yaml", "<stdin>"), "")


def test_settings_are_said(run: Run, small: Path) -> None:
    result = run("export", "torch", "small.yaml", "--set", "classes=7", "--set", "input=4x4x1")
    assert result.out.startswith("# Exported by cnncalc from small.yaml, classes=7, input=4x4x1.\n")
    assert "classes: int = 7" in result.out
    assert "Takes [N, 1, 4, 4], returns [N, 7]." in result.out


def test_a_network_of_the_zoo(run: Run) -> None:
    result = run("export", "torch", "resnet50")
    assert (result.code, result.err) == (0, "")
    names = [node.name for node in ast.parse(result.out).body if isinstance(node, ast.ClassDef)]
    assert names == ["ConvBn", "Bottleneck", "ResNet50"]


def test_an_existing_file_is_replaced_whole(run: Run, small: Path) -> None:
    path = Path("model.py")
    path.write_text("old\n" * 1000)
    path.chmod(0o640)
    Path("link.py").symlink_to(path)
    assert run("export", "torch", "small.yaml", "-o", "link.py").code == 0
    assert path.read_text() == SMALL
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert Path("link.py").is_symlink()


def test_a_wrong_document_leaves_the_file_as_it_was(run: Run, small: Path) -> None:
    Path("model.py").write_text("old")
    Path("wrong.yaml").write_text("input: 4x4x3\nlayers: [{conv: {out_channels: 2, kernel_size: 5}}]\n")
    result = run("export", "torch", "wrong.yaml", "-o", "model.py")
    assert (result.code, result.out) == (2, "")
    assert "error[window-exceeds-input]" in result.err
    assert Path("model.py").read_text() == "old"
    assert sorted(os.listdir()) == ["model.py", "small.yaml", "wrong.yaml"]


def test_a_write_that_breaks_off_leaves_the_file_as_it_was(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("model.py").write_text("old")
    write = Path.write_text

    def full(path: Path, text: str, *arguments: Any, **options: Any) -> int:
        write(path, text[:100], *arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = run("export", "torch", "small.yaml", "-o", "model.py")
    assert result == (2, "", "error[cannot-write]: model.py cannot be written: no space left on device\n")
    assert Path("model.py").read_text() == "old"
    assert sorted(os.listdir()) == ["model.py", "small.yaml"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere/model.py", "no such file or directory"),
        (".", "is a directory"),
        ("small.yaml/model.py", "not a directory"),
        ("m" * 300, "file name too long"),
    ],
)
def test_where_nothing_can_be_written(run: Run, small: Path, path: str, reason: str) -> None:
    result = run("export", "torch", "small.yaml", "-o", path)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error[cannot-write]: {path} cannot be written: {reason}\n"


def test_a_device_is_written_to(run: Run, small: Path) -> None:
    assert run("export", "torch", "small.yaml", "-o", os.devnull) == (0, "", "")
    assert not Path(os.devnull).is_file()


def test_an_unknown_network(run: Run) -> None:
    result = run("export", "torch", "resnet5")
    assert (result.code, result.out) == (2, "")
    assert "error[no-such-file]" in result.err


def test_help(run: Run) -> None:
    result = run("export", "--help")
    assert result.code == 0
    assert "torch" in result.out
