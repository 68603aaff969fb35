"""Summaries of tiles and their distribution; pooling over tissue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.config import SUMMARY_POOLINGS
from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.scoring.pooling import max_over, mean_over, quantile_over
from wsi_haloae.scoring.summaries import SUMMARIES, fit_gaussian


def drawn(tiles: int, numbers: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated normal summaries, and their covariance."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(numbers, numbers))
    return random.normal(size=(tiles, numbers)) @ mixing.T + 5, mixing @ mixing.T


def test_there_is_a_summary_for_every_pooling_that_needs_one() -> None:
    assert set(SUMMARIES) == set(SUMMARY_POOLINGS)


def test_the_distance_is_that_of_the_definition() -> None:
    vectors, covariance = drawn(5)
    gaussian = Gaussian(torch.tensor([5.0, 4.0, 6.0]), torch.from_numpy(np.linalg.inv(covariance)).float())
    expected = [(one - [5, 4, 6]) @ np.linalg.inv(covariance) @ (one - [5, 4, 6]) / 3 for one in vectors]
    np.testing.assert_allclose(gaussian.distance(torch.from_numpy(vectors).float()), expected, rtol=1e-3)


@pytest.mark.parametrize("tiles", [25, 3000])
def test_the_covariance_is_found_with_few_and_many_tiles(tiles: int) -> None:
    vectors, covariance = drawn(tiles)
    found = fit_gaussian(vectors)
    np.testing.assert_allclose(found.mean, 5, atol=3 * np.sqrt(covariance.diagonal().max() / tiles))
    distances = found.distance(torch.from_numpy(drawn(2000, seed=0)[0]).float())
    assert distances.mean() == pytest.approx(1, abs=0.6 if tiles == 25 else 0.15)


def test_bad_tiles_among_the_reference_move_the_robust_estimate_little() -> None:
    vectors, _ = drawn(300)
    spoilt = vectors.copy()
    spoilt[:30] += 100
    distances = fit_gaussian(spoilt).distance(torch.from_numpy(vectors).float())
    assert distances.mean() < 2
    assert fit_gaussian(spoilt).distance(torch.from_numpy(spoilt[:30]).float()).min() > 50


def test_numbers_that_do_not_vary_by_themselves_are_no_error() -> None:
    vectors, _ = drawn(100)
    flat = np.concatenate([vectors, vectors[:, :1] * 2], axis=1)
    assert torch.isfinite(fit_gaussian(flat).distance(torch.from_numpy(flat).float())).all()


@pytest.mark.parametrize("vectors", [np.ones((1, 3)), np.ones((9, 3))])
def test_one_tile_or_copies_of_it_have_no_distribution(vectors: np.ndarray) -> None:
    with pytest.raises(UsageError, match="select"):
        fit_gaussian(vectors)


@given(st.integers(0, 2**16), st.floats(0, 1))
def test_pooling_equals_numpy(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    maps = random.normal(size=(2, 6, 6)).astype(np.float32)
    tissue = random.random((2, 6, 6)) < share
    given_ = torch.from_numpy(maps), torch.from_numpy(tissue)
    for pooled, expected in ((mean_over, np.mean), (max_over, np.max), (quantile_over, lambda v: np.quantile(v, 0.95))):
        found = pooled(*given_).numpy()
        for number in range(2):
            counted = tissue[number] if tissue[number].any() else np.ones((6, 6), bool)
            assert found[number] == pytest.approx(expected(maps[number][counted]), rel=1e-4, abs=1e-5)
