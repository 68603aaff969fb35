"""The slide and its heatmap side by side, both with the true reference outlined, to show what should be called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from shapely.geometry.base import BaseGeometry

from wsi_haloae.export.blend import blended
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.figures.slide_frame import INK, enlarged_or_reduced, font
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles

INCHES_HIGH, INCHES_WIDE = 5.6, 14.0
WIDE = 2.5
"""From so many times as wide as high, panels lie one above the other."""


def write_truth_picture(path: Path, store: ScoreStore, region: BaseGeometry, region_name: str) -> None:
    """Write two panels, the slide and it with its heatmap; ``region`` (level-0 pixels), the reference, is outlined."""
    slide = store.header.slide
    base = enlarged_or_reduced(store.thumbnail(), slide)
    scale = ColourScale(*store.shown.model.display_range)
    tiles = ScoredTiles.read(store)
    coloured = blended(base, tiles, assemble_heatmap(store), scale)
    size, layout = _size(slide.width / slide.height)
    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    panels = zip(
        figure.subplots(*layout),
        (base, coloured),
        (f"{slide.name}: {region_name.lower()} (the reference) outlined", _heatmap_title(tiles)),
        strict=True,
    )
    for axes, pixels, title in panels:
        axes.imshow(pixels, extent=(0, slide.width, slide.height, 0), interpolation="antialiased")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontproperties=font(10), color=INK, loc="left")
        _outline(axes, region)
    save_figure(figure, path)


def _heatmap_title(tiles: ScoredTiles) -> str:
    words = "heatmap from blue (like the reference) to red"
    return f"{words}; thin lines: called anomalous" if tiles.called else words


def _size(ratio: float) -> tuple[tuple[float, float], tuple[int, int]]:
    """Inches (width, height) and (rows, columns) for two panels that are ``ratio`` times as wide as high."""
    if ratio < WIDE:
        return (2 * INCHES_HIGH * ratio, INCHES_HIGH + 0.6), (1, 2)
    return (INCHES_WIDE, 2 * (INCHES_WIDE / ratio + 0.4)), (2, 1)


def _outline(axes: Axes, region: BaseGeometry) -> None:
    """A broad line with a light rim, unlike the line around called tiles."""
    lines = [np.asarray(shapely.get_coordinates(line)) for line in shapely.get_parts(shapely.boundary(region))]
    for colour, width in (("white", 4.0), ("black", 2.2)):
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width))
