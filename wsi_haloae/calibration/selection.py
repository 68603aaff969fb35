"""Which tiles of a slide are called anomalous, and at what error rate.

The usual criterion is a false-discovery rate (Benjamini and Hochberg 1995). That their procedure keeps it with
conformal p-values is proven for independent tiles (Bates et al. 2023, theorem 2), so here for one tile of each patient.
Tiles of a slide are not independent and their p-values are weighted by group: then the rate is a heuristic, kept on
average over slides in simulations, not on every slide (docs/decisions/0006-p-values.md).

With few calibration groups the smallest p-value is large, and the rate can only be kept by calling many tiles at once.
If that is more than 1 % of the tissue, small lesions would be lost, so the per-tile error rate is used instead, and
named. If not even that can be reached, nothing is selected (`reach.why_none`).

The other criterion is a score that the user chooses: it needs no calibration, and guarantees no error rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.reach import TILE_RATE, reaches, told_apart

LARGEST_SHARE = 0.01
"""If a slide's smallest selectable share exceeds this, the per-tile error rate replaces the false-discovery rate."""
FDR = 0.1


@dataclass(frozen=True, eq=False)
class Selection:
    """The tiles that are called anomalous, ``chosen`` (n,) bool, among those with a score, ``judged`` (n,) bool.

    ``level`` is the value of the criterion: a score, or a rate.
    """

    chosen: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    criterion: Literal["score above", "false-discovery rate", "per-tile error rate"]
    level: float

    @property
    def title(self) -> str:
        """The criterion in short, for columns and metadata."""
        return f"{self.criterion} {self.level:g}"

    @property
    def phrase(self) -> str:
        """The criterion within a sentence: "score above 3.5", "false-discovery rate of 10 %"."""
        if self.criterion == "score above":
            return self.title
        return f"{self.criterion} of {100 * self.level:g}\N{NO-BREAK SPACE}%"

    @property
    def words(self) -> str:
        """How the tiles were chosen, for tables and reports."""
        return self.title

    def facts(self) -> dict[str, str | float]:
        """Entries for the run record."""
        return {"criterion": self.words, "phrase": self.phrase}


@dataclass(frozen=True, eq=False)
class ErrorRateSelection(Selection):
    """A selection by p-values; ``smallest_share`` is the least share of tiles the false-discovery rate can call."""

    smallest_share: float

    @property
    def words(self) -> str:
        """The rate, and why it was used."""
        if self.criterion == "false-discovery rate":
            return self.title
        return (
            f"{self.title} (no false-discovery rate: the calibration tiles are too few to call "
            f"less than {share_told_apart(self.smallest_share)}\N{NO-BREAK SPACE}% of the tissue)"
        )

    def facts(self) -> dict[str, str | float]:
        """Entries for the run record: the criterion, and the smallest share it could have chosen."""
        return {**super().facts(), "smallest_selectable_share": self.smallest_share}


@dataclass(frozen=True)
class Criterion:
    """How tiles are called: a score above ``threshold`` or, without one, the false-discovery rate ``fdr``.

    ``fdr`` None is the usual rate, `FDR`. If that is too small for the calibration tiles, the per-tile error rate is
    used; a rate that the user asked for is refused earlier in that case (`export.asked_rate`).
    """

    threshold: float | None = None
    fdr: float | None = None

    def select(
        self, scores: NDArray[np.float32], p_values: NDArray[np.float32], smallest_p: float | None
    ) -> Selection | None:
        """Select among n tiles with scores and p-values (n,), NaN if they have none; None if no tile can be called.

        ``smallest_p`` is None for a model without calibration, for which only a threshold can select.
        """
        if self.threshold is not None:
            return Selection(scores > self.threshold, ~np.isnan(scores), "score above", self.threshold)
        if smallest_p is None:
            return None
        return select_tiles(p_values, smallest_p, FDR if self.fdr is None else self.fdr)

    def facts(self) -> dict[str, float | None]:
        """Entries for the run record."""
        return {"threshold": self.threshold, "fdr": self.fdr}

    @classmethod
    def recorded(cls, facts: object) -> Criterion:
        """The criterion of a run record's `facts`; the usual one for anything else."""
        if not isinstance(facts, dict):
            return USUAL
        threshold, fdr = facts.get("threshold"), facts.get("fdr")
        usable = threshold is None or (isinstance(threshold, int | float) and np.isfinite(threshold))
        if not (usable and (fdr is None or (isinstance(fdr, float) and 0 < fdr < 1))):
            return USUAL
        return cls(threshold, fdr)


USUAL = Criterion()
"""The criterion if the user gives none."""


def select_tiles(
    p_values: NDArray[np.float32], smallest_p: float, fdr: float = FDR, tile_rate: float = TILE_RATE
) -> ErrorRateSelection | None:
    """Select tiles with p-values (n,); tiles with NaN have no score, are never chosen and do not count.

    None if the smallest possible p-value allows neither rate.
    """
    smallest_share = smallest_p / fdr
    known = ~np.isnan(p_values)
    if fine_enough(smallest_p, fdr):
        return ErrorRateSelection(at_discovery_rate(p_values, fdr), known, "false-discovery rate", fdr, smallest_share)
    if not reaches(smallest_p, tile_rate):
        return None
    chosen = known & (p_values <= tile_rate)
    return ErrorRateSelection(chosen, known, "per-tile error rate", tile_rate, smallest_share)


def fine_enough(smallest_p: float, fdr: float) -> bool:
    """Whether a false-discovery rate can be kept without calling more than `LARGEST_SHARE` of the tiles at once."""
    return smallest_p / fdr <= LARGEST_SHARE


def share_told_apart(smallest_share: float) -> str:
    """A smallest selectable share in per cent, with enough digits to differ from the largest that is accepted."""
    return told_apart(100 * smallest_share, 100 * LARGEST_SHARE)


def at_discovery_rate(p_values: NDArray[np.float32], fdr: float) -> NDArray[np.bool_]:
    """Benjamini and Hochberg's procedure for p-values (n,), NaN for tiles that are never chosen: (n,) bool."""
    known, chosen = ~np.isnan(p_values), np.zeros(len(p_values), bool)
    if known.any():
        from scipy import stats  # noqa: PLC0415  # slow to import

        chosen[known] = stats.false_discovery_control(p_values[known].astype(np.float64)) <= fdr
    return chosen
