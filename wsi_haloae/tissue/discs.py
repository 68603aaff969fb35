"""Dilation, erosion, opening and closing with a disc of any radius.

A mask without a pixel to measure from stays as it is: an empty one when it grows, a full one when it shrinks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

WIDEST = 64
"""Pixels. Wider discs take less time by distances; this one takes a third of it by rows, a narrow one 1/25."""


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
    """Where the nearest pixel of ``mask`` lies at most ``radius`` away: (h, w). ``mask`` is not empty."""
    square = _square(radius)
    return _by_rows(mask, square) if square <= WIDEST**2 else _by_distances(mask, square)


def _by_rows(mask: Mask, square: int) -> Mask:
    """The mask moved to every row of the disc, each time widened as far as the disc is wide there.

    From the disc's top row down to its middle it only gets wider, so one widened mask serves all rows.
    """
    reach, (height, width) = math.isqrt(square), mask.shape
    beside = np.pad(mask, ((0, 0), (reach, reach)))  # (h, w + 2 reach)
    grown = np.zeros((height + 2 * reach, width), np.bool_)
    wide, half = mask.copy(), 0
    for row in range(reach, -1, -1):
        while (half + 1) ** 2 + row**2 <= square:
            half += 1
            wide |= beside[:, reach - half : reach - half + width]
            wide |= beside[:, reach + half : reach + half + width]
        for moved in {reach - row, reach + row}:
            grown[moved : moved + height] |= wide
    return grown[reach : reach + height]


def _by_distances(mask: Mask, square: int) -> Mask:
    """The same for any radius in the same time. Squares of distances are whole numbers, and are compared as such."""
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    height, width = mask.shape
    down = nearest[0] - np.arange(height, dtype=np.int32)[:, None]
    across = nearest[1] - np.arange(width, dtype=np.int32)
    return np.asarray(down * down + across * across <= square)


def _square(radius: float) -> int:
    """The largest whole number whose root, rounded as a float64, is at most ``radius``."""
    square = math.ceil(radius * radius)
    while math.sqrt(square) > radius:
        square -= 1
    return square
