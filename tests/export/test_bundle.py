"""All exports together: same bytes, no tissue, large slides, failures."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from shapely.geometry import shape

from tests.export.pages import Page
from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.formats import FORMATS, default_formats
from wsi_haloae.export.open_store import ExportSettings
from wsi_haloae.stores.sharded import TileState

NOT_HERE = {"map.ome.zarr", "map.v2.ome.zarr", "tiles.geojson.gz"}
"""Files of stores with maps, and of other settings."""
NAMES = {file for name in default_formats() for file in FORMATS[name].files} - NOT_HERE


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_bytes_twice(tmp_path: Path) -> None:
    scene = Scene(width=300 * 64, height=3 * 64)  # wide enough for a pyramid
    everything = ExportSettings(gz=True), tuple(FORMATS)
    write_exports(make_store(tmp_path / "one.zarr", scene), tmp_path / "one", *everything)
    time.sleep(1.1)  # a time of day in a file would differ now
    write_exports(make_store(tmp_path / "two.zarr", scene), tmp_path / "two", *everything)
    assert {"tiles.geojson.gz", "tiles.h5ad", "tiles.parquet"} <= set(files(tmp_path / "one"))
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_rewriting_leaves_nothing_else_behind(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    for gz in (False, True, False):  # packed and not, the tiles are there once
        write_exports(store, tmp_path / "out", ExportSettings(gz=gz))
    assert {path.name for path in (tmp_path / "out").iterdir()} == NAMES


def test_each_format_writes_its_files_and_no_other(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene(width=200, height=130))
    for name, row in FORMATS.items():
        write_exports(store, tmp_path / name, formats=(name,))
        expected = {file for one in (name, *row.shows) for file in FORMATS[one].files} - NOT_HERE
        assert {path.name for path in (tmp_path / name).iterdir()} == expected


def test_formats_that_show_calls_are_those_that_change_with_them(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    for threshold in (1.0, 4.5):
        write_exports(store, tmp_path / str(threshold), ExportSettings(Criterion(threshold)), tuple(FORMATS))
    few, many = files(tmp_path / "4.5"), files(tmp_path / "1.0")
    changed = {name.split("/")[0] for name in few.keys() | many.keys() if few.get(name) != many.get(name)}
    assert {name for name, row in FORMATS.items() if changed & row.files.keys()} == {
        name for name, row in FORMATS.items() if row.calls
    }


def test_no_tissue_gives_valid_empty_outputs(tmp_path: Path) -> None:
    scene = Scene()
    nothing = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    store = make_store(tmp_path / "scores.zarr", scene, kept=nothing)
    write_exports(store, tmp_path, ExportSettings(Criterion(threshold=1.0)), tuple(FORMATS))
    assert len((tmp_path / "tiles.csv").read_text(encoding="utf-8").splitlines()) == 1
    for name in ("tiles", "regions"):
        text = (tmp_path / f"{name}.geojson").read_text(encoding="utf-8")
        assert text.split() == ['{"type":"FeatureCollection","features":[', "]}"]
    write_exports(store, tmp_path, ExportSettings(merge=True), ("tiles",))
    assert (tmp_path / "tiles.geojson").read_text(encoding="utf-8") == text
    assert all((tmp_path / name).stat().st_size for name in NAMES)


@pytest.mark.parametrize("size", [(1, 1), (30, 5000), (5000, 30), (65, 64)])
def test_odd_slides(tmp_path: Path, size: tuple[int, int]) -> None:
    """Every tile is in every file, at its place, and the slide's odd name in those that carry it."""
    scene = Scene(width=size[0], height=size[1], name="$odd_{slide}$ 日本 " + "long" * 40)
    store = make_store(tmp_path / "scores.zarr", scene)
    out = tmp_path / "out"
    write_exports(store, out, ExportSettings(Criterion(threshold=-1.0)))
    tiles, grid = len(store), (scene.grid.rows, scene.grid.columns)
    assert {path.name for path in out.iterdir()} == NAMES
    assert [row["score"] for row in table(out)] == [str(number) for number in range(tiles)]
    assert len(features(out / "tiles.geojson")) == tiles
    [region] = features(out / "regions.geojson")
    outline = shape(region["geometry"])
    assert outline.bounds == (0, 0, *size), "all tiles are called"
    assert 0.75 < outline.area / (size[0] * size[1]) <= 1, "with rounded corners"
    values = tifffile.imread(out / "heatmap.ome.tif")
    np.testing.assert_array_equal(values.reshape(grid), store.scores().score.reshape(grid))
    with Image.open(out / "heatmap.overlay.png") as overlay:
        assert overlay.size == grid[::-1]
        assert np.asarray(overlay)[..., 3].all()
    for name in ("heatmap.png", "preview.png", "artefacts.png", "heatmap.small.jpg"):
        with Image.open(out / name) as picture:
            assert len(np.unique(np.asarray(picture))) > 1, "not of one colour"
    assert scene.name in Page(out / "report.html").words


def test_all_unreadable(tmp_path: Path) -> None:
    """Tiles without a score are in the table, and nowhere a value, a colour or a region."""
    scene = Scene()
    tiles = scene.grid.rows * scene.grid.columns
    score = np.full(tiles, np.nan, np.float32)
    state = np.full(tiles, TileState.UNREADABLE, np.uint8)
    store, out = make_store(tmp_path / "scores.zarr", scene, score=score, state=state), tmp_path / "out"
    write_exports(store, out, ExportSettings(Criterion(threshold=0.0), merge=True), tuple(FORMATS))
    rows = table(out)
    assert {(row["state"], row["score"], row["anomalous"]) for row in rows} == {("unreadable", "", "")}
    assert len(rows) == tiles
    shown = [feature["properties"] for feature in features(out / "tiles.geojson")]
    assert {(one["classification"]["name"], "score" in one["measurements"]) for one in shown} == {("Unreadable", False)}
    assert features(out / "regions.geojson") == []
    assert np.isnan(tifffile.imread(out / "heatmap.ome.tif")).all()
    with Image.open(out / "heatmap.overlay.png") as overlay:
        assert not np.asarray(overlay)[..., 3].any()
    assert f"None of the {tiles} tiles has a score" in Page(out / "report.html").words


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "tiles.csv").read_text(encoding="utf-8").splitlines()))


def features(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    return found


def test_a_range_that_is_none_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene(display_range=(2.0, 2.0)))
    with pytest.raises(StoreError, match="train the model again"):
        write_exports(store, tmp_path / "out")


def test_a_rate_without_calibration_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    with pytest.raises(UsageError, match="--threshold"):
        write_exports(store, tmp_path / "out", ExportSettings(Criterion(fdr=0.2)))
