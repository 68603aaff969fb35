"""The documentation's picture of QuPath's files shows them where they belong."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from docs.site.qupath_files import draw
from tests.integration.conftest import Tiny

TILE = 64
"""Pixels of the slide; one pixel of the overlay."""


def test_overlay_and_regions_lie_over_the_slide(tiny: Tiny, adapted_slides: Path) -> None:
    results = adapted_slides / "tiny"
    upper, lower = draw(tiny.slide, results).axes
    with Image.open(results / "heatmap.overlay.png") as overlay:
        width, height = (TILE * side for side in overlay.size)
    assert list(upper.images[1].get_extent()) == [0, width, height, 0]
    assert upper.axis() == lower.axis() == (0, 2048, 1536, 0)
    regions = json.loads((results / "regions.geojson").read_text())["features"]
    outline = next(one for one in regions if one["geometry"]["type"] == "Polygon")["geometry"]["coordinates"][0]
    assert outline in [line.get_xydata().tolist() for line in lower.lines]
