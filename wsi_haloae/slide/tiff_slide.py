"""A slide in a TIFF with its levels inside the first page: only the tiles that a window meets are read and decoded."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from wsi_haloae.bounds.pixels import UNREADABLE
from wsi_haloae.errors import RegionReadError, SlideError
from wsi_haloae.slide.plausible import doubt_about
from wsi_haloae.slide.probe import require_harmless
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.slide.refusals import CONVERT
from wsi_haloae.slide.slide_file import fingerprint, readable
from wsi_haloae.slide.tiff_levels import colour_profile, levels_of, pixel_size
from wsi_haloae.slide.tile_cache import Cut, TileCache

Pixels = NDArray[np.uint8]
WHITE = (255, 255, 255)


def open_tiff(path: Path, *, mpp: float | None = None, override_mpp: bool = False) -> TiffSlide:
    """The slide in ``path``; see `readers.open_slide`. Raises `SlideError` for a file that cannot be opened."""
    with readable(path) as file:
        require_harmless(path, "tifffile")
        tiff, levels = _opened(path)
        dimensions = tuple((page.imagewidth, page.imagelength) for page in levels)
        digest = fingerprint(file, "", dimensions)
    mpp_x, mpp_y = pixel_size(levels[0])
    properties = SlideProperties(
        name=path.name,
        vendor="ome-tiff" if tiff.is_ome else "generic-tiff",
        level_dimensions=dimensions,
        level_downsamples=tuple(dimensions[0][0] / width for width, _ in dimensions),
        mpp_x=mpp_x,
        mpp_y=mpp_y,
        objective_power=None,
        bounds=None,
        background=WHITE,
        fingerprint=digest,
        mpp_doubt=doubt_about(mpp_x, mpp_y),
        profile=colour_profile(levels[0]),
        reader="tifffile",
    )
    return TiffSlide(tiff, levels, properties.with_mpp(mpp, override=override_mpp))


def _opened(path: Path) -> tuple[tifffile.TiffFile, list[tifffile.TiffPage]]:
    with ExitStack() as if_it_fails:
        try:
            tiff = if_it_fails.enter_context(tifffile.TiffFile(path))
            levels = levels_of(path, tiff)
        except UNREADABLE as error:
            raise SlideError(f"{path}: this TIFF cannot be read ({error}). Copy it again from its source.") from None
        if_it_fails.pop_all()
        return tiff, levels


class TiffSlide:
    """A `Slide` on a file that tifffile opened; made by `open_tiff`. Belongs to one thread."""

    def __init__(self, tiff: tifffile.TiffFile, levels: list[tifffile.TiffPage], properties: SlideProperties) -> None:
        self._tiff, self._levels, self._properties = tiff, levels, properties
        weakref.finalize(self, tiff.close)  # a slide that nobody closed, as OpenSlide does
        cuts = (Cut(page.imagewidth, page.imagelength, page.chunks[1], page.chunks[0]) for page in levels)
        self._cache = TileCache(dict(enumerate(cuts)))

    @property
    def properties(self) -> SlideProperties:
        """Facts about the slide. ``fingerprint`` covers the file's size, first and last MiB, and all levels' sizes."""
        return self._properties

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> Pixels:
        """Pixels of one level as (height, width, 3) RGB; see `Slide.read_region`."""
        if self._tiff.filehandle.closed:
            raise ValueError(f"{self._properties.name}: the slide is closed")
        downsample = self._properties.level_downsamples[level]
        left, top = round(l0_x / downsample), round(l0_y / downsample)
        return self._cache.window(self._decode, level, left, top, (width, height), self._properties.background)

    def close(self) -> None:
        """Release the file. Closing twice does nothing."""
        self._tiff.close()

    def _decode(self, level: int, number: int) -> Pixels:
        page = self._levels[level]
        try:
            offset, count = page.dataoffsets[number], page.databytecounts[number]
            if not offset or not count:
                raise ValueError("it is missing in the file")
            self._tiff.filehandle.seek(offset)
            data = self._tiff.filehandle.read(count)
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
            tile, *_ = page.decode(data, number, **tables)
            if tile is None or tile.ndim != 4:
                raise ValueError("it cannot be decoded")
        except UNREADABLE as error:
            raise RegionReadError(
                f"{self._properties.name}: tile {number} of level {level} cannot be decoded ({error}). The rest of the "
                f"slide stays readable. If no tile can be decoded: {CONVERT}"
            ) from error
        return _as_rgb(np.asarray(tile[0], np.uint8))


def _as_rgb(tile: Pixels) -> Pixels:
    """Grey, RGB or RGB with alpha (h, w, c) as (h, w, 3), transparent parts on white."""
    if tile.shape[2] == 4:
        opaque = tile[..., 3:].astype(np.uint16)
        return ((tile[..., :3] * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(tile, (*tile.shape[:2], 3)))
