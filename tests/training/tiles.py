"""Tiles in memory, as a source for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.model.tiny import TILE
from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.config import ProfileUse


class MemorySource:
    """``count`` tiles of stripes and noise; their groups are 0, 0, 1, 1, 2, 2, ..."""

    colour_profile: ProfileUse = "ignore"

    def __init__(self, count: int = 10, size: int = TILE, mpp: float = 0.5, name: str = "memory") -> None:
        random = np.random.default_rng(count)
        y, x = np.mgrid[:size, :size]
        waves = [128 + 90 * np.sin((x * np.cos(a) + y * np.sin(a)) / 3) for a in random.uniform(0, 3, count)]
        stack = np.stack(waves)[..., None] + random.normal(0, 8, (count, size, size, 3)) + [[[[20, -20, 0]]]]
        self.tiles: NDArray[np.uint8] = stack.clip(0, 255).astype(np.uint8)
        self.name, self.tile_size, self.mpp = name, size, mpp
        self.groups: Sequence[str] = [f"{name} {number // 2}" for number in range(count)]
        self.blocks: Sequence[str] = [f"{name} block {number}" for number in range(count)]
        self.positions = nowhere(count)
        self.seen: list[int] = []

    def digest(self) -> str:
        return hashlib.sha256(self.tiles.tobytes()).hexdigest()

    def read(self, number: int) -> NDArray[np.uint8]:
        self.seen.append(number)
        return self.tiles[number]
