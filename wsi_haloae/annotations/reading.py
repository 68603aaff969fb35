"""Reads annotations, whichever program wrote them: one table of formats, which are told apart by content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations import asap, dsa, imagescope, qupath
from wsi_haloae.annotations.classes import DOUBTFUL, is_container, is_ignored
from wsi_haloae.annotations.features import is_dsa, read_features
from wsi_haloae.annotations.mending import enclosed_twice, mended
from wsi_haloae.annotations.objects import KINDS, DrawnObject, Objects
from wsi_haloae.annotations.regions import Annotations, polygons_of
from wsi_haloae.annotations.tally import Tally
from wsi_haloae.annotations.unpacked import is_xml, unpacked
from wsi_haloae.annotations.xml_items import XmlItem, xml_items
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds

BROKEN = (*(ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError),)
"""What reading a shape raises that is none."""


@dataclass(frozen=True)
class Format:
    """A program's way to write annotations: whether an item of a file is its, and the objects in that item.

    ``from_bounds``: coordinates count from the slide's bounds, if it has any, as QuPath shows only what lies in them.
    """

    program: str
    item: str
    matches: Callable[[Any], bool]
    objects_of: Callable[[Any], Iterable[DrawnObject]]
    from_bounds: bool = False


FORMATS = (
    Format("ASAP XML", "annotation", lambda item: _has_root(item, asap.ROOT), asap.objects_of),
    Format("ImageScope XML", "layer", lambda item: _has_root(item, imagescope.ROOT), imagescope.objects_of),
    Format("DSA JSON", "document", is_dsa, dsa.objects_of),
    Format("QuPath GeoJSON", "feature", lambda _item: True, qupath.objects_of, from_bounds=True),
)


def read_annotations(path: Path, bounds: Bounds | None, objects: Objects = "annotation") -> Annotations:
    """Read a file of outlines drawn on a slide with these ``bounds``; ``objects`` are the kinds that count.

    Raises `AnnotationError` for a file that cannot be used.
    """
    content = unpacked(path)
    items: Iterator[Any] = xml_items(path, content) if is_xml(content) else read_features(path, content)
    del content
    first = list(islice(items, 1))
    form = next(form for form in FORMATS if form.matches(first[0] if first else None))
    gathered = _Gathered(objects)
    for number, item in enumerate(chain(first, items)):
        try:
            with np.errstate(invalid="ignore"):  # coordinates that are not finite are reported below
                for one in form.objects_of(item):
                    gathered.add(one)
        except BROKEN as error:
            raise AnnotationError(f"{path}: {form.item} {number} has a broken geometry ({error}).") from None
    shift = (bounds.l0_x, bounds.l0_y) if bounds and form.from_bounds else (0, 0)
    return gathered.annotations(path, form.program, shift)


def _has_root(item: object, root: str) -> bool:
    return isinstance(item, XmlItem) and item.root == root


class _Gathered:
    """Objects, sorted into what counts and what does not."""

    def __init__(self, objects: Objects) -> None:
        self._wanted = KINDS[objects]
        self._parts: list[NDArray[np.object_]] = []
        self._labels: list[int] = []
        self._depths: list[int] = []
        self._names: dict[str, int] = {}
        self._points: dict[str, list[NDArray[np.float64]]] = {}
        self._tally, self._flat, self._mended, self._doubtful = Tally(), 0, 0, 0

    def add(self, one: DrawnObject) -> None:
        """Take an object up. Raises one of `BROKEN` if its shape is none."""
        if one.kind == "root":
            return
        if one.kind not in self._wanted:
            self._tally.kinds[one.kind] += 1
        elif one.shape is None:
            self._flat += 1
        elif one.shape.geom_type in {"Point", "MultiPoint"}:
            self._tally.points[one.name] += 1
            self._points.setdefault(one.name, []).append(_finite(one.shape))
        else:
            self._outline(one, one.shape)

    def _outline(self, one: DrawnObject, shape: BaseGeometry) -> None:
        _finite(shape)
        polygons = polygons_of(shape)
        valid = shapely.is_valid(polygons)
        if not valid.all():
            self._mended += 1
            crossed = polygons[~valid]
            polygons = polygons_of(np.array([mended(polygon) for polygon in polygons], np.object_))
            doubtful = np.concatenate([enclosed_twice(polygon) for polygon in crossed])
            self._doubtful += len(doubtful) > 0
            self._keep(DOUBTFUL, doubtful, one.depth + 1)
        if not len(polygons):
            self._flat += 1
            return
        self._count(one.name)
        self._keep(one.name, polygons, one.depth)

    def _keep(self, name: str, polygons: NDArray[np.object_], depth: int) -> None:
        if len(polygons):
            label = self._names.setdefault(name, len(self._names))
            self._parts.append(polygons)
            self._labels += [label] * len(polygons)
            self._depths += [depth] * len(polygons)

    def _count(self, name: str) -> None:
        if is_container(name):
            self._tally.containers[name] += 1
        elif is_ignored(name):
            self._tally.ignored[name] += 1
        else:
            self._tally.used[name] += 1

    def annotations(self, path: Path, program: str, shift: tuple[int, int]) -> Annotations:
        """Everything that was taken up, moved by ``shift``."""
        drawn = np.concatenate(self._parts) if self._parts else np.empty(0, np.object_)
        tally = replace(self._tally, flat=self._flat, mended=self._mended, doubtful=self._doubtful)
        return Annotations(
            path,
            program,
            shapely.transform(drawn, lambda xy: xy + shift),
            np.array(self._labels, np.int64),
            list(self._names),
            np.array(self._depths, np.int64),
            {name: np.concatenate(places) + shift for name, places in self._points.items()},
            tally,
        )


def _finite(shape: BaseGeometry) -> NDArray[np.float64]:
    """The coordinates of a shape. Raises `ValueError` if some are no numbers."""
    xy: NDArray[np.float64] = shapely.get_coordinates(shape)
    if not len(xy) or not np.isfinite(xy).all():
        raise ValueError("coordinates are missing or not numbers")
    return xy
