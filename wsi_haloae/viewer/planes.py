"""What the browser draws, one value per place of the grid, row by row: small enough to be sent whole.

    score     float32   NaN where no tile was scored
    p_value   float32   NaN likewise, and without calibration
    marks     uint8     bits of `TileMark`

75,000 tiles fill a grid of 274 x 274: 300 kB of scores. With them in the browser a slider needs no request.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.selection import Selection, select_tiles
from wsi_haloae.errors import StoreError
from wsi_haloae.heatmap.assembly import assemble_heatmap, grid_of
from wsi_haloae.stores.score_store import ScoreHeader, ScoreStore
from wsi_haloae.stores.sharded import TileState

MOST_PLACES = 1 << 24
"""64 MiB of scores, a square of 4,096 tiles: more is no picture that a browser can hold."""

Value = TypeVar("Value", np.float32, np.uint8)


class TileMark(IntFlag):
    """What is to be said of a tile beside its score; the lowest bits are those of `ArtefactFlag`."""

    ARTEFACT = 15
    ANOMALOUS = 16
    UNREADABLE = 32
    PENDING = 64
    TILE = 128  # there is a tile at this place


def score_plane(store: ScoreStore) -> NDArray[np.float32]:
    """Scores (rows, columns); `StoreError` for a grid too fine to be shown."""
    _require_drawable(store)
    return assemble_heatmap(store).values


def p_value_plane(store: ScoreStore) -> NDArray[np.float32]:
    """P-values (rows, columns)."""
    _require_drawable(store)
    return _on_grid(store, _p_values(store), np.nan)


def mark_plane(store: ScoreStore) -> NDArray[np.uint8]:
    """Bits of `TileMark` (rows, columns)."""
    _require_drawable(store)
    states = store.states()
    marks = np.where(states == TileState.DONE, store.read("flags"), 0).astype(np.uint8)
    selection = called(store.header, _p_values(store))
    for mark, has_it in (
        (TileMark.TILE, np.ones(len(marks), np.bool_)),
        (TileMark.UNREADABLE, states == TileState.UNREADABLE),
        (TileMark.PENDING, states == TileState.PENDING),
        (TileMark.ANOMALOUS, np.zeros(len(marks), np.bool_) if selection is None else selection.chosen),
    ):
        marks[has_it] |= np.uint8(mark)
    return _on_grid(store, marks, 0)


def called(header: ScoreHeader, p_values: NDArray[np.float32]) -> Selection | None:
    """The tiles that are called anomalous; None for a model without calibration."""
    calibration = header.model.calibration
    return None if calibration is None else select_tiles(p_values, calibration.smallest_p)


def tile_number(store: ScoreStore, row: int, column: int) -> int | None:
    """Number of the tile at a place of the grid; None where there is none."""
    columns = grid_of(store.header).columns
    if not 0 <= column < columns:
        return None
    places = store.index.row * columns + store.index.column
    number = int(np.searchsorted(places, row * columns + column))
    return number if number < len(places) and places[number] == row * columns + column else None


def _p_values(store: ScoreStore) -> NDArray[np.float32]:
    done = store.states() == TileState.DONE
    return np.where(done, store.read("p_value"), np.float32(np.nan))


def _on_grid(store: ScoreStore, values: NDArray[Value], elsewhere: float) -> NDArray[Value]:
    """Values of all tiles (n,) at their places (rows, columns)."""
    grid = grid_of(store.header)
    plane = np.full((grid.rows, grid.columns), elsewhere, values.dtype)
    plane[store.index.row, store.index.column] = values
    return plane


def _require_drawable(store: ScoreStore) -> None:
    grid = grid_of(store.header)
    if grid.rows * grid.columns > MOST_PLACES:
        raise StoreError(
            f"{store.path}: the grid has {grid.rows:,} x {grid.columns:,} places, more than the {MOST_PLACES:,} that a "
            "page can show. Score with a larger --stride, or open heatmap.ome.zarr in napari."
        )
