"""Deep Zoom: a slide as a pyramid of small tiles, each half as fine as the one below, for web viewers.

    level 0                 1 x 1 pixel
    level n - 1             half of level 0 of the slide
    level n                 level 0 of the slide, cut into tiles of 254 pixels with 1 pixel around

`openslide.deepzoom` decides where a tile lies and which level of the slide it is read from. Its pixels come from
`Slide.read_region`, which fills in the background and keeps working after a region that cannot be decoded. The whole
slide is shown, not only its bounds: every coordinate in this package counts from the slide's top left corner.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import openslide
from numpy.typing import NDArray
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image

from wsi_haloae.slide.properties import MPP_TOLERANCE, Slide

TILE_SIZE, OVERLAP = 510, 1
"""Pixels. At half this size a screen needs four times as many requests and takes a second longer to fill."""
LARGEST_REGION = 4400**2
"""Pixels read for one tile: 75 MB. A file without a pyramid would need all of level 0 (`DeepZoom.too_large`)."""


class DeepZoom:
    """The pyramid over a slide whose levels have these dimensions (width, height) and downsamples.

    It holds no file and has no state, so threads may share it.
    """

    def __init__(self, dimensions: tuple[tuple[int, int], ...], downsamples: tuple[float, ...]) -> None:
        stated = cast("openslide.AbstractSlide", _Stated(dimensions, downsamples))
        self._plan = DeepZoomGenerator(stated, TILE_SIZE, OVERLAP, limit_bounds=False)

    @property
    def levels(self) -> int:
        """Number of levels; the last is level 0 of the slide."""
        return int(self._plan.level_count)

    def dimensions(self, level: int) -> tuple[int, int]:
        """Width and height of a level in pixels."""
        width, height = self._plan.level_dimensions[level]
        return int(width), int(height)

    def has(self, level: int, column: int, row: int) -> bool:
        """Whether this tile exists."""
        if not 0 <= level < self.levels:
            return False
        columns, rows = self._plan.level_tiles[level]
        return 0 <= column < columns and 0 <= row < rows

    def size(self, level: int, column: int, row: int) -> tuple[int, int]:
        """Width and height of a tile in pixels, including the overlap with its neighbours."""
        width, height = self._plan.get_tile_dimensions(level, (column, row))
        return int(width), int(height)

    def too_large(self, level: int, column: int, row: int) -> bool:
        """Whether a tile needs more than `LARGEST_REGION` pixels to be read, too much memory for one tile."""
        _, _, (width, height) = self._plan.get_tile_coordinates(level, (column, row))
        return width * height > LARGEST_REGION

    def read(self, slide: Slide, level: int, column: int, row: int) -> NDArray[np.uint8]:
        """One tile (h, w, 3). Raises `RegionReadError` if it cannot be decoded."""
        (l0_x, l0_y), slide_level, region = self._plan.get_tile_coordinates(level, (column, row))
        pixels = slide.read_region(l0_x, l0_y, slide_level, max(1, region[0]), max(1, region[1]))
        return _resized(Image.fromarray(pixels), self.size(level, column, row), box=None)

    def cut(self, picture: NDArray[np.uint8], level: int, column: int, row: int) -> NDArray[np.uint8]:
        """The same tile (h, w, 3) from a small picture (h, w, 3) of the whole slide."""
        width, height = self.dimensions(level)
        scale_x, scale_y = picture.shape[1] / width, picture.shape[0] / height
        tile_width, tile_height = size = self.size(level, column, row)
        left, top = (place * TILE_SIZE - OVERLAP * (place > 0) for place in (column, row))
        right, bottom = min(width, left + tile_width), min(height, top + tile_height)
        return _resized(
            Image.fromarray(picture), size, box=(left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
        )


def _resized(
    picture: Image.Image, size: tuple[int, int], *, box: tuple[float, float, float, float] | None
) -> NDArray[np.uint8]:
    if picture.size == size and box is None:
        return np.asarray(picture)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))


class _Stated:
    """The slide properties that `DeepZoomGenerator` needs before it reads."""

    def __init__(self, dimensions: tuple[tuple[int, int], ...], downsamples: tuple[float, ...]) -> None:
        self.level_dimensions, self.level_downsamples = dimensions, downsamples
        self.dimensions = dimensions[0]
        self.properties: dict[str, Any] = {}

    def get_best_level_for_downsample(self, downsample: float) -> int:
        """The coarsest level that is fine enough; 4.0003 counts as 4."""
        return max(
            (n for n, coarse in enumerate(self.level_downsamples) if coarse <= downsample * (1 + MPP_TOLERANCE)),
            default=0,
        )
