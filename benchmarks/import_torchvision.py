"""torchvision's classification models through `capture`, against the reference figures; and what it costs.

    python -m benchmarks.import_torchvision [NAME ...]

Compares every row of tests/data/torchvision_cnn.csv, or those of the names given, to the unit. Then measures the
capture of resnet50 against torch.export of it: the time in this process, the peak memory each in one of its own.
Exits with 1 where a figure differs or the capture costs more than MOST times the export.
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnncalc.graph import Network
from cnncalc.pytorch.capture import capture
from cnncalc.pytorch.references import without_weights

LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
for schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
):
    with suppress(RuntimeError):  # torchvision is built for this torch
        LIBRARY.define(schema)

import torchvision  # noqa: E402

FIGURES = Path(__file__).parent.parent / "tests" / "data" / "torchvision_cnn.csv"
MOST = 1.5  # times the export's time
MOST_MEMORY = 1.2  # times its peak memory
ROUNDS = 5


def model(row: dict[str, str]) -> Any:
    options: dict[str, Any] = {}
    if row["name"] in ("googlenet", "inception_v3"):
        options = {"init_weights": False}
        if row["variant"] or row["name"] == "googlenet":
            options["aux_logits"] = "aux_logits=True" in row["variant"]
    with without_weights():
        module = getattr(torchvision.models, row["name"])(weights=None, **options).eval().to("meta")
    module.training = "set on the top" in row["variant"]
    return module


def differences(row: dict[str, str], network: Network) -> list[str]:
    facts = [node.facts for node in network]
    unused = [one.message.split()[0].replace(",", "") for one in network.said if one.code == "unused-parameters"]
    found = {
        "params": sum(of.weights + of.biases for of in facts) + sum(map(int, unused)),
        "buffers_float": sum(of.buffers for of in facts),
        "macs": sum(of.macs for of in facts),
        "conv_out_elems": sum(prod(node.output) for node in network if node.layer.kind == "conv"),
        "linear_out_elems": sum(prod(node.output) for node in network if node.layer.kind == "linear"),
        "n_conv_calls": sum(node.layer.kind == "conv" for node in network),
    }
    if unused:  # the buffers of what does not run are not there either
        del found["buffers_float"]
    wrong = [
        f"{name} {value:,} instead of {int(row[name]):,}" for name, value in found.items() if value != int(row[name])
    ]
    return wrong + [f"{of.unknown} unknown" for of in facts if of.unknown]


def ratio() -> float:
    """How many times as long a capture takes as an export; medians of interleaved rounds."""
    module, images = resnet50(), torch.empty(2, 3, 224, 224, device="meta")
    times: dict[str, list[float]] = {"export": [], "capture": []}
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        torch.export.export(module, (images,), strict=False)
        between = time.perf_counter()
        capture(module, images)
        times["export"].append(between - start)
        times["capture"].append(time.perf_counter() - between)
    export, captured = [statistics.median(rounds[1:]) for rounds in times.values()]  # the first warms up
    print(
        f"resnet50: torch.export {export:.2f} s, capture {captured:.2f} s: "
        f"{captured / export:.2f} times as long, at most {MOST}"
    )
    return captured / export


def resnet50() -> nn.Module:
    with without_weights():
        module: nn.Module = torchvision.models.resnet50(weights=None)
    return module.eval().to("meta")


def peak(captures: bool) -> int:
    """KiB at the peak of a process that exports resnet50 or captures it, as the system has counted it."""
    what = "capture(module, images)" if captures else "torch.export.export(module, (images,), strict=False)"
    code = (
        f"from {__spec__.name} import *\nimport resource\n"
        f"module, images = resnet50(), torch.empty(2, 3, 224, 224, device='meta')\n{what}\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def memory_ratio() -> float:
    export, captured = peak(captures=False), peak(captures=True)
    print(
        f"resnet50: torch.export {export / 1024:.0f} MiB at its peak, capture {captured / 1024:.0f} MiB: "
        f"{captured / export:.2f} times, at most {MOST_MEMORY}"
    )
    return captured / export


def main() -> None:
    with FIGURES.open() as file:
        rows = [row for row in csv.DictReader(file) if not sys.argv[1:] or row["name"] in sys.argv[1:]]
    wrong = 0
    for row in rows:
        images = torch.empty(2, 3, int(row["in_h"]), int(row["in_w"]), device="meta")
        found = differences(row, capture(model(row), images))
        wrong += bool(found)
        if found:
            print(f"{row['name']} {row['variant']}: {'; '.join(found)}")
    print(f"{len(rows) - wrong} of {len(rows)} rows equal")
    slow, large = ratio() > MOST, memory_ratio() > MOST_MEMORY
    sys.exit(slow or large or wrong > 0)


if __name__ == "__main__":
    main()
