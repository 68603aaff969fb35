"""How fast a run is, and how long it will take: words that say nothing while too little is known."""

from __future__ import annotations

import time
from collections.abc import Callable

FASTEST = 10_000.0
"""Units per second from which a rate says nothing to anybody."""
ENOUGH = 0.25
"""Slides' worth of work from which the time left is estimated. A slide begins with its tissue, which takes a while."""


class SlidesPace:
    """The slides of a run: how many have ended, and from what was scored now, how long the others will take.

    A slide that failed, or was there already, is no measure of the others. ``tell`` is called after each change.
    """

    def __init__(self, total: int, tell: Callable[[SlidesPace], None]) -> None:
        self.total, self.ended = total, 0
        self._tell, self._start, self._tiles, self._measured = tell, time.monotonic(), 0, 0
        self._parts: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._unmeasured = 0

    def reach(self, slide: str, part: float, tiles: int, *, before: float = 0.0) -> None:
        """``part`` (0..1) of a slide is done, with ``tiles`` more; ``before`` is the part that an earlier run did."""
        self._before.setdefault(slide, before)
        self._parts[slide] = part
        self._tiles += tiles
        self._tell(self)

    def end(self, slide: str, *, measured: bool) -> None:
        """A slide has ended; ``measured``: by all of its work."""
        self.ended += 1
        if measured:
            self._measured += 1
            self._parts[slide] = 1.0
        else:
            self._unmeasured += 1
            self._parts.pop(slide, None)
        self._tell(self)

    @property
    def work(self) -> float:
        """Slides that are dealt with, parts included."""
        return self._unmeasured + sum(self._parts.values())

    @property
    def words(self) -> str:
        """Slides that have ended, tiles per second, and the time left once it can be estimated."""
        taken = max(time.monotonic() - self._start, 1e-9)
        parts = [f"{self.ended}/{self.total} slides"]
        if self._tiles:
            parts.append(rate_words(self._tiles, taken, "tiles"))
        measured = sum(part - self._before.get(slide, 0.0) for slide, part in self._parts.items())
        if self.ended < self.total and (self._measured or measured >= ENOUGH):
            parts.append(f"{duration((self.total - self.work) * taken / measured)} left")
        return ", ".join(filter(None, parts))


def rate_words(count: float, seconds: float, unit: str) -> str:
    """Units per second, or seconds for each of a slow kind; "" for a rate that is none."""
    rate = count / max(seconds, 1e-9)
    if not rate or rate > FASTEST:
        return ""
    if rate < 0.1:
        return f"{1 / rate:.0f} s per {_one(unit)}"
    return f"{rate:.1f} {unit}/s" if rate < 100 else f"{rate:,.0f} {unit}/s"


def _one(unit: str) -> str:
    """The singular: tile, pass, row of tiles."""
    noun, *rest = unit.split(" ", 1)
    return " ".join([noun.removesuffix("es" if noun.endswith("sses") else "s"), *rest])


def duration(seconds: float) -> str:
    """Minutes and seconds, 1:05, or hours too, 2:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
