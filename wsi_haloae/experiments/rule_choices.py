"""Whether trainings chose the auto-encoder where it helps: choices of `scoring.rule: auto` beside labelled tiles.

A training's choice is judged by the AUROC of the candidates on tiles that no training used. The auto-encoder *helps*
where the best candidate with it is above the best one without it by more than `LEVEL`, *harms* where it is below by
more, and is *level* in between, where either choice is right.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.atomic import write_text
from wsi_haloae.config import RULES, candidates
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.experiments.histology import SCORES_NAME
from wsi_haloae.experiments.real_slides import QUESTIONS, RESULTS_NAME, model_folder
from wsi_haloae.model.checkpoint import Checkpoint

LEVEL = 0.01
Areas = Mapping[str, float]
"""AUROC by rule."""


@dataclass(frozen=True)
class JudgedChoice:
    """One training: the rule that it chose, and AUROC of the best candidate with the auto-encoder and without it."""

    training: str
    chosen: str
    chosen_auroc: float
    with_autoencoder: float
    without: float

    @classmethod
    def of(cls, training: str, chosen: str, areas: Areas) -> JudgedChoice:
        """Judge a choice by the AUROC of all candidates."""
        best = {
            used: max(areas[name] for name in candidates() if RULES[name].uses_autoencoder is used)
            for used in (True, False)
        }
        return cls(training, chosen, areas[chosen], best[True], best[False])

    @property
    def gain(self) -> float:
        """What the auto-encoder is worth."""
        return self.with_autoencoder - self.without

    @property
    def verdict(self) -> str:
        """helps, harms or level."""
        return "level" if abs(self.gain) <= LEVEL else "helps" if self.gain > 0 else "harms"

    @property
    def right(self) -> bool:
        """Whether the training chose the auto-encoder where it helps, and not where it harms."""
        return self.verdict == "level" or RULES[self.chosen].uses_autoencoder is (self.verdict == "helps")


def judged_choices(folder: Path) -> Iterator[JudgedChoice]:
    """All trainings below the output of `pipelines/histology.py` or `pipelines/real_slides.py`."""
    found = False
    for path in sorted(folder.glob(f"*/{SCORES_NAME}")):
        found = True
        record = json.loads(path.read_text(encoding="utf-8"))
        anomalous = np.asarray(record["anomalous"])
        scores = {one["name"].removeprefix("HaloAE: "): np.asarray(one["scores"]) for one in record["methods"]}
        areas = {name: auroc(scores[name], anomalous) for name in candidates()}
        yield JudgedChoice.of(f"{folder.name}, {path.parent.name}", record["rule"], areas)
    for path in sorted(folder.glob(RESULTS_NAME)):
        found = True
        yield from _of_slides(path)
    if not found:
        raise UsageError(f"{folder}: no result of pipelines/histology.py or pipelines/real_slides.py")


def _of_slides(path: Path) -> Iterator[JudgedChoice]:
    """One choice for each model; its AUROC is the mean of the questions that were asked of it."""
    answers = json.loads(path.read_text(encoding="utf-8"))["answers"]
    for (features, rows), tissue in product(answers.items(), dict.fromkeys(one.reference for one in QUESTIONS)):
        asked = {one.words for one in QUESTIONS if one.reference == tissue}
        areas = {name: _mean(rows, asked, f"rule {name}") for name in candidates()}
        model = Checkpoint.load(path.parent / features / model_folder(tissue) / "model.safetensors")
        patient, kind = tissue
        yield JudgedChoice.of(f"{features}, {kind.lower()} of {patient}", model.facts.config.scoring.rule, areas)


def _mean(rows: Sequence[Mapping[str, Any]], questions: Container[str], way: str) -> float:
    return float(np.mean([row["auroc"] for row in rows if row["question"] in questions and row["way"] == way]))


def write_choices(output: Path, choices: Sequence[JudgedChoice]) -> str:
    """Write ``choices.md`` and ``choices.json``; returns the table."""
    lines = [
        (
            f"{sum(one.right for one in choices)} of {len(choices)} trainings chose rightly. AUROC on labelled tiles; "
            f"a difference of {LEVEL} or less is level.\n"
        ),
        "| training | chosen | its AUROC | best with the auto-encoder | best without | the auto-encoder | right |",
        "| --- | --- | ---: | ---: | ---: | --- | --- |",
        *(
            f"| {one.training} | `{one.chosen}` | {one.chosen_auroc:.3f} | {one.with_autoencoder:.3f} | "
            f"{one.without:.3f} | {one.verdict} | {'yes' if one.right else '**no**'} |"
            for one in choices
        ),
    ]
    table = "\n".join(lines) + "\n"
    write_text(output / "choices.md", table)
    records = [{**asdict(one), "verdict": one.verdict, "right": one.right} for one in choices]
    write_text(output / "choices.json", json.dumps(records, indent=1) + "\n")
    return table
