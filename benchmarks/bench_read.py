"""Reading tiles, compared with plain OpenSlide reads of the same tiles with the same number of threads.

Four ways: the same reads by the reader that `open_slide` takes; read ahead of a model that takes no time; into a tile
store in its usual form (lossless zstd); and into one with the fastest codec. On a synthetic slide, or on your own:
`python benchmarks/bench_read.py SLIDE --mpp 0.5`. On a busy machine, `-n 1 --processor` leaves out the time of others.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import click
import numpy as np
from machine import print_row, seconds_in_turn
from zarr.codecs import BloscCodec, BloscShuffle

from wsi_haloae.config import TissueConfig
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.openslide_slide import open_with_openslide
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores import tile_store
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.reading import SlideTiles, read_ahead
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings

TILE, SIDE = 256, 8192
FASTEST = BloscCodec(cname="lz4", clevel=1, shuffle=BloscShuffle.noshuffle)


@click.command()
@click.argument("slide", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--mpp", type=float, help="Pixel size in micrometres, if the slide's file has none.")
@click.option("--most", default=2048, show_default=True, help="How many tiles to read, from the middle of the slide.")
@click.option("-n", "--workers", default=2, show_default=True, help="Number of threads, for both.")
@click.option("--processor", is_flag=True, help="Count the processor's time, not the clock's.")
def main(slide: Path | None, mpp: float | None, most: int, workers: int, processor: bool) -> None:
    """Print one row for each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if slide is None:
            slide = folder / "slide.tif"
            write_synthetic_slide(slide, width=SIDE, height=SIDE, seed=0)
        opener, plain = partial(open_slide, slide, mpp=mpp), partial(open_with_openslide, slide, mpp=mpp)
        reader = opener().properties.reader
        tiling, index = tiles_of(opener(), most)

        def regions(opener: Callable[[], Slide]) -> None:
            with ThreadHandles(opener) as handles, ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(lambda at: handles.get().read_region(*at, 0, TILE, TILE), index.location.tolist()):
                    pass

        def new_store() -> TileStore:
            shutil.rmtree(folder / "tiles.zarr", ignore_errors=True)
            return TileStore.create(folder / "tiles.zarr", tiling.header(), index)

        def stream() -> None:
            store = new_store()
            with (
                ThreadHandles(opener) as handles,
                read_ahead(SlideTiles(store, handles).read_shard, range(store.shards), workers) as shards,
            ):
                for _ in shards:
                    pass

        def fill() -> None:
            with ThreadHandles(opener) as handles:
                fill_tile_store(new_store(), handles, workers=workers, reporter=Reporter(quiet=True))

        def row(name: str, ours: Callable[[], None]) -> None:
            clock = time.process_time if processor else time.perf_counter
            took, reference = seconds_in_turn(ours, partial(regions, plain), runs=3, clock=clock)
            tiles, ratio = len(index), reference / took
            figures = {"tiles_per_second": tiles / took, "reference": tiles / reference, "ratio": ratio}
            print_row(name, slide=slide.name, reader=reader, tiles=tiles, workers=workers, **figures)

        row("read regions", partial(regions, opener))
        row("read to the model", stream)
        row("read into the store", fill)
        usual, tile_store.CODEC = tile_store.CODEC, FASTEST
        try:
            row("read into the store, fastest codec", fill)
        finally:
            tile_store.CODEC = usual


def tiles_of(slide: Slide, most: int, mpp: float | None = None) -> tuple[Tiling, TileIndex]:
    """Tiles from the middle of a slide, at ``mpp`` or as it is, whether or not there is tissue."""
    tiling = Tiling.of(slide.properties, TilingSettings(mpp, TILE), TissueConfig())
    slide.close()
    rows, columns = tiling.grid.all_indices()
    first = max(0, (len(rows) - most) // 2)
    rows, columns = rows[first : first + most], columns[first : first + most]
    locations, sizes = tiling.grid.locations(rows, columns), tiling.grid.clipped_sizes(rows, columns)
    return tiling, TileIndex(rows, columns, locations, sizes, np.ones(len(rows), np.float32))


if __name__ == "__main__":
    main()
