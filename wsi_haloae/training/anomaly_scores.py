"""Synthetic anomalies beside usual tiles: which tiles these are, their scores by every rule, and how well each does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS
from wsi_haloae.tiles.sources import CombinedSource, TileSource
from wsi_haloae.tiles.views import Changed
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

BATCH = 16
Scores = Mapping[str, NDArray[np.floating]]


def imaged_otherwise(source: TileSource) -> TileSource:
    """The source's tiles, as another stain, scanner or compression would show them: each kind of change in turn."""
    changes = list(PERTURBATIONS.values())
    return Changed(source, lambda tile, number: changes[number % len(changes)](tile), "imaged otherwise")


def tested_tiles(checkpoint: Checkpoint, usual: TileSource, reference: TileSource) -> CombinedSource:
    """The n ``usual`` tiles, then each kind of synthetic anomaly made from the n tiles of ``reference``."""
    others = synthetic_anomalies_of(reference, checkpoint.facts.config.training.seed)
    return CombinedSource([usual, *others.values()])


def scored_anomalies(
    checkpoint: Checkpoint, tested: TileSource, device: torch.device, advance: Advance
) -> dict[str, NDArray[np.float32]]:
    """Scores of all `tested_tiles` by each rule, the paper's among them: (n + kinds x n,) each."""
    scorer = Scorer(checkpoint, device, BATCH)
    found = score_source(scorer, tested, np.arange(len(tested.groups)), advance)
    return {"paper": found.score_paper, **dict(zip(scorer.rules, found.rules.T, strict=True))}


def areas_by_kind(scores: Scores) -> dict[str, dict[str, float]]:
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
