"""The AUROC of two scorings against the same outlines, and their difference, measured on the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.labelled_slide import LabelledSlide
from wsi_haloae.evaluation.labelled_tiles import SCORE
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.evaluation.slide_judgement import grouped

Pair = tuple[LabelledSlide, LabelledSlide]


class _Common(NamedTuple):
    """Labelled tiles that neither side's training knows."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    anomalous: NDArray[np.bool_]
    groups: NDArray[np.str_]


@dataclass(frozen=True)
class PairedAuroc:
    """On tiles that both may be judged on. ``difference`` is second minus first; intervals are over ``grouped_by``."""

    tiles: int
    anomalous: int
    grouped_by: str
    groups: int
    first: float
    first_interval: Interval
    second: float
    second_interval: Interval
    difference: float
    difference_interval: Interval

    @property
    def words(self) -> str:
        """The figures as a sentence."""
        low, high = self.difference_interval.low, self.difference_interval.high
        verdict = (
            "the second is ahead" if low > 0 else "the first is ahead" if high < 0 else "they cannot be distinguished"
        )
        return (
            f"AUROC on {self.tiles:,} outlined tiles ({self.anomalous:,} anomalous): first {self.first:.3f} "
            f"({_range(self.first_interval)}), second {self.second:.3f} ({_range(self.second_interval)}); difference "
            f"{self.difference:+.3f} (95 % {low:+.3f} to {high:+.3f}, over {self.groups:,} {self.grouped_by}): "
            f"{verdict}."
        )


def paired_auroc(pairs: Sequence[Pair]) -> PairedAuroc:
    """Over the tiles of all slides. Raises `UsageError` unless there are reference tiles and anomalous ones."""
    tiles, grouped_by = grouped([first for first, _ in pairs], by_patient=True)
    parts = [_common(pair, own.groups) for pair, own in zip(pairs, tiles, strict=True)]
    first, second, anomalous, groups = (np.concatenate(each) for each in zip(*parts, strict=True))
    areas = auroc(first, anomalous), auroc(second, anomalous)
    bootstrap = ClusterBootstrap(anomalous, groups)
    draws = bootstrap.auroc(first), bootstrap.auroc(second)
    return PairedAuroc(
        tiles=len(first),
        anomalous=int(anomalous.sum()),
        grouped_by=grouped_by,
        groups=len(set(groups.tolist())),
        first=areas[0],
        first_interval=Interval.from_draws(draws[0]),
        second=areas[1],
        second_interval=Interval.from_draws(draws[1]),
        difference=areas[1] - areas[0],
        difference_interval=Interval.from_draws(draws[1] - draws[0]),
    )


def slide_aurocs(pair: Pair) -> tuple[float, float] | None:
    """First and second on one slide; None if its outlined tiles are all of one kind."""
    common = _common(pair, pair[0].tiles.groups)
    if len(set(common.anomalous.tolist())) < 2:
        return None
    return auroc(common.first, common.anomalous), auroc(common.second, common.anomalous)


def _common(pair: Pair, groups: NDArray[np.str_]) -> _Common:
    both = pair[0].judged & pair[1].judged
    first, second = (side.tiles.rules[SCORE][both[side.judged]] for side in pair)
    kept = both[pair[0].judged]
    return _Common(first, second, pair[0].tiles.anomalous[kept], groups[kept])


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"
