"""Basis: the linear map from what is measured of a tile to its descriptor."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Basis:
    """``centre`` (D,) and ``scale`` (D,) of the measured numbers, and orthogonal ``axes`` (D, k) of the scaled ones."""

    centre: Tensor
    scale: Tensor
    axes: Tensor

    def project(self, measured: Tensor) -> Tensor:
        """Measured numbers (B, D) -> descriptors (B, k)."""
        return ((measured - self.centre) / self.scale) @ self.axes

    def measured_weights(self, weights: Tensor) -> Tensor:
        """Weights of a descriptor's numbers (B, k) -> those of the measured numbers with the same sum (B, D)."""
        return weights @ self.axes.T / self.scale

    def to(self, like: Tensor) -> Basis:
        """The same, on the device and in the type of ``like``."""
        return Basis(self.centre.to(like), self.scale.to(like), self.axes.to(like))
