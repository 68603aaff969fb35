"""Tiles that another program has chosen, on the grid of this one.

TRIDENT cuts one grid over the slide, as is done here. CLAM begins a grid of its own at each contour, so its tiles lie
anywhere. Each given tile is read exactly where it lies, and is in the cell of the grid that it is nearest to: tables
have its true place, and pictures show it in that cell, shifted by half a tile at most. A cell holds one tile. Tiles
that do not overlap are never nearest to the same cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.coordinates.reading import GivenTiles
from wsi_haloae.errors import CoordinatesError
from wsi_haloae.slide.properties import MPP_TOLERANCE, SlideProperties
from wsi_haloae.tiles.grid import TileGrid

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """n tiles in reading order: rows and columns (n,), locations and sizes (n, 2) in pixels of level 0."""

    rows: Numbers
    columns: Numbers
    locations: Numbers
    sizes: Numbers


def require_fitting(given: GivenTiles, slide: SlideProperties, grid: TileGrid) -> None:
    """Raise `CoordinatesError` for tiles of another size than those of the grid, or outside the slide."""
    side, width = given.l0_side(slide), grid.tile_size * grid.l0_scale_x
    if abs(side - width) > max(1, MPP_TOLERANCE * width):
        raise CoordinatesError(
            f"{given.path}: its tiles are {side:g} pixels of level 0 wide, but {width:.4g} are needed: "
            f"{grid.tile_size} pixels at {slide.known_mpp()[0] * grid.l0_scale_x:.4g} µm (the model's, or --tile-size "
            "and --mpp-target). Cut the coordinates at that size."
        )
    outside = (given.locations < 0) | (given.locations >= [slide.width, slide.height])
    if outside.any():
        x, y = given.locations[outside.any(axis=1)][0].tolist()
        raise CoordinatesError(
            f"{given.path}: {int(outside.any(axis=1).sum()):,} of {len(given.locations):,} tiles lie outside "
            f"{slide.name} ({slide.width} x {slide.height} pixels), the first at ({x}, {y}). Coordinates are pixels of "
            "level 0, and must be those of this slide."
        )


def place_on(grid: TileGrid, locations: Numbers) -> Places:
    """The places of given tiles. Of several in one cell, the one nearest to it is kept."""
    steps = np.array([grid.stride * grid.l0_scale_x, grid.stride * grid.l0_scale_y])
    cells = np.floor(locations / steps + 0.5).astype(np.int64)
    cells = np.minimum(cells, [grid.columns - 1, grid.rows - 1])
    distance = np.abs(locations - cells * steps).max(axis=1)
    number = cells[:, 1] * grid.columns + cells[:, 0]
    order = np.lexsort([distance, number])
    _, first = np.unique(number[order], return_index=True)
    kept = order[first]
    size = np.array([grid.l0_tile_width, grid.l0_tile_height])
    ends = np.minimum(locations[kept] + size, [grid.slide_width, grid.slide_height])
    return Places(cells[kept, 1], cells[kept, 0], locations[kept], ends - locations[kept])
