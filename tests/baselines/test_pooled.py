"""Baselines of whole tiles, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.baselines.pooled import PooledMahalanobis, PooledNearest
from wsi_haloae.errors import UsageError


def test_mahalanobis_finds_a_broken_correlation_that_no_single_number_shows() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(size=(500, 1))
    train = np.concatenate([shared, shared], axis=1) + 0.1 * random.normal(size=(500, 2))
    along, across = PooledMahalanobis.fit(train).scores(np.array([[1.0, 1.0], [1.0, -1.0]]))
    assert across > 20 * along


def test_mahalanobis_works_with_fewer_tiles_than_numbers() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 50))
    scores = PooledMahalanobis.fit(vectors).scores(np.concatenate([vectors, vectors + 5]))
    assert np.isfinite(scores).all()
    assert scores[20:].min() > scores[:20].max()


@pytest.mark.parametrize("neighbours", [1, 5])
def test_nearest_is_the_mean_of_the_smallest_distances(neighbours: int) -> None:
    random = np.random.default_rng(0)
    train, tested = random.normal(size=(40, 6)), random.normal(size=(7, 6))
    slow = np.sort(np.linalg.norm(tested[:, None] - train[None], axis=2), axis=1)[:, :neighbours].mean(axis=1)
    np.testing.assert_allclose(PooledNearest(train, neighbours).scores(tested), slow)


def test_too_few_training_tiles_are_refused() -> None:
    with pytest.raises(UsageError, match="at least two"):
        PooledMahalanobis.fit(np.ones((1, 3)))
    with pytest.raises(UsageError, match="kNN-5 needs 5"):
        PooledNearest(np.ones((4, 3)), 5)
