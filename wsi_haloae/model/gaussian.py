"""A Gaussian of reference tiles' numbers, and how far a tile lies from it or above it (Mahalanobis 1936)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

LOWEST = -1.0
"""Lower limit of an excess, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean (d,) and inverse covariance (d, d)."""

    mean: Tensor
    precision: Tensor

    def distance(self, vectors: Tensor) -> Tensor:
        """Squared Mahalanobis distance of vectors (B, d), divided by d: (B,).

        On average 1 for vectors of this mean and covariance; another number where the covariance is an estimate.
        """
        away = vectors - self.mean
        return ((away @ self.precision) * away).sum(dim=1) / len(self.mean)

    def weights(self, vectors: Tensor) -> Tensor:
        """Weights (B, d) of the numbers of vectors (B, d): the distance is the sum of weights * (vectors - mean)."""
        return (vectors - self.mean) @ self.precision / len(self.mean)

    def excess(self, vectors: Tensor) -> Tensor:
        """By how many standard deviations vectors (B, d) lie above the mean, averaged over dimensions: (B,).

        Numbers below `LOWEST` count as `LOWEST`: a low number does not prove similarity, and must not outweigh a high
        one.
        """
        return ((vectors - self.mean) * self.precision.diagonal().sqrt()).clamp_min(LOWEST).mean(dim=1)

    def to(self, like: Tensor) -> Gaussian:
        """The same, on the device and in the type of ``like``."""
        return Gaussian(self.mean.to(like), self.precision.to(like))
