"""The size that an image states, compared with the table before anything is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from wsi_haloae.bounds.table import IMAGE_BYTES, IMAGE_PIXELS
from wsi_haloae.bounds.tiff import read_pages
from wsi_haloae.errors import WsiHaloaeError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
"""The formats that Pillow may read. Some of its others run programs or have no limits."""

UNREADABLE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, TypeError, LookupError, ArithmeticError, MemoryError),
    *(struct.error, Image.DecompressionBombError),
)
"""What Pillow, tifffile and imagecodecs raise for damaged files."""


def require_image(file: BinaryIO, place: Path, error: type[WsiHaloaeError]) -> None:
    """Raise ``error`` if an image is too large, or is a TIFF whose pages are. The file's position returns to 0.

    `open_image` also knows the size of images in other formats.
    """
    IMAGE_BYTES.require(file.seek(0, 2), place, error)
    file.seek(0)
    for page in read_pages(file, place, error):
        _require_pixels(page.width, page.height, place, error)
        _require_pixels(page.tile_width, page.tile_height, place, error)
    file.seek(0)
    _require_pixels(*_stated(file.read(30)), place, error)
    file.seek(0)


def open_image(file: BinaryIO, place: Path, error: type[WsiHaloaeError]) -> Image.Image:
    """An image whose size is known to be within the table, not decoded yet. Raises ``error``, or what Pillow raises."""
    require_image(file, place, error)
    most = IMAGE_PIXELS.most
    if most > IMAGE_PIXELS.default:  # somebody raised it: Pillow's own limit must not be lower
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or most, most)
    image = Image.open(file, formats=FORMATS)
    _require_pixels(*image.size, place, error)
    return image


def _require_pixels(width: int, height: int, place: Path, error: type[WsiHaloaeError]) -> None:
    IMAGE_PIXELS.require(width * height, place, error)


def _stated(head: bytes) -> tuple[int, int]:
    """Width and height in the header of a PNG or WebP, whose decoders take memory on opening; 0, 0 for others."""
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head[:4] == b"RIFF" and head[8:15] == b"WEBPVP8" and len(head) == 30:
        return _stated_in_webp(head)
    return 0, 0


def _stated_in_webp(head: bytes) -> tuple[int, int]:
    if head[15:16] == b"X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[15:16] == b"L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF
