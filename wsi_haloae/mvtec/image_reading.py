"""Images and masks as squares of one size, and the level of their brightness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.masks import decode_masks


def read_square(path: Path, size: int) -> NDArray[np.uint8]:
    """Read an image as (size, size, 3) RGB on white, resized with antialiasing; one of that size is unchanged.

    An image that is not square is squeezed. Raises `UsageError` as `decode_rgb` does.
    """
    # When Pillow shrinks an image, it widens the filter by the scale, which is the antialiasing.
    return np.array(Image.fromarray(decode_rgb(path)).resize((size, size), Image.Resampling.BILINEAR))


def read_mask(paths: Sequence[Path], size: int) -> NDArray[np.bool_]:
    """Read an image's masks as one, (size, size), resized by nearest neighbour: a thin mark can be lost.

    Raises `UsageError` as `decode_masks` does.
    """
    marked = Image.fromarray(decode_masks(paths).astype(np.uint8))
    return np.array(marked.resize((size, size), Image.Resampling.NEAREST)).astype(np.bool_)


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey levels (h, w) of an (h, w, 3) image, weighted as in Rec. 601; equal channels keep their value."""
    return np.asarray(Image.fromarray(image).convert("L"))


def median_grey(image: NDArray[np.uint8]) -> float:
    """Median grey level, 0..255, of an (h, w, 3) image."""
    return float(np.median(grey(image)))


def to_median(image: NDArray[np.uint8], target: float) -> NDArray[np.uint8]:
    """Scale an (h, w, 3) image so that its median grey is ``target`` (0..255), clipped at 255.

    The factor depends only on this image. An image with a median of 0 is returned unchanged: no factor brightens it.
    """
    median = median_grey(image)
    if median == 0:
        return image
    scaled: NDArray[np.float64] = np.rint(image * (target / median))
    return scaled.clip(0, 255).astype(np.uint8)
