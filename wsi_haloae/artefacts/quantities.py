"""TileQuantities: all that is measured on a tile to tell artefacts, in one pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.artefacts.focus import focus
from wsi_haloae.artefacts.fold import fold_ratio
from wsi_haloae.artefacts.glass import glass_share
from wsi_haloae.artefacts.ink import ink_share
from wsi_haloae.config import GLASS_LEVEL


class TileQuantities(NamedTuple):
    """One tile's quantities; the module of each says how it is measured."""

    focus: float  # share of local contrast in fine detail, 0..1
    ink_share: float  # 0..1
    fold_ratio: float  # density of the darkest band over the tissue's, >= 0
    glass_share: float  # 0..1


def measure(tile: NDArray[np.uint8], glass_level: float | None = GLASS_LEVEL) -> TileQuantities:
    """Quantities of a uint8 RGB tile (s, s, 3), s a multiple of 8; never NaN. Raises `ValueError` for any other array.

    Widths are in pixels: hold a tile's quantities only against limits from tiles of the same pixel size.
    ``glass_level`` is the configuration's ``scoring.glass_level``, None where there is no glass.
    """
    density = TileDensity.of(tile, glass_level)
    return TileQuantities(focus(density), ink_share(density), fold_ratio(density), glass_share(density))


def measure_all(tiles: NDArray[np.uint8], glass_level: float | None = GLASS_LEVEL) -> NDArray[np.float32]:
    """`measure` of tiles (n, s, s, 3): (n, 4), columns in the order of `TileQuantities`."""
    rows = [measure(tile, glass_level) for tile in tiles]
    return np.array(rows, np.float32).reshape(-1, len(TileQuantities._fields))
