"""The first lines of a report, in plain words: what was found, how far to trust it, and what to watch out for.

Everything comes from the store and nothing from a clock, so a report has the same bytes whenever it is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import TILE_RATE, count_of_groups, independent_tiles, told_apart
from wsi_haloae.calibration.selection import ErrorRateSelection, Selection
from wsi_haloae.calibration.true_rate import true_share
from wsi_haloae.pages import percent
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

USUAL_AT_MOST = 0.95
"""Quantile of the reference scores. A slide whose median lies above it is unlike the reference as a whole."""
MANY_FLAGGED = 0.1
"""Share of a slide's tiles."""
FEW_GROUPS = 5
INSTEAD = "The scores still rank the tiles; 'wsi-haloae export --threshold' calls tiles by a score that you choose."
"""What a user can do if no tile can be called at an error rate."""


@dataclass(frozen=True)
class Verdict:
    """A headline and its explanation."""

    headline: str
    meaning: str


def verdict(tiles: ScoredTiles) -> Verdict:
    """What was found, or why there is no verdict, in plain words."""
    if not len(tiles):
        why = f" The reason: {tiles.header.why_empty}" if tiles.header.why_empty else ""
        searched = "preview.png shows the slide that was searched."
        return Verdict("No tissue was found", f"Nothing was scored.{why} {searched}")
    if not tiles.scored:
        return Verdict("No tile was scored", f"None of the {_tiles(len(tiles))} has a score; the warnings say why.")
    selection = tiles.selection
    if selection is None:
        worth = "" if tiles.header.model.calibration is None else f"{_worth(tiles.header.model.calibration)}. "
        return Verdict(f"{_tiles(tiles.scored)} scored, no verdict possible", f"{tiles.why_none} {worth}{INSTEAD}")
    if isinstance(selection, ErrorRateSelection):
        calibration = tiles.header.model.calibration
        assert calibration is not None, "p-values come from it"
        return _called(selection, tiles, calibration)
    return Verdict(
        f"{_share(selection, tiles.scored)} with a {selection.phrase}{_glass(selection, tiles)}",
        "This score was chosen by hand, so no error rate is guaranteed: it does not say what share of reference tiles "
        "scores as high.",
    )


def _called(selection: ErrorRateSelection, tiles: ScoredTiles, calibration: CalibrationFacts) -> Verdict:
    headline = f"{_share(selection, tiles.scored)} called anomalous at a {selection.phrase}{_glass(selection, tiles)}"
    if selection.criterion == "false-discovery rate":
        held = f"About {percent(selection.level)} of the called tiles may be reference tiles after all."
        return Verdict(
            headline,
            held if selection.chosen.any() else "No tile scores high enough to stand out from reference tiles.",
        )
    expected = max(1, round(selection.level * tiles.scored))
    return Verdict(
        headline,
        f"On a slide of reference tissue alone, up to about {percent(selection.level)} of the tiles "
        f"({expected:,} here) would also be called: compare the number with that. {true_share(calibration)} "
        "A false-discovery rate would be the better criterion, but "
        f"with these calibration tiles it could not call less than {percent(selection.smallest_share)} of the tissue, "
        "so it would miss smaller lesions.",
    )


def warnings(tiles: ScoredTiles, reference: NDArray[np.float32]) -> list[str]:
    """What to keep in mind about this slide.

    ``reference`` (k,) holds the scores of held-out reference tiles; it may be empty.
    """
    found = []
    unreadable, pending = (int((tiles.state == state).sum()) for state in (TileState.UNREADABLE, TileState.PENDING))
    if unreadable:
        found.append(f"{_tiles(unreadable)} could not be read. They are hatched in the heatmap and listed below.")
    if pending:
        found.append(f"The run was interrupted before {_tiles(pending)} had a score. Repeat the command to go on.")
    if tiles.header.roi_sha256:
        found.append("Only tiles inside the regions given with --roi were scored.")
    if tiles.adapted is not None and tiles.adapted.note:
        found.append(tiles.adapted.note)
    use = tiles.header.trained_on
    found += [use.notice] if use and use.notice else []
    found += _of_calibration(tiles.header.model.calibration)
    blocks = tiles.header.model.calibrated.warning
    found += [blocks] if blocks else []
    found += _of_the_whole_slide(tiles, reference)
    if not tiles.header.model.artefacts and len(tiles):
        found.append(
            "The model has no limits for quality-control flags, so no tile has one: watch out for folds, pen and blur."
        )
    return found


