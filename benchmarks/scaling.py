"""How the cost of an analysis grows: distinct layers written out, and one layer repeated.

    python benchmarks/scaling.py

Prints microseconds a layer at 2,000 and 20,000 distinct layers, with the time that PyYAML needs to read the same text
taken off, and the seconds that `repeat: 100000` takes. Exits with 1 where growth, cost a layer or the repeat is above
its bound.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import yaml

import cnncalc
from cnncalc.collection import collection_paused

MOST_GROWTH = 1.3
MOST_MICROSECONDS = 60.0
MOST_SECONDS_REPEATED = 3.0


def document(layers: int) -> str:
    lines = [f"  - conv: {{out_channels: {8 + i}, kernel_size: 3, padding: 1}}" for i in range(layers)]
    return "\n".join(["input: 64x48x3", "layers:", *lines, ""])


def fastest(job: Callable[[], object], times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - start)
    return best


def microseconds(layers: int) -> float:
    """Microseconds a layer of loading and analysing, beyond PyYAML's own reading."""
    text = document(layers)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with collection_paused():  # as cnncalc reads
        reading = fastest(lambda: yaml.compose(text, Loader=loader))
    whole = fastest(lambda: cnncalc.analyze(cnncalc.loads(text)))
    return (whole - reading) / layers * 1e6


def main() -> int:
    few, many = microseconds(2_000), microseconds(20_000)
    repeated = document(1) + "    repeat: 100000\n"
    seconds = fastest(lambda: cnncalc.analyze(cnncalc.loads(repeated)), times=2)
    print(f"2,000 layers: {few:.1f} us a layer; 20,000 layers: {many:.1f} us a layer (at most {MOST_MICROSECONDS})")
    print(f"growth: {many / few:.2f} (at most {MOST_GROWTH})")
    print(f"repeat 100,000: {seconds:.2f} s (at most {MOST_SECONDS_REPEATED})")
    return int(many > MOST_MICROSECONDS or many / few > MOST_GROWTH or seconds > MOST_SECONDS_REPEATED)


if __name__ == "__main__":
    sys.exit(main())
