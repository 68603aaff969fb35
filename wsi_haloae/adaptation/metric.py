"""A metric that expects slides to differ.

    descriptor of a tile = mean of the reference + offset of the slide + deviation of the tile

Offset and deviation are Gaussian, with covariances ``across`` and ``within``. This is probabilistic linear discriminant
analysis (Ioffe 2006, ECCV, "Probabilistic Linear Discriminant Analysis"; Prince and Elder 2007, ICCV), known from
speaker verification, where "slide" is "recording".

A tile's score is its Mahalanobis distance from the level of its slide. Nothing is known of a new slide's level except
``across``, so differences that stains and scanners make count little. Each *anchor*, a tile of the slide that is known
to be reference tissue, tells more about the level, and then small differences count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

ROWS = 8192
"""Tiles whose distances are computed at once: bounds the memory."""


@dataclass(frozen=True, eq=False)
class Level:
    """Where the reference tissue of one slide lies: centre (k,), and inverse covariance (k, k) of its tiles."""

    centre: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def of(cls, centre: NDArray[np.float64], covariance: NDArray[np.float64]) -> Self:
        """From the covariance (k, k) of tiles around ``centre`` (k,)."""
        precision = np.linalg.inv(covariance)
        return cls(centre, (precision + precision.T) / 2)

    def distance(self, descriptors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Squared Mahalanobis distance of descriptors (n, k), divided by k: (n,); about 1 for reference tiles."""
        found = np.empty(len(descriptors), np.float32)
        for start in range(0, len(descriptors), ROWS):
            away = descriptors[start : start + ROWS].astype(np.float64) - self.centre
            found[start : start + ROWS] = np.einsum("nk,nk->n", away @ self.precision, away) / len(self.centre)
        return found


@dataclass(frozen=True, eq=False)
class Metric:
    """``mean`` (k,) of the reference, covariances (k, k) of tiles ``within`` a slide and of slides' offsets."""

    mean: NDArray[np.float64]
    within: NDArray[np.float64]
    across: NDArray[np.float64]

    @cached_property
    def unknown(self) -> Level:
        """The level of a slide of which nothing is known."""
        return Level.of(self.mean, self.within + self.across)

    def level(self, anchors: NDArray[np.floating], worth: int | None = None) -> Level:
        """The level of a slide with these reference tiles (n, k): the posterior of its offset, and what it leaves open.

        Without anchors it is `unknown`; many anchors leave only ``within``. They tell as much as ``worth`` independent
        tiles; None: as n.
        """
        if not len(anchors):
            return self.unknown
        gain, precision = self._posterior(worth or len(anchors))
        return Level(self.mean + gain @ (anchors.astype(np.float64).mean(axis=0) - self.mean), precision)

    def distances_from_others(self, anchors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Distance of each of at least two anchors (n, k) from the level that the others tell: (n,)."""
        known = anchors.astype(np.float64) - self.mean
        others = (known.sum(axis=0) - known) / (len(known) - 1)
        gain, precision = self._posterior(len(known) - 1)
        return Level(np.zeros_like(self.mean), precision).distance(known - others @ gain.T)

    def _posterior(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the mean of ``count`` anchors is multiplied by (k, k), and the precision (k, k) of tiles around it."""
        if count not in self._posteriors:
            gain = np.linalg.solve(self.across + self.within / count, self.across).T  # across (across + within / n)^-1
            left = self.within + self.across - gain @ self.across
            self._posteriors[count] = np.asarray(gain, np.float64), Level.of(self.mean, left).precision
        return self._posteriors[count]

    @cached_property
    def _posteriors(self) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """They depend on nothing but the number of anchors, and many slides have the same number."""
        return {}
