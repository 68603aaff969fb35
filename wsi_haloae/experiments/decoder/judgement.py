"""Judges one run: which rule counts, the combined scores, areas and precisions, and differences to the best rival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.by_cell import KNN
from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.comparison import best_baseline
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import auroc, average_precision
from wsi_haloae.evaluation.pixel_bootstrap import PixelBootstrap
from wsi_haloae.evaluation.pixel_figures import SIZE
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.scores import CONTENT, RuleScores, Scored, Scorer, score_maps
from wsi_haloae.experiments.decoder.sets import DefectMasks, StudySet
from wsi_haloae.model.anomaly_map import upsample
from wsi_haloae.scoring.learning import fit_scale
from wsi_haloae.scoring.measured import log

Draws = NDArray[np.float64]
DECODER, FIXED = "decoder", "fixed rule"
FIXED_RULE = {True: "cosine, max", False: "structure"}
"""The rule for small defects in images, and for tiles that are anomalous as a whole: the best of the deciding sets."""
FIXED_MAP = "ssim"


@dataclass(frozen=True, eq=False)
class MethodsOf:
    """Scores by one kind of method: of the judged tiles, of calibration tiles, and of these as synthetic anomalies.

    ``cell_marks`` says of each map how well it tells changed cells of synthetic anomalies from the others: mean AUROC
    of the kinds. It is empty if whole tiles are changed.
    """

    judged: Scored
    usual: RuleScores
    synthetic: Mapping[str, RuleScores]
    cell_marks: Mapping[str, float]

    def marks(self) -> dict[str, float]:
        """Mean AUROC of each kind of synthetic anomaly against the same tiles unchanged, by method."""
        return {
            name: float(np.mean([_told(usual, kind[name]) for kind in self.synthetic.values()]))
            for name, usual in self.usual.items()
        }


def methods_of(given: KeptSet, scorer: Scorer) -> MethodsOf:
    """Scores of all tiles that a run judges by."""
    anomalies = {kind: score_maps(scorer, maps) for kind, maps in given.synthetic.items()}
    names = next(iter(anomalies.values())).maps if given.changed else ()
    return MethodsOf(
        score_maps(scorer, given.judged),
        score_maps(scorer, given.kept.reference, given.usual).scores,
        {kind: found.scores for kind, found in anomalies.items()},
        {name: _cell_mark({kind: found.maps[name] for kind, found in anomalies.items()}, given) for name in names},
    )


def _cell_mark(maps: Mapping[str, Tensor], given: KeptSet) -> float:
    areas = [auroc(one.numpy().ravel(), given.changed[kind].ravel(), of="cell") for kind, one in maps.items()]
    return float(np.mean(areas))


@dataclass(frozen=True)
class Against:
    """A method and the best rival on the same tiles: AUROC of both, and their difference with a paired interval."""

    method: str
    auroc: float
    rival: str
    rival_auroc: float
    difference: float
    interval: Interval


@dataclass(frozen=True)
class MapAgainst:
    """Average precision of the map with the highest mark, of the fixed one and of the rivals' maps.

    ``differences`` are those of the fixed map to the rivals', with paired intervals.
    """

    method: str
    average_precision: float
    fixed: str
    fixed_precision: float
    rivals: Mapping[str, float]
    differences: Mapping[str, Interval]


@dataclass(frozen=True)
class Judgement:
    """Everything that one run measures. ``draws`` of the differences by name are kept for means over seeds."""

    rule: str
    marks: Mapping[str, float]
    rival_marks: Mapping[str, float]
    cell_marks: Mapping[str, float]
    areas: Mapping[str, float]
    against: Mapping[str, Against]
    map_precisions: Mapping[str, float]
    maps: MapAgainst | None


def choose(marks: Mapping[str, float]) -> str:
    """The decoder's rule that counts: the one with the highest mark, `content` aside; the first of equals."""
    return max((name for name in marks if name != CONTENT), key=lambda name: marks[name])


def combine(
    usual: tuple[NDArray[np.floating], NDArray[np.floating]], scores: tuple[NDArray[np.floating], NDArray[np.floating]]
) -> NDArray[np.float32]:
    """The mean of two standardised logs, as in the rule `combined`: (n,); scores of ``usual`` tiles teach the scale."""
    pairs = list(zip(usual, scores, strict=True))
    taught, found = (torch.stack(several, dim=1) for several in zip(*(_levels(*pair) for pair in pairs), strict=True))
    return fit_scale(taught.numpy()).excess(found).numpy()


