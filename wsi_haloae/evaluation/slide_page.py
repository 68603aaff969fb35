"""What ``evaluate`` says about the slides that it judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wsi_haloae.config import RULES
from wsi_haloae.evaluation.judgement_page import Subject, summary_line, write_judgement
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.slide_result import SlideResult
from wsi_haloae.progress import with_noun


def write_evaluation(output: Path, result: SlideResult, tiles: LabelledTiles, warnings: Sequence[str]) -> None:
    """Write figures, pictures and page into the folder ``output``."""
    count, reference = len(result.slides), result.judgement.reference_classes
    subject = Subject(
        title="Scores compared with annotations",
        introduction=(
            f"{with_noun(count, 'slide')}: {', '.join(result.slides)}. Reference: {', '.join(reference)}; "
            f"every other outlined class counts as anomalous. {result.unlabelled:,} scored tiles are in no outline and "
            f"are not evaluated.{_absent(result)}"
        ),
        labelled="outlined tiles",
        together="slide by slide",
        document=result.as_json(),
        slides=result,
    )
    write_judgement(output, subject, result.judgement, tiles, warnings)


def _absent(result: SlideResult) -> str:
    """Which rules were not computed for all of these slides, and how to get them."""
    names = [name for name, rule in RULES.items() if rule.on_request and name not in result.judgement.rules]
    return f" Rules that were not computed: {', '.join(names)} ('score --all-rules' computes them)." if names else ""


def summary_lines(result: SlideResult) -> Iterator[str]:
    """The figures of the score in one line, and in another one those over held-out slides, if they are apart."""
    yield summary_line(result.judgement)
    if result.held_out:
        yield f"held-out slides only ({len(result.held_out.slides)}): {summary_line(result.held_out.judgement)}"
