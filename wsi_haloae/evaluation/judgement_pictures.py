"""Pictures of labelled tiles: ROC curves, validity of p-values, scores by class."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from wsi_haloae.evaluation.calibration_curve import CalibrationPoint
from wsi_haloae.evaluation.interval import error_bar
from wsi_haloae.evaluation.labelled_tiles import SCORE
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.quoting import printable

COLOURS = (
    "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "deeppink", "olive", "tab:cyan",
    "navy", "dimgrey",
)  # fmt: skip
LABEL_WIDTH = 42
"""Letters in a line beside the ROC curves: more would leave them no room."""
DASHES = ("-", "--", "-.", ":")
Curve = tuple[tuple[float, ...], tuple[float, ...]]


def write_roc(
    path: Path, methods: Mapping[str, NDArray[np.floating]], anomalous: NDArray[np.bool_], names: Mapping[str, str]
) -> None:
    """ROC curves of scores (n,) by each rule, for labels (n,); ``names`` replace those of some rules."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    others = looks()
    for curve, own in curves(methods, anomalous).items():
        label = textwrap.fill(", ".join(names.get(name, name) for name in own), LABEL_WIDTH)
        if SCORE in own:
            axes.plot(*curve, label=label, color="black", linewidth=2.2, zorder=3)
        else:
            colour, dash = next(others)
            axes.plot(*curve, label=label, color=colour, linestyle=dash, linewidth=1.2)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="share of reference tiles", ylabel="share of anomalous tiles", xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), handlelength=4)
    save_figure(figure, path)


def looks() -> Iterator[tuple[str, str]]:
    """A colour and a dash for each curve; they recur together after 44 curves."""
    return zip(cycle(COLOURS), cycle(DASHES), strict=False)


def curves(methods: Mapping[str, NDArray[np.floating]], anomalous: NDArray[np.bool_]) -> dict[Curve, list[str]]:
    """The different ROC curves, and the names of the methods that have each: equal ones would hide each other."""
    found: dict[Curve, list[str]] = {}
    for name, scores in methods.items():
        rate, detected, _ = roc_curve(anomalous, scores)
        found.setdefault((tuple(rate.tolist()), tuple(detected.tolist())), []).append(name)
    return found


def write_calibration(path: Path, points: Sequence[CalibrationPoint]) -> None:
    """Share of reference tiles up to each level of p; on or below the diagonal, the p-values are valid."""
    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    levels = [point.level for point in points]
    shares = [point.share for point in points]
    bars = np.transpose([error_bar(point.share, point.interval) for point in points])
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":", label="nominal level")
    axes.errorbar(levels, shares, yerr=bars, marker="o", capsize=3, label="reference tiles")
    axes.set(xlabel="level of p", ylabel="share of reference tiles up to this level", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    save_figure(figure, path)


def write_class_scores(path: Path, by_class: Mapping[str, NDArray[np.floating]], reference: Sequence[str]) -> None:
    """Scores of each class's tiles as boxes, reference classes in blue."""
    figure = Figure(figsize=(1.4 * len(by_class) + 2.2, 4.2), layout="constrained")
    axes = figure.subplots()
    labels = [f"{printable(name)}\n({len(scores):,})" for name, scores in by_class.items()]
    drawn = axes.boxplot(list(by_class.values()), tick_labels=labels, showfliers=False, patch_artist=True, whis=(1, 99))
    for box, name in zip(drawn["boxes"], by_class, strict=True):
        box.set(facecolor="tab:blue" if name in reference else "tab:red", alpha=0.55)
    for label in axes.get_xticklabels():
        label.set_parse_math(False)  # a name may hold dollar signs
    axes.set(ylabel="anomaly score", title="boxes: middle half; whiskers: 1st to 99th percentile")
    axes.title.set_fontsize(9)
    axes.grid(axis="y", alpha=0.3)
    save_figure(figure, path)
