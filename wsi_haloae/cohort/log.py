"""A slide's log, and what a worker tells the others of its progress."""

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
TELL_SECONDS = 1.0


@dataclass(frozen=True)
class Told:
    """How far a slide is: tiles done of all its tiles, and how many of them are new since the last time."""

    slide: str
    worker: str
    attempt: int
    done: int = 0
    tiles: int = 0
    new: int = 0


Tell = Callable[[int, int, int], None]
"""Tiles done, of how many, and how many of them since the last call."""


class SlideLog(Reporter):
    """Says everything in the slide's log, with the time, and tells its progress now and then."""

    def __init__(self, stream: TextIO, tell: Tell) -> None:
        super().__init__(
            verbose=True, console=Console(file=cast("TextIO", _Stamped(stream)), width=WIDTH, highlight=False)
        )
        self._tell = tell

    @contextmanager
    def track(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """As a plain line now and then; the scoring itself is told to others too."""
        with super().track(label, total, unit, done) as logged:
            if not label.startswith(SCORING):
                yield logged
                return
            told = _Throttled(self._tell, total, done)
            try:

                def advance(count: int) -> None:
                    logged(count)
                    told.advance(count)

                yield advance
            finally:
                told.tell()


@contextmanager
def slide_log(folder: Path, tell: Tell) -> Iterator[SlideLog]:
    """The log of the slide whose outputs go to ``folder``, continued."""
    own_folder(folder)
    with appending(folder / LOG_NAME) as stream:
        yield SlideLog(stream, tell)


class _Throttled:
    """Tells of tiles at most once in `TELL_SECONDS`: a thousand workers share one scheduler."""

    def __init__(self, tell: Tell, total: int, done: int) -> None:
        self._tell, self._total, self._done = tell, total, done
        self._new, self._last = 0, time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        self._new += count
        if time.monotonic() - self._last >= TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        self._tell(self._done, self._total, self._new)
        self._new, self._last = 0, time.monotonic()


class _Stamped(io.TextIOBase):
    """A text stream that puts the time before every line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self._begins = stream, True

    def write(self, text: str) -> int:
        """Text, of any number of lines."""
        for line in text.splitlines(keepends=True):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S  ") if self._begins else ""
            self._stream.write(stamp + line)
            self._begins = line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""
        self._stream.flush()
