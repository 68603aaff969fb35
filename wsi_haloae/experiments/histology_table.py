"""The table of methods against colourings, over several seeds, with intervals over groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.comparison import Kind, MethodScores, against_best
from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.metrics import auroc


@dataclass(frozen=True)
class SeedScores:
    """All methods' scores of the same n tiles in one training, and AUROC of synthetic anomalies by kind and rule.

    ``rule`` is the one that computes HaloAE's score.
    """

    anomalous: NDArray[np.bool_]
    groups: NDArray[np.str_]
    methods: Sequence[MethodScores]
    synthetic_auroc: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rule: str = ""


@dataclass(frozen=True)
class TableCell:
    """One method in one colouring: mean AUROC of the seeds, each seed's, and intervals of the mean.

    ``against_best`` is the paired difference to the best baseline, None for the best baseline itself.
    """

    name: str
    kind: Kind
    auroc: float
    by_seed: Sequence[float]
    interval: Interval
    against_best: Interval | None


def table_cells(seeds: Sequence[SeedScores]) -> list[TableCell]:
    """Cells of one colouring, method by method; all seeds hold the same tiles and methods."""
    bootstrap = ClusterBootstrap(seeds[0].anomalous, seeds[0].groups)
    names = [method.name for method in seeds[0].methods]
    scores = {name: [_named(seed, name).scores for seed in seeds] for name in names}
    areas = {name: [auroc(one, seeds[0].anomalous) for one in several] for name, several in scores.items()}
    draws = {name: np.mean([bootstrap.auroc(one) for one in several], axis=0) for name, several in scores.items()}
    kinds: Mapping[str, Kind] = {method.name: method.kind for method in seeds[0].methods}
    means = {name: float(np.mean(areas[name])) for name in names}
    against = against_best(means, draws, kinds, bootstrap.interval)
    return [
        TableCell(
            name,
            kinds[name],
            means[name],
            areas[name],
            Interval.from_draws(draws[name]),
            against[name],
        )
        for name in names
    ]


@dataclass(frozen=True)
class HeldOutResidual:
    """Mean squared residual of reference test tiles, over tissue: HaloAE's, and the best linear one of equal width."""

    haloae: float
    pca: float


def held_out_residual(seeds: Sequence[SeedScores]) -> HeldOutResidual:
    """Means over seeds."""
    of_haloae, of_pca = [], []
    for seed in seeds:
        linear = next(method for method in seed.methods if method.name.startswith("PCA") and "mean" in method.name)
        of_haloae.append(_named(seed, "HaloAE: tissue").scores[~seed.anomalous].mean())
        of_pca.append(linear.scores[~seed.anomalous].mean())
    return HeldOutResidual(float(np.mean(of_haloae)), float(np.mean(of_pca)))


def markdown_histology(
    title: str,
    columns: Mapping[str, Sequence[TableCell]],
    residuals: Mapping[str, HeldOutResidual],
    rules: Mapping[str, Sequence[str]],
    seeds: int,
) -> str:
    """A row per method, a column per colouring; the best baseline is bold. ``rules``: the rule of each seed's score."""
    names = list(dict.fromkeys(cell.name for cells in columns.values() for cell in cells))
    introduction = (
        f"AUROC, mean of {seeds} seed{'s' * (seeds != 1)} (95 % over groups; then the difference to the best baseline, "
        "which is bold). Never flipped. **Development data: results on these tiles were known when rules were "
        "chosen.**\n"
    )
    lines = [
        f"# {title}\n",
        introduction,
        "| method | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for name in names:
        cells = (next((one for one in cells if one.name == name), None) for cells in columns.values())
        lines.append(f"| {name} | " + " | ".join("" if one is None else _words(one) for one in cells) + " |")
    residual_texts = (f"{name} {one.haloae:.3f} (PCA {one.pca:.3f})" for name, one in residuals.items())
    lines.append(f"\nMean squared residual of the reference test tiles: {', '.join(residual_texts)}.")
    scored_by = (f"{name} {', '.join(several)}" for name, several in rules.items())
    lines.append(f"\nThe rule behind HaloAE's score, seed by seed: {'; '.join(scored_by)}.")
    return "\n".join(lines) + "\n"


def _words(cell: TableCell) -> str:
    area = f"{cell.auroc:.3f} ({cell.interval.low:.2f}-{cell.interval.high:.2f})"
    if cell.kind == "baseline" and cell.against_best is None:
        return f"**{area}**"
    if cell.kind == "HaloAE" and cell.against_best:
        return f"{area}; {cell.against_best.low:+.2f} to {cell.against_best.high:+.2f}"
    return area


def _named(seed: SeedScores, name: str) -> MethodScores:
    return next(method for method in seed.methods if method.name == name)
