"""How much a result would change with other images: intervals by bootstrap over images.

Images are drawn with replacement (Efron and Tibshirani 1993, An Introduction to the Bootstrap), anomalous and
reference images separately, so that no draw misses a class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import require_labelled_scores

DRAWS = 1000
NO_INTERVAL = "no interval: too few groups"
"""One group does not show how groups differ, and an interval without width would read as certainty."""


@dataclass(frozen=True)
class Interval:
    """95 % interval: percentiles 2.5 and 97.5 of the draws."""

    low: float
    high: float

    @classmethod
    def from_draws(cls, values: NDArray[np.float64]) -> Interval:
        """The interval of a measure, from its values in the draws, (draws,)."""
        low, high = np.percentile(values, [2.5, 97.5])
        return cls(float(low), float(high))

    def __str__(self) -> str:
        return f"{self.low:.3f}-{self.high:.3f}"

    @property
    def signed(self) -> str:
        """That of a difference."""
        return f"{self.low:+.3f} to {self.high:+.3f}"


def difference_words(subtracted: float, of: float, interval: Interval | None) -> str:
    """The difference of two measures with its interval; it fits the measures as they are shown, rounded."""
    return f"{round(of, 3) - round(subtracted, 3):+.3f} ({f'95 % {interval.signed}' if interval else NO_INTERVAL})"


def error_bar(value: float, interval: Interval | None) -> tuple[float, float]:
    """How far the interval of ``value`` reaches below and above it; without one NaN, which draws no bar."""
    if interval is None:
        return np.nan, np.nan
    return max(value - interval.low, 0), max(interval.high - value, 0)


def draw_images(anomalous: NDArray[np.bool_], *, seed: int, draws: int) -> NDArray[np.int64]:
    """How often each image is in each draw: (draws, n) for labels (n,).

    Each draw has as many anomalous and as many reference images as were given.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros((draws, len(anomalous)), np.int64)
    for label in (True, False):
        images = np.flatnonzero(anomalous == label)
        if len(images):
            counts[:, images] = random.multinomial(len(images), np.full(len(images), 1 / len(images)), size=draws)
    return counts


def image_interval(
    scores: NDArray[np.floating],
    anomalous: NDArray[np.bool_],
    metric: Callable[[NDArray[np.floating], NDArray[np.bool_]], float],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Interval:
    """Interval of ``metric(scores, anomalous)``, such as `auroc`, over draws of images.

    ``scores`` and ``anomalous`` are (n,), one per image. The same ``seed`` gives the same draws for every metric and
    every set of scores. Raises `UsageError` if one class is absent or a score is not a number.
    """
    require_labelled_scores(scores, anomalous, measure="A confidence interval", of="image")
    images = np.arange(len(scores))
    drawn = (np.repeat(images, counts) for counts in draw_images(anomalous, seed=seed, draws=draws))
    return Interval.from_draws(np.array([metric(scores[chosen], anomalous[chosen]) for chosen in drawn]))
