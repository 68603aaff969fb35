"""What ``evaluate`` says about the slides that it judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wsi_haloae.config import DESCRIPTOR, RULES
from wsi_haloae.evaluation.judgement import Judgement
from wsi_haloae.evaluation.judgement_page import Subject, figure_lines, write_judgement
from wsi_haloae.evaluation.labelled_tiles import SCORE, LabelledTiles
from wsi_haloae.evaluation.slide_result import SlideResult
from wsi_haloae.pages import percent
from wsi_haloae.progress import with_noun

ADAPTED = {SCORE: f"score: {DESCRIPTOR}, adapted to the slide", DESCRIPTOR: f"{DESCRIPTOR}, not adapted"}
"""Names of rows that would otherwise give one rule two figures."""


def write_evaluation(
    output: Path, result: SlideResult, tiles: LabelledTiles, min_coverage: float, warnings: Sequence[str]
) -> None:
    """Write figures, pictures and page into the folder ``output``."""
    count, reference = len(result.slides), result.judgement.reference_classes
    subject = Subject(
        title="Scores compared with annotations",
        introduction=(
            f"{with_noun(count, 'slide')}: {', '.join(result.slides)}. Reference: {', '.join(reference)}; "
            f"every other outlined class counts as anomalous. {result.unlabelled:,} scored tiles are in no outline and "
            f"are not evaluated. Evaluated: {tiles_line(result.judgement, min_coverage)}.{_rows(result)}"
        ),
        labelled="outlined tiles",
        together="slide by slide",
        document=result.as_json(),
        slides=result,
        names=ADAPTED if result.adapted else {},
    )
    write_judgement(output, subject, result.judgement, tiles, warnings)


def _rows(result: SlideResult) -> str:
    """What the rows of the table are, which rules were not computed for all of these slides, and how to get them."""
    words = " The score is adapted to each slide; the other rules' scores are not." if result.adapted else ""
    names = [name for name, rule in RULES.items() if rule.on_request and name not in result.judgement.rules]
    absent = f" Rules that were not computed: {', '.join(names)} ('score --all-rules' computes them)."
    return words + absent if names else words


def tiles_line(judgement: Judgement, min_coverage: float) -> str:
    """Which tiles count, and how many of each class were called anomalous."""
    classes = (
        f"{name} {with_noun(one.tiles, 'tile')}"
        + ("" if one.share_called is None else f", {percent(one.share_called)} called anomalous")
        for name, one in judgement.classes.items()
    )
    return f"tiles with at least {percent(min_coverage)} in one class (--min-coverage): {'; '.join(classes)}"


def summary_lines(result: SlideResult) -> Iterator[str]:
    """The figures of the score, a line each, and those over held-out slides, if they are apart."""
    yield from figure_lines(result.judgement)
    if result.held_out:
        which = f"held-out slides only ({len(result.held_out.slides)})"
        yield from (f"{which}: {line}" for line in figure_lines(result.held_out.judgement))
