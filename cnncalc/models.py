"""Where networks come from: documents, the zoo, files of other programs. The one place that tells them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cnncalc.graph import Network
from cnncalc.language import load as documents


def load(path: str | Path, settings: Iterable[str] = ()) -> Network:
    """The network of a document, of an ONNX file, or of a model in Python.

    `path` is a file (`*.onnx` is ONNX, `*.pt2` a program of torch.export), `-` for a document on standard input, the
    name of a network of the zoo (`vgg16`), or a reference to a `torch.nn.Module`: `torchvision.models:resnet50`,
    `net.py:Net(10)`, whose code is run. `settings` are `NAME=VALUE` texts that replace an arg or the input. Raises
    `DocumentError`.
    """
    if str(path).endswith(".onnx"):
        from cnncalc import onnx_import

        return onnx_import.load(path, settings)
    if is_model(str(path)):
        from cnncalc.pytorch import references

        return references.load(str(path), settings)
    return documents.load(path, settings)


_MODEL = re.compile(r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.*\.py):[A-Za-z_][\w.]*(?:\(.*\))?", re.DOTALL)


def is_model(path: str) -> bool:
    """Whether this names a model in Python rather than a file: `package.module:name`, `file.py:Name(10)`, `*.pt2`."""
    return path.endswith(".pt2") or (_MODEL.fullmatch(path) is not None and not Path(path).exists())
