"""A thumbnail of a slide at a given pixel size, read in bounded memory.

OpenSlide's own thumbnail reads one whole level; a slide with a single 70,000 x 70,000 level
would need 20 GB. Here the nearest finer level is read in pieces, each averaged at once.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.errors import RegionReadError, SlideError
from wsi_haloae.progress import with_noun
from wsi_haloae.slide.properties import MPP_TOLERANCE, Slide, SlideProperties

MAX_SIDE = 4096
"""Longest side of a thumbnail in pixels; larger slides get larger thumbnail pixels."""
PIECE = 1024
"""Width and height of a piece in pixels of the level, roughly: 4 MB each."""
SMALLEST_PIECE = 128
"""A piece that fails is read again in quarters, down to this size, so that one bad JPEG costs little else."""
TRIED, LATTICE = 16, 3
"""If so many small regions fail and none was read, ``LATTICE`` x ``LATTICE`` places all over the slide are tried first:
perhaps nothing can be decoded."""
MOST_FAILURES = 500
"""After so many, larger regions that fail are not read again in quarters: they count as glass whole."""


@dataclass(frozen=True)
class Thumbnail:
    """``rgb`` is (h, w, 3); ``l0_per_pixel_x`` and ``_y`` are level-0 pixels per thumbnail pixel.

    ``warnings`` says which parts could not be read; they have the background colour.
    """

    rgb: NDArray[np.uint8]
    l0_per_pixel_x: float
    l0_per_pixel_y: float
    warnings: tuple[str, ...]


def read_thumbnail(slide: Slide, mpp: float) -> Thumbnail:
    """The whole slide at ``mpp`` micrometres per pixel, or coarser if it would exceed `MAX_SIDE`.

    A slide coarser than ``mpp`` is read at its own pixel size. Raises `MissingMppError` without a pixel size, and
    `SlideError` if no part of it can be decoded.
    """
    properties = slide.properties
    l0_x, l0_y = _l0_per_pixel(properties, mpp)
    size = math.ceil(properties.width / l0_x), math.ceil(properties.height / l0_y)
    reader = _PieceReader(slide, _level_for(properties, min(l0_x, l0_y)), l0_x, l0_y, size)
    reader.read_all()
    return Thumbnail(reader.rgb, l0_x, l0_y, reader.warnings())


def _l0_per_pixel(properties: SlideProperties, mpp: float) -> tuple[float, float]:
    mpp_x, mpp_y = properties.known_mpp()
    scale_x, scale_y = max(1.0, mpp / mpp_x), max(1.0, mpp / mpp_y)
    too_long = max(1.0, properties.width / scale_x / MAX_SIDE, properties.height / scale_y / MAX_SIDE)
    return scale_x * too_long, scale_y * too_long


def _level_for(properties: SlideProperties, l0_per_pixel: float) -> int:
    fine_enough = [d <= l0_per_pixel * (1 + MPP_TOLERANCE) for d in properties.level_downsamples]
    return max((level for level, is_fine in enumerate(fine_enough) if is_fine), default=0)


class _PieceReader:
    """Fills the thumbnail piece by piece and remembers what failed."""

    def __init__(self, slide: Slide, level: int, l0_x: float, l0_y: float, size: tuple[int, int]) -> None:
        self._slide = slide
        self._level = level
        self._l0_x, self._l0_y = l0_x, l0_y
        downsample = slide.properties.level_downsamples[level]
        self._scale_x, self._scale_y = l0_x / downsample, l0_y / downsample  # level pixels per thumbnail pixel
        self._failures: list[str] = []
        self.rgb = np.empty((size[1], size[0], 3), np.uint8)
        self._any_read = False

    def read_all(self) -> None:
        height, width = self.rgb.shape[:2]
        step_x, step_y = max(1, int(PIECE / self._scale_x)), max(1, int(PIECE / self._scale_y))
        for top in range(0, height, step_y):
            for left in range(0, width, step_x):
                self._read(left, top, min(left + step_x, width), min(top + step_y, height))
        if not self._any_read:
            raise self._nothing_read()

    def _require_something(self) -> None:
        height, width = self.rgb.shape[:2]
        for step in range(LATTICE**2):
            row, column = divmod(step, LATTICE)
            left, top = (2 * column + 1) * width // (2 * LATTICE), (2 * row + 1) * height // (2 * LATTICE)
            with suppress(RegionReadError):
                self._averaged(left, top, left + 1, top + 1)
                return
        raise self._nothing_read()

    def _nothing_read(self) -> SlideError:
        return SlideError(
            f"{self._slide.properties.name}: no part of level {self._level} can be decoded. Copy the slide again "
            f"from its source. First failure: {self._failures[0]}"
        )

    def warnings(self) -> tuple[str, ...]:
        if not self._failures:
            return ()
        warning = (
            f"{with_noun(len(self._failures), 'region')} of level {self._level} that cannot be decoded, taken for "
            f"glass in the tissue mask. The first one: {self._failures[0]}"
        )
        return (warning,)

    def _read(self, left: int, top: int, right: int, bottom: int) -> None:
        """Fill the thumbnail's pixels [top, bottom) x [left, right)."""
        try:
            self.rgb[top:bottom, left:right] = self._averaged(left, top, right, bottom)
            self._any_read = True
        except RegionReadError as error:
            middle_x, middle_y = _middle(left, right, self._scale_x), _middle(top, bottom, self._scale_y)
            if len(self._failures) == TRIED and not self._any_read:
                self._require_something()
            if len(self._failures) >= MOST_FAILURES or (middle_x == left and middle_y == top):
                self._failures.append(str(error))
                self.rgb[top:bottom, left:right] = self._slide.properties.background
                return
            for low_x, high_x in ((left, middle_x), (middle_x, right)):
                for low_y, high_y in ((top, middle_y), (middle_y, bottom)):
                    if low_x < high_x and low_y < high_y:
                        self._read(low_x, low_y, high_x, high_y)

    def _averaged(self, left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
        exact_x, exact_y = left * self._l0_x, top * self._l0_y
        l0_x, l0_y = int(exact_x), int(exact_y)
        width, height = (right - left) * self._scale_x, (bottom - top) * self._scale_y
        # The part of a level-0 pixel that the integer location cuts off, in pixels of the level.
        rest_x, rest_y = (exact_x - l0_x) * self._scale_x / self._l0_x, (exact_y - l0_y) * self._scale_y / self._l0_y
        box = (rest_x, rest_y, rest_x + width, rest_y + height)
        region = self._slide.read_region(l0_x, l0_y, self._level, math.ceil(box[2]), math.ceil(box[3]))
        image = Image.fromarray(region).resize((right - left, bottom - top), Image.Resampling.BOX, box=box)
        return np.asarray(image)


def _middle(low: int, high: int, scale: float) -> int:
    """Where to halve a side; ``low`` when it is small enough already."""
    return (low + high) // 2 if (high - low) * scale > SMALLEST_PIECE else low
