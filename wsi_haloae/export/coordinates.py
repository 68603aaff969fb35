"""patches.trident.h5 and patches.clam.h5: where the tiles are, for programs that compute features of them.

    coords              (n, 2) int64: x, y of each tile's top left corner in pixels of level 0
    its attributes      what TRIDENT or CLAM writes; the two differ in what ``patch_size`` counts
    scores              (n,) float32 anomaly scores, NaN where there is none

All tiles are in it, in the order of tiles.csv. `--coordinates` reads both back. This module needs the extra "h5py" and
is imported for these formats only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.quoting import printable

_MAGNIFICATIONS = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10))
"""TRIDENT's own table: below which µm per pixel a slide has which magnification; 5 above."""


def write_trident(path: Path, source: OpenStore) -> None:
    """Write coordinates for TRIDENT, which expects them as ``patches/<slide>_patches.h5``.

    It knows no pixel size, only magnifications. That of the tiles has decimals, so that their size at level 0 is exact.
    """
    slide, grid = source.header.slide, grid_of(source.header)
    magnification = next((power for mpp, power in _MAGNIFICATIONS if slide.mpp_x < mpp), 5)
    attributes = {
        "patch_size": grid.tile_size,
        "patch_size_level0": grid.l0_tile_width,
        "level0_magnification": magnification,
        "target_magnification": magnification / grid.l0_scale_x,
        "overlap": grid.tile_size - grid.stride,
        "name": printable(slide.name),
        "level0_width": slide.width,
        "level0_height": slide.height,
    }
    _write(path, source, attributes)


def write_clam(path: Path, source: OpenStore) -> None:
    """Write coordinates for CLAM and WSInfer, which expect them as ``patches/<slide>.h5``.

    Tiles are cut from level 0, the only one from which WSInfer reads; CLAM resizes them if asked to.
    """
    slide, grid = source.header.slide, grid_of(source.header)
    attributes = {
        "patch_size": grid.l0_tile_width,
        "patch_level": 0,
        "downsample": [1.0, 1.0],
        "downsampled_level_dim": [slide.width, slide.height],
        "level_dim": [slide.width, slide.height],
        "name": printable(slide.name),
    }
    _write(path, source, attributes)


def _write(path: Path, source: OpenStore, attributes: Mapping[str, Any]) -> None:
    tiles = source.tiles
    with replacing(path) as partial, partial.open("w+b") as stream, h5py.File(stream, "w") as file:
        coordinates = file.create_dataset("coords", data=tiles.index.location.astype("<i8"))
        coordinates.attrs.update(attributes)
        file.create_dataset("scores", data=tiles.score.astype("<f4"))
