"""regions.geojson by the rules of QuPath's reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.check_geojson import assert_readable_by_qupath
from tests.export.stores import Scene, make_index, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.export.open_store import ExportSettings, OpenStore
from wsi_haloae.export.region_geojson import write_region_geojson
from wsi_haloae.export.summary import summarise
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles

FACTS = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)
NAMES = ["Region area mm^2", "Tiles in region", "Mean anomaly score", "Median anomaly score", "Max anomaly score"]


def written(folder: Path, scene: Scene, criterion: Criterion = USUAL, **columns: Any) -> list[dict[str, Any]]:
    store = make_store(folder / "scores.zarr", scene, **columns)
    write_region_geojson(folder / "regions.geojson", OpenStore(store, ExportSettings(criterion)))
    document = json.loads((folder / "regions.geojson").read_text(encoding="utf-8"))
    assert document["type"] == "FeatureCollection"
    found: list[dict[str, Any]] = document["features"]
    return found


def blobs(scene: Scene) -> np.ndarray:
    """Scores that are high in two places: 3 x 3 tiles from (2, 2), and tile (8, 9) alone."""
    index = make_index(scene)
    high = (abs(index.row - 3) <= 1) & (abs(index.column - 3) <= 1) | (index.row == 8) & (index.column == 9)
    return np.where(high, 5 + index.column / 10, 1).astype(np.float32)


def test_a_threshold_gives_regions_with_measurements_and_metadata(tmp_path: Path) -> None:
    scene = Scene(mpp_x=0.5, mpp_y=0.25)
    large, small = written(tmp_path, scene, Criterion(threshold=4.5), score=blobs(scene))
    assert [one["properties"]["name"] for one in (large, small)] == ["Anomalous region 1", "Anomalous region 2"]
    properties = large["properties"]
    assert properties["objectType"] == "annotation"
    assert properties["classification"] == {"name": "Anomaly", "color": [200, 30, 30]}
    assert list(properties["measurements"]) == NAMES
    area, tiles, mean, median, top = properties["measurements"].values()
    assert area == pytest.approx(9 * 64 * 64 * 0.5 * 0.25 / 1e6, rel=1e-12)
    assert (tiles, mean, median, top) == (9, pytest.approx(5.3), pytest.approx(5.3), pytest.approx(5.4))
    assert properties["metadata"] == {
        "Model": "a" * 64,
        "Rule": "test",
        "Criterion": "score above 4.5",
        "Pixel size of the tiles in µm": "0.5",
    }


def test_areas_add_up_to_that_of_the_study_where_tiles_are_full_of_tissue(tmp_path: Path) -> None:
    scene = Scene(width=1500, height=1300, mpp_y=0.25, l0_scale_x=1.3, l0_scale_y=1.7)
    regions = written(tmp_path, scene, Criterion(threshold=3.0), score=blobs(scene))
    tiles = ScoredTiles.read(ScoreStore.open(tmp_path / "scores.zarr"), Criterion(threshold=3.0))
    full = replace(tiles, index=replace(tiles.index, tissue_fraction=np.ones(len(tiles), np.float32)))
    areas = [one["properties"]["measurements"]["Region area mm^2"] for one in regions]
    assert len(areas) == 2
    assert sum(areas) == pytest.approx(summarise(full).anomalous_mm2, rel=1e-6)


@pytest.mark.parametrize(
    "scene",
    [Scene(), Scene(bounds=(100, 57, 801, 600)), Scene(bounds=(900, 700, 400, 400)), Scene(stride=32)],
    ids=["plain", "bounds", "bounds over the edge", "overlap"],
)
def test_the_check_tool_finds_nothing(tmp_path: Path, scene: Scene) -> None:
    score = np.random.default_rng(0).normal(size=scene.grid.rows * scene.grid.columns).astype(np.float32)
    written(tmp_path, scene, Criterion(threshold=0.0), score=score)
    assert_readable_by_qupath(tmp_path / "regions.geojson", scene)


def test_p_values_call_the_same_tiles_as_the_table(tmp_path: Path) -> None:
    scene = Scene(calibration=FACTS)
    high = blobs(scene) > 4
    p_value = np.where(high, 0.03, 0.5).astype(np.float32)
    found = written(tmp_path, scene, p_value=p_value)
    assert sum(one["properties"]["measurements"]["Tiles in region"] for one in found) == high.sum()
    assert found[0]["properties"]["metadata"]["Criterion"].startswith("per-tile error rate 0.05 (no false-discovery")


def test_without_calibration_and_threshold_there_are_none(tmp_path: Path) -> None:
    assert written(tmp_path, Scene()) == []


def test_bounds_are_subtracted(tmp_path: Path) -> None:
    scene = Scene(bounds=(128, 64, 800, 600))
    large, _ = written(tmp_path, scene, Criterion(threshold=4.5), score=blobs(scene))
    ring = np.array(large["geometry"]["coordinates"][0])
    assert ring.min(axis=0).tolist() == [0, 64]
    assert ring.max(axis=0).tolist() == [192, 256]


def test_ids_are_the_same_on_every_run_and_another_criterion_has_others(tmp_path: Path) -> None:
    ids = {}
    for name, threshold in (("one", 4.5), ("again", 4.5), ("other", 4.4)):
        (tmp_path / name).mkdir()
        found = written(tmp_path / name, Scene(), Criterion(threshold=threshold), score=blobs(Scene()))
        ids[name] = [one["id"] for one in found]
    assert ids["one"] == ids["again"]
    assert not set(ids["one"]) & set(ids["other"])


def test_a_score_that_is_not_finite_leaves_its_measurement_out(tmp_path: Path) -> None:
    score = blobs(Scene())
    score[score > 4] = np.inf
    large, _ = written(tmp_path, Scene(), Criterion(threshold=4.5), score=score)
    assert list(large["properties"]["measurements"]) == NAMES[:2]
