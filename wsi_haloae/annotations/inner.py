"""Inner beats outer: where outlines of different classes overlap, the smallest one counts.

People outline a tumour and then the necrosis inside it, as QuPath's hierarchy invites. Whatever the classes are called
and in which order they were drawn, a place belongs to the smallest outline around it. Of outlines of equal size, the
one deeper in QuPath's hierarchy counts, or the more specific class ("Tumor: Positive" before "Tumor"). If that does not
tell them apart either, nobody knows what the place is, and it belongs to neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from wsi_haloae.annotations.classes import SEPARATOR
from wsi_haloae.bounds.table import NESTED_VERTICES
from wsi_haloae.errors import AnnotationError

_QUERIED = 256
"""Outlines whose neighbours are looked up at once, so that counting stops soon after the limit."""
_TOUCHING = 1e-9
"""Outlines that share less than this part of their area only touch."""


@dataclass(frozen=True, eq=False)
class Layered:
    """What is left of each outline: (n,) geometries, some perhaps empty.

    ``outer`` outlines have smaller ones of other classes in them. ``undecided`` ones share an area with one of equal
    size and another class.
    """

    parts: NDArray[np.object_]
    outer: int
    undecided: int


def inner_first(
    path: Path, drawn: NDArray[np.object_], labels: NDArray[np.int64], names: list[str], depths: NDArray[np.int64]
) -> Layered:
    """Cut the inner outlines from those around them: valid polygons ``drawn`` (n,), of class ``names[labels]``.

    Raises `AnnotationError` for more overlaps than the table allows.
    """
    parts, outer, undecided = drawn.copy(), 0, 0
    if len(np.unique(labels)) < 2:
        return Layered(parts, outer, undecided)
    specific = np.array([name.count(SEPARATOR) for name in names])[labels]
    ranks = _ranks(np.stack([shapely.area(drawn).astype(np.float32), -depths, -specific]))
    for one, inner in _overlapping(path, drawn, labels, ranks):
        left = shapely.difference(drawn[one], shapely.union_all(drawn[inner]))
        if left.area < drawn[one].area * (1 - _TOUCHING):
            parts[one] = left
            equals = inner[ranks[inner] == ranks[one]]
            shared = shapely.area(shapely.intersection(drawn[equals], drawn[one])).max(initial=0)
            is_undecided = bool(shared > drawn[one].area * _TOUCHING)
            undecided += is_undecided
            outer += not is_undecided
    return Layered(parts, outer, undecided)


def _ranks(keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place of each column of ``keys`` in ascending order; equal columns share theirs."""
    _, ranks = np.unique(keys, axis=1, return_inverse=True)
    return ranks.reshape(-1)


def _overlapping(
    path: Path, drawn: NDArray[np.object_], labels: NDArray[np.int64], ranks: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each outline that touches smaller (or equal) ones of other classes, and the numbers of those."""
    tree, vertices, found = shapely.STRtree(drawn), shapely.get_num_coordinates(drawn), 0
    shapely.prepare(drawn)  # one large outline may have thousands of small neighbours
    for first in range(0, len(drawn), _QUERIED):
        ones, others = tree.query(drawn[first : first + _QUERIED])
        ones = ones + first
        kept = (labels[ones] != labels[others]) & (ranks[others] <= ranks[ones])
        ones, others = ones[kept], others[kept]
        kept = shapely.intersects(drawn[ones], drawn[others])
        ones, others = ones[kept], others[kept]
        found += int(vertices[others].sum())
        NESTED_VERTICES.require(found, path, AnnotationError)
        numbers, starts = np.unique(ones, return_index=True)
        yield from zip(numbers.tolist(), np.split(others, starts)[1:], strict=True)
