"""Whether the smallest possible p-value reaches an error rate, and the one sentence to show if it does not.

If no p-value can be small enough, no tile can be called, and a count of 0 or a share of 0 % would look like a finding.
Every page, table, picture and line shows `why_none` instead.
"""

from __future__ import annotations

import numpy as np

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.progress import with_noun

TILE_RATE = 0.05
"""The per-tile error rate: on average, this share of a reference slide's tiles is called."""


def reaches(smallest_p: float, rate: float) -> bool:
    """Whether a p-value can be as small as ``rate``; compared in float32, like the p-values of tiles."""
    return bool(np.float32(smallest_p) <= np.float32(rate))


def why_none(smallest_p: float | None, rate: float = TILE_RATE) -> str | None:
    """A sentence on why no tile can be called at an error ``rate``, however high its score; None if one can.

    ``smallest_p`` is the smallest p-value that the model's calibration allows, None for a model without calibration.
    """
    if smallest_p is None:
        reason = "the model was not calibrated, so there are no p-values"
    elif reaches(smallest_p, rate):
        return None
    else:
        reason = f"with so few calibration tiles the smallest possible p-value is {told_apart(smallest_p, rate)}"
    return f"No tile can be called anomalous at an error rate of {100 * rate:g}\N{NO-BREAK SPACE}%: {reason}."


def told_apart(value: float, limit: float) -> str:
    """``value`` with two significant digits, or as many as are needed to differ from ``limit``: 0.0503 beside 0.05."""
    side = _side(value, limit)
    spelled = (f"{value:.{digits}g}" for digits in range(2, 18))  # 17 digits are exact for every float
    return next(text for text in spelled if _side(float(text), limit) == side)


def _side(value: float, limit: float) -> float:
    return float(np.sign(np.float32(value) - np.float32(limit)))


def count_of_groups(calibration: CalibrationFacts, unit: str = "group") -> str:
    """How many groups the calibration tiles come from: patients, slides, or (with one slide) blocks of tiles.

    ``unit`` is "block" where it is known that they are blocks.
    """
    return with_noun(calibration.groups, unit)


def independent_tiles(calibration: CalibrationFacts) -> str:
    """How many independent tiles they are worth, with enough digits to show whether a tile can be called."""
    effective = calibration.effective_tiles
    return f"{effective:,.0f}" if effective >= 100 else told_apart(effective, 1 / TILE_RATE - 1)
