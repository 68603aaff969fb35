"""The default rule and the three that it combines: lost structure, unexplained channels, unusual features.

docs/scoring.md explains them with pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.scoring.measured import Measured, log
from wsi_haloae.scoring.pooling import mean_over


def structure(tiles: Measured) -> Tensor:
    """Mean 1 - SSIM of the deepest layer: (B,)."""
    return mean_over(lost_structure(tiles), tiles.cells)


def profile(tiles: Measured) -> Tensor:
    """Log of the share of its own variance that each channel leaves unexplained: (B, C)."""
    return log(tiles.unexplained_shares)


def content(tiles: Measured) -> Tensor:
    """Mean of each channel; the auto-encoder is not used: (B, C)."""
    return tiles.feature_moments[0]


def combined(tiles: Measured) -> Tensor:
    """Logs of the three scores: (B, 3)."""
    learned = tiles.reference.learned
    unexplained = learned["profile"].distance(profile(tiles))
    strange = learned["content"].distance(content(tiles))
    return log(torch.stack([tiles.layer_dissimilarities[:, -1], unexplained, strange], dim=1))


def lost_structure(tiles: Measured) -> Tensor:
    """The map of all four rules: 1 - SSIM of the deepest layer, (B, m, m)."""
    assert tiles.found.layer_dissimilarities is not None, "compared for the rules that need it"
    return tiles.found.layer_dissimilarities[:, -1]
