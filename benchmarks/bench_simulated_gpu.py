"""How busy a slide keeps a GPU that scores so many tiles a second: a simulated one, so that no GPU is needed.

The simulated GPU takes batches when they are launched, computes them one after the other, and makes only whoever asks
for a result wait: without the GIL, and without a core. Readers are real, or, with --reader-ms, asleep for so long per
tile, as if each had a core of its own and never held the GIL. All else is `score_slide` as it is. The row says which
share of the time from the first batch to the end of the slide the GPU was computing.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from unittest import mock

import click
import numpy as np
from machine import print_row
from numpy.typing import NDArray
from scene import make_model, make_slide

from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring import score_slide as scoring
from wsi_haloae.scoring.open_scores import open_scores
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.reading import ShardPixels, SlideTiles
from wsi_haloae.workspace.slide_inputs import SlideInput


class SimulatedGPU:
    """Computes ``rate`` tiles a second; knows when it began, and for how long it has computed."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free_at = rate, 0.0
        self.began, self.busy = 0.0, 0.0

    def launch(self, tiles: int) -> float:
        """Take ``tiles``, and return when they will be done."""
        now = time.perf_counter()
        self.began = self.began or now
        self.busy += tiles / self._rate
        self._free_at = max(now, self._free_at) + tiles / self._rate
        return self._free_at

    @staticmethod
    def wait(until: float) -> None:
        """Wait for a result."""
        time.sleep(max(0.0, until - time.perf_counter()))


class Shard:
    """A shard of grey tiles and its results, computed once: what a simulated reader and a simulated GPU return."""

    def __init__(self, scorer: Scorer, tile: int) -> None:
        self.pixels = np.full((SHARD_TILES, tile, tile, 3), 120, np.uint8)
        self.quantities = scorer.measure(self.pixels)
        self.scores = scorer.score(self.pixels, quantities=self.quantities)

    def first(self, count: int) -> TileScores:
        """The results of so many tiles."""
        whole = {field.name: getattr(self.scores, field.name) for field in fields(TileScores)}
        return TileScores(**{name: None if rows is None else rows[:count].copy() for name, rows in whole.items()})


@contextmanager
def simulated(gpu: SimulatedGPU, shard: Shard, reader_ms: float | None) -> Iterator[list[float]]:
    """`score_slide` on ``gpu``; yields a list that gets the time when all shards were written, and the processor's."""
    ended: list[float] = []
    assemble = ScoreStore.assemble

    def begin(_self: Scorer, tiles: NDArray[np.uint8], *, keep_maps: bool) -> float:
        return gpu.launch(len(tiles))

    def finish(_self: Scorer, begun: float, quantities: NDArray[np.float32]) -> TileScores:
        gpu.wait(begun)
        return shard.first(len(quantities))

    def assembled(store: ScoreStore) -> None:
        ended.extend((time.perf_counter(), time.process_time()))
        assemble(store)

    def asleep(tiles: SlideTiles, number: int) -> ShardPixels:
        place = tiles._store.shard_slice(number)
        count = place.stop - place.start
        time.sleep(count * (reader_ms or 0) / 1e3)
        return ShardPixels(number, shard.pixels[:count], np.ones(count, np.uint8), ("",) * count)

    stand_ins = [
        (Scorer, "begin", begin),
        (Scorer, "finish", finish),
        (ScoreStore, "assemble", assembled),
        (scoring._BatchHalvingScorer, "computes_by_itself", True),
    ]
    if reader_ms is not None:
        measure = lambda _self, tiles: shard.quantities[: len(tiles)]  # noqa: E731
        stand_ins += [(SlideTiles, "read_shard", asleep), (Scorer, "measure", measure)]
    patches = [mock.patch.object(owner, name, stand_in) for owner, name, stand_in in stand_ins]
    for patch in patches:
        patch.start()
    try:
        yield ended
    finally:
        for patch in patches:
            patch.stop()


@click.command()
@click.option("--rate", "rates", multiple=True, type=float, default=(2500.0, 5000.0), show_default=True)
@click.option("--reader-ms", type=float, help="Milliseconds that a sleeping reader takes per tile. Default: real ones.")
@click.option("-n", "--readers", default=2, show_default=True)
@click.option("--side", default=8192, show_default=True, help="Side of the slide, in pixels.")
@click.option("--tile", default=64, show_default=True)
@click.option("--runs", default=3, show_default=True, help="Of each rate, in turn; the median counts.")
def main(rates: tuple[float, ...], reader_ms: float | None, readers: int, side: int, tile: int, runs: int) -> None:
    """Print one row for each rate."""
    quiet = Reporter(quiet=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = SlideInput(make_slide(folder, side), "slide", None, override_mpp=False)
        options = ScoreOptions(make_model(folder, tile), device="cpu", num_workers=readers)
        planner = ScoreRun.of(options).planner
        checkpoint, device = planner.checkpoint, planner.compute.device
        with closing(source.open()) as slide:
            plan = planner.plan(source, slide.properties, quiet)
            chosen = plan.choose(slide, quiet)
        shard = Shard(Scorer.of(checkpoint, device, plan.header.compute), tile)
        shares: dict[float, list[float]] = {rate: [] for rate in rates}
        processor: list[float] = []
        for rate in [*rates] * runs:
            shutil.rmtree(folder / "scored", ignore_errors=True)
            (folder / "scored").mkdir()
            store, gpu = open_scores(folder / "scored", plan.header, chosen, checkpoint, quiet), SimulatedGPU(rate)
            begun = time.process_time()
            with simulated(gpu, shard, reader_ms) as ended:
                scoring.score_slide(source, checkpoint, store, options, device=device, reporter=quiet)
            processor.append(1e3 * (ended[1] - begun) / len(chosen.index))
            shares[rate].append(gpu.busy / (ended[0] - gpu.began))
        for rate, found in shares.items():
            print_row(
                "simulated gpu", rate=rate, tiles=len(chosen.index), tile=tile, readers=readers, reader_ms=reader_ms,
                busy=sorted(found)[len(found) // 2], busy_in_each_run=found,
                processor_ms_per_tile=min(processor),
            )  # fmt: skip


if __name__ == "__main__":
    main()
