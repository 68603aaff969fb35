"""Dilation, erosion and their pairs with a disc of any radius, by distance.

scikit-image's ``isotropic_*`` measure the distance to a point outside the picture when there
is nothing inside to measure to, and so find something in the corner of an empty mask; here
an empty mask stays empty and a full one full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage import morphology


def dilated(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """``mask`` (h, w) grown by ``radius`` pixels."""
    if not mask.any():
        return mask
    return np.asarray(morphology.isotropic_dilation(mask, radius), np.bool_)  # type: ignore[no-untyped-call]


def eroded(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """``mask`` (h, w) shrunk by ``radius`` pixels; the picture's edge does not shrink it."""
    if mask.all():
        return mask
    return np.asarray(morphology.isotropic_erosion(mask, radius), np.bool_)  # type: ignore[no-untyped-call]


def opened(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """``mask`` (h, w) without what a disc of ``radius`` pixels does not fit into."""
    return dilated(eroded(mask, radius), radius)


def closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """``mask`` (h, w) with gaps narrower than twice ``radius`` pixels filled."""
    return eroded(dilated(mask, radius), radius)
