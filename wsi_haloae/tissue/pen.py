"""Marker ink on a thumbnail, separated from tissue by the colours it absorbs.

Stains of pathology (haematoxylin, eosin, DAB) all absorb green at least about as strongly as
red. Blue and green ink absorb red most and green little. Black ink absorbs all channels
equally and strongly. Red ink absorbs green and blue equally and no red, while eosin absorbs far
less blue. Small areas of such colours in tissue are pigment, blood or inked margins. There, only
an area as wide as a marker's stroke counts as pen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage import measure

from wsi_haloae.tissue.discs import opened

MOSTLY = 0.5
"""An object of which more than this share is ink is a thin stroke or a dot, not inked tissue."""
FAINT_SHARE = 0.5
"""The rim of a stroke, where ink mixes with glass, must absorb at least this share of what its core must."""


def find_pen(absorbance: NDArray[np.float32], found: NDArray[np.bool_], stroke_radius: float) -> NDArray[np.bool_]:
    """Where marker ink lies, (h, w): wide strokes anywhere, and objects on glass that are mostly ink.

    ``absorbance`` is (h, w, 3), ``found`` (h, w) is everything that is not glass, and
    ``stroke_radius`` is in pixels.
    """
    ink = has_ink_colour(absorbance)
    core = opened(ink, stroke_radius)
    strokes = _parts_that_touch(has_ink_colour(absorbance, FAINT_SHARE) | core, core)
    return strokes | _parts_mostly(ink, found)


def has_ink_colour(absorbance: NDArray[np.float32], strength: float = 1.0) -> NDArray[np.bool_]:
    """Where ``absorbance`` (h, w, 3) has the colour of marker ink, as (h, w) bool.

    It must be smoothed over several micrometres: single pixels of a nucleus can have the colour of ink.
    ``strength`` scales the least absorbance that counts as ink: 0.5 accepts half as much.
    """
    red, green, blue = absorbance[..., 0], absorbance[..., 1], absorbance[..., 2]
    weakest, strongest = absorbance.min(axis=2), absorbance.max(axis=2)
    is_blue_or_green = (red - green > 0.12 * strength) & (green < 0.82 * red)
    is_red = (green > 0.35 * strength) & (blue > 0.75 * green) & (red < 0.25 * green)
    is_black = (weakest > 0.5 * strength) & (strongest - weakest < 0.2 * strongest)
    ink: NDArray[np.bool_] = is_blue_or_green | is_red | is_black
    return ink


def _parts_that_touch(mask: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts = _numbered(mask)
    return np.isin(parts, np.unique(parts[core]))


def _parts_mostly(ink: NDArray[np.bool_], found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts = _numbered(found)
    sizes = np.bincount(parts.ravel())
    of_ink = np.bincount(parts[ink], minlength=len(sizes))
    is_ink = of_ink > MOSTLY * sizes
    is_ink[0] = False  # glass
    return is_ink[parts]


def _numbered(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.asarray(measure.label(mask, connectivity=2), np.int64)  # type: ignore[no-untyped-call]
