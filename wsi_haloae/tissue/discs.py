"""Dilation, erosion, opening and closing with a disc of any radius, computed from distances.

For an empty mask scikit-image's ``isotropic_*`` measure the distance to a point outside the
picture, and so mark something in its corner. Here an empty mask stays empty, and a full one
stays full.
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
    """``mask`` (h, w) without the parts that are too narrow for a disc of ``radius`` pixels."""
    return dilated(eroded(mask, radius), radius)


def closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """``mask`` (h, w) with gaps narrower than twice ``radius`` pixels filled."""
    return eroded(dilated(mask, radius), radius)
