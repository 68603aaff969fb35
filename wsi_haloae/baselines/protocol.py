"""The interface of a baseline, so that each is scored exactly as HaloAE's residual is.

Features are HaloAE's own: frozen, standardised, (B, C, m, m) on any device. Results stay on that device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor

FeatureBatches = Callable[[], Iterator[Tensor]]
"""Starts a pass over the training images: batches (B, C, m, m), the same in each call.

A fit makes one pass and keeps no batch. Progress is counted in the batches.
"""


class Baseline(Protocol):
    """A fitted detector; higher values are less like the training images."""

    name: str

    def maps(self, features: Tensor) -> Tensor:
        """Anomaly maps on the grid of the features: (B, C, m, m) -> (B, m, m)."""
        ...
