"""The range of the true share is the one that calibration sets, drawn again and again, really have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calibration.test_reach import facts
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.calibration.reach import TILE_RATE, reaches, why_none
from wsi_haloae.calibration.true_rate import true_rate, true_share


def shares(tiles: int, rate: float, draws: int = 400) -> np.ndarray:
    """True share of reference tiles at p <= ``rate``, for each draw of a calibration set of uniform scores."""
    random = np.random.default_rng(tiles)
    grid = np.linspace(0, 1, 4001, dtype=np.float32)
    found = []
    for _ in range(draws):
        scores = random.random(tiles).astype(np.float32)
        calibration = ConformalCalibration.fit(scores, np.arange(tiles).astype(str))
        found.append(float((calibration.p_values(grid) <= np.float32(rate)).mean()))
    return np.array(found)


@settings(max_examples=12, deadline=None)
@given(st.integers(19, 400), st.sampled_from([TILE_RATE, 0.1]))
def test_95_of_100_calibration_sets_have_a_true_share_in_the_range(tiles: int, rate: float) -> None:
    expected, found = true_rate(tiles, rate), shares(tiles, rate)
    assert expected is not None
    assert ((found < expected.low) | (found > expected.high)).mean() == pytest.approx(0.05, abs=0.05)
    assert np.mean(found > expected.high) == pytest.approx(0.025, abs=0.035)
    assert found.mean() <= rate + 0.01, "on average the rate is kept"


@pytest.mark.parametrize("groups", [10, 20, 40])
def test_for_patients_with_tiles_that_are_alike_it_is_near_enough(groups: int) -> None:
    random, level, own = np.random.default_rng(groups), np.sqrt(0.3), np.sqrt(0.7)
    population = (level * random.normal(size=(4000, 1)) + own * random.normal(size=(4000, 30))).ravel()
    names, inside = np.repeat(np.arange(groups), 30).astype(str), []
    for _ in range(150):
        scores = level * random.normal(size=(groups, 1)) + own * random.normal(size=(groups, 30))
        calibration = ConformalCalibration.fit(scores.ravel().astype(np.float32), names)
        found = true_rate(calibration.facts.effective_tiles)
        share = float((calibration.p_values(population) <= np.float32(TILE_RATE)).mean())
        inside.append(found is not None and found.low <= share <= found.high)
    assert np.mean(inside) > 0.88


@given(st.floats(2, 2000))
def test_there_is_a_range_wherever_a_tile_can_be_called(effective: float) -> None:
    found, smallest_p = true_rate(effective), 1 / (effective + 1)
    assert (found is not None) == reaches(smallest_p, TILE_RATE) == (why_none(smallest_p) is None)
    if found is not None:
        assert 0 < found.low < TILE_RATE < found.high < 1


def test_it_narrows_with_more_tiles_and_is_said_in_words() -> None:
    few, many = true_rate(19), true_rate(1999)
    assert few is not None
    assert many is not None
    assert few.low < many.low < many.high < few.high
    assert str(few) == "0.1\N{NO-BREAK SPACE}% to 18\N{NO-BREAK SPACE}%"
    assert str(few) in true_share(facts(19))
    assert true_share(facts(18)) == ""
