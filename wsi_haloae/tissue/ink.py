"""What ink is like, on a thumbnail as in a tile: its colour, and that it has no detail. See `pen` for why.

Apart from `pen`, because the table of quality-control flags needs no more, and is read by commands that measure
nothing: SciPy takes as long to load as all else that they load.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.tissue.channels import greatest, least

Mask = NDArray[np.bool_]

SMOOTH = 0.06
"""Largest deviation of the density in a small square, over its mean, where there is only ink. Stained tissue has 0.1 to
0.3, on thumbnails as in tiles."""
FAINTEST = 0.05
"""A lower mean density counts as this one: noise of glass over nothing is no detail."""


def lacks_detail(mean: NDArray[np.floating], variance: NDArray[np.floating]) -> Mask:
    """Whether areas with this mean and variance of the density are as smooth as ink."""
    return np.asarray(variance <= (SMOOTH * np.maximum(mean, FAINTEST)) ** 2)


def has_ink_colour(absorbance: NDArray[np.float32], strength: float = 1.0) -> Mask:
    """Where ``absorbance`` (h, w, 3) has the colour of marker ink, as (h, w) bool.

    It must be smoothed over several micrometres: single pixels of a nucleus can have the colour of ink.
    ``strength`` scales the least absorbance that counts as ink: 0.5 accepts half as much.
    """
    red, green, blue = absorbance[..., 0], absorbance[..., 1], absorbance[..., 2]
    weakest, strongest = least(absorbance), greatest(absorbance)
    is_blue_or_green = (red - green > 0.12 * strength) & (green < 0.82 * red)
    is_red = (green > 0.35 * strength) & (blue > 0.75 * green) & (red < 0.25 * green)
    is_black = (weakest > 0.5 * strength) & (strongest - weakest < 0.2 * strongest)
    ink: Mask = is_blue_or_green | is_red | is_black
    return ink
