"""A tissue mask as an image of the whole slide, at any scale: PNG or TIFF, as other programs write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.bounds.pixels import UNREADABLE, open_image
from wsi_haloae.errors import UsageError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
MOST_LABELS = 64
"""A mask has few values, such as 0 and 255, or the numbers of labels. A photograph has more."""
SAME_ASPECT = 0.02


def read_mask_file(path: Path, slide_width: int, slide_height: int) -> NDArray[np.bool_]:
    """The mask (h, w): pixels that are not 0, black or transparent are tissue.

    Raises `UsageError` for a file that is no image or no mask, or that has another aspect than the slide.
    """
    try:
        with path.open("rb") as file, open_image(file, path, UsageError) as image:
            _require_aspect(path, image.size, slide_width, slide_height)
            values = _values(image)
    except UNREADABLE as error:
        raise UsageError(f"{path}: cannot be read as an image ({error}).") from None
    labels = len(np.unique(values))
    if labels > MOST_LABELS:
        raise UsageError(
            f"{path}: a mask of tissue is needed, with one value for tissue and 0 elsewhere, but this image has "
            f"{labels:,} different values."
        )
    if not values.any():
        raise UsageError(f"{path}: no pixel of this mask is set, so there is no tissue. Tissue must not be 0 or black.")
    return np.asarray(values != 0)


def _values(image: Image.Image) -> NDArray[np.int64]:
    """One number for each pixel, 0 where it is black or transparent."""
    if image.mode == "P" and "transparency" not in image.info:
        return np.asarray(image, np.int64)  # numbers of labels; their colours may be anything
    if image.mode in {"1", "L", "I", "I;16", "I;16B", "F"}:
        return np.asarray(image).astype(np.int64)
    red, green, blue, alpha = np.moveaxis(np.asarray(image.convert("RGBA"), np.int64), -1, 0)
    return np.asarray((red << 16 | green << 8 | blue) * (alpha > 0))


def _require_aspect(path: Path, size: tuple[int, int], slide_width: int, slide_height: int) -> None:
    width, height = size
    wanted = width * slide_height / slide_width
    if abs(height - wanted) > max(1.0, SAME_ASPECT * wanted):
        raise UsageError(
            f"{path}: this mask has {width:,} x {height:,} pixels, but the slide {slide_width:,} x {slide_height:,}. A "
            "mask must show the whole slide, at any scale."
        )
