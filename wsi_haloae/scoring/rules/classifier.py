"""The classifier's opinion of a tile (paper, Table S2)."""

from __future__ import annotations

from torch import Tensor

from wsi_haloae.scoring.measured import Measured


def damaged(tiles: Measured) -> Tensor:
    """P(damaged): (B,)."""
    assert tiles.found.damaged is not None, "blocks D and E run for a rule with trained_by"
    return tiles.found.damaged
