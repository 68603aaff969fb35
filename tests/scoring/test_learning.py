"""What is learned of reference tiles' numbers, against known distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsi_haloae.config import RULES
from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.scoring.learning import fit_gaussian, fit_scale, learn


def drawn(tiles: int, numbers: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated normal numbers, and their covariance."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(numbers, numbers))
    return random.normal(size=(tiles, numbers)) @ mixing.T + 5, mixing @ mixing.T


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
    for fit in (fit_gaussian, fit_scale):
        with pytest.raises(UsageError, match="at least two different"):
            fit(vectors)


def test_an_excess_counts_deviations_above_the_usual_and_odd_tiles_move_it_little() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal([1, -2], [0.5, 3], (2000, 2))
    vectors[:100] += 1000
    scale = fit_scale(vectors)
    points = torch.tensor([[1.0, -2.0], [1.5, 1.0], [0.75, -3.5], [2.0, 4.0]])
    np.testing.assert_allclose(scale.excess(points), [0, 1, -0.5, 2], atol=0.25)


def test_a_number_that_is_very_low_does_not_outweigh_one_that_is_high() -> None:
    scale = fit_scale(np.random.default_rng(0).normal(size=(2000, 2)))
    high, mixed, low = scale.excess(torch.tensor([[4.0, 0.0], [4.0, -50.0], [-50.0, -50.0]]))
    assert float(mixed) == pytest.approx(1.5, abs=0.2)
    assert float(high) == pytest.approx(2, abs=0.2)
    assert float(low) == -1


def test_a_number_that_never_changes_leaves_the_others_in_place() -> None:
    flat = np.stack([np.arange(20.0), np.full(20, 3.0)], axis=1)
    assert torch.isfinite(fit_scale(flat).excess(torch.from_numpy(flat).float())).all()


def test_a_two_sided_rule_learns_a_covariance_and_a_one_sided_a_scale() -> None:
    vectors, _ = drawn(200)
    correlated = learn(RULES["layers"], vectors).precision
    assert (correlated - torch.diag(correlated.diagonal())).abs().max() > 0
    alone = learn(RULES["combined"], vectors).precision
    assert torch.equal(alone, torch.diag(alone.diagonal()))
