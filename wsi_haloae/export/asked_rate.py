"""A requested false-discovery rate (``export --fdr``) is kept or refused, never replaced by another criterion."""

from __future__ import annotations

from wsi_haloae.calibration.reach import TILE_RATE, reaches, told_apart
from wsi_haloae.calibration.selection import Criterion, fine_enough, share_told_apart
from wsi_haloae.errors import UsageError
from wsi_haloae.pages import percent
from wsi_haloae.stores.score_store import ScoreStore

LARGEST_USEFUL = 0.5
"""Above it, most of the called tiles may be false calls."""


def require_rate(store: ScoreStore, criterion: Criterion) -> None:
    """Raise `UsageError` for a rate that the calibration of the store's model is too coarse for.

    The message says why, which rate can be kept, and what to do instead.
    """
    rate, smallest_p = criterion.fdr, store.shown.model.smallest_p
    if criterion.threshold is not None or rate is None:
        return
    given = f"{store.path}: --fdr {rate:g} was given, but"
    if smallest_p is None:
        raise UsageError(
            f"{given} the model that scored it has no calibration, so there are no p-values. Pass --threshold with a "
            "score instead."
        )
    if not fine_enough(smallest_p, rate):
        raise UsageError(
            f"{given} the smallest possible p-value is {told_apart(smallest_p, rate)}, so at this rate "
            f"{_consequence(smallest_p / rate)}. {_smallest_rate(smallest_p)} {_instead(smallest_p)}"
        )


def _consequence(smallest_share: float) -> str:
    if smallest_share > 1:
        return "no tile could be called"
    return (
        f"no fewer than {share_told_apart(smallest_share)} % of a slide's tiles could be called (up to 1 % is accepted)"
        ": smaller lesions would be missed"
    )


def _smallest_rate(smallest_p: float) -> str:
    useful = range(1, round(100 * LARGEST_USEFUL) + 1)
    rate = next((rate / 100 for rate in useful if fine_enough(smallest_p, rate / 100)), None)
    if rate is None:
        return f"No rate up to {percent(LARGEST_USEFUL)} avoids that."
    return f"The smallest rate that can be kept is {percent(rate)} (--fdr {rate:g})."


def _instead(smallest_p: float) -> str:
    by_tile = f"leave out --fdr to call tiles at a per-tile error rate of {percent(TILE_RATE)}, "
    words = (
        f"{by_tile if reaches(smallest_p, TILE_RATE) else ''}pass --threshold with a score, or train with more patients"
    )
    return f"{words[0].upper()}{words[1:]} or slides, so that more calibration tiles are kept."
