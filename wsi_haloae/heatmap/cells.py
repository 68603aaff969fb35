"""Cells of the heatmap as areas of the slide: their edges in pixels of level 0, and the outline of several cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.stores.store_header import SlideRecord


@dataclass(frozen=True, eq=False)
class CellEdges:
    """Edges of columns, ``x`` (columns + 1,), and of rows, ``y`` (rows + 1,): whole pixels of level 0, ascending.

    They are clipped to the visible part of the slide: its bounds, if it has any. A cell outside has no width or no
    height.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]

    @classmethod
    def of(cls, heatmap: Heatmap, slide: SlideRecord) -> Self:
        """The edges of a heatmap's cells; without overlap they are the edges of its tiles."""
        left, top, width, height = slide.bounds or (0, 0, slide.width, slide.height)
        rows, columns = heatmap.values.shape
        x = np.floor(heatmap.l0_offset_x + np.arange(columns + 1) * heatmap.l0_cell_width + 0.5)
        y = np.floor(heatmap.l0_offset_y + np.arange(rows + 1) * heatmap.l0_cell_height + 0.5)
        right, bottom = min(left + width, slide.width), min(top + height, slide.height)
        return cls(np.clip(x, left, right).astype(np.int64), np.clip(y, top, bottom).astype(np.int64))

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Cells with an area, (rows, columns)."""
        return np.outer(np.diff(self.y) > 0, np.diff(self.x) > 0)

    def to_level0(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions (n, 2) in cells, as (column, row) with fractions -> pixels of level 0."""
        x = np.interp(places[:, 0], np.arange(len(self.x)), self.x)
        y = np.interp(places[:, 1], np.arange(len(self.y)), self.y)
        return np.stack([x, y], axis=1)


def outline(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Polygon:
    """The polygon around cells (n,) that are connected by their edges; coordinates in cells, as (column, row).

    It is valid and includes holes; cell (0, 0) extends from (0, 0) to (1, 1).
    """
    union = shapely.coverage_union_all(shapely.box(columns, rows, columns + 1, rows + 1))
    assert isinstance(union, Polygon)
    return union


def groups(labels: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows (n,) and columns (n,) of the cells of each label in (rows, columns), in reading order; 0 is not a label."""
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(labels[rows, columns]))
    for place in np.split(np.arange(len(rows)), starts + 1):
        if len(place):
            yield rows[place], columns[place]


def corners(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points (n, 2) at which a closed ring (m, 2) turns, each once."""
    ring = ring[:-1]
    ahead, behind = np.roll(ring, -1, axis=0) - ring, ring - np.roll(ring, 1, axis=0)
    found: NDArray[np.float64] = ring[ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]]
    return found
