"""Shards that are computed together, so that a batch can be larger than a shard.

Which shards belong together follows from their numbers and the batch size alone, and a group of which any shard is
pending is computed whole. So a resumed run puts the same tiles into the same batches, and gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.reading import ShardPixels


def groups_of(pending: Iterable[int], shards: int, batch_size: int) -> list[range]:
    """The groups, of ``shards`` shards in all, that hold the pending ones, in order."""
    size = max(1, batch_size // SHARD_TILES)
    firsts = sorted({shard // size * size for shard in pending})
    return [range(first, min(first + size, shards)) for first in firsts]


@dataclass(frozen=True)
class Prepared:
    """One shard or several: as they were read, and their k tiles as the model sees them."""

    reads: tuple[ShardPixels, ...]
    pixels: NDArray[np.uint8]  # (k, s, s, 3)
    quantities: NDArray[np.float32]  # (k, flags), those behind the flags

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Shards side by side, in order; there is at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            tuple(read for part in parts for read in part.reads),
            np.concatenate([part.pixels for part in parts]),
            np.concatenate([part.quantities for part in parts]),
        )

    def each(self, scores: TileScores) -> Iterator[tuple[ShardPixels, TileScores]]:
        """Each shard with its part of the k tiles' scores."""
        start = 0
        for read in self.reads:
            stop = start + len(read.states)
            yield read, _part(scores, slice(start, stop))
            start = stop


def _part(scores: TileScores, place: slice) -> TileScores:
    kept = {field.name: getattr(scores, field.name) for field in fields(scores)}
    return replace(scores, **{name: values[place] for name, values in kept.items() if values is not None})
