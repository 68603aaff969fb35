"""What zarr reads of a sealed folder: only what its seal names, and each file only if its bytes are those written.

A file is checked whenever it is read whole, as chunks and metadata are. Of a shard file with a chunk for each tile,
zarr reads parts: the whole file is checked at the first of them, and each chunk has a CRC-32C of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from wsi_haloae.stores.places import plain_store
from wsi_haloae.stores.seal import ROOT, Contents, Seal


class SealedStore(WrapperStore[Store]):
    """A read-only Zarr store over another one. Reading raises `ValueError` for a piece that was lost or has changed."""

    def __init__(self, store: Store, seal: Seal, name: str = "") -> None:
        super().__init__(store)
        self.seal, self._name = seal, name
        self._checked: set[str] = set()

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """A file, or a part of it; None for what does not belong to the store, even if it is there."""
        if key == ROOT:
            return prototype.buffer.from_bytes(self.seal.raw)
        piece = self.seal.contents.get(key)
        if piece is None:
            return None
        if byte_range is not None and key in self._checked:
            return await self._store.get(key, prototype, byte_range)
        whole = await self._store.get(key, prototype)
        piece.require(self._name + key, None if whole is None else whole.to_bytes())
        assert whole is not None
        self._checked.add(key)
        return whole if byte_range is None else whole[_place(byte_range, len(whole))]

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several of the same."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether the file belongs to the store."""
        return key == ROOT or key in self.seal.contents

    async def list(self) -> AsyncIterator[str]:
        """All files that belong to the store."""
        for key in (ROOT, *self.seal.contents):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Those whose path begins so."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys([key[len(start) :].split("/")[0] async for key in self.list_prefix(start)]):
            yield name


def open_sealed(path: Path, more: Contents | None = None, name: str = "") -> tuple[zarr.Group, SealedStore]:
    """The sealed group at a path or `places.place`. Raises `ValueError` if its ``zarr.json`` has changed.

    ``more``: files that belong to it, though the seal does not name them yet. ``name``: what the messages call it.
    """
    try:
        seal = Seal.read((path / ROOT).read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{name}{ROOT} is missing") from None
    except ValueError as error:
        raise ValueError(f"{name}{error}") from None
    store = SealedStore(plain_store(path), replace(seal, contents={**seal.contents, **(more or {})}), name)
    return zarr.open_group(store, mode="r", zarr_format=3), store


def _place(byte_range: ByteRequest, size: int) -> slice:
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, size)
    assert isinstance(byte_range, SuffixByteRequest)
    return slice(max(0, size - byte_range.suffix), size)
