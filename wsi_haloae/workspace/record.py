"""run.json as a typed model: command, inputs, settings and result. Only this module reads and writes it.

Times, hosts and versions are in this file only, so that all other outputs have the same bytes on every run.

    format      version of this file; a newer one than this package knows counts as unreadable
    state       done, empty (no tissue) or failed, with the error
    tissue      what decided the tissue, the share of the slide that each part is, and why there is none on a slide that
                is not empty glass
    trained_on  how many tiles of the slide, and which parts of its patient, the model was trained on; null if the model
                does not know it
    called      what the last `export` that wrote a report called anomalous; it replaces what `score` called
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from wsi_haloae.atomic import read_own, write_text
from wsi_haloae.provenance.use import Use

RECORD_NAME = "run.json"
FORMAT = 2


class _Section(BaseModel):
    """Part of a record. Fields that this package does not know are kept unchanged."""

    model_config = ConfigDict(extra="allow", frozen=True)


class SlideSection(_Section):
    """The slide. ``path`` is text, unless another program wrote something else there."""

    path: Any = None


class ModelSection(_Section):
    """The checkpoint that scored the slide."""

    sha256: str = ""
    rule_name: str | None = None
    display_range: tuple[float, float] | None = None


class GridSection(_Section):
    """The grid of tiles; ``stride`` in pixels of the model's tiles."""

    stride: int | None = None


class TissueSection(_Section):
    """How tissue was found. ``why_empty``: why there is none, although the slide is not empty glass."""

    why_empty: str | None = None


class Counts(_Section):
    """Numbers of tiles. None: not counted, or for ``anomalous`` no tile can be called."""

    tiles: NonNegativeInt | None = None
    scored: NonNegativeInt | None = None
    unreadable: NonNegativeInt = 0
    anomalous: NonNegativeInt | None = None
    flagged: dict[str, NonNegativeInt] = Field(default_factory=dict)


class Calling(_Section):
    """How tiles are called anomalous: a phrase that follows "at a", such as "per-tile error rate of 5 %"."""

    phrase: str = ""
    possible: bool = True
    """False only in records of version 0.1: there no tile could be called, and 0 tiles were recorded."""


class SlideSummary(BaseModel):
    """Tissue areas in mm², and shares of the scored tissue's area. None if a slide has no such number.

    ``anomalous_...`` follow the run's criterion, which looks at the slide as a whole. ``p_below`` (the share with
    p <= 0.05) and ``above_display`` (above the colour bar's upper end) have the same meaning on every slide.
    ``p_below`` is None if no p-value can be that small, and ``why_none`` gives the reason.
    """

    model_config = ConfigDict(frozen=True)

    tissue_mm2: float = 0.0
    anomalous_mm2: float | None = None
    anomalous_share: float | None = None
    p_below: float | None = None
    above_display: float | None = None
    median_score: float | None = None
    p95_score: float | None = None
    why_none: str | None = None


class Called(_Section):
    """What an export calls anomalous, and by which criterion."""

    criterion: Any = None
    anomalous: Calling | None = None
    counts: Counts = Counts()
    summary: SlideSummary | None = None


class RunRecord(_Section):
    """The record of one run in one folder."""

    format: int = Field(FORMAT, le=FORMAT)
    state: Literal["done", "empty", "failed"]
    command: str = ""
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    seconds: Mapping[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    error: str = ""
    slide: SlideSection = SlideSection()
    model: ModelSection = ModelSection()
    grid: GridSection = GridSection()
    tissue: TissueSection = TissueSection()
    counts: Counts = Counts()
    summary: SlideSummary | None = None
    anomalous: Calling | None = None
    called: Called | None = None
    trained_on: Use | None = None

    @classmethod
    def read(cls, folder: Path, command: str | None = None) -> Self | None:
        """The record in a folder; None if there is none, it cannot be read, or it is of another ``command``."""
        try:
            found = cls.model_validate(json.loads(read_own(folder / RECORD_NAME).decode()))
        except (OSError, ValueError, ValidationError, RecursionError):
            return None
        return found if command in {None, found.command} else None

    def write(self, folder: Path) -> None:
        """Write the record into a folder, whole or not at all."""
        document = self.model_dump(exclude_unset=True) | {"format": self.format}
        write_text(folder / RECORD_NAME, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")

    @property
    def finished(self) -> bool:
        """Whether the run finished; also true for a slide without tissue."""
        return self.state != "failed"

    def as_exported(self) -> Self:
        """The record with what the last `export` called anomalous, if it wrote a report."""
        calling, called, summary = self.anomalous, self.counts.anomalous, self.summary
        if self.called is not None:
            calling, called = self.called.anomalous, self.called.counts.anomalous
            summary = self.called.summary or summary
        if calling is not None and not calling.possible:
            calling = called = None
            summary = summary and summary.model_copy(update={"p_below": None})
        counts = self.counts.model_copy(update={"anomalous": called})
        return self.model_copy(update={"anomalous": calling, "counts": counts, "summary": summary})


def is_finished(folder: Path, command: str) -> bool:
    """Whether ``command`` finished in a folder. The record of another command does not count."""
    record = RunRecord.read(folder, command)
    return record is not None and record.finished
