"""A Gaussian of reference tiles' numbers, and how far a tile lies from it, or above it (Mahalanobis 1936)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

LOWEST = -1.0
"""Deviations from the mean that count at the lower side of an excess."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean (d,) and inverse covariance (d, d)."""

    mean: Tensor
    precision: Tensor

    def distance(self, vectors: Tensor) -> Tensor:
        """Squared Mahalanobis distance of vectors (B, d), per dimension: (B,); about 1 on reference tiles."""
        away = vectors - self.mean
        return ((away @ self.precision) * away).sum(dim=1) / len(self.mean)

    def excess(self, vectors: Tensor) -> Tensor:
        """Mean over dimensions of how many deviations vectors (B, d) lie above the mean: (B,).

        A number that is lower than usual counts for `LOWEST`, however low it is: it is no proof of likeness, and must
        not outweigh another that is high.
        """
        return ((vectors - self.mean) * self.precision.diagonal().sqrt()).clamp_min(LOWEST).mean(dim=1)

    def to(self, like: Tensor) -> Gaussian:
        """The same on the device and in the type of ``like``."""
        return Gaussian(self.mean.to(like), self.precision.to(like))
