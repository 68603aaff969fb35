"""preview.png: the tissue that was found and the tiles that were kept, to check before scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from wsi_haloae.figures.slide_frame import SlideFigure, enlarged_or_reduced, font
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import SlideRecord
from wsi_haloae.tiles.grid import TileGrid

TISSUE_COLOUR, TILE_COLOUR = "#0b7a4b", "#1d4ed8"

FULL_LINE_TILE = 28
"""Tile side in pixels of the picture from which its outline is drawn at full strength. Smaller ones fade, so
that the grid of a large slide tints the tissue instead of hiding it."""


def write_preview(
    path: Path,
    thumbnail: NDArray[np.uint8],
    tissue_mask: NDArray[np.bool_],
    *,
    slide: SlideRecord,
    grid: TileGrid,
    index: TileIndex,
) -> None:
    """Draw tissue outline and tiles over the thumbnail (h, w, 3). The mask (h, w) may have another size."""
    tile_mpp = slide.mpp_x * grid.l0_scale_x
    caption = f"{len(index):,} tiles of {grid.tile_size} px at {tile_mpp:.3g} µm/px"
    base = enlarged_or_reduced(thumbnail, slide)
    picture = SlideFigure(base, slide, caption=caption)
    _draw_tiles(picture, grid, index, pixels_per_l0=base.shape[1] / slide.width)
    _draw_outline(picture, tissue_mask, grid)
    _draw_legend(picture)
    if not len(index):
        picture.note("no tissue found")
    picture.save(path)


def _draw_tiles(picture: SlideFigure, grid: TileGrid, index: TileIndex, *, pixels_per_l0: float) -> None:
    left, top = index.location.T
    right, bottom = (index.location + index.size).T
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1).reshape(-1, 4, 2)
    strength = min(1.0, grid.stride * grid.l0_scale_x * pixels_per_l0 / FULL_LINE_TILE)
    # No path simplification or snapping happens to a collection, so tiles stay where they are.
    picture.axes.add_collection(
        PolyCollection(
            list(corners),
            facecolors=[(0.11, 0.31, 0.85, 0.08)],
            edgecolors=[(0.11, 0.31, 0.85, 0.75 * strength)],
            linewidths=0.2 + 0.5 * strength,
        ),
        autolim=False,
    )


def _draw_outline(picture: SlideFigure, tissue_mask: NDArray[np.bool_], grid: TileGrid) -> None:
    if tissue_mask.all() or not tissue_mask.any():
        return  # no border between tissue and background: nothing to draw a line along
    height, width = tissue_mask.shape
    l0_x = (np.arange(width) + 0.5) * (grid.slide_width / width)
    l0_y = (np.arange(height) + 0.5) * (grid.slide_height / height)
    picture.axes.contour(l0_x, l0_y, tissue_mask.astype(np.float32), levels=[0.5], colors=TISSUE_COLOUR, linewidths=1.0)


def _draw_legend(picture: SlideFigure) -> None:
    picture.text(300, picture.legend_y, "— tissue", font(9), colour=TISSUE_COLOUR)
    picture.text(440, picture.legend_y, "□ kept tiles", font(9), colour=TILE_COLOUR)