def _of_calibration(calibration: CalibrationFacts | None) -> list[str]:
    if calibration is None or calibration.groups >= FEW_GROUPS:
        return []
    source = f"only {count_of_groups(calibration)} (patients, slides, or parts of one slide)"
    return [f"The calibration tiles come from {source}, so p-values hardly reflect how patients differ."]


def _of_the_whole_slide(tiles: ScoredTiles, reference: NDArray[np.float32]) -> list[str]:
    found = []
    scores = tiles.score[~np.isnan(tiles.score)]
    most = _most_are(tiles, scores, reference)
    if most:
        found.append(
            f"{most} Either the slide is mostly not reference tissue, or it was stained or scanned differently: "
            "compare it with a slide from the same laboratory that is known to be reference tissue."
        )
    if len(scores) and int((tiles.flags > 0).sum()) > MANY_FLAGGED * len(scores):
        found.append(f"{percent((tiles.flags > 0).sum() / len(scores))} of the tiles have a quality-control flag.")
    return found


def _most_are(tiles: ScoredTiles, scores: NDArray[np.float32], reference: NDArray[np.float32]) -> str:
    """A sentence if most of the slide is unlike the reference, by what is called as far as that shows it; else ""."""
    if tiles.called is not None and 2 * tiles.called > tiles.scored:
        return f"More than half of the tiles ({_above_half(tiles.called / tiles.scored)}) are called anomalous."
    if not (len(scores) and len(reference) and np.median(scores) > np.quantile(reference, USUAL_AT_MOST)):
        return ""
    unusual = f"More than half of the tiles score above {percent(USUAL_AT_MOST)} of the reference tiles"
    calibration = tiles.header.model.calibration
    if calibration is None or not isinstance(tiles.selection, ErrorRateSelection):
        return f"{unusual}."
    return f"{unusual}, but fewer are called: {_why_fewer(tiles.selection, calibration)}."


def _above_half(share: float) -> str:
    """A share of more than half, with as many decimals as show that it is more."""
    decimals = next(digits for digits in range(10) if round(100 * share, digits) > 50)
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def _why_fewer(selection: ErrorRateSelection, calibration: CalibrationFacts) -> str:
    if selection.criterion == "false-discovery rate":
        return f"a {selection.phrase} asks for rarer scores"
    independent = calibration.effective_tiles
    p_value = ((1 - USUAL_AT_MOST) * independent + 1) / (independent + 1)
    return (
        f"a tile above {percent(USUAL_AT_MOST)} of them has p = {told_apart(p_value, TILE_RATE)}, which allows for the "
        f"few calibration tiles, and only tiles at p \N{LESS-THAN OR EQUAL TO} {TILE_RATE:g} are called"
    )


def _glass(selection: Selection, tiles: ScoredTiles) -> str:
    """How many of the chosen tiles have little tissue, for the headline; "" without one."""
    glass = int((selection.chosen & ((tiles.flags & FLAGS["mostly_glass"].bit) > 0)).sum())
    return f", {glass:,} of them mostly glass" if glass else ""


def _tiles(count: int) -> str:
    return f"{count:,} tile{'' if count == 1 else 's'}"


def _share(selection: Selection, scored: int) -> str:
    count = int(selection.chosen.sum())
    return f"{count:,} of {_tiles(scored)} ({percent(count / scored)})" if count else f"None of {_tiles(scored)}"


def _worth(calibration: CalibrationFacts) -> str:
    return (
        f"The {_tiles(calibration.tiles)} kept for calibration come from {count_of_groups(calibration)} and are worth "
        f"{independent_tiles(calibration)} independent tiles"
    )
