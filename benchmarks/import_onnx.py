"""Networks read from ONNX files against torch's own counts: torchvision's models, as torch's two exporters write them.

    python benchmarks/import_onnx.py [MODEL ...]

Prints a line a file and exits with 1 where one of parameters, MACs and shapes is not the model's. Needs torch,
torchvision, onnx and onnxscript.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from exported_models import MODELS, differences, export, facts, model

from cnncalc.diagnostics import DocumentError
from cnncalc.onnx_import import load

WAYS = {
    "torchscript": {"dynamo": False},
    "torchscript, norms kept": {"dynamo": False, "folds": False},
    "dynamo": {"dynamo": True},
    "dynamo, norms kept": {"dynamo": True, "folds": False},
}


def main(names: list[str]) -> int:
    wrong = 0
    for name in names:
        side = MODELS[name]
        module, input = model(name), torch.randn(1, 3, side, side)
        said = facts(module, input)
        for way, options in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                try:
                    export(module, input, path, **options)
                except Exception as error:
                    print(f"{name:26} {way:24} not exported: {str(error).splitlines()[0][:80]}", flush=True)
                    wrong += 1
                    continue
                started = time.perf_counter()
                try:
                    found = differences(load(path), said, options.get("folds", True))
                except DocumentError as error:
                    found = [str(error)]
                seconds = time.perf_counter() - started
            wrong += bool(found)
            said_so = f"differs: {'; '.join(found)[:300]}" if found else f"{said.parameters:>11,} {said.macs:>14,}"
            print(f"{name:26} {way:24} {seconds:6.2f} s {said_so}", flush=True)
    print(f"{len(names)} models, {len(names) * len(WAYS)} files, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(MODELS)))
