"""How far the true share of false calls may lie from the rate that was promised, for the calibration tiles at hand.

The rate is kept on average over calibration sets, but a user has only one. With m independent calibration tiles, the
tiles at p <= a are those above the k-th highest calibration score, k = floor(a (m + 1)). The share of reference tiles
up there is then a draw from Beta(k, m + 1 - k), whatever continuous distribution the scores have (Vovk 2012,
Conditional validity of inductive conformal predictors, PMLR 25:475).

Tiles of one group are not independent; m is then the number of effective tiles (`clustering`), and the range is an
approximation (docs/decisions/0006-p-values.md says how good it is). It is about reference tiles of many patients
together: those of one patient may stray further.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.pages import percent

CENTRAL = 0.95


class RateRange(NamedTuple):
    """The central 95 % of what the true rate may be."""

    low: float
    high: float

    def __str__(self) -> str:
        """In per cent: "0.1 % to 13 %"."""
        return " to ".join(map(percent, self))


def true_rate(effective_tiles: float, rate: float = TILE_RATE) -> RateRange | None:
    """The range of the true share of reference tiles at p <= ``rate``; None if no p-value can be that small."""
    if not reaches(1 / (effective_tiles + 1), rate):
        return None
    from scipy import stats  # noqa: PLC0415  # slow to import

    above = max(1, floor(rate * (effective_tiles + 1)))  # at least 1: `reaches` compares in float32
    low, high = stats.beta.interval(CENTRAL, above, effective_tiles + 1 - above)
    return RateRange(float(low), float(high))


def true_share(calibration: CalibrationFacts) -> str:
    """The range at the per-tile error rate as a sentence; empty if no p-value can be that small."""
    found = true_rate(calibration.effective_tiles)
    if found is None:
        return ""
    return (
        f"With this calibration the true share of reference tiles at p \N{LESS-THAN OR EQUAL TO} {TILE_RATE:g} may be "
        f"{found} (95\N{NO-BREAK SPACE}% range)."
    )
