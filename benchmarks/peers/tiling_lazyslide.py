"""LazySlide's side of `tiling_row.py`: its tissue and grid by default settings, its tiles by wsidata's iterator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lazyslide
import numpy as np
from lazyslide.preprocess._tissue import _decide_level
from numpy.typing import NDArray
from wsidata import WSIData, open_wsi
from wsidata.io import add_tiles

PACKAGES = ("lazyslide", "wsidata", "openslide-python", "openslide-bin", "fastslide", "spatialdata", "torch", "numpy")


@dataclass(frozen=True)
class Chosen:
    """A slide with its tissue and tiles, and what opened it."""

    wsi: WSIData
    file: Path
    reader: str


def choose(slide: Path, reader: str, mpp: float, side: int) -> Chosen:
    """Open the slide, find its tissue and lay the grid."""
    wsi = open_wsi(slide, store=None, reader=reader)
    lazyslide.pp.find_tissues(wsi)
    lazyslide.pp.tile_tissues(wsi, side, mpp=mpp)
    return Chosen(wsi, slide, reader)


def describe(chosen: Chosen) -> dict[str, object]:
    """What decided the tiles."""
    properties = chosen.wsi.properties
    height, width = properties.shape
    return {
        "reader": chosen.wsi.reader.name,
        "slide_size": [width, height],
        "mask_mpp": properties.mpp * properties.level_downsample[_decide_level(chosen.wsi, "auto")],
        "least_tissue": 0.7,
        "grid": "one for each piece of tissue, from its corner; no tiles across its right and bottom edge",
    }


def locations(chosen: Chosen) -> list[tuple[int, int]]:
    """Level-0 x, y of the tiles with tissue."""
    corners = chosen.wsi.shapes["tiles"].bounds[["minx", "miny"]]
    return [(int(x), int(y)) for x, y in corners.to_numpy()]


def reading(chosen: Chosen, grid: list[tuple[int, int]]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Open the slide again now; the tiles at ``grid`` are read as they are asked for."""
    wsi = open_wsi(chosen.file, store=None, reader=chosen.reader)
    add_tiles(wsi, "grid", np.array(grid), chosen.wsi.tile_spec("tiles"), np.zeros(len(grid), np.int64))
    return ((x, y, tile.image) for (x, y), tile in zip(grid, wsi.iter.tile_images("grid"), strict=True))
