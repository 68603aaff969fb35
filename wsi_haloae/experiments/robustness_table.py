"""How far scores move when stain, scanner or compression change, and how that changes p-values and AUROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.pages import percent

LEVEL = 0.05


@dataclass(frozen=True)
class RobustnessRow:
    """Results for reference tiles after one change.

    ``shift`` is how far their median score moves, in standard deviations of the unchanged tiles' scores.
    ``below_level`` is the share of reference tiles with p <= 0.05, which should be 0.05 or less (None if no p-value can
    be so small). ``auroc`` is for anomalous tiles against reference tiles after the same change (None without any).
    """

    change: str
    shift: float
    below_level: float | None
    auroc: float | None


def robustness_row(
    change: str,
    unchanged: NDArray[np.floating],
    reference: NDArray[np.floating],
    p_values: NDArray[np.floating] | None,
    anomalous: NDArray[np.floating],
) -> RobustnessRow:
    """A row from scores and p-values of reference tiles (n,), before and after the change, and anomalous scores (k,).

    ``p_values`` are None if none can be as small as `LEVEL`.
    """
    labels = np.repeat([False, True], [len(reference), len(anomalous)])
    return RobustnessRow(
        change=change,
        shift=float((np.median(reference) - np.median(unchanged)) / unchanged.std()),
        below_level=None if p_values is None else float((p_values <= LEVEL).mean()),
        auroc=auroc(np.concatenate([reference, anomalous]), labels) if len(anomalous) else None,
    )


def markdown_robustness(rows: Sequence[RobustnessRow]) -> str:
    """One row per change."""
    lines = [
        "| change | median score moves by (deviations) | reference tiles with p <= 0.05 | AUROC |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        below = "-" if row.below_level is None else percent(row.below_level)
        area = "-" if row.auroc is None else f"{row.auroc:.3f}"
        lines.append(f"| {row.change} | {row.shift:+.2f} | {below} | {area} |")
    return "\n".join(lines) + "\n"


def write_robustness(path: Path, scores: Sequence[tuple[str, NDArray[np.floating]]]) -> None:
    """Draw the scores of reference tiles under each change as boxes; lines mark the quartiles of unchanged tiles."""
    figure = Figure(figsize=(7.5, 0.32 * len(scores) + 1), layout="constrained")
    axes = figure.subplots()
    names, values = [name for name, _ in reversed(scores)], [one for _, one in reversed(scores)]
    axes.boxplot(values, orientation="horizontal", tick_labels=names, showfliers=False, whis=(1, 99), widths=0.6)
    for quartile in np.percentile(scores[0][1], [25, 75]):
        axes.axvline(quartile, color="tab:blue", linewidth=0.8, linestyle=":")
    axes.set(xlabel="anomaly score of reference tiles")
    axes.tick_params(axis="y", labelsize=8)
    save_figure(figure, path)
