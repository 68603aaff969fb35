"""Heatmap: the scores of a store laid out on the slide, one value per place of the grid.

The tiles of a store are in reading order, so a band of grid rows is one contiguous slice of
every column. Dask reads and lays out band by band: no more than one band per thread is held
beside the result, and tiles never need sorting or merging.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import dask.array as da
import numpy as np
from dask.delayed import delayed
from dask.threaded import get as on_threads  # by name, Dask would import all of distributed first: 0.5 s
from numpy.typing import NDArray

from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import StoreHeader, TileState
from wsi_haloae.tiles.grid import TileGrid

BAND_PLACES = 1 << 16
"""Places of the grid per band, filled or not: 256 kB of scores."""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Scores on the slide: ``values`` (rows, columns) float32, NaN where no tile was scored.

    A value stands for a cell of one stride, not of one tile. Where tiles overlap
    (stride < tile size) several tiles cover a cell; it shows the score of the tile in whose
    middle it lies, so the whole picture is shifted by half of what a tile exceeds its stride.
    Lengths are pixels of level 0, with fractions: cell (row, column) covers

        l0_offset_x + column * l0_cell_width  ...  l0_offset_x + (column + 1) * l0_cell_width

    and the same in y. Cells at the right and bottom edge may reach over the slide.
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
    """One column of a store as a heatmap, computed on threads.

    Tiles that are unreadable or still pending are NaN, whatever the column holds for them.
    """
    grid = grid_of(store.header)
    rows_per_band = max(1, BAND_PLACES // grid.columns)
    tops = np.arange(0, grid.rows, rows_per_band)
    edges = np.searchsorted(store.index.row, np.append(tops, grid.rows))
    states = store.states()
    bands: list[Any] = []
    for number, top in enumerate(tops.tolist()):
        tiles = slice(int(edges[number]), int(edges[number + 1]))
        shape = (min(rows_per_band, grid.rows - top), grid.columns)
        scores = delayed(store.read, pure=False)(column, tiles)
        band = delayed(_laid_out)(scores, states[tiles], store.index.row[tiles] - top, store.index.column[tiles], shape)
        bands.append(da.from_delayed(band, shape, np.float32))
    values = da.concatenate(bands, axis=0)
    return Heatmap(np.asarray(values.compute(scheduler=on_threads)), grid)


def _laid_out(
    scores: NDArray[np.float32],
    states: NDArray[np.uint8],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    band = np.full(shape, np.nan, np.float32)
    scored = states == TileState.DONE
    band[rows[scored], columns[scored]] = scores[scored]
    return band
