"""Batches side by side: as many at once as there are threads, each on one, with the same bytes as one after another."""

from __future__ import annotations

from dataclasses import fields
from threading import Barrier, get_ident

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_checkpoint
from wsi_haloae.processors.threads import on_threads
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.side_by_side import MOST, side_by_side
from wsi_haloae.stores.score_header import ComputeRecord

CPU = torch.device("cpu")


def test_results_are_in_order_and_each_batch_has_one_core() -> None:
    meet = Barrier(3, timeout=60)  # passed only if three batches are computed at the same time

    def computed(number: int) -> tuple[int, int, bool, int]:
        meet.wait()
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled(), get_ident()

    with on_threads(3):
        found = side_by_side(computed, range(9), threads=3)
        assert torch.get_num_threads() == 3
    numbers, cores, inference, threads = zip(*found, strict=True)
    assert numbers == tuple(range(9))
    assert set(cores) == {1}
    assert all(inference)
    assert len(set(threads)) == 3


def test_many_threads_do_not_take_more_memory_than_planned() -> None:
    meet = Barrier(MOST, timeout=60)

    def computed(_: int) -> int:
        meet.wait()
        return get_ident()

    assert len(set(side_by_side(computed, range(3 * MOST), threads=200))) == MOST


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_and_the_threads_are_as_before(threads: int) -> None:
    def fails(number: int) -> int:
        return 1 // (number - 2)

    with on_threads(2):
        with pytest.raises(ZeroDivisionError):
            side_by_side(fails, range(9), threads)
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_and_maps_are_the_same_bytes_on_any_number_of_threads(dtype: str) -> None:
    checkpoint, generator = tiny_checkpoint(), np.random.default_rng(0)
    size = checkpoint.facts.tile_size
    tiles = generator.integers(0, 256, (23, size, size, 3), dtype=np.uint8)

    def scored(threads: int) -> dict[str, bytes]:
        with on_threads(threads):
            compute = ComputeRecord(batch_size=2, dtype=dtype, device="cpu", threads=1)
            scorer = Scorer.of(checkpoint, CPU, compute)
        scores = scorer.score(tiles, keep_maps=True)
        columns = {field.name: getattr(scores, field.name) for field in fields(scores)}
        return {name: one.tobytes() for name, one in columns.items() if one is not None} | {
            "maps": scorer.maps(tiles).tobytes()
        }

    once = scored(1)
    assert scored(2) == once
    assert scored(5) == once
