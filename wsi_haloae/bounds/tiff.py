"""Read what a TIFF claims to be, without any library: pages, tags, sizes. It costs a few reads per page.

Decoders believe these numbers. A tile of 45,056 x 45,056 pixels takes 8 GB, though its file has 58 kB; and a page whose
successor is itself keeps a reader going for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wsi_haloae.bounds.table import TIFF_PAGES, TIFF_TAG_BYTES
from wsi_haloae.errors import WsiHaloaeError

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CLASSIC_END = 1 << 32
"""Larger files with 32-bit offsets are NDPI, which has its own way to say where things lie."""
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _SUB_PAGES = 256, 257, 322, 323, 330
_DESCRIPTION, _DESCRIPTION_BYTES = 270, 1024
_OF_TILES = frozenset({258, 259, 262, 277, 284, 324, 325, 347})
"""Bits, compression, photometric interpretation, samples, planes; where tiles lie, their sizes, JPEG tables."""
_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
"""Bytes of one value, by the number of its type in the TIFF standard."""
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Types of whole numbers, as `struct` writes them."""
_WHOLE_OR_BYTES = {**_WHOLE, 7: "B"}
"""Also bytes of any meaning, such as the tables of JPEG."""


@dataclass(frozen=True)
class Tag:
    """Where the ``count`` values of a tag lie in the file, and their type as `struct` and numpy write it."""

    kind: str
    count: int
    offset: int


@dataclass(frozen=True)
class Page:
    """What one page claims, in pixels; a size that it does not state is 0.

    ``sub_pages`` is the number of pages inside it; ``description`` begins its description. ``tags`` are those that
    tell how its tiles are stored, by number, as far as they are whole numbers and no longer than the file.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    sub_pages: int = 0
    description: bytes = b""
    tags: Mapping[int, Tag] = field(default_factory=dict)


def read_pages(file: BinaryIO, place: Path, error: type[WsiHaloaeError]) -> list[Page]:
    """All pages of a TIFF, also those inside others; empty if the file is no TIFF, or a large NDPI.

    Raises ``error`` for pages that follow each other in a circle, and for more pages or tags than the table allows.
    """
    head = file.read(16)
    if head[:4] not in MAGICS:
        return []
    layout = _Layout("<" if head[:2] == b"II" else ">", big=b"+" in head[:4])
    size = file.seek(0, 2)
    if not layout.big and size >= CLASSIC_END:
        return []
    return list(_Walk(file, size, layout, place, error).pages(layout.first(head)))


@dataclass(frozen=True)
class _Layout:
    """Byte order and widths: classic TIFF has 32-bit offsets, BigTIFF 64-bit."""

    order: str
    big: bool

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Tag, type, number of values, and the values themselves or where they lie."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    def first(self, head: bytes) -> int:
        place = head[8:16] if self.big else head[4:8]
        return int(self.offset.unpack(place)[0]) if len(place) == self.offset.size else 0


class _Walk:
    def __init__(self, file: BinaryIO, size: int, layout: _Layout, place: Path, error: type[WsiHaloaeError]) -> None:
        self._file, self._size, self._layout = file, size, layout
        self._place, self._error = place, error
        self._tag_bytes = 0

    def pages(self, first: int) -> Iterator[Page]:
        """The pages from offset ``first`` on, and those that they contain.

        A page may be reached twice: those inside another one may also follow each other. Only a circle is refused.
        """
        waiting, begun, ended = [first], set[int](), set[int]()
        while waiting:
            offset = waiting[-1]
            if offset in begun or not 0 < offset < self._size:  # seen with all after it, or the end, or damage
                ended.add(waiting.pop())
                continue
            begun.add(offset)
            TIFF_PAGES.require(len(begun), self._place, self._error)
            page, following = self._page(offset)
            circle = next((other for other in following if other in begun and other not in ended), None)
            if circle is not None:
                raise self._error(
                    f"{self._place}: its pages follow each other in a circle (back to byte {circle:,}), so reading "
                    "them would never end. The file is damaged: copy it again from its source."
                )
            waiting += [other for other in following if other not in begun]
            yield page

    def _page(self, offset: int) -> tuple[Page, list[int]]:
        layout = self._layout
        self._file.seek(offset)
        head = self._file.read(layout.count.size)
        entries = int(layout.count.unpack(head)[0]) if len(head) == layout.count.size else 0
        self._charge(entries * layout.entry.size)
        table = self._file.read(entries * layout.entry.size + layout.offset.size)
        stated, inside, description, tags = dict[int, int](), list[int](), b"", dict[int, Tag]()
        for at in range(0, min(len(table) // layout.entry.size, entries) * layout.entry.size, layout.entry.size):
            tag, kind, count, value = layout.entry.unpack_from(table, at)
            taken = count * (_BYTES[kind] if kind < len(_BYTES) else 1)
            if taken <= self._size:  # no reader can believe a larger one
                self._charge(taken)
            if tag in {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT} and count == 1 and kind in _WHOLE:
                stated[tag] = self._numbers(kind, value)[0]
            elif tag == _SUB_PAGES and kind in _WHOLE:
                inside = self._sub_pages(kind, count, taken, value)
            elif tag == _DESCRIPTION:
                description = self._begin_of(taken, value)
            elif tag in _OF_TILES and kind in _WHOLE_OR_BYTES and taken <= self._size:
                tags[tag] = self._tag(kind, count, taken, value, offset + layout.count.size + at)
        after = table[entries * layout.entry.size :]
        following = int(layout.offset.unpack(after)[0]) if len(after) == layout.offset.size else 0
        width, height, tile_width, tile_height = (
            stated.get(tag, 0) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)
        )
        return Page(width, height, tile_width, tile_height, len(inside), description, tags), [*inside, following]

    def _tag(self, kind: int, count: int, taken: int, value: bytes, entry: int) -> Tag:
        """A tag whose entry begins at this byte: short values are the end of the entry itself."""
        layout = self._layout
        inside = taken <= len(value)
        place = entry + layout.entry.size - len(value) if inside else int(layout.offset.unpack(value)[0])
        return Tag(layout.order + _WHOLE_OR_BYTES[kind], count, place)

    def _sub_pages(self, kind: int, count: int, taken: int, value: bytes) -> list[int]:
        """Where the pages lie that a page contains."""
        if taken > len(value):
            TIFF_PAGES.require(count, self._place, self._error)
            self._file.seek(int(self._layout.offset.unpack(value)[0]) % (1 << 63))
            value = self._file.read(taken)
        return self._numbers(kind, value)[:count]

    def _begin_of(self, taken: int, value: bytes) -> bytes:
        if taken > len(value):
            self._file.seek(int(self._layout.offset.unpack(value)[0]) % (1 << 63))
            value = self._file.read(min(taken, _DESCRIPTION_BYTES))
        return value

    def _numbers(self, kind: int, value: bytes) -> list[int]:
        whole = len(value) // _BYTES[kind]
        return list(struct.unpack_from(f"{self._layout.order}{whole}{_WHOLE[kind]}", value))

    def _charge(self, count: int) -> None:
        self._tag_bytes += count
        TIFF_TAG_BYTES.require(self._tag_bytes, self._place, self._error)
