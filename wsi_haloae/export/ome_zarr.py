"""heatmap.ome.zarr and map.ome.zarr: scores with physical sizes as OME-Zarr, for napari, vizarr and QuPath.

A multiscales group: float32, NaN where nothing was scored. `NGFF_05` (Zarr 3, sharded) is the standard today;
`NGFF_04` (Zarr 2) is what QuPath 0.6 to 0.8 read. Each level holds the means of 2 x 2 cells of the level before.
Scales and translations are in micrometres and match a slide that is opened at its own pixel size: readers place the
*centre* of the first cell at the translation, and the centre of the slide's first pixel at 0. The ``omero`` block has
the range of colours that all pictures of the slide share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dask.array as da
import numpy as np
import zarr
from dask.threaded import get as on_threads  # given by name, Dask would import all of distributed first
from numcodecs import Zlib
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
MAP_V2 = "map.v2.ome.zarr"
COLOUR = "D73027"
"""The anomalous end of `heatmap.colours`, nearly: viewers shade a channel from black to one colour."""


@dataclass(frozen=True)
class Ngff:
    """A version of the format: how arrays are stored, and where a group keeps its metadata."""

    version: str
    zarr_format: Literal[2, 3]
    array: Mapping[str, Any]

    def describe(self, group: zarr.Group, told: Mapping[str, Any]) -> None:
        """Write the metadata. From 0.5 on they are below one key, with one version for all."""
        if self.zarr_format == 3:
            group.attrs["ome"] = {"version": self.version, **told}
        else:
            multiscales = [{"version": self.version, **image} for image in told["multiscales"]]
            group.attrs.update({**told, "multiscales": multiscales})


NGFF_05 = Ngff(
    "0.5",
    3,
    {
        "shards": (SHARD, SHARD),
        "compressors": BloscCodec(cname="zstd", clevel=3, shuffle=BloscShuffle.shuffle),
        "dimension_names": ["y", "x"],
    },
)
NGFF_04 = Ngff(
    "0.4",
    2,
    # zlib is in Java itself; Blosc would need a library that not every Java program finds.
    {"compressors": Zlib(level=6), "chunk_key_encoding": {"name": "v2", "separator": "/"}},
)


@dataclass(frozen=True)
class _Shown:
    """What the numbers are called, and the range in which viewers show them."""

    name: str
    range: tuple[float, float] | None

    def omero(self, coarsest: NDArray[np.float32]) -> dict[str, Any]:
        """The ``omero`` block; its ``min`` and ``max`` are how far a viewer's slider goes."""
        if self.range is None:
            return {}
        known = [*coarsest[~np.isnan(coarsest)].tolist(), *self.range]
        window = {"min": min(known), "max": max(known), "start": self.range[0], "end": self.range[1]}
        channel = {"label": self.name, "color": COLOUR, "window": window, "active": True}
        return {"omero": {"channels": [channel], "rdefs": {"model": "color"}}}


def write_heatmap_zarr(path: Path, source: OpenStore, ngff: Ngff = NGFF_05) -> None:
    """Write the heatmap, and replace what exists at ``path``."""
    heatmap, slide = source.heatmap, source.header.slide
    cell = heatmap.l0_cell_height, heatmap.l0_cell_width
    offset = heatmap.l0_offset_y, heatmap.l0_offset_x
    shown = _Shown("Anomaly score", source.header.model.display_range)
    _write(path, da.from_array(heatmap.values, chunks=SHARD), slide, cell, offset, shown, ngff)


def write_zarr_v2(path: Path, source: OpenStore) -> None:
    """Write the heatmap and, if the slide was scored with maps, its anomaly map beside it, as OME-Zarr 0.4."""
    write_heatmap_zarr(path, source, NGFF_04)
    write_map_zarr(path.with_name(MAP_V2), source, NGFF_04)


def write_map_zarr(path: Path, source: OpenStore, ngff: Ngff = NGFF_05) -> None:
    """Write the anomaly map of the slide; write nothing if the slide was scored without maps."""
    if source.header.map_size is not None:
        write_pixel_map(path, assemble_map(source.store), source.header.slide, source.header.model.map_range, ngff)


def write_pixel_map(
    path: Path,
    pixels: PixelMap,
    slide: SlideRecord,
    shown: tuple[float, float] | None = None,
    ngff: Ngff = NGFF_05,
) -> None:
    """Write an anomaly map block by block, and replace what exists at ``path``. ``shown`` is its range of colours."""
    cell = pixels.l0_cell_height, pixels.l0_cell_width
    _write(path, pixels.values, slide, cell, (0.0, 0.0), _Shown("Anomaly map", shown), ngff)


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
    shown: _Shown,
    ngff: Ngff,
) -> None:
    with replacing_tree(path) as partial:
        group = zarr.create_group(partial, zarr_format=ngff.zarr_format)
        array = _store(group, 0, values, ngff)
        levels = 1
        while max(values.shape) > SMALLEST:
            # Read the level before from disk, so that only one of its blocks is in memory.
            finer = da.from_zarr(str(partial / str(levels - 1)), chunks=2 * SHARD)
            smaller = tuple(tuple(-(-side // 2) for side in sides) for sides in finer.chunks)
            values = finer.map_blocks(halved, dtype=np.float32, chunks=smaller)
            array = _store(group, levels, values, ngff)
            levels += 1
        name, mpp = f"{slide.name}: {shown.name}", (slide.mpp_y, slide.mpp_x)
        coarsest = np.asarray(array[:], np.float32)
        told = {"multiscales": [_multiscales(name, levels, mpp, l0_cell, l0_offset)], **shown.omero(coarsest)}
        ngff.describe(group, told)


def _store(group: zarr.Group, level: int, values: da.Array, ngff: Ngff) -> zarr.Array[Any]:
    array = group.create_array(
        str(level),
        shape=values.shape,
        chunks=(SMALLEST, SMALLEST),
        dtype=np.float32,
        fill_value=np.nan,
        **ngff.array,
    )
    da.store(values.rechunk(SHARD), array, lock=False, scheduler=on_threads)  # type: ignore[arg-type]
    return array


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
    return {"name": name, "axes": axes, "datasets": datasets, "type": "mean"}