def _levels(usual: NDArray[np.floating], scores: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Logs; a score that can be negative, such as the rule `signed`, stays as it is."""
    both = [torch.from_numpy(np.asarray(one, np.float32)) for one in (usual, scores)]
    positive = min(float(one.min()) for one in both) > 0
    return (log(both[0]), log(both[1])) if positive else (both[0], both[1])


def judge(tiles: StudySet, decoder: MethodsOf, rivals: MethodsOf) -> tuple[Judgement, dict[str, Draws]]:
    """Figures of one run, and the draws of each difference to the best rival, (draws,)."""
    rule, fixed = choose(decoder.marks()), FIXED_RULE[tiles.local]
    scores = _of_decoder(tiles, decoder, rivals, rule)
    of_fixed = _of_decoder(tiles, decoder, rivals, fixed)
    scores |= {f"{FIXED}{name.removeprefix(DECODER)}": found for name, found in of_fixed.items()}
    bootstrap = ClusterBootstrap(tiles.anomalous, tiles.groups)
    rival_areas = {name: auroc(found, tiles.anomalous) for name, found in rivals.judged.scores.items()}
    best = best_baseline(rival_areas)
    assert best is not None, "there are rivals"
    theirs = bootstrap.auroc(rivals.judged.scores[best])
    draws = {name: bootstrap.auroc(found) - theirs for name, found in scores.items()}
    areas = {name: auroc(found, tiles.anomalous) for name, found in scores.items()}
    against = {
        name: Against(
            fixed if name.startswith(FIXED) else rule,
            area,
            best,
            rival_areas[best],
            area - rival_areas[best],
            Interval.from_draws(draws[name]),
        )
        for name, area in areas.items()
    }
    everything = {name: auroc(found, tiles.anomalous) for name, found in decoder.judged.scores.items()} | rival_areas
    marks = {**decoder.cell_marks, **rivals.cell_marks}
    precisions: dict[str, float] = {}
    maps = None
    if tiles.defects is not None:
        precisions, maps = _judge_maps(tiles, tiles.defects, decoder, rivals)
    found = Judgement(rule, decoder.marks(), rivals.marks(), marks, everything, against, precisions, maps)
    return found, draws


def _of_decoder(
    tiles: StudySet, decoder: MethodsOf, rivals: MethodsOf, rule: str
) -> dict[str, NDArray[np.floating[Any]]]:
    """Scores by one rule of the decoder: alone, with the rule `content`, and with kNN's map."""
    own, theirs, pooled = decoder.judged.scores, rivals.judged.scores, f"{KNN}, {'max' if tiles.local else 'mean'}"
    return {
        DECODER: own[rule],
        f"{DECODER} with content": combine((decoder.usual[rule], decoder.usual[CONTENT]), (own[rule], own[CONTENT])),
        f"{DECODER} with kNN": combine((decoder.usual[rule], rivals.usual[pooled]), (own[rule], theirs[pooled])),
    }


def _judge_maps(
    tiles: StudySet, defects: DefectMasks, decoder: MethodsOf, rivals: MethodsOf
) -> tuple[dict[str, float], MapAgainst]:
    """Average precision of every map on the images whose pixels are all known; the one with the highest mark counts."""
    own, others, known = decoder.judged.maps, rivals.judged.maps, torch.from_numpy(defects.known)
    rule = max(decoder.cell_marks, key=lambda name: decoder.cell_marks[name])
    pixels = {name: upsample(maps[known], SIZE).numpy() for name, maps in _different({**own, **others}).items()}
    marked = defects.masks
    precisions = {name: average_precision(maps.ravel(), marked.ravel(), of="pixel") for name, maps in pixels.items()}
    bootstrap = PixelBootstrap(marked, tiles.anomalous[defects.known])
    chosen, fixed = (upsample(own[name][known], SIZE).numpy() for name in (rule, FIXED_MAP))
    compared = {name: bootstrap.compare(fixed, pixels[name]) for name in others}
    differences = {name: one.average_precision.interval for name, one in compared.items()}
    ours = [average_precision(maps.ravel(), marked.ravel(), of="pixel") for maps in (chosen, fixed)]
    theirs = {name: precisions[name] for name in others}
    return precisions, MapAgainst(rule, ours[0], FIXED_MAP, ours[1], theirs, differences)


def _different(maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without maps that are the same as an earlier one: rules that only pool differently share theirs."""
    found: dict[str, Tensor] = {}
    for name, one in maps.items():
        if not any(torch.equal(one, other) for other in found.values()):
            found[name] = one
    return found


def _told(usual: NDArray[np.floating], changed: NDArray[np.floating]) -> float:
    return auroc(np.concatenate([usual, changed]), np.repeat([False, True], [len(usual), len(changed)]))
