"""Regions drawn by people: read QuPath GeoJSON.

Accepted: a FeatureCollection, a bare list or a single Feature, also gzipped; polygons and
multipolygons with holes; ``classification`` as a string or as an object with a name.
Classes named ``Ignore*`` are skipped (contract, Annotations in).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.features import read_features
from wsi_haloae.annotations.mending import TooCrossedError, mended, require_few_crossings
from wsi_haloae.bounds.table import OVERLAPS
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds

UNCLASSIFIED = "Unclassified"
_POINTS = ("Point", "MultiPoint")


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
        return _together(list(self.by_class.values()))


def read_annotations(path: Path, bounds: Bounds | None) -> Annotations:
    """Read a QuPath export. If the slide has ``bounds``, QuPath counts from their top left corner.

    Raises `AnnotationError` for a file that cannot be used.
    """
    found: dict[str, list[BaseGeometry]] = defaultdict(list)
    points: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for number, feature in enumerate(read_features(path)):
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
        {name: _union(path, name, parts) for name, parts in drawn.items()},
        {name: np.concatenate(parts) + shift for name, parts in points.items()},
        drawn,
    )


def _union(path: Path, name: str, parts: NDArray[np.object_]) -> BaseGeometry:
    """The region of one class. Raises `AnnotationError` if its outlines cross each other more often than is allowed."""
    one, other = shapely.STRtree(parts).query(parts)
    vertices = shapely.get_num_coordinates(parts)
    if vertices[one[one < other]].astype(float) @ vertices[other[one < other]] > OVERLAPS.most:  # they might
        try:
            require_few_crossings(shapely.get_rings(parts), OVERLAPS)
        except TooCrossedError as error:
            raise AnnotationError(f"{path}: class {name!r}: {error}.") from None
    return _together(parts)


def _together(regions: Sequence[BaseGeometry] | NDArray[np.object_]) -> BaseGeometry:
    """The union; one region is returned as it is, because GEOS would take it apart all the same."""
    return regions[0] if len(regions) == 1 else shapely.union_all(regions)


def find_annotations(place: Path, slide: Path) -> Path:
    """``place`` itself if it is a file, otherwise ``<stem>.geojson[.gz]`` in that folder. Raises `AnnotationError`."""
    if not place.is_dir():
        return place
    for suffix in (".geojson", ".geojson.gz"):
        candidate = place / f"{slide.stem}{suffix}"
        if candidate.is_file():
            return candidate
    raise AnnotationError(f"{place}: no {slide.stem}.geojson in this folder for the slide {slide.name}.")


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
        return mended(polygon)
    except (
        ShapelyError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise AnnotationError(f"{path}: feature {number} has a broken geometry ({error}).") from None


def _class_of(feature: dict[str, Any]) -> str:
    properties = feature.get("properties")
    classification = properties.get("classification") if isinstance(properties, dict) else None
    if isinstance(classification, dict):
        classification = classification.get("name")
    return classification if isinstance(classification, str) else UNCLASSIFIED
