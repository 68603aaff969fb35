"""tiles.csv: its columns, its words and its empty fields."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.table import write_tile_table
from wsi_haloae.stores.sharded import TileState


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_states_numbers_and_empty_fields(tmp_path: Path) -> None:
    scene = Scene(width=256, height=64, bounds=(64, 0, 100, 64))
    store = make_store(
        tmp_path / "scores.zarr",
        scene,
        score=np.array([0.1, 7.0, np.nan, np.nan], np.float32),
        # The second was written by a run that was killed before it committed the shard.
        state=np.array([TileState.DONE, TileState.PENDING, TileState.UNREADABLE, TileState.DONE], np.uint8),
    )
    write_tile_table(tmp_path / "tiles.csv", OpenStore(store))
    assert (tmp_path / "tiles.csv").read_text(encoding="utf-8") == (
        "x,y,width,height,row,column,tissue_fraction,score,score_paper,p_value,flags,state,anomalous,criterion\n"
        "0,0,64,64,0,0,0.100000001,0.100000001,0.0500000007,,,scored,,\n"
        "64,0,64,64,0,1,0.400000006,,,,,pending,,\n"
        "128,0,64,64,0,2,0.699999988,,,,,unreadable,,\n"
        "192,0,64,64,0,3,1,,,,,scored,,\n"
    )


def test_scores_come_back_as_the_same_float32(tmp_path: Path) -> None:
    scene = Scene()
    score = np.random.default_rng(1).lognormal(sigma=9, size=scene.grid.rows * scene.grid.columns).astype(np.float32)
    write_tile_table(tmp_path / "tiles.csv", OpenStore(make_store(tmp_path / "scores.zarr", scene, score=score)))
    read = np.array([line["score"] for line in lines_of(tmp_path / "tiles.csv")], np.float32)
    np.testing.assert_array_equal(read, score)


def test_a_calibrated_model_says_which_tiles_are_anomalous_and_by_what_rate(tmp_path: Path) -> None:
    facts = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)
    p_value = np.array([0.025, 0.5, 0.025, 0.04], np.float32)
    state = np.array([TileState.DONE, TileState.DONE, TileState.PENDING, TileState.DONE], np.uint8)
    scene = Scene(width=256, height=64, calibration=facts)
    source = OpenStore(make_store(tmp_path / "scores.zarr", scene, state=state, p_value=p_value))
    write_tile_table(tmp_path / "tiles.csv", source)
    lines = lines_of(tmp_path / "tiles.csv")
    assert [line["p_value"] for line in lines] == ["0.0250000004", "0.5", "", "0.0399999991"]
    assert [line["anomalous"] for line in lines] == ["yes", "no", "", "yes"]
    assert [line["criterion"] for line in lines] == [*["per-tile error rate 0.05"] * 2, "", "per-tile error rate 0.05"]


def test_with_enough_calibration_tiles_it_is_a_false_discovery_rate(tmp_path: Path) -> None:
    facts = CalibrationFacts(tiles=5000, groups=5000, correlation=0, effective_tiles=5000)
    p_value = np.array([0.0002, 0.08, 0.5, 0.9], np.float32)
    scene = Scene(width=256, height=64, calibration=facts)
    source = OpenStore(make_store(tmp_path / "scores.zarr", scene, p_value=p_value))
    write_tile_table(tmp_path / "tiles.csv", source)
    assert [line["anomalous"] for line in lines_of(tmp_path / "tiles.csv")] == ["yes", "no", "no", "no"]
    assert {line["criterion"] for line in lines_of(tmp_path / "tiles.csv")} == {"false-discovery rate 0.1"}


def test_flags_are_words(tmp_path: Path) -> None:
    flags = np.array([0, 1, 6, 8], np.uint8)
    state = np.array([TileState.DONE, TileState.DONE, TileState.DONE, TileState.PENDING], np.uint8)
    source = OpenStore(make_store(tmp_path / "s.zarr", Scene(width=256, height=64), flags=flags, state=state))
    write_tile_table(tmp_path / "tiles.csv", source)
    assert [line["flags"] for line in lines_of(tmp_path / "tiles.csv")] == ["", "out_of_focus", "pen;fold", ""]
    expected = {"out_of_focus": 1, "pen": 1, "fold": 1, "mostly_glass": 0}
    assert source.tiles.flag_counts().items() >= expected.items()
