"""Merges neighbouring cells of one colour: a third of the objects on a real slide, fewer on a uniform one.

The colours are equal steps of the display range, so merged cells look alike in every picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon
from skimage.measure import label

from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.cells import CellEdges, corners, groups, outline
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale

STEPS = 8
"""Number of colours. Twice as many give twice the objects, for differences that few people see."""


@dataclass(frozen=True, eq=False)
class MergedCells:
    """Cells (n,) of one colour that are connected by their edges; ``polygon`` is in whole pixels of level 0."""

    polygon: Polygon
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def merge_equal(heatmap: Heatmap, wanted: NDArray[np.bool_], edges: CellEdges, scale: ColourScale) -> list[MergedCells]:
    """Merge the ``wanted`` cells (rows, columns) that have a score; in reading order of their first cells."""
    kept = wanted & edges.visible & ~np.isnan(heatmap.values)
    colour = scale.entries(heatmap.values) // (len(COLOUR_TABLE) // STEPS)
    classes = np.where(kept, colour.astype(np.int64) + 1, 0)
    labels = label(classes, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    return list(_merged(labels, edges))


def _merged(labels: NDArray[np.int64], edges: CellEdges) -> Iterator[MergedCells]:
    for rows, columns in groups(labels):
        shape = outline(rows, columns)
        rings = [edges.to_level0(corners(np.asarray(ring.coords))) for ring in (shape.exterior, *shape.interiors)]
        yield MergedCells(Polygon(rings[0], rings[1:]), rows, columns)
