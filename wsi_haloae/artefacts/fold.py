"""How much darker a tile's darkest band is than its tissue: in a fold, light passes two or three layers of tissue.

Optical density adds up over layers, so a fold has a multiple of the tissue's density *in every channel*; a dense nest
of nuclei is much darker in red and little in blue. Folds are wide, connected, dark and saturated (Kothari, Phan and
Wang, J. Pathol. Inform. 4:22, 2013; Bautista and Yagi, J. Pathol. Inform. 1:25, 2010).

The measure is how dark a band of a given area is, not how large the area above a given darkness is. The contrast of the
densest tissue differs between tissues and stains, and only the former can be compared with reference tiles.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.tissue.channels import least

LEAST_SHARE = 0.03
"""The band covers at least this share of the tile."""
PALEST = 0.1
"""Optical density added to that of the tile's tissue, so that ordinary tissue in a pale tile is not a fold."""

_Value = TypeVar("_Value", np.float32, np.bool_)


def fold_ratio(density: TileDensity) -> float:
    """Optical density of the tile's darkest band over that of its tissue (the median) plus `PALEST`: >= 0, no unit.

    The channel with the smallest ratio counts, and ink is ignored. Uniform tissue has less
    than 0.9, folds of H&E mostly 0.8 to 1.5. Returns 0 if no band is wide enough, or the tile has no tissue.
    """
    if not density.tissue.any():
        return 0.0
    usual = _median(density.cells[density.tissue])  # (3,)
    ratio = least(density.cells / (usual + np.float32(PALEST)))  # (m, m)
    ratio[~density.tissue] = 0
    ratio[_around(np.maximum, density.ink)] = 0  # and the rims of ink
    # An opening by 3 x 3 cells, 24 pixels: an area too narrow for such a square is no fold.
    band = _around(np.maximum, _around(np.minimum, ratio)).ravel()  # (m * m,)
    place = band.size - max(1, round(LEAST_SHARE * band.size))
    return float(np.partition(band, place)[place])


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``np.median(values, axis=0)``, (n, 3) -> (3,): for so few numbers, a plain sort is several times as fast."""
    rising = np.sort(values.T)
    middle = rising.shape[1] // 2
    return np.asarray((rising[:, middle] + rising[:, ~middle]) / np.float32(2))


def _around(extreme: np.ufunc, values: NDArray[_Value]) -> NDArray[_Value]:
    """The minimum or maximum of each cell and the 8 around it: (m, m). For so few, ndimage takes five times as long."""
    return _beside(extreme, _beside(extreme, values).T).T


def _beside(extreme: np.ufunc, values: NDArray[_Value]) -> NDArray[_Value]:
    """The same of each cell and its neighbours in the row."""
    found = values.copy()
    extreme(found[:, 1:], values[:, :-1], out=found[:, 1:])
    extreme(found[:, :-1], values[:, 1:], out=found[:, :-1])
    return found
