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
