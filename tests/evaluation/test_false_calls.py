"""What is said about the rate of false calls: kept, exceeded, unknown, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.evaluation.calibration_curve import calibration_curve
from wsi_haloae.evaluation.false_calls import FalseCalls, false_calls

GROUPS = np.repeat([f"p{number}" for number in range(20)], 10)


def told_of(small: np.ndarray, groups: np.ndarray = GROUPS) -> FalseCalls:
    """Of reference tiles of which ``small`` (n,) have p = 0.01."""
    p_values = np.where(small, 0.01, 0.5).astype(np.float32)
    found = false_calls(calibration_curve(p_values, groups), 0.01)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("small", "share", "kept", "told"),
    [
        (np.zeros(200, bool), 0, True, "The rate is kept"),
        (np.arange(200) % 10 < 3, 0.3, False, "The p-values do not hold here"),
        (np.arange(200) < 10, 0.05, None, "These groups cannot tell"),
    ],
)
def test_the_interval_decides(small: np.ndarray, share: float, kept: bool | None, told: str) -> None:
    found = told_of(small)
    assert (found.level, found.share, found.kept) == (0.05, pytest.approx(share), kept)
    assert told in found.words


def test_each_group_counts_once() -> None:
    groups = np.array(["large"] * 90 + ["small"] * 10)
    assert told_of(groups == "small", groups).share == 0.5


def test_one_group_cannot_tell() -> None:
    found = told_of(np.zeros(200, bool), np.full(200, "p"))
    assert (found.kept, found.interval) == (None, None)
    assert "(no interval: too few groups; each group counts once, " in found.words


def test_a_rate_that_no_p_value_reaches_has_no_share() -> None:
    assert false_calls(calibration_curve(np.full(200, 0.5, np.float32), GROUPS), 0.0503) is None
