"""How far two scorings of the same tiles agree: rank correlation of their scores, and the tiles that each calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.paired_slide import PairedSlide
from wsi_haloae.stores.scored_as import ScoredAs, describe_ways

SIDES = ("first", "second")


@dataclass(frozen=True)
class Calls:
    """Numbers of tiles that both call anomalous, only one of them, or none."""

    both: int
    only_first: int
    only_second: int
    neither: int


@dataclass(frozen=True)
class Agreement:
    """Of the tiles of one slide, or of all.

    ``spearman`` is None if all scores of a side are equal, or with fewer than two tiles. ``calls`` is None if one side
    cannot call any tile. ``left_out`` counts tiles that lack a score on one side.
    """

    tiles: int
    left_out: int
    spearman: float | None
    calls: Calls | None


def agreement(slides: Sequence[PairedSlide]) -> Agreement:
    """Over the tiles of these slides together; there is at least one slide."""
    first, second = (np.concatenate(parts) for parts in zip(*(slide.scores for slide in slides), strict=True))
    calls = [slide.calls for slide in slides]
    known = [pair for pair in calls if pair is not None]
    return Agreement(
        tiles=len(first),
        left_out=sum(int((~slide.both).sum()) for slide in slides),
        spearman=rank_correlation(first, second),
        calls=_counted(*map(np.concatenate, zip(*known, strict=True))) if len(known) == len(calls) else None,
    )


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float | None:
    """Spearman's, of scores (n,); None where it is not defined."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def require_one_way_each(slides: Sequence[PairedSlide]) -> tuple[ScoredAs, ScoredAs]:
    """How the first and the second were scored. Raises `UsageError` if slides of a side were scored in several ways."""
    ways = []
    for place, side in enumerate(SIDES):
        by_slide = {slide.name: slide.ways[place] for slide in slides}
        if len(set(by_slide.values())) > 1:
            raise UsageError(
                f"the slides of the {side} folder were scored in several ways: {'; '.join(describe_ways(by_slide))}. "
                "Compare folders whose slides were all scored in one way."
            )
        ways.append(next(iter(by_slide.values())))
    return ways[0], ways[1]


def _counted(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Calls:
    counts = (first & second, first & ~second, ~first & second, ~first & ~second)
    return Calls(*(int(each.sum()) for each in counts))
