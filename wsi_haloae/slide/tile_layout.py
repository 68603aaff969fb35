"""Where the compressed tiles of a slide in TIFF lie, so that they can be read without OpenSlide."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.bounds.tiff import Page, read_pages
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.tile_cache import CACHE_BYTES, Cut
from wsi_haloae.slide.tile_codecs import Jpeg, Jpeg2000, TileCodec

Pixels = NDArray[np.uint8]

VENDORS = frozenset({"aperio", "generic-tiff"})
"""As OpenSlide calls them. In their files tiles lie side by side, and all pixels of a level are in one page."""
_BITS, _COMPRESSION, _COLOURS, _SAMPLES, _PLANES, _OFFSETS, _COUNTS, _TABLES = 258, 259, 262, 277, 284, 324, 325, 347
_JPEG, _JPEG_2000_RGB = 7, 33005
_JPEG_COLOURS = {2: "RGB", 6: "YCbCr"}
_LEAST_BYTES = 1 << 16
"""Any tile may have so many. A larger one may have as many as its pixels: whoever needs more is damaged."""

_AROUND_A_CORNER = 4
"""Tiles that must fit into the cache: a window may meet so many, and its neighbours meet them again."""


@dataclass(frozen=True, eq=False)
class TileLevel:
    """One level of a slide: where its tiles lie, how many bytes each has (0: it is missing), and how it is decoded.

    ``downsample`` is a whole number: elsewhere OpenSlide mixes neighbouring pixels.
    """

    cut: Cut
    downsample: int
    offsets: NDArray[np.unsignedinteger]
    counts: NDArray[np.unsignedinteger]
    codec: TileCodec

    def decode(self, file: BinaryIO, number: int) -> Pixels:
        """A tile as (tile_height, tile_width, 3) RGB; raises as `TileCodec.decode`, also for one that is missing."""
        return self.codec.decode(self._stored(file, number), self.cut.tile_width, self.cut.tile_height)

    def _stored(self, file: BinaryIO, number: int) -> bytes:
        offset, count = int(self.offsets[number]), int(self.counts[number])
        if not offset or not count or count > max(_LEAST_BYTES, 3 * self.cut.tile_width * self.cut.tile_height):
            raise ValueError(f"it has {count} bytes at {offset}")
        file.seek(offset)
        return file.read(count)


def read_layout(
    file: BinaryIO, path: Path, dimensions: Sequence[tuple[int, int]], downsamples: Sequence[float]
) -> dict[int, TileLevel]:
    """The levels whose tiles are JPEG or JPEG 2000, by their number; ``dimensions`` and ``downsamples`` of each level.

    Levels whose downsample is no whole number are left out, and those whose tiles are too large to be kept.
    """
    file.seek(0)
    pages = read_pages(file, path, SlideError)
    found = {}
    for level, ((width, height), downsample) in enumerate(zip(dimensions, downsamples, strict=True)):
        page = next((page for page in pages if (page.width, page.height) == (width, height) and page.tile_width), None)
        if page is not None and float(downsample).is_integer():
            tiles = _level(file, page, int(downsample))
            if tiles is not None:
                found[level] = tiles
    return found


def _level(file: BinaryIO, page: Page, downsample: int) -> TileLevel | None:
    codec, offsets, counts = _codec(file, page), _values(file, page, _OFFSETS), _values(file, page, _COUNTS)
    if codec is None or not page.tile_height:
        return None
    cut = Cut(page.width, page.height, page.tile_width, page.tile_height)
    whole = len(offsets) == len(counts) == cut.across * cut.down
    fits = _AROUND_A_CORNER * 3 * cut.tile_width * cut.tile_height <= CACHE_BYTES
    return TileLevel(cut, downsample, offsets, counts, codec) if whole and fits else None


def _codec(file: BinaryIO, page: Page) -> TileCodec | None:
    """None for tiles that only OpenSlide decodes."""
    compression, colours, samples, planes = (
        next(iter(_values(file, page, tag).tolist()), usual)
        for tag, usual in ((_COMPRESSION, 1), (_COLOURS, 0), (_SAMPLES, 1), (_PLANES, 1))
    )
    if samples != 3 or planes != 1 or set(_values(file, page, _BITS).tolist()) != {8}:
        return None
    if compression == _JPEG and colours in _JPEG_COLOURS:
        return Jpeg(_JPEG_COLOURS[colours], _values(file, page, _TABLES).tobytes())
    return Jpeg2000() if compression == _JPEG_2000_RGB else None


def _values(file: BinaryIO, page: Page, number: int) -> NDArray[np.unsignedinteger]:
    """The values of a tag; none if the page lacks it, or if it lies beyond the file."""
    tag = page.tags.get(number)
    if tag is None or tag.offset >= os.fstat(file.fileno()).st_size:
        return np.zeros(0, np.uint8)
    kind = np.dtype(tag.kind)
    file.seek(tag.offset)
    data = file.read(tag.count * kind.itemsize)
    return np.frombuffer(data, kind) if len(data) == tag.count * kind.itemsize else np.zeros(0, np.uint8)
