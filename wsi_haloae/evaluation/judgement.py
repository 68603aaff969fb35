"""The one judgement of labelled tiles, whether they come from slides with outlines or from folders of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.selection import Selection
from wsi_haloae.evaluation.calibration_curve import CalibrationPoint, calibration_curve
from wsi_haloae.evaluation.comparison import ComparedMethod, compare_methods
from wsi_haloae.evaluation.discoveries import DiscoveryPoint, discovery_curve
from wsi_haloae.evaluation.false_calls import FalseCalls, false_calls
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.labelled_tiles import SCORE, LabelledTiles
from wsi_haloae.evaluation.region_overlap import RegionOverlap

ENOUGH_GROUPS = 10
"""With fewer groups, a bootstrap over groups gives intervals that are too narrow (Cameron, Gelbach and Miller 2008,
Review of Economics and Statistics 90:414)."""

CHANCE = 0.5
"""AUROC of a score that knows nothing."""
Figures = Mapping[str, ComparedMethod]


@dataclass(frozen=True)
class ClassFigures:
    """Results of one class. ``auroc`` is that of the score, against all reference tiles; None for reference classes.

    ``share_called`` is None if no tile can be called.
    """

    tiles: int
    groups: int
    median_score: float
    share_called: float | None
    auroc: float | None


@dataclass(frozen=True)
class Called:
    """The tiles that were called anomalous, compared with the truth.

    ``false_share`` is the share of reference tiles among the labelled tiles that were called, which a false-discovery
    rate limits. ``dice`` compares regions; None for tiles that are not on a slide.
    """

    criterion: str
    tiles: int
    false_share: float | None
    dice: float | None


@dataclass(frozen=True)
class Judgement:
    """All figures. ``rules`` and ``baselines`` are against all anomalous tiles, ``by_class`` against those of a class.

    ``called`` is None if no tile can be called, ``false_calls`` if no p-value can be as small as the per-tile rate.
    """

    reference_classes: Sequence[str]
    groups: int
    grouped_by: str
    rules: Figures
    baselines: Figures
    classes: Mapping[str, ClassFigures]
    by_class: Mapping[str, Figures]
    called: Called | None
    false_calls: FalseCalls | None
    calibration: Sequence[CalibrationPoint]
    discoveries: Sequence[DiscoveryPoint]


def judge(
    tiles: LabelledTiles,
    *,
    grouped_by: str,
    smallest_p: float | None,
    selection: Selection | None,
    overlap: RegionOverlap | None = None,
) -> Judgement:
    """All figures of labelled tiles; intervals are over their groups, which ``grouped_by`` names.

    ``smallest_p`` is the smallest possible p-value, None without calibration. ``selection`` is how tiles were called,
    None if no tile can be called. Raises `UsageError` if there are no reference or no anomalous tiles.
    """
    everything = np.ones(len(tiles.classes), bool)
    compared = _compare(tiles, everything)
    curve, by_class = _reference_calibration(tiles), _by_class(tiles, compared)
    return Judgement(
        reference_classes=tiles.names(anomalous=False),
        groups=_count(tiles.groups),
        grouped_by=grouped_by,
        rules={name: compared[name] for name in tiles.rules},
        baselines={one.name: compared[one.name] for one in tiles.baselines},
        classes=_class_figures(tiles, by_class, can_call=selection is not None),
        by_class=by_class,
        called=None if selection is None else _called(tiles, selection, overlap),
        false_calls=false_calls(curve, smallest_p) if curve else None,
        calibration=curve,
        discoveries=_discoveries(tiles, smallest_p),
    )


def upside_down(judgement: Judgement) -> str | None:
    """A warning if reference tiles surely score higher than the others: a wrong class was probably named."""
    score = judgement.rules[SCORE]
    if score.auroc_interval is None or score.auroc_interval.high >= CHANCE:
        return None
    return (
        f"Reference tiles ({', '.join(judgement.reference_classes)}) score higher than anomalous ones: AUROC "
        f"{score.auroc:.3f}. Was the model trained on another class?"
    )


def few_groups(judgement: Judgement) -> str | None:
    """A warning about classes whose groups are too few for intervals, if there are any."""
    groups = {name: one.groups for name, one in judgement.classes.items()}
    return few_groups_of(groups, judgement.grouped_by, judgement.rules[SCORE].auroc_interval)


def few_groups_of(groups: Mapping[str, int], grouped_by: str, interval: Interval | None) -> str | None:
    """The same for the number of ``groups`` of each class; ``interval`` is one over all of them."""
    few = [f"{name} ({count})" for name, count in groups.items() if count < ENOUGH_GROUPS]
    if not few:
        return None
    consequence = (
        f"One of the {grouped_by} does not show how they differ, so there are no intervals"
        if interval is None
        else "Their intervals are too narrow and say little about other patients"
    )
    return f"Classes with tiles of fewer than {ENOUGH_GROUPS} {grouped_by}: {', '.join(few)}. {consequence}."


def _compare(tiles: LabelledTiles, judged: NDArray[np.bool_]) -> Figures:
    chosen = [replace(one, scores=one.scores[judged]) for one in tiles.methods]
    return {one.name: one for one in compare_methods(chosen, tiles.anomalous[judged], tiles.groups[judged])}


def _by_class(tiles: LabelledTiles, whole: Figures) -> dict[str, Figures]:
    names = tiles.names(anomalous=True)
    if len(names) == 1:
        return {names[0]: whole}
    return {name: _compare(tiles, ~tiles.anomalous | (tiles.classes == name)) for name in names}


def _class_figures(tiles: LabelledTiles, by_class: Mapping[str, Figures], *, can_call: bool) -> dict[str, ClassFigures]:
    """Results by class, reference classes first."""
    figures = {}
    for name in (*tiles.names(anomalous=False), *tiles.names(anomalous=True)):
        own = tiles.classes == name
        figures[name] = ClassFigures(
            tiles=int(own.sum()),
            groups=_count(tiles.groups[own]),
            median_score=float(np.median(tiles.rules[SCORE][own])),
            share_called=float(tiles.chosen[own].mean()) if can_call else None,
            auroc=by_class[name][SCORE].auroc if name in by_class else None,
        )
    return figures


def _called(tiles: LabelledTiles, selection: Selection, overlap: RegionOverlap | None) -> Called:
    called = int(tiles.chosen.sum())
    return Called(
        criterion=selection.words,
        tiles=called,
        false_share=float((tiles.chosen & ~tiles.anomalous).sum() / called) if called else None,
        dice=overlap.dice if overlap else None,
    )


def _reference_calibration(tiles: LabelledTiles) -> list[CalibrationPoint]:
    """Validity of the reference tiles' p-values; empty if tiles have none."""
    reference = ~tiles.anomalous
    if np.isnan(tiles.p_values[reference]).any():
        return []
    return calibration_curve(tiles.p_values[reference], tiles.groups[reference])


def _discoveries(tiles: LabelledTiles, smallest_p: float | None) -> Sequence[DiscoveryPoint]:
    """False-discovery rates against what was measured; empty if tiles have no p-values."""
    if smallest_p is None or np.isnan(tiles.p_values).any():
        return []
    return discovery_curve(tiles.discovered, tiles.anomalous, smallest_p)


def _count(groups: NDArray[np.str_]) -> int:
    return len(set(groups.tolist()))
