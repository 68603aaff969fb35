"""Chooses the tiles that a report shows, and fetches their pixels and maps, after all tiles are scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.stores.gallery import Gallery, GalleryRole
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState

SIDE_BY_SIDE = 12
"""How many of the most anomalous tiles are shown, and how many of the least."""
FLAGGED = 6
"""How many of the most anomalous tiles with a quality-control flag are shown: artefact, or a finding beneath one?"""
GLASS = np.uint8(FLAGS["mostly_glass"].bit)


def make_gallery(
    store: ScoreStore,
    read_tile: Callable[[int], NDArray[np.uint8]],
    maps_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> Gallery:
    """The gallery of a store whose shards are all scored, with the maps of the scores that it shows now.

    ``read_tile`` returns the pixels (s, s, 3) of a tile by its number. ``maps_of`` returns the maps (k, m, m) of tiles
    (k, s, s, 3); it is not called if the store has kept maps and its scores are not adapted. Both are called in the
    same order for the same scores, so a second run gives the same bytes.
    """
    scores = store.read("score")
    chosen = choose(scores, store.read("flags"), store.states() == TileState.DONE)
    numbers = np.concatenate(list(chosen.values()))
    size = store.header.grid.tile_size
    pixels = np.array([read_tile(number) for number in numbers.tolist()], np.uint8).reshape(-1, size, size, 3)
    side = store.header.map_size
    if side is None or store.adapted is not None:
        maps = maps_of(pixels)
    else:
        maps = np.array([store.anomaly_map(n) for n in numbers.tolist()], np.float32).reshape(-1, side, side)
    roles = np.repeat(np.array(list(chosen), np.uint8), [len(some) for some in chosen.values()])
    return Gallery(roles, numbers, pixels, maps, scores[numbers], store.shown.model.rule_name)


def choose(
    scores: NDArray[np.float32], flags: NDArray[np.uint8], scored: NDArray[np.bool_]
) -> dict[GalleryRole, NDArray[np.int64]]:
    """Numbers of the tiles to show, of n with ``scores``, ``flags`` and ``scored`` (n,); ties by number.

    The most and the least anomalous are chosen among the tiles without a flag, because a pen mark would otherwise fill
    all places. Flagged tiles are shown separately, those with little tissue to look at last. No tile is shown twice.
    """
    clean, flagged = np.flatnonzero(scored & (flags == 0)), np.flatnonzero(scored & (flags != 0))
    most = _highest(scores, clean, min(SIDE_BY_SIDE, -(-len(clean) // 2)))
    glass = (flags[flagged] & GLASS) > 0
    of_tissue, of_glass = _highest(scores, flagged[~glass], FLAGGED), _highest(scores, flagged[glass], FLAGGED)
    return {
        GalleryRole.MOST_ANOMALOUS: most,
        GalleryRole.LEAST_ANOMALOUS: _highest(-scores, np.setdiff1d(clean, most), SIDE_BY_SIDE),
        GalleryRole.FLAGGED: np.concatenate([of_tissue, of_glass])[:FLAGGED],
    }


def _highest(scores: NDArray[np.float32], numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The ``count`` tiles with the highest scores among ``numbers`` (ascending), highest first."""
    return numbers[np.argsort(-scores[numbers], kind="stable")[:count]]
