"""What ``evaluate`` says about the slides that it judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.evaluation.judgement_page import Subject, write_judgement
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.slide_result import SlideResult


def write_evaluation(output: Path, result: SlideResult, tiles: LabelledTiles, warnings: Sequence[str]) -> None:
    """Write figures, pictures and page into the folder ``output``."""
    count, reference = len(result.slides), result.judgement.reference_classes
    subject = Subject(
        title="Scores compared with annotations",
        introduction=(
            f"{count} slide{'' if count == 1 else 's'}: {', '.join(result.slides)}. Reference: {', '.join(reference)}; "
            f"every other outlined class counts as anomalous. {result.unlabelled:,} scored tiles are in no outline and "
            "are not evaluated."
        ),
        labelled="outlined tiles",
        together="slide by slide",
        document=result.as_json(),
    )
    write_judgement(output, subject, result.judgement, tiles, warnings)
