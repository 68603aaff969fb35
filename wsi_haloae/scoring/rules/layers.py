"""Rules of the layers: how well each feature layer is reconstructed, as one number per layer.

A mean over cells and layers loses what matters most: simple tissue and glass are reconstructed *better* than the
reference, so the residual of one layer falls while another's rises. A distance from the joint distribution of the
layers' residuals detects both (specification, section 6).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.scoring.measured import Measured, log


def residuals(tiles: Measured) -> Tensor:
    """Log mean squared residual of each layer: (B, layers)."""
    return log(tiles.layer_residuals)


def residuals_and_dissimilarities(tiles: Measured) -> Tensor:
    """The same, and the log mean 1 - SSIM of each layer: (B, 2 layers)."""
    return log(torch.cat((tiles.layer_residuals, tiles.layer_dissimilarities), dim=1))
