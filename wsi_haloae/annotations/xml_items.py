"""The elements named Annotation of an XML file, one at a time.

A file may be hostile: entities that expand to gigabytes, external files, towers of elements. ASAP and ImageScope write
no document type, so one that has any is refused, and with it all entities. Depth and number of elements are limited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from wsi_haloae.bounds.table import XML_DEPTH, XML_ELEMENTS
from wsi_haloae.errors import AnnotationError

ITEM = "Annotation"
_PIECE = 1 << 16


@dataclass(slots=True)
class Element:
    """An XML element. Those inside it that state a place (X, Y, perhaps their Order) are its ``places`` only."""

    tag: str
    attributes: Mapping[str, str]
    inside: list[Element] = field(default_factory=list)
    places: list[tuple[float, float, float]] = field(default_factory=list)

    def named(self, tag: str) -> list[Element]:
        """The elements directly inside this one that have this tag."""
        return [one for one in self.inside if one.tag == tag]


@dataclass(frozen=True, slots=True)
class XmlItem:
    """An element named Annotation, and the tag of the file's outermost element, which tells the programs apart."""

    root: str
    element: Element


def xml_items(path: Path, content: bytes) -> Iterator[XmlItem]:
    """Raises `AnnotationError`, perhaps after some items, for what is no XML or goes beyond the table."""
    walk = _Walk(path)
    try:
        for start in range(0, len(content), _PIECE):
            walk.parser.Parse(content[start : start + _PIECE], False)
            yield from walk.taken()
        walk.parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise AnnotationError(f"{path}: cannot be read as XML ({error}).") from None
    yield from walk.taken()
    if walk.root not in ROOTS:
        raise AnnotationError(
            f"{path}: XML whose outermost element is {walk.root!r}, but only that of ASAP (ASAP_Annotations) and of "
            "Aperio ImageScope (Annotations) is read. Import it into QuPath, and export it as GeoJSON."
        )


ROOTS = ("ASAP_Annotations", "Annotations")


class _Walk:
    """Handles what expat finds; complete items wait to be taken."""

    def __init__(self, path: Path) -> None:
        self._path, self._count = path, 0
        self._open: list[Element] = []
        self._done: list[XmlItem] = []
        self.root = ""
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    def taken(self) -> list[XmlItem]:
        """The items that are complete, once."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        XML_ELEMENTS.require(self._count, self._path, AnnotationError)
        XML_DEPTH.require(len(self._open) + 1, self._path, AnnotationError)
        self.root = self.root or tag
        self._open.append(Element(tag, attributes))

    def _end(self, _tag: str) -> None:
        ended = self._open.pop()
        around = self._open[-1] if self._open else None
        if ended.tag == ITEM:
            self._done.append(XmlItem(self.root, ended))
        elif around and any(each.tag == ITEM for each in self._open):
            if "X" in ended.attributes and "Y" in ended.attributes:
                x, y, order = (_number(ended.attributes.get(name, "0")) for name in ("X", "Y", "Order"))
                around.places.append((x, y, order))
            else:
                around.inside.append(ended)

    def _refuse(self, *_declared: object) -> None:
        raise AnnotationError(
            f"{self._path}: it declares a document type (<!DOCTYPE>), which may stand for any amount of text. ASAP and "
            "ImageScope write none: delete the declaration, if you trust the file."
        )


def _number(text: str) -> float:
    return float(text.replace(",", "."))  # ASAP writes a comma where Windows does
