"""Cells of the heatmap as areas of the slide: their edges in pixels of level 0, and the outline of many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.stores.sharded import SlideRecord


@dataclass(frozen=True, eq=False)
class CellEdges:
    """Edges of columns, ``x`` (columns + 1,), and of rows, ``y`` (rows + 1,): whole pixels of level 0, rising.

    They are cut at what people see of the slide: its bounds, where it has any. A cell beyond them has no width
    or no height.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]

    @classmethod
    def of(cls, heatmap: Heatmap, slide: SlideRecord) -> Self:
        """Of a heatmap's cells; without overlap they are the edges of its tiles."""
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
        """Places (n, 2) counted in cells, as (column, row) with fractions, in pixels of level 0."""
        x = np.interp(places[:, 0], np.arange(len(self.x)), self.x)
        y = np.interp(places[:, 1], np.arange(len(self.y)), self.y)
        return np.stack([x, y], axis=1)


def outline(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Polygon:
    """The polygon around cells (n,) that hang together by their edges, counted in cells as (column, row).

    Valid, with its holes; cell (0, 0) reaches from (0, 0) to (1, 1).
    """
    union = shapely.coverage_union_all(shapely.box(columns, rows, columns + 1, rows + 1))
    assert isinstance(union, Polygon)
    return union


def groups(labels: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows (n,) and columns (n,) of the cells of each label of (rows, columns), in reading order; 0 is no label."""
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(labels[rows, columns]))
    for place in np.split(np.arange(len(rows)), starts + 1):
        if len(place):
            yield rows[place], columns[place]


def corners(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """The places (n, 2) of a closed ring (m, 2) where it turns, each once."""
    ring = ring[:-1]
    ahead, behind = np.roll(ring, -1, axis=0) - ring, ring - np.roll(ring, 1, axis=0)
    found: NDArray[np.float64] = ring[ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]]
    return found
