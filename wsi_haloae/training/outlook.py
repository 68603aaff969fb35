"""What the groups of the reference tiles will allow, for people, before anything is trained.

All groups calibrate scores in the metric of descriptors. A score that the auto-encoder is part of is calibrated by the
groups that are held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from wsi_haloae.calibration.clustering import group_numbers
from wsi_haloae.calibration.planning import ASSUMED, expected, groups_needed
from wsi_haloae.calibration.reach import TILE_RATE, count_of_groups, reaches, told_apart
from wsi_haloae.calibration.selection import FDR, fine_enough
from wsi_haloae.config import AUTO, RULES, Config, candidates
from wsi_haloae.pages import percent
from wsi_haloae.progress import with_noun
from wsi_haloae.training.leads import FEWEST_GROUPS, FEWEST_TILES
from wsi_haloae.training.moments import drawn
from wsi_haloae.training.split import Split


def describe_outlook(
    split: Split, groups: Sequence[str], blocks: Sequence[str], config: Config, unit: str = "group"
) -> Iterator[str]:
    """Lines on how small p-values should get, how many groups each rate needs, and what is too few to choose a rule.

    ``groups`` and ``blocks`` have those of each tile; ``unit`` is what the groups are (`split.unit_of`).
    """
    named, auto = np.asarray(groups), config.scoring.rule == AUTO
    rules = [RULES[name] for name in (candidates() if auto else (config.scoring.rule,))]
    if any(rule.in_metric for rule in rules):
        yield from _rates(measured_sizes(groups, blocks), unit, "p-values")
    if any(not rule.in_metric for rule in rules):
        held_back = group_numbers(named[split.tiles["calibration"]])[1]
        if_, then = ("  if training chooses a rule with the auto-encoder, ", "then, ") if auto else ("", "")
        yield from _rates(held_back, unit, f"{if_}p-values", then, config.split.calibration)
    tiles, units = len(split.tiles["validation"]), len(split.groups["validation"])
    if auto and (tiles < FEWEST_TILES or units < FEWEST_GROUPS):
        yield (
            f"  {with_noun(tiles, 'validation tile')} of {with_noun(units, unit)} will be too few to choose a rule by "
            f"(at least {FEWEST_TILES} tiles of at least {with_noun(FEWEST_GROUPS, unit)} are needed), so the usual "
            f"one is used: {candidates()[0]}"
        )
    elif not auto and rules[0].taught_by == "validation" and tiles < FEWEST_TILES:
        yield f"  {rules[0].name} will learn what is usual from {tiles} validation tiles, which are few; add tiles"


def measured_sizes(groups: Sequence[str], blocks: Sequence[str]) -> NDArray[np.int64]:
    """How many tiles of each group calibrate descriptors (G,)."""
    return group_numbers(np.asarray(groups)[drawn(groups, blocks)])[1]


def _rates(
    sizes: NDArray[np.int64], unit: str, start: str, then: str = "", share: float | None = None
) -> Iterator[str]:
    """Two lines about groups of these ``sizes`` (G,), which are a ``share`` of all groups, or (None) all of them.

    ``start`` and ``then`` begin the lines.
    """
    *likely, worst = (expected(sizes, correlation) for correlation in (*ASSUMED, 1.0))
    smallest = _span(*(told_apart(one.smallest_p, TILE_RATE) for one in likely))
    yield (
        f"{start}: {count_of_groups(worst, unit)} for calibration should allow a smallest p-value of {smallest}, at "
        f"worst {told_apart(worst.smallest_p, TILE_RATE)} (if the tiles of a {unit} are copies)"
    )
    size = max(1, round(float(stats.hmean(sizes))))
    calls = _needed(size, unit, share, lambda smallest_p: reaches(smallest_p, TILE_RATE))
    discoveries = _needed(size, unit, share, lambda smallest_p: fine_enough(smallest_p, FDR))
    given = f"{then}with split.calibration={share:g}, " if share else then
    yield (
        f"  {given}calls at an error rate of {percent(TILE_RATE)} take about {calls}; at a false-discovery rate of "
        f"{percent(FDR)}, about {discoveries}"
    )


def _needed(size: int, unit: str, share: float | None, enough: Callable[[float], bool]) -> str:
    held_back = [groups_needed(size, correlation, enough) for correlation in ASSUMED]
    counted = _span(*map("{:,}".format, held_back))
    if share is None:
        return f"{counted} {unit}s"
    whole = _span(*(f"{float(f'{groups / share:.2g}'):,.0f}" for groups in held_back))
    return f"{whole} {unit}s ({counted} for calibration)"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
