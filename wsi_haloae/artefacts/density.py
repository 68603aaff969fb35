"""TileDensity: the optical density of a tile, computed once for all quality-control measures.

Optical density is -log10 of the transmitted share of light (Beer and Lambert), against pure white: it adds up over
layers of tissue and is proportional to the stain, and a brighter lamp only shifts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import GLASS_LEVEL
from wsi_haloae.tissue.pen import has_ink_colour, lacks_detail

CELL = 8
"""Side of a cell in pixels: at 0.25 to 0.5 um a pixel a cell is smaller than a nucleus or about as large."""
FINE = 2
"""Side of a fine pixel in pixels of the tile. Single pixels are affected by noise, compression and resizing."""

NEIGHBOURS = 4
"""Of a cell and the 8 around it, so many must be smooth and of ink's colour: cells on the rim of a stroke count."""

_Number = TypeVar("_Number", np.float32, np.uint16)

_OF_LEVEL = np.log10(255 / np.maximum(np.arange(256), 1)).astype(np.float32)  # (256,)


@dataclass(frozen=True, eq=False)
class TileDensity:
    """Optical density of a tile of side s in m = s / `CELL` cells a side, and which cells are tissue."""

    fine: NDArray[np.float32]  # (s / 2, s / 2): mean of the channels
    cells: NDArray[np.float32]  # (m, m, 3): mean over each cell
    smooth: NDArray[np.bool_]  # (m, m): cells without any detail
    tissue: NDArray[np.bool_]  # (m, m)

    @cached_property
    def ink(self) -> NDArray[np.bool_]:
        """Which cells are marker ink, by the colour and smoothness that the tissue mask uses on thumbnails: (m, m)."""
        ink = has_ink_colour(self.cells)
        if not ink.any():  # nearly all tiles
            return ink
        around = np.lib.stride_tricks.sliding_window_view(np.pad(ink & self.smooth, 1, mode="edge"), (3, 3))
        return np.asarray(ink & (around.sum(axis=(2, 3)) >= NEIGHBOURS))

    @classmethod
    def of(cls, tile: NDArray[np.uint8], glass_level: float | None = GLASS_LEVEL) -> TileDensity:
        """A tile (s, s, 3), s a multiple of `CELL`. Raises `ValueError` for any other array.

        A cell is glass when its darkest channel, averaged over the cell, is at least ``glass_level`` of full light, as
        in `model.preprocessing.tissue_cells`. None: there is no glass.
        """
        side = tile.shape[0]
        if tile.shape != (side, side, 3) or tile.dtype != np.uint8 or not side or side % CELL:
            raise ValueError(
                f"a tile must be (s, s, 3) uint8 with s a multiple of {CELL}, not {tile.shape} {tile.dtype}"
            )
        fine = _block_sums(np.take(_OF_LEVEL, tile), FINE) / np.float32(FINE**2)  # (s/2, s/2, 3)
        grey, per_cell = (fine[..., 0] + fine[..., 1] + fine[..., 2]) / np.float32(3), CELL // FINE
        mean, square = (_block_sums(values, per_cell) / np.float32(per_cell**2) for values in (grey, grey * grey))
        return cls(
            fine=grey,
            cells=_block_sums(fine, per_cell) / np.float32(per_cell**2),
            smooth=lacks_detail(mean, square - mean * mean),
            tissue=_tissue(tile, glass_level),
        )


def glass_share(density: TileDensity) -> float:
    """Share of the tile's cells that are empty glass: 0..1, no unit."""
    return float(1 - density.tissue.mean())


def ink_share(density: TileDensity) -> float:
    """Share of the tile's cells that are black, blue, green or red ink: 0..1, no unit."""
    return float(density.ink.mean())


def _tissue(tile: NDArray[np.uint8], glass_level: float | None) -> NDArray[np.bool_]:
    if glass_level is None:
        return np.ones((tile.shape[0] // CELL, tile.shape[1] // CELL), np.bool_)
    light = _block_sums(tile.astype(np.uint16), CELL).min(axis=2)  # (m, m), of 255 * CELL^2
    return np.asarray(light < glass_level * 255 * CELL**2)


def _block_sums(values: NDArray[_Number], side: int) -> NDArray[_Number]:
    """Sums over squares of ``side``: (h, w, 3) -> (h / side, w / side, 3); the same without channels.

    Adds slices, which for squares this small is six times as fast as a sum over axes of a reshaped array.
    """
    rows = reduce(np.add, [values[offset::side] for offset in range(side)])  # (h / side, w, 3)
    return np.asarray(reduce(np.add, [rows[:, offset::side] for offset in range(side)]))
