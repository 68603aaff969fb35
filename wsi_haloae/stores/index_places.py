"""Where the tiles of a store may lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.stores.grid_count import count_places
from wsi_haloae.stores.store_header import GridRecord

MOST_TILES = 1 << 26
"""70,000 x 70,000 pixels at a stride of 9. A file that claims more is damaged, and would fill the memory."""
Numbers = NDArray[np.int64]


def check_places(row: Numbers, column: Numbers, location: Numbers, size: Numbers, grid: GridRecord) -> None:
    """Raise `ValueError` for an index (n,), (n,), (n, 2), (n, 2) that no tiler can have made."""
    rows = grid.slide_height / (grid.stride * grid.l0_scale_y) + 2  # at most one more than there are
    columns = grid.slide_width / (grid.stride * grid.l0_scale_x) + 2
    if rows * columns > MOST_TILES:
        raise ValueError(f"its grid has {rows:.3g} x {columns:.3g} tiles, more than {MOST_TILES:,}")
    if not len(row):
        return
    rows = count_places(grid.slide_height, grid.tile_size, grid.stride, grid.l0_scale_y)
    columns = count_places(grid.slide_width, grid.tile_size, grid.stride, grid.l0_scale_x)
    ends = (location + size <= [grid.slide_width, grid.slide_height]).all()
    starts = min(location.min(), row.min(), column.min()) >= 0 and size.min() > 0
    if not (starts and ends and row.max() < rows and column.max() < columns):
        raise ValueError("tiles lie outside the slide")
    if not (np.diff(row * columns + column) > 0).all():
        raise ValueError("tiles are not in reading order")
