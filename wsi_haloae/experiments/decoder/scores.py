"""Scores of kept features: by every rule that needs only block C, and by rivals on the same standardised features.

Both are a `Scorer`: features and tissue cells in, scores and maps by name out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.by_cell import fit_by_cell
from wsi_haloae.baselines.mahalanobis import LocationMahalanobis
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.baselines.pooled import PooledBaseline, PooledMahalanobis, PooledNearest
from wsi_haloae.baselines.protocol import Baseline
from wsi_haloae.config import PAPER, RULES, Rule
from wsi_haloae.experiments.decoder.cache import FeatureMaps
from wsi_haloae.model.anomaly_map import smooth
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.residuals import of_features
from wsi_haloae.model.whitening import PlaceMeans
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.apply_rule import map_by, score_by
from wsi_haloae.scoring.learning import learner_of, rounds
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.pooling import POOLINGS, mean_over_channels

Batches = Iterable[tuple[Tensor, Tensor]]
"""Features (b, C, m, m) before standardisation, and tissue cells (b, m, m)."""
RuleScores = Mapping[str, NDArray[np.float32]]
CONTENT = "content"
NEIGHBOURS = (1, 5)
PCA, LOCATION = "PCA", "per-location Mahalanobis"


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores (n,) of n tiles by name, and maps (n, m, m) by name."""

    scores: RuleScores
    maps: Mapping[str, Tensor]


Scorer = Callable[[Tensor, Tensor], Scored]


@torch.inference_mode()
def score_maps(scorer: Scorer, kept: FeatureMaps, numbers: NDArray[np.int64] | None = None) -> Scored:
    """Scores and maps of tiles ``numbers`` of kept features, or of all."""
    found = [scorer(features, cells) for features, cells in kept.batches(numbers)]
    return Scored(
        {name: np.concatenate([one.scores[name] for one in found]) for name in found[0].scores},
        {name: torch.cat([one.maps[name] for one in found]) for name in found[0].maps},
    )


def decoder_rules() -> list[Rule]:
    """Rules that need features and their reconstruction, nothing else, and not the rule `content`."""
    computed = (rule for rule in RULES.values() if rule.in_stores or rule.asked_only or rule.name == PAPER)
    return [rule for rule in computed if rule.uses_autoencoder and CONTENT not in rule.after]


class DecoderScorer:
    """Scores by all `decoder_rules` and by the rule `content`, with the statistics that the product learns."""

    def __init__(self, checkpoint: Checkpoint, reference: Reference, device: torch.device) -> None:
        self._checkpoint, self._reference, self._device = checkpoint, reference, device
        self._range = checkpoint.feature_range.to(device)

    @classmethod
    @torch.inference_mode()
    def taught(
        cls,
        checkpoint: Checkpoint,
        train: Callable[[], Batches],
        validation: Callable[[], Batches],
        device: torch.device,
        *,
        aligned: bool,
    ) -> DecoderScorer:
        """Measure the mean map on training tiles, then what the rules learn from training and from validation tiles.

        ``aligned``: tiles show objects, whose mean residual in each place can be learned.
        """
        blank = cls(checkpoint, Reference.of(checkpoint, device), device)
        total, count = torch.zeros_like(checkpoint.mean_map), 0
        for features, cells in train():
            residual = blank.measure(features, cells).found.features
            total, count = total + residual.sum(dim=0).cpu(), count + len(features)
        checkpoint = replace(checkpoint, mean_map=total / count)
        if aligned:
            places = PlaceMeans()
            for residual in (one for batch in validation() for one in blank.measure(*batch).found.unexplained):
                places.add(residual)
            checkpoint = replace(checkpoint, place_means=places.shrunk())
        for rules in rounds(*(rule.name for rule in RULES.values() if rule.asked_only)):
            teacher = cls(checkpoint, Reference.of(checkpoint, device), device)
            learners = {rule.name: learner_of(rule, checkpoint.facts.config.scoring) for rule in rules}
            for features, cells in train() if rules[0].taught_by == "train" else validation():
                measured = teacher.measure(features, cells)
                for learner in learners.values():
                    learner.add(measured, len(features))
            learned = {name: learner.learned() for name, learner in learners.items()}
            checkpoint = replace(checkpoint, gaussians={**checkpoint.gaussians, **learned})
        return cls(checkpoint, Reference.of(checkpoint, device), device)

    def measure(self, features: Tensor, cells: Tensor) -> Measured:
        """Residuals of a batch as the rules take them."""
        model, config = self._checkpoint.model, self._checkpoint.facts.config
        given = model.features(features.to(self._device).contiguous(memory_format=torch.channels_last))
        found = of_features(model, given, self._range, config, compared="all")
        return Measured(found, cells.to(self._device), self._reference)

    def __call__(self, features: Tensor, cells: Tensor) -> Scored:
        """Scores by every rule; maps of the rules of the decoder."""
        measured, scoring = self.measure(features, cells), self._checkpoint.facts.config.scoring
        rules = {rule.name: rule for rule in decoder_rules()}
        scores = {name: score_by(rule, measured, scoring) for name, rule in {**rules, CONTENT: RULES[CONTENT]}.items()}
        largest = scoring.model_copy(update={"pooling": "max"})
        free = {name: rule for name, rule in rules.items() if "pooling" in rule.open_pieces}
        scores |= {f"{name}, max": score_by(rule, measured, largest) for name, rule in free.items()}
        return Scored(
            {name: _numpy(values) for name, values in scores.items()},
            {name: map_by(rule, measured, scoring).float().cpu() for name, rule in rules.items()},
        )


