"""Stains as optical densities: change the amount of each, as if the slide had been stained differently.

Ruifrok and Johnston 2001 (Quantification of histochemical staining by color deconvolution, Anal.
Quant. Cytol. Histol. 23): the density of a pixel, -log10(level / 255) per channel, is the sum of
its stains' densities. Their vectors are scikit-image's. Its ``rgb2hed`` and ``hed2rgb`` are not
used: they clip negative amounts, so that converting there and back alone changes nearly every pixel
of a purple tile by more than one level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.color import hed_from_rgb, rgb_from_hed

Image8 = NDArray[np.uint8]

BLACK = 0.25
"""The level used for 0, which has no logarithm. Rounded, it is 0 again."""
_DENSITY = -np.log10(np.maximum(np.arange(256), BLACK) / 255).astype(np.float32)


def change_stains(image: Image8, scale: ArrayLike, shift: ArrayLike = (0, 0, 0)) -> Image8:
    """Each stain's amount c becomes ``scale`` x c + ``shift``: (h, w, 3) -> (h, w, 3).

    ``scale`` and ``shift`` are (3,): haematoxylin, eosin, DAB. The unit of an amount is an optical
    density of 1 along the stain's vector. A shift tints glass too; without one, white stays white.
    """
    separate_change_recombine = (hed_from_rgb * np.asarray(scale)) @ rgb_from_hed
    return map_densities(image, separate_change_recombine, np.asarray(shift) @ rgb_from_hed)


def map_densities(image: Image8, matrix: NDArray[np.float64], offset: ArrayLike = (0, 0, 0)) -> Image8:
    """Each pixel's densities d, (3,), become d @ ``matrix`` + ``offset``: (h, w, 3) -> (h, w, 3).

    ``matrix`` is (3, 3), ``offset`` (3,). The identity changes nothing. Anything brighter than
    white becomes white.
    """
    density = _DENSITY[image].reshape(-1, 3) @ matrix.astype(np.float32)  # (h * w, 3)
    density += np.asarray(offset, np.float32)
    levels = 255 * np.exp(density * np.float32(-np.log(10)))
    rounded: Image8 = np.rint(np.minimum(levels, 255)).astype(np.uint8).reshape(image.shape)
    return rounded
