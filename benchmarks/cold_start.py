"""Whole-process time and memory of `cnncalc analyze`, against the imports that typer and rich cost anyone.

    python benchmarks/cold_start.py [--runs 15]

Runs the floor and each command in turn, so that a noisy clock hits all alike, and prints the fastest of each, the ratio
and the peak memory. Exits with 1 where a ratio or the memory is above its bound. Measure an installed package: one
that runs from a checkout with byte code switched off compiles itself at every start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

FLOOR = [sys.executable, "-c", "import typer, rich.table, pydantic, yaml"]
COMMANDS = {"vgg16": 1.6, "resnet152": 2.0}  # network -> most times the floor
MOST_MEMORY = 60  # MB (10^6 bytes)


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs: int = parser.parse_args().runs
    commands = {"floor": FLOOR} | {name: [sys.executable, "-m", "cnncalc", "analyze", name] for name in COMMANDS}
    fastest = dict.fromkeys(commands, float("inf"))
    memory = dict.fromkeys(commands, 0.0)
    for _ in range(runs):
        for name, command in commands.items():
            seconds, peak = run(command)
            fastest[name] = min(fastest[name], seconds)
            memory[name] = max(memory[name], peak)
    failed = False
    for name in commands:
        ratio, most = fastest[name] / fastest["floor"], COMMANDS.get(name, 1.0)
        within = ratio <= most and memory[name] < MOST_MEMORY
        failed |= not within
        print(
            f"{name:<10} {fastest[name] * 1000:6.0f} ms  {ratio:5.2f} times the floor (at most {most})"
            f"  {memory[name]:5.1f} MB{'' if within else '  ABOVE'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
