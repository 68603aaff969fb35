"""Which class a tile belongs to, according to annotations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import NO_CLASS
from wsi_haloae.annotations.coverage import coverage

BLOCK = 8
"""Tiles per side of the blocks that replace slides in the bootstrap if there are too few slides."""


def label_tiles(
    by_class: Mapping[str, BaseGeometry],
    locations: NDArray[np.int64],
    sizes: NDArray[np.int64],
    min_coverage: float,
) -> NDArray[np.str_]:
    """The class that covers most of each tile, if at least ``min_coverage`` of its area; otherwise `NO_CLASS`.

    ``locations`` and ``sizes`` (n, 2) are level-0 pixels, like the regions. If two classes cover most of a tile alike,
    it has no class: the alphabet must not decide.
    """
    if not by_class:
        return np.full(len(locations), NO_CLASS)
    names = sorted(by_class)
    shares = np.stack([coverage(by_class[name], locations, sizes) for name in names])  # (classes, n)
    most = shares.max(axis=0)
    alone = (shares == most).sum(axis=0) == 1
    return np.where(alone & (most >= min_coverage), np.asarray(names)[shares.argmax(axis=0)], NO_CLASS)


def block_names(slide: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.str_]:
    """Name of the block of 8 x 8 tiles that each tile belongs to: (n,)."""
    pairs = zip((rows // BLOCK).tolist(), (columns // BLOCK).tolist(), strict=True)
    return np.array([f"{slide} {row},{column}" for row, column in pairs], dtype=np.str_)
