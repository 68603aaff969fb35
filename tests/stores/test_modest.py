"""Chunks that unpack to more than their array has room for are refused before they are unpacked."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import GzipCodec

import wsi_haloae.stores.modest  # noqa: F401  # its codecs replace zarr's


def test_a_gzip_chunk_gives_what_its_array_has_and_no_more(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(64,), chunks=(64,), dtype=np.uint8, compressors=GzipCodec())
    array[:] = np.arange(64)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], np.arange(64))
    (tmp_path / "a/c/0").write_bytes(gzip.compress(bytes(100_000_000)))
    with pytest.raises(ValueError, match="64 bytes would unpack to"):
        zarr.open_array(tmp_path / "a", mode="r")[:]
