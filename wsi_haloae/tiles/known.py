"""Which tiles and images a model was trained on, so that it is not judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.provenance.fingerprints import image_hash
from wsi_haloae.provenance.parts import PARTS, UNUSED, PartNumbers
from wsi_haloae.provenance.trained_on import TrainedOn
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.provenance.used_tiles import UsedTiles
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import GridRecord
from wsi_haloae.tiles.grid import TileGrid

X, Y = 0, 1
Edges = tuple[NDArray[np.int64], NDArray[np.int64]]


def known_tiles(use: SlideUse, grid: GridRecord, index: TileIndex) -> PartNumbers:
    """The part that each tile of a slide (n,) is in: that of a used tile that it overlaps by at least one pixel.

    Of several parts the first in `PARTS` counts. ``grid`` and ``index`` are those of the tiles that are asked about.
    """
    numbers = np.full(len(index), UNUSED, np.uint8)
    for used in use.tiles:
        found = _overlapped(used, grid, index)
        numbers = np.where((numbers == UNUSED) | ((found != UNUSED) & (found < numbers)), found, numbers)
    return numbers


def known_images(trained_on: TrainedOn, files: Sequence[Path]) -> PartNumbers:
    """The part that each image file (n,) is in, by its pixels; raises `UsageError` for one that cannot be read."""
    return trained_on.parts_of(np.array([image_hash(decode_rgb(file)) for file in files], np.int64))


def _overlapped(used: UsedTiles, grid: GridRecord, index: TileIndex) -> PartNumbers:
    """The same for the used tiles of one grid."""
    scales = used.l0_scale_x, used.l0_scale_y
    own = TileGrid(grid.slide_width, grid.slide_height, used.tile_size, used.stride, *scales)
    rows = used.first_row + np.arange(used.rows, dtype=np.int64)
    columns = used.first_column + np.arange(used.columns, dtype=np.int64)
    left, right = _met(*_edges(own, np.zeros_like(columns), columns, X), *_ends(index, X))
    top, bottom = _met(*_edges(own, rows, np.zeros_like(rows), Y), *_ends(index, Y))
    numbers = np.full(len(index), UNUSED, np.uint8)
    parts = used.parts()
    for number in reversed(range(1, len(PARTS) + 1)):  # the first part is written last
        sums = np.pad((parts == number).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))  # of all cells up to a corner
        met = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        numbers[met > 0] = number
    return numbers


def _edges(grid: TileGrid, rows: NDArray[np.int64], columns: NDArray[np.int64], axis: int) -> Edges:
    """Where tiles of a grid begin and end along one axis, ascending, in pixels of level 0."""
    starts = grid.locations(rows, columns)[:, axis]
    return starts, starts + grid.clipped_sizes(rows, columns)[:, axis]


def _ends(index: TileIndex, axis: int) -> Edges:
    starts = index.location[:, axis]
    return starts, starts + index.size[:, axis]


def _met(starts: NDArray[np.int64], ends: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> Edges:
    """Which of the ranges (k,), from the first to before the last, share a pixel with each low..high (n,)."""
    first = np.searchsorted(ends, low, side="right")
    return first, np.maximum(first, np.searchsorted(starts, high, side="left"))
