"""What calibration groups will allow, before there are scores: how small p-values get, how many groups a rate needs.

The numbers follow from the code that decides later (`clustering`, `conformal`, `reach`, `selection`). Only how similar
the tiles of one group will be is not known yet, so every number is given for two assumptions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.clustering import can_be_estimated, effective_tiles
from wsi_haloae.calibration.conformal import CalibrationFacts

ASSUMED = (0.1, 0.3)
"""Tail correlations (`clustering.tail_correlation`), low and high. Measured: 0 to 0.15 for the patients of GlaS, 0 to
0.4 for blocks of a slide of liver. Near-copies, the clusters of LC25000, have about 0.7."""
MOST_GROUPS = 10_000


def expected(sizes: NDArray[np.int64], correlation: float) -> CalibrationFacts:
    """The calibration by groups of these sizes (G,), if the high scores within a group correlate like this."""
    found = correlation if can_be_estimated(sizes) else 1.0  # as calibration will have to assume
    return CalibrationFacts(
        tiles=int(sizes.sum()), groups=len(sizes), correlation=found, effective_tiles=effective_tiles(sizes, found)
    )


def groups_needed(size: int, correlation: float, enough: Callable[[float], bool]) -> int:
    """The least number of groups of ``size`` tiles whose smallest p-value is ``enough``."""

    def is_enough(groups: int) -> bool:
        return enough(expected(np.full(groups, size, np.int64), correlation).smallest_p)

    return bisect_left(range(MOST_GROUPS), True, lo=1, key=is_enough)
