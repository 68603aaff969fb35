"""Compressed tiles of a TIFF become pixels, exactly as OpenSlide decodes them; or an error, and OpenSlide decides.

JPEG is decoded by simplejpeg, because it can be strict: for damage that libjpeg only warns of, OpenSlide gives an error
and no pixels, while imagecodecs, Pillow and tifffile give grey or garbage without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BEGIN = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"
"""The first two markers of a code stream: SOC and SIZ."""
_SIZES = slice(8, 40)
"""Width and height of the grid, origin of the image on it, and of its only piece: eight numbers of 4 bytes."""
_COMPONENTS = slice(40, 51)
_RGB = b"\x00\x03" + b"\x07\x01\x01" * 3
"""Three components of 8 bits, none of them reduced."""


class TileCodec(Protocol):
    """How the tiles of one level are compressed."""

    @property
    def name(self) -> str:
        """Of the library, for people."""
        ...

    def decode(self, data: bytes, width: int, height: int) -> Pixels:
        """A tile as (height, width, 3) RGB.

        Raises an error of `bounds.pixels.UNREADABLE` for one that is damaged, or has another size or other colours:
        OpenSlide may still read it. Memory is only taken for the size asked for.
        """
        ...


@dataclass(frozen=True)
class Jpeg:
    """JPEG whose ``colours`` are stored as RGB or YCbCr; ``tables`` is what a TIFF keeps for all tiles, or empty."""

    colours: str
    tables: bytes
    name: str = "simplejpeg"

    def decode(self, data: bytes, width: int, height: int) -> Pixels:
        """See `TileCodec.decode`."""
        if not data.startswith(_BEGIN):
            raise ValueError("it does not begin like a JPEG")
        whole = b"".join((_BEGIN, self._colour_mark, self.tables[len(_BEGIN) : -len(_BEGIN)], data[2:]))
        found = simplejpeg.decode_jpeg_header(whole, strict=True)[:3]
        if found != (height, width, self.colours):
            raise ValueError(f"it is a JPEG of {found}, not {(height, width, self.colours)}")
        return np.asarray(simplejpeg.decode_jpeg(whole, "RGB", strict=True))

    @property
    def _colour_mark(self) -> bytes:
        """Adobe's marker. Decoders guess the colours of a JPEG without any, and OpenSlide takes those of the TIFF."""
        return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([self.colours == "YCbCr"])


@dataclass(frozen=True)
class Jpeg2000:
    """JPEG 2000 in RGB, as Aperio writes it."""

    name: str = "imagecodecs"

    def decode(self, data: bytes, width: int, height: int) -> Pixels:
        """See `TileCodec.decode`."""
        wanted = np.array([width, height, 0, 0, width, height, 0, 0], ">u4").tobytes()
        if not data.startswith(_JPEG_2000) or data[_SIZES] != wanted or data[_COMPONENTS] != _RGB:
            raise ValueError(f"it is no JPEG 2000 of {width} x {height} pixels in RGB")
        return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=1))
