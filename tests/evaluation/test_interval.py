"""Bootstrap over images: what is drawn, and the interval of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.interval import Interval, difference_words, draw_images, image_interval
from wsi_haloae.evaluation.metrics import auroc

MIXED = np.array([True, False, False, True, False, True, False])


def test_every_draw_holds_as_many_of_each_class_as_there_are() -> None:
    counts = draw_images(MIXED, seed=0, draws=200)
    assert counts.shape == (200, 7)
    assert (counts[:, MIXED].sum(axis=1) == 3).all()
    assert (counts[:, ~MIXED].sum(axis=1) == 4).all()


def test_images_are_drawn_evenly_and_with_replacement() -> None:
    counts = draw_images(MIXED, seed=0, draws=20_000)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.03)
    # k draws from k images: the count of one image is binomial, with variance 1 - 1 / k.
    np.testing.assert_allclose(counts.var(axis=0), np.where(MIXED, 2 / 3, 3 / 4), atol=0.03)


def test_without_reference_images_anomalous_ones_are_drawn() -> None:
    assert (draw_images(np.full(5, True), seed=0, draws=20).sum(axis=1) == 5).all()


def test_the_interval_holds_95_percent_of_the_draws() -> None:
    shuffled = np.random.default_rng(0).permutation(1001).astype(float)
    assert Interval.from_draws(shuffled) == Interval(25.0, 975.0)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    random = np.random.default_rng(1)
    scores, anomalous = random.normal(size=400), np.arange(400) < 300

    def mean_of_reference(drawn: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
        return float(drawn[~labels].mean())

    found = image_interval(scores, anomalous, mean_of_reference, draws=4000)
    spread = 1.96 * scores[300:].std() / np.sqrt(100)
    assert found.low == pytest.approx(scores[300:].mean() - spread, abs=0.1 * spread)
    assert found.high == pytest.approx(scores[300:].mean() + spread, abs=0.1 * spread)


def test_a_score_stays_with_its_label() -> None:
    # Every draw of a perfect order is perfect; one label gone astray would not be.
    assert image_interval(MIXED.astype(float), MIXED, auroc, draws=50) == Interval(1.0, 1.0)
    assert image_interval(-MIXED.astype(float), MIXED, auroc, draws=50) == Interval(0.0, 0.0)


def test_a_seed_gives_the_same_interval_and_another_seed_another() -> None:
    scores = np.random.default_rng(2).random(30)
    anomalous = np.arange(30) % 2 == 0
    found = [image_interval(scores, anomalous, auroc, seed=seed, draws=100) for seed in (3, 3, 4)]
    assert found[0] == found[1] != found[2]


def test_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="3 anomalous and 0 reference images"):
        image_interval(np.arange(3.0), np.full(3, True), auroc)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="finite score for each image"):
        image_interval(np.array([1.0, np.nan]), np.array([True, False]), auroc)


def test_a_difference_fits_the_figures_beside_it_and_says_if_it_has_no_interval() -> None:
    assert difference_words(0.9434, 0.9046, Interval(-0.06, -0.01)) == "-0.038 (95 % -0.060 to -0.010)"
    assert difference_words(0.5, 0.5, None) == "+0.000 (no interval: too few groups)"
