"""Slides in TIFF whose own tiles are decoded without OpenSlide, several times as fast, to the same pixels.

OpenSlide opens the file, and states its facts. A window is put together from the file's tiles where that gives what
OpenSlide would give: at a level whose downsample is a whole number, at a place that is a pixel of that level. All else
OpenSlide reads, also a window with a tile that is missing, damaged or unusual: so errors are OpenSlide's, too.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.bounds.pixels import UNREADABLE
from wsi_haloae.slide.openslide_slide import open_with_openslide
from wsi_haloae.slide.properties import Slide, SlideProperties
from wsi_haloae.slide.same_pixels import Verdict, verdict_on
from wsi_haloae.slide.slide_file import readable
from wsi_haloae.slide.tile_cache import TileCache
from wsi_haloae.slide.tile_layout import VENDORS

Pixels = NDArray[np.uint8]


def open_tiled(path: Path, *, mpp: float | None = None, override_mpp: bool = False) -> Slide:
    """The slide in ``path``, read by OpenSlide unless its own tiles give the same pixels; see `readers.open_slide`.

    Raises what `open_with_openslide` raises.
    """
    slide = open_with_openslide(path, mpp=mpp, override_mpp=override_mpp)
    if slide.properties.vendor not in VENDORS:
        return slide
    file = readable(path)
    try:
        return TiledSlide(slide, file, verdict_on(slide, file, path))
    except BaseException:
        file.close()
        slide.close()
        raise


class TiledSlide:
    """A `Slide` on another, whose levels in a verdict are decoded here; made by `open_tiled`. Belongs to one thread."""

    def __init__(self, slide: Slide, file: BinaryIO, verdict: Verdict) -> None:
        self._slide, self._file, self._levels = slide, file, verdict.levels
        weakref.finalize(self, file.close)  # a slide that nobody closed, as OpenSlide does
        self._properties = replace(slide.properties, reader=verdict.reader)
        self._cache = TileCache({number: level.cut for number, level in verdict.levels.items()})
        self._damaged = set[tuple[int, int]]()
        """Levels and numbers of tiles that could not be decoded: OpenSlide alone reads windows that meet them."""

    @property
    def properties(self) -> SlideProperties:
        """Those that OpenSlide states."""
        return self._properties

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> Pixels:
        """Pixels of one level as (height, width, 3) RGB; see `Slide.read_region`."""
        stored = self._levels.get(level)
        if not self._file.closed and stored and not (l0_x % stored.downsample or l0_y % stored.downsample):
            left, top = l0_x // stored.downsample, l0_y // stored.downsample
            met = {(level, number) for number in stored.cut.met(left, top, width, height)} if self._damaged else set()
            try:
                if self._damaged.isdisjoint(met):
                    size = (width, height)
                    return self._cache.window(self._decode, level, left, top, size, self._properties.background)
            except UNREADABLE:  # OpenSlide tells why, or reads it all the same
                pass
        return self._slide.read_region(l0_x, l0_y, level, width, height)

    def close(self) -> None:
        """Release the file. Closing twice does nothing."""
        self._file.close()
        self._slide.close()

    def _decode(self, level: int, number: int) -> Pixels:
        try:
            return self._levels[level].decode(self._file, number)
        except UNREADABLE:
            self._damaged.add((level, number))
            raise
