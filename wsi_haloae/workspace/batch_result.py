"""The results of a run over many slides, and its exit code (contract, Exit codes)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from wsi_haloae.errors import OutputExistsError, SetAsideError, WsiHaloaeError
from wsi_haloae.progress import Reporter, full_traceback, with_noun
from wsi_haloae.quoting import about, printable
from wsi_haloae.refused_writes import NO_ROOM, told
from wsi_haloae.workspace.lock import locked
from wsi_haloae.workspace.record import RECORD_NAME, RunRecord
from wsi_haloae.workspace.recorder import RunRecorder
from wsi_haloae.workspace.slide_inputs import SlideInput
from wsi_haloae.workspace.slide_names import slide_problem

DONE, SOME_FAILED, NOTHING_USABLE = 0, 1, 2


@dataclass(frozen=True)
class ItemResult:
    """The result of one slide: done, incomplete (some tiles could not be read) or failed.

    ``error`` is the reason, ``trace`` the traceback. ``set_aside``: workers died on this slide, so this run does not
    try it again. ``refused``: its folder holds other results, which were left as they are.
    """

    name: str
    state: Literal["done", "incomplete", "failed"]
    error: str = ""
    trace: str = ""
    set_aside: bool = False
    refused: bool = False


def attempt(name: str, work: Callable[[], int], failed: Callable[[str], None], reporter: Reporter) -> ItemResult:
    """Do ``work`` on one slide. ``work`` returns the number of tiles that could not be read.

    If it fails, ``failed`` is called with the reason. Only interruptions are raised from here.
    """
    try:
        unreadable = work()
    except OutputExistsError as error:  # the folder holds another run's results: nothing here has failed
        reporter.error(str(error))
        reporter.trace(error)
        return ItemResult(name, "failed", str(error), full_traceback(error), refused=True)
    except SetAsideError as error:
        failed(str(error))
        return ItemResult(name, "failed", str(error), full_traceback(error), set_aside=True)
    except (WsiHaloaeError, OSError) as error:
        reason, trace = told(error), full_traceback(error)
    except Exception:  # noqa: BLE001  # the boundary between slides: one bad slide must not end a cohort
        reason, trace = f"unexpected, please report:\n{traceback.format_exc()}", ""
    else:
        return ItemResult(name, "incomplete" if unreadable else "done")
    failed(reason)
    reporter.detail(trace)
    return ItemResult(name, "failed", reason, trace)


@dataclass
class BatchResult:
    """The results of all slides. ``before`` is the number of them that an earlier run had finished."""

    results: list[ItemResult] = field(default_factory=list)
    before: int = 0

    @property
    def done(self) -> list[str]:
        """Names of the slides that are done."""
        return self._names("done")

    @property
    def incomplete(self) -> list[str]:
        """Names of the slides with tiles that could not be read."""
        return self._names("incomplete")

    @property
    def failed(self) -> list[str]:
        """Names of the slides that failed."""
        return self._names("failed")

    @property
    def usable(self) -> bool:
        """Whether any slide has outputs."""
        return bool(self.done or self.incomplete)

    @property
    def exit_code(self) -> int:
        """0: all done. 1: some slides failed or are incomplete. 2: no slide has outputs."""
        if self.failed and not self.usable:
            return NOTHING_USABLE
        return SOME_FAILED if self.failed or self.incomplete else DONE

    def add(self, result: ItemResult, *, before: bool = False) -> None:
        """Add the result of a slide; ``before`` if an earlier run had finished it."""
        self.results.append(result)
        self.before += before

    def say(self, reporter: Reporter) -> None:
        """Print the results of all slides in a line. Prints nothing for a single slide that is done."""
        if len(self.done) == 1 and not self.exit_code:
            return
        parts = [
            f"{with_noun(len(self.done), 'slide')} done"
            + (f" ({self.before} by an earlier run)" if self.before else "")
        ]
        if self.incomplete:
            parts.append(f"with unreadable tiles: {', '.join(self.incomplete)}")
        refused = [result.name for result in self.results if result.refused]
        if refused:
            parts.append(f"refused, and left as before: {', '.join(refused)}")
        if failed := [name for name in self.failed if name not in refused]:
            parts.append(f"failed: {', '.join(failed)}")
        reporter.line("; ".join(parts))

    def _names(self, state: str) -> list[str]:
        return [result.name for result in self.results if result.state == state]


def admit(slides: Sequence[SlideInput], output: Path, reporter: Reporter) -> tuple[list[SlideInput], BatchResult]:
    """The slides that can have a folder in ``output``. The others are reported and count as failed in the result."""
    admitted, outcome = [], BatchResult()
    for slide in slides:
        problem = slide_problem(slide, output)
        if problem:
            reason = f"{printable(str(slide.path))}: {problem}"
            reporter.error(reason)
            outcome.add(ItemResult(printable(slide.name), "failed", reason))
        else:
            admitted.append(slide)
    return admitted, outcome


Work = Callable[[SlideInput, Path, RunRecorder], int]
"""Takes a slide, its output folder and its record; returns the number of tiles that could not be read."""


def for_each_slide(
    slides: Sequence[SlideInput],
    output: Path,
    work: Work,
    command: str,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> BatchResult:
    """Work on every slide. A slide that fails is reported and recorded, and the others are still processed."""
    admitted, outcome = admit(slides, output, reporter)
    for slide in admitted:
        outcome.add(attempt_slide(slide, output / slide.name, work, command, arguments, reporter))
    outcome.say(reporter)
    return outcome


def attempt_slide(
    slide: SlideInput, folder: Path, work: Work, command: str, arguments: Mapping[str, Any], reporter: Reporter
) -> ItemResult:
    """Work on one slide in its own folder. A failure is reported, and recorded in that folder."""
    record = RunRecorder(command, arguments, reporter)
    failed = partial(_record_failure, record, folder, slide, reporter)
    return attempt(slide.name, partial(_under_lock, work, slide, folder, record), failed, reporter)


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Turn the system's error for a full disk, which names no file, into one that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise WsiHaloaeError(told(error, folder)) from error


def _under_lock(work: Work, slide: SlideInput, folder: Path, record: RunRecorder) -> int:
    with locked(folder, record.reporter.warn), naming_a_full_disk(folder):
        return work(slide, folder, record)


def _record_failure(record: RunRecorder, folder: Path, slide: SlideInput, reporter: Reporter, error: str) -> None:
    text = about(slide.path, error)
    reporter.error(text)
    record.facts["error"] = text
    before = RunRecord.read(folder)
    if before is not None and before.finished and before.command in {record.command, "score"}:
        return  # keep an earlier run's outputs and its record; scores are worth more than tiles
    try:
        record.write(folder, "failed")
    except OSError as problem:  # a full disk may be why the slide failed
        reporter.error(f"the failure could not be recorded. {told(problem, folder / RECORD_NAME)}")
