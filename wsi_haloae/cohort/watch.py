"""What is going on: from what workers tell to one progress bar and the rows of cohort.csv."""

from __future__ import annotations

from threading import Lock
from typing import Any

from wsi_haloae.cohort.log import Told
from wsi_haloae.cohort.table import ENDED, CohortTable
from wsi_haloae.progress import Reporter, SlidesAdvance

SCORED = 0.9
"""How much of a slide is done when its tiles are scored: the exports follow."""


class Watch:
    """Listens to the workers of one run, from the client's own thread."""

    def __init__(self, table: CohortTable, advance: SlidesAdvance, reporter: Reporter) -> None:
        self._table, self._advance, self._reporter = table, advance, reporter
        self._parts: dict[str, float] = {}
        self._lock = Lock()

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """A worker has begun a slide, or has come further with one."""
        told = Told(**event[1])
        with self._lock:
            if self._table.state(told.slide) in ENDED:  # events may come after the result
                return
            if not told.tiles:
                self._begins(told)
                return
            self._come_to(told.slide, SCORED * told.done / told.tiles, told.new)

    def end(self, slide: str, **row: Any) -> None:
        """A slide is done with, well or badly."""
        with self._lock:
            self._table.update(slide, **row)
            self._come_to(slide, 1.0, 0)

    def _begins(self, told: Told) -> None:
        if told.attempt > 1:
            self._reporter.warn(f"{told.slide}: its worker vanished; begun again on {told.worker}")
        self._table.update(told.slide, state="running", attempts=told.attempt, worker=told.worker)

    def _come_to(self, slide: str, part: float, tiles: int) -> None:
        self._advance(part - self._parts.get(slide, 0.0), tiles)
        self._parts[slide] = part
