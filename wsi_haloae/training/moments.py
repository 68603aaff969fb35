"""Measures what descriptors are made of: means and deviations of the features, of reference tiles and changed copies.

The copies show what another stain, scanner, focus or compression does to a tile (`synthetic.imaging_changes`). All
parts of the split are measured, because nothing here depends on the auto-encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.synthetic.imaging_changes import NUISANCES
from wsi_haloae.tiles.sources import TileSource, evenly, read_tiles
from wsi_haloae.tiles.views import Changed

MOST_TILES = 4096
"""Reference tiles that are measured. With 128 numbers each, a store's copy of their descriptors takes 1 MiB."""
WITH_CORE = 20
CHANGED_TILES = 128
"""How many of them are also changed, once by each of the `NUISANCES`."""
BATCH = 16


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments (n, D) of tiles, the group of each (n,), and where they lie (n, 3), as `TileSource.positions` says it.

    ``changed`` (kinds, q, D) are those of the tiles at the ``places`` (q,) among them after each kind of change.
    """

    values: NDArray[np.float32]
    groups: NDArray[np.str_]
    positions: NDArray[np.float32]
    places: NDArray[np.int64]
    changed: NDArray[np.float32]

    def of(self, chosen: NDArray[np.bool_]) -> Moments:
        """Those of the ``chosen`` (n,) tiles alone."""
        kept = chosen[self.places]
        places = (np.cumsum(chosen) - 1)[self.places[kept]]
        return Moments(self.values[chosen], self.groups[chosen], self.positions[chosen], places, self.changed[:, kept])


def passes(groups: Sequence[str], blocks: Sequence[str]) -> int:
    """How many tiles `measure_moments` reads."""
    tiles = len(drawn(groups, blocks))
    return tiles + min(tiles, CHANGED_TILES) * len(NUISANCES)


def measure_moments(
    checkpoint: Checkpoint, source: TileSource, groups: Sequence[str], device: torch.device, advance: Advance
) -> Moments:
    """Moments of tiles of a source, whose groups are ``groups``; at most `MOST_TILES`."""
    scorer, seed = Scorer(checkpoint, device, BATCH), checkpoint.facts.config.training.seed
    tiles = drawn(groups, source.blocks)
    shown = evenly(tiles, CHANGED_TILES)
    values = moments_of(scorer, source, tiles, advance)
    changed = [moments_of(scorer, view, shown, advance) for view in _changed(source, seed)]
    own = np.asarray(groups)[tiles], source.positions[tiles]
    return Moments(values, *own, np.searchsorted(tiles, shown), np.stack(changed))


def drawn(groups: Sequence[str], blocks: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of at most `MOST_TILES` tiles, ascending, in whole blocks evenly spaced within each group.

    Each group gives all it has, or as many as other large ones. If these are too few for a core, `WITH_CORE` groups
    give enough for one, because they calibrate scores that are adapted to a slide. Groups that are blocks of slides
    themselves are given whole, or left out: smoothed scores are calibrated by tiles that have neighbours.
    """
    areas = np.unique(np.asarray(blocks), return_inverse=True)[1]
    if np.array_equal(groups, blocks):
        return _whole_blocks(np.arange(len(areas)), areas, MOST_TILES)
    names, numbers, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(names) > MOST_TILES:
        return evenly(np.arange(len(numbers)), MOST_TILES)
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
    parts = [_whole_blocks(own, areas, most) for own, most in zip(members, _shares(sizes), strict=True)]
    return np.sort(np.concatenate(parts))


def _whole_blocks(tiles: NDArray[np.int64], areas: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``tiles`` (n,), ascending: whole ``areas`` evenly spaced, but for a few tiles at the end."""
    if len(tiles) <= most:
        return tiles
    _, first, own, sizes = np.unique(areas[tiles], return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)  # as they lie on the slide
    count = -(-most * len(order) // len(tiles))
    while sizes[evenly(order, count)].sum() < most:
        count += 1
    return tiles[np.isin(own, evenly(order, count))][:most]


def _shares(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many tiles each group gives, of groups of these ``sizes`` (G,), at most `MOST_TILES`: (G,)."""
    taken, large = np.minimum(sizes, _equal_share(sizes, MOST_TILES)), np.flatnonzero(sizes >= FEWEST)
    if not len(large) or taken.max() >= FEWEST:
        return taken
    with_core = evenly(large, min(WITH_CORE, (MOST_TILES - len(sizes)) // FEWEST))
    others = np.setdiff1d(np.arange(len(sizes)), with_core)
    taken[with_core] = FEWEST
    taken[others] = np.minimum(sizes[others], _equal_share(sizes[others], MOST_TILES - FEWEST * len(with_core)))
    return taken


def _equal_share(sizes: NDArray[np.int64], most: int) -> int:
    """The most tiles that each group can give, if together they give at most ``most``; at least 1 for each group."""
    return max(share for share in range(1, most + 1) if np.minimum(sizes, share).sum() <= most)


def moments_of(scorer: Scorer, source: TileSource, tiles: NDArray[np.int64], advance: Advance) -> NDArray[np.float32]:
    """Moments (n, D) of the source's ``tiles`` (n,)."""
    parts = []
    for start in range(0, len(tiles), BATCH):
        parts.append(scorer.moments(read_tiles(source, tiles[start : start + BATCH])))
        advance(len(parts[-1]))
    return np.concatenate(parts)


def _changed(source: TileSource, seed: int) -> list[TileSource]:
    """The source's tiles, changed by each kind of nuisance; how depends only on ``seed`` and a tile's number."""

    def view(kind: int, name: str) -> TileSource:
        def change(tile: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
            return NUISANCES[name](tile, np.random.default_rng((seed, 5, kind, number)))

        return Changed(source, change, name)

    return [view(kind, name) for kind, name in enumerate(NUISANCES)]
