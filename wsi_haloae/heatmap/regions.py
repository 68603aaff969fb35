"""Regions: connected chosen cells of the heatmap, each region as one polygon with rounded corners.

    chosen cells          corners                 rounded

      ┌───┐              where the outline       a quadratic B-spline with the corners as its
      │   └───┐          turns                   control points: it touches each side of a stair
      │       │                                  in the middle, so stairs become slopes
      └───────┘

Cells are connected by edges: two that touch only at a corner are two regions. A curve stays in the quarter of a cell
at its corner, and no two curves share one, so no ring crosses itself or another. Concave corners gain the area that
convex ones lose, except for four of each ring. Small rings are rounded less, so that the area differs from that of
the cells by at most 3 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.cells import CellEdges, corners, groups, outline

CURVE_POINTS = 5
"""Points per corner, both ends included."""
ROUNDING = 0.4
"""How far the curve of a single cell extends from its corner, in half sides. It grows with the square root of the
area, up to 1. The four corners of a square lose 3 / 16 of a cell times its square: 3 % of the area, at any size."""
DECIMALS = 2
"""Decimals of coordinates, as many as QuPath keeps."""


@dataclass(frozen=True, eq=False)
class Region:
    """``polygon`` is in pixels of level 0; ``row`` and ``column`` are those of its first cell in reading order.

    ``area`` is that of its cells, in square pixels of level 0. The rounded polygon has a little less.
    """

    polygon: Polygon
    area: int
    row: int
    column: int
    tiles: int
    mean_score: float
    median_score: float
    max_score: float


def find_regions(heatmap: Heatmap, chosen: NDArray[np.bool_], edges: CellEdges) -> list[Region]:
    """Regions of the ``chosen`` cells (rows, columns), largest area first; cells outside ``edges`` are left out."""
    seen = chosen & edges.visible
    if not seen.any():
        return []
    from scipy import ndimage  # noqa: PLC0415  # slow to import, and many slides have no region

    labels, _ = ndimage.label(seen)  # by default, cells are connected by their edges
    regions = [_region(heatmap, rows, columns, edges) for rows, columns in groups(labels)]
    return sorted(regions, key=lambda region: (-region.area, region.row, region.column))


def _region(heatmap: Heatmap, rows: NDArray[np.int64], columns: NDArray[np.int64], edges: CellEdges) -> Region:
    scores = heatmap.values[rows, columns].astype(np.float64)
    shape = outline(rows, columns)
    outer, *holes = (_rounded(np.asarray(ring.coords), edges) for ring in (shape.exterior, *shape.interiors))
    return Region(
        polygon=Polygon(outer, holes),
        area=int((np.diff(edges.x)[columns] * np.diff(edges.y)[rows]).sum()),
        row=int(rows[0]),
        column=int(columns[0]),
        tiles=len(rows),
        mean_score=float(scores.mean()),
        median_score=float(np.median(scores)),
        max_score=float(scores.max()),
    )


def _rounded(ring: NDArray[np.float64], edges: CellEdges) -> NDArray[np.float64]:
    """The ring (n, 2), in cells, with its corners replaced by curves, in pixels of level 0."""
    places = corners(ring)
    before, after = np.roll(places, 1, axis=0) - places, np.roll(places, -1, axis=0) - places
    reach = 0.5 * min(1.0, ROUNDING * shapely.area(Polygon(ring)) ** 0.5)
    start, end = places + reach * np.sign(before), places + reach * np.sign(after)
    t = np.linspace(0, 1, CURVE_POINTS)[:, np.newaxis, np.newaxis]
    curves = (1 - t) ** 2 * start + 2 * t * (1 - t) * places + t**2 * end  # (points, corners, 2)
    points: NDArray[np.float64] = edges.to_level0(curves.transpose(1, 0, 2).reshape(-1, 2)).round(DECIMALS)
    once: NDArray[np.bool_] = (points != np.roll(points, 1, axis=0)).any(axis=1)  # adjoining curves share a point
    return points[once]
