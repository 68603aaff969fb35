"""A column of a store as one file, written a few rows at a time: no column need fit into memory.

It is the only chunk of a Zarr array whose codecs are bytes, gzip if the column is made of text, and crc32c.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Self

import google_crc32c
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, GzipCodec, ZstdCodec

from wsi_haloae.atomic import new_file
from wsi_haloae.stores.seal import Piece

_GZIP = 31
"""zlib's number for the format of gzip, with no time in it."""


def create_whole(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    """An array that is written at once, as one chunk."""
    chunks = tuple(max(1, side) for side in values.shape)
    group.create_array(name, data=values, chunks=chunks, compressors=(ZstdCodec(), Crc32cCodec()))


def create_column(
    group: zarr.Group,
    name: str,
    length: int,
    dtype: type,
    *,
    width: int | None = None,
    fill: float = 0,
    text: bool = False,
) -> None:
    """An array with one entry per tile, all of them in one chunk, which `ColumnFile` writes."""
    shape = (length,) if width is None else (length, width)
    group.create_array(
        name,
        shape=shape,
        chunks=(max(1, length), *shape[1:]),
        dtype=dtype,
        fill_value=fill,
        compressors=((GzipCodec(level=1),) if text else ()) + (Crc32cCodec(),),
    )


class ColumnFile:
    """The file of one column in the store at ``store``. A context manager, which closes the file."""

    def __init__(self, store: Path, name: str, column: zarr.Array[Any]) -> None:
        self.key = f"{name}/c" + "/0" * column.ndim
        self._stream = new_file(store / self.key)
        packed = any(isinstance(codec, GzipCodec) for codec in column.compressors)
        self._packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP) if packed else None
        self._size = self._crc32 = self._crc32c = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def append(self, rows: NDArray[Any]) -> None:
        """The next rows, little-endian."""
        data = np.ascontiguousarray(rows).tobytes()
        self._write(data if self._packer is None else self._packer.compress(data))

    def finish(self) -> Piece:
        """Write the end, and say what was written."""
        if self._packer is not None:
            self._write(self._packer.flush())
        self._write(self._crc32c.to_bytes(4, "little"))
        self._stream.close()
        return Piece(self._size, self._crc32)

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._size += len(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
