"""Draw a slide's results where QuPath places them, from their files alone: docs/images/qupath-overlay.jpg.

    make demo-real
    python docs/site/qupath_files.py examples/liver/liver-sarcoma.tiff demo-real/liver-sarcoma

docs/images/qupath-heatmap.png is that folder's heatmap.png.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import openslide
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from shapely.geometry import shape

PICTURE = Path(__file__).parents[1] / "images/qupath-overlay.jpg"
LONGEST = 2048
"""Pixels of the slide's longer side."""
RED = "#c81414"
"""The colour that the regions have in QuPath."""


def draw(slide: Path, results: Path) -> Figure:
    """The heatmap's overlay, and the regions, each over the slide."""
    with openslide.OpenSlide(slide) as opened:
        (width, height), thumbnail = opened.dimensions, opened.get_thumbnail((LONGEST, LONGEST))
    figure = Figure(figsize=(10, 2 * (10 * height / width + 0.4)), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    for axes, title in ((upper, "show_heatmap.groovy"), (lower, "regions.geojson")):
        axes.imshow(thumbnail, extent=(0, width, height, 0))
        axes.set_title(title, loc="left", fontsize=11)
        axes.axis("off")
    _lay_over(upper, results)
    for feature in json.loads((results / "regions.geojson").read_text(encoding="utf-8"))["features"]:
        outline = shape(feature["geometry"]).boundary
        for line in getattr(outline, "geoms", [outline]):
            lower.plot(*line.xy, color=RED, linewidth=1.5)
    return figure


def _lay_over(axes: Axes, results: Path) -> None:
    """The overlay, at the place and opacity of the script."""
    script = (results / "show_heatmap.groovy").read_text(encoding="utf-8")
    place = re.search(r"ImageRegion\.createInstance\((\d+), (\d+), (\d+), (\d+), 0, 0\)", script)
    opacity = re.search(r"def opacity = ([\d.]+)f", script)
    assert place and opacity, "show_heatmap.groovy says neither where nor how dense"
    left, top, width, height = map(int, place.groups())
    frame = axes.axis()
    with Image.open(results / "heatmap.overlay.png") as overlay:
        axes.imshow(overlay, extent=(left, left + width, top + height, top), alpha=float(opacity[1]))
    axes.axis(frame)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2])).savefig(PICTURE, dpi=120, pil_kwargs={"quality": 88})
