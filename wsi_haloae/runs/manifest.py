"""CSV manifests: one row per slide or tile, with columns that users of other tools know.

``path`` is required; ``mpp``, ``slide``, ``patient`` and ``split`` are understood where present.
Relative paths count from the manifest's own folder.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.errors import UsageError


@dataclass(frozen=True)
class ManifestRow:
    """One row; empty cells are None."""

    path: Path
    mpp: float | None
    slide: str | None
    patient: str | None
    split: str | None

    @property
    def group(self) -> str:
        """What must stay together in a split: the patient, else the slide, else the file."""
        return self.patient or self.slide or str(self.path)


def read_manifest(path: Path) -> list[ManifestRow]:
    """All rows; `UsageError` names the line that cannot be used."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if "path" not in (reader.fieldnames or []):
                raise UsageError(f"{path}: a manifest needs a column 'path'; its columns are {reader.fieldnames}.")
            rows = [_row(path, reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a CSV manifest ({error}).") from None
    if not rows:
        raise UsageError(f"{path}: the manifest has no rows.")
    return rows


def _row(manifest: Path, line: int, cells: dict[str, str | None]) -> ManifestRow:
    def cell(name: str) -> str | None:
        return (cells.get(name) or "").strip() or None

    written = cell("path")
    if written is None:
        raise UsageError(f"{manifest}, line {line}: the path is empty.")
    if "\0" in written:
        raise UsageError(f"{manifest}, line {line}: the path {written!r} holds a null character.")
    mpp = cell("mpp")
    try:
        value = None if mpp is None else float(mpp)
    except ValueError:
        raise UsageError(f"{manifest}, line {line}: mpp {mpp!r} is no number.") from None
    if value is not None and not 0 < value < 1000:
        raise UsageError(f"{manifest}, line {line}: mpp {value} is not a pixel size in micrometres.")
    return ManifestRow(manifest.parent / written, value, cell("slide"), cell("patient"), cell("split"))
