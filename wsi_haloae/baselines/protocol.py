"""What every baseline takes and gives, so that it is judged exactly as HaloAE's residual is.

Features are HaloAE's own: frozen, standardised, (B, C, m, m) on any device. Nothing is moved off it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor

FeatureBatches = Callable[[], Iterator[Tensor]]
"""Starts a pass over the training images: batches (B, C, m, m), the same at each call.

A fit makes one pass and keeps no batch. The batches are where its progress is to be counted.
"""


class Baseline(Protocol):
    """A fitted detector; higher values are less like the training images."""

    name: str

    def maps(self, features: Tensor) -> Tensor:
        """Anomaly maps on the grid of the features: (B, C, m, m) -> (B, m, m)."""
        ...
