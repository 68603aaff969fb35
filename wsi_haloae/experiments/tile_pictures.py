"""Pictures of labelled tiles: how each method's scores are distributed, and what two kinds of map show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.figures.saving import save_figure

BINS = 30
LABEL_WIDTH = 28
"""Characters that fit beside a row of maps."""


@dataclass(frozen=True)
class MappedTile:
    """A tile (s, s, 3), whether it is anomalous, its score, and maps (m, m) of it by name."""

    tile: NDArray[np.uint8]
    anomalous: bool
    score: float
    maps: Mapping[str, NDArray[np.floating]]


def write_score_histograms(
    path: Path, methods: Mapping[str, NDArray[np.floating]], anomalous: NDArray[np.bool_]
) -> None:
    """Scores (n,) of reference and anomalous tiles by each method, each on its own scale."""
    figure = Figure(figsize=(3.6 * len(methods), 3), layout="constrained")
    for axes, (name, scores) in zip(figure.subplots(1, len(methods), squeeze=False)[0], methods.items(), strict=True):
        low, high = np.percentile(scores, (0.5, 99.5))
        edges = np.linspace(low, high, BINS + 1)
        for chosen, label, colour in ((~anomalous, "reference", "tab:blue"), (anomalous, "anomalous", "tab:red")):
            axes.hist(np.clip(scores[chosen], low, high), edges, density=True, alpha=0.55, color=colour, label=label)
        axes.set(title=f"{name}\nAUROC {auroc(scores, anomalous):.3f}", xlabel="score", yticks=[])
        axes.title.set_fontsize(9)
        axes.legend(fontsize=8)
    save_figure(figure, path)


def write_map_sheet(path: Path, tiles: Sequence[MappedTile]) -> None:
    """A column per tile: the tile, and each of its maps on one scale for all tiles."""
    names = list(tiles[0].maps)
    figure = Figure(figsize=(1.9 * len(tiles), 2.1 * (1 + len(names))), layout="constrained")
    rows = figure.subplots(1 + len(names), len(tiles), squeeze=False)
    for axes, one in zip(rows[0], tiles, strict=True):
        axes.imshow(one.tile)
        axes.set_title(f"{'anomalous' if one.anomalous else 'reference'}\nscore {one.score:.2f}", fontsize=8)
    for row, name in zip(rows[1:], names, strict=True):
        low, high = np.percentile([one.maps[name] for one in tiles], (1, 99.5))
        for axes, one in zip(row, tiles, strict=True):
            shown = axes.imshow(one.maps[name], vmin=low, vmax=high, cmap="viridis")
        figure.colorbar(shown, ax=row.tolist(), shrink=0.8, label=textwrap.fill(name, LABEL_WIDTH))
    for axes in rows.flat:
        axes.set_axis_off()
    save_figure(figure, path)
