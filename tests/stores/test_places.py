"""Stores behind URLs: of fsspec's memory, which behaves as an object store does."""

from __future__ import annotations

import http.server
import pickle
import re
import threading
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.integration.conftest import TINY
from wsi_haloae.cli.main import run
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.stores.places import place
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.synthetic.slide import write_synthetic_slide

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiled slides, also under memory://tiled."""
    folder = tmp_path_factory.mktemp("tiled")
    for seed in range(3):
        write_synthetic_slide(folder / f"s{seed}.tif", width=768, height=768, seed=seed)
    slides = [str(folder / f"s{seed}.tif") for seed in range(3)]
    assert run(["tile", *slides, "-o", str(folder / "tiles"), "--tile-size", "64", "-q"]) == 0
    fsspec.filesystem("memory").put(str(folder / "tiles"), "/tiled", recursive=True)
    return folder / "tiles"


def test_a_store_behind_a_url_has_the_same_tiles(tiled: Path) -> None:
    here, there = TileStore.open(tiled / "s0/tiles.zarr"), TileStore.open(place("memory://tiled/s0/tiles.zarr"))
    assert there.header == here.header
    assert len(there) == len(here) > 20
    for number in (0, 7, len(here) - 1):
        np.testing.assert_array_equal(there.read_tile(number), here.read_tile(number))
    again = pickle.loads(pickle.dumps(there))
    np.testing.assert_array_equal(again.read_tile(3), here.read_tile(3))


def test_training_on_urls_gives_the_model_of_the_same_tiles(tiled: Path, tmp_path: Path) -> None:
    for name, source in (("here", str(tiled)), ("there", "memory://tiled")):
        assert run(["train-tiles", source, "-o", str(tmp_path / f"{name}.safetensors"), *TINY, "-q"]) == 0
    assert (tmp_path / "here.safetensors").read_bytes() == (tmp_path / "there.safetensors").read_bytes()


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Files with byte ranges, as every object store has them; Python's own handler has none."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        whole = path.read_bytes()
        first = int(asked[1]) if asked[1] else len(whole) - int(asked[2])  # "-5": the last five
        part = whole[first : int(asked[2]) + 1 if asked[1] and asked[2] else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_training_on_http_too(tiled: Path, tmp_path: Path) -> None:
    """Where each address is a file to fsspec, and none a folder."""
    pytest.importorskip("aiohttp")
    handler = partial(_Ranges, directory=str(tiled))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stores = [f"http://127.0.0.1:{server.server_port}/s{slide}/tiles.zarr" for slide in range(3)]
        assert run(["train-tiles", *stores, "-o", str(tmp_path / "there.safetensors"), *TINY, "-q"]) == 0
        server.shutdown()
    stores = [str(tiled / f"s{slide}/tiles.zarr") for slide in range(3)]
    assert run(["train-tiles", *stores, "-o", str(tmp_path / "here.safetensors"), *TINY, "-q"]) == 0
    assert (tmp_path / "here.safetensors").read_bytes() == (tmp_path / "there.safetensors").read_bytes()


def test_nothing_is_written_to_a_url(tiled: Path) -> None:
    store = TileStore.open(place("memory://tiled/s1/tiles.zarr"))
    with pytest.raises(Exception, match="read-only"):
        store.write_shard(0, store.read_shard(0), store.states()[store.shard_slice(0)])


@pytest.mark.parametrize("url", ["memory://nothing/tiles.zarr", "memory://tiled/s0"])
def test_what_is_no_store_is_refused(url: str, tiled: Path) -> None:
    with pytest.raises(StoreError, match="no wsi-haloae tile store here"):
        TileStore.open(place(url))


@pytest.mark.parametrize("url", ["nonsense://x/y", "memory://not/there"])
def test_a_url_of_nobody_is_bad_usage(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train-tiles", url, "-o", str(tmp_path / "m.safetensors"), *TINY]) == 2
    assert url in capsys.readouterr().err


def test_a_damaged_store_behind_a_url_says_so(tiled: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(tiled / "s2"), "/damaged/s2", recursive=True)
    for path in memory.find("/damaged/s2/tiles.zarr/pixels"):
        if "/c/" in path:
            memory.pipe(path, b"x")
    with pytest.raises(StoreError, match="damaged"):
        TileStore.open(place("memory://damaged/s2/tiles.zarr")).read_tile(0)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "upath", None)
    with pytest.raises(UsageError, match=r"wsi-haloae\[remote\]"):
        place("s3://bucket/tiles")


def test_a_bucket_without_access_is_bad_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # it would be looked for in the network
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert run(["train-tiles", "s3://bucket/tiles", "-o", str(tmp_path / "m.safetensors"), *TINY]) == 2
    error = capsys.readouterr().err
    assert "s3://bucket/tiles: cannot be read (NoCredentialsError" in error
    assert "please report" not in error
