"""Chooses the scoring rule if ``scoring.rule`` is *auto*: the one that works best on the reference tiles at hand.

The mark of a rule is its AUROC of synthetic anomalies against reference tiles *whose imaging was changed*: another
stain, scanner, focus or compression. It needs no anomaly, and sees whether a rule takes another slide for an anomaly,
which a comparison with unchanged tiles of the same slides cannot see. The worst kind of synthetic anomaly decides.

    descriptor   adapts to slides; without the auto-encoder
    combined     the auto-encoder's residuals and the features
    content      only the features' means

The weight of simulated changes in the metric of `descriptor` is chosen by the same mark. Less than `MARGIN` is a
toss-up, which the default weight and the first of these rules win. Only *validation* tiles are used, so p-values,
which come from *calibration* tiles, are valid for any choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.metric import Level
from wsi_haloae.config import DESCRIPTOR, RULES, candidates
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.score_store import TileScores
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS
from wsi_haloae.tiles.sources import CombinedSource, TileSource, evenly
from wsi_haloae.tiles.views import Changed, Chosen
from wsi_haloae.training.descriptors import DEFAULT_WEIGHT, WEIGHTS, Spreads, with_weight
from wsi_haloae.training.rule_marks import mark_rules
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

MOST_TILES = 64
"""How many validation tiles are used; each is scored once unchanged, and once per kind of synthetic anomaly."""
BATCH = 16
MARGIN = 0.02
"""Marks of so few tiles differ by this much by chance."""


def choose_rule(
    checkpoint: Checkpoint,
    source: TileSource,
    validation: NDArray[np.int64],
    measured: tuple[Basis, Spreads],
    device: torch.device,
    advance: Advance,
) -> Checkpoint:
    """Choose the candidate with the best mark, and the weight of the metric; `checkpoint` must have learned its rules.

    ``measured`` is what the metric is made of. The returned checkpoint records the chosen rule and the marks.
    """
    sample = Chosen(source, drawn(validation))
    weighted = {f"{weight:g}": with_weight(checkpoint, *measured, weight) for weight in WEIGHTS}
    asking = _scoring_by(weighted[f"{DEFAULT_WEIGHT:g}"], candidates()[0])
    found, rules = scored_anomalies(asking, imaged_otherwise(sample), sample, device, advance)
    assert found.descriptor is not None, "the metric has been learned"
    distances = {weight: _unknown(one).distance(found.descriptor) for weight, one in weighted.items()}
    weight = _best(_marks(distances), f"{DEFAULT_WEIGHT:g}")
    marks = _marks(rules | {DESCRIPTOR: distances[weight]})
    candidate_marks = {name: marks[name] for name in candidates()}
    chosen = _scoring_by(weighted[weight], _best(candidate_marks, candidates()[0]))
    return chosen.with_facts(rule_marks=candidate_marks)


def _marks(scores: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    return {one.rule: one.mark for one in mark_rules([areas_by_kind(scores)])}


def _best(marks: Mapping[str, float], usual: str) -> str:
    """The name with the best mark, or ``usual`` if that is not better by `MARGIN`."""
    best = max(marks, key=marks.__getitem__)
    return best if marks[best] > marks[usual] + MARGIN else usual


def _unknown(checkpoint: Checkpoint) -> Level:
    assert checkpoint.descriptors is not None, "it was given a weight"
    return checkpoint.descriptors.reference.metric.unknown


def drawn(validation: NDArray[np.int64]) -> NDArray[np.int64]:
    """The validation tiles that the choice is made on."""
    return evenly(validation, MOST_TILES)


def imaged_otherwise(source: TileSource) -> TileSource:
    """The source's tiles, as another stain, scanner or compression would show them: each kind of change in turn."""
    changes = list(PERTURBATIONS.values())
    return Changed(source, lambda tile, number: changes[number % len(changes)](tile), "imaged otherwise")


def scored_anomalies(
    checkpoint: Checkpoint, usual: TileSource, reference: TileSource, device: torch.device, advance: Advance
) -> tuple[TileScores, dict[str, NDArray[np.float32]]]:
    """Scores of n ``usual`` tiles, then of each kind of synthetic anomaly made from the n tiles of ``reference``.

    Also by rule, the paper's among them: (n + kinds x n,) each.
    """
    others = synthetic_anomalies_of(reference, checkpoint.facts.config.training.seed)
    tested = CombinedSource([usual, *others.values()])
    scorer = Scorer(checkpoint, device, BATCH)
    found = score_source(scorer, tested, np.arange(len(tested.groups)), advance)
    return found, {"paper": found.score_paper, **dict(zip(scorer.rules, found.rules.T, strict=True))}


def areas_by_kind(scores: Mapping[str, NDArray[np.float32]]) -> dict[str, dict[str, float]]:
    """AUROC of each kind of synthetic anomaly against the usual tiles, from scores as `scored_anomalies` gives them."""
    areas: dict[str, dict[str, float]] = {}
    count = len(next(iter(scores.values()))) // (1 + len(SYNTHETIC_ANOMALIES))
    labels = np.repeat([False, True], count)
    for number, kind in enumerate(SYNTHETIC_ANOMALIES, start=1):
        judged = np.r_[:count, number * count : (number + 1) * count]
        areas[kind] = {name: auroc(values[judged], labels) for name, values in scores.items()}
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
        f"score: {chosen}; AUROC of synthetic anomalies against held-out tiles with other imaging ({kinds}): {listed}"
        f"{f'; {why}' if why else ''}"
    )


def _scoring_by(checkpoint: Checkpoint, rule: str) -> Checkpoint:
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": rule})
    return checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
