"""Outlines over the slide: people's annotations and the exported regions.

They are returned as rings in level-0 pixels, with no more points than a browser can draw
without delay.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import Annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.store_header import SlideRecord

NO_CLASS_SHOWN = "no class"
MOST_POINTS = 200_000
"""Points of one file: about 3 MB of JSON. Outlines with more are simplified, first by half a pixel."""


def outlines_of(
    slide: SlideRecord, annotations: Path | None, regions: Path | None, objects: Objects = "annotation"
) -> dict[str, Any]:
    """``{"layers": [{"title", "name", "rings"}], "messages": [...]}``, with one layer for each class of each file.

    ``objects`` are the kinds of people's objects that are shown. A message says what is not drawn as the file has it.
    """
    layers: list[dict[str, Any]] = []
    messages: list[str] = []
    for title, place in (("Annotations", annotations), ("Regions", regions)):
        if place is None:
            continue
        try:
            file = find_annotations(place, Path(slide.name))
            read = read_annotations(file, Bounds(*slide.bounds) if slide.bounds else None, objects)
            layers += _layers(title, read)
            line = read.tally.line(containers_count=True)
            messages += [f"{file.name}: {line}."] if line else []
        except AnnotationError as error:
            messages.append(str(error))
    return {"layers": layers, "messages": messages}


def _layers(title: str, annotations: Annotations) -> Iterable[dict[str, Any]]:
    containers = {name or NO_CLASS_SHOWN: region for name, region in annotations.containers().items()}
    classes = annotations.by_class | containers
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
