"""How much a result would change with other patients: intervals by bootstrap over groups.

Tiles of one patient or cluster are similar, so whole groups are drawn with replacement (Field and Welsh 2007, Journal
of the Royal Statistical Society B 69:369). All methods are measured on the same draws, so that their differences are
paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import require_labelled_scores
from wsi_haloae.progress import with_noun

DRAWS = 1000
ATTEMPTS = 20
"""A draw that misses a class is repeated; at most this many times as many draws are made as are needed."""
CHUNK = 1 << 18
"""How many weights are in memory at once: 2 MB, which fits into a cache. 32 MB took 2.5 times as long."""

Weights = NDArray[np.float64]
Measure = Callable[[Weights, Weights], NDArray[np.float64]]


class ClusterBootstrap:
    """Draws of groups, for tiles with labels ``anomalous`` (n,) bool and names ``groups`` (n,)."""

    def __init__(
        self, anomalous: NDArray[np.bool_], groups: NDArray[np.str_], *, seed: int = 0, draws: int = DRAWS
    ) -> None:
        self._anomalous = anomalous
        names, self._numbers = np.unique(groups, return_inverse=True)
        count = len(names)
        has_anomalous, has_reference = (
            np.bincount(self._numbers[label], minlength=count) > 0 for label in (anomalous, ~anomalous)
        )
        self._varied = bool((has_anomalous.sum() > 1) | (has_reference.sum() > 1))
        random, share = np.random.default_rng(seed), np.full(count, 1 / count)
        kept: list[NDArray[np.int64]] = []
        for _ in range(ATTEMPTS * draws):
            drawn = random.multinomial(count, share)
            if (drawn * has_anomalous).any() and (drawn * has_reference).any():
                kept.append(drawn)
            if len(kept) == draws:
                break
        if len(kept) < draws:
            raise UsageError(
                f"{with_noun(count, 'group')} given, but nearly every draw of them misses a class; for intervals, add "
                "more groups with reference tiles and more with anomalous ones."
            )
        self.counts = np.stack(kept)  # (draws, groups): how often each group is in each draw

    def interval(self, values: NDArray[np.float64]) -> Interval | None:
        """The interval of a measure, from its values in the draws (draws,).

        None if each class has tiles of one group only: all draws are alike then.
        """
        return Interval.from_draws(values) if self._varied else None

    def auroc(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """AUROC of scores (n,) in each draw: (draws,)."""
        (areas,) = self._measure(scores, _weighted_auroc)
        return areas

    def average_precision(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Average precision of scores (n,) in each draw: (draws,)."""
        (precisions,) = self._measure(scores, _weighted_average_precision)
        return precisions

    def both(self, scores: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """AUROC and average precision, (draws,) each, in one pass."""
        areas, precisions = self._measure(scores, _weighted_auroc, _weighted_average_precision)
        return areas, precisions

    def _measure(self, scores: NDArray[np.floating], *measures: Measure) -> list[NDArray[np.float64]]:
        """Each measure of scores (n,) in each draw: (draws,)."""
        require_labelled_scores(scores, self._anomalous, measure="An interval", of="tile")
        order = np.argsort(scores, kind="stable")
        first = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # first tile of each distinct score
        labels, groups = self._anomalous[order], self._numbers[order]
        parts = []
        for weights in self._weights(groups):
            sides = [np.add.reduceat(weights * side, first, axis=1) for side in (labels, ~labels)]
            parts.append([measure(*sides) for measure in measures])
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def _weights(self, groups: NDArray[np.int64]) -> Iterator[Weights]:
        """Weights of tiles in a few draws at a time, (some, n)."""
        some = max(1, CHUNK // len(groups))
        for start in range(0, len(self.counts), some):
            yield self.counts[start : start + some, groups].astype(np.float64)


def _weighted_auroc(anomalous: Weights, reference: Weights) -> NDArray[np.float64]:
    """From the weights at each distinct score, ascending: (draws, k) twice -> (draws,). Ties count half."""
    below = np.cumsum(reference, axis=1) - reference / 2
    area: NDArray[np.float64] = (anomalous * below).sum(axis=1) / (anomalous.sum(axis=1) * reference.sum(axis=1))
    return area


def _weighted_average_precision(anomalous: Weights, reference: Weights) -> NDArray[np.float64]:
    """From the weights at each distinct score, ascending: (draws, k) twice -> (draws,)."""
    found = np.cumsum(anomalous[:, ::-1], axis=1)  # from the highest score down
    called = found + np.cumsum(reference[:, ::-1], axis=1)
    precision = found / np.maximum(called, np.finfo(np.float64).tiny)
    mean: NDArray[np.float64] = (anomalous[:, ::-1] * precision).sum(axis=1) / anomalous.sum(axis=1)
    return mean
