"""How often reference tiles are called anomalous by mistake, and whether that is as often as was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.evaluation.calibration_curve import CalibrationPoint
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.pages import percent


@dataclass(frozen=True)
class FalseCalls:
    """The ``share`` of reference tiles with p <= ``level``, which should not exceed it; groups have equal weight.

    ``kept`` is None if the interval contains the level, or if there is only one group: then these tiles cannot tell.
    """

    level: float
    share: float
    interval: Interval
    kept: bool | None
    words: str


def false_calls(curve: Sequence[CalibrationPoint], groups: int, smallest_p: float | None) -> FalseCalls | None:
    """The point of the calibration curve at the per-tile error rate, for reference tiles of this many groups.

    None if no p-value can be that small: a share of 0 would look like a finding.
    """
    if smallest_p is None or not reaches(smallest_p, TILE_RATE):
        return None
    level, point = TILE_RATE, next(point for point in curve if point.level == TILE_RATE)
    low, high = point.interval.low, point.interval.high
    kept = None if groups < 2 or low <= level < high else high <= level
    verdict = {
        True: "The rate is kept",
        False: "The p-values do not hold here",
        None: "These groups cannot tell whether the rate is kept",
    }[kept]
    words = (
        f"{percent(point.share)} of the reference tiles have p ≤ {level:g} (95\N{NO-BREAK SPACE}% {percent(low)} to "
        f"{percent(high)}; each group counts once), and at most {percent(level)} should. {verdict}."
    )
    return FalseCalls(level, point.share, point.interval, kept, words)
