"""Outlines over the slide: people's annotations and the exported regions.

Both are QuPath GeoJSON. They are returned as rings in level-0 pixels, with no more points than a browser can draw
without delay.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.geojson import find_annotations, read_annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.store_header import SlideRecord

MOST_POINTS = 200_000
"""Points of one file: about 3 MB of JSON. Outlines with more are simplified, first by half a pixel."""


def outlines_of(slide: SlideRecord, annotations: Path | None, regions: Path | None) -> dict[str, Any]:
    """``{"layers": [{"title", "name", "rings"}], "messages": [...]}``, with one layer for each class of each file."""
    layers: list[dict[str, Any]] = []
    messages: list[str] = []
    for title, place in (("Annotations", annotations), ("Regions", regions)):
        if place is None:
            continue
        try:
            layers += _read(title, find_annotations(place, Path(slide.name)), slide)
        except AnnotationError as error:
            messages.append(str(error))
    return {"layers": layers, "messages": messages}


def _read(title: str, path: Path, slide: SlideRecord) -> Iterable[dict[str, Any]]:
    classes = read_annotations(path, Bounds(*slide.bounds) if slide.bounds else None).by_class
    simple = _simplified(list(classes.values()))
    return [
        {"title": title, "name": name, "rings": _rings(region)} for name, region in zip(classes, simple, strict=True)
    ]


def _simplified(regions: list[BaseGeometry]) -> list[BaseGeometry]:
    l0_tolerance = 0.5
    while shapely.get_num_coordinates(regions).sum() > MOST_POINTS and l0_tolerance < 1 << 16:
        regions = list(shapely.simplify(regions, l0_tolerance))
        l0_tolerance *= 2
    return regions


def _rings(region: BaseGeometry) -> list[list[float]]:
    """Closed rings, both outer rings and holes, each as x, y, x, y, ... rounded to a tenth of a pixel."""
    polygons = [part for part in shapely.get_parts(region) if part.geom_type == "Polygon"]
    lines = shapely.get_rings(polygons)
    return [np.round(shapely.get_coordinates(line), 1).ravel().tolist() for line in lines]
