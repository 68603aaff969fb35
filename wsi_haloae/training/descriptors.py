"""Learns how reference tiles' descriptors lie, and how far another stain, scanner or patient may move them.

    moments of the features -> scaled -> main components (`Basis`)         the descriptor
    within   covariance of descriptors within a slide, shrunk (Ledoit and Wolf 2004)
    across   weight x N + B + within

N is the covariance of what simulated changes of stain, scanner, focus and compression do to tiles' descriptors
(within-class covariance normalisation: Hatch, Kajarekar and Stolcke 2006, Interspeech). B is the covariance of groups'
means (patients, slides or blocks of tiles). ``within`` stands for what nobody can know: patients also differ in ways
that no simulation shows.

All groups teach the metric that scores slides. For p-values, all of this is learned again without each fold of groups
in turn, also the basis: a basis of few tiles fits these tiles better than others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from wsi_haloae.adaptation.core import FEWEST
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors
from wsi_haloae.config import DESCRIPTOR
from wsi_haloae.errors import UsageError
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.descriptor_tensors import DescriptorModel
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.training.moments import Moments

DIMENSIONS = 128
"""Numbers of a descriptor; fewer if there are fewer tiles. docs/adaptation.md shows what fewer cost."""
MOST_FOLDS = 5
DEFAULT_WEIGHT, WEIGHTS = 1.0, (0.3, 1.0, 3.0, 10.0)
SCALE_FLOOR = 0.1
"""Least scale of a number, as a share of the median: keeps nearly dead channels from being amplified."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A basis, and covariances (k, k) of descriptors with this ``mean`` (k,), and of simulated changes of them."""

    basis: Basis
    mean: NDArray[np.float64]
    within: NDArray[np.float64]
    nuisance: NDArray[np.float64]
    between: NDArray[np.float64]

    def metric(self, weight: float) -> Metric:
        """The metric with this weight of the simulated changes."""
        return Metric(self.mean, self.within, weight * self.nuisance + self.between + self.within)

    def describe(self, moments: NDArray[np.float32]) -> NDArray[np.float16]:
        """Descriptors (n, k) of tiles with moments (n, D), as stores keep them."""
        return _project(self.basis, moments).astype(np.float16)


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """What all groups taught (``whole``), and what was learned without each fold of them.

    ``fold_of`` has the fold of each group's name.
    """

    moments: Moments
    whole: Learned
    without: tuple[Learned, ...]
    fold_of: dict[str, int]

    def reference(self, weight: float) -> ReferenceDescriptors:
        """What a checkpoint keeps of it, rounded as it will be when it is loaded."""
        numbers = np.unique(self.moments.groups, return_inverse=True)[1].astype(np.int32)
        fold = self.folds(self.moments.groups)
        held_out = []
        for place, learned in enumerate(self.without):
            own = fold == place
            described, positions = learned.describe(self.moments.values[own]), self.moments.positions[own]
            held_out.append(HeldOut(learned.metric(weight), described, numbers[own], positions))
        return ReferenceDescriptors.of(ReferenceDescriptors(self.whole.metric(weight), tuple(held_out)).arrays())

    def held_out_distances(
        self, moments: NDArray[np.float32], groups: NDArray[np.str_], weight: float
    ) -> NDArray[np.float32]:
        """Scores (m,) of tiles with moments (m, D), in the metric that the groups (m,) of each did not teach."""
        fold, found = self.folds(groups), np.empty(len(moments), np.float32)
        for place, learned in enumerate(self.without):
            own = fold == place
            found[own] = learned.metric(weight).unknown.distance(learned.describe(moments[own]))
        return found

    def folds(self, groups: NDArray[np.str_]) -> NDArray[np.int64]:
        """The fold of each tile by its group (n,); a group that was not measured has taught none."""
        return np.array([self.fold_of.get(group, 0) for group in groups.tolist()], np.int64)


