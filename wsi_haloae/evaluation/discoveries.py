"""Whether false-discovery rates are kept: the rate that is chosen against the rate that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.reach import reaches
from wsi_haloae.calibration.selection import at_discovery_rate

RATES = (0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class DiscoveryPoint:
    """At the chosen ``rate``: how many outlined tiles are called, and which share of the anomalous ones is found.

    ``false_share`` is the share of reference tiles among the called ones; None if none is called. ``tiles`` and
    ``found`` are None if the smallest possible p-value exceeds the rate, so that no tile can be called.
    """

    rate: float
    tiles: int | None
    false_share: float | None
    found: float | None


def discovered(p_values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of a slide's tiles (n,), NaN without a score, are called at each of `RATES`: (n, rates).

    All rates are used, also those for which there are too few calibration tiles to keep `LARGEST_SHARE`.
    """
    return np.stack([at_discovery_rate(p_values, rate) for rate in RATES], axis=1)


def discovery_curve(
    called: NDArray[np.bool_], anomalous: NDArray[np.bool_], smallest_p: float
) -> Sequence[DiscoveryPoint]:
    """The curve for labelled tiles (n,), with ``called`` (n, rates) from `discovered`."""
    points = []
    for rate, chosen in zip(RATES, called.T, strict=True):
        if not reaches(smallest_p, rate):
            points.append(DiscoveryPoint(rate, None, None, None))
            continue
        tiles = int(chosen.sum())
        false_share = float((chosen & ~anomalous).sum() / tiles) if tiles else None
        points.append(DiscoveryPoint(rate, tiles, false_share, float(chosen[anomalous].mean())))
    return points
