"""Tiler: reads tiles shard by shard, in parallel, into a TileStore.

A worker thread takes a whole shard, reads it with its own slide handle and writes it; OpenSlide,
the resampler and the codec all release the interpreter's lock. At most one shard per worker is in
memory, whatever the size of the slide.
"""

from __future__ import annotations

from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handles import SlideHandles
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.reading import SlideTiles, read_ahead


def fill_tile_store(store: TileStore, handles: SlideHandles, *, workers: int, reporter: Reporter) -> None:
    """Read every pending shard. A tile that cannot be read is recorded, and the rest goes on."""
    tiles = SlideTiles(store, handles)

    def copy(shard: int) -> tuple[str, ...]:
        read = tiles.read_shard(shard)
        store.write_shard(shard, read.pixels, read.states, read.reasons)
        return read.reasons

    pending = store.pending_shards()
    label = f"Tiling {store.header.slide.name}"
    with (
        reporter.track(label, len(store), "tiles", done=len(store) - store.count_tiles(pending)) as advance,
        read_ahead(copy, pending, workers) as copied,
    ):
        for reasons in copied:
            advance(len(reasons))
            for reason in filter(None, reasons):
                reporter.warn(reason)
