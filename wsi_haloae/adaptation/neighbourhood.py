"""Scores that borrow from neighbouring tiles: tumour, and what is not tumour, come in areas.

A tile's position is (number of its slide, x, y): the last two in µm from a corner of the slide to the tile's centre.
Numbers only tell slides apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROUNDING = 0.05
"""µm by which rounded positions may put a neighbour too far away; much less than a pixel."""
_ROWS = 4096
"""Tiles whose neighbours are looked up at once: bounds the memory."""


def nowhere(tiles: int) -> NDArray[np.float32]:
    """Positions (n, 3) of tiles that nobody knows: each on a slide of its own, without neighbours."""
    positions = np.zeros((tiles, 3), np.float32)
    positions[:, 0] = np.arange(tiles)
    return positions


def local_median(scores: NDArray[np.float32], positions: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """The median score (n,) of the tiles of a tile's slide whose centres lie within ``radius`` µm of its own.

    The tile itself is one of them. A tile without a score (NaN) counts nowhere, and stays without.
    """
    known, found = np.flatnonzero(np.isfinite(scores)), np.full(len(scores), np.nan, np.float32)
    ascending, rank = np.unique(scores[known], return_inverse=True)
    for tiles, neighbours in _pairs(positions[known], radius):
        # Pairs in the order of their tiles, and of the neighbours' scores within a tile.
        ranks = np.sort(tiles * len(known) + rank[neighbours]) % len(known)
        part, first, counts = np.unique(np.sort(tiles), return_index=True, return_counts=True)
        middle = ranks[[first + (counts - 1) // 2, first + counts // 2]]
        found[known[part]] = ascending[middle].mean(axis=0)
    return found


def have_neighbours(positions: NDArray[np.float32], radius: float) -> bool:
    """Whether any tile at these positions (n, 3) has another one within ``radius`` µm."""
    return any((tiles != neighbours).any() for tiles, neighbours in _pairs(positions, radius))


def _pairs(positions: NDArray[np.float32], radius: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Numbers of tiles and of their neighbours, themselves among them; all pairs of a tile come together."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  # slow to import, and needed for smoothing alone

    reach = radius + ROUNDING
    places = positions.astype(np.float64) * [2 * reach, 1, 1]  # so no tile of another slide is within reach
    everywhere = cKDTree(places)
    for start in range(0, len(places), _ROWS):
        some = cKDTree(places[start : start + _ROWS])
        pairs = some.sparse_distance_matrix(everywhere, reach, output_type="ndarray")
        yield pairs["i"] + start, pairs["j"]
