"""What class a tile belongs to, by people's outlines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.geojson import coverage

NO_CLASS = ""
BLOCK = 8
"""Tiles per side of the blocks that stand in for slides in the bootstrap, where there are too few slides."""


def label_tiles(
    by_class: Mapping[str, BaseGeometry],
    locations: NDArray[np.int64],
    sizes: NDArray[np.int64],
    min_coverage: float,
) -> NDArray[np.str_]:
    """The class that covers most of each tile, if at least ``min_coverage`` of its area; else `NO_CLASS`.

    ``locations`` and ``sizes`` (n, 2) are level-0 pixels, as the regions are. The first class by name
    wins where two cover the same area.
    """
    if not by_class:
        return np.full(len(locations), NO_CLASS)
    names = sorted(by_class)
    shares = np.stack([coverage(by_class[name], locations, sizes) for name in names])  # (classes, n)
    chosen = np.asarray(names)[shares.argmax(axis=0)]
    return np.where(shares.max(axis=0) >= min_coverage, chosen, NO_CLASS)


def block_names(slide: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.str_]:
    """Name of the block of 8 x 8 tiles that each tile lies in: (n,)."""
    pairs = zip((rows // BLOCK).tolist(), (columns // BLOCK).tolist(), strict=True)
    return np.array([f"{slide} {row},{column}" for row, column in pairs], dtype=np.str_)
