"""The slide and its heatmap side by side, both with the true regions outlined, to show where red is expected."""

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

INCHES_HIGH = 5.6


def write_truth_picture(path: Path, store: ScoreStore, region: BaseGeometry, region_name: str) -> None:
    """Write two panels with ``region`` (level-0 pixels) outlined: the slide alone, and the slide with its heatmap."""
    slide = store.header.slide
    base = enlarged_or_reduced(store.thumbnail(), slide)
    scale = ColourScale(*store.shown.model.display_range)
    coloured = blended(base, ScoredTiles.read(store), assemble_heatmap(store), scale)
    width = 2 * INCHES_HIGH * slide.width / slide.height
    figure = Figure(figsize=(width, INCHES_HIGH + 0.6), dpi=120, layout="constrained", facecolor="white")
    panels = zip(
        figure.subplots(1, 2),
        (base, coloured),
        (f"{slide.name}: {region_name.lower()} outlined", "heatmap: blue like the reference, red unlike it"),
        strict=True,
    )
    for axes, pixels, title in panels:
        axes.imshow(pixels, extent=(0, slide.width, slide.height, 0), interpolation="antialiased")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontproperties=font(10), color=INK, loc="left")
        _outline(axes, region)
    save_figure(figure, path)


def _outline(axes: Axes, region: BaseGeometry) -> None:
    lines = shapely.get_parts(shapely.boundary(region))
    axes.add_collection(
        LineCollection([np.asarray(shapely.get_coordinates(line)) for line in lines], colors="black", linewidths=1.2)
    )
