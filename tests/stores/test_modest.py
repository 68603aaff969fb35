"""Chunks that unpack to more than their array has room for are refused before they are unpacked."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.abc.codec import Codec
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import wsi_haloae.stores.modest  # noqa: F401  # its codecs replace zarr's
from wsi_haloae.bounds.table import STORE_CHUNK_BYTES


def test_a_gzip_chunk_gives_what_its_array_has_and_no_more(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(64,), chunks=(64,), dtype=np.uint8, compressors=GzipCodec())
    array[:] = np.arange(64)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], np.arange(64))
    (tmp_path / "a/c/0").write_bytes(gzip.compress(bytes(100_000_000)))
    with pytest.raises(ValueError, match="64 bytes would unpack to"):
        zarr.open_array(tmp_path / "a", mode="r")[:]


@pytest.mark.parametrize("codec", [GzipCodec(), ZstdCodec(), BloscCodec()], ids=["gzip", "zstd", "blosc"])
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_texts_in_files_of_other_programs_are_read(
    tmp_path: Path, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SpatialData and AnnData keep words in Zarr; a notebook reads them beside our stores."""
    words = ["much longer than the room that one number takes" * 5, "é"]
    array = zarr.create_array(tmp_path / "a", shape=(2,), dtype=str, compressors=codec)
    array[:] = words
    assert zarr.open_array(tmp_path / "a", mode="r")[:].tolist() == words
    monkeypatch.setenv(STORE_CHUNK_BYTES.variable, "100")
    with pytest.raises(ValueError, match="100 bytes would unpack to"):
        zarr.open_array(tmp_path / "a", mode="r")[:]
