"""The descriptor of a tile: what its features are like, in few numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.scoring.measured import Measured


def descriptor(tiles: Measured) -> Tensor:
    """Projection of the channels' means and deviations on the checkpoint's basis: (B, k)."""
    assert tiles.reference.basis is not None, "models with the rule's statistics have a basis"
    return tiles.reference.basis.project(moments(*tiles.feature_moments))


def moments(mean: Tensor, variance: Tensor) -> Tensor:
    """Means and deviations of the channels, (B, C) each -> the numbers that a basis takes: (B, 2 C)."""
    return torch.cat((mean, variance.sqrt()), dim=1)
