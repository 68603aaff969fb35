"""Annotations of the Digital Slide Archive and HistomicsUI, in the JSON that their server exports.

A document has a name and elements. HistomicsUI sorts elements into groups, and gives each a label. An element's class
is its group; without one (or in the group "default") its label; without both, the name of the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import joined
from wsi_haloae.annotations.objects import DrawnObject
from wsi_haloae.annotations.shapes import points, polygon, turned_ellipse, turned_rectangle


def objects_of(document: dict[str, Any]) -> Iterator[DrawnObject]:
    """The elements of a document. Raises `ValueError` and the like if one is broken."""
    annotation = document.get("annotation")
    annotation = annotation if isinstance(annotation, dict) else document
    for number, element in enumerate(annotation.get("elements") or ()):
        try:
            yield DrawnObject(_class_of(element, annotation), _shape_of(element))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError(f"element {number}: {error!r}") from None


def _class_of(element: dict[str, Any], annotation: dict[str, Any]) -> str:
    label = element.get("label")
    value = label.get("value") if isinstance(label, dict) else None
    group = element.get("group")
    stated = (None if group == "default" else group, value, annotation.get("name"))
    return next((joined([name]) for name in stated if isinstance(name, str) and joined([name])), "")


def _shape_of(element: dict[str, Any]) -> BaseGeometry | None:
    kind = element.get("type")
    if kind == "polyline" and element.get("closed"):
        return polygon(element["points"], element.get("holes") or ())
    if kind == "point":
        return points([element["center"]])
    if kind == "circle":
        return turned_ellipse(element["center"], 2 * element["radius"], 2 * element["radius"])
    sides = {"rectangle": turned_rectangle, "ellipse": turned_ellipse}
    if kind in sides:
        rotation = element.get("rotation") or 0
        return sides[kind](element["center"], element["width"], element["height"], rotation)
    return None  # arrows, open lines, heatmaps, pictures
