"""The code of a rule that the table gets in a test alone: all that whoever adds a rule must write beside a row."""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.rules.combined import profile


def surprise(tiles: Measured) -> Tensor:
    """How strange the profile is, and the greatest mean residual of a layer: (B, 2)."""
    strange = tiles.reference.learned["profile"].distance(profile(tiles))
    return torch.stack([strange, tiles.layer_residuals.amax(dim=1)], dim=1)


def greatest(tiles: Measured) -> Tensor:
    """The greatest of the layers' residuals, place by place: (B, m, m)."""
    return tiles.found.layers.amax(dim=1)


def doubt(tiles: Measured) -> Tensor:
    """How sure the classifier is: (B, 1)."""
    assert tiles.found.damaged is not None
    return (tiles.found.damaged - 0.5).abs()[:, None]
