"""AUROC and the mean-colour row against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.mean_colour import colour_distance
from wsi_haloae.evaluation.metrics import auroc

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40)


@given(SCORED)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_counting_half(scored: list[tuple[int, bool]]) -> None:
    scores, anomalous = np.array([s for s, _ in scored], float), np.array([a for _, a in scored])
    if anomalous.all() or not anomalous.any():
        with pytest.raises(UsageError, match="both classes"):
            auroc(scores, anomalous)
        return
    difference = scores[anomalous][:, None] - scores[~anomalous][None, :]
    assert auroc(scores, anomalous) == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean())
    assert auroc(-scores, anomalous) == pytest.approx(1 - auroc(scores, anomalous))


def test_auroc_of_scores_that_point_the_wrong_way_is_zero() -> None:
    assert auroc(np.array([1.0, 2.0, 8.0, 9.0]), np.array([True, True, False, False])) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_auroc_refuses_a_score_that_is_no_number(bad: float) -> None:
    with pytest.raises(UsageError, match="finite"):
        auroc(np.array([1.0, bad]), np.array([True, False]))


@pytest.mark.parametrize("anomalous", [True, False])
def test_auroc_of_one_class_is_refused_with_the_counts(anomalous: bool) -> None:
    with pytest.raises(UsageError, match=f"{3 * anomalous} anomalous and {3 * (not anomalous)} reference"):
        auroc(np.arange(3.0), np.full(3, anomalous))


def test_mean_colour_is_the_distance_from_the_mean_of_the_reference_tiles() -> None:
    random = np.random.default_rng(0)
    reference, new = random.random((50, 3)), random.random((4, 3))
    centre = [sum(colour[channel] for colour in reference) / 50 for channel in range(3)]
    expected = [sum((colour[channel] - centre[channel]) ** 2 for channel in range(3)) ** 0.5 for colour in new]
    np.testing.assert_allclose(colour_distance(new, reference), expected)
