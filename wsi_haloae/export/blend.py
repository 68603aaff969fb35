"""The heatmap's colours laid over the slide's picture, and a line around the tiles that are called anomalous."""

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

LINE, LINE_AT_MOST = 17, 3
"""Grey level and width in pixels of the line around called tiles."""
CELL_PER_LINE = 12
"""The line is so many times thinner than a cell. If that is less than a pixel, it is fainter instead: on a large slide
it would otherwise hide the colours."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a pixel's brightness (ITU-R BT.601)."""


def blended(base: NDArray[np.uint8], tiles: ScoredTiles, heatmap: Heatmap, scale: ColourScale) -> NDArray[np.uint8]:
    """The slide's picture (h, w, 3) uint8 with the heatmap's colours over it.

    Each pixel takes the colour of the cell that contains its centre. So cells are neither shifted
    nor smoothed, and cells that extend beyond the slide's edge are cut there. Tissue under a cell
    is grey, because its stain mixed with the heatmap would give colours that are not in the colour bar.
    The line around called tiles lies inside them.
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
    missing, called = np.zeros((2, height, width), np.bool_)
    missing[pixels] = _on_grid(tiles, tiles.state != TileState.DONE, heatmap)[cells]
    if tiles.selection is not None:
        called[pixels] = _on_grid(tiles, tiles.selection.chosen, heatmap)[cells]
    layer[missing] = _hatching(height, width)[missing]

    covered = layer[..., 3] > 0
    grey = (base[covered] @ np.array(LUMA))[:, np.newaxis]
    blend = base.copy()
    blend[covered] = np.floor(grey * (1 - OPACITY) + layer[covered, :3] * OPACITY + 0.5)
    _draw_line(blend, called, cell=heatmap.l0_cell_width * width / heatmap.grid.slide_width)
    return blend


def _draw_line(picture: NDArray[np.uint8], called: NDArray[np.bool_], cell: float) -> None:
    """Darken the outermost pixels of the ``called`` areas (h, w); ``cell`` is the side of a cell in pixels."""
    width = cell / CELL_PER_LINE
    strength, inner = min(1.0, width), called
    for _ in range(int(np.clip(round(width), 1, LINE_AT_MOST))):
        around = np.pad(inner, 1)  # so the line is closed at the edge of the picture
        inner = inner & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    line = called & ~inner
    picture[line] = np.floor(picture[line] * (1 - strength) + LINE * strength + 0.5)


def _cells(pixels: int, l0_extent: int, l0_offset: float, l0_cell: float) -> NDArray[np.int64]:
    """Row or column of the cell at each pixel's centre, along one axis; it may lie outside the grid."""
    l0_centres = (np.arange(pixels) + 0.5) * (l0_extent / pixels)
    cells: NDArray[np.int64] = np.floor((l0_centres - l0_offset) / l0_cell).astype(np.int64)
    return cells


def _on_grid(tiles: ScoredTiles, chosen: NDArray[np.bool_], heatmap: Heatmap) -> NDArray[np.bool_]:
    """The cells (rows, columns) of the ``chosen`` tiles (n,)."""
    cells = np.zeros(heatmap.values.shape, np.bool_)
    cells[tiles.index.row[chosen], tiles.index.column[chosen]] = True
    return cells


def _hatching(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.ogrid[:height, :width]
    stripes = np.where((x + y) % HATCH_PERIOD < HATCH_WIDTH, HATCH_DARK, HATCH_LIGHT)
    opaque = np.full((height, width), 255)
    return np.stack([stripes, stripes, stripes, opaque], axis=-1).astype(np.float32)
