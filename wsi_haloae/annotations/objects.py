"""DrawnObject: one object of an annotation file, whichever program wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:  # the command line imports this file for the names of the kinds, and must start quickly
    from shapely.geometry.base import BaseGeometry

Kind = Literal["annotation", "detection", "cell", "tile", "TMA core", "root"]
"""QuPath's kinds of objects. TMA cores and the root only hold others."""
Objects = Literal["annotation", "detection", "tile", "all"]
"""Which kinds count (``--objects``)."""
KINDS: Final[Mapping[Objects, frozenset[Kind]]] = {
    "annotation": frozenset({"annotation"}),
    "detection": frozenset({"detection", "cell"}),
    "tile": frozenset({"tile"}),
    "all": frozenset({"annotation", "detection", "cell", "tile"}),
}


@dataclass(frozen=True, eq=False, slots=True)
class DrawnObject:
    """An object of class ``name`` ("": none), ``depth`` objects deep in others, in pixels.

    ``shape`` is what has an area or is a point, as it was drawn; None for lines, and for containers without an outline.
    """

    name: str
    shape: BaseGeometry | None
    kind: Kind = "annotation"
    depth: int = 0
