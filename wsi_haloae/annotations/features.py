"""The features of a GeoJSON file, one at a time: as Python objects, millions of them fill the memory.

Documents of the Digital Slide Archive (DSA) are JSON too. They are read whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wsi_haloae.bounds.table import JSON_VALUES
from wsi_haloae.errors import AnnotationError

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def read_features(path: Path, content: bytes) -> Iterator[Any]:
    """The features of a FeatureCollection or a list, a single Feature, or documents of DSA: one, or a list.

    Raises `AnnotationError`, perhaps after some features, for a file that is neither, or that has more values than the
    table allows.
    """
    # Each of these signs begins or separates a value, which takes up to 70 bytes as a Python object.
    JSON_VALUES.require(sum(map(content.count, (b"[", b"{", b",", b":"))), path, AnnotationError)
    try:
        cursor = _Cursor(content.decode("utf-8-sig"))
        del content  # it may be large, and this frame lives as long as the features are read
        if cursor.take("["):
            yield from cursor.elements()
            cursor.need_end()
        else:
            yield from _of_mapping(path, cursor)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: cannot be read as GeoJSON ({error}).") from None


def _of_mapping(path: Path, cursor: _Cursor) -> Iterator[Any]:
    members: dict[str, Any] = {}
    if cursor.take("{"):
        for key in cursor.each_key():
            if key == "features" and cursor.take("["):
                yield from cursor.elements()
                members[key] = []
            else:
                members[key] = cursor.value()
    else:
        cursor.value()
    cursor.need_end()
    if members.get("type") == "FeatureCollection":
        if "features" not in members:
            raise AnnotationError(f"{path}: this FeatureCollection has no 'features'.")
        if members["features"] != []:
            raise AnnotationError(f"{path}: 'features' must be a list, as in a GeoJSON FeatureCollection.")
    elif "features" not in members and (members.get("type") == "Feature" or is_dsa(members)):
        yield members
    else:
        raise AnnotationError(
            f"{path}: JSON, but neither GeoJSON (a FeatureCollection, a list of Features or a single Feature) nor an "
            "annotation of the Digital Slide Archive."
        )


def is_dsa(document: Any) -> bool:
    """Whether a JSON value is an annotation of the Digital Slide Archive, with or without what its server adds."""
    return isinstance(document, dict) and (
        isinstance(document.get("elements"), list) or isinstance(document.get("annotation"), dict)
    )


class _Cursor:
    """A place in a JSON text. Its methods raise `ValueError` where the text is not JSON."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def take(self, sign: str) -> bool:
        """Whether the next sign, after white space, is this one; if so, go past it."""
        self._skip_space()
        found = self._text.startswith(sign, self._at)
        self._at += found
        return found

    def value(self) -> Any:
        """The next value, whatever it is."""
        self._skip_space()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def elements(self) -> Iterator[Any]:
        """The values of a list whose bracket was taken."""
        if self.take("]"):
            return
        yield self.value()
        while not self.take("]"):
            self._need(",")
            yield self.value()

    def each_key(self) -> Iterator[str]:
        """The keys of a mapping whose brace was taken. The caller reads the value of each."""
        if self.take("}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is no text")
            self._need(":")
            yield key
            if self.take("}"):
                return
            self._need(",")

    def need_end(self) -> None:
        """Nothing but white space may follow."""
        self._skip_space()
        if self._at < len(self._text):
            raise ValueError(f"more text follows the end, at character {self._at:,}")

    def _need(self, sign: str) -> None:
        if not self.take(sign):
            raise ValueError(f"{sign!r} is missing at character {self._at:,}")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None, "it matches no space too"
        self._at = found.end()
