"""Annotations of ASAP (computationalpathologygroup), in XML. The class of an annotation is its group."""

from __future__ import annotations

from collections.abc import Iterator

from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import NO_CLASS, joined
from wsi_haloae.annotations.objects import DrawnObject
from wsi_haloae.annotations.shapes import box_around, points, polygon
from wsi_haloae.annotations.xml_items import Element, XmlItem

ROOT = "ASAP_Annotations"
_NO_GROUP = "None"
_RECTANGLE_CORNERS = 2
"""A rectangle that is given by two corners; others state all four."""


def objects_of(item: XmlItem) -> Iterator[DrawnObject]:
    """The object that an element describes. Raises `ValueError` if it is broken."""
    group = item.element.attributes.get("PartOfGroup", _NO_GROUP)
    yield DrawnObject(NO_CLASS if group == _NO_GROUP else joined([group]), _shape_of(item.element))


def _shape_of(element: Element) -> BaseGeometry | None:
    kind = element.attributes.get("Type", "Polygon")
    places = [place for inside in element.named("Coordinates") for place in inside.places]
    places.sort(key=lambda place: place[2])
    if not places:
        raise ValueError("it has no coordinates")
    if kind in {"Dot", "PointSet"}:
        return points(places)
    if kind == "Rectangle" and len(places) == _RECTANGLE_CORNERS:
        return box_around(places)
    if kind in {"Polygon", "Spline", "Rectangle"}:
        return polygon(places)
    return None  # measurements
