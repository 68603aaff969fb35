"""``score --dry-run``: what scoring the slides would take."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from wsi_haloae.export.bundle import write_exports
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.runs.forecast import Cost, Looked, folder_bytes
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.adapt_slide import marked_tiles, require_neighbours
from wsi_haloae.scoring.open_scores import finished_record, open_scores
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.score_plan import ScorePlan
from wsi_haloae.scoring.score_slide import score_slide
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME
from wsi_haloae.tiles.reading import SlideTiles
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.tiles.tiler import fill_tiles
from wsi_haloae.workspace.slide_inputs import SlideInput

SAMPLE = 32
"""Tiles at most, or two batches if these are larger."""


class ScoreStudy:
    """A run of ``score`` with these options."""

    def __init__(self, options: ScoreOptions, reporter: Reporter) -> None:
        self._planner, self._options, self._reporter = ScoreRun.of(options).planner, options, reporter
        self._plan: ScorePlan | None = None

    def look(self, source: SlideInput, folder: Path) -> Looked:
        """The tiles that would be scored; see `Study`."""
        source = self._planner.as_trained(source)
        with closing(source.open()) as slide:
            self._plan = plan = self._planner.plan(source, slide.properties, self._reporter)
            if not self._options.overwrite and finished_record(folder, plan.header) is not None:
                return Looked(slide.properties, None)
            chosen = plan.choose(slide, self._reporter)
        require_neighbours(self._options.smooth, plan.header)
        if anchors := self._options.anchors or source.anchors:
            marked_tiles(anchors, plan.header.slide, chosen.index)
        return Looked(slide.properties, chosen)

    def measure(self, source: SlideInput, looked: Looked) -> Cost:
        """Time and bytes of a sample, without adaptation, which needs all tiles; see `Study`."""
        source = self._planner.as_trained(source)
        chosen, plan, quiet = looked.chosen, self._plan, Reporter(quiet=True)
        assert chosen is not None, "there is something to measure"
        assert plan is not None, "it was looked at"
        model, device = self._planner.checkpoint, self._planner.compute.device
        few = evenly(np.arange(len(chosen.index)), max(SAMPLE, 2 * plan.header.compute.batch_size))
        sample = replace(chosen, index=chosen.index.select(few))
        with TemporaryDirectory(prefix="wsi-haloae-") as name:
            folder = Path(name)
            scores = open_scores(folder, plan.header, sample, model, quiet)
            tile_seconds = self._tile_seconds(source, scores)
            begun = time.monotonic()
            plain = replace(self._options, adapt="none", anchors=None, smooth=None)
            score_slide(replace(source, anchors=None), model, scores, plain, device=device, reporter=quiet)
            write_exports(scores, folder)
            seconds = time.monotonic() - begun
            written, growing = folder_bytes(folder), _growing(scores, folder)
            if self._options.keep_tiles:
                fill_tiles(
                    source, folder / TILES_NAME, sample.tiling.header(), sample, self._options.num_workers, quiet
                )
            kept = folder_bytes(folder) - written
        return Cost(
            tile_seconds,
            max(0.0, seconds - len(few) * tile_seconds),
            (growing + kept) / len(few),
            written - growing,
            f"{with_noun(len(few), 'tile')} of {source.path}, on {device}",
        )

    def _tile_seconds(self, source: SlideInput, scores: ScoreStore) -> float:
        """Seconds that reading and scoring a tile takes, once the model has run."""
        compute = scores.header.compute
        with ThreadHandles(source.open) as handles:
            tiles = SlideTiles(scores, handles)
            begun = time.monotonic()
            pixels = tiles.read_shard(0).pixels
            reading = (time.monotonic() - begun) / len(pixels) / self._options.num_workers
            scorer = Scorer.of(self._planner.checkpoint, self._planner.compute.device, compute)
            scorer.score(pixels[: compute.batch_size])
            begun = time.monotonic()
            scorer.score(pixels, keep_maps=self._options.maps)
            padded = -(-len(pixels) // compute.batch_size) * compute.batch_size
            return reading + (time.monotonic() - begun) / padded


def _growing(scores: ScoreStore, folder: Path) -> int:
    """Bytes that grow with the number of tiles: columns of the store, and tables."""
    columns = sum(scores.read(name).nbytes for name in scores.columns().keys() - scores.slide_wide)
    return columns + sum(path.stat().st_size for path in folder.glob("tiles.*") if path.is_file())
