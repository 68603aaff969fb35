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
LOOKED_AT = 100
SPECK = 0.01
"""A smaller share of an outline's area is what an unsteady hand leaves where it began."""
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


def enclosed_twice(polygon: BaseGeometry) -> NDArray[np.object_]:
    """The pieces that a crossing outline runs around twice: nobody knows whether they are meant to be inside.

    By the even-odd rule they are not; who drew a loop too many may see it otherwise. A figure of eight has none. The
    largest `LOOKED_AT` pieces are looked at, and nothing is returned if they are specks.
    """
    outline, *holes = shapely.get_rings(polygon)
    pieces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all([outline, *holes]))))
    places = shapely.point_on_surface(pieces)
    left_out = ~shapely.contains(polygon, places)
    largest = np.argsort(-shapely.area(pieces[left_out]), kind="stable")[:LOOKED_AT]
    pieces, xy = pieces[left_out][largest], shapely.get_coordinates(places[left_out][largest])
    times = np.abs(_times_around(outline, xy)) - sum(np.abs(_times_around(hole, xy)) for hole in holes)
    twice: NDArray[np.object_] = pieces[times > 1]
    return twice if shapely.area(twice).sum() > SPECK * mended(polygon).area else twice[:0]


def _times_around(ring: BaseGeometry, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often a ring runs around each place (n, 2): the winding number."""
    x, y = shapely.get_coordinates(ring).T
    rise = y[1:] - y[:-1]
    found = []
    for place_x, place_y in places.tolist():
        left_of = (x[1:] - x[:-1]) * (place_y - y[:-1]) - (place_x - x[:-1]) * rise
        up, down = (y[:-1] <= place_y) & (y[1:] > place_y), (y[:-1] > place_y) & (y[1:] <= place_y)
        found.append(int((up & (left_of > 0)).sum()) - int((down & (left_of < 0)).sum()))
    return np.array(found, np.int64)


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
