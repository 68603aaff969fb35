"""Tiles of a source, scored batch by batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.sources import TileSource, read_tiles


def score_source(
    scorer: Scorer, source: TileSource, numbers: NDArray[np.int64], advance: Advance, *, keep_maps: bool = False
) -> TileScores:
    """Scores of tiles ``numbers`` (n,), at least one, in their order; one batch of tiles is in memory at a time."""
    parts = []
    for start in range(0, len(numbers), scorer.batch_size):
        batch = numbers[start : start + scorer.batch_size]
        parts.append(scorer.score(read_tiles(source, batch), keep_maps=keep_maps))
        advance(len(batch))
    return TileScores.joined(parts)
