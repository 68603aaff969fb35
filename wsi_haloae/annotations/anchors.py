"""Anchors: tiles of a slide that somebody has marked as reference tissue, as polygons or points of one class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.annotations.geojson import coverage, read_annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds

REFERENCE_CLASS = "Reference"
COVERED = 0.5
"""A tile is an anchor if at least this share of its area is marked, or if a point lies on it."""


def anchor_tiles(
    path: Path, bounds: Bounds | None, locations: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Numbers of the tiles, with ``locations`` and ``sizes`` (n, 2) at level 0, that a GeoJSON file marks.

    Raises `AnnotationError` if it marks none.
    """
    annotations = read_annotations(path, bounds)
    chosen = np.zeros(len(locations), np.bool_)
    if REFERENCE_CLASS in annotations.by_class:
        chosen |= coverage(annotations.by_class[REFERENCE_CLASS], locations, sizes) >= COVERED
    for point in annotations.points.get(REFERENCE_CLASS, np.empty((0, 2))):
        chosen |= ((locations <= point) & (point < locations + sizes)).all(axis=1)
    if not chosen.any():
        known = ", ".join(sorted({*annotations.by_class, *annotations.points})) or "none"
        raise AnnotationError(
            f"{path}: marks no scored tile. Draw polygons that cover at least half of a tile, or points, and give them "
            f"the class {REFERENCE_CLASS}. Classes in this file: {known}."
        )
    return np.flatnonzero(chosen)
