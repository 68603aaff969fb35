"""Turns the progress reports of workers into one progress bar and the rows of cohort.csv."""

from __future__ import annotations

from threading import Lock
from typing import Any

from wsi_haloae.cohort.log import SlideProgress
from wsi_haloae.cohort.table import ENDED, CohortTable
from wsi_haloae.pace import SlidesPace
from wsi_haloae.progress import Reporter

MEASURED = frozenset({"done", "incomplete"})
SCORED = 0.9
"""The part of a slide's work that is done when its tiles are scored; the exports follow."""


class Watch:
    """Receives the reports of one run's workers, in the client's thread."""

    def __init__(self, table: CohortTable, pace: SlidesPace, reporter: Reporter) -> None:
        self._table, self._pace, self._reporter = table, pace, reporter
        self._lock = Lock()

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """A worker has begun a slide or made progress with one."""
        progress = SlideProgress(**event[1])
        with self._lock:
            if self._table.state(progress.slide) in ENDED:  # events may arrive after the result
                return
            if not progress.tiles:
                self._note_begin(progress)
                return
            scored, before = progress.done / progress.tiles, (progress.done - progress.new) / progress.tiles
            self._pace.reach(progress.slide, SCORED * scored, progress.new, before=SCORED * before)

    def end(self, slide: str, **row: Any) -> None:
        """A slide has ended, successfully or not. Only one that was scored now tells how long a slide takes."""
        with self._lock:
            self._table.update(slide, **row)
            self._pace.end(slide, measured=row["state"] in MEASURED and row.get("seconds") is not None)

    def _note_begin(self, progress: SlideProgress) -> None:
        if progress.attempt > 1:
            self._reporter.warn(f"{progress.slide}: its worker died; begun again on {progress.worker}")
        self._table.update(progress.slide, state="running", attempts=progress.attempt, worker=progress.worker)
