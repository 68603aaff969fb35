"""Tiles are called at the rate that was asked for, and the fall-back says its name."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.calibration.selection import Criterion, select_tiles

FINE = 1e-4
"""Smallest p-value of a large calibration set."""


def test_the_step_up_procedure_of_benjamini_and_hochberg() -> None:
    p = np.array([0.001, 0.04, 0.03, 0.9, 0.011, 0.5, 0.02, 0.6, 0.7, 0.8], np.float32)
    rising = np.sort(p)
    last = max(place for place in range(10) if rising[place] <= 0.1 * (place + 1) / 10)
    found = select_tiles(p, FINE, fdr=0.1)
    assert found.criterion == "false-discovery rate"
    np.testing.assert_array_equal(found.chosen, p <= rising[last])


def test_tiles_without_a_score_are_never_chosen_and_do_not_count() -> None:
    p = np.array([0.01, np.nan, 0.9], np.float32)
    crowd = np.concatenate([p, np.full(97, np.nan, np.float32)])
    assert select_tiles(p, FINE).chosen.tolist() == [True, False, False]
    assert select_tiles(crowd, FINE).chosen.sum() == 1


def test_nothing_scored_is_nothing_chosen() -> None:
    assert not select_tiles(np.full(3, np.nan, np.float32), FINE).chosen.any()
    assert len(select_tiles(np.empty(0, np.float32), FINE).chosen) == 0


def test_with_few_groups_the_per_tile_rate_stands_in_and_says_so() -> None:
    p = np.array([0.03, 0.06, 0.5], np.float32)
    found = select_tiles(p, smallest_p=1 / 41, fdr=0.1, tile_rate=0.05)
    assert found.criterion == "per-tile error rate"
    assert found.chosen.tolist() == [True, False, False]
    assert found.smallest_share == pytest.approx(10 / 41)
    assert "per-tile error rate 0.05" in found.words
    assert "24\N{NO-BREAK SPACE}%" in found.words


@pytest.mark.parametrize(
    ("smallest_p", "criterion"), [(0.00101, "per-tile error rate"), (0.00099, "false-discovery rate")]
)
def test_one_per_cent_of_the_tissue_is_the_limit(smallest_p: float, criterion: str) -> None:
    assert select_tiles(np.array([0.5], np.float32), smallest_p, fdr=0.1).criterion == criterion


def test_the_false_discovery_rate_is_kept_on_slides_drawn_anew() -> None:
    random = np.random.default_rng(0)
    shares = []
    for _ in range(150):
        calibration = ConformalCalibration.fit(random.normal(size=3000).astype(np.float32), np.arange(3000).astype(str))
        anomalous = random.random(1500) < 0.2
        scores = random.normal(size=1500) + 4 * anomalous
        chosen = select_tiles(calibration.p_values(scores), calibration.facts.smallest_p, fdr=0.1).chosen
        shares.append((chosen & ~anomalous).sum() / max(1, chosen.sum()))
    assert 0.05 < np.mean(shares) < 0.1


def test_where_no_tile_can_be_called_there_is_no_selection() -> None:
    none_high = np.array([0.5], np.float32)
    assert select_tiles(np.array([0.056, 0.5], np.float32), smallest_p=1 / 18) is None
    for smallest_p in (1 / 20, FINE):
        found = select_tiles(none_high, smallest_p)
        assert found is not None, "none is called, though one could be"
        assert not found.chosen.any()


def test_a_threshold_calls_what_is_above_it_without_any_calibration() -> None:
    scores = np.array([1.0, 2.0, np.nan, np.inf, 2.5], np.float32)
    nothing = np.full(5, np.nan, np.float32)
    found = Criterion(threshold=2.0).select(scores, nothing, smallest_p=None)
    assert found is not None
    assert found.chosen.tolist() == [False, False, False, True, True]
    assert found.judged.tolist() == [True, True, False, True, True]
    assert found.title == found.words == "score above 2"


def test_a_rate_is_kept_or_the_per_tile_rate_stands_in() -> None:
    p = np.array([0.001, 0.03, 0.9], np.float32)
    assert Criterion(fdr=0.2).select(p, p, smallest_p=None) is None
    fine = Criterion(fdr=0.2).select(p, p, FINE)
    assert fine is not None
    assert fine.title == "false-discovery rate 0.2"
    coarse = Criterion(fdr=0.2).select(p, p, smallest_p=0.01)
    assert coarse is not None
    assert coarse.title == "per-tile error rate 0.05"
