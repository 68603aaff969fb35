"""Scores of a slide's tiles after adaptation to the slide, calibrated by the same adaptation of held-out tiles.

none      nothing is known of the slide's level
slide     its level is taken from its own core, the tiles that are most like the reference
anchors   its level is taken from tiles that somebody has marked as reference tissue
auto      anchors if there are any; else slide, unless the core spreads too far to be reference tissue; else none
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST, find_core
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.errors import UsageError

Mode = Literal["none", "slide", "anchors"]
Asked = Literal["auto", "none", "slide", "anchors"]
MODES: Final[tuple[Asked, ...]] = get_args(Asked)
DISPLAY_PERCENTILES = (1.0, 99.5)
"""Percentiles of held-out reference tiles' scores: the ends of the colour bar."""


@dataclass(frozen=True, eq=False)
class Adapted:
    """Scores (n,) of a slide's tiles, NaN where there is none, with their calibration and colour bar.

    ``tiles`` is how many tiles gave the slide's level, ``note`` a sentence that people must read, or "".
    """

    mode: Mode
    tiles: int
    scores: NDArray[np.float32]
    calibration: ConformalCalibration
    display_range: tuple[float, float]
    note: str = ""


def adapt(
    reference: ReferenceDescriptors,
    descriptors: NDArray[np.float16],
    scored: NDArray[np.bool_],
    asked: Asked = "auto",
    anchors: NDArray[np.int64] | None = None,
) -> Adapted:
    """Score the tiles with ``descriptors`` (n, k) that are ``scored`` (n,); ``anchors`` are numbers of tiles.

    Raises `UsageError` for *slide* on a slide with too few tiles, and for *anchors* without a scored one.
    """
    known = np.flatnonzero(scored)
    marked = np.intersect1d(known, [] if anchors is None else anchors).astype(np.int64)
    mode, note = _mode(reference, descriptors[known], asked, len(marked))
    if mode == "slide":
        marked = known[find_core(descriptors[known], reference.metric).numbers]
    elif mode == "none":
        marked = known[:0]
    level = reference.metric.level(descriptors[marked])
    scores = np.full(len(descriptors), np.nan, np.float32)
    scores[known] = level.distance(descriptors[known])
    held_out, groups = calibration_scores(reference, mode, len(marked))
    low, high = np.percentile(held_out, DISPLAY_PERCENTILES)
    calibration = ConformalCalibration.fit(held_out, groups.astype(np.str_))
    return Adapted(mode, len(marked), scores, calibration, (float(low), float(high)), note)


def _mode(
    reference: ReferenceDescriptors, descriptors: NDArray[np.float16], asked: Asked, anchors: int
) -> tuple[Mode, str]:
    """What is done, and a note if that is less than a user might expect."""
    if asked == "anchors" or (asked == "auto" and anchors):
        if not anchors:
            raise UsageError("no anchor lies on a scored tile. Mark some tiles of reference tissue on this slide.")
        return "anchors", ""
    if asked == "none":
        return "none", ""
    if len(descriptors) < FEWEST:
        if asked == "slide":
            raise UsageError(
                f"{len(descriptors)} tiles are too few to find the slide's own level; {FEWEST} are needed. Use "
                "--adapt none, or mark some tiles of reference tissue (--anchors)."
            )
        return "none", f"Not adapted to the slide, which has fewer than {FEWEST} scored tiles."
    spread, most = find_core(descriptors, reference.metric).spread, reference.largest_spread
    if asked == "slide" or most is None or spread <= most:
        return "slide", "" if most is None or spread <= most else _doubt(spread, most)
    return "none", (
        f"Not adapted to the slide, and so not comparable with other slides: {_doubt(spread, most)} Mark a few tiles "
        "of reference tissue (--anchors). If you know that some of the slide is reference tissue, use --adapt slide."
    )


def _doubt(spread: float, most: float) -> str:
    return (
        f"Its most reference-like tiles differ from each other more than reference tiles do ({spread:.2g}; at most "
        f"{most:.2g} is usual), so perhaps none of the slide is reference tissue."
    )


def calibration_scores(
    reference: ReferenceDescriptors, mode: Mode, anchors: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scores (m,) of calibration tiles after the same adaptation of each group, and the group of each (m,).

    For *anchors*, that many tiles of a group, evenly spread, are its anchors; the others are scored. If no group has
    enough tiles, all tiles count as one slide.
    """
    metric, held_out = reference.metric, reference.calibration
    if mode == "none":
        return metric.unknown.distance(held_out), reference.groups
    scores, groups = [], []
    for tiles in reference.slides():
        if mode == "slide" and len(tiles) >= FEWEST:
            marked, rest = tiles[find_core(held_out[tiles], metric).numbers], tiles
        else:
            few = max(1, min(anchors, len(tiles) // 2))
            places = np.linspace(0, len(tiles) - 1, few).round().astype(np.int64)
            marked, rest = tiles[places], np.delete(tiles, places)
        if len(rest):
            scores.append(metric.level(held_out[marked]).distance(held_out[rest]))
            groups.append(reference.groups[rest])
    return np.concatenate(scores), np.concatenate(groups)
