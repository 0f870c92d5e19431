"""What torchvision needs before it can be imported beside a torch of another build."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_OPERATORS: list[torch.library.Library] = []  # defined for as long as this lives


def torchvision_operators() -> None:
    """torchvision registers shapes for two operators of its C++ library, which a torch of another build cannot load."""
    found = importlib.util.find_spec("torchvision")
    if _OPERATORS or found is None or found.origin is None:
        return
    try:
        torch.ops.load_library(str(next(Path(found.origin).parent.glob("_C*.so"))))
    except (OSError, RuntimeError, StopIteration):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _OPERATORS.append(library)
