"""Synthetic anomalies: reference tiles with a changed structure, for when there are no labelled anomalies.

Their colours stay the same, so staining decides nothing. A method that cannot tell them from unchanged tiles is
unlikely to find subtler changes; a method that can is not thereby proven to find disease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Tile = NDArray[np.uint8]
BLOCKS = 8
"""Blocks per side that are shuffled: of 32 pixels each in a tile of 256."""


def shuffle_blocks(tile: Tile, random: np.random.Generator) -> Tile:
    """Shuffle the 8 x 8 blocks of a tile (s, s, 3): the architecture is lost, cells remain."""
    side = tile.shape[0] // BLOCKS
    kept = side * BLOCKS
    blocks = tile[:kept, :kept].reshape(BLOCKS, side, BLOCKS, side, 3).swapaxes(1, 2)  # (8, 8, side, side, 3)
    mixed = blocks.reshape(BLOCKS**2, side, side, 3)[random.permutation(BLOCKS**2)]
    changed = tile.copy()
    changed[:kept, :kept] = mixed.reshape(BLOCKS, BLOCKS, side, side, 3).swapaxes(1, 2).reshape(kept, kept, 3)
    return changed


def magnify(tile: Tile, random: np.random.Generator) -> Tile:
    """Enlarge a random quarter of a tile (s, s, 3) to twice its size: nuclei of double diameter."""
    side = tile.shape[0]
    top, left = random.integers(0, side - side // 2 + 1, size=2)
    part = Image.fromarray(tile[top : top + side // 2, left : left + side // 2])
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def crowd(tile: Tile, random: np.random.Generator) -> Tile:
    """Shrink a tile (s, s, 3) to half its size and mirror it to fill it: nuclei half as wide, four times as many."""
    side = tile.shape[0]
    half = np.asarray(Image.fromarray(tile).resize((side - side // 2, side - side // 2), Image.Resampling.BICUBIC))
    quarters = np.concatenate([half, half[:, ::-1]], axis=1)
    whole = np.concatenate([quarters, quarters[::-1]], axis=0)
    shifts = random.integers(0, whole.shape[0], size=2).tolist()  # mirrored halves meet without a seam
    return np.roll(whole, shifts, axis=(0, 1))[:side, :side]


SYNTHETIC_ANOMALIES: Mapping[str, Callable[[Tile, np.random.Generator], Tile]] = {
    "shuffled blocks": shuffle_blocks,
    "magnified": magnify,
    "crowded": crowd,
}
