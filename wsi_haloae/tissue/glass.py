"""The colour of empty glass, estimated from a thumbnail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.tissue.channels import greatest, least

DARKEST = 190
"""Glass is lit by the lamp directly: where a channel is darker than this, something lies on the glass."""
GREATEST_SPREAD = 22
"""Glass is grey: its channels differ by less than this, pale eosin's by more."""
UNSCANNED = 253
"""Scanners fill what they did not scan with pure white."""
FALLBACK = (242.0, 242.0, 242.0)
"""Typical glass, for a slide that is covered with tissue and shows no glass."""


def glass_colour(rgb: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The most frequent bright grey of a (h, w, 3) thumbnail, as (3,) in 0..255, where it was ``seen`` (h, w).

    Pure white is left out unless the glass itself is that bright: scans of irregular outline
    are padded with it, and glass would otherwise pass for pale tissue.
    """
    darkest, brightest = least(rgb), greatest(rgb)
    is_grey = seen & (darkest >= DARKEST) & (brightest - darkest <= GREATEST_SPREAD)
    is_scanned = is_grey & (darkest < UNSCANNED)
    enough = int(seen.sum()) // 100
    candidates = is_scanned if is_scanned.sum() > enough else is_grey
    if candidates.sum() <= enough:
        return np.array(FALLBACK)
    green = rgb[..., 1]  # every stain of pathology absorbs green
    counts = np.bincount(green[candidates], minlength=256)
    mode = int(np.convolve(counts, np.ones(5), mode="same").argmax())
    at_mode = candidates & (np.abs(green.astype(np.int16) - mode) <= 2)
    return np.asarray(np.median(rgb[at_mode], axis=0), np.float64)
