"""Shapes as programs state them, as geometries. All raise `ValueError` or `TypeError` for what is no shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

_FEWEST = 3
"""Corners of the simplest polygon."""
CORNERS = 128
"""Corners of the polygon that stands for an ellipse: its area is 0.04 % smaller."""


def polygon(ring: Sequence[Sequence[float]], holes: Sequence[Sequence[Sequence[float]]] = ()) -> BaseGeometry | None:
    """The area inside an outline, which need not end where it begins, without its holes; None for a stray click."""
    if len(ring) < _FEWEST:
        return None
    return shapely.Polygon(_places(ring), [_places(hole) for hole in holes if len(hole) >= _FEWEST])


def points(places: Sequence[Sequence[float]]) -> BaseGeometry:
    """Places that were marked."""
    return shapely.multipoints(_places(places))


def box_around(places: Sequence[Sequence[float]]) -> BaseGeometry:
    """The smallest upright rectangle around places."""
    return shapely.box(*shapely.bounds(points(places)))


def ellipse_in(box: BaseGeometry) -> BaseGeometry:
    """The ellipse that touches the four sides of an upright rectangle, or of what it surrounds."""
    left, top, right, bottom = shapely.bounds(box)
    return _ellipse(((left + right) / 2, (top + bottom) / 2), right - left, bottom - top, 0)


def turned_ellipse(centre: Any, width: Any, height: Any, rotation: Any = 0) -> BaseGeometry:
    """An ellipse of this width and height, turned by ``rotation`` radians around its centre."""
    return _ellipse(_centre(centre), float(width), float(height), float(rotation))


def turned_rectangle(centre: Any, width: Any, height: Any, rotation: Any = 0) -> BaseGeometry:
    """A rectangle of this width and height, turned by ``rotation`` radians around its centre."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [float(width) / 2, float(height) / 2]
    return shapely.Polygon(_turned(corners, float(rotation)) + _centre(centre))


def _ellipse(centre: tuple[float, float], width: float, height: float, rotation: float) -> BaseGeometry:
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.stack([np.cos(angles) * width / 2, np.sin(angles) * height / 2], axis=1)
    return shapely.Polygon(_turned(circle, rotation) + centre)


def _turned(xy: NDArray[np.float64], rotation: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(rotation), np.sin(rotation)
    turned: NDArray[np.float64] = xy @ np.array([[cosine, sine], [-sine, cosine]])
    return turned


def _centre(place: Any) -> tuple[float, float]:
    return float(place[0]), float(place[1])


def _places(places: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return np.array([(float(place[0]), float(place[1])) for place in places]).reshape(-1, 2)
