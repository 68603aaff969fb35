"""QuPath's objects, as versions 0.2 to 0.7 write them to GeoJSON.

| | where |
|---|---|
| kind | ``properties.objectType``; ``object_type`` in 0.3; ``id`` in 0.2; ``type`` is understood too |
| class | ``properties.classification``: ``name`` or, for a derived class, ``names``; before 0.4 also ``parentClass`` |
| objects inside | ``properties.childObjects``, if the hierarchy was exported |
| ellipse | a polygon with ``isEllipse``: QuPath itself reads its bounding box |

Files of other programs that follow the GeoJSON standard state no kind and count as annotations, as in QuPath.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import NO_CLASS, joined
from wsi_haloae.annotations.objects import DrawnObject, Kind
from wsi_haloae.annotations.shapes import ellipse_in

_KINDS: dict[str, Kind] = {
    "detection": "detection",
    "cell": "cell",
    "tile": "tile",
    "tmaCore": "TMA core",
    "tma_core": "TMA core",
    "root": "root",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "TMA core",
    "PathRootObject": "root",
}
"""What a file may say of an object that is no annotation."""
_DEEPEST = 64
"""Classes inside each other that are followed; QuPath's have two or three."""
_SHAPES = ("Polygon", "MultiPolygon", "Point", "MultiPoint")


def objects_of(feature: Any) -> Iterator[DrawnObject]:
    """The object that a feature describes, then those inside it. Raises `ValueError` and the like if it is broken."""
    waiting: list[tuple[Any, int]] = [(feature, 0)]
    while waiting:
        one, depth = waiting.pop()
        if not isinstance(one, dict):
            raise ValueError("it is no GeoJSON Feature")
        properties = one.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        inside = properties.get("childObjects") or properties.get("children") or ()
        children: list[Any] = inside if isinstance(inside, list) else []
        kind = _kind_of(one, properties)
        yield DrawnObject(_class_of(properties), _shape_of(one, kind, has_children=bool(children)), kind, depth)
        waiting += [(child, depth + 1) for child in children[::-1]]


def _kind_of(feature: dict[str, Any], properties: dict[str, Any]) -> Kind:
    for stated in (*map(properties.get, ("objectType", "object_type", "type")), feature.get("id")):
        if isinstance(stated, str) and stated in _KINDS:
            return _KINDS[stated]
        if stated == "annotation":
            break
    return "annotation"


def _class_of(properties: dict[str, Any]) -> str:
    classification, names = properties.get("classification"), list[str]()
    for _ in range(_DEEPEST):
        if isinstance(classification, str):
            names.insert(0, classification)
        if not isinstance(classification, dict):
            break
        several, name = classification.get("names"), classification.get("name")
        stated = several if isinstance(several, list) and several else [name]
        names[:0] = [part for part in stated if isinstance(part, str)]
        classification = classification.get("parentClass")
    return joined(names) if names else NO_CLASS


def _shape_of(feature: dict[str, Any], kind: Kind, *, has_children: bool) -> BaseGeometry | None:
    geometry = feature.get("geometry")
    if geometry is None and (kind == "root" or has_children):
        return None
    if not isinstance(geometry, dict):
        raise ValueError("the geometry is missing")
    found = [_geometry(part) for part in _parts(geometry) if part.get("type") in _SHAPES]
    if not found:
        return None
    whole = found[0] if len(found) == 1 else shapely.geometrycollections(found)
    return ellipse_in(whole) if geometry.get("isEllipse") is True else whole


def _parts(geometry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The geometry itself, or those of which a collection consists, however deep."""
    waiting = [geometry]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            raise ValueError("a part of the collection is no geometry")
        if one.get("type") == "GeometryCollection":
            waiting += reversed(one["geometries"])
        else:
            yield one


def _geometry(stated: dict[str, Any]) -> BaseGeometry:
    found = shape(stated)
    if found.is_empty:
        raise ValueError("coordinates are missing or not numbers")
    return found
