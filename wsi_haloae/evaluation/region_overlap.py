"""How well the region that is called anomalous covers the region outlined in annotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class RegionOverlap:
    """Areas in square millimetres, so that slides can be added up."""

    both: float
    called: float
    outlined: float

    def __add__(self, other: RegionOverlap) -> RegionOverlap:
        return RegionOverlap(self.both + other.both, self.called + other.called, self.outlined + other.outlined)

    @property
    def dice(self) -> float | None:
        """2 both / (called + outlined); None if both are empty (Dice 1945)."""
        total = self.called + self.outlined
        return 2 * self.both / total if total else None


def region_overlap(
    chosen: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    locations: NDArray[np.int64],
    sizes: NDArray[np.int64],
    anomalous: BaseGeometry,
    reference: BaseGeometry,
    pixel_area: float,
) -> RegionOverlap:
    """Overlap of the tiles ``chosen`` (n,) with the outlines, within what was both outlined and ``scored`` (n,).

    ``pixel_area`` is the area of a level-0 pixel in square millimetres. Tissue outside all outlines is not evaluated;
    where outlines of both kinds overlap, it is anomalous.
    """
    corners = locations + sizes
    boxes = shapely.box(locations[:, 0], locations[:, 1], corners[:, 0], corners[:, 1])
    judged = _common(shapely.union_all(boxes[scored]), shapely.union_all([anomalous, reference]))
    called = _common(shapely.union_all(boxes[chosen & scored]), judged)
    outlined = _common(anomalous, judged)
    return RegionOverlap(
        both=_common(called, outlined).area * pixel_area,
        called=called.area * pixel_area,
        outlined=outlined.area * pixel_area,
    )


def _common(one: BaseGeometry, other: BaseGeometry) -> BaseGeometry:
    """The area of both. Points and lines, where they only touch, have none, and GEOS fails for them later."""
    parts = shapely.get_parts(shapely.intersection(one, other))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
