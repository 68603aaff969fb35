"""Marker pen on a thumbnail, separated from tissue by its colour and by how smooth it is.

Most stains of pathology (haematoxylin, eosin, DAB) absorb green at least about as strongly as red. Blue and green ink
absorb red most and green little. Black ink absorbs all channels equally and strongly. Red ink absorbs green and blue
equally and no red, while eosin absorbs far less blue.

Other stains have the colours of ink: Alcian blue, Luxol fast blue, methyl green, the collagen of Masson's trichrome; so
have dyes that mark the margin of a specimen. But ink lies on the coverslip, far out of focus, and has no detail of its
own. So only smooth areas of such a colour are pen. In tissue, only an area as wide as a marker's stroke counts.

A thin stroke is all blurred rim, nowhere smooth. Its colour tells it, where the slide's tissue has none of that colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wsi_haloae.tissue.channels import average
from wsi_haloae.tissue.discs import dilated, eroded, opened
from wsi_haloae.tissue.ink import has_ink_colour, lacks_detail

Mask = NDArray[np.bool_]

MOSTLY = 0.5
"""An object of which more than this share is ink is a thin stroke or a dot, not inked tissue."""
FAINT_SHARE = 0.5
"""The rim of a stroke, where ink mixes with glass, must absorb at least this share of what its core must."""
SMOOTH_SHARE = 0.3
"""Where ink lies over tissue, only part of it is smooth; of stained tissue less than 0.1."""
RIM = 2.0
"""Pixels of an object's rim, where smoothness cannot be seen."""
WITH_RIMS = 1.5
"""Width of a stroke with its blurred rims, as a multiple of the stroke. What is narrower on glass may be a stroke."""
STAINED_SHARE = 0.05
"""Tissue of which more than this share is faintly coloured like ink has a stain of that colour. H&E and DAB: 0.0004."""
DEEPEST_SHARE = 0.1
"""The least share of a thin stroke that is ink of full strength."""


def find_pen(absorbance: NDArray[np.float32], sharp: NDArray[np.float32], found: Mask, stroke_radius: float) -> Mask:
    """Where marker pen lies, (h, w): wide strokes anywhere, and on glass objects of ink and thin strokes.

    ``absorbance`` is (h, w, 3), smoothed, and ``sharp`` the same before; ``found`` (h, w) is everything that is not
    glass, and ``stroke_radius`` is in pixels.
    """
    ink = has_ink_colour(absorbance)
    if not ink.any():
        return np.zeros_like(ink)
    smooth = _is_smooth(average(sharp))
    core = opened(ink, stroke_radius) & _smooth_around(ink, smooth, stroke_radius)
    faint = has_ink_colour(absorbance, FAINT_SHARE) | core
    pen = core | _strokes(faint, core, ink, smooth) | _objects_of_ink(found, ink, smooth)
    return pen | _thin_strokes(found & ~pen, faint, ink, stroke_radius)


def _is_smooth(density: NDArray[np.float32], side: int = 3) -> Mask:
    """Where the density (h, w), not smoothed, has no detail within ``side`` x ``side`` pixels: (h, w)."""
    mean = ndimage.uniform_filter(density, side)
    return lacks_detail(mean, ndimage.uniform_filter(density * density, side) - mean * mean)


def _smooth_around(ink: Mask, smooth: Mask, radius: float) -> Mask:
    """Where enough of the ink colour within ``radius`` pixels is smooth."""
    side = 2 * int(radius) + 1
    of_ink, of_smooth = (ndimage.uniform_filter(mask.astype(np.float32), side) for mask in (ink, ink & smooth))
    return np.asarray(of_smooth > SMOOTH_SHARE * of_ink)


def _strokes(faint: Mask, core: Mask, ink: Mask, smooth: Mask) -> Mask:
    """Connected areas of faint ink that hold part of ``core`` and are smooth as a whole, unlike stained tissue."""
    parts = _numbered(faint)
    holds_core, of_ink, of_smooth = (_counts(parts, mask) for mask in (core, ink, ink & smooth))
    return np.asarray(((holds_core > 0) & (of_smooth > SMOOTH_SHARE * of_ink))[parts] & faint)


def _objects_of_ink(found: Mask, ink: Mask, smooth: Mask) -> Mask:
    """Objects on glass that are mostly ink: dots, and strokes narrower than `find_pen` opens.

    Those too thin to show whether they are smooth count by their colour, unless the slide's tissue has that colour.
    """
    parts, inside = _numbered(found), ink & eroded(found, RIM)
    sizes, of_ink, seen, of_smooth = (_counts(parts, mask) for mask in (found, ink, inside, inside & smooth))
    is_stain = of_smooth.sum() < SMOOTH_SHARE * seen.sum()
    is_smooth_enough = np.where(seen > 0, of_smooth > SMOOTH_SHARE * seen, not is_stain)
    return np.asarray(((of_ink > MOSTLY * sizes) & is_smooth_enough)[parts] & found)


def _thin_strokes(rest: Mask, faint: Mask, ink: Mask, stroke_radius: float) -> Mask:
    """Areas of faint ink in narrow parts of ``rest``, alone or beside tissue, with their rims.

    Each must be larger than a square half as wide as a stroke, and all together than one as wide: less is a few dyed
    cells. None if wide tissue has such areas too, since that is a stain, and none without wide tissue to compare with.
    """
    wide = opened(rest, WITH_RIMS * stroke_radius)
    if not wide.any() or opened(faint, stroke_radius)[wide].mean() > STAINED_SHARE:
        return np.zeros_like(rest)
    parts = _numbered(faint & rest & ~wide)
    sizes, of_ink = (_counts(parts, mask) for mask in (parts > 0, ink))
    strokes = ((sizes > stroke_radius**2) & (of_ink > DEEPEST_SHARE * sizes))[parts] & (parts > 0)
    if strokes.sum() < (2 * stroke_radius) ** 2:
        return np.zeros_like(rest)
    return dilated(strokes, RIM) & rest


def _counts(parts: NDArray[np.int64], mask: Mask) -> NDArray[np.int64]:
    """How many pixels of ``mask`` (h, w) each part has, by its number."""
    return np.bincount(parts[mask], minlength=int(parts.max()) + 1)


def _numbered(mask: Mask) -> NDArray[np.int64]:
    return np.asarray(ndimage.label(mask, np.ones((3, 3)))[0], np.int64)
