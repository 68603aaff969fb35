"""All exports together: same bytes, no tissue, large slides, failures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from wsi_haloae.errors import StoreError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.stores.sharded import TileState

NAMES = ["tiles.csv", "tiles.geojson", "heatmap.overlay.png", "heatmap.png", "artefacts.png", "heatmap.ome.tif"]
FOLDERS = ["heatmap.ome.zarr"]


def test_same_bytes_twice(tmp_path: Path) -> None:
    scene = Scene(width=300 * 64, height=3 * 64)  # wide enough for a pyramid
    first = write_exports(make_store(tmp_path / "one.zarr", scene), tmp_path / "one")
    time.sleep(1.1)  # a time of day in a file would differ now
    second = write_exports(make_store(tmp_path / "two.zarr", scene), tmp_path / "two")
    assert [path.name for path in first] == [*NAMES, *FOLDERS]
    for one, other in zip(first, second, strict=True):
        files, twins = (sorted(path.rglob("*")) if path.is_dir() else [path] for path in (one, other))
        assert [path.name for path in files] == [path.name for path in twins]
        for file, twin in zip(files, twins, strict=True):
            assert file.is_dir() or file.read_bytes() == twin.read_bytes(), file


def test_rewriting_leaves_nothing_else_behind(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    write_exports(store, tmp_path / "out")
    write_exports(store, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*NAMES, *FOLDERS])


def test_no_tissue_gives_valid_empty_outputs(tmp_path: Path) -> None:
    scene = Scene()
    nothing = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    table, geojson, *_ = write_exports(make_store(tmp_path / "scores.zarr", scene, kept=nothing), tmp_path)
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1
    assert geojson.read_text(encoding="utf-8").split() == ['{"type":"FeatureCollection","features":[', "]}"]
    assert all((tmp_path / name).stat().st_size for name in NAMES)


@pytest.mark.parametrize("size", [(1, 1), (30, 5000), (5000, 30), (65, 64)])
def test_odd_slides(tmp_path: Path, size: tuple[int, int]) -> None:
    scene = Scene(width=size[0], height=size[1], name="$odd_{slide}$ 日本 " + "long" * 40)
    write_exports(make_store(tmp_path / "scores.zarr", scene), tmp_path)


def test_all_unreadable(tmp_path: Path) -> None:
    scene = Scene()
    tiles = scene.grid.rows * scene.grid.columns
    score = np.full(tiles, np.nan, np.float32)
    state = np.full(tiles, TileState.UNREADABLE, np.uint8)
    write_exports(make_store(tmp_path / "scores.zarr", scene, score=score, state=state), tmp_path)


def test_a_range_that_is_none_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene(display_range=(2.0, 2.0)))
    with pytest.raises(StoreError, match="train or calibrate"):
        write_exports(store, tmp_path / "out")
