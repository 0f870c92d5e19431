"""How long the memory model takes: a step of training, in process, beside the analysis of the same network; and `fit`.

    python benchmarks/memory.py

Bounds: a training timeline of ResNet-152 60 ms, of DenseNet-121 150 ms (one step with Adam, the least of seven runs);
`fit` 2 s (Adam, 8 GiB, with every measure that would make room priced).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

import cnncalc
from cnncalc.eager import Setup, timeline
from cnncalc.fit import fit

STEP = Setup(batch=8, training=True, optimizer="adam", steps=1)
BUDGET = 8 * 2**30
BOUNDS = {"resnet152": 0.060, "densenet121": 0.150}
FIT_BOUND = 2.0


def least(run: Callable[[], object], runs: int = 7) -> float:
    """The least time of several runs, in seconds."""
    times = []
    for _ in range(runs):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times)


def main() -> int:
    within = True
    for name, bound in BOUNDS.items():
        network = cnncalc.load(name)
        analysis = least(lambda network=network: cnncalc.analyze(network))
        step = least(lambda network=network: timeline(network, STEP))
        found = least(lambda network=network: fit(network, BUDGET, STEP), 3)
        print(f"{name}: a step of training {1000 * step:.1f} ms (bound {1000 * bound:.0f}), ", end="")
        print(f"{step / analysis:.1f} times its analysis; fit {found:.2f} s (bound {FIT_BOUND:.0f})")
        within = within and step <= bound and found <= FIT_BOUND
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
