"""How an image is to be turned before it is shown, as cameras and scanners write it into EXIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.bounds.pixels import UNREADABLE, open_image
from wsi_haloae.errors import UsageError

TAG = 274
"""Number of the orientation among the tags of EXIF, and of TIFF."""
UPRIGHT = 1
_FLIPPED = frozenset({2, 4, 5, 7})
_QUARTERS = {3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}
"""Quarter turns to the left, after flipping left and right."""


def orientation(image: Image.Image) -> int:
    """The orientation that an image states, 1 to 8; `UPRIGHT` without one, or if its EXIF is damaged."""
    try:
        return int(image.getexif().get(TAG, UPRIGHT))
    except UNREADABLE:
        return UPRIGHT


def is_turned(path: Path) -> bool:
    """Whether an image says that it must be turned. Raises `UsageError` if it is larger than `bounds.table` allows."""
    try:
        with path.open("rb") as file, open_image(file, path, UsageError) as image:
            return orientation(image) in _FLIPPED | _QUARTERS.keys()
    except UNREADABLE:
        return False


def turned(pixels: NDArray[Any], stated: int) -> NDArray[Any]:
    """Stored pixels (h, w) or (h, w, c) as they are to be shown. A number without a meaning changes nothing."""
    flipped = pixels[:, ::-1] if stated in _FLIPPED else pixels
    quarters = _QUARTERS.get(stated, 0)
    return np.rot90(flipped, quarters) if quarters else flipped
