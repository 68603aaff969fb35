"""What is said about the rate of false calls: kept, exceeded, unknown, or no call possible."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.evaluation.calibration_curve import calibration_curve
from wsi_haloae.evaluation.false_calls import FalseCalls, false_calls

GROUPS = np.repeat([f"p{number}" for number in range(20)], 10)


def judged(small: np.ndarray, groups: np.ndarray = GROUPS, smallest_p: float = 0.01) -> FalseCalls:
    """Of reference tiles of which ``small`` (n,) have p = 0.01."""
    p_values = np.where(small, 0.01, 0.5).astype(np.float32)
    return false_calls(calibration_curve(p_values, groups), len(set(groups)), smallest_p)


@pytest.mark.parametrize(
    ("small", "share", "kept", "told"),
    [
        (np.zeros(200, bool), 0, True, "The rate is kept"),
        (np.arange(200) % 10 < 3, 0.3, False, "The p-values do not hold here"),
        (np.arange(200) < 10, 0.05, None, "These groups cannot tell"),
    ],
)
def test_the_interval_decides(small: np.ndarray, share: float, kept: bool | None, told: str) -> None:
    found = judged(small)
    assert (found.level, found.share, found.kept) == (0.05, pytest.approx(share), kept)
    assert told in found.words


def test_each_group_counts_once() -> None:
    groups = np.array(["large"] * 90 + ["small"] * 10)
    assert judged(groups == "small", groups).share == 0.5


def test_one_group_cannot_tell() -> None:
    assert judged(np.zeros(200, bool), np.full(200, "p")).kept is None


def test_a_rate_that_no_p_value_reaches_has_no_share() -> None:
    found = judged(np.zeros(200, bool), smallest_p=0.0503)
    assert (found.share, found.interval, found.kept) == (None, None, None)
    assert "No tile can be called" in found.words
