"""The slide itself: its Deep Zoom tiles, and pictures of single scored tiles.

If the file was moved, replaced by one of another size, or cannot be decoded, the tiles come from the thumbnail in the
score store. So the results can still be viewed, and the page says why the slide is blurred.
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
    """The slide of a score store. ``path`` is where the file was when it was scored; None if that is unknown."""

    def __init__(self, path: Path | None, store: ScoreStore) -> None:
        self._store, self._record = store, store.header.slide
        self._handles: HandlePool | None = None
        self.message: str | None = None
        self.version = "thumbnail"
        """What the pixels were made from. It is part of picture URLs, so that browsers can cache the pictures."""
        properties = self._open(path)
        if properties is None:
            self.deep_zoom = DeepZoom(((self._record.width, self._record.height),), (1.0,))
        else:
            self.deep_zoom = DeepZoom(properties.level_dimensions, properties.level_downsamples)

    @property
    def from_file(self) -> bool:
        """Whether pixels come from the slide's file, not from the thumbnail."""
        return self._handles is not None

    @property
    def finest_level(self) -> int:
        """The last Deep Zoom level that shows more detail than the one before."""
        if self.from_file:
            return self.deep_zoom.levels - 1
        wide_enough = (n for n in range(self.deep_zoom.levels) if self.deep_zoom.dimensions(n)[0] >= self._small_width)
        return next(wide_enough, self.deep_zoom.levels - 1)

    def zoom_tile(self, level: int, column: int, row: int) -> tuple[Pixels, bool]:
        """An existing Deep Zoom tile (h, w, 3), and whether it could be read. Unreadable tiles are grey."""
        if self._handles is None or self.deep_zoom.too_large(level, column, row):
            return self.deep_zoom.cut(self._thumbnail, level, column, row), True
        try:
            with self._handles.borrowed() as slide:
                return self.deep_zoom.read(slide, level, column, row), True
        except RegionReadError:
            width, height = self.deep_zoom.size(level, column, row)
            return np.full((height, width, 3), UNREADABLE_GREY, np.uint8), False
        except SlideError:  # the file was removed while it was viewed
            return self.deep_zoom.cut(self._thumbnail, level, column, row), False

    def scored_tile(self, number: int) -> Pixels:
        """A tile (s, s, 3) as the model read it, before stain normalisation. `SlideError` if it cannot be read."""
        if self._handles is None:
            raise SlideError(self.message or f"{self._record.name}: the slide file is missing, so no tile can be read.")
        l0_x, l0_y = self._store.index.location[number].tolist()
        plan = ReadPlan.of_record(self._store.header.read_plan)
        with self._handles.borrowed() as slide:
            return plan.read(slide, l0_x, l0_y, self._store.header.grid.tile_size)

    def close(self) -> None:
        """Close the slide's file."""
        if self._handles is not None:
            self._handles.close()

    @cached_property
    def _thumbnail(self) -> Pixels:
        return self._store.thumbnail()

    @property
    def _small_width(self) -> int:
        return int(self._thumbnail.shape[1])

    def _open(self, path: Path | None) -> SlideProperties | None:
        """The properties of the file, or None if it is missing or does not fit; `message` tells the user why."""
        if path is None:
            self.message = "No run record says where the slide file is, so this is the thumbnail from the score store."
            return None
        try:
            slide = self._opener(path)()
        except SlideError as error:
            self.message = (
                f"The slide file is not where it was scored, so this is the thumbnail from the score store. {error}"
            )
            return None
        properties = slide.properties
        slide.close()
        if (properties.width, properties.height) != (self._record.width, self._record.height):
            self.message = (
                f"{path} is now another slide ({properties.width} x {properties.height} pixels; the scored slide had "
                f"{self._record.width} x {self._record.height}), so this is the thumbnail from the score store."
            )
            return None
        if properties.fingerprint != self._record.fingerprint:
            self.message = f"{path} is not the file that was scored: the heatmap may not match the slide."
        self._handles, self.version = HandlePool(self._opener(path)), properties.fingerprint[:16]
        if self._store.header.colour_profile == "apply":
            self.version += "-srgb"
        return properties

    def _opener(self, path: Path) -> Callable[[], Slide]:
        """Opens the slide with the colours that the model saw."""
        return lambda: open_slide(path, colour_profile=self._store.header.colour_profile)
