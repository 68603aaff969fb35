"""Our own side of `tiling_row.py`: tissue, grid and tiles by the package's public names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import wsi_haloae
from wsi_haloae import Tiles
from wsi_haloae.processors.freed_memory import keep_freed_memory

PACKAGES = ("wsi-haloae", "openslide-python", "simplejpeg", "numpy")


def choose(slide: Path, reader: str, mpp: float, side: int) -> Tiles:
    """Open the slide, find its tissue and lay the grid; ``reader`` is the peer's, ours picks its own."""
    keep_freed_memory()  # as `score` and `train-tiles` do first of all
    return wsi_haloae.open_slide(slide).tile(mpp, side)


def describe(tiles: Tiles) -> dict[str, object]:
    """What decided the tiles."""
    properties = tiles.tiling.properties
    return {
        "reader": properties.reader,
        "slide_size": [properties.width, properties.height],
        "mask_mpp": tiles.tissue.parameters["mpp"],
        "least_tissue": tiles.tiling.tissue_config.min_fraction,
        "grid": "one for the slide; tiles at its right and bottom edge are padded",
    }


def locations(tiles: Tiles) -> list[tuple[int, int]]:
    """Level-0 x, y of the tiles with tissue."""
    return [(x, y) for x, y in tiles.index.location.tolist()]


def reading(tiles: Tiles, grid: list[tuple[int, int]]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Open the slide again now; the tiles at ``grid`` are read as they are asked for."""
    slide, plan, side = tiles.source.open(), tiles.tiling.plan, tiles.tiling.grid.tile_size
    return ((x, y, plan.read(slide, x, y, side)) for x, y in grid)
