"""How much of a tile is marker ink, by the colour rule that the tissue mask uses on thumbnails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.tissue.pen import has_ink_colour


def ink_share(density: TileDensity) -> float:
    """Share of the tile's cells that are black, blue, green or red ink: 0..1, no unit."""
    return float(ink_cells(density).mean())


def ink_cells(density: TileDensity) -> NDArray[np.bool_]:
    """Which cells are ink, (m, m)."""
    return has_ink_colour(density.cells)
