"""heatmap.ome.zarr and map.ome.zarr: scores with physical sizes as OME-Zarr 0.5, for napari, QuPath and vizarr.

A Zarr 3 multiscales group (https://ngff.openmicroscopy.org/0.5): float32, NaN where nothing was scored, sharded.
Each level holds the means of 2 x 2 cells of the level before. Scales and translations are in micrometres and match
a slide that is opened at its own pixel size: readers place the *centre* of the first cell at the translation, and
the centre of the slide's first pixel at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from dask.threaded import get as on_threads  # given by name, Dask would import all of distributed first
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle

from wsi_haloae.atomic import replacing_tree
from wsi_haloae.errors import StoreError
from wsi_haloae.export.levels import SMALLEST, halved
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.heatmap.pixel_map import PixelMap, assemble_map
from wsi_haloae.stores.damage import damage_told
from wsi_haloae.stores.places import refuse_links
from wsi_haloae.stores.store_header import SlideRecord

SHARD = 4 * SMALLEST
"""Side of a shard file in cells: one block of the map's Dask array, so that blocks are written in parallel."""
_CODEC = BloscCodec(cname="zstd", clevel=3, shuffle=BloscShuffle.shuffle)


def write_heatmap_zarr(path: Path, source: OpenStore) -> None:
    """Write the heatmap, and replace what exists at ``path``."""
    heatmap, slide = source.heatmap, source.header.slide
    cell = heatmap.l0_cell_height, heatmap.l0_cell_width
    offset = heatmap.l0_offset_y, heatmap.l0_offset_x
    _write(path, da.from_array(heatmap.values, chunks=SHARD), slide, cell, offset, "Anomaly score")


def write_map_zarr(path: Path, source: OpenStore) -> None:
    """Write the anomaly map of the slide; write nothing if the slide was scored without maps."""
    if source.header.map_size is not None:
        write_pixel_map(path, assemble_map(source.store), source.header.slide)


def write_pixel_map(path: Path, pixels: PixelMap, slide: SlideRecord) -> None:
    """Write an anomaly map block by block, and replace what exists at ``path``."""
    _write(path, pixels.values, slide, (pixels.l0_cell_height, pixels.l0_cell_width), (0.0, 0.0), "Anomaly map")


class NumberPyramid:
    """The levels of a file from `write_pixel_map`, read in squares of `SMALLEST` cells. Level 0 is the finest."""

    def __init__(self, path: Path) -> None:
        """Open the file; `StoreError` if it is missing, damaged or not an OME-Zarr file."""
        self._path = path
        refuse_links(path)
        with self._damage_reported():
            group = zarr.open_group(path, mode="r", zarr_format=3)
            levels = dict(group.arrays())
            self._levels = [levels[name] for name in sorted(levels, key=int)]
            self.shapes = [(int(level.shape[0]), int(level.shape[1])) for level in self._levels]

    def read(self, level: int, row: int, column: int) -> NDArray[np.float32]:
        """One square (h, w) of a level. It is cut at the right and bottom edge, and empty beyond them."""
        top, left = row * SMALLEST, column * SMALLEST
        with self._damage_reported():
            return np.asarray(self._levels[level][top : top + SMALLEST, left : left + SMALLEST], np.float32)

    @contextmanager
    def _damage_reported(self) -> Iterator[None]:
        with damage_told(self._path, "OME-Zarr file"):
            try:
                yield
            except FileNotFoundError as error:
                raise StoreError(f"{self._path}: there is no OME-Zarr file here ({error}).") from None


def _write(
    path: Path,
    values: da.Array,
    slide: SlideRecord,
    l0_cell: tuple[float, float],
    l0_offset: tuple[float, float],
    name: str,
) -> None:
    with replacing_tree(path) as partial:
        group = zarr.create_group(partial, zarr_format=3)
        _store(group, 0, values)
        levels = 1
        while max(values.shape) > SMALLEST:
            # Read the level before from disk, so that only one of its blocks is in memory.
            finer = da.from_zarr(str(partial / str(levels - 1)), chunks=2 * SHARD)
            smaller = tuple(tuple(-(-side // 2) for side in sides) for sides in finer.chunks)
            values = finer.map_blocks(halved, dtype=np.float32, chunks=smaller)
            _store(group, levels, values)
            levels += 1
        mpp = slide.mpp_y, slide.mpp_x
        group.attrs["ome"] = _multiscales(f"{slide.name}: {name}", levels, mpp, l0_cell, l0_offset)


def _store(group: zarr.Group, level: int, values: da.Array) -> None:
    array = group.create_array(
        str(level),
        shape=values.shape,
        chunks=(SMALLEST, SMALLEST),
        shards=(SHARD, SHARD),
        dtype=np.float32,
        fill_value=np.nan,
        compressors=_CODEC,
        dimension_names=["y", "x"],
    )
    da.store(values.rechunk(SHARD), array, lock=False, scheduler=on_threads)  # type: ignore[arg-type]


def _multiscales(
    name: str, levels: int, mpp: tuple[float, float], l0_cell: tuple[float, float], l0_offset: tuple[float, float]
) -> dict[str, Any]:
    datasets = []
    for level in range(levels):
        scale = [2**level * cell * size for cell, size in zip(l0_cell, mpp, strict=True)]
        corner = [offset * size for offset, size in zip(l0_offset, mpp, strict=True)]
        middle = [at + (one - size) / 2 for at, one, size in zip(corner, scale, mpp, strict=True)]
        transformations = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": middle}]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in ("y", "x")]
    return {"version": "0.5", "multiscales": [{"name": name, "axes": axes, "datasets": datasets, "type": "mean"}]}
