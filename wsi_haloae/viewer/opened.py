"""Slides that are being looked at: opened at the first request, kept while they are among the last few."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import MAP_NAME, REGIONS_NAME, ScoredFolder
from wsi_haloae.viewer.outlines import outlines_of
from wsi_haloae.viewer.picture import SlidePicture
from wsi_haloae.viewer.pixel_map import PixelMapPicture
from wsi_haloae.viewer.rasters import Planes

MOST_OPEN = 4
"""Slides: each has up to four handles with OpenSlide's cache, 128 MB in all."""


class OpenedSlide:
    """A score store and its slide. Columns are read when they are first asked for, and then kept."""

    def __init__(self, scored: ScoredFolder, annotations: Path | None) -> None:
        self.scored, self._annotations = scored, annotations
        self.record = scored.record()
        self.store = ScoreStore.open(scored.store)
        path = None if self.record is None else self.record.slide.path
        self.picture = SlidePicture(Path(path) if isinstance(path, str) else None, self.store)

    @cached_property
    def planes(self) -> Planes:
        """Scores, p-values and marks on the grid."""
        return Planes(self.store, self.criterion)

    @property
    def criterion(self) -> Criterion:
        """What the report calls anomalous tiles by."""
        called = None if self.record is None else self.record.called
        return Criterion.recorded(None if called is None else called.criterion)

    @cached_property
    def pixel_map(self) -> PixelMapPicture | None:
        """The anomaly map; None where scoring kept none."""
        if self.store.header.map_size is None:
            return None
        return PixelMapPicture(self.store, self.scored.file(MAP_NAME))

    @cached_property
    def outlines(self) -> dict[str, Any]:
        """What people drew and what an export found, see `outlines_of`."""
        return outlines_of(self.store.header.slide, self._annotations, self.scored.file(REGIONS_NAME))


class OpenedSlides:
    """The last `MOST_OPEN` slides by name; threads may share it."""

    def __init__(self, catalogue: Mapping[str, ScoredFolder], annotations: Path | None) -> None:
        self.catalogue, self._annotations = catalogue, annotations
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, OpenedSlide] = OrderedDict()

    def get(self, name: str) -> OpenedSlide:
        """The slide of a name; `KeyError` for one that is not in the catalogue, `StoreError` for a damaged store."""
        scored = self.catalogue[name]
        with self._lock:
            slide = self._opened.pop(name, None) or OpenedSlide(scored, self._annotations)
            self._opened[name] = slide
            while len(self._opened) > MOST_OPEN:
                self._opened.popitem(last=False)[1].picture.close()
            return slide

    def warm_up(self) -> None:
        """Read what the page shows first, the first slide's scores, before it asks; what is damaged it is told then."""
        with suppress(WsiHaloaeError):
            planes = self.get(next(iter(self.catalogue))).planes
            _ready = planes.scores, planes.marks

    def forget(self, name: str) -> None:
        """Open a slide anew at the next request: its scores may have grown since."""
        with self._lock:
            slide = self._opened.pop(name, None)
        if slide is not None:
            slide.picture.close()

    def close(self) -> None:
        """Release every file."""
        for name in list(self._opened):
            self.forget(name)
