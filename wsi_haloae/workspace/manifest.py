"""CSV manifests: one row per slide or tile, with columns that users of other tools know.

``path`` is required, the other columns are optional. Relative paths start at the manifest's folder.

    mpp               µm per pixel of level 0, if the file states none
    slide, patient    what must stay together when tiles are split
    site              where the slide was made, e.g. the hospital
    group             how slides are grouped for comparison, e.g. the grade
    annotations       the slide's QuPath GeoJSON
    anchors           another one, with tiles of reference tissue marked (``score --anchors``)
    split             train, validation or calibration

What R, pandas and spreadsheets write for an unknown value counts as an empty cell, and what people write for an unknown
patient too (`wsi_haloae.workspace.unknown`): two slides of patient NA do not belong to one patient. Cells may be
separated by commas, semicolons or tabs. A path may be written as in Windows, if it is relative.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsi_haloae.bounds.table import MANIFEST_BYTES, MANIFEST_COLUMNS, MANIFEST_ROWS
from wsi_haloae.errors import UsageError
from wsi_haloae.nearest import nearest
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.quoting import FOREIGN, plain_cell, printable
from wsi_haloae.workspace.table_file import as_windows_wrote, open_table
from wsi_haloae.workspace.unknown import known, named

if TYPE_CHECKING:
    from _csv import Reader

LONG = 50_000
"""Lines from which on progress is shown: half a second."""
TOLD_ROWS = 10_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ManifestRow:
    """One row; empty cells are None."""

    path: Path
    mpp: float | None = None
    slide: str | None = None
    patient: str | None = None
    site: str | None = None
    group: str | None = None
    annotations: Path | None = None
    anchors: Path | None = None
    split: str | None = None

    @property
    def unit(self) -> str:
        """What must stay together in a split: the patient, else the slide, else the file."""
        return self.patient or self.slide or str(self.path)


OUTLINES = ("annotations", "anchors")
WHO = ("slide", "patient")
COLUMNS = tuple(field.name for field in fields(ManifestRow))


def read_manifest(path: Path, reporter: Reporter | None = None) -> list[ManifestRow]:
    """All rows; ``reporter`` shows the progress of a long one. Raises `UsageError`, which names the line at fault."""
    try:
        with path.open("rb") as stream:
            MANIFEST_BYTES.require(stream.seek(0, 2), path, UsageError)
            stream.seek(0)
            lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))
        shown: AbstractContextManager[Advance] = nullcontext(_silent)
        if reporter and lines >= LONG:
            shown = reporter.track(f"reading {path.name}", lines, "rows")
        with open_table(path, "path") as table, shown as advance:
            rows = list(_rows(path, table, advance))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a CSV manifest ({error}).") from None
    if not rows:
        raise UsageError(f"{path}: the manifest has no rows.")
    unnamed = sum(row.patient is None for row in rows)
    if reporter and 0 < unnamed < len(rows):
        reporter.line(f"{path}: {unnamed:,} of {len(rows):,} rows name no patient; each counts as one of its own")
    return rows


def _check_columns(manifest: Path, names: Sequence[str]) -> None:
    """Other columns are allowed, but a misspelt column of ours would be ignored without notice."""
    MANIFEST_COLUMNS.require(len(names), manifest, UsageError)
    for name in names:
        alike = nearest(name, COLUMNS, cutoff=0.75)
        if alike and name not in COLUMNS:
            raise UsageError(
                f"{manifest}: column {name!r}: did you mean {alike!r}? Rename it to this, or to something else."
            )
    if "path" not in names:
        raise UsageError(f"{manifest}: a manifest needs a column 'path'; its columns are {list(names)}.")


def _rows(manifest: Path, table: Reader, advance: Advance) -> Iterator[ManifestRow]:
    names = [name.strip().lower() for name in next(table, ())]
    _check_columns(manifest, names)
    places = {name: number for number, name in enumerate(names) if name in COLUMNS}
    at_path, folder, most, told = places.pop("path"), manifest.parent, MANIFEST_ROWS.most, 0
    for number, cells in enumerate(table, 1):
        if any(map(str.strip, cells)):  # spreadsheets leave rows of separators
            _refuse_more_cells(manifest, table.line_num, cells, len(names))
            cells.extend([""] * (len(names) - len(cells)))
            known_cells = [(name, text) for name, at in places.items() if (text := _known(name, cells[at]))]
            yield _row(manifest, folder, table.line_num, cells[at_path].strip(), known_cells)
        if number % TOLD_ROWS == 0 or number > most:
            MANIFEST_ROWS.require(number, manifest, UsageError)
            advance(table.line_num - told)
            told = table.line_num


def _refuse_more_cells(manifest: Path, line: int, cells: Sequence[str], columns: int) -> None:
    """Cells without a column come from a separator inside a value, which moves the cells behind it."""
    if any(cells[columns:]):
        raise UsageError(
            f"{manifest}, line {line}: {len(cells)} cells, but the header has {columns}. Put values that contain the "
            'separator (0,25) into double quotes: "0,25".'
        )


@lru_cache(maxsize=1 << 12)  # most cells repeat: site, group, µm per pixel, the patient of the row above
def _known(name: str, cell: str) -> str | None:
    text = plain_cell(cell.strip())
    return named(text) if name in WHO else known(text)


def _row(manifest: Path, folder: Path, line: int, written: str, known_cells: Iterable[tuple[str, str]]) -> ManifestRow:
    if not written:
        raise UsageError(f"{manifest}, line {line}: the path is empty.")
    values: dict[str, Any] = {}
    for name, text in known_cells:
        if name in OUTLINES:
            values[name] = _file(folder, text)
        elif name == "mpp":
            values[name] = _pixel_size(manifest, line, text)
        else:  # a value that is only compared and shown
            values[name] = printable(as_windows_wrote(text))
    return ManifestRow(_file(folder, written), **values)  # a file may have any name


def _file(folder: Path, written: str) -> Path:
    """The file of this name, or, where there is none, the one that Windows means by it."""
    path = folder / written
    if ("\\" in written or FOREIGN.search(written)) and not os.path.lexists(path):
        return folder / as_windows_wrote(written).replace("\\", "/")
    return path


def _pixel_size(manifest: Path, line: int, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise UsageError(f"{manifest}, line {line}: mpp {text!r} is not a number.") from None
    if not 0 < value < 1000:
        raise UsageError(f"{manifest}, line {line}: mpp {value} is not a pixel size in micrometres.")
    return value


def _silent(_rows: int) -> None:
    """Show no progress."""
