"""Reads images of all usual kinds as 8-bit RGB: the one reader of tiles, and of the images of `mvtec`.

The kind of a file is found from its content, not its suffix. Of an animation, the first picture is read. An image is
turned as its orientation in EXIF says, as viewers and programs for drawing masks do. 16-bit values are divided by 257
to get 8 bits. Pillow clips 16-bit grey values at 255 instead, and misreads TIFFs with separate channels, so it is not
used for these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError
from tifffile import EXTRASAMPLE, PHOTOMETRIC, TiffFile, TiffPage

from wsi_haloae.bounds.pixels import UNREADABLE, open_image, require_image
from wsi_haloae.bounds.tiff import MAGICS
from wsi_haloae.errors import UsageError
from wsi_haloae.images.orientation import TAG, UPRIGHT, orientation, turned

Channels = NDArray[np.uint8] | NDArray[np.uint16]
WHITE = 255
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH = 24
"""Position of the bits per channel in a PNG file."""
_PILLOW_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_STRIP = 256
"""Rows of an image that are computed with at once, as larger numbers than it has."""


class _StrangeKindError(Exception):
    """An undamaged image of a kind that has no obvious meaning as 8-bit RGB."""


def decode_rgb(path: Path, background: int = WHITE) -> NDArray[np.uint8]:
    """Read an image at its own size as (h, w, 3) RGB; ``background`` (0..255) shows through transparent parts.

    Greyscale is repeated to three channels. Raises `UsageError` if the file is damaged or cut short, if its pixels have
    neither 8 nor 16 bits (float, 32 bits), if a TIFF contains more than one image, and if it is larger than
    `bounds.table` allows.
    """
    return as_rgb(decode_channels(path), background)


def as_rgb(channels: Channels, background: int) -> NDArray[np.uint8]:
    """What `decode_channels` gives, as `decode_rgb` has it."""
    eight: NDArray[Any] = channels
    if channels.dtype == np.uint16:
        eight = _in_strips(channels, channels.shape, lambda rows: (rows.astype(np.uint32) + 128) // 257)
    return np.broadcast_to(_lay_on(eight, background), (*channels.shape[:2], 3)).copy()


def decode_channels(path: Path) -> Channels:
    """The numbers in an image, in 8 or 16 bits, (h, w, c): grey or RGB, and alpha if it has one.

    Palettes, CMYK and images of one bit come as RGB in 8 bits. Raises `UsageError` as `decode_rgb` does.
    """
    try:
        with path.open("rb") as file:
            require_image(file, path, UsageError)
            return _decode(path, file.read())
    except _StrangeKindError as error:
        raise UsageError(
            f"{path}: contains {error}. One image with 8 or 16 bits per channel is needed, in grey, RGB, palette or "
            "CMYK: save it as an 8-bit PNG."
        ) from None
    except UNREADABLE as error:
        # Pillow's own message for this case only contains the address of an object
        why = "unknown image format" if isinstance(error, UnidentifiedImageError) else error
        raise UsageError(
            f"{path}: cannot be read as an image ({why}). It may be damaged or cut short: copy it again, save it as "
            "PNG, or remove it."
        ) from None


def _decode(path: Path, content: bytes) -> Channels:
    deep: NDArray[np.uint16] | None = None
    if content.startswith(MAGICS):
        deep = _decode_deep_tiff(content)
    elif content.startswith(_PNG) and content[_PNG_DEPTH] == 16:
        with open_image(BytesIO(content), path, UsageError) as image:
            deep = turned(imagecodecs.png_decode(content), orientation(image))
    if deep is None:
        return _decode_with_pillow(path, content)
    return deep if deep.ndim == 3 else deep[:, :, np.newaxis]


def _decode_with_pillow(path: Path, content: bytes) -> NDArray[np.uint8]:
    with open_image(BytesIO(content), path, UsageError) as image:
        if image.mode not in _PILLOW_MODES:
            raise _StrangeKindError(f"pixels of Pillow's mode {image.mode}")
        transparent = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
        pixels = np.asarray(image.convert("RGBA" if transparent else "RGB"))
        return turned(pixels, UPRIGHT if image.format == "TIFF" else orientation(image))  # Pillow turns TIFFs itself


def _decode_deep_tiff(content: bytes) -> NDArray[np.uint16] | None:
    """The image of a 16-bit TIFF as (h, w) or (h, w, c), or None where it has 8 bits or less."""
    with TiffFile(BytesIO(content)) as file:
        page = file.pages.first
        images = sum(other.shape == page.shape for other in file.pages)
        if images > 1:
            raise _StrangeKindError(f"{images} images of the same size")
        if page.dtype in (np.uint8, np.bool_):
            return None
        _refuse_strange_deep_tiff(page)
        _require_whole_tiff(page)
        pixels: NDArray[np.uint16] = page.asarray()
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, 2)
        pixels = 65535 - pixels if page.photometric == PHOTOMETRIC.MINISWHITE else pixels
        return turned(pixels, int(page.tags.valueof(TAG, UPRIGHT)))


def _refuse_strange_deep_tiff(page: TiffPage) -> None:
    if page.dtype != np.uint16 or page.bitspersample != 16:  # 12 bits are uint16 too, with another white
        raise _StrangeKindError(f"pixels of {page.bitspersample} bits, {page.dtype}")
    if page.photometric not in {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB}:
        raise _StrangeKindError(f"16-bit {PHOTOMETRIC(page.photometric).name} colours")
    if page.axes not in {"YX", "YXS", "SYX"} or page.extrasamples not in {(), (EXTRASAMPLE.UNASSALPHA,)}:
        raise _StrangeKindError(f"{page.samplesperpixel} channels of 16 bits that are not grey, RGB or RGB with alpha")


def _require_whole_tiff(page: TiffPage) -> None:
    """Refuse absent strips or tiles, which tifffile would fill with zeros."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(parts) < math.prod(page.chunked):
        raise ValueError(f"only {len(parts)} of {math.prod(page.chunked)} parts are present")
    if any(start == 0 or length == 0 for start, length in parts):
        raise ValueError("a part of the image is missing")


def _lay_on(channels: NDArray[np.uint8], background: int) -> NDArray[np.uint8]:
    """Blend colour channels (h, w, 1 or 3) with a grey background by their alpha, if they have one."""
    if channels.shape[2] in {1, 3}:
        return channels

    def blend(rows: NDArray[np.uint8]) -> NDArray[np.float64]:
        opacity = rows[:, :, -1:] / 255
        return np.rint(rows[:, :, :-1] * opacity + background * (1 - opacity))

    return _in_strips(channels, (*channels.shape[:2], channels.shape[2] - 1), blend)


def _in_strips(
    pixels: NDArray[Any], shape: tuple[int, ...], compute: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[np.uint8]:
    """``compute`` of some rows at a time, as 8 bits: the numbers in between take up to 90 bytes a pixel."""
    done = np.empty(shape, np.uint8)
    for top in range(0, len(pixels), _STRIP):
        done[top : top + _STRIP] = compute(pixels[top : top + _STRIP])
    return done
