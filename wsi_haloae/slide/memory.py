"""A slide made from an array: for tests, and for images too small to need a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import RegionReadError
from wsi_haloae.slide.properties import Bounds, SlideProperties


class MemorySlide:
    """A `Slide` over a level-0 array of (height, width, 3).

    ``mpp`` is (x, y) in micrometres, or None for a slide without a pixel size. ``downsamples``
    are the integer factors of the other levels, made by averaging areas. ``unreadable`` holds
    rectangles of level 0 as (x, y, width, height): a read that touches one, at any level,
    raises `RegionReadError`.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        *,
        mpp: tuple[float, float] | None = (0.5, 0.5),
        downsamples: Sequence[int] = (),
        bounds: Bounds | None = None,
        background: tuple[int, int, int] = (255, 255, 255),
        unreadable: Sequence[tuple[int, int, int, int]] = (),
        name: str = "memory",
    ) -> None:
        self._levels = [pixels, *(_reduce(pixels, factor) for factor in downsamples)]
        self._unreadable = tuple(unreadable)
        self._closed = False
        mpp_x, mpp_y = mpp if mpp is not None else (None, None)
        self._properties = SlideProperties(
            name=name,
            vendor="memory",
            level_dimensions=tuple((level.shape[1], level.shape[0]) for level in self._levels),
            level_downsamples=(1.0, *(float(factor) for factor in downsamples)),
            mpp_x=mpp_x,
            mpp_y=mpp_y,
            objective_power=None,
            bounds=bounds,
            background=background,
            fingerprint=hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        )

    @property
    def properties(self) -> SlideProperties:
        """Facts about the slide; ``fingerprint`` covers every pixel of level 0."""
        return self._properties

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """Pixels of one level as (height, width, 3) RGB; see `Slide.read_region`."""
        if self._closed:
            raise ValueError(f"{self._properties.name}: the slide is closed")
        downsample = self._properties.level_downsamples[level]
        self._refuse_unreadable(l0_x, l0_y, width * downsample, height * downsample)
        region = np.empty((height, width, 3), np.uint8)
        region[:] = self._properties.background
        left, top = round(l0_x / downsample), round(l0_y / downsample)
        source = self._levels[level]
        inside = source[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
        row, column = max(-top, 0), max(-left, 0)
        region[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
        return region

    def close(self) -> None:
        """Release the slide. Reading afterwards raises `ValueError`."""
        self._closed = True

    def _refuse_unreadable(self, l0_x: int, l0_y: int, l0_width: float, l0_height: float) -> None:
        for bad_x, bad_y, bad_width, bad_height in self._unreadable:
            apart_x = l0_x + l0_width <= bad_x or bad_x + bad_width <= l0_x
            apart_y = l0_y + l0_height <= bad_y or bad_y + bad_height <= l0_y
            if not (apart_x or apart_y):
                raise RegionReadError(
                    f"{self._properties.name}: the region at level-0 location ({l0_x}, {l0_y}), "
                    f"{l0_width:g} x {l0_height:g} level-0 pixels overlaps a region that cannot be read."
                )


def _reduce(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor, 3)
    return np.asarray(blocks.mean(axis=(1, 3)) + 0.5, np.uint8)
