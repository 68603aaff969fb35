"""Learns how reference tiles' descriptors lie, and how far another stain, scanner or patient may move them.

    moments of the features -> scaled -> main components (`Basis`)         the descriptor
    within   covariance of descriptors within a slide, shrunk (Ledoit and Wolf 2004)
    across   weight x N + B + within

N is the covariance of what simulated changes of stain, scanner, focus and compression do to training tiles' descriptors
(within-class covariance normalisation: Hatch, Kajarekar and Stolcke 2006, Interspeech). B is the covariance of slides'
or patients' means, if there are several. ``within`` stands for what nobody can know: patients also differ in ways that
no simulation shows. The weight is chosen by `choose_weight`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from wsi_haloae.adaptation.core import FEWEST, find_core
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import MOST_TILES, ReferenceDescriptors
from wsi_haloae.config import DESCRIPTOR
from wsi_haloae.errors import UsageError
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.descriptor_tensors import DescriptorModel
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.score_store import TileScores
from wsi_haloae.synthetic.imaging_changes import NUISANCES
from wsi_haloae.tiles.sources import TileSource, evenly, read_tiles
from wsi_haloae.tiles.views import Changed

DIMENSIONS = 128
"""Numbers of a descriptor; fewer if there are fewer training tiles. docs/scoring.md shows what fewer cost."""
NUISANCE_TILES = 128
"""Training tiles that are changed once by each of the `NUISANCES`."""
DEFAULT_WEIGHT, WEIGHTS = 1.0, (0.3, 1.0, 3.0, 10.0)
SCALE_FLOOR = 0.1
"""Least scale of a number, as a share of the median: keeps nearly dead channels from being amplified."""
BATCH = 16


@dataclass(frozen=True, eq=False)
class Spreads:
    """Covariances (k, k) of reference descriptors with this ``mean`` (k,), and of simulated changes of them."""

    mean: NDArray[np.float64]
    within: NDArray[np.float64]
    nuisance: NDArray[np.float64]
    between: NDArray[np.float64]

    def metric(self, weight: float) -> Metric:
        """The metric with this weight of the simulated changes."""
        return Metric(self.mean, self.within, weight * self.nuisance + self.between + self.within)


def passes(train: NDArray[np.int64]) -> int:
    """How many tiles `measure_spreads` reads."""
    return len(train) + len(evenly(train, NUISANCE_TILES)) * len(NUISANCES)


def measure_spreads(
    checkpoint: Checkpoint, source: TileSource, train: NDArray[np.int64], device: torch.device, advance: Advance
) -> tuple[Basis, Spreads]:
    """The basis and the spreads of the training tiles ``train`` (n,). Raises `UsageError` if they are all alike."""
    scorer, seed = Scorer(checkpoint, device, BATCH), checkpoint.facts.config.training.seed
    moments = _moments(scorer, source, train, advance)  # (n, D)
    basis = fit_basis(moments)
    described = _project(basis, moments)
    shown = evenly(train, NUISANCE_TILES)
    plain = described[np.searchsorted(train, shown)]
    nuisance = np.zeros((described.shape[1],) * 2)
    for view in _nuisances_of(source, seed):
        moved = _project(basis, _moments(scorer, view, shown, advance)) - plain
        nuisance += moved.T @ moved / len(moved)
    within, between = _within_and_between(described, np.asarray(source.groups)[train])
    return basis, Spreads(described.mean(axis=0), within, nuisance, between)


def fit_basis(moments: NDArray[np.float32]) -> Basis:
    """The main components of moments (n, D), scaled: at most `DIMENSIONS`, and fewer than n."""
    deviation = moments.std(axis=0, dtype=np.float64)
    if len(moments) < 2 or not deviation.max() > 0:
        raise UsageError(
            f"{len(moments)} training tiles were given, but at least two different ones are needed to learn how tiles "
            "vary; add more groups or images."
        )
    centre, scale = moments.mean(axis=0, dtype=np.float64), np.maximum(deviation, SCALE_FLOOR * np.median(deviation))
    scale = np.maximum(scale, np.finfo(np.float32).eps)
    _, _, axes = np.linalg.svd((moments - centre) / scale, full_matrices=False)
    size = min(DIMENSIONS, len(moments) - 1)
    return Basis(*(torch.from_numpy(part.astype(np.float32)) for part in (centre, scale, axes[:size].T.copy())))


def _within_and_between(
    described: NDArray[np.float64], groups: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariances within groups and between their means, each (k, k); of all tiles and 0 without two large groups."""
    names, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if (sizes >= 2).sum() < 2:
        return ledoit_wolf(described)[0], np.zeros((described.shape[1],) * 2)
    means = np.stack([described[numbers == number].mean(axis=0) for number in range(len(names))])
    inside = sizes[numbers] >= 2
    within, _ = ledoit_wolf((described - means[numbers])[inside], assume_centered=True)
    return within, np.cov(means.T)


def with_weight(checkpoint: Checkpoint, basis: Basis, spreads: Spreads, weight: float) -> Checkpoint:
    """The checkpoint with descriptors in the metric of this weight; its calibration tiles are still to come."""
    empty = np.empty((0, basis.axes.shape[1]), np.float16)
    reference = ReferenceDescriptors(spreads.metric(weight), empty, np.empty(0, np.int32), None)
    reference = ReferenceDescriptors.of(reference.arrays())  # rounded as it will be when it is loaded
    unknown = reference.metric.unknown
    gaussian = Gaussian(*(torch.from_numpy(part.astype(np.float32)) for part in (unknown.centre, unknown.precision)))
    return replace(
        checkpoint,
        descriptors=DescriptorModel(basis, reference),
        gaussians={**checkpoint.gaussians, DESCRIPTOR: gaussian},
    )


def with_calibration(checkpoint: Checkpoint, held_out: TileScores, groups: NDArray[np.str_]) -> Checkpoint:
    """Add the descriptors of held-out tiles (m, k), with their ``groups`` (m,), and the usual spread of a core."""
    model, descriptors = checkpoint.descriptors, held_out.descriptor
    assert model is not None, "the metric is learned before anything is calibrated"
    assert descriptors is not None, "what has a metric makes descriptors"
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int32)
    kept = evenly(np.arange(len(descriptors)), MOST_TILES)
    spread = find_core(descriptors, model.reference.metric).spread if len(descriptors) >= FEWEST else None
    reference = replace(model.reference, calibration=descriptors[kept], groups=numbers[kept], usual_spread=spread)
    reference = ReferenceDescriptors.of(reference.arrays())
    return replace(checkpoint, descriptors=replace(model, reference=reference))


def _nuisances_of(source: TileSource, seed: int) -> list[TileSource]:
    """The source's tiles, each changed by every kind of nuisance; how depends only on ``seed`` and its number."""

    def view(kind: int, name: str) -> TileSource:
        def change(tile: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
            return NUISANCES[name](tile, np.random.default_rng((seed, 5, kind, number)))

        return Changed(source, change, name)

    return [view(kind, name) for kind, name in enumerate(NUISANCES)]


def _moments(scorer: Scorer, source: TileSource, tiles: NDArray[np.int64], advance: Advance) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(tiles), BATCH):
        parts.append(scorer.moments(read_tiles(source, tiles[start : start + BATCH])))
        advance(len(parts[-1]))
    return np.concatenate(parts)


def _project(basis: Basis, moments: NDArray[np.float32]) -> NDArray[np.float64]:
    return basis.project(torch.from_numpy(moments)).numpy().astype(np.float64)
