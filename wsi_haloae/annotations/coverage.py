"""How much of each tile lies inside a region.

A pixel classifier draws outlines of 100,000 parts, and parts of 100,000 vertices. To cut each tile from all of it would
take a time that grows with the square of the area. So large parts are cut into pieces first, and each tile meets only
the pieces near it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

LARGE = 256
"""Parts of more vertices are cut in halves."""
DECIMALS = 9
"""Shares are rounded to these, so that where a part was cut does not decide on which side of 50 % a tile falls."""


def coverage(region: BaseGeometry, locations: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each tile's area inside ``region``: locations and sizes (n, 2) at level 0 -> (n,)."""
    corners = locations + sizes
    boxes = shapely.box(locations[:, 0], locations[:, 1], corners[:, 0], corners[:, 1])
    pieces = np.array([piece for part in _polygons(region) for piece in _pieces(part)], np.object_)
    if not len(pieces) or not len(boxes):
        return np.zeros(len(boxes))
    tiles, near = shapely.STRtree(pieces).query(boxes, predicate="intersects")
    areas = shapely.area(shapely.intersection(boxes[tiles], pieces[near]))
    inside = np.bincount(tiles, weights=areas, minlength=len(boxes))
    share: NDArray[np.float64] = np.round(np.minimum(inside / shapely.area(boxes), 1), DECIMALS)
    return share


def _polygons(region: BaseGeometry) -> NDArray[np.object_]:
    """All polygons of a region; points and lines, which mending may leave, have no area."""
    parts = shapely.get_parts(shapely.get_parts(region))  # a collection may hold a multipolygon
    polygons: NDArray[np.object_] = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return polygons


def _pieces(polygon: BaseGeometry) -> Iterator[BaseGeometry]:
    """A polygon, or its halves of halves, cut at whole pixels across the longer side until each is small."""
    waiting = [polygon]
    while waiting:
        piece = waiting.pop()
        left, top, right, bottom = shapely.bounds(piece)
        wide = right - left >= bottom - top
        middle = np.floor((left + right if wide else top + bottom) / 2)
        if shapely.get_num_coordinates(piece) <= LARGE or middle <= (left if wide else top):
            yield piece
            continue
        halves = (
            (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom))
            if wide
            else (shapely.box(left, top, right, middle), shapely.box(left, middle, right, bottom))
        )
        waiting += [part for half in halves for part in _polygons(shapely.intersection(piece, half))]
