"""TileStore: the pixels of a slide's tissue tiles, sharded and compressed.

    tiles.zarr/
      row, column, location, size, tissue_fraction     the index (see sharded.py)
      state     (n,)            uint8    pending, done, unreadable
      reason    (n, 240)        uint8    why a tile could not be read, UTF-8
      pixels    (n, s, s, 3)    uint8    a chunk per tile, `SHARD_TILES` tiles per shard file

A tile that could not be read is background-coloured here, and its state says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec

from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.layout import Column
from wsi_haloae.stores.sharded import ShardedStore, TileIndex
from wsi_haloae.stores.store_header import StoreHeader

STORE_NAME = "tiles.zarr"
CODEC = BloscCodec(cname="zstd", clevel=1, shuffle=BloscShuffle.noshuffle)


class TileStore(ShardedStore):
    """Tiles of one slide, on disk. Shards may be written from several threads."""

    kind: ClassVar[str] = "wsi-haloae tile store"
    format_version: ClassVar[int] = 3
    header_type: ClassVar[type[StoreHeader]] = StoreHeader
    large: ClassVar[frozenset[str]] = frozenset({"pixels"})

    @classmethod
    def create(cls, path: Path, header: StoreHeader, index: TileIndex) -> TileStore:
        """A new store with every tile pending. Nothing may exist at ``path``."""
        size = header.grid.tile_size
        with cls._making(path, header, index) as group:
            group.create_array(
                "pixels",
                shape=(len(index), size, size, 3),
                chunks=(1, size, size, 3),
                shards=(SHARD_TILES, size, size, 3),
                dtype=np.uint8,
                compressors=(CODEC, Crc32cCodec()),
            )
        return cls.open(path)

    def columns(self) -> dict[str, Column]:
        """The columns of the index, and the pixels."""
        size = self.header.grid.tile_size
        return {**super().columns(), "pixels": Column(np.uint8, (size, size, 3))}

    @property
    def tile_size(self) -> int:
        """Side of a tile in pixels."""
        return self.header.grid.tile_size

    def write_shard(
        self, shard: int, pixels: NDArray[np.uint8], states: NDArray[np.uint8], reasons: Sequence[str] = ()
    ) -> None:
        """Write one shard: its pixels (k, s, s, 3), the reasons for unreadable tiles ("" for others), its states."""
        self._write_shard(shard, {"pixels": pixels}, states, reasons)

    def read_shard(self, shard: int) -> NDArray[np.uint8]:
        """One shard's pixels, (k, s, s, 3)."""
        return self.read("pixels", self.shard_slice(shard))

    def read_tile(self, number: int) -> NDArray[np.uint8]:
        """One tile's pixels, (s, s, 3)."""
        return self.read("pixels", number)
