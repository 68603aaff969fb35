"""Baselines on a model's own frozen features: how well it would score without its trained decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.mahalanobis import LocationMahalanobis
from wsi_haloae.baselines.nearest import NearestCoreset
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.baselines.protocol import Baseline, FeatureBatches
from wsi_haloae.config import RULES, ScoringConfig
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.image_scorer import ImageScores, finish
from wsi_haloae.tiles.sources import TileSource, read_tiles

BATCH = 16
CORESET = 2048
"""Number of cells that kNN compares with."""
KEPT_BYTES = 2 * 1024**3
"""Up to this size, the features of the training images are kept; beyond it they are computed again each time."""
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
    """Run PCA reconstruction, scored by the model's own rule; with ``everything``, Mahalanobis and kNN too."""
    features = _Features(checkpoint, device)
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
        with reporter.track("Choosing the coreset", CORESET, "cells") as advance:
            fitted.append(("kNN with a coreset", NearestCoreset.fit(kept, advance, coreset=CORESET), AS_IT_IS))
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


def _maps(baselines: Sequence[Baseline], batches: Iterator[Tensor], advance: Advance) -> list[Tensor]:
    """Maps (n, m, m) of each baseline, on the CPU, in one pass over features."""
    parts: list[list[Tensor]] = [[] for _ in baselines]
    for features in batches:
        for part, baseline in zip(parts, baselines, strict=True):
            part.append(baseline.maps(features).float().cpu())
        advance(len(features))
    return [torch.cat(part) for part in parts]


class _Features:
    """Block B of a checkpoint: from images to standardised features (B, C, m, m)."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self._model = checkpoint.model.to(device).eval()
        self._device = device

    def batches(self, source: TileSource, numbers: NDArray[np.int64]) -> Iterator[Tensor]:
        """Features of unaugmented images, batch by batch."""
        for start in range(0, len(numbers), BATCH):
            unit = to_unit(torch.from_numpy(read_tiles(source, numbers[start : start + BATCH])).to(self._device))
            yield self._model.features(normalise(unit, self._model.config.input_downsample))

    def kept(self, source: TileSource, numbers: NDArray[np.int64], advance: Advance) -> FeatureBatches:
        """Batches that can be read several times: from memory up to `KEPT_BYTES`, otherwise computed again."""
        size = len(numbers) * self._model.backbone.channels * self._model.map_size**2 * 4
        if size > KEPT_BYTES:
            return lambda: self.batches(source, numbers)
        batches = []
        for features in self.batches(source, numbers):
            batches.append(features)
            advance(len(features))
        return lambda: iter(batches)
