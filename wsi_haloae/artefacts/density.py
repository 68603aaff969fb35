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
from wsi_haloae.tissue.ink import has_ink_colour, lacks_detail

CELL = 8
"""Side of a cell in pixels: at 0.25 to 0.5 um a pixel a cell is smaller than a nucleus or about as large."""
FINE = 2
"""Side of a fine pixel in pixels of the tile. Single pixels are affected by noise, compression and resizing."""

NEIGHBOURS = 4
"""Of a cell and the 8 around it, so many must be smooth and of ink's colour: cells on the rim of a stroke count."""

_Number = TypeVar("_Number", np.float32, np.uint16)

_OF_LEVEL = np.log10(255 / np.maximum(np.arange(256), 1)).astype(np.float32)  # (256,)
_TWO_BYTES = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
_OF_TWO = _OF_LEVEL[_TWO_BYTES].view(np.float64)[:, 0]  # (65536,): the densities of two bytes, in one look-up


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
        values = tile.reshape(side, -1)  # (s, 3 s)
        density = _OF_TWO.take(values.view(np.uint16)).view(np.float32)
        fine = _block_sums(density, FINE, channels=3) / np.float32(FINE**2)  # (3, s/2, s/2)
        grey, per_cell = (fine[0] + fine[1] + fine[2]) / np.float32(3), CELL // FINE
        planes = np.concatenate((fine, grey[None], np.square(grey)[None]))  # (5, s/2, s/2)
        sums = _block_sums(planes.reshape(-1, side // FINE), per_cell) / np.float32(per_cell**2)
        *cells, mean, square = sums.reshape(len(planes), side // CELL, side // CELL)
        return cls(
            fine=grey,
            cells=np.stack(cells, dtype=np.float32).transpose(1, 2, 0),
            smooth=lacks_detail(mean, square - mean * mean),
            tissue=_tissue(values, glass_level),
        )


def glass_share(density: TileDensity) -> float:
    """Share of the tile's cells that are empty glass: 0..1, no unit."""
    return float(1 - density.tissue.mean())


def ink_share(density: TileDensity) -> float:
    """Share of the tile's cells that are black, blue, green or red ink: 0..1, no unit."""
    return float(density.ink.mean())


def _tissue(values: NDArray[np.uint8], glass_level: float | None) -> NDArray[np.bool_]:
    cells = len(values) // CELL
    if glass_level is None:
        return np.ones((cells, cells), np.bool_)
    light = _block_sums(values.astype(np.uint16), CELL, channels=3).min(axis=0)  # (m, m), of 255 * CELL^2
    return np.asarray(light < glass_level * 255 * CELL**2)


def _block_sums(values: NDArray[_Number], side: int, channels: int = 1) -> NDArray[_Number]:
    """Sums over squares of ``side`` pixels: (h, w * channels) -> (channels, h / side, w / side).

    Adds rows and shifted rows. Only one in ``side`` of these sums is used, but whole rows are added many times as fast
    as every n-th value of a row.
    """
    rows = reduce(np.add, [values[offset::side] for offset in range(side)])  # (h / side, w * channels)
    width = rows.shape[1] - channels * (side - 1)
    sums = reduce(np.add, [rows[:, channels * offset :][:, :width] for offset in range(side)])
    return np.stack([sums[:, channel :: channels * side] for channel in range(channels)])
