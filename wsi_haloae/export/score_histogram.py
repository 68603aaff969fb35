"""Histogram of a slide's scores and of the scores of held-out reference tiles, on the axis of `score_axis`.

share of tiles
|        ▂▅▇▅▂        the reference, a line
|    ▂▃▅▇▇▅▃▁▁▂▂▁ ▁   the slide, bars in the colours of the heatmap
+----|--------|-----> score
     display range
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.export.score_axis import ScoreAxis, shares
from wsi_haloae.figures.slide_frame import DPI, FAINT_INK, INK, font
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.pages import percent
from wsi_haloae.stores.scored_tiles import ScoredTiles

WIDTH, HEIGHT = 1440, 520
HEADROOM = 1.35
"""Height of the axis relative to the highest bar, to leave room for the legend."""


def draw_histogram(tiles: ScoredTiles, reference: NDArray[np.float32], scale: ColourScale) -> bytes:
    """A PNG of the histogram. At least one tile must be scored; ``reference`` (k,) may be empty."""
    scores = tiles.score[~np.isnan(tiles.score)]
    axis = ScoreAxis.of(scale, scores, reference)
    edges = axis.edges()
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.085, 0.17, 0.9, 0.77))
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    if not axis.linear:
        axes.set_xscale("function", functions=(axis.place, axis.score))
        axes.set_xticks(axis.ticks())
    axes.bar(
        edges[:-1], shares(scores, edges), np.diff(edges), align="edge",
        color=COLOUR_TABLE[scale.entries(middles)] / 255, edgecolor="#8a94a0", linewidth=0.4,
    )  # fmt: skip
    if len(reference):
        axes.stairs(shares(reference, edges), edges, color=INK, linewidth=1.4, label="held-out reference tiles")
    _mark_called(axes, tiles)
    _note_beyond(axes, scores, edges)
    _style(axes, edges)
    return _png(figure)


def _mark_called(axes: Axes, tiles: ScoredTiles) -> None:
    if tiles.called_from is not None:
        axes.axvline(
            tiles.called_from, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label="lowest score called anomalous"
        )


def _note_beyond(axes: Axes, scores: NDArray[np.float32], edges: NDArray[np.float64]) -> None:
    beyond = float((scores > edges[-1]).mean())
    if beyond:
        axes.text(
            1, -0.1, f"{percent(beyond)} of the tiles lie beyond →", transform=axes.transAxes,
            fontproperties=font(8.5), color=FAINT_INK, horizontalalignment="right", verticalalignment="top",
        )  # fmt: skip


def _style(axes: Axes, edges: NDArray[np.float64]) -> None:
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, HEADROOM * axes.dataLim.ymax))
    axes.set_xlabel("anomaly score (low = like the reference)", fontproperties=font(9), color=INK)
    axes.set_ylabel("share of tiles", fontproperties=font(9), color=INK)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(color=FAINT_INK, length=4, width=0.6)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(fontproperties=font(8.5), color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color="#c9ced6")
    bars = Patch(facecolor="#c9ced6", edgecolor="#8a94a0", linewidth=0.4, label="this slide, in the heatmap's colours")
    lines = axes.get_legend_handles_labels()[0]
    axes.legend(handles=[bars, *lines], prop=font(9), loc="upper right", frameon=False, labelcolor=INK)


def _png(figure: Figure) -> bytes:
    canvas: Any = FigureCanvasAgg(figure)  # Any: its methods have no types
    canvas.draw()
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()
