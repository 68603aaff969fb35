"""Where the tiles of a store lie, for whatever compares neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import StoreHeader


def tile_positions(header: StoreHeader, index: TileIndex) -> NDArray[np.float32]:
    """Positions of the tiles of one slide, number 0, as `wsi_haloae.adaptation.neighbourhood` has them: (n, 3).

    They follow from rows and columns: places in whole pixels of the slide would make neighbours unequally far away.
    """
    half = header.grid.tile_size / 2 / header.grid.stride
    steps = np.stack([np.zeros(len(index)), index.column + half, index.row + half], axis=1)
    return (steps * [1, *strides(header)]).astype(np.float32)


def strides(header: StoreHeader) -> tuple[float, float]:
    """Distances in µm from one tile to the next, in x and in y."""
    grid, slide = header.grid, header.slide
    return grid.stride * grid.l0_scale_x * slide.mpp_x, grid.stride * grid.l0_scale_y * slide.mpp_y
