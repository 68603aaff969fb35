"""``tile --dry-run``: what cutting the slides into tiles would take."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.runs.forecast import Cost, Looked, folder_bytes
from wsi_haloae.runs.tile import TileOptions
from wsi_haloae.stores.tile_store import STORE_NAME, TileStore
from wsi_haloae.tiles.chosen import choose_tiles
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.tiles.tiler import fill_tiles
from wsi_haloae.workspace.record import is_finished
from wsi_haloae.workspace.slide_inputs import SlideInput

SAMPLE = 256
"""Tiles: enough for several readers."""


@dataclass(frozen=True)
class TileStudy:
    """A run of ``tile`` with these options."""

    options: TileOptions
    reporter: Reporter

    def look(self, source: SlideInput, folder: Path) -> Looked:
        """The tiles that would be cut; see `Study`."""
        with closing(source.open()) as slide:
            tiling = self.options.tiling(slide.properties, source.path)
            path = folder / STORE_NAME
            if path.exists() and not self.options.overwrite:
                store = TileStore.open(path)
                store.require_same(tiling.header())
                if not store.pending_shards() and is_finished(folder, "tile"):
                    return Looked(slide.properties, None)
            return Looked(slide.properties, choose_tiles(slide, tiling, self.reporter))

    def measure(self, source: SlideInput, looked: Looked) -> Cost:
        """Time and bytes of a sample; see `Study`."""
        assert looked.chosen is not None, "there is something to measure"
        few = evenly(np.arange(len(looked.chosen.index)), SAMPLE)
        sample = replace(looked.chosen, index=looked.chosen.index.select(few))
        with TemporaryDirectory(prefix="wsi-haloae-") as name:
            folder, begun = Path(name), time.monotonic()
            header = sample.tiling.header()
            fill_tiles(source, folder / STORE_NAME, header, sample, self.options.workers, Reporter(quiet=True))
            tiles = time.monotonic() - begun
            stored = folder_bytes(folder)
            looked.chosen.preview(folder / "preview.png")
            return Cost(
                tiles / len(few),
                time.monotonic() - begun - tiles,
                stored / len(few),
                folder_bytes(folder) - stored,
                f"{with_noun(len(few), 'tile')} of {source.path}",
            )
