"""How many tiles lie side by side: the tiler makes so many, and a store cannot have more."""

from __future__ import annotations

import math


def count_places(extent: int, tile: int, stride: int, scale: float) -> int:
    """Tiles of ``tile`` pixels at each ``stride`` that reach over ``extent``, which is ``scale`` times finer.

    The first tile that reaches the edge is the last. Corners are rounded, so the edge is compared with what the rounded
    tile covers.
    """
    count = max(1, math.floor((extent / scale - tile) / stride))  # one too few at most: rounding decides
    while math.floor(((count - 1) * stride + tile) * scale + 0.5) < extent:
        count += 1
    return count
