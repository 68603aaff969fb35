"""hs2p's side of `tiling_row.py`: its tissue and grid by default settings, its tiles by its own stream of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from hs2p import SegmentationConfig, SlideSpec, TilingConfig, TilingResult, tile_slide
from hs2p.wsi.streaming import iter_tile_records_from_reader, open_reader_for_result
from numpy.typing import NDArray

PACKAGES = ("hs2p", "openslide-python", "openslide-bin", "pyvips", "pyvips-binary", "opencv-python", "numpy")


def choose(slide: Path, reader: str, mpp: float, side: int) -> TilingResult:
    """Open the slide, find its tissue and lay the grid, with the settings of hs2p's default.yaml."""
    tiling = TilingConfig(
        backend=reader, requested_spacing_um=mpp, requested_tile_size_px=side, tolerance=0.05, overlap=0.0
    )
    result = tile_slide(
        SlideSpec(sample_id="slide", image_path=slide), tiling=tiling, segmentation=SegmentationConfig(method="hsv")
    )
    if result.read_tile_size_px != side:
        raise NotImplementedError(f"{slide}: tiles of {result.read_tile_size_px} pixels would have to be resized")
    return result


def describe(result: TilingResult) -> dict[str, object]:
    """What decided the tiles."""
    return {
        "reader": result.backend,
        "slide_size": [int(side) for side in result.slide_dimensions],
        "mask_mpp": result.seg_spacing_um,
        "least_tissue": result.min_tissue_fraction,
        "grid": "one for each piece of tissue, from its corner; tiles at the slide's right and bottom edge are padded",
    }


def locations(result: TilingResult) -> list[tuple[int, int]]:
    """Level-0 x, y of the tiles with tissue."""
    return [(int(x), int(y)) for x, y in zip(result.x, result.y, strict=True)]


def reading(result: TilingResult, grid: list[tuple[int, int]]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Open the slide again now; the tiles at ``grid`` are read as they are asked for, up to 64 neighbours at once."""
    x, y = np.array(grid).T
    tiles = replace(result.tiles, x=x, y=y, tissue_fractions=np.ones(len(grid)), tile_index=None)
    whole = replace(result, tiles=tiles)
    reader = open_reader_for_result(whole)
    return ((tile.x, tile.y, tile.tile_arr) for tile in iter_tile_records_from_reader(reader, result=whole))
