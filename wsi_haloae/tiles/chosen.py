"""Which tiles of a slide are read: those with tissue, and inside the region, if one was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Slide
from wsi_haloae.stores.sharded import TileIndex
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
    reporter.line(f"{slide.properties.name}: {len(index):,} of {tiling.grid.rows * tiling.grid.columns:,} tiles chosen")
    return ChosenTiles(tiling, mask, index)
