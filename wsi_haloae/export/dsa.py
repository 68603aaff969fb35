"""annotation.dsa.json: the scores and the anomalous regions as an annotation of Digital Slide Archive and HistomicsUI.

A ``heatmap`` element has a point in the middle of each scored tile. A ``griddata`` element would need a number where
there is no tile, and the viewer (large_image 1.35) draws it as such points, too, or as contours in colours of its own.
The colours are those of all pictures, but the lowest is transparent. Between tiles the viewer blends; exact numbers
are in tiles.csv. Regions are ``polyline`` elements.

Coordinates are level-0 pixels minus the origin of the slide's bounds, because large_image, like QuPath, crops to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Polygon

from wsi_haloae.atomic import write_text
from wsi_haloae.export.feature_collection import dsa_style, polygon_geometry
from wsi_haloae.export.geojson import SCORE_MEASUREMENT, qupath_rectangles
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.region_geojson import REGION_CLASS, REGION_COLOUR, REGION_NAME, region_facts, region_measurements
from wsi_haloae.heatmap.colours import ANCHORS
from wsi_haloae.quoting import printable


def write_annotation(path: Path, source: OpenStore) -> None:
    """Write one annotation, to be uploaded to the slide in HistomicsUI."""
    selection = source.tiles.selection
    annotation = {
        "name": f"wsi-haloae: {printable(source.header.slide.name)}",
        "description": "Anomaly score of each tile: higher is less like the reference. For research only.",
        "attributes": region_facts(source.header, selection),
        "elements": [*_heatmap(source), *([] if selection is None else _regions(source))],
    }
    write_text(path, json.dumps(annotation, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")


def _heatmap(source: OpenStore) -> Iterator[dict[str, Any]]:
    tiles, scale = source.tiles, source.scale
    rectangles = qupath_rectangles(tiles.index, source.header.slide)
    shown = np.isfinite(tiles.score) & (rectangles[:, 2:] > rectangles[:, :2]).all(axis=1)
    middles = (rectangles[shown, :2] + rectangles[shown, 2:]) / 2
    scores = tiles.score[shown].tolist()
    clear, *colours = [f"rgb({red},{green},{blue})" for red, green, blue in ANCHORS]
    if scores:
        yield {
            "type": "heatmap",
            "group": SCORE_MEASUREMENT,
            "label": {"value": SCORE_MEASUREMENT},
            "points": [
                [x, y, 0, float(f"{score:.6g}")] for (x, y), score in zip(middles.tolist(), scores, strict=True)
            ],
            "radius": max(source.heatmap.l0_cell_width, source.heatmap.l0_cell_height),
            "scaleWithZoom": True,
            "colorRange": [clear.replace("rgb", "rgba").replace(")", ",0)"), *colours],
            "rangeValues": np.linspace(scale.low, scale.high, len(ANCHORS)).tolist(),
        }


def _regions(source: OpenStore) -> Iterator[dict[str, Any]]:
    slide = source.header.slide
    left, top = (slide.bounds or (0, 0))[:2]
    for number, region in enumerate(source.regions, start=1):
        outer, *holes = _rings(region.polygon, left, top)
        style: dict[str, Any] = dsa_style(REGION_COLOUR, f"{REGION_NAME} {number}")
        yield {
            "type": "polyline",
            "group": REGION_CLASS,
            **style,
            "label": {"value": style["label"]},
            "fillColor": style["fillColor"].replace("0.5", "0.1"),
            "lineWidth": 2,
            "points": outer,
            "holes": holes,
            "closed": True,
            "user": region_measurements(region, slide),
        }


def _rings(polygon: Polygon, left: float, top: float) -> list[list[list[float]]]:
    """The rings in three dimensions, and without the first point again at the end."""
    rings = polygon_geometry(polygon, left, top)["coordinates"]
    return [[[x, y, 0] for x, y in ring[:-1]] for ring in rings]
