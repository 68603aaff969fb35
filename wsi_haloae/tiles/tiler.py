"""Tiler: reads tiles shard by shard, in parallel, into a TileStore.

A worker thread takes a whole shard, reads it with its own slide handle and writes it; OpenSlide,
the resampler and the codec all release the interpreter's lock. At most one shard per worker is in
memory, whatever the size of the slide.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import RegionReadError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handles import SlideHandles
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.plan import ReadPlan


def fill_tile_store(
    store: TileStore, plan: ReadPlan, handles: SlideHandles, *, workers: int, reporter: Reporter
) -> None:
    """Read every pending shard. A tile that cannot be read is recorded, and the rest goes on."""
    pending = store.pending_shards()
    todo = sum(len(store.index.row[store.shard_slice(shard)]) for shard in pending)
    label = f"Tiling {store.header.slide.name}"
    with (
        reporter.track(label, len(store), "tiles", done=len(store) - todo) as advance,
        ThreadPoolExecutor(workers) as pool,
    ):
        jobs = [pool.submit(_read_shard, store, plan, handles, shard) for shard in pending]
        try:
            for job in as_completed(jobs):
                tiles, reasons = job.result()
                advance(tiles)
                for reason in reasons:
                    reporter.warn(reason)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # running shards end, waiting ones never start
            raise


def _read_shard(store: TileStore, plan: ReadPlan, handles: SlideHandles, shard: int) -> tuple[int, list[str]]:
    locations = store.index.location[store.shard_slice(shard)]
    size = store.tile_size
    pixels: NDArray[np.uint8] = np.empty((len(locations), size, size, 3), dtype=np.uint8)
    states = np.full(len(locations), TileState.DONE, dtype=np.uint8)
    reasons = []
    slide = handles.get()
    for number, (l0_x, l0_y) in enumerate(locations.tolist()):
        try:
            pixels[number] = plan.read(slide, l0_x, l0_y, size)
        except RegionReadError as error:
            pixels[number] = store.header.slide.background
            states[number] = TileState.UNREADABLE
            reasons.append(str(error))
    store.write_shard(shard, pixels, states)
    return len(locations), reasons
