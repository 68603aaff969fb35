"""The next patient's slide: what is asked of models of one patient's tissue, and their answers, tile by tile.

Each question is answered in many ways: by the rules, and by distances of descriptors after each kind of adaptation. Two
simpler distances are compared in the same metric and from the same level: nearest neighbours, and what principal
components leave over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from wsi_haloae.adaptation.adapt import Adapted, Asked, adapt
from wsi_haloae.adaptation.core import find_core
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import auroc

LEVEL = 0.05
ANCHORS, DRAWS = (1, 3, 5, 10), 10
NEIGHBOURS, COMPONENTS = 5, 16
SIZES = (16, 32, 64, 96)
"""Fewer numbers of a descriptor, to see what they cost."""
SHARES, MIXTURES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0), 3
Tissue = tuple[str, str]
"""A patient and a class of the outlines."""
Scores = NDArray[np.floating]


@dataclass(frozen=True)
class Question:
    """A model of one tissue has to tell ``anomalous`` from ``usual`` tissue, which it should know."""

    reference: Tissue
    usual: Tissue
    anomalous: Tissue

    @property
    def words(self) -> str:
        """A phrase for people."""
        known, usual, anomalous = (
            f"{name.lower()} of {patient}" for patient, name in (self.reference, self.usual, self.anomalous)
        )
        return f"trained on {known}: {anomalous} against {usual}"


@dataclass(frozen=True, eq=False)
class Scored:
    """n tiles of one patient as a model sees them.

    ``rules`` has scores (n,) by rule, ``descriptors`` is (n, k), ``classes`` and ``blocks`` (n,) name the class of each
    tile ("": none, or it could not be read) and its block on the slide. ``trained_on`` (n,) are the tiles that the
    model was trained on, where others of their class are left to be judged.
    """

    rules: Mapping[str, Scores]
    descriptors: NDArray[np.float16]
    classes: NDArray[np.str_]
    blocks: NDArray[np.str_]
    trained_on: NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """AUROC, its 95 % interval over blocks of tiles, and shares of usual and anomalous tiles with p <= 0.05.

    Anchors: means over draws of anchors, the lowest AUROC of them, and no interval.
    """

    question: str
    way: str
    auroc: float
    lowest: float
    interval: Interval | None
    false_calls: float | None
    found: float | None


@dataclass(frozen=True)
class MixtureRow:
    """A slide of which a ``share`` is anomalous: how often *auto* adapts, and AUROC with it and with *slide*."""

    question: str
    share: float
    adapted: float
    auto: float | None
    slide: float | None
    spread: float


@dataclass(frozen=True, eq=False)
class _Answer:
    """Scores of usual and anomalous tiles, their blocks, and p-values where the way has them."""

    scores: tuple[Scores, Scores]
    blocks: tuple[NDArray[np.str_], NDArray[np.str_]]
    p_values: tuple[Scores, Scores] | None = None


Way = Callable[[Adapted, NDArray[np.float16]], tuple[Scores, Scores | None]]
"""Scores (n,) of descriptors (n, k) from the level of a slide, and their p-values if they have any."""


def answers(
    question: Question, scored: Mapping[str, Scored], reference: ReferenceDescriptors, known: NDArray[np.float16]
) -> Iterator[Row]:
    """All ways to answer; ``known`` are descriptors of the model's own reference tiles."""
    for rule in scored[question.usual[0]].rules:
        sides = [_side(scored, tissue) for tissue in (question.usual, question.anomalous)]
        rules = tuple(one.rules[rule][judged] for one, judged in sides)
        yield _row(question, f"rule {rule}", [_Answer((rules[0], rules[1]), _blocks(sides))])
    for name, way in _ways(reference.metric, known).items():
        for asked in ("none", "slide", "auto"):
            yield _row(question, f"{name}, {asked}", [_answer(question, scored, reference, way, asked)])
        for count in ANCHORS:
            draws = [_answer(question, scored, reference, way, "anchors", count, draw) for draw in range(DRAWS)]
            yield _row(question, f"{name}, {count} anchors", draws)
    for size in SIZES:
        fewer = _first(scored, size)
        yield _row(
            question, f"metric of {size}, auto", [_answer(question, fewer, first(reference, size), _metric, "auto")]
        )


def mixtures(question: Question, scored: Mapping[str, Scored], reference: ReferenceDescriptors) -> Iterator[MixtureRow]:
    """Slides made of tiles of one: as many usual and anomalous ones as each share asks for."""
    (one, usual), (other, anomalous) = (_side(scored, tissue) for tissue in (question.usual, question.anomalous))
    for share in SHARES:
        rows = [
            _mixed(question, share, one.descriptors[usual], other.descriptors[anomalous], reference, draw)
            for draw in range(MIXTURES)
        ]
        auto, slide = ([row.auto for row in rows if row.auto], [row.slide for row in rows if row.slide])
        yield MixtureRow(
            question.words,
            share,
            float(np.mean([row.adapted for row in rows])),
            float(np.mean(auto)) if auto else None,
            float(np.mean(slide)) if slide else None,
            float(np.mean([row.spread for row in rows])),
        )


def first(reference: ReferenceDescriptors, size: int) -> ReferenceDescriptors:
    """As if descriptors had only their first ``size`` numbers, the main components."""

    def fewer(metric: Metric) -> Metric:
        return Metric(metric.mean[:size], metric.within[:size, :size], metric.across[:size, :size])

    folds = [
        replace(one, metric=fewer(one.metric), descriptors=one.descriptors[:, :size]) for one in reference.held_out
    ]
    return ReferenceDescriptors(fewer(reference.metric), tuple(folds))


