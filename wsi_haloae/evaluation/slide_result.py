"""What ``evaluate`` measures on the labelled tiles of scored slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.calibration.selection import Selection
from wsi_haloae.evaluation.calibration_curve import CalibrationPoint, calibration_curve
from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.discoveries import DiscoveryPoint, discovery_curve
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import auroc, average_precision
from wsi_haloae.evaluation.region_overlap import RegionOverlap
from wsi_haloae.provenance.parts import Part


@dataclass(frozen=True, eq=False)
class LabelledTiles:
    """Tiles with a class, from all slides; n of each."""

    classes: NDArray[np.str_]
    anomalous: NDArray[np.bool_]
    groups: NDArray[np.str_]  # slide or block of tiles
    rules: Mapping[str, NDArray[np.float32]]  # "score" and every other rule
    p_values: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    discovered: NDArray[np.bool_]  # (n, rates): called at each false-discovery rate, whatever criterion the slide used

    @classmethod
    def joined(cls, parts: Sequence[LabelledTiles]) -> LabelledTiles:
        """Tiles of several slides that were scored by the same rules; ``parts`` is not empty."""
        names = [name for name in parts[0].rules if all(name in part.rules for part in parts)]
        return cls(
            classes=np.concatenate([part.classes for part in parts]),
            anomalous=np.concatenate([part.anomalous for part in parts]),
            groups=np.concatenate([part.groups for part in parts]),
            rules={name: np.concatenate([part.rules[name] for part in parts]) for name in names},
            p_values=np.concatenate([part.p_values for part in parts]),
            chosen=np.concatenate([part.chosen for part in parts]),
            discovered=np.concatenate([part.discovered for part in parts]),
        )


@dataclass(frozen=True)
class RuleFigures:
    """Results of one scoring rule, with 95 % intervals."""

    auroc: float
    auroc_interval: Interval
    average_precision: float
    average_precision_interval: Interval


@dataclass(frozen=True)
class ClassFigures:
    """Results of one annotated class. ``auroc`` is against all reference tiles; None for reference classes.

    ``share_called`` is None if no tile can be called on one of the slides.
    """

    tiles: int
    median_score: float
    share_called: float | None
    auroc: float | None


@dataclass(frozen=True)
class Called:
    """The tiles that were called anomalous, compared with the truth.

    ``false_share`` is the share of reference tiles among the labelled tiles that were called, which a false-discovery
    rate limits. ``dice`` compares regions.
    """

    criterion: str
    tiles: int
    false_share: float | None
    dice: float | None


@dataclass(frozen=True)
class PatientFigures:
    """The same with intervals over ``patients`` patients. A slide whose patient is not named counts as one."""

    patients: int
    rules: Mapping[str, RuleFigures]
    false_calls: CalibrationPoint | None


@dataclass(frozen=True)
class SlideResult:
    """All results, as stored in JSON.

    ``false_calls`` is the share of reference tiles that are called at the nominal per-tile rate; None if p-values
    cannot be that small. ``trained_on`` says for each slide what the model was trained on, ``left_out`` how many
    outlined tiles are therefore not in any figure. ``held_out`` has the figures over the slides that the model was not
    trained on; None if these are all slides, or none of them, or if a class has no tile on them.
    """

    slides: Sequence[str]
    unlabelled: int
    reference_classes: Sequence[str]
    groups: int
    grouped_by: str
    rules: Mapping[str, RuleFigures]
    classes: Mapping[str, ClassFigures]
    called: Called | None
    calibration: Sequence[CalibrationPoint]
    discoveries: Sequence[DiscoveryPoint]
    false_calls: CalibrationPoint | None
    by_patient: PatientFigures | None
    trained_on: Mapping[str, str]
    left_out: Mapping[Part, int]
    held_out: SlideResult | None = None


def rule_figures(tiles: LabelledTiles, seed: int = 0) -> dict[str, RuleFigures]:
    """AUROC and average precision of every rule, with intervals over groups; `UsageError` for only one class."""
    bootstrap = ClusterBootstrap(tiles.anomalous, tiles.groups, seed=seed)
    return {
        name: RuleFigures(
            auroc(scores, tiles.anomalous),
            Interval.from_draws(bootstrap.auroc(scores)),
            average_precision(scores, tiles.anomalous),
            Interval.from_draws(bootstrap.average_precision(scores)),
        )
        for name, scores in tiles.rules.items()
    }


def class_figures(tiles: LabelledTiles, *, can_call: bool) -> dict[str, ClassFigures]:
    """Results by class, reference classes first."""
    score, reference = tiles.rules["score"], ~tiles.anomalous
    figures = {}
    for name in sorted(
        set(tiles.classes.tolist()), key=lambda name: (bool(tiles.anomalous[tiles.classes == name].any()), name)
    ):
        own = tiles.classes == name
        judged = own | reference
        is_reference = bool(reference[own].all())
        figures[name] = ClassFigures(
            tiles=int(own.sum()),
            median_score=float(np.median(score[own])),
            share_called=float(tiles.chosen[own].mean()) if can_call else None,
            auroc=None if is_reference else auroc(score[judged], own[judged]),
        )
    return figures


def called_figures(tiles: LabelledTiles, selection: Selection, overlap: RegionOverlap) -> Called:
    """Results for the tiles that were called, over all slides."""
    called = int(tiles.chosen.sum())
    return Called(
        criterion=selection.words,
        tiles=called,
        false_share=float((tiles.chosen & ~tiles.anomalous).sum() / called) if called else None,
        dice=overlap.dice,
    )


def reference_calibration(tiles: LabelledTiles) -> list[CalibrationPoint]:
    """Validity of the reference tiles' p-values; empty if tiles have none."""
    reference = ~tiles.anomalous
    if np.isnan(tiles.p_values[reference]).any():
        return []
    return calibration_curve(tiles.p_values[reference], tiles.groups[reference])


def false_calls(points: Sequence[CalibrationPoint], smallest_p: float | None) -> CalibrationPoint | None:
    """The point of a calibration curve at the nominal per-tile rate.

    ``smallest_p`` is the smallest possible p-value of the slide where it is largest. A share of 0 would mean nothing
    where it exceeds the rate.
    """
    if smallest_p is None or not reaches(smallest_p, TILE_RATE):
        return None
    return next((point for point in points if point.level == TILE_RATE), None)


def patient_figures(tiles: LabelledTiles, smallest_p: float | None) -> PatientFigures:
    """Results of tiles whose groups are patients."""
    patients = len(set(tiles.groups.tolist()))
    return PatientFigures(patients, rule_figures(tiles), false_calls(reference_calibration(tiles), smallest_p))


def discoveries(tiles: LabelledTiles, smallest_p: float | None) -> Sequence[DiscoveryPoint]:
    """False-discovery rates against what was measured; empty if tiles have no p-values.

    ``smallest_p`` is the smallest possible p-value over all slides, None without calibration.
    """
    if smallest_p is None or np.isnan(tiles.p_values).any():
        return []
    return discovery_curve(tiles.discovered, tiles.anomalous, smallest_p)
