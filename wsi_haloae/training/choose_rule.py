"""Which rule makes the score where ``scoring.rule`` is *auto*: the reference tiles at hand decide.

The table says which rules are asked: of all, the two best marked in trainings on tiles in colour (docs/scoring.md).
`combined` asks the auto-encoder, `content` only the features. Where the auto-encoder does not help to tell disturbed
reference tiles, its numbers are noise on top of what plain statistics know, and `content` is the better score. Only
*validation* tiles are asked, so p-values, which come from *calibration* tiles, hold for either choice.
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
from wsi_haloae.training.synthetic_anomalies import SURROGATES

MOST_TILES = 64
"""Validation tiles that are disturbed; each is scored once as it is, and once per kind of disturbance."""
BATCH = 16


def choose_rule(
    checkpoint: Checkpoint, source: TileSource, validation: NDArray[np.int64], device: torch.device, advance: Advance
) -> Checkpoint:
    """The candidate that tells disturbed validation tiles better, by the kind that each tells worst.

    ``checkpoint`` has learned its rules. Its facts say afterwards which rule it is, and how the candidates were marked.
    """
    told = tell_disturbed(_scoring_by(checkpoint, candidates()[0]), Chosen(source, drawn(validation)), device, advance)
    marks = {one.rule: one.mark for one in mark_rules([told])}
    asked = {name: marks[name] for name in candidates()}
    chosen = _scoring_by(checkpoint, max(asked, key=asked.__getitem__))
    return chosen.with_facts(rule_marks=asked)


def drawn(validation: NDArray[np.int64]) -> NDArray[np.int64]:
    """The validation tiles that are asked."""
    return evenly(validation, MOST_TILES)


def tell_disturbed(
    checkpoint: Checkpoint, reference: TileSource, device: torch.device, advance: Advance
) -> dict[str, dict[str, float]]:
    """AUROC of disturbed against undisturbed reference tiles, by disturbance and rule (the paper's among them)."""
    others = disturbed(reference, checkpoint.facts.config.training.seed)
    tested, count = CombinedSource([reference, *others.values()]), len(reference.groups)
    scorer = Scorer(checkpoint, device, BATCH)
    found = score_source(scorer, tested, np.arange(len(tested.groups)), advance)
    scores = {"paper": found.score_paper, **dict(zip(scorer.rules, found.rules.T, strict=True))}
    labels = np.repeat([False, True], count)
    told: dict[str, dict[str, float]] = {}
    for number, name in enumerate(others, start=1):
        judged = np.r_[:count, number * count : (number + 1) * count]
        told[name] = {rule: auroc(values[judged], labels) for rule, values in scores.items()}
    return told


def disturbed(source: TileSource, seed: int) -> dict[str, TileSource]:
    """The source's tiles, once for each kind of disturbance; what is done to a tile depends on its number alone."""

    def view(kind: int, name: str) -> TileSource:
        def change(tile: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
            return SURROGATES[name](tile, np.random.default_rng((seed, 4, kind, number)))

        return Changed(source, change, name)

    return {name: view(kind, name) for kind, name in enumerate(SURROGATES)}


def describe_choice(marks: Mapping[str, float], chosen: str) -> str:
    """One line for people."""
    told = ", ".join(f"{name} {mark:.3f}" for name, mark in marks.items())
    why = RULES[chosen].auto_says
    kinds = f"AUROC, the worst of {len(SURROGATES)} kinds"
    return f"score: {chosen}; disturbed held-out tiles are told ({kinds}): {told}{f'; {why}' if why else ''}"


def _scoring_by(checkpoint: Checkpoint, rule: str) -> Checkpoint:
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": rule})
    return checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
