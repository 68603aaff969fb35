"""Annotations of Aperio ImageScope, in XML: layers (Annotation) of regions.

The class of a region is its layer's name; without one the layer's description, which ImageScope shows as its name;
without both, the region's own text.
"""

from __future__ import annotations

from collections.abc import Iterator

import shapely
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import joined
from wsi_haloae.annotations.mending import mended
from wsi_haloae.annotations.objects import DrawnObject
from wsi_haloae.annotations.shapes import box_around, ellipse_in, points, polygon
from wsi_haloae.annotations.xml_items import Element, XmlItem

ROOT = "Annotations"
_FREEHAND, _RECTANGLE, _ELLIPSE, _COUNTER = "0", "1", "2", "5"
"""ImageScope's numbers; the others are arrows and rulers."""
_CORNERS = 3
"""Fewer places than these are two opposite corners."""


def objects_of(item: XmlItem) -> Iterator[DrawnObject]:
    """The regions of a layer, without its negative ones. Raises `ValueError` if one is broken."""
    layer = item.element
    regions = [region for inside in layer.named("Regions") for region in inside.named("Region")]
    negative = [_shape_of(one) for one in regions if one.attributes.get("NegativeROA") == "1"]
    holes = [mended(hole) for hole in negative if hole is not None]
    for region in regions:
        if region.attributes.get("NegativeROA") == "1":
            continue
        shape = _shape_of(region)
        yield DrawnObject(_class_of(layer, region), shape if shape is None else _without(shape, holes))


def _class_of(layer: Element, region: Element) -> str:
    described = [
        one.attributes.get("Value", "")
        for inside in layer.named("Attributes")
        for one in inside.named("Attribute")
        if one.attributes.get("Name") == "Description"
    ]
    stated = (layer.attributes.get("Name", ""), *described, region.attributes.get("Text", ""))
    return next((joined([name]) for name in stated if joined([name])), "")


def _shape_of(region: Element) -> BaseGeometry | None:
    places = [place for inside in region.named("Vertices") for place in inside.places]
    kind = region.attributes.get("Type", _FREEHAND)
    if kind not in {_FREEHAND, _RECTANGLE, _ELLIPSE, _COUNTER}:
        return None
    if not places:
        raise ValueError("it has no vertices")
    if kind == _COUNTER:
        return points(places)
    if kind == _ELLIPSE:
        return ellipse_in(points(places))
    return box_around(places) if kind == _RECTANGLE and len(places) < _CORNERS else polygon(places)


def _without(shape: BaseGeometry, holes: list[BaseGeometry]) -> BaseGeometry:
    """A region without the negative ones that are smaller; a region drawn inside a negative one stays."""
    smaller = [hole for hole in holes if hole.area < shape.area]
    if not smaller or shape.geom_type != "Polygon":
        return shape
    return shapely.difference(mended(shape), shapely.union_all(smaller))
