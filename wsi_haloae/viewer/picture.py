"""The slide itself: Deep Zoom tiles, and the pictures of single tiles.

Where the file has moved, was replaced by one of another size, or cannot be decoded, the tiles come from the thumbnail
that the score store keeps: what was scored can still be looked at, and the page says why it is blurred.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import RegionReadError, SlideError
from wsi_haloae.slide.deep_zoom import DeepZoom
from wsi_haloae.slide.handle_pool import HandlePool
from wsi_haloae.slide.properties import Slide, SlideProperties
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.tiles.plan import ReadPlan

UNREADABLE_GREY = 128
Pixels = NDArray[np.uint8]


class SlidePicture:
    """The picture behind a score store; ``path`` is where its slide was when it was scored, None if nobody knows."""

    def __init__(self, path: Path | None, store: ScoreStore) -> None:
        self._store, self._record = store, store.header.slide
        self._lender: HandlePool | None = None
        self.message: str | None = None
        self.version = "thumbnail"
        """What the pixels are of, for addresses of pictures that a browser keeps."""
        properties = self._open(path)
        if properties is None:
            self.deep_zoom = DeepZoom(((self._record.width, self._record.height),), (1.0,))
        else:
            self.deep_zoom = DeepZoom(properties.level_dimensions, properties.level_downsamples)

    @property
    def from_file(self) -> bool:
        """Whether the slide's file is there."""
        return self._lender is not None

    @property
    def finest_level(self) -> int:
        """The last Deep Zoom level that shows more than the one before."""
        if self.from_file:
            return self.deep_zoom.levels - 1
        wide_enough = (n for n in range(self.deep_zoom.levels) if self.deep_zoom.dimensions(n)[0] >= self._small_width)
        return next(wide_enough, self.deep_zoom.levels - 1)

    def zoom_tile(self, level: int, column: int, row: int) -> tuple[Pixels, bool]:
        """A Deep Zoom tile that exists, (h, w, 3), and whether it could be read; one that could not is grey."""
        if self._lender is None or self.deep_zoom.too_large(level, column, row):
            return self.deep_zoom.cut(self._thumbnail, level, column, row), True
        try:
            with self._lender.borrowed() as slide:
                return self.deep_zoom.read(slide, level, column, row), True
        except RegionReadError:
            width, height = self.deep_zoom.size(level, column, row)
            return np.full((height, width, 3), UNREADABLE_GREY, np.uint8), False
        except SlideError:  # the file went away while it was looked at
            return self.deep_zoom.cut(self._thumbnail, level, column, row), False

    def scored_tile(self, number: int) -> Pixels:
        """A tile (s, s, 3) as the model saw it before stains were matched; `SlideError` where it cannot be had."""
        if self._lender is None:
            raise SlideError(self.message or f"{self._record.name}: there is no slide to read the tile from.")
        l0_x, l0_y = self._store.index.location[number].tolist()
        plan = ReadPlan.of_record(self._store.header.read_plan)
        with self._lender.borrowed() as slide:
            return plan.read(slide, l0_x, l0_y, self._store.header.grid.tile_size)

    def close(self) -> None:
        """Release the slide's file."""
        if self._lender is not None:
            self._lender.close()

    @cached_property
    def _thumbnail(self) -> Pixels:
        return self._store.thumbnail()

    @property
    def _small_width(self) -> int:
        return int(self._thumbnail.shape[1])

    def _open(self, path: Path | None) -> SlideProperties | None:
        """What the file says of itself, if it is there and fits; `message` is what the user must know."""
        if path is None:
            self.message = "No finished run record says where this slide is: this is the thumbnail from its scores."
            return None
        try:
            slide = open_slide(path)
        except SlideError as error:
            self.message = f"The slide is not where it was scored, so this is the thumbnail from its scores. {error}"
            return None
        properties = slide.properties
        slide.close()
        if (properties.width, properties.height) != (self._record.width, self._record.height):
            self.message = (
                f"{path} is now another slide ({properties.width} x {properties.height} pixels, scored were "
                f"{self._record.width} x {self._record.height}), so this is the thumbnail from the scores."
            )
            return None
        if properties.fingerprint != self._record.fingerprint:
            self.message = f"{path} is not the file that was scored: heatmap and slide may not belong together."
        self._lender, self.version = HandlePool(_opener(path)), properties.fingerprint[:16]
        return properties


def _opener(path: Path) -> Callable[[], Slide]:
    return lambda: open_slide(path)
