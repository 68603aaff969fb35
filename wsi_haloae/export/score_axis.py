"""The axis of a histogram of scores: the display range, and what lies beyond it.

    low      high                     end
|----|--------|------|-----|----|---|--|
  linear               logarithmic, if the axis is long

Most slides use the first, linear axis and can be compared at a glance. A slide that is entirely unlike the reference
would be a single bar on it, and on a longer linear axis the reference would be one. So a longer axis is logarithmic
beyond the display range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from wsi_haloae.heatmap.colours import ColourScale

BINS = 50
BELOW = 0.5
REACHES = (2.0, 6.0, 18.0, 54.0)
"""How far the axis may extend beyond the display range, in lengths of that range. The first that fits is used."""
OUTSIDE_AT_MOST = 0.05
"""Share of the tiles that may lie beyond the axis; they are counted in the last bin."""
NOTHING = np.empty(0, np.float32)
APART = 0.07
"""Least distance of two ticks, as a share of the axis."""


@dataclass(frozen=True)
class ScoreAxis:
    """An axis that extends ``reach`` lengths of the display range beyond it, and does not begin below ``least``."""

    scale: ColourScale
    reach: float
    least: float = -math.inf

    @classmethod
    def of(cls, scale: ColourScale, scores: NDArray[np.float32], reference: NDArray[np.float32] = NOTHING) -> Self:
        """The shortest axis for scores (n,), n at least 1. It begins at 0 or above if no score lies below 0.

        ``reference`` (k,) are scores of reference tiles: of some rules, some of them are negative.
        """
        beyond = (float(np.quantile(scores, 1 - OUTSIDE_AT_MOST)) - scale.high) / (scale.high - scale.low)
        reach = next((reach for reach in REACHES if beyond <= reach), REACHES[-1])
        negative = min(scale.low, *(float(some.min()) for some in (scores, reference) if len(some))) < 0
        return cls(scale, reach, -math.inf if negative else 0.0)

    @property
    def linear(self) -> bool:
        """Whether it is linear all along."""
        return self.reach == REACHES[0]

    @property
    def ends(self) -> tuple[float, float]:
        """The scores at both ends."""
        low, high = self.scale.low, self.scale.high
        return max(low - BELOW * (high - low), self.least), high + self.reach * (high - low)

    def place(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where scores lie on the axis: 0 at the upper end of the display range, -1 at its lower end."""
        away = (scores - self.scale.high) / (self.scale.high - self.scale.low)
        return away if self.linear else np.where(away > 0, np.log1p(np.maximum(away, 0)), away)

    def score(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of `place`."""
        away = places if self.linear else np.where(places > 0, np.expm1(np.maximum(places, 0)), places)
        return self.scale.high + away * (self.scale.high - self.scale.low)

    def edges(self) -> NDArray[np.float64]:
        """The edges of the bins, which are equally wide on the axis: (BINS + 1,)."""
        first, last = self.place(np.array(self.ends))
        edges = self.score(np.linspace(first, last, BINS + 1))
        edges[[0, -1]] = self.ends
        return edges

    def ticks(self) -> list[float]:
        """Round scores for the labels of a logarithmic axis."""
        low, end = self.ends
        beyond = [digit * 10.0**power for power, digit in product(range(-4, 7), (1, 2, 5))]
        round_scores = [*MaxNLocator(3).tick_values(low, self.scale.high), *(x for x in beyond if x > self.scale.high)]
        first, last = self.place(np.array([low, end]))
        chosen: list[float] = []
        for tick in (float(tick) for tick in round_scores if low <= tick <= end):
            gap = np.diff(self.place(np.array([*chosen[-1:], tick])))
            if not chosen or gap[0] >= APART * (last - first):
                chosen.append(tick)
        return chosen


def shares(scores: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the scores (n,), n at least 1, in each bin. Scores beyond the edges count in the first or last bin."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)
