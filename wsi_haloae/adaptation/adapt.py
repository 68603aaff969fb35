"""Scores of a slide's tiles after adaptation to the slide, calibrated by the same adaptation of held-out tiles.

    none      nothing is known of the slide's level
    slide     its level is taken from its own core, the tiles that are most like the reference
    anchors   its level is taken from tiles that somebody has marked as reference tissue
    auto      anchors if there are any; else slide, unless the core spreads too far to be reference tissue; else none.
              A core that spreads doubtfully far is used, with a note

`wsi_haloae.adaptation.standpoint` has the level, and the scale of the distances from it. Each score may then become the
median of its neighbourhood (`wsi_haloae.adaptation.neighbourhood`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST, Core, find_core
from wsi_haloae.adaptation.neighbourhood import have_neighbours, local_median
from wsi_haloae.adaptation.reference import DOUBTFUL, LOOSEST, ReferenceDescriptors
from wsi_haloae.adaptation.standpoint import Mode, Standpoint, calibration_scores, standpoint
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.errors import UsageError

Asked = Literal["auto", "none", "slide", "anchors"]
DISPLAY_PERCENTILES = (1.0, 99.5)
"""Percentiles of held-out reference tiles' scores: the ends of the colour bar."""


@dataclass(frozen=True, eq=False)
class Adapted:
    """Scores (n,) of a slide's tiles, NaN where there is none, with their calibration and colour bar.

    ``radius``: each score is the median of the tiles within so many µm; None: it is the tile's own. ``widening`` is how
    many times as high as without adaptation the scores of held-out tiles reach, so by how much colour bars of maps
    widen. ``note`` is what people must read, or "".
    """

    standpoint: Standpoint
    scores: NDArray[np.float32]
    calibration: ConformalCalibration
    display_range: tuple[float, float]
    widening: float = 1.0
    radius: float | None = None
    note: str = ""


def adapt(
    reference: ReferenceDescriptors,
    descriptors: NDArray[np.float16],
    scored: NDArray[np.bool_],
    asked: Asked = "auto",
    anchors: NDArray[np.int64] | None = None,
    *,
    radius: float | None = None,
    positions: NDArray[np.float32] | None = None,
    holds_reference: bool = False,
) -> Adapted:
    """Score the tiles with ``descriptors`` (n, k) that are ``scored`` (n,); ``anchors`` are numbers of tiles.

    A ``radius`` in µm, for local medians, needs ``positions`` (n, 3). ``holds_reference``: some of the slide is known
    to be reference tissue, so no note doubts it. Raises `UsageError` for *slide* on a slide with too few tiles, and for
    *anchors* without a scored one.
    """
    known = np.flatnonzero(scored)
    marked = np.flatnonzero(np.isin(known, [] if anchors is None else anchors))
    values = descriptors[known]
    own = asked == "slide" or (asked == "auto" and not len(marked))
    core = find_core(values, reference.metric) if own and len(values) >= FEWEST else None
    mode, note = _mode(reference, len(values), core, asked, len(marked), holds_reference)
    stand = standpoint(reference, reference.metric, values, mode, marked, core)
    scores = np.full(len(descriptors), np.nan, np.float32)
    scores[known] = stand.distance(values)
    if radius is not None:
        assert positions is not None, "neighbours have places"
        scores = local_median(scores, positions, radius)
        note = " ".join(filter(None, [note, _lonely(reference, radius)]))
    held_out, groups = calibration_scores(reference, mode, stand.tiles, radius)
    calibration = ConformalCalibration.fit(held_out, groups.astype(np.str_))
    low, high = _display_range(held_out)
    return Adapted(stand, scores, calibration, (low, high), _widening(reference, stand), radius, note)


def _widening(reference: ReferenceDescriptors, stand: Standpoint) -> float:
    """From scores that are not smoothed, as maps are not."""
    adapted, without = (
        _display_range(calibration_scores(reference, mode, tiles)[0])[1]
        for mode, tiles in ((stand.mode, stand.tiles), ("none", 0))
    )
    return adapted / without if without > 0 else 1.0


def _display_range(held_out: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.percentile(held_out, DISPLAY_PERCENTILES).tolist()
    return low, high


def _mode(
    reference: ReferenceDescriptors, tiles: int, core: Core | None, asked: Asked, anchors: int, holds_reference: bool
) -> tuple[Mode, str]:
    """What is done, and a note if that is less than a user might expect; ``core`` None: too few tiles for one."""
    if asked == "anchors" or (asked == "auto" and anchors):
        if not anchors:
            raise UsageError("no anchor lies on a scored tile. Mark some tiles of reference tissue on this slide.")
        return "anchors", ""
    if asked == "none":
        return "none", ""
    if core is None:
        if asked == "slide":
            raise UsageError(
                f"scored tiles: {tiles}; {FEWEST} are needed to find the slide's own level. Use "
                "--adapt none, or mark some tiles of reference tissue (--anchors)."
            )
        return "none", f"Not adapted to the slide, which has fewer than {FEWEST} scored tiles."
    return _of_own_core(reference.looseness(core), asked, holds_reference)


def _of_own_core(loose: float, asked: Asked, holds_reference: bool) -> tuple[Mode, str]:
    """The same for a core that spreads ``loose`` times as far as usual, if *slide* or *auto* was asked for."""
    none_of_it = "" if holds_reference else ", so perhaps none of the slide is reference tissue"
    doubt = (
        f"Its most reference-like tiles differ from each other {loose:.2g} times as much as reference tiles do"
        f"{none_of_it}."
    )
    if loose <= DOUBTFUL or (holds_reference and loose <= LOOSEST):
        return "slide", ""
    if asked == "slide":
        return "slide", doubt
    if loose <= LOOSEST:
        return "slide", f"{doubt} If you can, mark a few tiles of reference tissue (--anchors)."
    otherwise = (
        "Training used tiles of it, so --adapt slide may be used too."
        if holds_reference
        else "If you know that some of the slide is reference tissue, use --adapt slide."
    )
    return "none", (
        f"Not adapted to the slide, and so not comparable with other slides: {doubt} Mark a few tiles of reference "
        f"tissue (--anchors). {otherwise}"
    )


def _lonely(reference: ReferenceDescriptors, radius: float) -> str:
    """A note, if no reference tile has a neighbour to borrow from; else ""."""
    if have_neighbours(np.concatenate([fold.positions for fold in reference.held_out]), radius):
        return ""
    return (
        f"None of the model's reference tiles is known to lie within {radius:g} µm of another one, so p-values compare "
        "medians of neighbours with scores of single tiles. Use smoothed scores as a picture only."
    )
