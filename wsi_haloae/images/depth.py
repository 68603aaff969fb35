"""Images of 16 bits that hold fewer: cameras of 12 bits write their numbers as they are, which is nearly black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsi_haloae.images.decode import decode_channels

LOOKED_AT = 16
"""Images, evenly spaced."""
MOST_OF_12_BITS = 4095


def told_of_dark(paths: Sequence[Path]) -> str:
    """A warning if all images that are looked at have 16 bits and use 12 of them; "" if not.

    Raises `UsageError` for an image that cannot be read.
    """
    looked_at = paths[:: max(1, len(paths) // LOOKED_AT)]
    if not looked_at or not all(_is_dark(path) for path in looked_at):
        return ""
    return (
        f"{looked_at[0]}: 16 bits, but no value is above {MOST_OF_12_BITS} of 65535, here and in others, as cameras "
        "of 12 bits write them. They are read as nearly black: if that is wrong, multiply their values by 16."
    )


def _is_dark(path: Path) -> bool:
    channels = decode_channels(path)
    return channels.dtype == np.uint16 and int(channels[..., :3].max(initial=0)) <= MOST_OF_12_BITS
