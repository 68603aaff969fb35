"""Average precision against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import average_precision

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40)


@given(SCORED)
def test_it_is_the_mean_over_anomalous_tiles_of_the_precision_at_their_score(scored: list[tuple[int, bool]]) -> None:
    scores, anomalous = np.array([s for s, _ in scored], float), np.array([a for _, a in scored])
    if anomalous.all() or not anomalous.any():
        with pytest.raises(UsageError, match="both classes"):
            average_precision(scores, anomalous)
        return
    expected = np.mean([anomalous[scores >= score].mean() for score in scores[anomalous]])
    assert average_precision(scores, anomalous) == pytest.approx(expected)


def test_scores_that_point_the_wrong_way_are_not_flipped() -> None:
    anomalous = np.array([False, False, False, True])
    assert average_precision(np.array([1.0, 2.0, 3.0, 4.0]), anomalous) == 1.0
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), anomalous) == 0.25


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(UsageError, match=r"Average precision needs a finite score for each image; .* images out"):
        average_precision(np.array([1.0, bad]), np.array([True, False]), of="image")


@pytest.mark.parametrize("anomalous", [True, False])
def test_one_class_is_refused_with_the_counts(anomalous: bool) -> None:
    with pytest.raises(UsageError, match=f"{3 * anomalous} anomalous and {3 * (not anomalous)} reference pixels"):
        average_precision(np.arange(3.0), np.full(3, anomalous), of="pixel")


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(UsageError, match=r"one label for each tile; scores are \(3,\) and labels \(2,\)"):
        average_precision(np.arange(3.0), np.array([True, False]))
