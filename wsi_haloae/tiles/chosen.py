"""Which tiles of a slide are read: those with tissue, or those of a file, and inside the region, if one was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from shapely.geometry.base import BaseGeometry

from wsi_haloae.coordinates.reading import GivenTiles
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Slide
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.placing import place_on
from wsi_haloae.tiles.preview import write_preview
from wsi_haloae.tiles.tiling import Tiling
from wsi_haloae.tissue.detection import find_tissue
from wsi_haloae.tissue.mask import TissueMask


@dataclass(frozen=True)
class ChosenTiles:
    """The tiles to read on one slide, and the tissue mask that decided them."""

    tiling: Tiling
    mask: TissueMask
    index: TileIndex

    def preview(self, folder: Path) -> None:
        """``preview.png``: mask and grid on the thumbnail."""
        write_preview(
            folder / "preview.png",
            self.mask.thumbnail,
            self.mask.mask,
            slide=self.tiling.header().slide,
            grid=self.tiling.grid,
            index=self.index,
        )


def choose_tiles(
    slide: Slide, tiling: Tiling, reporter: Reporter, region: BaseGeometry | None = None, **coverage: float
) -> ChosenTiles:
    """Find the tissue and choose the tiles. Parts of the thumbnail that cannot be read are reported as warnings."""
    mask = find_tissue(slide, tiling.tissue_config)
    for warning in mask.warnings:
        reporter.warn(warning)
    index = tiling.choose(mask, region, **coverage)
    if tiling.given is not None:
        _tell_given(tiling.given, index, tiling.grid, reporter)
    reporter.line(f"{slide.properties.name}: {len(index):,} of {tiling.grid.rows * tiling.grid.columns:,} tiles chosen")
    return ChosenTiles(tiling, mask, index)


def _tell_given(given: GivenTiles, index: TileIndex, grid: TileGrid, reporter: Reporter) -> None:
    """Say what became of the tiles of a file, where it is not what the file says."""
    distinct = len(np.unique(given.locations, axis=0))
    placed = place_on(grid, given.locations)
    left_out = distinct - len(placed.rows)
    if left_out:
        reporter.warn(
            f"{given.path}: {left_out:,} of {distinct:,} tiles are left out, because they overlap others: each cell of "
            f"the grid holds one tile. Give their distance by --stride (now {grid.stride}, in pixels of the tile)."
        )
    away = np.abs(index.location - grid.locations(index.row, index.column)).max(initial=0)
    if away > 1:
        reporter.line(
            f"{given.path}: the tiles lie off the regular grid, by up to {away:,} pixels of level 0. They are read "
            "where they lie; pictures and regions show each in the nearest cell."
        )
