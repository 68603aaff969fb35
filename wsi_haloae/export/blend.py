"""The heatmap's colours laid over the slide's picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

OPACITY = 0.62
"""Opacity of the heatmap: its colours can be distinguished, and the tissue can still be recognised."""

HATCH_PERIOD, HATCH_WIDTH = 10, 4
HATCH_DARK, HATCH_LIGHT = 70, 215
"""Diagonal stripes, in pixels and grey levels, where a tile has no score."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a pixel's brightness (ITU-R BT.601)."""


def blended(base: NDArray[np.uint8], tiles: ScoredTiles, heatmap: Heatmap, scale: ColourScale) -> NDArray[np.uint8]:
    """The slide's picture (h, w, 3) uint8 with the heatmap's colours over it.

    Each pixel takes the colour of the cell that contains its centre. So cells are neither shifted
    nor smoothed, and cells that extend beyond the slide's edge are cut there. Tissue under a cell
    is grey, because its stain mixed with the heatmap would give colours that are not in the colour bar.
    """
    height, width = base.shape[:2]
    rows = _cells(height, heatmap.grid.slide_height, heatmap.l0_offset_y, heatmap.l0_cell_height)
    columns = _cells(width, heatmap.grid.slide_width, heatmap.l0_offset_x, heatmap.l0_cell_width)
    # With overlapping tiles the cells are shifted, so the first and last few pixels may lie in no cell.
    row_known = (rows >= 0) & (rows < heatmap.grid.rows)
    column_known = (columns >= 0) & (columns < heatmap.grid.columns)
    pixels, cells = np.ix_(row_known, column_known), np.ix_(rows[row_known], columns[column_known])

    layer = np.zeros((height, width, 4), np.float32)
    layer[pixels] = scale.rgba(heatmap.values)[cells]
    missing = np.zeros((height, width), np.bool_)
    missing[pixels] = _unscored(tiles, heatmap)[cells]
    layer[missing] = _hatching(height, width)[missing]

    covered = layer[..., 3] > 0
    grey = (base[covered] @ np.array(LUMA))[:, np.newaxis]
    blend = base.copy()
    blend[covered] = np.floor(grey * (1 - OPACITY) + layer[covered, :3] * OPACITY + 0.5)
    return blend


def _cells(pixels: int, l0_extent: int, l0_offset: float, l0_cell: float) -> NDArray[np.int64]:
    """Row or column of the cell at each pixel's centre, along one axis; it may lie outside the grid."""
    l0_centres = (np.arange(pixels) + 0.5) * (l0_extent / pixels)
    cells: NDArray[np.int64] = np.floor((l0_centres - l0_offset) / l0_cell).astype(np.int64)
    return cells


def _unscored(tiles: ScoredTiles, heatmap: Heatmap) -> NDArray[np.bool_]:
    cells = np.zeros(heatmap.values.shape, np.bool_)
    chosen = tiles.state != TileState.DONE
    cells[tiles.index.row[chosen], tiles.index.column[chosen]] = True
    return cells


def _hatching(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.ogrid[:height, :width]
    stripes = np.where((x + y) % HATCH_PERIOD < HATCH_WIDTH, HATCH_DARK, HATCH_LIGHT)
    opaque = np.full((height, width), 255)
    return np.stack([stripes, stripes, stripes, opaque], axis=-1).astype(np.float32)
