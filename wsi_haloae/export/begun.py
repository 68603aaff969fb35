"""The note of an export that has begun. It outlives a kill, and by it the next command writes the same files again.

Each file of an export is written whole or not at all, but a kill between two files leaves tables of one threshold
beside a report of another. So the note is written before the first change, the adapted scores included, and removed
after the last, which is the run record.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.atomic import read_own, write_text
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.export.formats import default_formats
from wsi_haloae.export.open_store import ExportSettings

BEGUN_NAME = ".exporting.json"


class BegunExport(BaseModel):
    """What an export writes into one slide's folder.

    No ``formats``: only the scores are adapted. ``adapt`` None: they stay as they are. ``anchors`` are the numbers of
    the marked tiles, because the file that marks them may be gone when the export is finished. ``radius`` is that of
    smoothed scores in µm.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    formats: tuple[str, ...] = ()
    threshold: float | None = None
    fdr: float | None = Field(None, gt=0, lt=1)
    min_score: float | None = None
    merge: bool = False
    gz: bool = False
    adapt: Asked | None = None
    anchors: tuple[NonNegativeInt, ...] = ()
    radius: PositiveFloat | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def settings(self) -> ExportSettings:
        """The settings of its files."""
        criterion = Criterion(self.threshold, self.fdr)
        return ExportSettings(criterion, min_score=self.min_score, merge=self.merge, gz=self.gz)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The note in a folder, None if there is none. An unreadable one counts as a note of the default files."""
        try:
            return cls.model_validate(json.loads(read_own(folder / BEGUN_NAME)))
        except (OSError, ValueError, RecursionError):
            return cls(formats=default_formats()) if os.path.lexists(folder / BEGUN_NAME) else None

    def note(self, folder: Path) -> None:
        """Write the note, with paths as in the run record."""
        write_text(folder / BEGUN_NAME, json.dumps(self.model_dump(), default=str) + "\n")  # file names of any bytes

    @contextmanager
    def noted(self, folder: Path) -> Iterator[None]:
        """Keep the note in ``folder`` until the block ends; if it fails, the note stays."""
        self.note(folder)
        yield
        forget_begun(folder)


def forget_begun(folder: Path) -> None:
    """Remove the note: everything is written."""
    (folder / BEGUN_NAME).unlink(missing_ok=True)


def why_mixed(folder: Path) -> str:
    """What a note in this folder means, and what to do, as a sentence; "" without one."""
    if not os.path.lexists(folder / BEGUN_NAME):
        return ""
    return (
        "An export of this slide has begun and not ended, so its files may be of two exports. Unless it is still "
        f"running, finish it with: wsi-haloae export {folder}"
    )
