"""Conformal p-values: how rare a score is among held-out reference tiles.

Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; for outliers Bates, Candes, Lei, Romano and
Sesia 2023, Annals of Statistics 51:149. Here groups (patients, slides, clusters) are exchangeable, not tiles. So each
group has the same weight, whatever its size, and the finite-sample term counts independent tiles (`clustering`).

Proven: with G exchangeable groups, (G S + 1) / (G + 1) is a p-value for a tile of a new group (Lee, Barber and Willett
2023, arXiv 2306.06342), on average over groups. Heuristic: N effective tiles in place of the G groups, which gives
smaller p-values unless each group is worth one tile; simulations and real clusters agree with it.

All of it is about reference tiles of a new group from the same source as the calibration groups, scored in the same
arithmetic. Another stain or scanner breaks it. Another precision moves scores by 0.01 to 0.02 deviations
(docs/performance.md); reports say so (`circumstances`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from wsi_haloae.calibration.clustering import effective_tiles, group_numbers, tail_correlation
from wsi_haloae.errors import UsageError


class CalibrationFacts(BaseModel):
    """How small p-values can be, for headers and reports; ``correlation`` is that of high scores within a group."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tiles: PositiveInt
    groups: PositiveInt
    correlation: float
    effective_tiles: PositiveFloat

    @property
    def smallest_p(self) -> float:
        """The p-value of a score above all calibration scores."""
        return 1 / (self.effective_tiles + 1)


@dataclass(frozen=True, eq=False)
class ConformalCalibration:
    """Scores (n,) of held-out reference tiles, ascending, and the weight of each (n,); the weights sum to 1."""

    scores: NDArray[np.float32]
    weights: NDArray[np.float64]
    facts: CalibrationFacts

    @classmethod
    def fit(cls, scores: NDArray[np.float32], groups: NDArray[np.str_]) -> ConformalCalibration:
        """Calibrate on scores (n,) and the group name of each tile (n,); `UsageError` for no scores, or for NaN."""
        if not len(scores) or not np.isfinite(scores).all():
            raise UsageError(
                f"calibration scores given: {len(scores)}, {int((~np.isfinite(scores)).sum())} of them not finite; "
                "calibration needs at least one held-out reference tile, and a finite score for each."
            )
        numbers, sizes = group_numbers(groups)
        correlation = tail_correlation(scores, groups)
        order = np.argsort(scores, kind="stable")
        weights = 1 / (len(sizes) * sizes[numbers].astype(np.float64))
        facts = CalibrationFacts(
            tiles=len(scores),
            groups=len(sizes),
            correlation=correlation,
            effective_tiles=effective_tiles(sizes, correlation),
        )
        return cls(scores[order], weights[order], facts)

    def p_values(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """p-value of each score (n,): (N S + 1) / (N + 1); NaN for a NaN score.

        N is the number of effective tiles, S the weighted share of calibration scores that are at least as high.
        """
        above = np.append(np.cumsum(self.weights[::-1])[::-1], 0.0)  # (n + 1,): total weight from each position on
        share = np.minimum(above[np.searchsorted(self.scores, scores, side="left")], 1.0)
        values = (self.facts.effective_tiles * share + 1) / (self.facts.effective_tiles + 1)
        return np.where(np.isnan(scores), np.nan, values).astype(np.float32)

    def quantiles(self, count: int) -> NDArray[np.float32]:
        """``count`` equally spaced quantiles of the weighted scores, ascending; each is one of the scores."""
        levels = (np.arange(count) + 0.5) / count
        places = np.searchsorted(np.cumsum(self.weights), levels)
        return self.scores[np.minimum(places, len(self.scores) - 1)]
