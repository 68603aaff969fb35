"""The slides that are shown: opened at the first request, and kept open while they are among the last few."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import MAP_NAME, REGIONS_NAME, ScoredFolder
from wsi_haloae.viewer.marking import Marking, export_command
from wsi_haloae.viewer.outlines import outlines_of
from wsi_haloae.viewer.picture import SlidePicture
from wsi_haloae.viewer.pixel_map import PixelMapPicture
from wsi_haloae.viewer.rasters import Rasters
from wsi_haloae.viewer.slide_threads import SlideThreads

MOST_OPEN = 4
"""Slides that stay open. Each has up to four handles with OpenSlide's cache, 128 MB in total."""


class OpenedSlide:
    """A score store and its slide. Columns are read on first use and then kept."""

    def __init__(self, scored: ScoredFolder, annotations: Path | None, objects: Objects = "annotation") -> None:
        self.scored, self._annotations, self._objects = scored, annotations, objects
        self.record = scored.record()
        self.store = ScoreStore.open(scored.store)
        path = None if self.record is None else self.record.slide.path
        self.picture = SlidePicture(Path(path) if isinstance(path, str) else None, self.store)

    @cached_property
    def rasters(self) -> Rasters:
        """Scores, p-values and marks on the grid."""
        return Rasters(self.store, self.criterion)

    @property
    def criterion(self) -> Criterion:
        """The criterion by which the report calls tiles anomalous."""
        called = None if self.record is None else self.record.called
        return Criterion.recorded(None if called is None else called.criterion)

    @cached_property
    def marking(self) -> Marking:
        """For marking reference tissue. Raises `UsageError` if that cannot be done on this slide."""
        return Marking(self.scored, self.store)

    @property
    def not_exported(self) -> str:
        """What to do if scores were adapted after the report and tables were written, as a sentence; else ""."""
        adapted = self.store.adapted
        exported = None if self.record is None else (self.record.model_extra or {}).get("adaptation")
        if exported == (adapted and adapted.record.model_dump(mode="json")):
            return ""
        return (
            "The scores have been adapted after the report and tables of this slide were written. To write them again: "
            f"{export_command(self.scored)}"
        )

    @cached_property
    def pixel_map(self) -> PixelMapPicture | None:
        """The anomaly map; None if the slide was scored without maps."""
        if self.store.header.map_size is None:
            return None
        return PixelMapPicture(self.store, self.scored.file(MAP_NAME))

    @cached_property
    def outlines(self) -> dict[str, Any]:
        """People's annotations and the exported regions, see `outlines_of`."""
        return outlines_of(self.store.header.slide, self._annotations, self.scored.file(REGIONS_NAME), self._objects)


class OpenedSlides:
    """The last `MOST_OPEN` slides by name. It is safe to use from several threads.

    Whatever may wait for a disk is called on the threads of its slide (`threads`), and without a lock that a request
    for another slide needs.
    """

    def __init__(
        self, catalogue: Mapping[str, ScoredFolder], annotations: Path | None, objects: Objects = "annotation"
    ) -> None:
        self.catalogue, self._annotations, self._objects = catalogue, annotations, objects
        self._threads = {name: SlideThreads(name) for name in catalogue}
        self._opening = {name: threading.Lock() for name in catalogue}
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, OpenedSlide] = OrderedDict()

    def threads(self, name: str) -> SlideThreads:
        """The threads on which to call the other methods for this slide. `KeyError` if it is not in the catalogue."""
        return self._threads[name]

    def get(self, name: str) -> OpenedSlide:
        """The slide with this name. `KeyError` if it is not in the catalogue, `StoreError` if its store is damaged."""
        scored = self.catalogue[name]
        with self._opening[name]:
            with self._lock:
                slide = self._opened.get(name)
            if slide is None:
                slide = OpenedSlide(scored, self._annotations, self._objects)
            with self._lock:
                self._opened[name] = slide
                self._opened.move_to_end(name)
                closed = [self._opened.popitem(last=False) for _ in range(len(self._opened) - MOST_OPEN)]
        for other, unused in closed:
            self._threads[other].submit(unused.picture.close)
        return slide

    def warm_up(self) -> None:
        """Read the first slide's scores before the page requests them. The request reports any damage."""
        with suppress(WsiHaloaeError):
            rasters = self.get(next(iter(self.catalogue))).rasters
            _ready = rasters.scores, rasters.marks

    def forget(self, name: str) -> None:
        """Close a slide, so that the next request opens it again: it may have more scores by then."""
        with self._lock:
            slide = self._opened.pop(name, None)
        if slide is not None:
            self._threads[name].submit(slide.picture.close)

    def close(self) -> None:
        """Close all files that can be closed at once."""
        for name in list(self._opened):
            self.forget(name)
