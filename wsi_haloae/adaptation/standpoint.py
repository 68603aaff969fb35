"""From where the tiles of a slide are seen: the level of its reference tissue, and the scale of distances from it.

The reference tissue of some slides is more varied than that of others. So distances are divided by how much further
apart the slide's core, or its anchors, lie than is usual. They are never multiplied, which would call more tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST, LEAST, Core, find_core
from wsi_haloae.adaptation.metric import Level, Metric
from wsi_haloae.adaptation.neighbourhood import local_median
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors

Mode = Literal["none", "slide", "anchors"]
ENOUGH_ANCHORS = 3
"""Fewer anchors do not say how varied the reference tissue is."""


@dataclass(frozen=True, eq=False)
class Standpoint:
    """The level of a slide, found by ``mode`` from this many ``tiles``; distances are divided by ``scale``."""

    mode: Mode
    level: Level
    tiles: int = 0
    scale: float = 1.0

    def distance(self, descriptors: NDArray[np.floating]) -> NDArray[np.float32]:
        """The score of descriptors (n, k): (n,)."""
        return self.level.distance(descriptors) / np.float32(self.scale)


def standpoint(
    reference: ReferenceDescriptors,
    metric: Metric,
    descriptors: NDArray[np.float16],
    mode: Mode,
    anchors: NDArray[np.int64],
    core: Core | None = None,
) -> Standpoint:
    """The standpoint of a slide with these ``descriptors`` (n, k); ``anchors`` are numbers among them.

    ``metric`` is that of ``reference``, or of one of its folds. For *slide*, n is at least `FEWEST`, and ``core`` the
    slide's core, if it is known already.
    """
    if mode == "none":
        return Standpoint(mode, metric.unknown)
    if mode == "anchors":
        marked = descriptors[anchors]
        return Standpoint(mode, metric.level(marked), len(marked), _scale_of(marked, reference, metric))
    core = core or find_core(descriptors, metric)
    scale = 1.0 if reference.usual_spread is None else max(1.0, core.spread / reference.usual_spread)
    level = metric.level(descriptors[core.numbers], worth=LEAST)
    return Standpoint(mode, level, len(core.numbers), scale)


def _scale_of(anchors: NDArray[np.float16], reference: ReferenceDescriptors, metric: Metric) -> float:
    """How much further than held-out tiles anchors (n, k) lie from the level that the other anchors tell."""
    if len(anchors) < ENOUGH_ANCHORS:
        return 1.0
    return max(1.0, float(metric.distances_from_others(anchors).mean()) / reference.usual_distance)


def calibration_scores(
    reference: ReferenceDescriptors, mode: Mode, anchors: int, radius: float | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scores (m,) of held-out tiles after the same adaptation of each slide, and the group of each (m,).

    For *anchors*, that many tiles of a slide, evenly spread, are its anchors; the others are scored. With a ``radius``,
    scores are local medians, over the tiles of all folds.
    """
    fewest = {"none": 1, "slide": FEWEST, "anchors": max(2, 2 * anchors)}[mode]
    parts = [_calibrated(reference, fold, tiles, mode, anchors) for fold, tiles in reference.slides(fewest)]
    scores, groups, positions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return scores if radius is None else local_median(scores, positions, radius), groups


def _calibrated(
    reference: ReferenceDescriptors, fold: HeldOut, tiles: NDArray[np.int64], mode: Mode, anchors: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """The same for one slide, ``tiles`` of a fold, in the metric that the other folds taught, and their positions."""
    values, rest, marked = fold.descriptors[tiles], np.arange(len(tiles)), np.empty(0, np.int64)
    as_asked: Mode = "anchors" if mode == "slide" and len(tiles) < FEWEST else mode
    if as_asked == "anchors":
        few = min(anchors, len(tiles) // 2)
        marked = np.linspace(0, len(tiles) - 1, few).round().astype(np.int64)
        rest = np.delete(rest, marked)
    stand = standpoint(reference, fold.metric, values, as_asked, marked)
    return stand.distance(values[rest]), fold.groups[tiles[rest]], fold.positions[tiles[rest]]
