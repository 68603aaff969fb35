"""Tiling into the Zarr store, against plain OpenSlide reads of the same tiles with the same number of threads."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from machine import print_row, seconds_in_turn

from wsi_haloae.config import TissueConfig
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handles import SlideHandles
from wsi_haloae.slide.openslide_slide import open_slide
from wsi_haloae.slide.synthetic import write_synthetic_slide
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings

WORKERS = 2


def main() -> None:
    """Every tile of a synthetic slide of 8192 x 8192 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        write_synthetic_slide(path, width=8192, height=8192, seed=0)
        slide = open_slide(path)
        tiling = Tiling.of(slide.properties, TilingSettings(None, 256), TissueConfig())
        rows, columns = tiling.grid.all_indices()
        locations = tiling.grid.locations(rows, columns)
        sizes = tiling.grid.clipped_sizes(rows, columns)
        index = TileIndex(rows, columns, locations, sizes, np.ones(len(rows), np.float32))

        def tile() -> None:
            shutil.rmtree(Path(folder) / "tiles.zarr", ignore_errors=True)
            store = TileStore.create(Path(folder) / "tiles.zarr", tiling.header(), index)
            with SlideHandles(lambda: open_slide(path)) as handles:
                fill_tile_store(store, handles, workers=WORKERS, reporter=Reporter(quiet=True))

        def read() -> None:
            with SlideHandles(lambda: open_slide(path)) as handles, ThreadPoolExecutor(WORKERS) as pool:
                for _ in pool.map(lambda at: handles.get().read_region(*at, 0, 256, 256), locations.tolist()):
                    pass

        ours, reference = seconds_in_turn(tile, read, runs=3)
        slide.close()
    tiles = len(index)
    print_row("read", tiles=tiles, tiles_per_second=tiles / ours, reference=tiles / reference, ratio=reference / ours)


if __name__ == "__main__":
    main()
