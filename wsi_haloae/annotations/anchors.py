"""Anchors: tiles of a slide that somebody has marked as reference tissue, as polygons or points of one class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from wsi_haloae.annotations.classes import meant_by
from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Bounds

REFERENCE_CLASS = "Reference"
COVERED = 0.5
"""A tile is an anchor if at least this share of its area is marked, or if a point lies on it."""


def anchor_tiles(
    path: Path,
    bounds: Bounds | None,
    locations: NDArray[np.int64],
    sizes: NDArray[np.int64],
    reporter: Reporter | None = None,
) -> NDArray[np.int64]:
    """Numbers of the tiles, with ``locations`` and ``sizes`` (n, 2) at level 0, that a file of annotations marks.

    Every kind of object marks, because nobody gives this class by chance: in QuPath also the tiles of tiles.geojson. A
    polygon that is the outline of one tile marks this tile only, not those that overlap it. ``reporter`` is told what
    does not count. Raises `AnnotationError` if the file marks none.
    """
    annotations = read_annotations(path, bounds, "all")
    if reporter:
        annotations.tell(reporter, points_count=True)
    chosen = np.zeros(len(locations), np.bool_)
    drawn = annotations.parts(REFERENCE_CLASS)
    if len(drawn):
        outlined = _outlined(drawn, _corners(bounds, locations, sizes))
        chosen[outlined[outlined >= 0]] = True
        freehand = drawn[outlined < 0]
        if len(freehand):
            chosen |= coverage(shapely.union_all(freehand), locations, sizes) >= COVERED
    for name in meant_by(REFERENCE_CLASS, annotations.points):
        for point in annotations.points[name]:
            chosen |= ((locations <= point) & (point < locations + sizes)).all(axis=1)
    if not chosen.any():
        raise AnnotationError(
            f"{path}: marks no scored tile. Draw polygons that cover at least half of a tile, or points, and give them "
            f"the class {REFERENCE_CLASS}. {annotations.known()}"
        )
    return np.flatnonzero(chosen)


def _corners(bounds: Bounds | None, locations: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Left, top, right and bottom of each tile (n, 4), clipped to the bounds as in every file for QuPath."""
    corners = np.concatenate([locations, locations + sizes], axis=1)
    if bounds is not None:
        least = np.array([bounds.l0_x, bounds.l0_y] * 2)
        corners = np.clip(corners, least, least + [bounds.width, bounds.height] * 2)
    return corners


def _outlined(polygons: NDArray[np.object_], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the tile, of those with ``corners`` (n, 4), that each polygon outlines exactly; -1 for none."""
    tiles = {tuple(place): number for number, place in enumerate(corners.tolist())}
    boxes = shapely.bounds(polygons)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.array(
        [
            tiles.get(tuple(box), -1) if is_box else -1
            for box, is_box in zip(boxes.tolist(), (shapely.area(polygons) == areas).tolist(), strict=True)
        ],
        np.int64,
    )
