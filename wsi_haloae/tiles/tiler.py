"""Tiler: reads tiles shard by shard, in parallel, into a TileStore.

A worker thread takes a whole shard, reads it with its own slide handle and writes it; OpenSlide,
the resampler and the codec all release the interpreter's lock. At most one shard per worker is in
memory, whatever the size of the slide.
"""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.atomic import refuse_link
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.chosen import ChosenTiles
from wsi_haloae.tiles.reading import SlideTiles, read_ahead
from wsi_haloae.workspace.slide_inputs import SlideInput


def fill_tile_store(store: TileStore, handles: ThreadHandles, *, workers: int, reporter: Reporter) -> None:
    """Read every pending shard into the store. A tile that cannot be read is recorded, and reading continues."""
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
    store.assemble()


def fill_tiles(
    source: SlideInput, path: Path, header: StoreHeader, chosen: ChosenTiles, workers: int, reporter: Reporter
) -> TileStore:
    """The slide's tiles in a store at ``path``. Continues the store of an earlier run, if there is one."""
    refuse_link(path)
    if path.exists():
        store = TileStore.open(path)
        store.require_same(header, chosen.index)
        store.take_up(reporter)
    else:
        store = TileStore.create(path, header, chosen.index)
    with ThreadHandles(source.open) as handles:
        fill_tile_store(store, handles, workers=workers, reporter=reporter)
    return store


def unreadable_tiles(store: TileStore) -> int:
    """Number of tiles that could not be read."""
    return int((store.states() == TileState.UNREADABLE).sum())
