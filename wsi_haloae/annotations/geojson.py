"""Regions drawn by people: read QuPath GeoJSON, and compute how much of each tile lies inside.

Accepted: a FeatureCollection, a bare list or a single Feature, also gzipped; polygons and
multipolygons with holes; ``classification`` as a string or as an object with a name.
Classes named ``Ignore*`` are skipped (contract, Annotations in).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds

UNCLASSIFIED = "Unclassified"
_POINTS = ("Point", "MultiPoint")
MOST_CHARACTERS = 1 << 30
"""Limit for a GeoJSON file, unpacked. A million outlined cells need less, but a packed file may unpack to any size."""


@dataclass(frozen=True)
class Annotations:
    """Regions in pixels of level 0, one geometry per class, and the points (n, 2) of each class that has some.

    ``parts`` are the polygons as they were drawn, of which the region of a class is the union.
    """

    path: Path
    by_class: dict[str, BaseGeometry]
    points: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    parts: dict[str, NDArray[np.object_]] = field(default_factory=dict)

    def region(self, name: str) -> BaseGeometry:
        """The region of one class. Raises `AnnotationError`, which lists the known classes, if it is missing."""
        if name not in self.by_class:
            known = ", ".join(sorted(self.by_class)) or "none"
            raise AnnotationError(f"{self.path}: no annotation of class {name!r}. Classes in this file: {known}.")
        return self.by_class[name]

    def everything(self) -> BaseGeometry:
        """The union of all classes. Raises `AnnotationError` if the file has no polygon."""
        if not self.by_class:
            raise AnnotationError(f"{self.path}: no polygon in this file, but at least one is needed.")
        return shapely.union_all(list(self.by_class.values()))


def read_annotations(path: Path, bounds: Bounds | None) -> Annotations:
    """Read a QuPath export. If the slide has ``bounds``, QuPath counts from their top left corner.

    Raises `AnnotationError` for a file that cannot be used.
    """
    document = _load(path)
    if isinstance(document, dict):
        features = document["features"] if document.get("type") == "FeatureCollection" else [document]
    else:
        features = document
    if not isinstance(features, list):
        raise AnnotationError(f"{path}: 'features' must be a list, as in a GeoJSON FeatureCollection.")
    found: dict[str, list[BaseGeometry]] = defaultdict(list)
    points: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for number, feature in enumerate(features):
        geometry = _geometry_of(path, number, feature)
        name = _class_of(feature)
        if geometry is None or name.startswith("Ignore"):
            continue
        if geometry.geom_type in _POINTS:
            points[name].append(shapely.get_coordinates(geometry))
        else:
            found[name].append(geometry)
    shift = (bounds.l0_x, bounds.l0_y) if bounds else (0, 0)
    drawn = {name: shapely.transform(np.array(parts), lambda xy: xy + shift) for name, parts in found.items()}
    return Annotations(
        path,
        {name: shapely.union_all(parts) for name, parts in drawn.items()},
        {name: np.concatenate(parts) + shift for name, parts in points.items()},
        drawn,
    )


def find_annotations(place: Path, slide: Path) -> Path:
    """``place`` itself if it is a file, otherwise ``<stem>.geojson[.gz]`` in that folder. Raises `AnnotationError`."""
    if not place.is_dir():
        return place
    for suffix in (".geojson", ".geojson.gz"):
        candidate = place / f"{slide.stem}{suffix}"
        if candidate.is_file():
            return candidate
    raise AnnotationError(f"{place}: no {slide.stem}.geojson in this folder for the slide {slide.name}.")


def coverage(region: BaseGeometry, locations: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each tile's area inside ``region``: locations and sizes (n, 2) at level 0 -> (n,)."""
    corners = locations + sizes
    boxes = shapely.box(locations[:, 0], locations[:, 1], corners[:, 0], corners[:, 1])
    shapely.prepare(region)
    inside = shapely.contains_properly(region, boxes)
    share: NDArray[np.float64] = inside.astype(np.float64)
    border = shapely.intersects(region, boxes) & ~inside
    share[border] = shapely.area(shapely.intersection(boxes[border], region)) / shapely.area(boxes[border])
    return share


def _load(path: Path) -> Any:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as stream:
            text = stream.read(MOST_CHARACTERS + 1)
            if len(text) > MOST_CHARACTERS:
                raise ValueError(f"it is larger than {MOST_CHARACTERS:,} characters")
            document = json.loads(text)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise AnnotationError(f"{path}: cannot be read as GeoJSON ({error}).") from None
    if not isinstance(document, dict | list) or (
        isinstance(document, dict) and document.get("type") not in ("Feature", "FeatureCollection")
    ):
        raise AnnotationError(f"{path}: a FeatureCollection, a list of Features or a single Feature is needed.")
    if isinstance(document, dict) and document["type"] == "FeatureCollection" and "features" not in document:
        raise AnnotationError(f"{path}: this FeatureCollection has no 'features'.")
    return document


def _geometry_of(path: Path, number: int, feature: Any) -> BaseGeometry | None:
    """The polygon or points of a feature; None for lines."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict):
        raise AnnotationError(f"{path}: feature {number} has no geometry.")
    if geometry.get("type") not in ("Polygon", "MultiPolygon", *_POINTS):
        return None
    try:
        with np.errstate(invalid="ignore"):  # coordinates that are not finite are reported below
            polygon = shape(geometry)
        if polygon.is_empty or not np.isfinite(shapely.get_coordinates(polygon)).all():
            raise ValueError("coordinates are missing or not numbers")
        return shapely.make_valid(polygon)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise AnnotationError(f"{path}: feature {number} has a broken geometry ({error}).") from None


def _class_of(feature: dict[str, Any]) -> str:
    properties = feature.get("properties")
    classification = properties.get("classification") if isinstance(properties, dict) else None
    if isinstance(classification, dict):
        classification = classification.get("name")
    return classification if isinstance(classification, str) else UNCLASSIFIED
