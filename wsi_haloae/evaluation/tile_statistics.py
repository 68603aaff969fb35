"""Comparisons without a model: what colour and grey levels alone show about a tile.

A method that is not better has learned staining. Each score is a distance from the training tiles' mean, so it does
not need to know whether anomalies are higher or lower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from wsi_haloae.baselines.pooled import PooledMahalanobis

STATISTICS = ("mean red", "mean green", "mean blue", "deviation red", "deviation green", "deviation blue", "skewness")
COLOUR = slice(0, 6)
"""The first six, which make up the row of colour statistics."""


def tile_statistics(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Statistics of a tile (s, s, 3), in the order of `STATISTICS`: (7,). Skewness is that of its grey; 0 if flat."""
    pixels = tile.reshape(-1, 3).astype(np.float64)
    grey = pixels.mean(axis=1)
    skewness = stats.skew(grey) if grey.std() > 0 else 0.0
    return np.array([*pixels.mean(axis=0), *pixels.std(axis=0), skewness])


def statistic_scores(train: NDArray[np.float64], tested: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Scores (n,) of tested tiles by their statistics (n, 7), given those of training tiles (m, 7).

    Each statistic is scored by its distance from the training mean; ``colour statistics`` by the Mahalanobis distance
    of the six colour statistics.
    """
    away = np.abs(tested - train.mean(axis=0))
    scores = dict(zip(STATISTICS, away.T, strict=True))
    scores["colour statistics"] = PooledMahalanobis.fit(train[:, COLOUR]).scores(tested[:, COLOUR])
    return scores
