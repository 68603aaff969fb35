"""CSV manifests: one row per slide or tile, with columns that users of other tools know.

``path`` is required, the other columns are optional. Relative paths start at the manifest's folder.

    mpp               µm per pixel of level 0, if the file states none
    slide, patient    what must stay together when tiles are split
    site              where the slide was made, e.g. the hospital
    group             how slides are grouped for comparison, e.g. the grade
    annotations       the slide's QuPath GeoJSON
    anchors           another one, with tiles of reference tissue marked (``score --anchors``)
    split             train, validation or calibration

What R, pandas and spreadsheets write for an unknown value (`UNKNOWN`) counts as an empty cell: two slides of patient
NA do not belong to one patient.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from wsi_haloae.errors import UsageError
from wsi_haloae.quoting import plain_cell, printable


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
COLUMNS = tuple(field.name for field in fields(ManifestRow))
UNKNOWN = frozenset(
    ("", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None",
     "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
)  # fmt: skip
"""An unknown value, as R, Excel, SQL and Python write it: the defaults of ``pandas.read_csv``."""


def known(cell: str | None) -> str | None:
    """The value of a table cell; None if it is unknown or empty."""
    value = (cell or "").strip()
    return None if value in UNKNOWN else value


def read_manifest(path: Path) -> list[ManifestRow]:
    """All rows. Raises `UsageError`, which names the line that cannot be used."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            _check_columns(path, reader.fieldnames)
            rows = [_row(path, reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a CSV manifest ({error}).") from None
    if not rows:
        raise UsageError(f"{path}: the manifest has no rows.")
    return rows


def _check_columns(manifest: Path, names: Sequence[str]) -> None:
    """Other columns are allowed, but a misspelt column of ours would be ignored without notice."""
    if len(names) == 1 and ";" in names[0]:
        raise UsageError(f"{manifest}: its columns are separated by ';', but commas are needed. Save it with commas.")
    for name in names:
        alike = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.75)
        if alike and name not in COLUMNS:
            raise UsageError(
                f"{manifest}: column {name!r}: did you mean {alike[0]!r}? Rename it to this, or to something else."
            )
    if "path" not in names:
        raise UsageError(f"{manifest}: a manifest needs a column 'path'; its columns are {list(names)}.")


def _row(manifest: Path, line: int, cells: dict[str, str | None]) -> ManifestRow:
    def cell(name: str) -> str | None:
        return known(plain_cell((cells.get(name) or "").strip()))

    def words(name: str) -> str | None:
        """A value that is only compared and shown."""
        written = cell(name)
        return None if written is None else printable(written)

    written = (cells.get("path") or "").strip()  # a file may have any name
    if not written:
        raise UsageError(f"{manifest}, line {line}: the path is empty.")
    mpp = cell("mpp")
    try:
        value = None if mpp is None else float(mpp)
    except ValueError:
        raise UsageError(f"{manifest}, line {line}: mpp {mpp!r} is not a number.") from None
    if value is not None and not 0 < value < 1000:
        raise UsageError(f"{manifest}, line {line}: mpp {value} is not a pixel size in micrometres.")
    outlines = {name: None if (file := cell(name)) is None else manifest.parent / file for name in OUTLINES}
    return ManifestRow(
        path=manifest.parent / written,
        mpp=value,
        slide=words("slide"),
        patient=words("patient"),
        site=words("site"),
        group=words("group"),
        **outlines,
        split=words("split"),
    )
