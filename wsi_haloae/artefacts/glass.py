"""How much of a tile is empty glass."""

from __future__ import annotations

from wsi_haloae.artefacts.density import TileDensity


def glass_share(density: TileDensity) -> float:
    """Share of the tile's cells that are glass: 0..1, no unit."""
    return float(1 - density.tissue.mean())
