"""The rasters that the browser draws: one value per place of the grid, row by row, small enough to send whole.

    score     float32   NaN where no tile was scored
    p_value   float32   NaN where no tile was scored, and everywhere without calibration
    marks     uint16    bits of `TileMark`

75,000 tiles fill a grid of 274 x 274: 300 kB of scores. With the scores in the browser, sliders need no requests.
"""

from __future__ import annotations

from enum import IntFlag
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.errors import StoreError
from wsi_haloae.heatmap.assembly import assemble_heatmap, grid_of
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

MOST_PLACES = 1 << 24
"""64 MiB of scores, or 4,096 x 4,096 tiles: about the largest picture that a browser can hold."""

LEAST_TISSUE = 1 - FLAGS["mostly_glass"].bound
"""Share of a tile that must be tissue for its score to be about tissue. The flag of the same name looks at the pixels,
this at the tissue mask, which also leaves out pen, shadows and bubbles."""

Value = TypeVar("Value", np.float32, np.uint16)


class TileMark(IntFlag):
    """What is known about a tile besides its score. The lowest eight bits are the store's quality-control flags."""

    FLAGGED = 0xFF
    ANOMALOUS = 0x100
    UNREADABLE = 0x200
    PENDING = 0x400
    TILE = 0x800  # there is a tile at this place
    LITTLE_TISSUE = 0x1000  # less than `LEAST_TISSUE`


class Rasters:
    """The rasters of one store. Each column is read once, when it is first needed.

    Raises `StoreError` if the grid is too large to be shown.
    """

    def __init__(self, store: ScoreStore, criterion: Criterion = USUAL) -> None:
        self._store, self._grid, self._criterion = store, grid_of(store.header), criterion
        if self._grid.rows * self._grid.columns > MOST_PLACES:
            raise StoreError(
                f"{store.path}: the grid has {self._grid.rows:,} x {self._grid.columns:,} places, more than the "
                f"{MOST_PLACES:,} that a page can show. Score with a larger --stride, or use heatmap.ome.zarr."
            )

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """Scores (rows, columns)."""
        return assemble_heatmap(self._store).values

    @cached_property
    def p_values(self) -> NDArray[np.float32]:
        """P-values (rows, columns)."""
        return self._on_grid(self._tile_p_values, np.nan)

    @cached_property
    def marks(self) -> NDArray[np.uint16]:
        """Bits of `TileMark` (rows, columns); 0 where there is no tile."""
        tiles = ScoredTiles.read(self._store, self._criterion)
        marks, states, selection = tiles.flags.astype(np.uint16), tiles.state, tiles.selection
        for mark, has_it in (
            (TileMark.TILE, np.ones(len(marks), np.bool_)),
            (TileMark.UNREADABLE, states == TileState.UNREADABLE),
            (TileMark.PENDING, states == TileState.PENDING),
            (TileMark.LITTLE_TISSUE, self._store.index.tissue_fraction < LEAST_TISSUE),
            (TileMark.ANOMALOUS, np.zeros(len(marks), np.bool_) if selection is None else selection.chosen),
        ):
            marks[has_it] |= np.uint16(mark)
        return self._on_grid(marks, 0)

    @cached_property
    def _states(self) -> NDArray[np.uint8]:
        return self._store.states()

    @cached_property
    def _tile_p_values(self) -> NDArray[np.float32]:
        return np.where(self._states == TileState.DONE, self._store.read("p_value"), np.float32(np.nan))

    def _on_grid(self, values: NDArray[Value], elsewhere: float) -> NDArray[Value]:
        """Values of all tiles (n,) at their places (rows, columns)."""
        raster = np.full((self._grid.rows, self._grid.columns), elsewhere, values.dtype)
        raster[self._store.index.row, self._store.index.column] = values
        return raster


def tile_number(store: ScoreStore, row: int, column: int) -> int | None:
    """Number of the tile at a place of the grid; None if there is no tile."""
    columns = grid_of(store.header).columns
    if not 0 <= column < columns:
        return None
    places = store.index.row * columns + store.index.column
    number = int(np.searchsorted(places, row * columns + column))
    return number if number < len(places) and places[number] == row * columns + column else None