def _first(scored: Mapping[str, Scored], size: int) -> dict[str, Scored]:
    return {name: replace(one, descriptors=one.descriptors[:, :size]) for name, one in scored.items()}


def _mixed(
    question: Question,
    share: float,
    usual: NDArray[np.float16],
    anomalous: NDArray[np.float16],
    reference: ReferenceDescriptors,
    draw: int,
) -> MixtureRow:
    random = np.random.default_rng(draw)
    size = min(len(usual) / (1 - share) if share < 1 else np.inf, len(anomalous) / share if share else np.inf)
    strange = round(share * size)
    tiles = np.concatenate(
        [random.permutation(usual)[: round(size) - strange], random.permutation(anomalous)[:strange]]
    )
    labels, everything = np.arange(len(tiles)) >= len(tiles) - strange, np.ones(len(tiles), np.bool_)
    auto, slide = (adapt(reference, tiles, everything, asked) for asked in ("auto", "slide"))
    both = 0 < share < 1
    return MixtureRow(
        question.words,
        share,
        adapted=float(auto.standpoint.mode == "slide"),
        auto=auroc(auto.scores, labels) if both else None,
        slide=auroc(slide.scores, labels) if both else None,
        spread=find_core(tiles, reference.metric).spread / (reference.usual_spread or np.nan),
    )


def _side(scored: Mapping[str, Scored], tissue: Tissue) -> tuple[Scored, NDArray[np.int64]]:
    """A patient's tiles, and the numbers of those that are judged."""
    one = scored[tissue[0]]
    return one, np.flatnonzero((one.classes == tissue[1]) & ~one.trained_on)


def _blocks(sides: list[tuple[Scored, NDArray[np.int64]]]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    (one, usual), (other, anomalous) = sides
    return one.blocks[usual], other.blocks[anomalous]


def _answer(
    question: Question,
    scored: Mapping[str, Scored],
    reference: ReferenceDescriptors,
    way: Way,
    asked: Asked,
    anchors: int = 0,
    draw: int = 0,
) -> _Answer:
    """Each side adapted to its own slide; a slide without reference tissue cannot have anchors, and is not adapted."""
    sides, scores, p_values = [], [], []
    for tissue in (question.usual, question.anomalous):
        one, judged = _side(scored, tissue)
        known = _side(scored, (tissue[0], question.reference[1]))[1]
        marked = np.random.default_rng(draw).permutation(known)[:anchors]
        scorable = ~np.isnan(one.descriptors[:, 0])
        mode: Asked = "none" if asked == "anchors" and not len(marked) else asked
        adapted = adapt(reference, one.descriptors, scorable, mode, marked)
        left = np.setdiff1d(judged, marked)
        found, calibrated = way(adapted, one.descriptors[left])
        sides.append((one, left))
        scores.append(found)
        p_values.append(calibrated)
    told = None if p_values[0] is None or p_values[1] is None else (p_values[0], p_values[1])
    return _Answer((scores[0], scores[1]), _blocks(sides), told)


def _ways(metric: Metric, known: NDArray[np.float16]) -> dict[str, Way]:
    def nearest(adapted: Adapted, tiles: NDArray[np.float16]) -> tuple[Scores, None]:
        level = adapted.standpoint.level
        root = np.linalg.cholesky(level.precision)  # distances in the metric are lengths after this
        search = NearestNeighbors(n_neighbors=NEIGHBOURS).fit((known - metric.mean) @ root)
        return np.square(search.kneighbors((tiles - level.centre) @ root)[0]).mean(axis=1), None

    def left_over(adapted: Adapted, tiles: NDArray[np.float16]) -> tuple[Scores, None]:
        away = tiles - adapted.standpoint.level.centre
        return np.square(away[:, COMPONENTS:]).sum(axis=1), None

    return {"metric": _metric, f"kNN-{NEIGHBOURS}": nearest, f"PCA-{COMPONENTS}": left_over}


def _metric(adapted: Adapted, tiles: NDArray[np.float16]) -> tuple[Scores, Scores]:
    found = adapted.standpoint.distance(tiles)
    return found, adapted.calibration.p_values(found)


def _row(question: Question, way: str, draws: list[_Answer]) -> Row:
    areas = [auroc(np.concatenate(one.scores), _labels(one)) for one in draws]
    p_values = [one.p_values for one in draws if one.p_values is not None]
    return Row(
        question.words,
        way,
        auroc=float(np.mean(areas)),
        lowest=float(np.min(areas)),
        interval=_interval(draws[0]) if len(draws) == 1 else None,
        false_calls=_share_called([usual for usual, _ in p_values]),
        found=_share_called([anomalous for _, anomalous in p_values]),
    )


def _share_called(p_values: list[Scores]) -> float | None:
    """The mean over draws of the share of tiles with p <= `LEVEL`; None without p-values."""
    return float(np.mean([float(np.mean(one <= LEVEL)) for one in p_values])) if p_values else None


def _labels(one: _Answer) -> NDArray[np.bool_]:
    return np.repeat([False, True], [len(side) for side in one.scores])


def _interval(one: _Answer) -> Interval:
    bootstrap = ClusterBootstrap(_labels(one), np.concatenate(one.blocks))
    return Interval.from_draws(bootstrap.auroc(np.concatenate(one.scores)))
