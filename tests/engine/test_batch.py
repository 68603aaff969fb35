"""The automatic batch size, with a device's memory played by a function."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.tiny import TILE, tiny_model
from wsi_haloae.engine.batch import ALLOCATOR_BLOCK, LARGEST, automatic_batch_size, fitting, power_of_two
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


def test_on_a_cpu_the_widest_layer_stays_within_what_the_allocator_keeps() -> None:
    cpu = torch.device("cpu")
    model = InferenceModel(tiny_model(), cpu)
    assert automatic_batch_size(model, TILE, cpu) == 32
    for tile_size in (128, 256, 512):
        batch = automatic_batch_size(model, tile_size, cpu)
        layer = 64 * tile_size**2 * 4
        assert batch == 1 or batch * layer < ALLOCATOR_BLOCK <= 2 * batch * layer
