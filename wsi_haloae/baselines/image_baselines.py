"""Baselines on a model's own frozen features: how well it would score without its trained decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.by_cell import fit_by_cell
from wsi_haloae.baselines.mahalanobis import LocationMahalanobis
from wsi_haloae.baselines.model_features import ModelFeatures
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.baselines.protocol import Baseline
from wsi_haloae.config import RULES, ScoringConfig
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.image_scorer import ImageScores, finish
from wsi_haloae.tiles.sources import TileSource

AS_IT_IS = ScoringConfig(normalisation="none", pooling="max")
"""Distances need no mean map; in their papers an image is scored by its maximum."""


@dataclass(frozen=True)
class BaselineScores:
    """One baseline's scores of the test images, and its mean residual on held-out reference images."""

    name: str
    scores: ImageScores
    held_out: float


def code_width(checkpoint: Checkpoint) -> int:
    """Numbers per cell of block C's code. PCA gets as many components, so that both compress equally."""
    config = checkpoint.facts.config.model.autoencoder
    return config.code_rank or config.encoder[-1].out or checkpoint.model.backbone.channels


def has_comparable_pca(checkpoint: Checkpoint) -> bool:
    """Whether PCA of the features is a fair comparison; it is not if the features are the pixels themselves."""
    return checkpoint.facts.config.model.features.backbone != "pixels"


def run_baselines(
    checkpoint: Checkpoint,
    source: TileSource,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    test: TileSource,
    device: torch.device,
    reporter: Reporter,
    *,
    everything: bool,
) -> list[BaselineScores]:
    """Run PCA reconstruction, scored by the model's own rule; with ``everything``, the others too."""
    features = ModelFeatures(checkpoint, device)
    with reporter.track("Features for the baselines", len(train), "images") as advance:
        kept = features.kept(source, train, advance)
    pca = PcaReconstruction.fit(kept, code_width(checkpoint))
    scoring = checkpoint.facts.config.scoring
    fitted: list[tuple[str, Baseline, ScoringConfig]] = [
        (f"PCA-{code_width(checkpoint)} reconstruction", pca, scoring.by(RULES[scoring.rule]))
    ]
    if everything:
        reporter.line("fitting one Gaussian per location")
        fitted.append(("per-location Mahalanobis", LocationMahalanobis.fit(kept), AS_IT_IS))
        by_cell = fit_by_cell(kept, features.layer_channels, reporter, positions=True)
        fitted += [(name, baseline, AS_IT_IS) for name, baseline in by_cell.items()]
    models = [baseline for _, baseline, _ in fitted]
    mean_map = _maps([pca], kept(), lambda _: None)[0].mean(dim=0)
    validation_maps = _maps(models, features.batches(source, validation), lambda _: None)
    numbers = np.arange(len(test.groups))
    with reporter.track("Scoring by the baselines", len(numbers), "images") as advance:
        test_maps = _maps(models, features.batches(test, numbers), advance)
    return [
        BaselineScores(name, _scores(test_maps[place], mean_map, how), float(validation_maps[place].mean()))
        for place, (name, _, how) in enumerate(fitted)
    ]


def _scores(residual: Tensor, mean_map: Tensor, how: ScoringConfig) -> ImageScores:
    maps = finish(residual, mean_map, how)
    score = maps.amax(dim=(1, 2)) if how.pooling == "max" else maps.mean(dim=(1, 2))
    return ImageScores(maps, score.numpy())


def _maps(baselines: Sequence[Baseline], batches: Iterable[Tensor], advance: Advance) -> list[Tensor]:
    """Maps (n, m, m) of each baseline, on the CPU, in one pass over features."""
    parts: list[list[Tensor]] = [[] for _ in baselines]
    for features in batches:
        for part, baseline in zip(parts, baselines, strict=True):
            part.append(baseline.maps(features).float().cpu())
        advance(len(features))
    return [torch.cat(part) for part in parts]
