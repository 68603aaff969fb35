"""The index of a folder of scored slides, made from the files that their runs wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.atomic import read_own
from wsi_haloae.config import autoencoder_words
from wsi_haloae.export import index_page
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.export.index_page import IndexedSlide, State, write_index_page
from wsi_haloae.stores.score_store import STORE_NAME
from wsi_haloae.workspace.lock import taking_turns
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.study_files import StudyFile

EVALUATION = f"{StudyFile.EVALUATION}/evaluation.html"
MOST_PICTURES = 2000
"""About 8 kB each; a page with more opens slowly. The montage shows all slides."""
_STATES: Mapping[str, State] = {"done": "done", "empty": "no tissue", "failed": "failed"}


def write_index(output: Path) -> None:
    """Write ``index.html`` into a folder that ``score`` writes to, with a line for each slide that was tried.

    Runs that score slides into the same folder take turns, so the last one lists all slides.
    """
    with taking_turns(output):
        slides = [slide for folder in sorted(output.iterdir()) if (slide := _read(folder))]
        if len(slides) > MOST_PICTURES:
            slides = [replace(slide, picture=None) for slide in slides]
        evaluation, cohort = (
            name if (output / name).exists() else None for name in (EVALUATION, StudyFile.COHORT_PAGE)
        )
        write_index_page(output / index_page.NAME, slides, evaluation, cohort)


def _read(folder: Path) -> IndexedSlide | None:
    """The line of a slide; None if no slide was scored into this folder."""
    record = RunRecord.read(folder, "score")
    if record is None:  # killed before it wrote its record, or another command's
        return IndexedSlide(folder.name, "not finished") if (folder / STORE_NAME).is_dir() else None
    record = record.as_exported()
    counts, calling, summary = record.counts, record.anomalous, record.summary
    if not record.finished or counts.tiles is None or counts.scored is None:
        return IndexedSlide(folder.name, "failed", error=record.error)
    return IndexedSlide(
        folder.name,
        _STATES[record.state],
        tiles=counts.tiles,
        scored=counts.scored,
        unreadable=counts.unreadable,
        anomalous=counts.anomalous if calling else None,
        called_by=calling.phrase if calling and counts.scored else "",
        why_none=summary.why_none if summary and not calling else None,
        autoencoder=autoencoder_words(record.model.rule_name),
        flagged=[(_words(name), count) for name, count in counts.flagged.items() if count],
        picture=_bytes(folder / FORMATS["small"].file),
        trained_on=str(record.trained_on) if record.trained_on and record.trained_on.trained else None,
    )


def _words(name: str) -> str:
    """Words of a flag. A record of another version may have flags that this version does not know."""
    return FLAGS[name].words if name in FLAGS else name.replace("_", " ")


def _bytes(path: Path) -> bytes | None:
    try:
        return read_own(path)
    except OSError:  # missing, or a link to a file outside, which the page must not show
        return None
