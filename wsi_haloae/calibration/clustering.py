"""How similar the tiles of one group are, and how many independent tiles they are worth.

Tiles of one patient, and even more so augmented copies of one tile, carry less information than their number suggests.
The intraclass correlation of their scores measures this (one-way analysis of variance; Donner 1986, International
Statistical Review 54:67); the design effect turns it into a number of tiles (Kish 1965, Survey Sampling, section 5.4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TAIL = 0.1


def group_numbers(groups: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group names of tiles (n,) -> the number of each tile's group (n,), and the sizes of the groups (G,)."""
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return numbers.astype(np.int64), sizes.astype(np.int64)


def can_be_estimated(sizes: NDArray[np.int64]) -> bool:
    """Whether groups of these sizes (G,) show how similar the tiles of a group are: two groups, one with two tiles."""
    return len(sizes) > 1 and bool(sizes.max() > 1)


def intraclass_correlation(values: NDArray[np.floating], groups: NDArray[np.str_]) -> float:
    """Share of the variance of ``values`` (n,) that lies between groups, 0 to 1, computed from ranks.

    Ranks are used because scores have long tails. Without a second group, or without a group of two tiles, it cannot be
    estimated; then it is 1, so that each group counts as one tile.
    """
    numbers, sizes = group_numbers(groups)
    tiles, count = len(values), len(sizes)
    if not can_be_estimated(sizes):
        return 1.0
    _, distinct, equal = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (equal.cumsum() - (equal - 1) / 2)[distinct]  # equal values share their mean rank
    means = np.bincount(numbers, weights=ranks) / sizes
    between = float((sizes * (means - ranks.mean()) ** 2).sum() / (count - 1))
    within = float(((ranks - means[numbers]) ** 2).sum() / (tiles - count))
    typical_size = (tiles - float((sizes**2).sum()) / tiles) / (count - 1)
    if between + within == 0:  # all values equal: copies cannot be told from other tiles
        return 1.0
    return float(np.clip((between - within) / (between + (typical_size - 1) * within), 0, 1))


def tail_correlation(scores: NDArray[np.floating], groups: NDArray[np.str_]) -> float:
    """Intraclass correlation of being among the highest tenth of the scores, where p-values are small.

    It is lower than that of the scores: tiles of one patient have a similar level, but less similar extremes.
    """
    return intraclass_correlation((scores >= np.quantile(scores, 1 - TAIL)).astype(np.float64), groups)


def effective_tiles(sizes: NDArray[np.int64], correlation: float) -> float:
    """Number of independent tiles that groups of these sizes (G,) are worth, if each group has the same weight.

    The mean of G group means of correlated tiles has the same variance as the mean of this many independent tiles: from
    G (each group holds copies) up to, with equal sizes, all tiles (nothing shared).
    """
    variances = (1 + (sizes - 1) * correlation) / sizes  # of each group's mean, in units of one tile's
    return float(len(sizes) ** 2 / variances.sum())
