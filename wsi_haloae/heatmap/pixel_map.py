"""The anomaly map of a whole slide: the kept maps of its tiles, side by side or overlapping.

A map of 70,000 x 70,000 pixels has 17,500 x 17,500 cells. It is a Dask array and never whole in memory: each block
reads only the tiles that touch it. Where tiles overlap, each one has the largest weight at its centre and the smallest
at its edge, so that no seam is visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.grid import TileGrid

BLOCK = 1024
"""Cells per side of a block: 4 MiB, and as much again for the weights."""


@dataclass(frozen=True, eq=False)
class PixelMap:
    """The maps cell by cell: ``values`` (rows, columns) float32, NaN where no tile was scored.

    Lengths are pixels of level 0, with fractions: cell (row, column) covers ``column * l0_cell_width`` to
    ``(column + 1) * l0_cell_width``, and the same in y. Cells at the right and bottom edge may extend beyond
    the slide.
    """

    values: da.Array
    l0_cell_width: float
    l0_cell_height: float


def assemble_map(store: ScoreStore) -> PixelMap:
    """Assemble the map of a store that kept its tiles' maps (``--maps``).

    A stride that is not a whole number of cells moves a tile by half a cell at most. Raises `ValueError` for a store
    without maps.
    """
    side = store.header.map_size
    if side is None:
        raise ValueError(f"{store.path}: this store has no maps; score with --maps to keep them")
    layout = _Layout(store, grid_of(store.header), side)
    edges_y, edges_x = (np.append(np.arange(0, extent, BLOCK), extent) for extent in layout.shape)
    rows = []
    for top, bottom in zip(edges_y[:-1].tolist(), edges_y[1:].tolist(), strict=True):
        blocks = []
        for left, right in zip(edges_x[:-1].tolist(), edges_x[1:].tolist(), strict=True):
            block = delayed(layout.block, pure=False)(top, bottom, left, right)
            blocks.append(da.from_delayed(block, (bottom - top, right - left), np.float32))
        rows.append(da.concatenate(blocks, axis=1))
    return PixelMap(da.concatenate(rows, axis=0), layout.l0_cell_width, layout.l0_cell_height)


class _Layout:
    """Positions of a store's tiles in the grid of cells."""

    def __init__(self, store: ScoreStore, grid: TileGrid, side: int) -> None:
        self._store, self._side = store, side
        cell = grid.tile_size / side  # in pixels of the tile
        self._row_tops = _nearest(np.arange(grid.rows) * grid.stride / cell)
        self._column_lefts = _nearest(np.arange(grid.columns) * grid.stride / cell)
        self.l0_cell_width, self.l0_cell_height = cell * grid.l0_scale_x, cell * grid.l0_scale_y
        self.shape = ceil(grid.slide_height / self.l0_cell_height), ceil(grid.slide_width / self.l0_cell_width)
        self._scored = store.states() == TileState.DONE
        # Tiles are in reading order, so the tiles of one row between two columns are one slice.
        self._places = store.index.row * grid.columns + store.index.column
        self._columns = grid.columns
        ramp = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5)
        self._weight = np.outer(ramp, ramp).astype(np.float32)

    def block(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.float32]:
        """Cells from ``top`` to ``bottom`` and ``left`` to ``right``: weighted means of the tiles that cover them."""
        total = np.zeros((bottom - top, right - left), np.float32)
        weight = np.zeros_like(total)
        columns = _touching(self._column_lefts, self._side, left, right)
        for row in range(*_touching(self._row_tops, self._side, top, bottom)):
            first, last = np.searchsorted(self._places, [row * self._columns + column for column in columns])
            maps = self._store.anomaly_maps(slice(int(first), int(last)))
            for number, one in enumerate(maps, start=int(first)):
                if self._scored[number]:
                    y = int(self._row_tops[row]) - top
                    x = int(self._column_lefts[self._store.index.column[number]]) - left
                    self._add(total, weight, one, y, x)
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan).astype(np.float32)

    def _add(
        self, total: NDArray[np.float32], weight: NDArray[np.float32], one: NDArray[np.float32], y: int, x: int
    ) -> None:
        """Add the map ``one`` at (y, x) of a block, clipped to the block."""
        height, width = total.shape
        inside = slice(max(0, y), min(height, y + self._side)), slice(max(0, x), min(width, x + self._side))
        of_tile = slice(inside[0].start - y, inside[0].stop - y), slice(inside[1].start - x, inside[1].stop - x)
        total[inside] += one[of_tile] * self._weight[of_tile]
        weight[inside] += self._weight[of_tile]


def _nearest(cells: NDArray[Any]) -> NDArray[np.int64]:
    return np.floor(cells + 0.5).astype(np.int64)


def _touching(starts: NDArray[np.int64], side: int, begin: int, end: int) -> tuple[int, int]:
    """First and last + 1 of the rows (or columns) with cells between ``begin`` and ``end``."""
    return int(np.searchsorted(starts + side, begin, side="right")), int(np.searchsorted(starts, end))