def cross_fit(moments: Moments, seed: int, dimensions: int = DIMENSIONS) -> CrossFitted:
    """Learn from all tiles, and without each fold. Raises `UsageError` if they are too few, or all alike.

    Descriptors have ``dimensions`` numbers, or as many as the tiles allow.
    """
    fold_of = divide(moments.groups, seed)
    fold = np.array([fold_of[group] for group in moments.groups.tolist()])
    parts = [moments.of(fold != place) for place in range(len(set(fold_of.values())))]
    size = min(dimensions, *(len(part.values) - 1 for part in parts))
    without = tuple(_learn(part, size) for part in parts)
    return CrossFitted(moments, _learn(moments, size), without, fold_of)


def divide(groups: NDArray[np.str_], seed: int) -> dict[str, int]:
    """The fold of each group: folds of about equal size, at most `MOST_FOLDS`, each large enough to have a core.

    Large groups are placed first, each into the smallest fold; groups of equal size in an order drawn by ``seed``.
    """
    names, sizes = np.unique(groups, return_counts=True)
    count = min(len(names), max(2, min(MOST_FOLDS, len(groups) // FEWEST)))
    order = np.random.default_rng((seed, 6)).permutation(len(names))
    filled, fold_of = np.zeros(count, np.int64), {}
    for place in order[np.argsort(-sizes[order], kind="stable")].tolist():
        smallest = int(filled.argmin())
        fold_of[str(names[place])] = smallest
        filled[smallest] += sizes[place]
    return fold_of


def weight_of(reference: ReferenceDescriptors, learned: CrossFitted) -> float:
    """The one of `WEIGHTS` that a checkpoint's metric has, which ``learned`` has learned again of the same tiles."""
    across = np.trace(reference.metric.across)
    return min(WEIGHTS, key=lambda weight: abs(float(np.trace(learned.whole.metric(weight).across) - across)))


def with_weight(checkpoint: Checkpoint, learned: CrossFitted, weight: float) -> Checkpoint:
    """The checkpoint with descriptors in the metric of this weight."""
    reference = learned.reference(weight)
    unknown = reference.metric.unknown
    gaussian = Gaussian(*(torch.from_numpy(part.astype(np.float32)) for part in (unknown.centre, unknown.precision)))
    return replace(
        checkpoint,
        descriptors=DescriptorModel(learned.whole.basis, reference),
        gaussians={**checkpoint.gaussians, DESCRIPTOR: gaussian},
    )


def _learn(moments: Moments, size: int) -> Learned:
    basis = fit_basis(moments.values, size)
    described = _project(basis, moments.values)
    plain, nuisance = described[moments.places], np.zeros((described.shape[1],) * 2)
    for changed in moments.changed:
        moved = _project(basis, changed) - plain
        nuisance += moved.T @ moved / max(1, len(moved))
    within, between = _within_and_between(described, moments.groups)
    return Learned(basis, described.mean(axis=0), within, nuisance, between)


def fit_basis(moments: NDArray[np.float32], size: int) -> Basis:
    """The ``size`` main components, fewer than n, of moments (n, D), scaled."""
    deviation = moments.std(axis=0, dtype=np.float64)
    if size < 1 or not deviation.max() > 0:
        raise UsageError(
            f"reference tiles given: {len(moments)}, but at least two different ones, of two groups, are needed to "
            "learn how tiles vary; add more groups or images."
        )
    centre, scale = moments.mean(axis=0, dtype=np.float64), np.maximum(deviation, SCALE_FLOOR * np.median(deviation))
    scale = np.maximum(scale, np.finfo(np.float32).eps)
    _, _, axes = np.linalg.svd((moments - centre) / scale, full_matrices=False)
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


def _project(basis: Basis, moments: NDArray[np.float32]) -> NDArray[np.float64]:
    return basis.project(torch.from_numpy(moments)).numpy().astype(np.float64)
