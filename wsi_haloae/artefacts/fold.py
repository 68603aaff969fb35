"""How much darker a tile's darkest band is than its tissue: in a fold, light passes two or three layers of tissue.

Optical density adds up over layers, so a fold has a multiple of the tissue's density *in every channel*; a dense nest
of nuclei is much darker in red and little in blue. Folds are wide, connected, dark and saturated (Kothari, Phan and
Wang, J. Pathol. Inform. 4:22, 2013; Bautista and Yagi, J. Pathol. Inform. 1:25, 2010).

The measure is how dark a band of a given area is, not how large the area above a given darkness is. The contrast of the
densest tissue differs between tissues and stains, and only the former can be compared with reference tiles.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from wsi_haloae.artefacts.density import TileDensity

BAND_WIDTH = 3
"""Cells, 24 pixels: an area too narrow for a square of this side is not a fold."""
LEAST_SHARE = 0.03
"""The band covers at least this share of the tile."""
PALEST = 0.1
"""Optical density added to that of the tile's tissue, so that ordinary tissue in a pale tile is not a fold."""


def fold_ratio(density: TileDensity) -> float:
    """Optical density of the tile's darkest band over that of its tissue (the median) plus `PALEST`: >= 0, no unit.

    The channel with the smallest ratio counts, and ink is ignored. Uniform tissue has less
    than 0.9, folds of H&E mostly 0.8 to 1.5. Returns 0 if no band is wide enough, or the tile has no tissue.
    """
    if not density.tissue.any():
        return 0.0
    usual = np.median(density.cells[density.tissue], axis=0)  # (3,)
    ratio = (density.cells / (usual + np.float32(PALEST))).min(axis=2)  # (m, m)
    rims = ndimage.binary_dilation(density.ink, np.ones((3, 3), np.bool_))
    ratio[rims | ~density.tissue] = 0
    band = ndimage.grey_opening(ratio, BAND_WIDTH).ravel()  # (m * m,)
    place = band.size - max(1, round(LEAST_SHARE * band.size))
    return float(np.partition(band, place)[place])
