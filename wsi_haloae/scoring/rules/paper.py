"""The paper's own score of a tile (HaloAE, equation 4 and Fig. 4)."""

from __future__ import annotations

from torch import Tensor

from wsi_haloae.scoring.measured import Measured


def mean_residual(tiles: Measured) -> Tensor:
    """The mean of A_fm over all cells, glass included: (B,)."""
    return tiles.found.squared.mean(dim=(1, 2))
