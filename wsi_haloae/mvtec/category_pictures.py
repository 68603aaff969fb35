"""Pictures of an evaluation: scores by kind of defect (paper, Fig. S2), a sheet of maps (Fig. 1), ROC curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from wsi_haloae.figures.saving import save_figure
from wsi_haloae.mvtec.image_set import REFERENCE

SHEET_COLUMNS = 8
TITLE_WIDTH = 30
"""Characters that fit beside a row of the sheet."""
MOST_POINTS = 2000
"""How many points of a curve are drawn; a curve of millions would look the same."""


@dataclass(frozen=True)
class SheetColumn:
    """One test image with its map; ``mask`` is None if it is not known which pixels are defective."""

    title: str
    image: NDArray[np.uint8]  # (s, s, 3)
    anomaly_map: NDArray[np.float32]  # (s, s)
    mask: NDArray[np.bool_] | None  # (s, s)


def choose_for_sheet(defects: Sequence[str], has_mask: NDArray[np.bool_]) -> list[int]:
    """Numbers of up to `SHEET_COLUMNS` images: one reference image, then the kinds of defect in turn.

    Of each kind, the first by name, images with a mask before others; never chosen by score.
    """
    by_kind: dict[str, list[int]] = {}
    for number in sorted(range(len(defects)), key=lambda n: (not has_mask[n], n)):
        by_kind.setdefault(defects[number], []).append(number)
    chosen = by_kind.pop(REFERENCE, [])[:1]
    kinds = [by_kind[kind] for kind in sorted(by_kind)]
    for place in range(max(map(len, kinds), default=0)):
        chosen += [kind[place] for kind in kinds if place < len(kind)]
    return chosen[:SHEET_COLUMNS]


def write_sheet(path: Path, columns: Sequence[SheetColumn], top: float, map_title: str) -> None:
    """Image, map from 0 to ``top`` (the same scale for all), and mask; one column per image.

    Cells below 0, of a signed map, have the colour of 0, and the colour bar says so.
    """
    figure = Figure(figsize=(1.9 * len(columns) + 0.8, 6.2), layout="constrained")
    rows = figure.subplots(3, len(columns), squeeze=False)
    for place, column in enumerate(columns):
        rows[0, place].imshow(column.image)
        shown = rows[1, place].imshow(column.anomaly_map, vmin=0, vmax=top, cmap="viridis")
        if column.mask is None:
            rows[2, place].text(
                0.5, 0.5, "mask\nnot known", ha="center", va="center", transform=rows[2, place].transAxes
            )
        else:
            rows[2, place].imshow(column.mask, vmin=0, vmax=1, cmap="gray")
        rows[0, place].set_title(column.title, fontsize=8)
        for row in rows:
            row[place].set_xticks([])
            row[place].set_yticks([])
    for row, name in zip(rows, ("image", textwrap.fill(map_title, TITLE_WIDTH), "truth"), strict=True):
        row[0].set_ylabel(name)
    below = any((column.anomaly_map < 0).any() for column in columns)
    figure.colorbar(shown, ax=rows[1].tolist(), shrink=0.9, extend="both" if below else "max")
    save_figure(figure, path)


def write_defect_scores(path: Path, defects: Sequence[str], scores: NDArray[np.floating], title: str) -> None:
    """Score of each test image, by kind of defect (paper, Fig. S2)."""
    kinds = sorted(set(defects), key=lambda kind: (kind != REFERENCE, kind))
    groups = [scores[[defect == kind for defect in defects]] for kind in kinds]
    figure = Figure(figsize=(1.2 * len(kinds) + 2, 4), layout="constrained")
    axes = figure.subplots()
    axes.boxplot(groups, tick_labels=[f"{kind}\n({len(group)})" for kind, group in zip(kinds, groups, strict=True)],
                 showfliers=False)  # fmt: skip
    random = np.random.default_rng(0)
    for place, (kind, group) in enumerate(zip(kinds, groups, strict=True), start=1):
        colour = "tab:blue" if kind == REFERENCE else "tab:red"
        axes.scatter(place + random.uniform(-0.15, 0.15, len(group)), group, s=9, alpha=0.6, color=colour)
    axes.set(ylabel="anomaly score")
    axes.set_title(textwrap.fill(title, 16 + 14 * len(kinds)), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="y", alpha=0.3)
    save_figure(figure, path)


@dataclass(frozen=True)
class CurveInput:
    """Image scores (n,) and pixel scores (k,) of one method; the latter None if it has no maps."""

    images: NDArray[np.floating]
    pixels: NDArray[np.floating] | None


def write_curves(
    path: Path,
    methods: Mapping[str, CurveInput],
    anomalous: NDArray[np.bool_],
    defect_pixels: NDArray[np.bool_] | None,
) -> None:
    """Image ROC, pixel ROC and pixel precision-recall of each method; images only if ``defect_pixels`` (k,) is None."""
    figure = Figure(figsize=(13 if defect_pixels is not None else 5, 4.2), layout="constrained")
    axes = figure.subplots(1, 3 if defect_pixels is not None else 1, squeeze=False)[0]
    for name, method in methods.items():
        rate, found, _ = roc_curve(anomalous, method.images)
        axes[0].plot(rate, found, label=name)
        if defect_pixels is None or method.pixels is None:
            continue
        rate, found, _ = roc_curve(defect_pixels, method.pixels)
        axes[1].plot(*_thin(rate, found), label=name)
        precision, recall, _ = precision_recall_curve(defect_pixels, method.pixels)
        axes[2].plot(*_thin(recall, precision), label=name)
    labels = (
        ("Images", "false-positive rate", "true-positive rate"),
        ("Pixels", "false-positive rate", "true-positive rate"),
        ("Pixels", "recall", "precision"),
    )
    for one, (title, x, y) in zip(axes, labels, strict=False):
        one.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.02))
        one.grid(alpha=0.3)
        one.legend(fontsize=8)
    save_figure(figure, path)


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a curve of millions of points to some that are evenly spaced along both axes; its ends stay."""
    if len(x) <= MOST_POINTS:
        return x, y
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST_POINTS)).clip(0, len(x) - 1))
    return x[chosen], y[chosen]
