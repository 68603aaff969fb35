"""How busy several slides keep a GPU, from the first one's opening to the last one's files: a simulated GPU.

Three ways: one slide after the other; by turns, as on a GPU whose memory holds one (`scoring/turns.py`); and two at
once, as on a larger one. The processes share one simulated GPU (see bench_simulated_gpu.py); opening, tissue, reading
and files are real. Its rate stands for a faster one: choose it so that a slide is computed for as many times longer
than it is read and written as on the machine in question.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import numpy as np
from bench_simulated_gpu import Shard, SimulatedGPU, simulated
from machine import print_row
from scene import make_model, make_slide

from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.workspace.batch_result import attempt_slide
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput

WAYS = {"one after the other": (1, False), "by turns": (2, True), "two at once": (2, False)}
"""Processes, and whether only one of them computes."""


class SharedGPU(SimulatedGPU):
    """One simulated GPU for several processes: ``free_at`` says when it has computed all that it was given."""

    def __init__(self, rate: float, free_at: Synchronized[float]) -> None:
        super().__init__(rate)
        self._free = free_at

    def launch(self, tiles: int) -> float:
        """Take ``tiles``, and return when they will be done."""
        with self._free.get_lock():
            self._free.value = max(time.perf_counter(), self._free.value) + tiles / self._rate
            return self._free.value


def score(
    sources: list[SlideInput], output: Path, options: ScoreOptions, lock: Path | None, gpu: SharedGPU, ready: Barrier
) -> None:
    """What one process does: its slides, one after the other."""
    quiet = Reporter(quiet=True)
    run = ScoreRun.of(options, lock)
    compute = run.planner.compute
    shard = Shard(
        Scorer.of(run.planner.checkpoint, compute.device, compute.record(quiet)), run.planner.checkpoint.facts.tile_size
    )
    ready.wait()
    with simulated(gpu, shard, None):
        for source in sources:
            attempt_slide(source, output / source.name, run.score_one, "score", {}, quiet)


@click.command()
@click.option("--rate", default=20.0, show_default=True, help="Tiles a second of the simulated GPU.")
@click.option("--slides", default=4, show_default=True)
@click.option("--side", default=4096, show_default=True, help="Side of each slide, in pixels.")
@click.option("--tile", default=64, show_default=True)
@click.option("-n", "--readers", default=2, show_default=True)
def main(rate: float, slides: int, side: int, tile: int, readers: int) -> None:
    """Print one row for each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ScoreOptions(make_model(folder, tile), device="cpu", num_workers=readers, batch_size=64, threads=1)
        slide = make_slide(folder, side)
        sources = [SlideInput(slide, f"slide{number}", None, override_mpp=False) for number in range(slides)]
        for way, (processes, by_turns) in WAYS.items():
            output = folder / way.replace(" ", "-")
            lock = folder / "gpu.lock" if by_turns else None
            spawn = multiprocessing.get_context("spawn")
            ready, gpu = spawn.Barrier(processes + 1), SharedGPU(rate, spawn.Value("d", 0.0))
            work = partial(score, output=output, options=options, lock=lock, gpu=gpu, ready=ready)
            running = [spawn.Process(target=work, args=(sources[n::processes],)) for n in range(processes)]
            for process in running:
                process.start()
            ready.wait()
            begun = time.perf_counter()
            for process in running:
                process.join()
            took = time.perf_counter() - begun
            records = [RunRecord.read(output / source.name) for source in sources]
            tiles = sum(record.counts.tiles or 0 for record in records if record)
            stages = {stage: np.mean([record.seconds.get(stage, 0) for record in records if record]) for stage in
                      ("tissue", "waiting", "scoring", "exports")}  # fmt: skip
            print_row(
                "overlap", way=way, rate=rate, slides=slides, tiles=tiles, seconds=took, gpu_seconds=tiles / rate,
                busy=tiles / rate / took, ratio=took * rate / tiles, mean_seconds_by_stage=stages,
            )  # fmt: skip


if __name__ == "__main__":
    main()
