"""index.html: all slides of a folder, with small pictures, numbers and links to their reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsi_haloae.pages import write_page
from wsi_haloae.workspace.study_files import StudyFile

NAME = StudyFile.INDEX
TEMPLATE = "export/index.html.jinja"

State = Literal["done", "no tissue", "failed", "not finished"]


@dataclass(frozen=True)
class IndexedSlide:
    """One line of the index. Numbers that a slide does not have are None; ``picture`` is a JPEG.

    ``why_none`` says why no tile of the slide can be called (`calibration.reach`). It is None if tiles can be called.
    ``trained_on`` says what of the slide and its patient the model was trained on. It is None if that is nothing.
    """

    name: str
    state: State
    error: str = ""
    tiles: int | None = None
    scored: int = 0
    unreadable: int = 0
    anomalous: int | None = None
    called_by: str = ""
    why_none: str | None = None
    flagged: Sequence[tuple[str, int]] = ()
    picture: bytes | None = None
    trained_on: str | None = None

    @property
    def has_report(self) -> bool:
        """Whether the slide has a report."""
        return self.state in {"done", "no tissue"}

    @property
    def share(self) -> float | None:
        """Share of the scored tiles that are called anomalous; None if no tile was scored or can be called."""
        return self.anomalous / self.scored if self.anomalous is not None and self.scored else None


def write_index_page(path: Path, slides: Sequence[IndexedSlide], evaluation: str | None, cohort: str | None) -> None:
    """Write the page, with the slides sorted by name.

    ``evaluation`` and ``cohort`` are paths of other pages about these slides, relative to the index, or None.
    """
    ordered = sorted(slides, key=lambda slide: slide.name)
    states = Counter(slide.state for slide in ordered)
    reasons = sorted({slide.why_none for slide in ordered if slide.why_none})
    write_page(path, TEMPLATE, slides=ordered, states=states, reasons=reasons, evaluation=evaluation, cohort=cohort)