@dataclass(frozen=True, eq=False)
class RivalScorer:
    """Baselines by name, each scored by the mean and by the maximum of its map, and baselines of tile means.

    ``smoothed`` maps are filtered as the decoder's are; means are taken before, as for the decoder.
    """

    model: HaloAE
    by_map: Mapping[str, Baseline]
    pooled: tuple[PooledBaseline, ...]
    device: torch.device
    smoothed: bool

    def __call__(self, features: Tensor, cells: Tensor) -> Scored:
        """Scores and maps by every rival."""
        given = self.model.features(features.to(self.device))
        tissue = cells.to(self.device)
        plain = {name: one.maps(given).float() for name, one in self.by_map.items()}
        maps = {name: smooth(found) for name, found in plain.items()} if self.smoothed else plain
        scores = {f"{name}, mean": _numpy(POOLINGS["mean"](found, tissue)) for name, found in plain.items()}
        scores |= {f"{name}, max": _numpy(POOLINGS["max"](found, tissue)) for name, found in maps.items()}
        means = _numpy(mean_over_channels(given, tissue))
        scores |= {one.name: one.scores(means).astype(np.float32) for one in self.pooled}
        return Scored(scores, {name: found.cpu() for name, found in maps.items()})


def fit_rivals(
    model: HaloAE,
    train: Callable[[], Batches],
    components: int,
    device: torch.device,
    reporter: Reporter,
    *,
    aligned: bool,
    smoothed: bool,
) -> RivalScorer:
    """Fit every rival on training tiles, on the features that block C is to reconstruct; CFlow-AD if it can be.

    Not in inference mode, because CFlow-AD is trained.
    """
    means = []

    def batches() -> Iterator[Tensor]:
        for features, _cells in train():
            yield model.features(features.to(device))

    for features, cells in train():
        means.append(_numpy(mean_over_channels(model.features(features.to(device)), cells.to(device))))
    vectors = np.concatenate(means)
    pooled: list[PooledBaseline] = [PooledMahalanobis.fit(vectors)]
    pooled += [PooledNearest(vectors, count) for count in NEIGHBOURS if count <= len(vectors)]
    by_map: dict[str, Baseline] = {
        PCA: PcaReconstruction.fit(batches, components),
        LOCATION: LocationMahalanobis.fit(batches),
        **fit_by_cell(batches, model.backbone.layer_channels, reporter, positions=aligned),
    }
    return RivalScorer(model, by_map, tuple(pooled), device, smoothed)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
