"""What every benchmark's row says about where it was measured, and how two things are timed in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version


def seconds_in_turn(ours: Callable[[], object], reference: Callable[[], object], runs: int = 5) -> tuple[float, float]:
    """Median seconds of each, run in turn after one warm-up, so that a drifting machine hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for function, taken in zip((ours, reference), times, strict=True):
            start = time.perf_counter()
            function()
            if run:
                taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def print_row(name: str, **figures: object) -> None:
    """One JSON row: figures, machine, versions, commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    packages = ("torch", "zarr", "openslide-python", "numpy")
    row = {
        "benchmark": name,
        **figures,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {package: version(package) for package in packages},
        "commit": commit.stdout.strip(),
    }
    print(json.dumps(row))
