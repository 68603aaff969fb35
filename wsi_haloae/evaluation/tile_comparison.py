"""All methods on the same tiles: the model by every rule, baselines on its features, and statistics without a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.by_cell import fit_by_cell
from wsi_haloae.baselines.image_baselines import code_width
from wsi_haloae.baselines.model_features import ModelFeatures
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.baselines.pooled import PooledBaseline, PooledMahalanobis, PooledNearest
from wsi_haloae.baselines.protocol import Baseline
from wsi_haloae.config import PAPER
from wsi_haloae.evaluation.comparison import MethodScores
from wsi_haloae.evaluation.labelled_tiles import SCORE
from wsi_haloae.evaluation.tile_statistics import statistic_scores, tile_statistics
from wsi_haloae.features.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.pooling import mean_over, mean_over_channels, quantile_over
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.sources import TileSource

BATCH = 16
NEIGHBOURS = (1, 5)
BY_CELL_TILES = 512
"""At most as many training tiles, drawn at random, give the cells that cells are compared with."""


@dataclass(frozen=True)
class TileBatch:
    """Features (b, C, m, m) of some tiles, their tissue cells (b, m, m), and the tiles (b, s, s, 3)."""

    features: Tensor
    tissue: Tensor
    tiles: NDArray[np.uint8]


class TileBaselines:
    """Baselines and no-model statistics, fitted on training tiles; they can score any other tiles.

    ``by_cell`` are those whose maps become scores by their mean over tissue, as PCA's does. There is no Gaussian per
    location, because tiles are cut anywhere: all their locations are alike, and the pooled Gaussian has all cells.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        source: TileSource,
        train: NDArray[np.int64],
        by_cell: Mapping[str, Baseline],
        device: torch.device,
        advance: Advance,
    ) -> None:
        self._checkpoint, self._by_cell, self._device = checkpoint, by_cell, device
        vectors: list[NDArray[np.float32]] = []
        statistics: list[NDArray[np.float64]] = []

        def batches() -> Iterator[Tensor]:
            for batch in self._read(source, train):
                vectors.append(mean_over_channels(batch.features, batch.tissue).cpu().numpy())
                statistics.extend(tile_statistics(tile) for tile in batch.tiles)
                advance(len(batch.tiles))
                yield batch.features

        self.components = code_width(checkpoint)
        self._pca = PcaReconstruction.fit(batches, self.components)
        train_vectors = np.concatenate(vectors)
        self._statistics = np.stack(statistics)
        neighbours = [count for count in NEIGHBOURS if count <= len(train_vectors)]
        self._pooled: list[PooledBaseline] = [
            PooledMahalanobis.fit(train_vectors),
            *(PooledNearest(train_vectors, count) for count in neighbours),
        ]

    @torch.inference_mode()
    def score(self, source: TileSource, numbers: NDArray[np.int64], advance: Advance) -> list[MethodScores]:
        """Scores (n,) of tiles by each baseline and each statistic."""
        vectors, means, tails = [], [], []
        by_cell: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self._by_cell}
        statistics: list[NDArray[np.float64]] = []
        for batch in self._read(source, numbers):
            maps = self._pca.maps(batch.features)
            means.append(mean_over(maps, batch.tissue).cpu().numpy())
            tails.append(quantile_over(maps, batch.tissue).cpu().numpy())
            for name, baseline in self._by_cell.items():
                by_cell[name].append(mean_over(baseline.maps(batch.features), batch.tissue).cpu().numpy())
            vectors.append(mean_over_channels(batch.features, batch.tissue).cpu().numpy())
            statistics.extend(tile_statistics(tile) for tile in batch.tiles)
            advance(len(batch.tiles))
        pooled = np.concatenate(vectors)
        by_statistics = statistic_scores(self._statistics, np.stack(statistics))
        return [
            *(MethodScores(method.name, "baseline", method.scores(pooled)) for method in self._pooled),
            MethodScores(f"PCA-{self.components} residual, mean", "baseline", np.concatenate(means)),
            MethodScores(f"PCA-{self.components} residual, p95", "baseline", np.concatenate(tails)),
            *(MethodScores(f"{name}, mean", "baseline", np.concatenate(parts)) for name, parts in by_cell.items()),
            *(MethodScores(name, "no model", scores) for name, scores in by_statistics.items()),
        ]

    @torch.inference_mode()
    def _read(self, source: TileSource, numbers: NDArray[np.int64]) -> Iterator[TileBatch]:
        model, glass = self._checkpoint.model.to(self._device).eval(), self._checkpoint.facts.config.scoring.glass_level
        for start in range(0, len(numbers), BATCH):
            tiles = np.stack([source.read(int(number)) for number in numbers[start : start + BATCH]])
            unit = to_unit(torch.from_numpy(tiles).to(self._device))
            features = model.features(normalise(unit, model.config.input_downsample))
            yield TileBatch(features, tissue_cells(unit, model.map_size, glass), tiles)


