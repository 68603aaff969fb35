"""A comparison without any model: how far a tile's mean colour is from that of the reference tiles.

A model that is not better than this has learned staining, not texture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.stores.tile_store import TileStore


def colour_distance(colours: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in RGB of mean colours (n, 3) from the mean of the reference tiles' colours (m, 3): (n,)."""
    away: NDArray[np.float64] = np.linalg.norm(colours - reference.mean(axis=0), axis=1)
    return away


def mean_colours(tiles: TileStore) -> NDArray[np.float64]:
    """Mean colour (0..255) of each tile of a store: (n, 3)."""
    shards = [tiles.read_shard(shard).mean(axis=(1, 2), dtype=np.float64) for shard in range(tiles.shards)]
    return np.concatenate(shards)
