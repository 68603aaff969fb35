"""cohort.csv: a row for each slide that was ever tried in an output folder, and what became of it.

    name, path        the slide's folder here, and its file
    patient, group    as the manifest has them
    state             waiting, running, done, incomplete (unreadable tiles), empty (no tissue), failed or set aside
    error             why, where it failed
    attempts          how often it was begun in its last run; more than one: a worker vanished
    seconds           of the attempt that did the work
    tiles             with tissue
    worker            who had it last

Several runs may write into one folder, each about its own slides: they take turns, and the rows of others stay, as
long as the slide's folder is there.
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
from wsi_haloae.errors import StoreError
from wsi_haloae.quoting import plain_cell, printable, printable_lines, safe_cell
from wsi_haloae.workspace.lock import taking_turns
from wsi_haloae.workspace.manifest import known
from wsi_haloae.workspace.slide_inputs import SlideInput
from wsi_haloae.workspace.slide_names import name_problem
from wsi_haloae.workspace.study_files import StudyFile

NAME = StudyFile.COHORT
LOG_NAME = "score.log"
"""Of a slide, beside its outputs."""
WRITE_SECONDS = 2.0
ENDED = frozenset({"done", "incomplete", "empty", "failed", "set aside"})


@dataclass(frozen=True)
class Row:
    """One slide; "" is what is not known."""

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
    "state": (re.compile("|".join(sorted({*ENDED, "waiting", "running"}))), "waiting, running, done, ..."),
    "seconds": (re.compile(r"([0-9]{1,12}(\.[0-9]*)?)?"), "a number"),
    "attempts": (_COUNT, "a whole number"),
    "tiles": (_COUNT, "a whole number"),
}
"""What a cell must look like, and in words."""


class CohortTable:
    """The rows of one run's slides, on disk at most `WRITE_SECONDS` behind."""

    def __init__(self, output: Path, slides: Iterable[SlideInput]) -> None:
        self._output, before = output, read_cohort(output)
        self._rows = {slide.name: _begun(slide, before.get(slide.name, Row(slide.name))) for slide in slides}
        self._written = 0.0
        self.write()

    def update(self, name: str, **changes: Any) -> None:
        """Change a slide's row; None leaves what was known."""
        told = {key: printable_lines(str(value)) for key, value in changes.items() if value is not None}
        self._rows[name] = replace(self._rows[name], **told)
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def state(self, name: str) -> str:
        """What has become of a slide so far."""
        return self._rows[name].state

    def write(self) -> None:
        """Now, whatever the time."""
        with taking_turns(self._output):
            others = read_cohort(self._output)
            gone = [name for name, row in others.items() if row.state in ENDED and not (self._output / name).is_dir()]
            rows = {name: row for name, row in {**others, **self._rows}.items() if name not in {*gone} - {*self._rows}}
            write_text(self._output / NAME, _as_csv(rows))
        self._written = time.monotonic()


def _begun(slide: SlideInput, before: Row) -> Row:
    """Anew; what an earlier run took stays until this one has taken as much."""
    path, patient, group = printable(str(slide.absolute)), slide.patient or "", slide.group or ""
    return replace(before, path=path, patient=patient, group=group, state="waiting", error="")


def read_cohort(output: Path) -> dict[str, Row]:
    """The rows by the slides' names; none where there is no table, or none of ours.

    A name that no slide's folder can have leads elsewhere, and is left out. Raises `StoreError` for a cell that no run
    has written.
    """
    try:
        stream = io.StringIO(read_own(output / NAME).decode(), newline="")
        rows = [{column: plain_cell(line.get(column) or "") for column in COLUMNS} for line in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    for row in rows:
        _check(output / NAME, row)
        row["patient"], row["group"] = known(row["patient"]) or "", known(row["group"]) or ""
    return {row["name"]: Row(**row) for row in rows if not name_problem(row["name"])}


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
