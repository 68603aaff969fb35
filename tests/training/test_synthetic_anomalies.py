"""Synthetic anomalies: another structure, the same colours."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.tiles import MemorySource
from wsi_haloae.training.synthetic_anomalies import BLOCKS, SYNTHETIC_ANOMALIES, crowd, magnify, shuffle_blocks


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


TILE = random().integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SYNTHETIC_ANOMALIES)
def test_a_synthetic_anomaly_is_another_tile_of_the_same_shape_and_the_same_each_time(name: str) -> None:
    first, again, other = (SYNTHETIC_ANOMALIES[name](TILE, random(seed)) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (TILE.shape, np.uint8)
    np.testing.assert_array_equal(first, again)
    assert (first != TILE).any()
    assert (first != other).any()


def test_shuffling_keeps_every_pixel_and_every_block() -> None:
    changed, side = shuffle_blocks(TILE, random()), 64 // BLOCKS
    blocks = {TILE[y : y + side, x : x + side].tobytes() for y in range(0, 64, side) for x in range(0, 64, side)}
    found = {changed[y : y + side, x : x + side].tobytes() for y in range(0, 64, side) for x in range(0, 64, side)}
    assert found == blocks


def test_sides_that_are_no_multiple_of_the_blocks_keep_their_rim() -> None:
    tile = random().integers(0, 256, (70, 70, 3), dtype=np.uint8)
    changed = shuffle_blocks(tile, random())
    np.testing.assert_array_equal(changed[64:], tile[64:])


@pytest.mark.parametrize("side", [64, 65])
def test_scales_are_twice_and_half(side: int) -> None:
    waves = np.sin(np.arange(side) * 2 * np.pi / 16)[None, :, None] * np.ones((side, 1, 3)) * 100 + 128
    tile = waves.astype(np.uint8)

    def period(changed: np.ndarray) -> float:
        best = min((changed, changed.swapaxes(0, 1)), key=lambda picture: picture[:, 0, 0].astype(float).std())
        spectrum = np.abs(np.fft.rfft(best[0, :, 0] - best[0, :, 0].mean()))
        return side / float(np.argmax(spectrum))

    assert period(tile) == pytest.approx(16, rel=0.05)
    assert period(magnify(tile, random())) == pytest.approx(32, rel=0.3)
    assert period(crowd(tile, random())) == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize("name", SYNTHETIC_ANOMALIES)
def test_mean_colour_hardly_moves(name: str) -> None:
    source = MemorySource(6)
    for number in range(6):
        tile = source.read(number)
        changed = SYNTHETIC_ANOMALIES[name](tile, random(number))
        np.testing.assert_allclose(changed.mean(axis=(0, 1)), tile.mean(axis=(0, 1)), atol=12)
