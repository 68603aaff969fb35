"""ArtefactLimits: from which value on a quantity is an artefact, calibrated on held-out reference tiles.

A limit is the quantile that `FALSE_FLAGS` of the reference tiles lie beyond, so it follows tissue, stain, scanner and
pixel size. It is never stricter than a stated bound: reference tiles that are all alike must not turn an ordinary
difference between two slides into an artefact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FALSE_FLAGS = 0.005
"""Share of reference tiles beyond each limit."""
ENOUGH_TILES = round(1 / FALSE_FLAGS)
"""With fewer, the quantile is no more than the most extreme tile that happened to be drawn."""
FEW_TILES_DEVIATIONS = 3.0
"""With fewer, the limit lies at least so many robust standard deviations from the median: 1 in 740 of a Gaussian."""
TO_DEVIATION = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""

FOCUS_AT_MOST = 0.1
"""Sharper than this is in focus. A Gaussian of 2 pixels leaves less; one of 1 pixel leaves more on sharp scans."""
INK_AT_LEAST = 0.02
"""Less ink is pigment, or a speck."""
FOLD_AT_LEAST = 0.9
"""Less is a dense nest or a muscle beside paler tissue."""
GLASS_SHARE = 0.5
"""Not calibrated: the word is "mostly"."""


class ArtefactLimits(BaseModel):
    """Limits of `quantities.TileQuantities`; fit for JSON in a checkpoint's header.

    Out of focus is below ``focus``; pen, fold and mostly glass are above theirs. ``tiles`` is how many reference
    tiles are behind them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    focus: float = Field(ge=0, le=FOCUS_AT_MOST)
    ink_share: float = Field(ge=INK_AT_LEAST, le=1)
    fold_ratio: float = Field(ge=FOLD_AT_LEAST)
    glass_share: float = Field(GLASS_SHARE, ge=0, le=1)
    tiles: int = Field(ge=1)


def calibrate(quantities: NDArray[np.float32]) -> ArtefactLimits:
    """Limits from the quantities of n held-out reference tiles, (n, 4) as `measure_all` gives them.

    Raises `ValueError` when there is no tile.
    """
    if not len(quantities):
        raise ValueError("artefact limits need at least one reference tile; none was given")
    focus, ink_share, fold_ratio, _ = quantities.T.astype(np.float64)
    return ArtefactLimits(
        focus=max(0.0, min(-_beyond(-focus), FOCUS_AT_MOST)),
        ink_share=min(1.0, max(_beyond(ink_share), INK_AT_LEAST)),
        fold_ratio=max(_beyond(fold_ratio), FOLD_AT_LEAST),
        tiles=len(quantities),
    )


def _beyond(values: NDArray[np.float64]) -> float:
    """What `FALSE_FLAGS` of the values (n,) lie above, with a guard for few of them."""
    quantile = float(np.quantile(values, 1 - FALSE_FLAGS))
    if len(values) >= ENOUGH_TILES:
        return quantile
    median = np.median(values)
    deviation = TO_DEVIATION * np.median(np.abs(values - median))
    return max(quantile, float(median + FEW_TILES_DEVIATIONS * deviation))
