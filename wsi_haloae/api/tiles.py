"""The tiles of a slide: their positions and pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.tiles.tiling import Tiling
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.workspace.slide_inputs import SlideInput


@dataclass(frozen=True, repr=False)
class Tiles:
    """Tiles of a slide in reading order. Indexing and iterating read their pixels, (s, s, 3) uint8 each.

    `WholeSlide.tile` makes them.

    Attributes
    ----------
    source
        The slide's path, name and pixel size.
    tiling
        The grid, and how tiles are read from the slide.
    index
        Position, size and tissue fraction of each tile.
    tissue
        The tissue mask that the tiles were chosen by.

    """

    source: SlideInput
    tiling: Tiling
    index: TileIndex
    tissue: TissueMask

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """Read one tile.

        Parameters
        ----------
        number
            Number of the tile in reading order; negative numbers count from the end.

        Returns
        -------
        numpy.ndarray
            (s, s, 3) uint8, RGB.

        Raises
        ------
        IndexError
            If there is no tile of this number.
        RegionReadError
            If the file is damaged at this tile.

        """
        return next(self._read([range(len(self))[number]]))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self._read(range(len(self)))

    def table(self) -> pd.DataFrame:
        """The positions of all tiles; no pixel is read.

        Returns
        -------
        pandas.DataFrame
            One row per tile: x, y, width, height (pixels of level 0), row, column (place in the grid, from 0) and
            tissue_fraction (0 to 1).

        """
        index = self.index
        columns = dict(zip(("x", "y"), index.location.T, strict=True))
        columns |= dict(zip(("width", "height"), index.size.T, strict=True))
        return pd.DataFrame(
            {**columns, "row": index.row, "column": index.column, "tissue_fraction": index.tissue_fraction}
        )

    def _read(self, numbers: range | list[int]) -> Iterator[NDArray[np.uint8]]:
        with closing(self.source.open()) as slide:
            for number in numbers:
                l0_x, l0_y = self.index.location[number].tolist()
                yield self.tiling.plan.read(slide, l0_x, l0_y, self.tiling.grid.tile_size)

    def __repr__(self) -> str:
        plan, grid = self.tiling.plan, self.tiling.grid
        return (
            f"<Tiles of {self.tiling.properties.name}: {len(self):,} of {grid.rows * grid.columns:,}, "
            f"{grid.tile_size} pixels at {plan.mpp_x:.4g} µm>"
        )
