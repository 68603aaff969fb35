"""slides.csv: the results of all slides of a folder, on one scale.

    name, patient, group   as in cohort.csv
    state                  done, incomplete, empty or failed
    tiles, scored          number of tiles with tissue, and of tiles with a score
    tissue_mm2             area of the scored tissue
    anomalous              number of tiles called anomalous; anomalous_mm2 is their tissue area, and anomalous_share
                           its share; empty if no tile can be called
    p_below                share of the tissue in tiles with p <= 0.05: the same measure for every slide, and about 0.05
                           for a slide like the reference; empty if no p-value can be that small
    above_display          share of the tissue in tiles that score above the end of the colour bar
    median_score, p95_score
    criterion              the criterion by which tiles were called
    model                  SHA-256 of the checkpoint
    display_low, display_high   scores at the ends of the model's colour bar
    why_none               why no tile can be called at an error rate, as a sentence; empty if tiles can be called
    stride                 pixels between tiles
    slide_used_in          the parts of the model's reference tiles (train, validation, calibration) that have tiles of
                           this slide, or "no"; empty if the model does not know
    patient_used_in        the same for the patient; empty if the patient was not named in training or in scoring
    error                  why the slide failed, or has no tissue

Scores of one model are on one scale, because their parts are standardised by its held-out reference tiles. Scores of
different models are not on one scale, and overlapping tiles cannot be compared with the tiles of another grid.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import write_text
from wsi_haloae.cohort.table import Row
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.use import NOT_USED
from wsi_haloae.quoting import safe_cell
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.study_files import StudyFile

NAME = StudyFile.SLIDES


@dataclass(frozen=True)
class StudySlide:
    """One line of the table; None is an empty field."""

    name: str
    patient: str
    group: str
    state: str
    tiles: int | None = None
    scored: int | None = None
    tissue_mm2: float | None = None
    anomalous: int | None = None
    anomalous_mm2: float | None = None
    anomalous_share: float | None = None
    p_below: float | None = None
    above_display: float | None = None
    median_score: float | None = None
    p95_score: float | None = None
    criterion: str = ""
    model: str = ""
    display_low: float | None = None
    display_high: float | None = None
    why_none: str = ""
    stride: int | None = None
    slide_used_in: str = ""
    patient_used_in: str = ""
    error: str = ""

    @property
    def unit(self) -> str:
        """The independent unit: the patient, or the slide itself if its patient is not known."""
        return self.patient or self.name

    @property
    def trained(self) -> bool:
        """Whether training used this slide or another one of this patient."""
        return not {self.slide_used_in, self.patient_used_in} <= {"", NOT_USED}


def read_slides(output: Path, rows: Sequence[Row]) -> list[StudySlide]:
    """The slides of a folder, read from their run records."""
    return [_read(row, RunRecord.read(output / row.name, "score")) for row in rows]


def write_slides(path: Path, slides: Sequence[StudySlide]) -> None:
    """Write the table. Numbers have nine significant digits."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(field.name for field in fields(StudySlide))
    table.writerows([_cell(value) for value in asdict(slide).values()] for slide in slides)
    write_text(path, stream.getvalue())


def comparable(slides: Sequence[StudySlide], reporter: Reporter) -> list[StudySlide]:
    """The slides scored with the most frequent model and stride. Warns if there are others."""
    scored = [slide for slide in slides if slide.tissue_mm2]
    strides = Counter(slide.stride for slide in scored if slide.stride is not None).most_common(1)
    usual = strides[0][0] if strides else None  # of records from before it was kept, too
    of = {slide.name: (slide.model, slide.stride or usual) for slide in scored}
    ways = Counter(of.values())
    if len(ways) > 1:
        models, several = (len(set(values)) for values in zip(*ways, strict=True))
        differing = [f"by {models} models"] * (models > 1) + [f"at {several} strides"] * (several > 1)
        reporter.warn(
            f"the slides were scored {' and '.join(differing)}. Their scores cannot be compared, so only the slides "
            "with the most frequent model and stride are compared."
        )
    return [slide for slide in scored if of[slide.name] == ways.most_common(1)[0][0]]


def _read(row: Row, record: RunRecord | None) -> StudySlide:
    known = StudySlide(row.name, row.patient, row.group, row.state, error=row.error.partition("\n")[0])
    if record is None or record.summary is None:
        return known  # no results; if a slide fails now, the results of an earlier run stay in its record
    exported = record.as_exported()
    assert exported.summary is not None, "an export does not remove it"
    numbers = exported.summary.model_dump()
    low, high = exported.model.display_range or (None, None)
    facts: dict[str, Any] = {
        **numbers,
        "tiles": exported.counts.tiles,
        "scored": exported.counts.scored,
        "anomalous": None if exported.summary.anomalous_mm2 is None else exported.counts.anomalous,
        "criterion": exported.anomalous.phrase if exported.anomalous else "",
        "model": exported.model.sha256,
        "display_low": low,
        "display_high": high,
        "stride": exported.grid.stride,
        "why_none": exported.summary.why_none or "",
    }
    if exported.trained_on is not None:
        facts["slide_used_in"] = exported.trained_on.slide_words
        facts["patient_used_in"] = exported.trained_on.patient_words
    return replace(known, **facts)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else safe_cell(str(value))
