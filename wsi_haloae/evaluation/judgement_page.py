"""What a judgement of labelled tiles leaves in its folder: the figures as JSON, pictures, and a page with both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import remove, write_text
from wsi_haloae.evaluation.false_calls import COUNTED_ONCE
from wsi_haloae.evaluation.interval import NO_INTERVAL
from wsi_haloae.evaluation.judgement import Judgement
from wsi_haloae.evaluation.judgement_pictures import write_calibration, write_class_scores, write_roc
from wsi_haloae.evaluation.labelled_tiles import SCORE, LabelledTiles
from wsi_haloae.evaluation.slide_result import SlideResult
from wsi_haloae.pages import percent, write_page

RESULT_NAME, PAGE_NAME = "evaluation.json", "evaluation.html"
PAGE = "evaluation/evaluation.html.jinja"


@dataclass(frozen=True)
class Subject:
    """What was judged: words for the page, and ``document``, the JSON but for the warnings.

    ``labelled`` names the tiles with a class, ``together`` says among which tiles a false-discovery rate is kept.
    ``pictures`` are further ones, already written, by their titles; ``slides`` is the whole result for slides.
    ``names`` are those of rows and curves, for rules that have another one here.
    """

    title: str
    introduction: str
    labelled: str
    together: str
    document: Mapping[str, Any]
    pictures: Mapping[str, Path] = field(default_factory=dict)
    slides: SlideResult | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def write_judgement(
    output: Path, subject: Subject, judgement: Judgement, tiles: LabelledTiles, warnings: Sequence[str]
) -> None:
    """Write all of it into the folder ``output``."""
    pictures = {"Scores by class": output / "classes.png", "ROC": output / "roc.png"}
    by_class = {name: tiles.rules[SCORE][tiles.classes == name] for name in judgement.classes}
    write_class_scores(pictures["Scores by class"], by_class, judgement.reference_classes)
    write_roc(pictures["ROC"], tiles.rules, tiles.anomalous, subject.names)
    calibration = output / "calibration.png"
    remove(calibration)  # an earlier judgement may have had p-values
    if judgement.calibration:
        pictures["p-values of reference tiles"] = calibration
        write_calibration(calibration, judgement.calibration)
    encoded = {title: path.read_bytes() for title, path in (pictures | dict(subject.pictures)).items()}
    write_page(output / PAGE_NAME, PAGE, subject=subject, result=judgement, warnings=warnings, pictures=encoded)
    document = {"warnings": list(warnings), **subject.document}
    write_text(output / RESULT_NAME, json.dumps(document, indent=2) + "\n")


def score_lines(judgement: Judgement) -> list[str]:
    """How well the score tells tiles apart, and how well what is called covers what is outlined: a line each."""
    own, called = judgement.rules[SCORE], judgement.called
    ranks = (
        f"AUROC {own.auroc:.3f} ({own.auroc_interval or NO_INTERVAL}), average precision {own.average_precision:.3f}"
    )
    covers = None
    if called is not None and called.dice is not None:
        covers = f"Dice {called.dice:.3f} over the outlined tiles, at a {called.criterion}"
    return [ranks, *filter(None, [covers])]


def figure_lines(judgement: Judgement) -> list[str]:
    """`score_lines`, and a line on false calls."""
    false = judgement.false_calls
    if false is None:
        return score_lines(judgement)
    said = f"{percent(false.share)} of reference tiles at p ≤ {false.level:g}"
    return [*score_lines(judgement), f"{said} (mean over {judgement.grouped_by}, each of which {COUNTED_ONCE})"]
