"""The anomaly map of pixels as coloured tiles, and the map of one tile.

A cell's values are not scores; the checkpoint has a separate range for them. For older models without this range,
the colours run from the 1st to the 99.5th percentile of a sample of the slide's tiles, and the page says so.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import StoreError
from wsi_haloae.export.levels import SMALLEST
from wsi_haloae.export.ome_zarr import NumberPyramid
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState

SAMPLED = 96
PERCENTILES = (1.0, 99.5)


class PixelMapPicture:
    """The stored maps of a slide, and their pyramid at ``path`` if it was written (None if not)."""

    def __init__(self, store: ScoreStore, path: Path | None) -> None:
        self._store = store
        self._pyramid: NumberPyramid | None = None
        self.message: str | None = None
        try:
            self._pyramid = None if path is None else NumberPyramid(path)
        except StoreError as error:  # everything else about the slide can still be shown
            self.message = str(error)

    @cached_property
    def scale(self) -> ColourScale:
        """From the values of cells to colours; its range is 0 to 1 if no tile was scored."""
        known = self._store.header.model.map_range  # kept maps are of the model's own rule, whatever is shown now
        if known is not None:
            return ColourScale(*known)
        done = np.flatnonzero(self._store.states() == TileState.DONE)
        chosen = done[np.linspace(0, len(done) - 1, min(SAMPLED, len(done))).astype(np.int64)]
        if not len(chosen):
            return ColourScale(0.0, 1.0)
        maps = np.stack([self._store.anomaly_map(number) for number in chosen.tolist()])
        low, high = np.nanpercentile(maps, PERCENTILES).tolist()
        return ColourScale(low, high if high > low else low + 1)

    def facts(self) -> dict[str, Any] | None:
        """Size in cells, cell size in level-0 pixels, and range; None if no pyramid was written."""
        side, grid = self._store.header.map_size, grid_of(self._store.header)
        if self._pyramid is None or side is None:
            return None
        height, width = self._pyramid.shapes[0]
        return {
            "width": width,
            "height": height,
            "l0_cell_width": grid.tile_size / side * grid.l0_scale_x,
            "l0_cell_height": grid.tile_size / side * grid.l0_scale_y,
            "max_level": len(self._pyramid.shapes) - 1,
            "tile_size": SMALLEST,
            "range": [self.scale.low, self.scale.high],
            "of_this_slide": self._store.header.model.map_range is None,
        }

    def zoom_tile(self, level: int, column: int, row: int) -> NDArray[np.uint8] | None:
        """One tile of a Deep Zoom level as RGBA (h, w, 4); None if it does not exist. Level 0 is the coarsest."""
        if self._pyramid is None or not 0 <= level < len(self._pyramid.shapes):
            return None
        number = len(self._pyramid.shapes) - 1 - level
        height, width = self._pyramid.shapes[number]
        if not (0 <= column * SMALLEST < width and 0 <= row * SMALLEST < height):
            return None
        return self.scale.rgba(self._pyramid.read(number, row, column))

    def of_tile(self, number: int) -> NDArray[np.uint8]:
        """The map of one tile as RGBA (m, m, 4); transparent if the tile has no score."""
        own = self._store.anomaly_map(number)
        scored = self._store.read("state", number) == TileState.DONE
        return self.scale.rgba(own if scored else np.full_like(own, np.nan))
