"""What became of many slides, and the exit code that says so (contract, Exit codes)."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.inputs import SlideInput
from wsi_haloae.runs.lock import locked
from wsi_haloae.runs.record import RECORD_NAME, RunRecord, read_record

DONE, SOME_FAILED, NOTHING_USABLE = 0, 1, 2
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass
class Outcome:
    """Names of the slides that went through, and of those that did not or only in part."""

    done: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 2 nothing usable."""
        if self.failed and not self.done and not self.incomplete:
            return NOTHING_USABLE
        return SOME_FAILED if self.failed or self.incomplete else DONE


Work = Callable[[SlideInput, Path, RunRecord], int]
"""Takes a slide, its output folder and its record; gives the number of tiles that could not be read."""


def for_each_slide(
    slides: Sequence[SlideInput],
    output: Path,
    work: Work,
    command: str,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> Outcome:
    """Attempt every slide: one that fails is reported and recorded, and the rest goes on."""
    outcome = Outcome()
    for slide in slides:
        record, folder = RunRecord(command, arguments, reporter), output / slide.name
        try:
            with locked(folder):
                unreadable = work(slide, folder, record)
        except OutputExistsError as error:  # the folder holds another run's results: leave its record alone
            reporter.error(str(error))
            outcome.failed.append(slide.name)
        except WsiHaloaeError as error:
            _record_failure(record, folder, slide, str(error), reporter)
            outcome.failed.append(slide.name)
        except OSError as error:
            _record_failure(record, folder, slide, _system_error(error, folder), reporter)
            outcome.failed.append(slide.name)
        except Exception:  # noqa: BLE001  # the boundary between slides: one bad slide must not end a cohort
            _record_failure(record, folder, slide, f"unexpected, please report:\n{traceback.format_exc()}", reporter)
            outcome.failed.append(slide.name)
        else:
            (outcome.incomplete if unreadable else outcome.done).append(slide.name)
    if len(slides) > 1 or outcome.exit_code:
        reporter.line(_summary(outcome))
    return outcome


def _system_error(error: OSError, folder: Path) -> str:
    """An error of the system; a full disk names no file, so what was being written is said."""
    if error.errno not in _NO_ROOM:
        return str(error)
    return f"{folder}: {error}. Make room there, then run the same command again: it goes on from here."


def _record_failure(record: RunRecord, folder: Path, slide: SlideInput, error: str, reporter: Reporter) -> None:
    text = error if str(slide.path) in error else f"{slide.path}: {error}"
    reporter.error(text)
    record.facts["error"] = text
    if read_record(folder / RECORD_NAME).get("state") in {"done", "empty"}:
        return  # an earlier run's outputs stand, and so does its record
    try:
        record.write(folder / RECORD_NAME, "failed")
    except OSError as problem:  # a full disk may be why the slide failed
        reporter.error(f"{folder / RECORD_NAME}: the failure could not be recorded ({problem}).")


def _summary(outcome: Outcome) -> str:
    parts = [f"{len(outcome.done)} slides done"]
    if outcome.incomplete:
        parts.append(f"with unreadable tiles: {', '.join(outcome.incomplete)}")
    if outcome.failed:
        parts.append(f"failed: {', '.join(outcome.failed)}")
    return "; ".join(parts)
