"""tiles.geojson by the rules of QuPath's reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from wsi_haloae.export.geojson import write_tile_geojson
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

CHECK_TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "check_qupath_geojson.py"


def written(folder: Path, scene: Scene, **columns: Any) -> Path:
    path = folder / "tiles.geojson"
    write_tile_geojson(path, ScoredTiles.read(make_store(folder / "scores.zarr", scene, **columns)))
    return path


def features(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["type"] == "FeatureCollection"
    found: list[dict[str, Any]] = document["features"]
    return found


def mixed_columns(scene: Scene) -> dict[str, Any]:
    tiles = scene.grid.rows * scene.grid.columns
    score = np.linspace(0, 5, tiles, dtype=np.float32)
    score[[1, 2, 3]] = np.nan, np.inf, -np.inf
    state = np.full(tiles, TileState.DONE, np.uint8)
    state[5], state[6] = TileState.UNREADABLE, TileState.PENDING
    return {"score": score, "state": state}


@pytest.mark.parametrize(
    "scene",
    [Scene(), Scene(bounds=(100, 57, 801, 600)), Scene(bounds=(900, 700, 400, 400)), Scene(stride=32)],
    ids=["plain", "bounds", "bounds over the edge", "overlap"],
)
def test_the_check_tool_finds_nothing(tmp_path: Path, scene: Scene) -> None:
    if not CHECK_TOOL.exists():
        assert "CI" not in os.environ, f"{CHECK_TOOL} is missing"
        pytest.skip(f"{CHECK_TOOL} is not on this machine")
    path = written(tmp_path, scene, **mixed_columns(scene))
    width, height = (scene.width, scene.height) if scene.bounds is None else scene.bounds[2:]
    result = subprocess.run(
        [sys.executable, CHECK_TOOL, path, "--width", str(width), "--height", str(height)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_scored_tiles_have_measurements_and_no_class(tmp_path: Path) -> None:
    first = features(written(tmp_path, Scene(), **mixed_columns(Scene())))[0]
    assert first["properties"] == {
        "objectType": "tile",
        "name": "tile 0_0",
        "isLocked": True,
        "measurements": {"Anomaly score": 0.0, "Tissue fraction": 0.100000001},
    }


def test_tiles_without_a_score_say_why(tmp_path: Path) -> None:
    found = features(written(tmp_path, Scene(), **mixed_columns(Scene())))
    for number, name in ((5, "Unreadable"), (6, "Pending")):
        properties = found[number]["properties"]
        assert properties["classification"]["name"] == name
        assert len(properties["classification"]["color"]) == 3
        assert list(properties["measurements"]) == ["Tissue fraction"]


def test_numbers_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    found = features(written(tmp_path, Scene(), **mixed_columns(Scene())))
    assert all("Anomaly score" not in found[number]["properties"]["measurements"] for number in (1, 2, 3))
    assert "Anomaly score" in found[4]["properties"]["measurements"]


def test_scores_come_back_as_the_same_float32(tmp_path: Path) -> None:
    scene = Scene()
    score = np.random.default_rng(0).lognormal(size=scene.grid.rows * scene.grid.columns).astype(np.float32)
    found = features(written(tmp_path, scene, score=score))
    read = np.array([feature["properties"]["measurements"]["Anomaly score"] for feature in found], np.float32)
    np.testing.assert_array_equal(read, score)


def test_tiles_outside_the_bounds_are_dropped(tmp_path: Path) -> None:
    found = features(written(tmp_path, Scene(bounds=(64, 128, 100, 64))))
    assert [feature["properties"]["name"] for feature in found] == ["tile 2_1", "tile 2_2"]
    assert found[1]["geometry"]["coordinates"] == [[[64, 0], [100, 0], [100, 64], [64, 64], [64, 0]]]


def test_ids_belong_to_slide_and_grid(tmp_path: Path) -> None:
    scenes = {"one": Scene(), "again": Scene(), "other grid": Scene(stride=32)}
    ids = {}
    for name, scene in scenes.items():
        (tmp_path / name).mkdir()
        ids[name] = [feature["id"] for feature in features(written(tmp_path / name, scene))]
        assert len(set(ids[name])) == len(ids[name])
    assert ids["one"] == ids["again"]
    assert not set(ids["one"]) & set(ids["other grid"])
