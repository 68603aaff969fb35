"""The comparison of methods as Markdown, as a picture, and as one sentence on how the score does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wsi_haloae.evaluation.comparison import ComparedMethod
from wsi_haloae.evaluation.interval import NO_INTERVAL, difference_words, error_bar
from wsi_haloae.figures.saving import save_figure

KINDS = {"HaloAE": "rule of the model"}
"""What people read for a kind: not every rule uses the auto-encoder."""
COLOURS = {"HaloAE": "tab:red", "baseline": "tab:blue", "no model": "tab:grey"}


def verdict(methods: Sequence[ComparedMethod], own: str) -> str:
    """One sentence: whether the score, named ``own``, is ahead of the best baseline, behind it, or neither.

    Without an interval it gives the figures alone.
    """
    ours = next(method for method in methods if method.name == own)
    best = max((method for method in methods if method.kind == "baseline"), key=lambda method: method.auroc)
    reach = ours.against_best
    words = "beside"
    if reach is not None:
        words = "is ahead of" if reach.low > 0 else "is behind" if reach.high < 0 else "cannot be distinguished from"
    return (
        f"The {own}, {ours.auroc:.3f}, {words} the best baseline, {best.name}, {best.auroc:.3f}: difference "
        f"{difference_words(best.auroc, ours.auroc, reach)}"
    )


def markdown_comparison(methods: Sequence[ComparedMethod]) -> str:
    """One row per method."""
    head = [
        "| method | | AUROC | 95 % | average precision | 95 % | against the best baseline |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows = (
        f"| {one.name} | {KINDS.get(one.kind, one.kind)} | {one.auroc:.3f} | {one.auroc_interval or '-'} | "
        f"{one.average_precision:.3f} | {one.average_precision_interval or '-'} | "
        f"{one.against_best.signed if one.against_best else '-'} |"
        for one in methods
    )
    return "\n".join([*head, *rows]) + "\n"


def write_comparison(path: Path, methods: Sequence[ComparedMethod], title: str) -> None:
    """Draw the AUROC of each method with its interval, the best on top."""
    ranked = sorted(methods, key=lambda method: method.auroc)
    figure = Figure(figsize=(7.5, 0.28 * len(ranked) + 1.3), layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(ranked):
        bar = np.transpose([error_bar(one.auroc, one.auroc_interval)])
        axes.errorbar(one.auroc, place, xerr=bar, marker="o", capsize=3, color=COLOURS[one.kind])
    axes.axvline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(ranked)), [one.name for one in ranked], fontsize=8)
    reached = [one.auroc_interval.low if one.auroc_interval else one.auroc for one in ranked]
    over = "95 % over groups" if any(one.auroc_interval for one in ranked) else NO_INTERVAL
    axes.set(xlabel=f"AUROC ({over})", xlim=(min(0.3, *reached), 1.01))
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)
