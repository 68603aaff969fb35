"""Scores tiles of a slide as ``score`` does, with a stopwatch in each part: what bench_score.py runs and times.

    python benchmarks/score_parts.py MODEL SLIDE PRECISION THREADS

For each line on standard input, all is done once, and a line of JSON says the milliseconds a tile of each part, and
those of the engine alone. It calls only what versions since f7ea1ca have, so it can time another version too.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from answering import answer
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.engine.transfer import batches_on
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model import residuals
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring import scorer
from wsi_haloae.scoring.open_scores import open_scores
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.tiles.reading import SlideTiles
from wsi_haloae.workspace.slide_inputs import SlideInput

PARTS = {
    "features": (InferenceModel, "features"),
    "block C": (InferenceModel, "reconstruct"),
    "SSIM": (residuals, "_dissimilarities"),
    "other residuals": (scorer, "residuals"),
    "rules": (Scorer, "score"),
    "artefacts": (Scorer, "measure"),
    "reading": (SlideTiles, "read_shard"),
    "store": (ScoreStore, "write_shard"),
}
"""The function of each part, without the parts that it calls."""


class Stopwatch:
    """Times functions, each without the others that it calls, on the thread that made it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._running, self._since = clock, list[str](), 0.0
        self._thread = threading.get_ident()
        self.seconds: dict[str, float] = defaultdict(float)

    def time(self, part: str, owner: Any, name: str) -> None:
        """Put a timed function in place of the one that ``owner`` has under this name."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*args, **kwargs)
            self._turn()
            self._running.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._running.pop()

        setattr(owner, name, timed)

    def _turn(self) -> None:
        now = self._clock()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


class Slide:
    """A slide that is to be scored, and what scores it."""

    def __init__(self, model: Path, slide: Path, precision: str, threads: int, folder: Path) -> None:
        options = ScoreOptions(model, device="cpu", precision=precision, threads=threads, num_workers=1)
        run, quiet, device = ScoreRun.of(options), Reporter(quiet=True), torch.device("cpu")
        self.source = SlideInput(slide, "slide", None, override_mpp=False)
        with closing(self.source.open()) as opened:
            plan = run.planner.plan(self.source, opened.properties, quiet)
            chosen = plan.choose(opened, quiet)
        self.store = open_scores(folder, plan.header, chosen, run.planner.checkpoint, quiet)
        self.scorer = Scorer.of(run.planner.checkpoint, device, plan.header.compute)
        self._batch_size = plan.header.compute.batch_size
        self._engine = InferenceModel(run.planner.checkpoint.model, device, PRECISIONS[precision])

    def score(self, tiles: SlideTiles, shard: int) -> NDArray[np.uint8]:
        """Read, score and keep a shard; returns its pixels."""
        read = tiles.read_shard(shard)
        scores = self.scorer.score(read.pixels, quantities=self.scorer.measure(read.pixels))
        self.store.write_shard(shard, scores, read.states, read.reasons)
        return read.pixels

    def engine_alone(self, pixels: NDArray[np.uint8], threads: int) -> None:
        """Blocks B and C of the same tiles, and nothing else; a batch on each of the threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._reconstruct, batches_on(torch.device("cpu"), pixels, self._batch_size)))
        torch.set_num_threads(before)

    @torch.inference_mode()
    def _reconstruct(self, batch: Tensor) -> None:
        images = normalise(to_unit(batch), self._engine.config.input_downsample)
        self._engine.reconstruct(self._engine.features(images.contiguous(memory_format=torch.channels_last)))


def main(model: Path, slide: Path, precision: str, threads: int) -> None:
    """Answer each line of standard input with the times of one pass over the slide."""
    clock = time.process_time if threads == 1 else time.perf_counter
    watch = Stopwatch(clock)
    with tempfile.TemporaryDirectory() as folder:
        work = Slide(model, slide, precision, threads, Path(folder))
        for part, (owner, name) in PARTS.items():
            watch.time(part, owner, name)
        with ThreadHandles(work.source.open) as handles:
            tiles = SlideTiles(work.store, handles)

            def once() -> dict[str, float]:
                watch.seconds.clear()
                pixels = np.concatenate([work.score(tiles, shard) for shard in range(work.store.shards)])
                taken = dict(watch.seconds)
                begun = clock()
                work.engine_alone(pixels, threads)
                taken["engine alone"] = clock() - begun
                return {part: 1000 * seconds / len(pixels) for part, seconds in taken.items()}

            answer(once)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
