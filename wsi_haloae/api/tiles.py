"""The tiles of a slide: where they lie, and their pixels."""

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
    """Tiles in reading order; iterating reads them one by one, (s, s, 3) uint8 each."""

    source: SlideInput
    tiling: Tiling
    index: TileIndex
    tissue: TissueMask

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """Pixels of one tile, (s, s, 3) RGB; `RegionReadError` where the file is damaged."""
        return next(self._read([range(len(self))[number]]))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self._read(range(len(self)))

    def table(self) -> pd.DataFrame:
        """A row per tile: x, y, width, height (pixels of level 0), row, column, tissue_fraction."""
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
