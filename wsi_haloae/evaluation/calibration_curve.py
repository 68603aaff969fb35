"""Whether p-values are valid: the share of reference tiles with a p-value up to each level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.interval import Interval

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
DRAWS = 1000


@dataclass(frozen=True)
class CalibrationPoint:
    """The share of reference tiles with p <= ``level``; it should not exceed the level. One group has no interval."""

    level: float
    share: float
    interval: Interval | None


def calibration_curve(p_values: NDArray[np.float32], groups: NDArray[np.str_], seed: int = 0) -> list[CalibrationPoint]:
    """The curve for reference tiles with p-values (n,), none NaN, and groups (n,); each group has the same weight.

    Intervals are by bootstrap over groups.
    """
    names, numbers = np.unique(groups, return_inverse=True)
    sizes = np.bincount(numbers)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS) / len(names)
    points = []
    for level in LEVELS:
        shares = np.bincount(numbers, weights=p_values <= level) / sizes  # (groups,)
        interval = Interval.from_draws(drawn @ shares) if len(names) > 1 else None
        points.append(CalibrationPoint(level, float(shares.mean()), interval))
    return points
