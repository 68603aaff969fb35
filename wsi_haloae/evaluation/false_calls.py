"""How often reference tiles are called anomalous by mistake, and whether that is as often as was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.evaluation.calibration_curve import CalibrationPoint
from wsi_haloae.evaluation.interval import NO_INTERVAL, Interval
from wsi_haloae.pages import percent

COUNTED_ONCE = "counts once, so this may differ from the share of tiles called"


@dataclass(frozen=True)
class FalseCalls:
    """The ``share`` of reference tiles with p <= ``level``, which should not exceed it; groups have equal weight.

    ``kept`` is None if the interval contains the level, or if one group has none: then these tiles cannot tell.
    """

    level: float
    share: float
    interval: Interval | None
    kept: bool | None
    words: str


def false_calls(curve: Sequence[CalibrationPoint], smallest_p: float | None) -> FalseCalls | None:
    """The point of the calibration curve at the per-tile error rate.

    None if no p-value can be that small: a share of 0 would look like a finding.
    """
    if smallest_p is None or not reaches(smallest_p, TILE_RATE):
        return None
    level, point = TILE_RATE, next(point for point in curve if point.level == TILE_RATE)
    reach, kept = point.interval, None
    if reach is not None and not reach.low <= level < reach.high:
        kept = reach.high <= level
    interval = f"95\N{NO-BREAK SPACE}% {percent(reach.low)} to {percent(reach.high)}" if reach else NO_INTERVAL
    verdict = {
        True: "The rate is kept",
        False: "The p-values do not hold here",
        None: "These groups cannot tell whether the rate is kept",
    }[kept]
    words = (
        f"{percent(point.share)} of the reference tiles have p ≤ {level:g}, and at most {percent(level)} should "
        f"({interval}; each group {COUNTED_ONCE}). {verdict}."
    )
    return FalseCalls(level, point.share, point.interval, kept, words)
