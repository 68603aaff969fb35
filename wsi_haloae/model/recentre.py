"""Recentring: a tile's own mean feature is taken off before block C, and put back after it.

What all cells of a tile share, such as its stain or its scanner, then need not pass through the code, and block C sees
how cells differ within their tile (Dinomaly2 does so with the class token of a transformer). Because the mean is put
back, features, reconstruction and residual keep their meaning, and rules that use tile means still have them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

Recentre = Literal["none", "tile"]


def tile_means(features: Tensor) -> Tensor:
    """The mean over all cells, glass too: (B, C, m, m) -> (B, C, 1, 1)."""
    return features.mean(dim=(-2, -1), keepdim=True)


def recentred(features: Tensor, how: Recentre) -> Tensor:
    """What block C is given of features (B, C, m, m)."""
    return features - tile_means(features) if how == "tile" else features


def around_centre(block_c: Callable[[Tensor], Tensor], features: Tensor, how: Recentre) -> Tensor:
    """The reconstruction of features (B, C, m, m) by a ``block_c`` that is given recentred ones."""
    if how == "none":
        return block_c(features)
    means = tile_means(features)
    return block_c(features - means) + means
