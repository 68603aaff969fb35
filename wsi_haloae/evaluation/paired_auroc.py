"""The AUROC of two scorings against the same outlines, and their difference, measured on the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.interval import NO_INTERVAL, Interval, difference_words
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
    first_interval: Interval | None
    second: float
    second_interval: Interval | None
    difference: float
    difference_interval: Interval | None

    @property
    def words(self) -> str:
        """The figures as a sentence."""
        sides = (
            f"{name} {area:.3f} ({interval or NO_INTERVAL})"
            for name, area, interval in (
                ("first", self.first, self.first_interval),
                ("second", self.second, self.second_interval),
            )
        )
        return (
            f"AUROC on {self.tiles:,} outlined tiles ({self.anomalous:,} anomalous): {', '.join(sides)}; second minus "
            f"first {difference_words(self.first, self.second, self.difference_interval)}, over {self.groups:,} "
            f"{self.grouped_by}: {self._verdict}."
        )

    @property
    def _verdict(self) -> str:
        reach = self.difference_interval
        if reach is None or reach.low <= 0 <= reach.high:
            return "they cannot be distinguished"
        return "the second is ahead" if reach.low > 0 else "the first is ahead"


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
        first_interval=bootstrap.interval(draws[0]),
        second=areas[1],
        second_interval=bootstrap.interval(draws[1]),
        difference=areas[1] - areas[0],
        difference_interval=bootstrap.interval(draws[1] - draws[0]),
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
