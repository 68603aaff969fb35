"""A device that computes by itself has its next shards before one is written, and none is lost without memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wsi_haloae.scoring.score_slide import _ahead
from wsi_haloae.scoring.shard_groups import Prepared
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.reading import ShardPixels


def shard(number: int) -> Prepared:
    """One tile, whose pixels are its number."""
    pixels = np.array([number], np.uint8)
    return Prepared((ShardPixels(number, pixels, pixels, ("",)),), pixels, np.empty((1, 0), np.float32))


def scores_of(pixels: Any) -> TileScores:
    own = pixels.astype(np.float32)
    return TileScores(*[own] * 3, *[own[:, None]] * 4, *[pixels] * 2, anomaly_map=None)


class Device:
    """Plays the part of a GPU: says what it is asked, in order; there is no room for the shards in ``too_large``."""

    def __init__(self, *too_large: int, computes_by_itself: bool = True) -> None:
        self.computes_by_itself, self._too_large, self.said = computes_by_itself, too_large, list[str]()

    def try_to_begin(self, pixels: Any, _quantities: Any, *, keep_maps: bool) -> Callable[[], TileScores] | None:
        number = int(pixels[0])
        self.said.append(f"begin {number}")
        return None if number in self._too_large else lambda: scores_of(pixels)

    def score(self, pixels: Any, _quantities: Any, *, keep_maps: bool) -> TileScores:
        self.said.append(f"alone {int(pixels[0])}")
        return scores_of(pixels)

    def write(self, count: int) -> list[str]:
        for read, scores in _ahead(map(shard, range(count)), self, keep_maps=False):  # type: ignore[arg-type]
            assert scores.score.tolist() == [read.shard]
            self.said.append(f"write {read.shard}")
        return self.said


def test_the_next_shards_are_begun_before_one_is_written() -> None:
    expected = ["begin 0", "begin 1", "begin 2", "write 0", "begin 3", "write 1", "write 2", "write 3"]
    assert Device().write(4) == expected


def test_earlier_shards_are_written_before_a_batch_is_halved() -> None:
    expected = ["begin 0", "begin 1", "begin 2", "write 0", "write 1", "alone 2", "write 2", "begin 3", "write 3"]
    assert Device(2).write(4) == expected


def test_a_processor_begins_nothing_that_a_crash_would_cost() -> None:
    assert Device(computes_by_itself=False).write(2) == ["alone 0", "write 0", "alone 1", "write 1"]
