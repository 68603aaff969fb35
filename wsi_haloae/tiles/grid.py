"""TileGrid: index <-> (row, column) <-> region of level 0.

A position is computed from the index, never accumulated, so that the last tile of a
70,000-pixel row is as exact as the first (contract, Geometry).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.stores.grid_count import count_places
from wsi_haloae.tiles.plan import ReadPlan


@dataclass(frozen=True)
class TileGrid:
    """Square tiles at a regular stride over the whole of level 0.

    ``tile_size`` and ``stride`` are pixels of the tile; ``l0_scale_x`` and ``l0_scale_y``
    pixels of level 0 per pixel of the tile. Tiles at the right and bottom edge may extend
    beyond it: they are padded when read, and clipped in every output (`clipped_sizes`).
    """

    slide_width: int
    slide_height: int
    tile_size: int
    stride: int
    l0_scale_x: float
    l0_scale_y: float

    @classmethod
    def for_plan(cls, plan: ReadPlan, slide_width: int, slide_height: int, tile_size: int, stride: int) -> TileGrid:
        """The grid of a plan; raises `UsageError` for a stride outside 1..tile_size."""
        require_stride(stride, tile_size)
        return cls(slide_width, slide_height, tile_size, stride, plan.l0_scale_x, plan.l0_scale_y)

    @property
    def columns(self) -> int:
        """Number of columns: the first that reaches the right edge is the last."""
        return count_places(self.slide_width, self.tile_size, self.stride, self.l0_scale_x)

    @property
    def rows(self) -> int:
        """Number of rows: the first that reaches the bottom edge is the last."""
        return count_places(self.slide_height, self.tile_size, self.stride, self.l0_scale_y)

    @property
    def l0_tile_width(self) -> int:
        """Width of a whole tile in pixels of level 0."""
        return _nearest(self.tile_size * self.l0_scale_x)

    @property
    def l0_tile_height(self) -> int:
        """Height of a whole tile in pixels of level 0."""
        return _nearest(self.tile_size * self.l0_scale_y)

    def locations(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Level-0 positions of tiles, (n, 2) as (x, y): floor(index * stride * scale + 0.5)."""
        return self._to_level0(columns * self.stride, rows * self.stride)

    def clipped_sizes(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sizes of tiles in pixels of level 0, (n, 2) as (width, height), clipped at the slide's edge.

        A tile ends where the next one starts if they do not overlap: both corners are rounded,
        so widths differ by up to a pixel, and no pixel of the slide lies between two tiles.
        """
        corners = self._to_level0(columns * self.stride + self.tile_size, rows * self.stride + self.tile_size)
        clipped = np.minimum(corners, np.array([self.slide_width, self.slide_height]))
        sizes: NDArray[np.int64] = clipped - self.locations(rows, columns)
        return sizes

    def _to_level0(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
        """From tile pixels to pixels of level 0, (n, 2)."""
        return np.floor(np.stack([x * self.l0_scale_x, y * self.l0_scale_y], axis=1) + 0.5).astype(np.int64)

    def all_indices(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of every tile, in reading order."""
        rows, columns = np.divmod(np.arange(self.rows * self.columns, dtype=np.int64), self.columns)
        return rows, columns


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


def require_stride(stride: int, tile_size: int) -> None:
    """Raise `UsageError` for a stride outside 1..tile_size."""
    if not 1 <= stride <= tile_size:
        raise UsageError(
            f"--stride {stride} was given, but it must lie between 1 and the tile size "
            f"({tile_size}): a larger stride would leave gaps between tiles."
        )
