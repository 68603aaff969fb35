"""The comparison of methods as Markdown, as a picture, and as one sentence on what HaloAE adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wsi_haloae.evaluation.comparison import ComparedMethod
from wsi_haloae.figures.saving import save_figure

COLOURS = {"HaloAE": "tab:red", "baseline": "tab:blue", "no model": "tab:grey"}


def verdict(methods: Sequence[ComparedMethod], own: str = "HaloAE") -> str:
    """One sentence: whether the model's own rule is ahead of the best baseline, behind it, or neither."""
    ours = next(method for method in methods if method.name == own)
    best = next(method for method in methods if method.kind == "baseline" and method.against_best is None)
    difference = ours.against_best
    assert difference is not None, "own is not a baseline"
    words = (
        "is ahead of" if difference.low > 0 else "is behind" if difference.high < 0 else "cannot be distinguished from"
    )
    return (
        f"HaloAE ({ours.auroc:.3f}) {words} the best baseline, {best.name} ({best.auroc:.3f}): difference "
        f"{ours.auroc - best.auroc:+.3f} (95 % {difference.low:+.3f} to {difference.high:+.3f})"
    )


def markdown_comparison(methods: Sequence[ComparedMethod]) -> str:
    """One row per method."""
    lines = [
        "| method | | AUROC | 95 % | average precision | 95 % | against the best baseline |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in methods:
        area, precision, against = one.auroc_interval, one.average_precision_interval, one.against_best
        lines.append(
            f"| {one.name} | {one.kind} | {one.auroc:.3f} | {area.low:.3f}-{area.high:.3f} | "
            f"{one.average_precision:.3f} | {precision.low:.3f}-{precision.high:.3f} | "
            + (f"{against.low:+.3f} to {against.high:+.3f} |" if against else "- |")
        )
    return "\n".join(lines) + "\n"


def write_comparison(path: Path, methods: Sequence[ComparedMethod], title: str) -> None:
    """Draw the AUROC of each method with its interval, the best on top."""
    ranked = sorted(methods, key=lambda method: method.auroc)
    figure = Figure(figsize=(7.5, 0.28 * len(ranked) + 1.3), layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(ranked):
        reach = np.maximum([[one.auroc - one.auroc_interval.low], [one.auroc_interval.high - one.auroc]], 0)
        axes.errorbar(one.auroc, place, xerr=reach, marker="o", capsize=3, color=COLOURS[one.kind])
    axes.axvline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(ranked)), [one.name for one in ranked], fontsize=8)
    axes.set(xlabel="AUROC (95 % over groups)", xlim=(min(0.3, *(m.auroc_interval.low for m in ranked)), 1.01))
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)
