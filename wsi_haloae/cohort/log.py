"""The log of a slide, and the progress that a worker reports."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console

from wsi_haloae.atomic import appending, own_folder
from wsi_haloae.cohort.table import LOG_NAME
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.score_slide import SCORING

WIDTH = 10_000
REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class SlideProgress:
    """Progress of a slide: tiles done, all its tiles, and tiles done since the last report."""

    slide: str
    worker: str
    attempt: int
    done: int = 0
    tiles: int = 0
    new: int = 0


OnProgress = Callable[[int, int, int], None]
"""Called with tiles done, all tiles, and tiles done since the last call."""


class SlideLog(Reporter):
    """Writes everything to the slide's log, with the time, and reports progress from time to time."""

    def __init__(self, stream: TextIO, on_progress: OnProgress) -> None:
        super().__init__(
            verbose=True, console=Console(file=cast("TextIO", _Stamped(stream)), width=WIDTH, highlight=False)
        )
        self._on_progress = on_progress

    @contextmanager
    def track(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Log progress as a plain line from time to time; progress of scoring itself is also reported."""
        with super().track(label, total, unit, done) as logged:
            if not label.startswith(SCORING):
                yield logged
                return
            reports = _Throttled(self._on_progress, total, done)
            try:

                def advance(count: int) -> None:
                    logged(count)
                    reports.advance(count)

                yield advance
            finally:
                reports.report()


@contextmanager
def slide_log(folder: Path, on_progress: OnProgress) -> Iterator[SlideLog]:
    """The log of the slide whose outputs go to ``folder``. New lines are appended."""
    own_folder(folder)
    with appending(folder / LOG_NAME) as stream:
        yield SlideLog(stream, on_progress)


class _Throttled:
    """Reports tiles at most once in `REPORT_SECONDS`, because a thousand workers may share one scheduler."""

    def __init__(self, on_progress: OnProgress, total: int, done: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, done
        self._new, self._last = 0, time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        self._new += count
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self.report()

    def report(self) -> None:
        self._on_progress(self._done, self._total, self._new)
        self._new, self._last = 0, time.monotonic()


class _Stamped(io.TextIOBase):
    """A text stream that writes the time before every line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self._begins = stream, True

    def write(self, text: str) -> int:
        """Write text of any number of lines."""
        for line in text.splitlines(keepends=True):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S  ") if self._begins else ""
            self._stream.write(stamp + line)
            self._begins = line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        self._stream.flush()
