"""p-values: right by their definition, right on average for new groups, and honest about how fine they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.calibration.test_clustering import grouped
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.errors import UsageError


def slow_p(calibration: ConformalCalibration, scores: list[float], groups: list[str], new: float) -> float:
    """By the definition: the mean over groups of the share of a group's scores that are at least ``new``."""
    shares = [
        np.mean([score >= new for score, group in zip(scores, groups, strict=True) if group == one])
        for one in sorted(set(groups))
    ]
    return float((calibration.facts.effective_tiles * np.mean(shares) + 1) / (calibration.facts.effective_tiles + 1))


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=30), st.integers(-1, 10))
def test_p_values_are_those_of_the_definition(tiles: list[tuple[int, str]], new: int) -> None:
    scores, groups = [float(score) for score, _ in tiles], [group for _, group in tiles]
    calibration = ConformalCalibration.fit(np.array(scores, np.float32), np.array(groups))
    found = calibration.p_values(np.array([new], np.float32))
    assert found[0] == pytest.approx(slow_p(calibration, scores, groups, new), rel=1e-6)
    assert calibration.facts.smallest_p <= found[0] * (1 + 1e-6)
    assert found[0] <= 1


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_the_share_of_a_new_groups_tiles_below_p_is_p_on_average(shared: float) -> None:
    scores, groups = grouped(shared, groups=120, size=4)
    scores = scores.astype(np.float32)
    random = np.random.default_rng(3)
    names, below = np.unique(groups), []
    for _ in range(200):
        held = np.isin(groups, random.choice(names, 60, replace=False))
        calibration = ConformalCalibration.fit(scores[held], groups[held])
        below.append(float((calibration.p_values(scores[~held]) <= 0.05).mean()))
    assert 0.04 <= np.mean(below) <= 0.06


def test_independent_tiles_give_the_textbook_p_value() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=400).astype(np.float32)
    calibration = ConformalCalibration.fit(scores, np.repeat(np.arange(200), 2).astype(str))
    textbook = (1 + (scores >= 1.5).sum()) / 401
    assert calibration.p_values(np.array([1.5], np.float32))[0] == pytest.approx(textbook, rel=0.15)


def test_copies_make_p_values_no_finer() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=20).astype(np.float32)
    groups = np.arange(20).astype(str)
    once = ConformalCalibration.fit(scores, groups)
    copied = ConformalCalibration.fit(np.repeat(scores, 50), np.repeat(groups, 50))
    assert copied.facts.effective_tiles == pytest.approx(once.facts.effective_tiles) == pytest.approx(20)
    new = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(copied.p_values(new), once.p_values(new), rtol=1e-5)


def test_a_large_group_weighs_no_more_than_a_small_one() -> None:
    scores = np.array([*[5.0] * 99, 1.0, 1.0], np.float32)
    calibration = ConformalCalibration.fit(scores, np.array(["many"] * 99 + ["few"] * 2))
    assert calibration.weights[calibration.scores == 5].sum() == pytest.approx(0.5)


def test_p_values_fall_as_scores_rise_and_nan_stays() -> None:
    calibration = ConformalCalibration.fit(np.arange(10, dtype=np.float32), np.arange(10).astype(str))
    found = calibration.p_values(np.array([-1, 3, 8, 20, np.nan], np.float32))
    assert found[0] == 1
    assert (np.diff(found[:4]) < 0).all()
    assert found[3] == pytest.approx(calibration.facts.smallest_p)
    assert np.isnan(found[4])


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")]])
def test_without_finite_scores_there_is_no_calibration(scores: list[float]) -> None:
    with pytest.raises(UsageError, match="calibration scores"):
        ConformalCalibration.fit(np.array(scores, np.float32), np.array(["a"] * len(scores)))


def test_quantiles_are_scores_that_were_seen_and_weigh_groups_alike() -> None:
    scores, groups = np.array([1, 2, 3, 10], np.float32), np.array(["a", "a", "a", "b"])
    calibration = ConformalCalibration.fit(scores, groups)
    np.testing.assert_array_equal(calibration.quantiles(6), np.array([1, 2, 3, 10, 10, 10], np.float32))
    np.testing.assert_array_equal(calibration.quantiles(1000)[[0, -1]], np.array([1, 10], np.float32))
