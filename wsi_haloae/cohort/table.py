"""cohort.csv: one row for each slide that was ever tried in an output folder, with its state.

    name, path        the slide's output folder, and its file
    patient, group    from the manifest
    state             waiting, running, done, incomplete (unreadable tiles), empty (no tissue), unfinished (the run was
                      stopped), failed or set aside
    error             why it failed, if it did
    attempts          how often it was begun in its last run; more than 1 if a worker died
    seconds           duration of the successful attempt
    tiles             number of tiles with tissue
    worker            the last worker that scored it

Several runs may write to one folder, each about its own slides. They take turns, and rows of other runs are kept as
long as the slide's folder exists.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import read_own, write_text
from wsi_haloae.cohort.attempts import SET_ASIDE
from wsi_haloae.errors import StoreError
from wsi_haloae.quoting import plain_cell, printable, printable_lines, safe_cell
from wsi_haloae.workspace.batch_result import ItemResult
from wsi_haloae.workspace.lock import taking_turns
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput
from wsi_haloae.workspace.slide_names import name_problem
from wsi_haloae.workspace.study_files import StudyFile
from wsi_haloae.workspace.unknown import known, named

NAME = StudyFile.COHORT
LOG_NAME = "score.log"
"""Name of a slide's log, beside its outputs."""
WRITE_SECONDS = 2.0
UNFINISHED = "unfinished"
ENDED = frozenset({"done", "incomplete", "empty", "failed", "set aside"})


@dataclass(frozen=True)
class Row:
    """One slide; "" means unknown."""

    name: str
    path: str = ""
    patient: str = ""
    group: str = ""
    state: str = "waiting"
    error: str = ""
    attempts: str = ""
    seconds: str = ""
    tiles: str = ""
    worker: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
_COUNT = re.compile(r"[0-9]{0,12}")
_CELLS = {
    "state": (re.compile("|".join(sorted({*ENDED, "waiting", "running", UNFINISHED}))), "waiting, running, done, ..."),
    "seconds": (re.compile(r"([0-9]{1,12}(\.[0-9]*)?)?"), "a number"),
    "attempts": (_COUNT, "a whole number"),
    "tiles": (_COUNT, "a whole number"),
}
"""What a cell must look like, and in words."""


class CohortTable:
    """The rows of one run's slides. The file on disk is at most `WRITE_SECONDS` behind."""

    def __init__(self, output: Path, slides: Iterable[SlideInput]) -> None:
        self._output, before = output, read_cohort(output)
        self._rows = {slide.name: _begun(slide, before.get(slide.name, Row(slide.name))) for slide in slides}
        self._written = 0.0
        self.write()

    def update(self, name: str, **changes: Any) -> None:
        """Change a slide's row; None keeps the old value."""
        cells = {key: printable_lines(str(value)) for key, value in changes.items() if value is not None}
        self._rows[name] = replace(self._rows[name], **cells)
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def state(self, name: str) -> str:
        """The current state of a slide."""
        return self._rows[name].state

    def close(self) -> None:
        """Write the table at the end of the run: what has not ended by now is unfinished."""
        for name, row in self._rows.items():
            if row.state not in ENDED:
                self._rows[name] = replace(row, state=UNFINISHED)
        self.write()

    def write(self) -> None:
        """Write the table now."""
        with taking_turns(self._output):
            others = read_cohort(self._output)
            gone = [name for name, row in others.items() if row.state in ENDED and not (self._output / name).is_dir()]
            rows = {name: row for name, row in {**others, **self._rows}.items() if name not in {*gone} - {*self._rows}}
            write_text(self._output / NAME, _as_csv(rows))
        self._written = time.monotonic()


def _begun(slide: SlideInput, before: Row) -> Row:
    """The row of a slide that is begun again; numbers of an earlier run stay until new ones are known."""
    path, patient, group = printable(str(slide.absolute)), slide.patient or "", slide.group or ""
    return replace(before, path=path, patient=patient, group=group, state="waiting", error="")


def read_cohort(output: Path) -> dict[str, Row]:
    """The rows by slide name; empty if there is no readable table.

    A row whose name cannot be a folder in the output, such as "..", is left out. Raises `StoreError` for a cell that no
    run has written.
    """
    try:
        stream = io.StringIO(read_own(output / NAME).decode(), newline="")
        rows = [{column: plain_cell(line.get(column) or "") for column in COLUMNS} for line in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    ours = [row for row in rows if row["state"] and not name_problem(row["name"])]
    for row in ours:
        _check(output / NAME, row)
        row["patient"], row["group"] = named(row["patient"]) or "", known(row["group"]) or ""
    return {row["name"]: Row(**row) for row in ours}


def state_of(result: ItemResult, record: RunRecord | None) -> str:
    """The state of a slide in the table, from its result and its run record."""
    if result.set_aside:
        return SET_ASIDE
    if result.refused:
        return recorded_state(record)
    empty = record is not None and record.state == "empty"
    return "empty" if empty and result.state != "failed" else result.state


def recorded_state(record: RunRecord | None) -> str:
    """The state of a slide, from its run record alone."""
    if record is None:
        return UNFINISHED
    return "incomplete" if record.counts.unreadable else record.state


def patients(output: Path) -> dict[str, str]:
    """The patients of a folder's slides, by slide name, as far as a manifest named them. Raises like `read_cohort`."""
    return {name: row.patient for name, row in read_cohort(output).items() if row.patient}


def _check(table: Path, row: Mapping[str, str]) -> None:
    for column, (pattern, wanted) in _CELLS.items():
        if not pattern.fullmatch(row[column]):
            raise StoreError(
                f"{table}: slide {row['name']!r} has {column} {row[column]!r}, and {wanted} is needed. Correct the "
                "cell, or delete the file: what became of slides is in their folders too."
            )


def _as_csv(rows: Mapping[str, Row]) -> str:
    stream = io.StringIO()
    table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    table.writeheader()
    for name in sorted(rows):
        table.writerow({column: safe_cell(value) for column, value in asdict(rows[name]).items()})
    return stream.getvalue()
