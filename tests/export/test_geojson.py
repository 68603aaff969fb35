"""tiles.geojson by the rules of QuPath's reader."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.check_geojson import assert_readable_by_qupath
from tests.export.stores import Scene, make_store
from wsi_haloae.export.geojson import write_tile_geojson
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState


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
    assert_readable_by_qupath(written(tmp_path, scene, **mixed_columns(scene)), scene)


def test_scored_tiles_have_measurements_and_no_class(tmp_path: Path) -> None:
    first = features(written(tmp_path, Scene(), **mixed_columns(Scene())))[0]
    assert first["properties"] == {
        "objectType": "tile",
        "name": "tile 0_0",
        "isLocked": True,
        "color": [49, 54, 149],
        "label": "0",
        "fillColor": "rgba(49,54,149,0.5)",
        "lineColor": "rgb(49,54,149)",
        "measurements": {"Anomaly score": 0.0, "Tissue fraction": 0.100000001},
    }


def test_tiles_without_a_score_say_why(tmp_path: Path) -> None:
    found = features(written(tmp_path, Scene(), **mixed_columns(Scene())))
    for number, name in ((5, "Unreadable"), (6, "Pending")):
        properties = found[number]["properties"]
        assert properties["classification"]["name"] == name
        assert len(properties["classification"]["color"]) == 3
        assert properties["label"] == name
        assert "color" not in properties
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


def test_a_packed_file_is_the_same_collection_and_takes_the_place_of_the_other(tmp_path: Path) -> None:
    plain = written(tmp_path, Scene(), **mixed_columns(Scene()))
    text, packed = plain.read_bytes(), tmp_path / "tiles.geojson.gz"
    tiles = ScoredTiles.read(ScoreStore.open(tmp_path / "scores.zarr"))
    write_tile_geojson(packed, tiles)
    assert gzip.decompress(packed.read_bytes()) == text
    assert packed.read_bytes()[3:8] == bytes(5)  # neither a name nor a date in its header
    assert not plain.exists()
    assert_readable_by_qupath(packed, Scene())
    write_tile_geojson(plain, tiles)
    assert not packed.exists()


def test_tiles_below_a_score_are_left_out_and_those_without_one_stay(tmp_path: Path) -> None:
    written(tmp_path, Scene(), **mixed_columns(Scene()))
    tiles = ScoredTiles.read(ScoreStore.open(tmp_path / "scores.zarr"))
    write_tile_geojson(tmp_path / "some.geojson", tiles, min_score=2.5)
    found = features(tmp_path / "some.geojson")
    scores = [one["properties"]["measurements"].get("Anomaly score") for one in found]
    assert sum(score is None for score in scores) == 4  # unreadable, pending, NaN and infinite
    assert min(score for score in scores if score is not None) >= 2.5
    assert len(found) == 4 + (tiles.score[np.isfinite(tiles.score)] >= 2.5).sum()
