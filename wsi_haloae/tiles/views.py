"""Tile sources made from another one: some of its tiles, or all of them changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.tiles.sources import TileSource

Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
"""Takes a tile (s, s, 3) and its number, returns a tile of the same shape. Must be deterministic."""


class Chosen:
    """Tiles ``numbers`` (n,) of a source, in that order."""

    def __init__(self, source: TileSource, numbers: NDArray[np.int64]) -> None:
        self._source, self._numbers = source, numbers
        self.name, self.tile_size, self.mpp = source.name, source.tile_size, source.mpp
        self.colour_profile = source.colour_profile
        groups, blocks = source.groups, source.blocks
        self.groups = [groups[number] for number in numbers]
        self.blocks = [blocks[number] for number in numbers]
        self.positions = source.positions[numbers]

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        return self._source.read(int(self._numbers[number]))

    def digest(self) -> str:
        """Hex digest of the source's digest and the chosen numbers."""
        return hashlib.sha256(self._source.digest().encode() + self._numbers.tobytes()).hexdigest()


class Changed:
    """A source whose tiles go through ``change``; ``label`` names it."""

    def __init__(self, source: TileSource, change: Change, label: str) -> None:
        self._source, self._change, self._label = source, change, label
        self.name, self.tile_size, self.mpp = f"{source.name} ({label})", source.tile_size, source.mpp
        self.colour_profile = source.colour_profile
        self.groups, self.blocks, self.positions = list(source.groups), list(source.blocks), source.positions

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        return self._change(self._source.read(number), number)

    def digest(self) -> str:
        """Hex digest of the source's digest and the label."""
        return hashlib.sha256(f"{self._source.digest()} {self._label}".encode()).hexdigest()
