"""Compares several methods on the same labelled tiles, and each with the best baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import auroc, average_precision

Kind = Literal["HaloAE", "baseline", "no model"]


@dataclass(frozen=True, eq=False)
class MethodScores:
    """Scores (n,) of one method; higher is less like the reference."""

    name: str
    kind: Kind
    scores: NDArray[np.floating]


@dataclass(frozen=True)
class ComparedMethod:
    """Figures of one method with 95 % intervals, None where there are too few groups for them.

    ``against_best`` is the paired difference between its AUROC and that of the best baseline (None also for the best
    baseline itself, and without baselines). The best one is chosen on these very tiles, which favours the baselines.
    """

    name: str
    kind: Kind
    auroc: float
    auroc_interval: Interval | None
    average_precision: float
    average_precision_interval: Interval | None
    against_best: Interval | None


def best_baseline(methods: Mapping[str, float]) -> str | None:
    """The name with the highest figure; None if there are no methods."""
    return max(methods, key=lambda name: methods[name], default=None)


def against_best(
    areas: Mapping[str, float],
    draws: Mapping[str, NDArray[np.float64]],
    kinds: Mapping[str, Kind],
    interval: Callable[[NDArray[np.float64]], Interval | None],
) -> dict[str, Interval | None]:
    """The paired difference of each method's AUROC in the same draws (draws,) to that of the best baseline.

    None for the best baseline itself, and for all methods if none is a baseline. ``interval`` makes it of draws.
    """
    best = best_baseline({name: area for name, area in areas.items() if kinds[name] == "baseline"})
    return {name: None if best in {None, name} else interval(own - draws[best]) for name, own in draws.items()}


def compare_methods(
    methods: list[MethodScores], anomalous: NDArray[np.bool_], groups: NDArray[np.str_], *, seed: int = 0
) -> list[ComparedMethod]:
    """Figures of all methods, in their order, for labels (n,) and group names (n,)."""
    bootstrap = ClusterBootstrap(anomalous, groups, seed=seed)
    areas = {method.name: auroc(method.scores, anomalous) for method in methods}
    drawn = {method.name: bootstrap.both(method.scores) for method in methods}
    draws = {name: of_areas for name, (of_areas, _) in drawn.items()}
    against = against_best(areas, draws, {method.name: method.kind for method in methods}, bootstrap.interval)
    return [
        ComparedMethod(
            name=method.name,
            kind=method.kind,
            auroc=areas[method.name],
            auroc_interval=bootstrap.interval(draws[method.name]),
            average_precision=average_precision(method.scores, anomalous),
            average_precision_interval=bootstrap.interval(drawn[method.name][1]),
            against_best=against[method.name],
        )
        for method in methods
    ]
