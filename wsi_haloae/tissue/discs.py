"""Dilation, erosion, opening and closing with a disc of any radius, computed from distances.

A mask without a pixel to measure from stays as it is: an empty one when it grows, a full one when it shrinks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def dilated(mask: Mask, radius: float) -> Mask:
    """``mask`` (h, w) grown by ``radius`` pixels."""
    return _within(mask, radius) if mask.any() else mask


def eroded(mask: Mask, radius: float) -> Mask:
    """``mask`` (h, w) shrunk by ``radius`` pixels; the picture's edge does not shrink it."""
    return mask if mask.all() else ~_within(~mask, radius)


def opened(mask: Mask, radius: float) -> Mask:
    """``mask`` (h, w) without the parts that are too narrow for a disc of ``radius`` pixels."""
    return dilated(eroded(mask, radius), radius)


def closed(mask: Mask, radius: float) -> Mask:
    """``mask`` (h, w) with gaps narrower than twice ``radius`` pixels filled."""
    return eroded(dilated(mask, radius), radius)


def _within(mask: Mask, radius: float) -> Mask:
    """Where the nearest pixel of ``mask`` lies at most ``radius`` away: (h, w). ``mask`` is not empty.

    Squares of distances are whole numbers, so they are compared as such: SciPy's own distances take twice as long.
    """
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    height, width = mask.shape
    down = nearest[0] - np.arange(height, dtype=np.int32)[:, None]
    across = nearest[1] - np.arange(width, dtype=np.int32)
    return np.asarray(down * down + across * across <= _square(radius))


def _square(radius: float) -> int:
    """The largest whole number whose root, rounded as a float64, is at most ``radius``."""
    square = math.ceil(radius * radius)
    while math.sqrt(square) > radius:
        square -= 1
    return square
