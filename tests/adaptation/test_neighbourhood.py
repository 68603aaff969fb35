"""The local median: exact against a slow reference, within the tissue of one slide, and fast."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wsi_haloae.adaptation.neighbourhood import have_neighbours, local_median, nowhere


def grid(rows: int, columns: int, slide: int = 0, stride: float = 128) -> NDArray[np.float32]:
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.stack([np.full(len(row), slide), (column + 0.5) * stride, (row + 0.5) * stride], axis=1).astype(
        np.float32
    )


def slow(scores: NDArray[np.float32], positions: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    found = np.full(len(scores), np.nan, np.float32)
    for tile in np.flatnonzero(np.isfinite(scores)):
        away = np.hypot(*(positions[:, 1:] - positions[tile, 1:]).T)
        near = (positions[:, 0] == positions[tile, 0]) & (away <= radius + 0.05) & np.isfinite(scores)
        found[tile] = np.median(scores[near])
    return found


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.floats(0, 1000))
def test_it_is_the_median_of_the_tiles_within_the_radius(seed: int, tiles: int, radius: float) -> None:
    random = np.random.default_rng(seed)
    places = np.concatenate([grid(6, 10, slide) for slide in range(2)])
    positions = places[random.permutation(len(places))[:tiles]]
    scores = random.integers(0, 9, len(positions)).astype(np.float32)  # with ties
    scores[random.random(len(positions)) < 0.2] = np.nan
    np.testing.assert_array_equal(local_median(scores, positions, radius), slow(scores, positions, radius))


def test_a_radius_of_one_stride_reaches_the_four_neighbours() -> None:
    """However the pixel size rounds their positions, six centimetres from the corner."""
    positions = grid(3, 3, stride=127.7437) + np.array([0, 60_000, 60_000], np.float32)
    scores = np.arange(9, dtype=np.float32) ** 2
    assert local_median(scores, positions, 127.7437)[4] == 16, "the median of 1, 9, 16, 25 and 49"
    assert local_median(scores, positions, 127.7437)[0] == 1, "the median of 0, 1 and 9"
    np.testing.assert_array_equal(local_median(scores, positions, 127), scores)


def test_unknown_positions_have_no_neighbours() -> None:
    scores = np.random.default_rng(0).random(5000).astype(np.float32)
    np.testing.assert_array_equal(local_median(scores, nowhere(5000), 1000), scores)
    assert not have_neighbours(nowhere(5000), 1000)
    assert have_neighbours(grid(100, 50), 128)
    assert not have_neighbours(grid(100, 50), 127)


def test_nothing_stays_nothing() -> None:
    assert local_median(np.empty(0, np.float32), np.empty((0, 3), np.float32), 300).shape == (0,)
    assert np.isnan(local_median(np.full(4, np.nan, np.float32), grid(2, 2), 300)).all()


def test_a_large_slide_takes_a_moment() -> None:
    """0.3 s for 75,000 tiles with 28 neighbours each; the bound leaves room for a busy machine."""
    positions = grid(250, 300)
    scores = np.random.default_rng(0).random(len(positions)).astype(np.float32)
    begun = time.process_time()
    local_median(scores, positions, 3 * 128)
    assert time.process_time() - begun < 2