def fit_baselines(
    checkpoint: Checkpoint, source: TileSource, train: NDArray[np.int64], device: torch.device, reporter: Reporter
) -> TileBaselines:
    """Fit on tiles ``train`` (m,) of a source."""
    features = ModelFeatures(checkpoint, device)
    some = np.sort(np.random.default_rng(0).permutation(train)[:BY_CELL_TILES])
    with reporter.track("Features for the baselines", len(some), "tiles") as advance:
        kept = features.kept(source, some, advance)
    by_cell = fit_by_cell(kept, features.layer_channels, reporter, positions=False)
    with reporter.track("Fitting the baselines", len(train), "tiles") as advance:
        return TileBaselines(checkpoint, source, train, by_cell, device, advance)


def own_baselines(rules: Mapping[str, NDArray[np.float32]]) -> list[MethodScores]:
    """The baselines whose statistics a checkpoint has: the rule ``content`` is the pooled Mahalanobis distance."""
    return [MethodScores(PooledMahalanobis.name, "baseline", rules["content"])] if "content" in rules else []


def scores_by_rule(scorer: Scorer, found: TileScores) -> dict[str, NDArray[np.float32]]:
    """Scores (n,) by the checkpoint's own rule, by the paper's, and by every other rule."""
    return {
        SCORE: found.score,
        PAPER: found.score_paper,
        **{name: found.rules[:, place] for place, name in enumerate(scorer.rules)},
    }


def haloae_methods(rules: Mapping[str, NDArray[np.float32]]) -> list[MethodScores]:
    """The same as methods: HaloAE, whose rule is the checkpoint's, and HaloAE by each other rule."""
    return [
        MethodScores("HaloAE" if name == SCORE else f"HaloAE: {name}", "HaloAE", scores)
        for name, scores in rules.items()
    ]


def score_name(rule: str) -> str:
    """The name of a model's score beside those of other rules: "score (descriptor)"."""
    return f"{SCORE} ({rule})"


def all_methods(
    checkpoint: Checkpoint,
    source: TileSource,
    train: NDArray[np.int64],
    tested: TileSource,
    device: torch.device,
    reporter: Reporter,
) -> list[MethodScores]:
    """Every method's scores of all tiles of ``tested``; baselines are fitted on tiles ``train`` of ``source``.

    The model's score comes first, named as `score_name` does, and the other rules have their own names.
    """
    own, numbers = checkpoint.facts.config.scoring.rule, np.arange(len(tested.groups))
    baselines = fit_baselines(checkpoint, source, train, device, reporter)
    scorer = Scorer(checkpoint, device, BATCH)
    with reporter.track("Comparing", 2 * len(numbers), "tiles") as advance:
        found = score_source(scorer, tested, numbers, advance)
        rules = scores_by_rule(scorer, found)
        rules.pop(own, None)  # it is the score
        named = {score_name(own) if name == SCORE else name: scores for name, scores in rules.items()}
        ours = [MethodScores(name, "HaloAE", scores) for name, scores in named.items()]
        return [*ours, *baselines.score(tested, numbers, advance)]
