"""Heatmap: the scores of a store placed on the slide, one value per cell of the grid.

A column is read once and whole. It takes 4 bytes per tile, less than the index that an open store holds anyway, and a
finished store keeps it in one piece, which reading any part would decompress.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.tiles.grid import TileGrid


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Scores on the slide: ``values`` (rows, columns) float32, NaN where no tile was scored.

    A value covers a cell of one stride, not of one tile. If tiles overlap (stride < tile size), several tiles cover a
    cell, and it shows the score of the tile whose centre it contains. So the whole picture is shifted by half of what
    the tile size exceeds the stride. Lengths are pixels of level 0, with fractions: cell (row, column) covers

        l0_offset_x + column * l0_cell_width  ...  l0_offset_x + (column + 1) * l0_cell_width

    and the same in y. Cells at the right and bottom edge may extend beyond the slide.
    """

    values: NDArray[np.float32]
    grid: TileGrid

    @property
    def l0_cell_width(self) -> float:
        """Width of a cell."""
        return self.grid.stride * self.grid.l0_scale_x

    @property
    def l0_cell_height(self) -> float:
        """Height of a cell."""
        return self.grid.stride * self.grid.l0_scale_y

    @property
    def l0_offset_x(self) -> float:
        """Left edge of the first column; 0 without overlap."""
        return (self.grid.tile_size - self.grid.stride) / 2 * self.grid.l0_scale_x

    @property
    def l0_offset_y(self) -> float:
        """Upper edge of the first row; 0 without overlap."""
        return (self.grid.tile_size - self.grid.stride) / 2 * self.grid.l0_scale_y


def grid_of(header: StoreHeader) -> TileGrid:
    """The grid that a store was made on."""
    return TileGrid(**header.grid.model_dump())


def assemble_heatmap(store: ScoreStore, column: Literal["score", "score_paper"] = "score") -> Heatmap:
    """One column of a store as a heatmap.

    Tiles that are unreadable or still pending are NaN, whatever the column holds for them.
    """
    grid, index = grid_of(store.header), store.index
    scored = store.states() == TileState.DONE
    values = np.full((grid.rows, grid.columns), np.nan, np.float32)
    values[index.row[scored], index.column[scored]] = store.read(column)[scored]
    return Heatmap(values, grid)
