"""Stores from elsewhere: what their metadata may ask for, and what their chunks may unpack to.

A chunk of 98 kB can unpack to any size, and a document of a few lines can describe arrays that fill the memory. Both
are compared with the table in `bounds` before zarr allocates anything.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.registry import register_codec

from wsi_haloae.bounds.table import STORE_CHUNK_BYTES, STORE_DOCUMENT_BYTES, STORE_LENGTH
from wsi_haloae.errors import StoreError

CODECS = frozenset({"bytes", "gzip", "zstd", "blosc", "crc32c", "sharding_indexed", "transpose"})
"""Codecs of the stores of this package. Others may unpack to any size."""
WIDEST = 16
"""Bytes of one value of a type that has no number in its name."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_SLACK = 64
"""Bytes that other codecs may have added to a chunk, such as a checksum."""


def require_modest(store: Path) -> None:
    """Raise `StoreError` if a zarr.json in a store is large, or describes chunks or arrays beyond the table."""
    for depth in ("", "*/", "*/*/"):
        for path in store.glob(f"{depth}zarr.json"):
            _require_modest_document(path)


def _require_modest_document(path: Path) -> None:
    STORE_DOCUMENT_BYTES.require(path.stat().st_size, path, StoreError)
    try:
        document = json.loads(path.read_bytes())
        if document["node_type"] != "array":
            return
        length = max(_sides(document["shape"]), default=0)
        chunk = math.prod(_sides(document["chunk_grid"]["configuration"]["chunk_shape"])) * _width(
            document["data_type"]
        )
        codecs = sorted(set(_codecs(document["codecs"])) - CODECS)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # zarr says what is wrong with it
        return
    STORE_LENGTH.require(length, path, StoreError)
    STORE_CHUNK_BYTES.require(chunk, path, StoreError)
    if codecs:
        raise StoreError(
            f"{path}: its chunks are packed by {', '.join(codecs)}, but stores of wsi-haloae use only "
            f"{', '.join(sorted(CODECS))}. Make the store again: --overwrite."
        )


def _sides(shape: Any) -> list[int]:
    """A shape, if it is one. Raises `ValueError`."""
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("not a shape")
    return shape


def _width(data_type: Any) -> int:
    """Bytes of one value, from a name such as float32."""
    bits = re.search("[0-9]+$", data_type) if isinstance(data_type, str) else None
    return -(-int(bits[0]) // 8) if bits else WIDEST


def _codecs(listed: list[Mapping[str, Any]]) -> Iterator[str]:
    """The names of the codecs, also of those inside shards."""
    for codec in listed:
        yield codec["name"]
        for inner in ("codecs", "index_codecs"):
            yield from _codecs(codec.get("configuration", {}).get(inner, []))


class ModestZstd(ZstdCodec):
    """zarr's zstd for chunks that unpack to what their array says."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        _require_stated(_stated_by_zstd(chunk_bytes.to_bytes()), chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


class ModestBlosc(BloscCodec):
    """zarr's blosc for chunks that unpack to what their array says."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        _require_stated(int.from_bytes(chunk_bytes.to_bytes()[4:8], "little"), chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


class ModestGzip(GzipCodec):
    """zarr's gzip for chunks that unpack to what their array says. The format states no size, so unpacking stops."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        unpacker, most = zlib.decompressobj(wbits=31), _expected(chunk_spec) + _SLACK  # 31: with gzip's header
        unpacked = unpacker.decompress(chunk_bytes.to_bytes(), most + 1)
        _require_stated(len(unpacked), chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(unpacked)


def _expected(chunk: ArraySpec) -> int:
    """Bytes of a chunk that is not packed.

    Texts have no fixed size. No store of ours has any, but other programs' files, read in the same process, do.
    """
    size = getattr(chunk.dtype, "item_size", None)
    return STORE_CHUNK_BYTES.most if size is None else math.prod(chunk.shape) * int(size)


def _require_stated(stated: int | None, chunk: ArraySpec) -> None:
    """Raise `ValueError` for a chunk that states another size than its array has chunks of, or none."""
    expected = _expected(chunk)
    if stated is None or stated > expected + _SLACK:
        raise ValueError(f"a chunk of {expected:,} bytes would unpack to {'any size' if stated is None else stated}")


def _stated_by_zstd(packed: bytes) -> int | None:
    """The size that a zstd frame states (RFC 8878, 3.1.1.1); None if it states none."""
    if not packed.startswith(_ZSTD) or len(packed) < 5:
        return None
    flags = packed[4]
    single = flags >> 5 & 1
    width = (single, 2, 4, 8)[flags >> 6]
    at = 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
    field = packed[at : at + width]
    return int.from_bytes(field, "little") + (256 if width == 2 else 0) if width and len(field) == width else None


for name, codec in (("gzip", ModestGzip), ("zstd", ModestZstd), ("blosc", ModestBlosc)):
    register_codec(name, codec)
    zarr.config.set({f"codecs.{name}": f"{codec.__module__}.{codec.__qualname__}"})
