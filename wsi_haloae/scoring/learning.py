"""What rules learn from reference tiles: the distribution of their numbers."""

from __future__ import annotations

import warnings
from graphlib import TopologicalSorter
from pkgutil import resolve_name
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import iqr
from sklearn.covariance import LedoitWolf, MinCovDet

from wsi_haloae.config import RULES, Rule, ScoringConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.scoring.apply_rule import numbers_by
from wsi_haloae.scoring.measured import Measured

ROBUST_FROM = 10
"""Tiles per number from which the robust estimate is stable; with fewer, a shrunk covariance is used instead."""


class Pupil(Protocol):
    """Is shown reference tiles, batch by batch."""

    def add(self, tiles: Measured, count: int) -> None:
        """The first ``count`` tiles of a batch; the others only fill it up."""


class Learner(Pupil, Protocol):
    """Learns from them what is usual."""

    def learned(self) -> Gaussian:
        """What all tiles have taught; `UsageError` if they are too few."""


class NumbersLearner:
    """Learns the distribution of the numbers (d,) that a rule makes of a whole tile."""

    def __init__(self, rule: Rule, scoring: ScoringConfig) -> None:
        self._rule, self._scoring, self._found = rule, scoring, list[NDArray[np.float32]]()

    def add(self, tiles: Measured, count: int) -> None:
        """As `Pupil.add`."""
        self._found.append(numbers_by(self._rule, tiles, self._scoring)[:count].float().cpu().numpy())

    def learned(self) -> Gaussian:
        """As `Learner.learned`."""
        return learn(self._rule, np.concatenate(self._found))


def learner_of(rule: Rule, scoring: ScoringConfig) -> Learner:
    """A learner for ``rule``, which has seen nothing yet."""
    if rule.learner is None:
        return NumbersLearner(rule, scoring)
    return resolve_name(rule.learner)()  # type: ignore[no-any-return]


def rounds(*asked: str) -> list[list[Rule]]:
    """The rules to learn for a model that these are asked of: those that stores keep, and those, in rounds.

    The rules of a round learn from the same tiles in one pass, after the rules that they build on. Raises
    `graphlib.CycleError` if rules build on each other in a circle.
    """
    order = TopologicalSorter({name: rule.after for name, rule in RULES.items()})
    order.prepare()
    found: list[list[Rule]] = []
    while order.is_active():
        ready = order.get_ready()
        order.done(*ready)
        run = [RULES[name] for name in ready if RULES[name].in_stores or name in asked]
        learning = [rule for rule in run if rule.taught_by and not rule.in_metric]
        parts = dict.fromkeys(rule.taught_by for rule in learning)
        found.extend([rule for rule in learning if rule.taught_by == part] for part in parts)
    return found


def learn(rule: Rule, vectors: NDArray[np.floating]) -> Gaussian:
    """What ``rule`` learns from the numbers (n, d) of n reference tiles."""
    return fit_scale(vectors) if rule.one_sided else fit_gaussian(vectors)


def fit_gaussian(vectors: NDArray[np.floating]) -> Gaussian:
    """Fit a robust Gaussian to the numbers (n, d) of reference tiles.

    The estimate is the minimum covariance determinant (Rousseeuw and Van Driessen 1999), which a small share of bad
    tiles changes little. With fewer than 10 tiles per number it would be singular or unstable,
    so Ledoit and Wolf's shrunk covariance (2004) is used instead. `UsageError` for fewer than 2 tiles, or if all tiles
    are alike.
    """
    tiles, numbers = vectors.shape
    _require_different(vectors)
    with warnings.catch_warnings():
        # If tiles lie in a subspace, scikit-learn warns, then returns the pseudo-inverse.
        warnings.filterwarnings("ignore", "The covariance matrix associated to your dataset is not full rank")
        model = MinCovDet(random_state=0) if tiles >= ROBUST_FROM * numbers else LedoitWolf()
        model.fit(vectors.astype(np.float64))
    mean, precision = (torch.from_numpy(np.asarray(part, np.float32)) for part in (model.location_, model.precision_))
    return Gaussian(mean, precision)


def fit_scale(vectors: NDArray[np.floating]) -> Gaussian:
    """Median and spread of each number (n, d) on its own, for `Gaussian.excess`.

    The spread is the interquartile range, scaled to be the standard deviation of a normal distribution, so that a few
    odd tiles do not count. `UsageError` as in `fit_gaussian`.
    """
    _require_different(vectors)
    spread = np.maximum(iqr(vectors, axis=0, scale="normal"), np.finfo(np.float32).eps)
    mean, precision = np.median(vectors, axis=0), np.diag(spread**-2.0)
    return Gaussian(*(torch.from_numpy(part.astype(np.float32)) for part in (mean, precision)))


def _require_different(vectors: NDArray[np.floating]) -> None:
    if len(vectors) < 2 or not vectors.std(axis=0).max() > 0:
        raise UsageError(
            f"reference tiles given: {len(vectors)}, but at least two different ones are needed to learn how their "
            "numbers vary; add more groups or images."
        )
