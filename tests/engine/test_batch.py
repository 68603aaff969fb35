"""The automatic batch size, with a device's memory played by a function."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.tiny import TILE, tiny_model
from wsi_haloae.engine.batch import (
    ALLOCATOR_BLOCK,
    LARGEST,
    automatic_batch_size,
    filling,
    fitting,
    power_of_two,
    whole,
)
from wsi_haloae.engine.inference import InferenceModel


@given(free=st.integers(0, 10**12), base=st.integers(0, 10**9), each=st.integers(1, 10**10))
def test_the_largest_batch_that_fits_is_found(free: int, base: int, each: int) -> None:
    batch = fitting(free, lambda tiles: base + tiles * each)
    assert 1 <= batch <= LARGEST
    assert batch & (batch - 1) == 0
    assert base + batch * each <= free or batch == 1
    assert base + 2 * batch * each > free or batch == LARGEST


@pytest.mark.parametrize(("most", "batch"), [(-3, 1), (0, 1), (1, 1), (3, 2), (4, 4), (63, 32), (10**9, LARGEST)])
def test_a_power_of_two(most: int, batch: int) -> None:
    assert power_of_two(most) == batch


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (48, 48), (64, 64), (100, 64), (192, 128), (256, 256), (999, 256)])
def test_batches_of_several_shards_are_powers_of_two(asked: int, used: int) -> None:
    assert whole(asked) == used


def test_a_gpu_gets_as_much_work_at_half_the_resolution() -> None:
    assert [filling(downsample) for downsample in (1, 2, 4)] == [64, 256, LARGEST]


def test_on_a_cpu_the_widest_layer_stays_within_what_the_allocator_keeps() -> None:
    cpu = torch.device("cpu")
    model = InferenceModel(tiny_model(), cpu)
    assert automatic_batch_size(model, TILE, cpu) == 32
    for tile_size in (128, 256, 512):
        batch = automatic_batch_size(model, tile_size, cpu)
        layer = 64 * tile_size**2 * 4
        assert batch == 1 or batch * layer < ALLOCATOR_BLOCK <= 2 * batch * layer
