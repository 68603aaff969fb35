"""What a report says first, in plain words: what was found, how far it can be trusted, and what to look out for.

All of it comes from the store and nothing from a clock, so that a report has the same bytes whenever it is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import count_of_groups, independent_tiles
from wsi_haloae.calibration.selection import ErrorRateSelection, Selection
from wsi_haloae.pages import percent
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

USUAL_AT_MOST = 0.95
"""Quantile of the reference scores: a slide whose median lies above it is unlike the reference as a whole."""
MANY_FLAGGED = 0.1
"""Share of a slide's tiles; each flag is meant to be set on 1 in 200 reference tiles."""
FEW_GROUPS = 5
INSTEAD = "Scores still put the tiles in order; 'wsi-haloae export --threshold' calls tiles by a score."
"""What is left where no tile can be called at an error rate."""


@dataclass(frozen=True)
class Verdict:
    """A headline, and what it means."""

    headline: str
    meaning: str


def verdict(tiles: ScoredTiles) -> Verdict:
    """What was found, or why nothing can be said, in plain words."""
    if not len(tiles):
        return Verdict("No tissue was found", "Nothing was scored. preview.png shows what was looked at.")
    if not tiles.scored:
        return Verdict("No tile was scored", f"Of {len(tiles):,} tiles none has a score; the warnings say why.")
    selection = tiles.selection
    if selection is None:
        worth = "" if tiles.header.model.calibration is None else f"{_worth(tiles.header.model.calibration)}. "
        return Verdict(f"{_tiles(tiles.scored)} scored, no verdict possible", f"{tiles.why_none} {worth}{INSTEAD}")
    if isinstance(selection, ErrorRateSelection):
        return _called(selection, tiles.scored)
    return Verdict(
        f"{_share(selection, tiles.scored)} with a {selection.phrase}",
        "The score was chosen by hand, so no error rate is promised: what share of reference tiles scores as high is "
        "not known from it.",
    )


def _called(selection: ErrorRateSelection, scored: int) -> Verdict:
    headline = f"{_share(selection, scored)} called anomalous at a {selection.phrase}"
    if selection.criterion == "false-discovery rate":
        held = f"Of the tiles that are called, about {percent(selection.level)} may be reference tiles after all."
        return Verdict(
            headline,
            held if selection.chosen.any() else "No tile scores so high that it stands out from reference tiles.",
        )
    expected = max(1, round(selection.level * scored))
    return Verdict(
        headline,
        f"On a slide that is all reference about {percent(selection.level)} of the tiles ({expected:,} here) would be "
        "called as well: read the number against that. A false-discovery rate would be the better measure, but with "
        f"these calibration tiles it would call {percent(selection.smallest_share)} of the tissue or more, or nothing.",
    )


def warnings(tiles: ScoredTiles, reference: NDArray[np.float32]) -> list[str]:
    """What to keep in mind with this slide; ``reference`` (k,) are scores of held-out reference tiles, or none."""
    told = []
    unreadable, pending = (int((tiles.state == state).sum()) for state in (TileState.UNREADABLE, TileState.PENDING))
    if unreadable:
        told.append(f"{_tiles(unreadable)} could not be read: hatched in the heatmap, and listed below.")
    if pending:
        told.append(f"{_tiles(pending)} without a score yet: the run was interrupted; the same command goes on.")
    if tiles.header.roi_sha256:
        told.append("Only tiles inside the regions that were given (--roi) were scored.")
    told += _of_calibration(tiles.header.model.calibration)
    told += _of_the_whole_slide(tiles, reference)
    if not tiles.header.model.artefacts and len(tiles):
        told.append(
            "The model has no limits for quality-control flags, so no tile has one: look out for folds, pen and blur."
        )
    return told


def _of_calibration(calibration: CalibrationFacts | None) -> list[str]:
    if calibration is None or calibration.groups >= FEW_GROUPS:
        return []
    known = f"{count_of_groups(calibration)} only (patients, slides, or parts of one slide)"
    return [f"The calibration tiles come from {known}: p-values know little of how patients differ."]


def _of_the_whole_slide(tiles: ScoredTiles, reference: NDArray[np.float32]) -> list[str]:
    told = []
    scores = tiles.score[~np.isnan(tiles.score)]
    if len(scores) and len(reference) and np.median(scores) > np.quantile(reference, USUAL_AT_MOST):
        told.append(
            f"More than half of the tiles score above {percent(USUAL_AT_MOST)} of the reference tiles. So does a slide "
            "that is mostly something else, and so does one that was stained or scanned in another way: compare it "
            "with a slide of the same laboratory that is known to be reference."
        )
    if len(scores) and int((tiles.flags > 0).sum()) > MANY_FLAGGED * len(scores):
        told.append(f"{percent((tiles.flags > 0).sum() / len(scores))} of the tiles have a quality-control flag.")
    return told


def _tiles(count: int) -> str:
    return f"{count:,} tile{'' if count == 1 else 's'}"


def _share(selection: Selection, scored: int) -> str:
    count = int(selection.chosen.sum())
    return f"{count:,} of {_tiles(scored)} ({percent(count / scored)})" if count else f"None of {_tiles(scored)}"


def _worth(calibration: CalibrationFacts) -> str:
    return (
        f"The {_tiles(calibration.tiles)} kept for calibration come from {count_of_groups(calibration)} and are worth "
        f"{independent_tiles(calibration)} independent ones"
    )
