"""The no-model row: how unusual a tile's mean colour is among reference tiles.

A model that does not beat it has learned staining, not texture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MeanColour:
    """Mean and inverse covariance of the mean colours of reference tiles."""

    centre: NDArray[np.float64]  # (3,)
    precision: NDArray[np.float64]  # (3, 3)

    @classmethod
    def fit(cls, colours: NDArray[np.float64]) -> MeanColour:
        """From mean colours (n, 3) of reference tiles."""
        precision = np.linalg.pinv(np.cov(colours, rowvar=False)).astype(np.float64)
        return cls(colours.mean(axis=0), precision)

    def score(self, colours: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared Mahalanobis distance of mean colours (n, 3) -> (n,)."""
        away = colours - self.centre
        distance: NDArray[np.float64] = np.einsum("ni,ij,nj->n", away, self.precision, away)
        return distance
