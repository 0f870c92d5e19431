"""Whole-process time of `cnncalc check` on a hundred small documents, against one of them.

    python benchmarks/check.py [--runs 7]

Both commands run in turn, so that a noisy clock hits both alike; the fastest of each counts. Exits with 1 where the
hundred take more than three times as long. Measure an installed package, as in cold_start.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

DOCUMENTS = 100
MOST = 3.0

DOCUMENT = """\
name: Network {number}
input: 32x32x3
layers:
  - {{name: conv1, conv: {{out_channels: {channels}, kernel_size: 3, padding: 1}}}}
  - relu
  - max_pool: 2
  - {{name: conv2, conv: {{out_channels: 32, kernel_size: 3, padding: 1}}}}
  - global_avg_pool
  - {{name: scores, linear: 10}}
expect: {{output: 10, depth: 3, macs: <= 100M, layers: {{conv1: {{output: 32x32x{channels}}}}}}}
"""


def seconds(*paths: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cnncalc", "check", *paths], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs: int = parser.parse_args().runs
    one = many = float("inf")
    with TemporaryDirectory() as folder:
        for number in range(DOCUMENTS):
            text = DOCUMENT.format(number=number, channels=8 + number)
            Path(folder, f"net{number:03}.yaml").write_text(text, "utf-8")
        for _ in range(runs):
            one = min(one, seconds(f"{folder}/net000.yaml"))
            many = min(many, seconds(folder))
    ratio = many / one
    print(
        f"one document {one * 1000:.0f} ms, {DOCUMENTS} documents {many * 1000:.0f} ms: "
        f"{ratio:.2f} times as long (at most {MOST}){'' if ratio <= MOST else '  ABOVE'}"
    )
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
