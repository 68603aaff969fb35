"""Training batches are a function of seed and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import TILE, tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.errors import UsageError
from wsi_haloae.tiles.sources import read_tiles
from wsi_haloae.training.batches import TrainingBatches, stream
from wsi_haloae.training.cutpaste import paste_patch, paste_scar
from wsi_haloae.training.order import Passes
from wsi_haloae.training.ranks import Ranks


def batches(steps: int = 9, source: MemorySource | None = None, **training: object) -> TrainingBatches:
    tiles = np.array([1, 2, 4, 5, 7, 9])
    return TrainingBatches(source or MemorySource(), Passes(tiles, 0), tiny_config(**training).training, steps)


def test_a_batch_holds_each_original_with_a_patch_and_a_scar() -> None:
    source = MemorySource()
    tiles, damaged = batches(source=source, flip=False, colour_jitter=0.0)[3]
    assert tiles.shape == (6, TILE, TILE, 3)
    assert tiles.dtype == torch.uint8
    assert damaged.tolist() == [False, True, True] * 2
    first, second = source.seen
    for slot, start, number in ((0, 0, first), (1, 3, second)):
        original, random = source.tiles[number], np.random.default_rng((0, 1, 3, slot))
        random.uniform(size=3)  # the jitter of strength 0
        np.testing.assert_array_equal(tiles[start], original)
        np.testing.assert_array_equal(tiles[start + 1], paste_patch(original, random))
        np.testing.assert_array_equal(tiles[start + 2], paste_scar(original, random))


def test_only_some_originals_may_come_with_copies() -> None:
    tiles, damaged = batches(originals_per_batch=3, damaged_per_batch=1)[0]
    assert damaged.tolist() == [False, True, True, False, False]
    assert tiles.shape[0] == 5


def test_without_classification_there_are_no_copies() -> None:
    numbers = np.array([1, 2, 4])
    plain = TrainingBatches(MemorySource(), Passes(numbers, 0), tiny_config().training, 3, copies=False)
    tiles, damaged = plain[0]
    assert damaged.tolist() == [False, False]
    assert tiles.shape[0] == 2


def test_processes_share_each_batch_among_them() -> None:
    config = tiny_config(originals_per_batch=4, damaged_per_batch=2).training
    shares = [
        TrainingBatches(MemorySource(), Passes(np.arange(9), 0), config, 3, ranks=Ranks(rank, world))[2]
        for world in (1, 2)
        for rank in range(world)
    ]
    (whole, damaged), *parts = shares
    assert damaged.tolist() == [False, True, True, False, True, True, False, False]
    assert [part[1].tolist() for part in parts] == [[False, True, True, False]] * 2
    together = torch.cat([part[0] for part in parts])
    for view in whole:
        assert sum(torch.equal(view, other) for other in together) == 1


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    config = tiny_config(originals_per_batch=6, damaged_per_batch=3).training
    with pytest.raises(UsageError, match=r"damaged_per_batch is 3, which 2 .*=4"):
        TrainingBatches(MemorySource(), Passes(np.arange(9), 0), config, 3, ranks=Ranks(0, 2))


@pytest.mark.parametrize("start", [0, 1, 5, 8, 9])
def test_a_run_that_starts_later_sees_the_same_batches(start: int) -> None:
    everything = list(stream(batches(), 0, 0))
    later = list(stream(batches(), start, 0))
    assert len(everything) == 9
    assert len(later) == 9 - start
    for (tiles, damaged), (expected, expected_damaged) in zip(later, everything[start:], strict=True):
        assert torch.equal(tiles, expected)
        assert torch.equal(damaged, expected_damaged)


def test_batches_do_not_depend_on_global_generators() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    first = batches()[4][0]
    np.random.seed(2)
    torch.manual_seed(2)
    assert torch.equal(first, batches()[4][0])


def test_another_seed_gives_other_batches() -> None:
    assert not torch.equal(batches()[0][0], batches(seed=1)[0][0])


def test_every_pass_visits_each_training_tile_once_in_a_fresh_order() -> None:
    source = MemorySource()
    for _ in stream(batches(12, source), 0, 0):  # 24 originals: 4 passes over 6 tiles
        pass
    passes = [source.seen[start : start + 6] for start in range(0, 24, 6)]
    assert all(sorted(one) == [1, 2, 4, 5, 7, 9] for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_flips_and_jitter_are_used_when_asked_for() -> None:
    plain = batches(flip=False, colour_jitter=0.0)
    for other in (batches(flip=True, colour_jitter=0.0), batches(flip=False, colour_jitter=0.1)):
        assert any(not torch.equal(plain[step][0][0], other[step][0][0]) for step in range(9))


@pytest.mark.parametrize("step", [-1, 9])
def test_there_is_no_batch_outside_the_run(step: int) -> None:
    with pytest.raises(IndexError):
        batches()[step]


def test_tiles_are_read_unchanged_in_the_order_asked_for() -> None:
    source = MemorySource()
    np.testing.assert_array_equal(read_tiles(source, np.array([3, 0])), source.tiles[[3, 0]])
