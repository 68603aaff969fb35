"""What ``evaluate`` writes: the figures as JSON, pictures, and a page with both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from wsi_haloae.atomic import write_text
from wsi_haloae.evaluation.slide_pictures import write_calibration, write_class_scores, write_roc
from wsi_haloae.evaluation.slide_result import LabelledTiles, SlideResult
from wsi_haloae.pages import percent, write_page

RESULT_NAME, PAGE_NAME = "evaluation.json", "evaluation.html"
PAGE = "evaluation/evaluation.html.jinja"


def write_evaluation(output: Path, result: SlideResult, tiles: LabelledTiles, warnings: Sequence[str]) -> None:
    """Write all of it into the folder ``output``."""
    pictures = {"Scores by class": output / "classes.png", "ROC": output / "roc.png"}
    score = tiles.rules["score"]
    by_class = {name: score[tiles.classes == name] for name in result.classes}
    write_class_scores(pictures["Scores by class"], by_class, result.reference_classes)
    write_roc(pictures["ROC"], tiles.rules, tiles.anomalous)
    if result.calibration:
        pictures["p-values of reference tiles"] = output / "calibration.png"
        write_calibration(pictures["p-values of reference tiles"], result.calibration)
    encoded = {title: path.read_bytes() for title, path in pictures.items()}
    write_page(output / PAGE_NAME, PAGE, result=result, warnings=warnings, pictures=encoded)
    document = {"warnings": list(warnings), **asdict(result)}
    write_text(output / RESULT_NAME, json.dumps(document, indent=2) + "\n")


def summary_lines(result: SlideResult) -> Iterator[str]:
    """The figures of the score in one line, and in another one those over held-out slides, if they are apart."""
    yield _summary(result)
    if result.held_out:
        yield f"held-out slides only ({len(result.held_out.slides)}): {_summary(result.held_out)}"


def _summary(result: SlideResult) -> str:
    own = result.rules["score"]
    low, high = own.auroc_interval.low, own.auroc_interval.high
    words = f"AUROC {own.auroc:.3f} ({low:.3f}-{high:.3f}), average precision {own.average_precision:.3f}"
    if result.called and result.called.dice is not None:
        words += f", Dice {result.called.dice:.3f} at a {result.called.criterion}"
    if result.false_calls:
        words += f", {percent(result.false_calls.share)} of reference tiles at p \N{LESS-THAN OR EQUAL TO} "
        words += f"{result.false_calls.level:g}"
    return words
