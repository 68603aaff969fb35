"""Which tiles of a slide are called anomalous, and at what error rate.

At a false-discovery rate (Benjamini and Hochberg 1995), valid for conformal p-values that share
their calibration tiles (Bates et al. 2023, theorem 2). With few calibration groups the smallest
p-value is large, and a rate can only be kept by calling many tiles at once; where that is more
than 1 % of the tissue, small lesions would be lost, and the per-tile error rate stands in, so named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LARGEST_SHARE = 0.01
"""A slide's smallest selectable share must not exceed this, or the false-discovery rate is given up."""
FDR = 0.1
TILE_RATE = 0.05
"""The per-tile error rate that stands in: this share of a reference slide's tiles is called, on average."""

Criterion = Literal["false-discovery rate", "per-tile error rate"]


@dataclass(frozen=True, eq=False)
class Selection:
    """``chosen`` (n,) bool; ``rate`` is the level of ``criterion``.

    ``smallest_share`` of the tiles is the least that the false-discovery rate could have chosen
    (beyond 1: none at all).
    """

    chosen: NDArray[np.bool_]
    criterion: Criterion
    rate: float
    smallest_share: float
    smallest_p: float

    @property
    def possible(self) -> bool:
        """Whether any tile, however high its score, could be called."""
        return self.criterion == "false-discovery rate" or self.smallest_p <= self.rate

    @property
    def words(self) -> str:
        """How the tiles were chosen, for tables and reports."""
        if self.criterion == "false-discovery rate":
            return f"false-discovery rate {self.rate:g}"
        if not self.possible:
            return (
                f"per-tile error rate {self.rate:g}, at which no tile can be called: the calibration tiles are so few "
                f"that no p-value is below {self.smallest_p:.2g}"
            )
        return (
            f"per-tile error rate {self.rate:g} (no false-discovery rate: the calibration tiles are too few to call "
            f"less than {min(self.smallest_share, 1):.0%} of the tissue)"
        )


def select_tiles(
    p_values: NDArray[np.float32], smallest_p: float, fdr: float = FDR, tile_rate: float = TILE_RATE
) -> Selection:
    """Tiles with p-values (n,), NaN for those without a score, which are never chosen and do not count."""
    smallest_share = smallest_p / fdr
    known = ~np.isnan(p_values)
    chosen = np.zeros(len(p_values), bool)
    if smallest_share > LARGEST_SHARE:
        chosen[known] = p_values[known] <= tile_rate
        return Selection(chosen, "per-tile error rate", tile_rate, smallest_share, smallest_p)
    if known.any():
        chosen[known] = stats.false_discovery_control(p_values[known].astype(np.float64)) <= fdr
    return Selection(chosen, "false-discovery rate", fdr, smallest_share, smallest_p)
