"""Marks of scoring rules without an anomaly, and how sure it is that one rule leads another.

The mark of a rule is its AUROC of synthetic anomalies against *usual* tiles: reference tiles with other imaging. Pairs
of two tiles of one group are left out, if there is another group. So a rule is marked by whether it takes another
patient, stain or scanner for an anomaly. The worst kind of synthetic anomaly gives the mark, because nobody knows which
kind will come.

Intervals of leads come from groups drawn with replacement (Field and Welsh 2007, Journal of the Royal Statistical
Society B 69:369), the same draws for all rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.clustering import group_numbers
from wsi_haloae.evaluation.interval import Interval

DRAWS = 1000
MARGIN = 0.02
"""A smaller lead is of no use, however sure."""
FEWEST_TILES, FEWEST_GROUPS = 32, 5
"""With fewer, nothing can be said about leads."""


@dataclass(frozen=True)
class Lead:
    """By how much a rule's mark is higher than that of the rule that is used otherwise, and its 95 % interval."""

    lead: float
    interval: Interval

    @property
    def enough(self) -> bool:
        """Whether it is large and sure enough to use the rule."""
        return self.lead > MARGIN and self.interval.low > 0


class Marks:
    """Scores of usual tiles (n,) and of each kind of synthetic anomaly made from the same tiles (n,), by rule.

    ``groups`` has the group of each tile (n,).
    """

    def __init__(
        self,
        usual: Mapping[str, NDArray[np.floating]],
        anomalies: Sequence[Mapping[str, NDArray[np.floating]]],
        groups: NDArray[np.str_],
    ) -> None:
        numbers, sizes = group_numbers(groups)
        self._groups, self._tiles = len(sizes), len(numbers)
        own = np.eye(self._groups)[numbers]  # (n, G): 1 for a tile's group
        apart = 1 - np.eye(self._groups) if self._groups > 1 else np.ones((1, 1))
        self._pairs = apart * np.outer(sizes, sizes)  # (G, G): how many pairs two groups have
        self._won = {
            name: np.stack([apart * (own.T @ _wins(kind[name], values) @ own) for kind in anomalies])  # (kinds, G, G)
            for name, values in usual.items()
        }

    def marks(self) -> dict[str, float]:
        """The mark of each rule."""
        found = self._drawn(np.ones((1, self._groups)))
        return {name: float(values[0]) for name, values in found.items()}

    def leads(self, usual: str) -> dict[str, Lead]:
        """The lead of each rule over the rule ``usual``; empty if the tiles or groups are too few to say."""
        if self._tiles < FEWEST_TILES or self._groups < FEWEST_GROUPS:
            return {}
        random = np.random.default_rng(0)
        counts = random.multinomial(self._groups, np.full(self._groups, 1 / self._groups), size=DRAWS)
        drawn = self._drawn(counts[(counts > 0).sum(axis=1) > 1].astype(np.float64))
        marks = self.marks()
        return {
            name: Lead(marks[name] - marks[usual], Interval.from_draws(drawn[name] - drawn[usual]))
            for name in marks
            if name != usual
        }

    def _drawn(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Marks (draws,) by rule, if each group counts as often as ``counts`` (draws, G) say."""
        pairs = np.einsum("dg,gh,dh->d", counts, self._pairs, counts)
        return {
            name: (np.einsum("dg,kgh,dh->kd", counts, won, counts) / pairs).min(axis=0)
            for name, won in self._won.items()
        }


def _wins(anomalies: NDArray[np.floating], usual: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 where an anomaly (n,) scores above a usual tile (m,), a half where they are equal: (n, m)."""
    difference = anomalies[:, None].astype(np.float64) - usual[None]
    return 0.5 + 0.5 * np.sign(difference)
