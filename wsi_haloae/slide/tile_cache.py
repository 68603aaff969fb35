"""Windows of a level that is stored in tiles: only the tiles that a window meets are decoded, and the last are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
CACHE_BYTES = 32 << 20
"""Of decoded tiles, as in OpenSlide: neighbouring windows share some."""


@dataclass(frozen=True)
class Cut:
    """How a level is cut into tiles, in pixels. They are numbered row by row; the last ones reach beyond the level."""

    width: int
    height: int
    tile_width: int
    tile_height: int

    @property
    def across(self) -> int:
        """Number of tiles in a row."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Number of rows of tiles."""
        return -(-self.height // self.tile_height)

    def met(self, left: int, top: int, width: int, height: int) -> list[int]:
        """The numbers of the tiles that a window meets, row by row."""
        rows = range(max(0, top // self.tile_height), min(self.down, -(-(top + height) // self.tile_height)))
        columns = range(max(0, left // self.tile_width), min(self.across, -(-(left + width) // self.tile_width)))
        return [row * self.across + column for row in rows for column in columns]

    def inside(self, number: int) -> tuple[int, int]:
        """Width and height of the part of a tile that lies in the level."""
        row, column = divmod(number, self.across)
        left, top = column * self.tile_width, row * self.tile_height
        return min(self.tile_width, self.width - left), min(self.tile_height, self.height - top)


Decode = Callable[[int, int], Pixels]
"""The pixels of one tile, given its level and number, as (h, w, 3)."""


class TileCache:
    """The last decoded tiles of a slide with these levels, at most `CACHE_BYTES` of them."""

    def __init__(self, cuts: Mapping[int, Cut]) -> None:
        self._cuts = cuts
        self._decoded: OrderedDict[tuple[int, int], Pixels] = OrderedDict()

    def window(
        self, decode: Decode, level: int, left: int, top: int, size: tuple[int, int], background: tuple[int, int, int]
    ) -> Pixels:
        """Pixels of a level, ``size`` wide and high, as (h, w, 3), with the background around it.

        Raises what ``decode`` raises.
        """
        width, height = size
        cut = self._cuts[level]
        region = np.empty((height, width, 3), np.uint8)
        if left < 0 or top < 0 or left + width > cut.width or top + height > cut.height:
            region[:] = background
        for number in cut.met(left, top, width, height):
            tile = self._tile(decode, level, number)
            row, column = divmod(number, cut.across)
            y, x = row * cut.tile_height - top, column * cut.tile_width - left
            inside = tile[max(0, -y) : height - y, max(0, -x) : width - x]
            region[max(0, y) :, max(0, x) :][: inside.shape[0], : inside.shape[1]] = inside
        return region

    def _tile(self, decode: Decode, level: int, number: int) -> Pixels:
        """One tile, without what lies beyond the level."""
        key = level, number
        if key not in self._decoded:
            across, down = self._cuts[level].inside(number)
            self._decoded[key] = decode(level, number)[:down, :across]
            most = max(4, CACHE_BYTES // (self._cuts[level].tile_height * self._cuts[level].tile_width * 3))
            while len(self._decoded) > most:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(key)
        return self._decoded[key]
