"""What a run prints while it works: lines, warnings, and progress with rate and time left.

On a terminal progress is a bar. Elsewhere (a log file, CI) it is a plain line every few seconds.
Warnings and errors are also kept, for the run record.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from wsi_haloae.quoting import printable, printable_lines

PLAIN_LINE_SECONDS = 10.0

Advance = Callable[[int], None]
SlidesAdvance = Callable[[float, int], None]


class Reporter:
    """Prints the messages of a run to stderr.

    Control characters are made visible instead of reaching the terminal. The second and later lines of a message are
    indented, so that a file name with a line end in it cannot look like a message.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, console: Console | None = None) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line about the progress of the run; nothing with ``--quiet``."""
        if not self.quiet:
            self._console.print(_shown(text))

    def detail(self, text: str) -> None:
        """Print a line, only with ``--verbose`` and only if ``text`` is not empty."""
        if self.verbose and text:
            self._console.print(_shown(text), style="dim")

    def trace(self, error: BaseException) -> None:
        """Print the traceback of an error, only with ``--verbose``."""
        self.detail(full_traceback(error))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Print how long a stage took, only with ``--verbose``."""
        begun = time.monotonic()
        yield
        self.detail(f"{stage}: {time.monotonic() - begun:.1f} s")

    def warn(self, text: str) -> None:
        """Print a warning, also with ``--quiet``, and keep it for the run record."""
        self.warnings.append(printable_lines(text))
        self._console.print(f"[yellow]warning:[/yellow] {_shown(text)}")

    def error(self, text: str) -> None:
        """Print an error, also with ``--quiet``, and keep it for the run record."""
        self.errors.append(printable_lines(text))
        self._console.print(f"[bold red]error:[/bold red] {_shown(text)}")

    @contextmanager
    def track(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Show the progress of a stage. Call the yielded function with the number of units just finished."""
        if self.quiet:
            yield lambda _count: None
        elif self._console.is_terminal:
            with self._bar(unit) as bar:
                task = bar.add_task(escape(printable(label)), total=total, completed=done)
                yield lambda count: bar.advance(task, count)
        else:
            yield self._plain_lines(label, total, unit, done)

    @contextmanager
    def track_slides(self, label: str, total: int) -> Iterator[SlidesAdvance]:
        """Show the progress of many slides. Call the yielded function with the slides and the tiles just finished.

        The number of slides may be a fraction: 0.1 is a tenth of a slide.
        """
        if self.quiet:
            yield lambda _slides, _tiles: None
        elif self._console.is_terminal:
            with self._bar("slides", TextColumn("{task.fields[tiles]}")) as bar:
                task = bar.add_task(escape(printable(label)), total=total, tiles="")
                shown = _Rate("tiles")

                def advance(slides: float, tiles: int) -> None:
                    bar.update(task, advance=slides, tiles=shown.after(tiles))

                yield advance
        else:
            yield self._plain_slides(label, total)

    def _bar(self, unit: str, *more: ProgressColumn) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(unit),
            *more,
            TimeRemainingColumn(),
            console=self._console,
        )

    def _plain_lines(self, label: str, total: int, unit: str, done: int) -> Advance:
        say = self._now_and_then(label, total, unit, done)
        return lambda count: say(count, "")

    def _plain_slides(self, label: str, total: int) -> SlidesAdvance:
        say, shown = self._now_and_then(label, total, "slides", 0), _Rate("tiles")
        return lambda slides, tiles: say(slides, f"{shown.after(tiles)}, ")

    def _now_and_then(self, label: str, total: int, unit: str, done: int) -> Callable[[float, str], None]:
        start = last = time.monotonic()
        count: float = done

        def advance(step: float, more: str) -> None:
            nonlocal count, last
            count += step
            now = time.monotonic()
            if now - last < PLAIN_LINE_SECONDS and count < total - 1e-6:  # parts of slides add up to nearly one
                return
            last = now
            rate = (count - done) / max(now - start, 1e-9)
            left = duration((total - count) / rate) if rate else "?"
            each = f"{rate:.1f} {unit}/s" if rate >= 0.1 or not rate else f"{1 / rate:.0f} s each"
            self.line(f"{label}: {count + 1e-6:.0f}/{total} {unit}, {each}, {more}{left} left")

        return advance


def full_traceback(error: BaseException) -> str:
    """The traceback of an error and of its causes, including those that ``from None`` hides."""
    link: BaseException | None = error
    while link is not None:
        link.__suppress_context__ = False
        link = link.__cause__ or link.__context__
    return "".join(traceback.format_exception(error)).rstrip()


class _Rate:
    """Units per second since the start."""

    def __init__(self, unit: str) -> None:
        self._unit, self._count, self._start = unit, 0, time.monotonic()

    def after(self, count: int) -> str:
        """The rate after ``count`` more units."""
        self._count += count
        return f"{self._count / max(time.monotonic() - self._start, 1e-9):.0f} {self._unit}/s"


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Units per second, once known."""
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


def _shown(text: str) -> str:
    """Text for Rich, which would otherwise read words in square brackets as a style."""
    return escape(printable_lines(text).replace("\n", "\n    "))


def duration(seconds: float) -> str:
    """Minutes and seconds, 1:05, or hours too, 2:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def with_noun(count: int, noun: str) -> str:
    """A number and its noun: 1 slide, 2,000 slides."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """A number of bytes in the largest unit of which it is at least one: 20.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
