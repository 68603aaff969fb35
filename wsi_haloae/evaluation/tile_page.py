"""What is written about labelled tiles: the judgement as for slides, all methods and tiles in pictures, all scores."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import replacing
from wsi_haloae.config import rule_words
from wsi_haloae.evaluation.comparison_table import verdict, write_comparison
from wsi_haloae.evaluation.judgement import Judgement
from wsi_haloae.evaluation.judgement_page import Subject, write_judgement
from wsi_haloae.evaluation.labelled_tiles import SCORE
from wsi_haloae.evaluation.tile_judgement import JudgedTiles
from wsi_haloae.evaluation.tile_sheet import write_tile_sheet
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.quoting import safe_cell

TABLE_NAME = "tiles.csv"


def write_tile_judgement(output: Path, judged: JudgedTiles, checkpoint: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Write figures, pictures, page and table into the folder ``output``; ``facts`` are for the JSON alone."""
    judgement, methods = judged.judgement, output / "methods.png"
    compared = [*judgement.rules.values(), *judgement.baselines.values()]
    write_comparison(methods, compared, "anomalous tiles against reference tiles")
    write_tile_sheet(output / "tiles.png", judged.labelled, judged.tiles.rules[SCORE])
    write_tile_table(output / TABLE_NAME, judged)
    rule = rule_words(checkpoint.facts.config.scoring)
    model = {"sha256": checkpoint.sha256, "rule": rule, "mpp": checkpoint.facts.mpp}
    subject = Subject(
        title="Scores of labelled tiles",
        introduction=_introduction(judgement, rule),
        labelled="tiles",
        together="over all tiles together",
        document={"model": model, **facts, **asdict(judgement)},
        pictures={"AUROC of all methods": methods, "Lowest and highest scores of each class": output / "tiles.png"},
    )
    write_judgement(output, subject, judgement, judged.tiles, judged.warnings)


def against_baselines(judgement: Judgement) -> str:
    """The score beside the best baseline, as a sentence; empty if nothing is compared."""
    compared = [*judgement.rules.values(), *judgement.baselines.values()]
    return f"{verdict(compared, SCORE)}." if judgement.baselines else ""


def write_tile_table(path: Path, judged: JudgedTiles) -> None:
    """All tiles with their class, group, p-value, whether they were called, and the score of every method.

    ``file`` is relative to the folder of the class. ``called`` is empty if no tile can be called.
    """
    tiles, can_call = judged.tiles, judged.judgement.called is not None
    called = [("yes" if one else "no") if can_call else "" for one in tiles.chosen]
    texts = zip(judged.labelled.source.blocks, tiles.classes.tolist(), tiles.groups.tolist(), called, strict=True)
    numbers = zip(tiles.p_values.tolist(), *(one.scores.tolist() for one in tiles.methods), strict=True)
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "class", "group", "called", "p_value", *(one.name for one in tiles.methods)))
        for words, values in zip(texts, numbers, strict=True):
            cells = ("" if math.isnan(value) else f"{value:.9g}" for value in values)
            writer.writerow((*(safe_cell(word) for word in words), *cells))


def _introduction(judgement: Judgement, rule: str) -> str:
    anomalous = ", ".join(judgement.by_class)
    return (
        f"Reference: {', '.join(judgement.reference_classes)}. Anomalous: {anomalous}. The score is the {rule}. "
        f"{against_baselines(judgement)}"
    )
