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
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.calibration.selection import FDR, fine_enough
from wsi_haloae.config import AUTO, RULES, Config, candidates
from wsi_haloae.pages import percent
from wsi_haloae.progress import with_noun
from wsi_haloae.training.leads import FEWEST_GROUPS, FEWEST_TILES
from wsi_haloae.training.moments import drawn
from wsi_haloae.training.split import Split

PAGE = "docs/what-a-score-means.md"
"""Explains these lines."""


def describe_outlook(
    split: Split, groups: Sequence[str], blocks: Sequence[str], config: Config, unit: str = "group"
) -> Iterator[str]:
    """One or two lines: at which rate tiles can be called, what the next takes, and what is too few to choose a rule.

    ``groups`` and ``blocks`` have those of each tile; ``unit`` is what the groups are (`split.unit_of`).
    """
    auto = config.scoring.rule == AUTO
    rules = [RULES[name] for name in (candidates() if auto else (config.scoring.rule,))]
    tiles, units = len(split.tiles["validation"]), len(split.groups["validation"])
    too_few = _too_few_to_choose_by(tiles, units, unit) if auto else ""
    start, more = "p-values: ", f" ({PAGE})"
    if any(rule.in_metric for rule in rules):
        yield f"{start}{_calls(measured_sizes(groups, blocks), unit)}{more}"
        start, more = "  with the auto-encoder in the score: ", ""
    if any(not rule.in_metric for rule in rules) and not too_few:
        held_back = group_numbers(np.asarray(groups)[split.tiles["calibration"]])[1]
        yield f"{start}{_calls(held_back, unit, config.split.calibration)}{more}"
    if too_few:
        yield f"  {too_few}, so the usual one is used: {candidates()[0]}"
    elif not auto and rules[0].taught_by == "validation" and tiles < FEWEST_TILES:
        yield f"  {rules[0].name} will learn what is usual from {tiles} validation tiles, which are few; add tiles"


def measured_sizes(groups: Sequence[str], blocks: Sequence[str]) -> NDArray[np.int64]:
    """How many tiles of each group calibrate descriptors (G,)."""
    return group_numbers(np.asarray(groups)[drawn(groups, blocks)])[1]


def _too_few_to_choose_by(tiles: int, units: int, unit: str) -> str:
    """The start of a sentence; "" if training can choose a rule by so many validation tiles and groups."""
    counts = ((tiles, FEWEST_TILES, "tile"), (units, FEWEST_GROUPS, unit))
    few = [(with_noun(count, f"validation {noun}"), least) for count, least, noun in counts if count < least]
    if not few:
        return ""
    are = "is" if len(few) == 1 and few[0][0].startswith("1 ") else "are"
    needed = " and ".join(str(least) for _, least in few)
    return f"{' and '.join(told for told, _ in few)} {are} too few to choose a rule by (at least {needed} are needed)"


def _calls(sizes: NDArray[np.int64], unit: str, share: float | None = None) -> str:
    """At which rate tiles can be called by groups of these ``sizes`` (G,), and how many groups a better rate takes.

    The groups are the ``share`` of all groups that is held back for calibration, or (None) all of them.
    """
    likely = [expected(sizes, correlation).smallest_p for correlation in ASSUMED]
    size = max(1, round(float(stats.hmean(sizes))))
    these = with_noun(len(sizes), unit if share is None else f"held-back {unit}")
    allow = "allows" if len(sizes) == 1 else "allow"
    by_tile, by_discovery = (
        f"a per-tile error rate of {percent(TILE_RATE)}",
        f"a false-discovery rate of {percent(FDR)}",
    )
    if all(fine_enough(one, FDR) for one in likely):
        return f"{these} should allow calls at {by_discovery}"
    if all(reaches(one, TILE_RATE) for one in likely):
        takes = _needed(size, unit, share, lambda smallest_p: fine_enough(smallest_p, FDR))
        return f"{these} should allow calls at {by_tile}; {by_discovery} takes about {takes}"
    perhaps = "may allow no calls" if any(reaches(one, TILE_RATE) for one in likely) else f"{allow} no calls"
    takes = _needed(size, unit, share, lambda smallest_p: reaches(smallest_p, TILE_RATE))
    return f"{these} {perhaps}; {by_tile} takes about {takes}"


def _needed(size: int, unit: str, share: float | None, enough: Callable[[float], bool]) -> str:
    needed = [groups_needed(size, correlation, enough) for correlation in ASSUMED]
    if share is None:
        return f"{_span(*map('{:,}'.format, needed))} {unit}s"
    whole = (float(f"{groups / share:.2g}") for groups in needed)
    return f"{_span(*map('{:,.0f}'.format, whole))} {unit}s in all"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
