"""Histogram of a slide's scores and of the scores of held-out reference tiles, on an axis shared by most slides.

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

from wsi_haloae.figures.slide_frame import DPI, FAINT_INK, INK, font
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.pages import percent
from wsi_haloae.stores.scored_tiles import ScoredTiles

WIDTH, HEIGHT = 1440, 520
BINS = 50
BELOW = 0.5
REACHES = (2.0, 6.0, 18.0, 54.0)
"""How far the axis may extend beyond the display range, in lengths of that range. The first that fits is used."""
OUTSIDE_AT_MOST = 0.05
"""Share of the tiles that may lie beyond the axis; they are counted in the last bin."""
HEADROOM = 1.35
"""Height of the axis relative to the highest bar, to leave room for the legend."""


def score_edges(scale: ColourScale, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """The edges of the bins, (BINS + 1,), for scores (n,), n at least 1.

    Most slides use the first axis and can be compared at a glance. A slide that is entirely unlike the reference would
    be a single bar on it, so its axis is longer.
    """
    length = scale.high - scale.low
    highest = float(np.quantile(scores, 1 - OUTSIDE_AT_MOST))
    reach = next((one for one in REACHES if highest <= scale.high + one * length), REACHES[-1])
    return np.linspace(scale.low - BELOW * length, scale.high + reach * length, BINS + 1)


def shares(scores: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the scores (n,), n at least 1, in each bin. Scores beyond the edges count in the first or last bin."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)


def draw_histogram(tiles: ScoredTiles, reference: NDArray[np.float32], scale: ColourScale) -> bytes:
    """A PNG of the histogram. At least one tile must be scored; ``reference`` (k,) may be empty."""
    scores = tiles.score[~np.isnan(tiles.score)]
    edges = score_edges(scale, scores)
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.085, 0.17, 0.9, 0.77))
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
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
    if tiles.selection is not None and tiles.selection.chosen.any():
        lowest = float(tiles.score[tiles.selection.chosen].min())
        axes.axvline(
            lowest, color="#a50026", linewidth=1.2, linestyle=(0, (4, 3)), label="lowest score called anomalous"
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
