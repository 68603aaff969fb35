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

from wsi_haloae.pace import SlidesPace, duration, rate_words
from wsi_haloae.quoting import printable, printable_lines

PLAIN_LINE_SECONDS = 10.0

Advance = Callable[[int], None]


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
    def track_slides(self, label: str, total: int) -> Iterator[SlidesPace]:
        """Show the progress of many slides; the yielded object is told of it."""
        if self.quiet:
            yield SlidesPace(total, lambda _pace: None)
        elif self._console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}")
            with Progress(*columns, console=self._console) as bar:
                task = bar.add_task(escape(printable(label)), total=total, words="")
                yield SlidesPace(total, lambda pace: bar.update(task, completed=pace.work, words=pace.words))
        else:
            yield SlidesPace(total, self._plain_slides(label))

    def _bar(self, unit: str) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(unit),
            TimeRemainingColumn(),
            console=self._console,
        )

    def _plain_lines(self, label: str, total: int, unit: str, done: int) -> Advance:
        start = last = time.monotonic()
        count = done

        def advance(step: int) -> None:
            nonlocal count, last
            count += step
            now = time.monotonic()
            if now - last < PLAIN_LINE_SECONDS and count < total:
                return
            last = now
            words = rate_words(count - done, now - start, unit)
            rate = (count - done) / max(now - start, 1e-9)
            left = duration((total - count) / rate) if rate else "?"
            self.line(", ".join(filter(None, (f"{label}: {count}/{total} {unit}", words, f"{left} left"))))

        return advance

    def _plain_slides(self, label: str) -> Callable[[SlidesPace], None]:
        last = time.monotonic()

        def tell(pace: SlidesPace) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PLAIN_LINE_SECONDS or pace.ended == pace.total:
                last = now
                self.line(f"{label}: {pace.words}")

        return tell


def full_traceback(error: BaseException) -> str:
    """The traceback of an error and of its causes, including those that ``from None`` hides."""
    link: BaseException | None = error
    while link is not None:
        link.__suppress_context__ = False
        link = link.__cause__ or link.__context__
    return "".join(traceback.format_exception(error)).rstrip()


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Units per second, once known."""
        return Text(rate_words(task.speed, 1, self._unit) if task.speed else "")


def _shown(text: str) -> str:
    """Text for Rich, which would otherwise read words in square brackets as a style."""
    return escape(printable_lines(text).replace("\n", "\n    "))


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
