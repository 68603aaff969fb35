"""Which slide a DICOM file is a part of, read from its first bytes.

A DICOM slide is a series: a file for each level, and others for label and overview. OpenSlide opens a slide by any of
them, and looks for the others in the same folder. Only two tags are needed for that, so no DICOM library is.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.bounds.table import DICOM_HEAD_BYTES

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""The class of files that hold a level, label or overview of a slide."""
_CLASS, _SYNTAX, _SERIES = (0x0008, 0x0016), (0x0002, 0x0010), (0x0020, 0x000E)
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_START = 132
"""128 free bytes, and ``DICM``."""
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Kinds of values whose length has 4 bytes."""
_UNTIL_MARKED = 0xFFFFFFFF
_ITEM_GROUP, _ITEM, _END_OF_SEQUENCE = 0xFFFE, 0xE000, 0xE0DD
_META = 2

_Tag = tuple[int, int]


@dataclass(frozen=True)
class DicomFile:
    """The series that a file belongs to, and its class (SOP Class UID)."""

    series: str
    kind: str

    @property
    def is_slide(self) -> bool:
        """Whether it is a part of a slide, and not an annotation or a picture of another kind."""
        return self.kind == WHOLE_SLIDE


def is_dicom_name(path: Path) -> bool:
    """Whether a file is called like one in DICOM."""
    return path.suffix.lower() == ".dcm"


def read_dicom(path: Path) -> DicomFile | None:
    """What a file's first bytes say; None if it cannot be read, or is not DICOM: whoever opens it tells why."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # a pipe would block
            return None
        with path.open("rb") as file:
            head = file.read(DICOM_HEAD_BYTES.most)
    except (OSError, ValueError):
        return None
    if head[_START - 4 : _START] != b"DICM":
        return None
    try:
        found = _first_values(head)
    except struct.error:  # it ends too early
        return None
    return DicomFile(found[_SERIES], found.get(_CLASS, "")) if found.get(_SERIES) else None


def _first_values(head: bytes) -> dict[_Tag, str]:
    """The values of the three tags, as far as the file has them."""
    found: dict[_Tag, str] = {}
    for tag, value in _elements(head):
        if tag in {_CLASS, _SYNTAX, _SERIES}:
            found[tag] = value.decode("ascii", errors="replace").strip("\0 ")
        if tag >= _SERIES or found.get(_SYNTAX) == _DEFLATED:
            break
    return found


def _elements(head: bytes) -> Iterator[tuple[_Tag, bytes]]:
    """The elements of a file that do not lie in others. Raises `struct.error` at the end of ``head``."""
    at, inside, order, implicit, syntax = _START, 0, "<", False, ""
    while True:
        group, element = struct.unpack_from(order + "HH", head, at)
        if group != _META and syntax:  # only now: the first group is always little endian and explicit
            order, implicit, syntax = ">" if syntax == _BIG else "<", syntax == _IMPLICIT, ""
            group, element = struct.unpack_from(order + "HH", head, at)
        start, length = _value(head, at, group, order, implicit=implicit)
        at = start
        if group == _ITEM_GROUP:
            inside -= element == _END_OF_SEQUENCE
            at += length if element == _ITEM and length != _UNTIL_MARKED else 0
        elif length == _UNTIL_MARKED:
            inside += 1
        else:
            at += length
            value = head[start:at]
            if (group, element) == _SYNTAX:
                syntax = value.decode("ascii", errors="replace").strip("\0 ")
            if not inside:
                yield (group, element), value


def _value(head: bytes, at: int, group: int, order: str, *, implicit: bool) -> tuple[int, int]:
    """Where an element's value begins, and its length."""
    if group == _ITEM_GROUP or implicit:
        return at + 8, int(struct.unpack_from(order + "I", head, at + 4)[0])
    if head[at + 4 : at + 6] in _LONG:
        return at + 12, int(struct.unpack_from(order + "I", head, at + 8)[0])
    return at + 8, int(struct.unpack_from(order + "H", head, at + 6)[0])
