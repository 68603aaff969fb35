"""Outlines that cross themselves: mend them, or refuse those that would take minutes.

GEOS's own `make_valid` takes a time that grows with the square of the crossings: 3,000 take over a minute. The same
region is found here from the pieces into which the outline cuts the plane: those that lie inside by the even-odd rule.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.bounds.table import CROSSINGS, Bound

FEW = 200
"""GEOS mends an outline of at most this many vertices at once."""
_QUERIED = 64
"""Segments that are looked up at once, so that counting stops soon after the limit."""


class TooCrossedError(ValueError):
    """An outline crosses itself more often than the table allows."""


def mended(geometry: BaseGeometry) -> BaseGeometry:
    """The region inside a geometry's outlines; valid ones are unchanged. Raises `TooCrossedError`."""
    if shapely.is_valid(geometry):
        return geometry
    if shapely.get_num_coordinates(geometry) <= FEW:
        return shapely.make_valid(geometry)
    rings = shapely.get_rings(geometry)
    require_few_crossings(rings, CROSSINGS)
    return _inside(geometry, rings)


def require_few_crossings(rings: NDArray[np.object_], bound: Bound) -> None:
    """Raise `TooCrossedError` if segments of the outlines meet too often, apart from neighbours at their vertex."""
    xy, of_ring = shapely.get_coordinates(rings, return_index=True)
    starts = np.flatnonzero(of_ring[:-1] == of_ring[1:])
    segments = shapely.linestrings(np.stack([xy[starts], xy[starts + 1]], axis=1))
    tree, found = shapely.STRtree(segments), 0
    for first in range(0, len(segments), _QUERIED):
        one, other = tree.query(segments[first : first + _QUERIED], predicate="intersects")
        found += int((other > one + first + 1).sum())
        if found - len(rings) > bound.most:  # the first and the last segment of a ring meet
            raise TooCrossedError(
                f"more than {bound.most:,} {bound.unit}, and to sort that out takes long. Draw it again, or raise "
                f"{bound.variable}"
            )


def _inside(geometry: BaseGeometry, rings: NDArray[np.object_]) -> BaseGeometry:
    lines = shapely.get_parts(shapely.union_all(rings))
    faces = shapely.get_parts(shapely.polygonize(lines))
    shapely.prepare(geometry)
    kept = faces[shapely.contains(geometry, shapely.point_on_surface(faces))]
    apart = shapely.multipolygons(kept)
    # Two pieces that share an edge differ by the even-odd rule, unless the outline runs along that edge twice.
    return apart if shapely.is_valid(apart) else shapely.union_all(kept)
