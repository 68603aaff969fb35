"""Chooses the scoring rule if ``scoring.rule`` is *auto*: the rule that works better on the reference tiles at hand.

The candidates are the two rules that were best in trainings on tiles in colour (docs/scoring.md): `combined` uses the
auto-encoder, `content` only the features. If the auto-encoder does not help to tell synthetic anomalies from reference
tiles, its numbers only add noise to the plain statistics, and `content` gives the better score. Only *validation*
tiles are used, so p-values, which come from *calibration* tiles, are valid for either choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import RULES, candidates
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.tiles.sources import CombinedSource, TileSource, evenly
from wsi_haloae.tiles.views import Changed, Chosen
from wsi_haloae.training.rule_marks import mark_rules
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

MOST_TILES = 64
"""How many validation tiles are used; each is scored once unchanged, and once per kind of synthetic anomaly."""
BATCH = 16


def choose_rule(
    checkpoint: Checkpoint, source: TileSource, validation: NDArray[np.int64], device: torch.device, advance: Advance
) -> Checkpoint:
    """Choose the candidate that tells synthetic anomalies from validation tiles better, judged by its worst kind.

    ``checkpoint`` must have learned its rules. The returned one records the chosen rule and the candidates' marks.
    """
    areas = synthetic_anomaly_auroc(
        _scoring_by(checkpoint, candidates()[0]), Chosen(source, drawn(validation)), device, advance
    )
    marks = {one.rule: one.mark for one in mark_rules([areas])}
    candidate_marks = {name: marks[name] for name in candidates()}
    chosen = _scoring_by(checkpoint, max(candidate_marks, key=candidate_marks.__getitem__))
    return chosen.with_facts(rule_marks=candidate_marks)


def drawn(validation: NDArray[np.int64]) -> NDArray[np.int64]:
    """The validation tiles that the choice is made on."""
    return evenly(validation, MOST_TILES)


def synthetic_anomaly_auroc(
    checkpoint: Checkpoint, reference: TileSource, device: torch.device, advance: Advance
) -> dict[str, dict[str, float]]:
    """AUROC of synthetic anomalies against the ``reference`` tiles that they are made from, by kind and rule.

    The paper's rule is among them.
    """
    others = synthetic_anomalies_of(reference, checkpoint.facts.config.training.seed)
    tested, count = CombinedSource([reference, *others.values()]), len(reference.groups)
    scorer = Scorer(checkpoint, device, BATCH)
    found = score_source(scorer, tested, np.arange(len(tested.groups)), advance)
    scores = {"paper": found.score_paper, **dict(zip(scorer.rules, found.rules.T, strict=True))}
    labels = np.repeat([False, True], count)
    areas: dict[str, dict[str, float]] = {}
    for number, name in enumerate(others, start=1):
        judged = np.r_[:count, number * count : (number + 1) * count]
        areas[name] = {rule: auroc(values[judged], labels) for rule, values in scores.items()}
    return areas


def synthetic_anomalies_of(source: TileSource, seed: int) -> dict[str, TileSource]:
    """The source's tiles, turned into each kind of synthetic anomaly.

    How a tile changes depends only on ``seed`` and its number.
    """

    def view(kind: int, name: str) -> TileSource:
        def change(tile: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
            return SYNTHETIC_ANOMALIES[name](tile, np.random.default_rng((seed, 4, kind, number)))

        return Changed(source, change, name)

    return {name: view(kind, name) for kind, name in enumerate(SYNTHETIC_ANOMALIES)}


def describe_choice(marks: Mapping[str, float], chosen: str) -> str:
    """One line about the choice, for people."""
    listed = ", ".join(f"{name} {mark:.3f}" for name, mark in marks.items())
    why = RULES[chosen].auto_says
    kinds = f"worst of {len(SYNTHETIC_ANOMALIES)} kinds"
    return (
        f"score: {chosen}; AUROC of synthetic anomalies against held-out tiles ({kinds}): {listed}"
        f"{f'; {why}' if why else ''}"
    )


def _scoring_by(checkpoint: Checkpoint, rule: str) -> Checkpoint:
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": rule})
    return checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
