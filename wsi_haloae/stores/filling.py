"""A store while it is being filled: each finished shard is one file, and at the end each column is.

    shards/000012.bin     magic, number of the shard, key of the store
                          the rows of every column, little-endian, in the order of the columns' names
                          size and CRC-32 of the shard's file in each large array
                          CRC-32C of all that

The file appears by a rename, after which the shard counts as done. A large array (pixels, anomaly maps) has one file
per shard anyway, in its final form: that file is written first, and it counts only if the shard's file names it.

`assembled` streams the shards' rows into one file per column. They count once the store's seal names them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numpy.typing import NDArray

from wsi_haloae.atomic import commit, remove, sync, sync_tree
from wsi_haloae.stores.column_file import ColumnFile
from wsi_haloae.stores.seal import Piece
from wsi_haloae.stores.sealed_store import open_sealed

SHARDS_NAME = "shards"
SHARD_TILES = 64
"""Tiles per shard: 12 MiB of 256-pixel tiles, the most work that a crash repeats per worker."""
_MAGIC = b"WSIHALO1"
_HEAD, _PIECE, _CRC = struct.Struct("<8sQ32s"), struct.Struct("<QI"), struct.Struct("<I")
Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Filling:
    """The shards of the store at ``path``, which has ``length`` tiles and the digest ``key``.

    ``columns`` are kept in the shards' files, ``large`` arrays have files of their own.
    """

    path: Path
    key: bytes
    length: int
    columns: Mapping[str, zarr.Array[Any]]
    large: Mapping[str, zarr.Array[Any]]

    def write(self, shard: int, rows: Mapping[str, NDArray[Any]]) -> None:
        """Write a shard, all its rows at once."""
        pieces = [self._write_large(name, shard, rows[name]) for name in self.large]
        head = _HEAD.pack(_MAGIC, shard, self.key)
        body = [self._fitted(name, shard, rows[name]).tobytes() for name in self._names]
        content = b"".join([head, *body, *(_PIECE.pack(*piece) for piece in pieces)])
        commit(self._file(shard), [content, _CRC.pack(google_crc32c.value(content))])

    def pending(self) -> list[int]:
        """Shards without a file of the right size, in order. Whether its bytes are right is checked when it is read."""
        return [shard for shard in range(_shards(self.length)) if _size(self._file(shard)) != self._bytes(shard)]

    def read(self, name: str, place: slice | int) -> NDArray[Any]:
        """Part of a column or large array; the fill value where a shard is pending. `ValueError` for a damaged one."""
        numbers = range(self.length)[place]
        touched = [numbers] if isinstance(numbers, int) else numbers
        found = {n: content for n in sorted({n // SHARD_TILES for n in touched}) if (content := self._content(n))}
        if name in self.large:
            pieces = {self._key_of(name, shard): content[1][name] for shard, content in found.items()}
            group, _ = open_sealed(self.path, more={key: piece for key, piece in pieces.items() if piece.size})
            return np.asarray(group[name][place])  # type: ignore[index]
        column = self.columns[name]
        whole: NDArray[Any] = np.full(column.shape, column.fill_value, column.dtype)
        for shard, (rows, _) in found.items():
            whole[self._place(shard)] = rows[name]
        return whole[place]

    def discard_damaged(self) -> list[str]:
        """Remove the files of shards that are not as they were written, so that these are pending, and return why."""
        damage = self.damage()
        for shard in damage:
            self._file(shard).unlink(missing_ok=True)
        return list(damage.values())

    def damage(self) -> dict[int, str]:
        """What is wrong with which shards. Of a large array's file only the size is looked at."""
        damage = {}
        for shard in range(_shards(self.length)):
            try:
                found = self._content(shard)
                for name, piece in found[1].items() if found else ():
                    if piece.size:
                        key = self._key_of(name, shard)
                        piece.require_size(key, _size(self.path / key))
            except ValueError as error:
                damage[shard] = str(error)
        return damage

    def assembled(self) -> dict[str, Piece]:
        """Write one file per column from the shards, a shard at a time. Returns all files of the filled arrays."""
        pieces: dict[str, Piece] = {}
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(ColumnFile(self.path, name, column))
                for name, column in self.columns.items()
                if self.length
            }
            for shard in range(_shards(self.length)):
                found = self._content(shard)
                if found is None:
                    raise ValueError(f"{self._name(shard)} is missing")
                for name, file in files.items():
                    file.append(found[0][name])
                pieces |= {self._key_of(name, shard): piece for name, piece in found[1].items() if piece.size}
            pieces |= {file.key: file.finish() for file in files.values()}
        for name in self.columns:
            sync_tree(self.path / name)
        sync(self.path)
        return pieces

    def clear(self) -> None:
        """Remove the shards' files, once the columns' files count."""
        remove(self.path / SHARDS_NAME)

    @property
    def _names(self) -> list[str]:
        return sorted(self.columns)

    def _content(self, shard: int) -> tuple[Rows, dict[str, Piece]] | None:
        """A shard's rows and its pieces of large arrays; None if it is pending."""
        try:
            content = self._file(shard).read_bytes()
        except FileNotFoundError:
            return None
        body, crc = content[: -_CRC.size], content[-_CRC.size :]
        if len(content) != self._bytes(shard) or _CRC.pack(google_crc32c.value(body)) != crc:
            raise ValueError(f"{self._name(shard)} is not what was written there")
        if body[: _HEAD.size] != _HEAD.pack(_MAGIC, shard, self.key):
            raise ValueError(f"{self._name(shard)} is that of another shard or store")
        rows, start = {}, _HEAD.size
        for name in self._names:
            shape, dtype = self._shape(name, shard), self.columns[name].dtype.newbyteorder("<")
            rows[name] = np.frombuffer(body, dtype, math.prod(shape), start).reshape(shape)
            start += rows[name].nbytes
        return rows, {n: Piece(*piece) for n, piece in zip(self.large, _PIECE.iter_unpack(body[start:]), strict=True)}

    def _write_large(self, name: str, shard: int, values: NDArray[Any]) -> Piece:
        key = self._key_of(name, shard)
        path = self.path / key
        path.unlink(missing_ok=True)  # zarr would read a damaged one before it writes
        self._writable[name][self._place(shard)] = values  # type: ignore[index]
        if not path.exists():  # all fill value
            return Piece(0, 0)
        for each in (path, *list(path.parents)[: key.count("/")]):
            sync(each)
        return Piece.of(path.read_bytes())

    @cached_property
    def _writable(self) -> zarr.Group:
        return zarr.open_group(self.path, mode="r+", zarr_format=3)

    def _fitted(self, name: str, shard: int, values: NDArray[Any]) -> NDArray[Any]:
        """Rows as wide as the column: a store that was begun by another version may know fewer flags, or more."""
        column = self.columns[name]
        rows = np.full(self._shape(name, shard), column.fill_value, column.dtype.newbyteorder("<"))
        place = tuple(slice(min(sides)) for sides in zip(rows.shape, values.shape, strict=True))
        assert place[:1] == (slice(len(values)),), "a shard is written whole"
        rows[place] = values[place]
        return rows

    def _shape(self, name: str, shard: int) -> tuple[int, ...]:
        place = self._place(shard)
        return (place.stop - place.start, *self.columns[name].shape[1:])

    def _bytes(self, shard: int) -> int:
        """Size of a shard's file, which follows from the columns."""
        place = self._place(shard)
        rows: int = (place.stop - place.start) * self._row_bytes
        return _HEAD.size + rows + len(self.large) * _PIECE.size + _CRC.size

    @cached_property
    def _row_bytes(self) -> int:
        size: int = sum(math.prod(column.shape[1:]) * column.dtype.itemsize for column in self.columns.values())
        return size

    def _place(self, shard: int) -> slice:
        return slice(shard * SHARD_TILES, min((shard + 1) * SHARD_TILES, self.length))

    def _name(self, shard: int) -> str:
        return f"{SHARDS_NAME}/{shard:06d}.bin"

    def _file(self, shard: int) -> Path:
        return self.path / self._name(shard)

    def _key_of(self, name: str, shard: int) -> str:
        """Where zarr keeps a shard of an array: pixels/c/12/0/0/0."""
        return f"{name}/c/{shard}" + "/0" * (self.large[name].ndim - 1)


def _shards(length: int) -> int:
    return -(-length // SHARD_TILES)


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None
