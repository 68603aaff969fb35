"""Annotations: the outlines of one file, and the region of each class that follows from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import NO_CLASS, derived_from, is_container, is_ignored, joined, meant_by
from wsi_haloae.annotations.inner import Layered, inner_first
from wsi_haloae.annotations.mending import TooCrossedError, require_few_crossings
from wsi_haloae.annotations.tally import Tally
from wsi_haloae.bounds.table import OVERLAPS
from wsi_haloae.errors import AnnotationError
from wsi_haloae.nearest import nearest
from wsi_haloae.progress import Reporter

_TOLD = 20
"""Classes that an error lists."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """Outlines in pixels of level 0, as ``program`` wrote them.

    ``drawn`` are valid polygons (n,), each with the class ``names[label]`` (which may be "") and its depth in QuPath's
    hierarchy. ``points`` are the marked places (n, 2) of each class that has some.
    """

    path: Path
    program: str
    drawn: NDArray[np.object_]
    labels: NDArray[np.int64]
    names: list[str]
    depths: NDArray[np.int64]
    points: dict[str, NDArray[np.float64]]
    read: Tally

    @property
    def tally(self) -> Tally:
        """What became of the objects, where classes count."""
        return replace(self.read, outer=self._layered.outer, undecided=self._layered.undecided)

    @cached_property
    def by_class(self) -> dict[str, BaseGeometry]:
        """The region of each class: no two overlap. Objects without a class, and ignored ones, are not among them.

        Raises `AnnotationError` if outlines cross each other more often than is allowed.
        """
        judged = [(place, name) for place, name in enumerate(self.names) if _is_class(name)]
        return {name: self._union(name, self._parts_of(place)) for place, name in judged}

    @property
    def class_names(self) -> set[str]:
        """The classes of outlines and of points, without computing any region."""
        return {*filter(_is_class, self.names), *self.points} - {NO_CLASS}

    def classes(self, name: str) -> list[str]:
        """The classes that are meant by ``name``: itself, or else those derived from it. Raises `AnnotationError`."""
        found = meant_by(name, self.by_class)
        if not found:
            close = nearest(name, self.by_class)
            hint = f"; did you mean {close!r}?" if close else "."
            raise AnnotationError(f"{self.path}: no annotation of class {name!r}{hint} {self.known()}")
        return found

    def region(self, name: str) -> BaseGeometry:
        """The region of a class, or of those derived from it. Raises `AnnotationError`, which lists the known ones."""
        return _together([self.by_class[each] for each in self.classes(name)])

    def everything(self) -> BaseGeometry:
        """The region inside all outlines, also those without a class, but not inside ignored ones.

        Raises `AnnotationError` if the file has no polygon.
        """
        counted = ~self._is_ignored[self.labels]
        if not counted.any():
            raise AnnotationError(f"{self.path}: no polygon counts in this file, but one is needed.{self._why()}")
        return self._union("", self._area.parts[counted])

    def parts(self, name: str) -> NDArray[np.object_]:
        """The polygons that are left of a class's outlines; none if there is no such class."""
        places = [self.names.index(each) for each in meant_by(name, self.by_class)]
        left = [self._parts_of(place) for place in places]
        return np.concatenate(left) if left else np.empty(0, np.object_)

    def containers(self) -> dict[str, BaseGeometry]:
        """The regions that say nothing about the tissue, by class; "" has none."""
        places = [place for place, name in enumerate(self.names) if is_container(name)]
        return {self.names[place]: self._union(self.names[place], self._parts_of(place)) for place in places}

    def known(self) -> str:
        """The classes of this file, and what is left out, for a message."""
        return f"Classes in this file: {told_classes(self.class_names)}.{self._why()}"

    def tell(self, reporter: Reporter, *, as_area: bool = False, points_count: bool = False) -> None:
        """Say in one line what does not count as it was drawn. ``as_area``: whatever its class, an outline counts."""
        layered = self._area if as_area else self._layered
        tally = replace(self.read, outer=layered.outer, undecided=layered.undecided)
        line = tally.line(containers_count=as_area, points_count=points_count)
        if line:
            say = reporter.warn if tally.is_doubtful(containers_count=as_area) else reporter.line
            say(f"{self.path.name}: {line}.")

    def class_note(self, name: str) -> str:
        """How ``name`` was understood, if the file has classes derived from it; "" otherwise."""
        derived = derived_from(name, self.by_class)
        if not derived:
            return ""
        if joined([name]) in self.by_class:
            return (
                f"{self.path.name}: {name!r} is this class alone, without those derived from it ({', '.join(derived)})"
            )
        return f"{self.path.name}: no class is called {name!r}; those derived from it are meant: {', '.join(derived)}."

    @cached_property
    def _layered(self) -> Layered:
        """What is left of each outline where classes count. Containers are not among those that overlap."""
        counted = ~np.array([is_container(name) for name in self.names], bool)[self.labels]
        found = inner_first(self.path, self.drawn[counted], self.labels[counted], self.names, self.depths[counted])
        parts = self.drawn.copy()
        parts[counted] = found.parts
        return replace(found, parts=parts)

    @cached_property
    def _area(self) -> Layered:
        """What is left of each outline where only ignored ones differ from the others."""
        labels = self._is_ignored[self.labels].astype(np.int64)
        return inner_first(self.path, self.drawn, labels, ["counted", "ignored"], self.depths)

    @cached_property
    def _is_ignored(self) -> NDArray[np.bool_]:
        return np.array([is_ignored(name) for name in self.names], bool)

    def _parts_of(self, place: int) -> NDArray[np.object_]:
        return polygons_of(self._layered.parts[self.labels == place])

    def _union(self, name: str, parts: NDArray[np.object_]) -> BaseGeometry:
        one, other = shapely.STRtree(parts).query(parts)
        vertices = shapely.get_num_coordinates(parts)
        if vertices[one[one < other]].astype(float) @ vertices[other[one < other]] > OVERLAPS.most:  # they might
            try:
                require_few_crossings(shapely.get_rings(polygons_of(parts)), OVERLAPS)
            except TooCrossedError as error:
                raise AnnotationError(f"{self.path}: class {name!r}: {error}.") from None
        return _together(parts)

    def _why(self) -> str:
        left_out = self.read.left_out()
        return f" Left out: {', '.join(left_out)}." if left_out else ""


def told_classes(names: Collection[str]) -> str:
    """Names of classes for a message: all, or the first of many."""
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return f"{', '.join(sorted(names)[:_TOLD]) or 'none'}{more}"


def _is_class(name: str) -> bool:
    return not is_container(name) and not is_ignored(name)


def polygons_of(regions: NDArray[np.object_] | BaseGeometry) -> NDArray[np.object_]:
    """All polygons of regions; points and lines, which mending and cutting may leave, have no area."""
    parts = shapely.get_parts(shapely.get_parts(regions))  # a collection may hold a multipolygon
    polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    kept: NDArray[np.object_] = polygons[~shapely.is_empty(polygons)]
    return kept


def _together(regions: Sequence[BaseGeometry] | NDArray[np.object_]) -> BaseGeometry:
    """The union; one region is returned as it is, because GEOS would take it apart all the same."""
    return regions[0] if len(regions) == 1 else shapely.union_all(regions)
