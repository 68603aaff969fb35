"""What every benchmark's row records about the machine, and how two functions are timed in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def seconds_in_turn(
    ours: Callable[[], object],
    reference: Callable[[], object],
    runs: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of each, run in turn after one warm-up, so that changes of the machine affect both.

    On a busy machine, ``time.process_time`` as ``clock`` leaves out the time that others take, if there is one thread.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for function, taken in zip((ours, reference), times, strict=True):
            start = clock()
            function()
            if run:
                taken.append(clock() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def where() -> dict[str, object]:
    """Machine, versions and commit, without which a result means nothing."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {
            "python": platform.python_version(),
            **dict(_versions("torch", "zarr", "openslide-python", "numpy")),
        },
        "commit": _commit(),
    }


def print_row(name: str, **figures: object) -> None:
    """Print one JSON row: results, machine, versions, commit."""
    print(json.dumps({"benchmark": name, **figures, **where()}))


def _versions(*packages: str) -> Iterator[tuple[str, str]]:
    """Of those that are installed: a machine with a GPU may have no reader of slides."""
    for package in packages:
        with suppress(PackageNotFoundError):
            yield package, version(package)


def _commit() -> str:
    """Empty where only the files were copied, or git is missing."""
    with suppress(FileNotFoundError):
        words = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(words, check=False, capture_output=True, text=True).stdout.strip()
    return ""


def _processor() -> str:
    """The processor's name, if Linux reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
