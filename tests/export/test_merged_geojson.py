"""tiles.geojson with neighbours of one colour as one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from tests.export.check_geojson import assert_readable_by_qupath
from tests.export.stores import Scene, make_store
from wsi_haloae.export.merged_geojson import write_merged_geojson
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

SCALE = ColourScale(0.0, 8.0)  # steps of 1


def written(folder: Path, scene: Scene, min_score: float | None = None, **columns: Any) -> list[dict[str, Any]]:
    store = make_store(folder / "scores.zarr", scene, **columns)
    path = folder / "tiles.geojson"
    write_merged_geojson(path, ScoredTiles.read(store), assemble_heatmap(store), SCALE, min_score)
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    return found


def drawing(lines: list[str]) -> tuple[Scene, np.ndarray]:
    """A slide of tiles of 64 pixels, one per digit, which is its score."""
    scene = Scene(width=64 * len(lines[0]), height=64 * len(lines))
    return scene, np.array([float(digit) for digit in "".join(lines)], np.float32)


def test_neighbours_of_one_colour_are_one_object_with_their_mean(tmp_path: Path) -> None:
    scene, score = drawing(["1123", "1323", "1111"])
    score += np.linspace(0, 0.5, len(score), dtype=np.float32)  # within a step
    found = written(tmp_path, scene, score=score)
    assert [one["properties"]["name"] for one in found] == [
        "7 tiles from 0_0",
        "2 tiles from 0_2",
        "2 tiles from 0_3",
        "tile 1_1",
    ]
    ones = found[0]
    [outer] = ones["geometry"]["coordinates"]
    assert shape(ones["geometry"]).area == 7 * 64 * 64
    assert len(outer) == 9  # eight corners, and the first again
    measurements = ones["properties"]["measurements"]
    assert measurements["Anomaly score"] == pytest.approx(score[np.floor(score) == 1].mean())
    assert measurements["Merged tiles"] == 7
    assert ones["properties"]["objectType"] == "tile"


def test_what_lies_inside_is_a_hole(tmp_path: Path) -> None:
    scene, score = drawing(["111", "151", "111"])
    ring, inside = written(tmp_path, scene, score=score)
    assert len(ring["geometry"]["coordinates"]) == 2
    assert shape(ring["geometry"]).area == 8 * 64 * 64
    assert shape(inside["geometry"]).bounds == (64, 64, 128, 128)


def test_tiles_without_a_score_stay_single_and_low_ones_go(tmp_path: Path) -> None:
    scene, score = drawing(["1155", "1155"])
    state = np.full(8, TileState.DONE, np.uint8)
    state[0] = TileState.UNREADABLE
    found = written(tmp_path, scene, min_score=3, score=score, state=state)
    assert [one["properties"]["name"] for one in found] == ["4 tiles from 0_2", "tile 0_0"]
    assert found[1]["properties"]["classification"]["name"] == "Unreadable"


@pytest.mark.parametrize(
    "scene", [Scene(), Scene(bounds=(100, 57, 801, 600)), Scene(stride=32)], ids=["plain", "bounds", "overlap"]
)
def test_together_they_cover_what_the_tiles_cover_and_qupath_reads_them(tmp_path: Path, scene: Scene) -> None:
    score = np.random.default_rng(0).uniform(0, 4, scene.grid.rows * scene.grid.columns).astype(np.float32)
    found = written(tmp_path, scene, score=score)
    assert_readable_by_qupath(tmp_path / "tiles.geojson", scene)
    shapes = [shape(one["geometry"]) for one in found]
    union = shapely.union_all(shapes)
    assert sum(one.area for one in shapes) == union.area  # no two overlap
    width, height = (scene.width, scene.height) if scene.bounds is None else scene.bounds[2:]
    rim = (scene.tile_size - scene.stride) // 2  # with overlap cells begin in the middle of the first tile
    left, top = max(0, rim), max(0, rim)
    assert union.covers(shapely.box(left, top, width - rim, height - rim))
    assert sum(one["properties"]["measurements"]["Merged tiles"] for one in found) <= len(score)
    assert len(found) < 0.7 * len(score)
