"""Many slides on Dask workers: what distributing them costs, whether time is linear, and whether memory stays flat.

    python benchmarks/cohort.py --slides 1000                            # small synthetic slides, scored
    python benchmarks/cohort.py --slides 10000 --workers 4 --sleep 0.2   # the model replaced by a sleep

Slides are links to a few files. Overhead is what the workers' time (wall x workers, from the first slide's begin to
the last one's end) has more than the slides' own seconds. Memory is each process' proportional set size.
"""

from __future__ import annotations

import csv
import os
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import dask
import numpy as np
import psutil
from machine import print_row
from numpy.typing import NDArray
from scene import make_model

from wsi_haloae.cli.main import run
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.synthetic.slide import write_synthetic_slide

FILES, SIDE, TILE = 20, 512, 64
SAMPLE_SECONDS = 2.0
SLEEPER = """
import time
from wsi_haloae.runs.score import ScoreRun

class Sleeper:
    def __init__(self, sha256):
        self.model_sha256 = sha256

    def score_one(self, source, folder, record):
        with record.reporter.track(f"Scoring {source.name}", 1000, "tiles") as advance:
            time.sleep(SECONDS)
            advance(1000)
        record.facts = {"counts": {"tiles": 1000, "scored": 1000}}
        record.write(folder, "done")
        return 0

if not hasattr(ScoreRun, "real"):
    ScoreRun.real = ScoreRun.of
    ScoreRun.of = classmethod(lambda cls, options: Sleeper(SHA256))
"""


class Memory(threading.Thread):
    """Records the proportional set size of this process (which runs the scheduler) and of the workers, now and then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float, float]] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Record until `stop`."""
        me = psutil.Process()
        while not self._over.wait(SAMPLE_SECONDS):
            workers = [_pss(child) for child in me.children(recursive=True)]
            self.samples.append((time.monotonic(), _pss(me), max(workers, default=0.0)))

    def stop(self) -> dict[str, list[float]]:
        """The most megabytes in each quarter of the time; for the workers, of the largest one."""
        self._over.set()
        self.join()
        quarters = np.array_split(np.array(self.samples), 4)
        return {
            "scheduler_megabytes": [round(float(quarter[:, 1].max())) for quarter in quarters],
            "worker_megabytes": [round(float(quarter[:, 2].max())) for quarter in quarters],
        }


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0


@click.command()
@click.option("--slides", default=1000, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--sleep", type=float, help="Sleep this many seconds per slide instead of running the model.")
def main(slides: int, workers: int, sleep: float | None) -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder, TILE)
        link_slides(folder, slides)
        settings = {} if sleep is None else {"distributed.worker.preload": [sleeper(folder, model, sleep)]}
        memory = Memory()
        memory.start()
        begun = time.monotonic()
        asked = ["score", str(folder / "slides"), "-m", str(model), "-o", str(folder / "out")]
        with dask.config.set(settings):
            code = run([*asked, "--slides-at-once", str(workers)])
        wall, used = time.monotonic() - begun, memory.stop()
        with (folder / "out/cohort.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        ends = np.sort([path.stat().st_mtime for path in (folder / "out").glob("*/run.json")])
        print_row(
            "cohort", slides=slides, workers=workers, sleep=sleep, exit_code=code, wall_seconds=round(wall, 1),
            failed=sum(row["state"] != "done" for row in rows), **figures(rows, ends, workers), **used,
        )  # fmt: skip


def link_slides(folder: Path, slides: int) -> None:
    """``folder/slides``: so many slides, links to a few files."""
    (folder / "slides").mkdir()
    for number in range(FILES):
        write_synthetic_slide(folder / f"{number}.tif", width=SIDE, height=SIDE, seed=number)
    for number in range(slides):
        os.link(folder / f"{number % FILES}.tif", folder / f"slides/s{number:05}.tif")


def sleeper(folder: Path, model: Path, seconds: float) -> str:
    """A module for workers to load: a slide then takes so many seconds, and no model."""
    path = folder / "sleeper.py"
    path.write_text(SLEEPER.replace("SECONDS", str(seconds)).replace("SHA256)", f"{file_sha256(model)!r})"))
    return str(path)


def figures(rows: list[dict[str, str]], ends: NDArray[np.float64], workers: int) -> dict[str, Any]:
    """From the first records to the last: what comes before is the start of Python and torch."""
    seconds = np.array([float(row["seconds"]) for row in rows if row["seconds"]])
    done, span = len(ends) - workers, float(ends[-1] - ends[workers - 1])
    own = float(np.sort(seconds)[: -workers or None].mean())  # the first of each worker loads the model
    quarters = [float(ends[(len(ends) - 1) * k // 4]) for k in range(5)]
    return {
        "seconds_of_a_slide": round(own, 3),
        "overhead": round(1 - own * done / (span * workers), 4),
        "overhead_milliseconds_a_slide": round(1000 * (span * workers / done - own), 1),
        "seconds_of_each_quarter": [round(end - begin, 1) for begin, end in pairwise(quarters)],
    }


if __name__ == "__main__":
    main()
