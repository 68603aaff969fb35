"""How far features and their reconstruction point apart (`wsi_haloae.model.cosine`)."""

from __future__ import annotations

from torch import Tensor

from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.pooling import counted


def directions(tiles: Measured) -> Tensor:
    """Mean over groups of layers of 1 - cosine in each cell: (B, m, m); 0 where a cell does not count."""
    return tiles.found.apart.masked_fill(~counted(tiles.cells), 0)
