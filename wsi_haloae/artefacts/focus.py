"""How sharp a tile's tissue is: the share of its local contrast that lies in fine detail.

Blur takes the fine detail first. Its energy alone says little: it grows with staining, and with how much tissue there
is. Divided by the energy of all local contrast it depends on neither (normalised focus measures: Redondo et al.,
Autofocus evaluation for brightfield microscopy pathology, J. Biomed. Opt. 17(3), 2012; the ratio of a picture's
detail before and after smoothing: Crete et al., The blur effect, SPIE 6492, 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.density import CELL, FINE, TileDensity
from wsi_haloae.artefacts.local_mean import local_mean

FINE_WIDTH = 3
"""Fine pixels. Detail is what differs from the mean over this width: 6 pixels of the tile."""
COARSE_WIDTH = 11
"""Fine pixels. Local contrast is what differs from the mean over this width: 22 pixels, about a nucleus and its rim."""
NOISE = 0.005
"""Contrast (deviation of optical density) that a camera and JPEG add to a surface without any."""
LEAST_TISSUE = 0.05
"""A tile with a smaller share of tissue is not judged."""
SHARPEST = 1.0
"""The value of a tile that is not judged, so that it is never flagged as out of focus."""


def focus(density: TileDensity) -> float:
    """Share of the variance of optical density within 22 pixels that is finer than 6, over tissue: 0..1, no unit.

    Real tissue in focus has 0.1 to 0.4, blurred by a Gaussian of 3 pixels below 0.05. Tissue without any contrast has
    0: nothing in it is sharp. Returns `SHARPEST` if less than `LEAST_TISSUE` of the tile is tissue.
    """
    if density.tissue.mean() < LEAST_TISSUE:
        return SHARPEST
    tissue = ... if density.tissue.all() else _of_fine_pixels(density.tissue)  # a mask copies all that it selects
    smooth = local_mean(density.fine, FINE_WIDTH)
    fine = _energy((density.fine - smooth)[tissue])
    coarse = _energy((smooth - local_mean(density.fine, COARSE_WIDTH))[tissue])
    return fine / (fine + coarse + NOISE**2)


def _of_fine_pixels(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = CELL // FINE
    return cells.repeat(side, axis=0).repeat(side, axis=1)


def _energy(values: NDArray[np.float32]) -> float:
    return float(np.square(values).mean(dtype=np.float64))
