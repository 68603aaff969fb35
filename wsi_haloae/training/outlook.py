"""What the calibration groups of a split will allow, for people, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import stats

from wsi_haloae.calibration.clustering import group_numbers
from wsi_haloae.calibration.planning import ASSUMED, expected, groups_needed
from wsi_haloae.calibration.reach import TILE_RATE, count_of_groups, reaches, told_apart
from wsi_haloae.calibration.selection import FDR, fine_enough
from wsi_haloae.config import SplitConfig
from wsi_haloae.training.split import Split


def describe_outlook(split: Split, groups: Sequence[str], shares: SplitConfig) -> Iterator[str]:
    """Two lines: how small p-values should get, and how many groups like these each rate needs.

    ``groups`` has the group of each tile.
    """
    _, sizes = group_numbers(np.asarray(groups)[split.tiles["calibration"]])
    *likely, worst = (expected(sizes, correlation) for correlation in (*ASSUMED, 1.0))
    smallest = _span(*(told_apart(one.smallest_p, TILE_RATE) for one in likely))
    yield (
        f"p-values: {count_of_groups(worst)} for calibration should allow a smallest p-value of {smallest}, at worst "
        f"{told_apart(worst.smallest_p, TILE_RATE)} (if the tiles of a group are copies)"
    )
    size = max(1, round(float(stats.hmean(sizes))))
    calls = _needed(size, shares.calibration, lambda smallest_p: reaches(smallest_p, TILE_RATE))
    discoveries = _needed(size, shares.calibration, lambda smallest_p: fine_enough(smallest_p, FDR))
    yield (
        f"  with split.calibration={shares.calibration:g}, calls at an error rate of {TILE_RATE:.0%} take about {calls}"
        f"; at a false-discovery rate of {FDR:.0%}, about {discoveries}"
    )


def _needed(size: int, share: float, enough: Callable[[float], bool]) -> str:
    held_back = [groups_needed(size, correlation, enough) for correlation in ASSUMED]
    whole = _span(*(f"{float(f'{groups / share:.2g}'):,.0f}" for groups in held_back))
    return f"{whole} groups ({_span(*map('{:,}'.format, held_back))} for calibration)"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
