"""A finished store in one piece: the same values in a few files, whatever moment a kill chooses."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_index
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.atomic import recover
from wsi_haloae.stores.score_store import ScoreStore, TileScores
from wsi_haloae.stores.sharded import TileState


def filled(path: Path, *, unreadable: int | None = None, maps: int | None = None) -> ScoreStore:
    """Written shard by shard, as scoring does."""
    scene, random = Scene(map_size=maps), np.random.default_rng(0)
    index = make_index(scene)
    thumbnail = np.zeros((73, 100, 3), np.uint8)
    store = ScoreStore.create(path, scene.header, index, thumbnail, np.ones((73, 100), np.bool_))
    for shard in range(store.shards):
        place = store.shard_slice(shard)
        count = place.stop - place.start
        states = np.full(count, TileState.DONE, np.uint8)
        reasons = [""] * count
        if unreadable is not None and place.start <= unreadable < place.stop:
            states[unreadable - place.start], reasons[unreadable - place.start] = TileState.UNREADABLE, "torn"
        scores = TileScores(
            score=random.random(count, np.float32),
            score_paper=random.random(count, np.float32),
            p_value=np.full(count, np.nan, np.float32),
            rules=random.random((count, 1), np.float32),
            layer_residuals=random.random((count, 1), np.float32),
            layer_dissimilarities=random.random((count, 1), np.float32),
            artefacts=random.random((count, len(FLAGS)), np.float32),
            flags=np.zeros(count, np.uint8),
            tissue_cells=np.arange(count, dtype=np.int32),
            anomaly_map=None if maps is None else random.random((count, maps, maps), np.float32),
        )
        store.write_shard(shard, scores, states, reasons)
    return store


def files(path: Path) -> int:
    return sum(one.is_file() for one in path.rglob("*"))


@pytest.mark.parametrize("maps", [None, 4])
def test_the_same_values_in_a_few_files(maps: int | None, tmp_path: Path) -> None:
    store = filled(tmp_path / "scores.zarr", unreadable=70, maps=maps)
    before, states, count = store.scores(), store.states(), files(store.path)
    found = store.compacted()
    for field in fields(TileScores):
        one, other = getattr(before, field.name), getattr(found.scores(), field.name)
        assert (one is None and other is None) or np.array_equal(one, other, equal_nan=one.dtype == np.float32)
    np.testing.assert_array_equal(found.states(), states)
    assert [tile.reason for tile in found.unreadable()] == ["torn"]
    assert found.header == store.header
    assert found.pending_shards() == []
    assert files(found.path) < count
    columns = {path.parent for path in found.path.glob("*/zarr.json")} - {found.path / "anomaly_map"}
    assert {files(column / "c") for column in columns} <= {0, 1}, "none where all is fill"
    if maps:
        np.testing.assert_array_equal(found.anomaly_map(77), ScoreStore.open(found.path).anomaly_map(77))
    assert found.compacted() is found
    assert [one.name for one in tmp_path.iterdir()] == ["scores.zarr"]


def test_reasons_in_many_shards_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece each reading of the column unpacks all of it."""
    store, read = filled(tmp_path / "scores.zarr", unreadable=70).compacted(), []
    states = store.states().copy()
    states[[3, 70, 139]] = TileState.UNREADABLE
    real = ScoreStore.read
    monkeypatch.setattr(ScoreStore, "states", lambda _store: states)
    monkeypatch.setattr(ScoreStore, "read", lambda self, name, *place: read.append(name) or real(self, name, *place))
    found, index = store.unreadable(), store.index
    assert [tile.reason for tile in found] == ["", "torn", ""]
    assert [(tile.row, tile.column) for tile in found] == [(index.row[n], index.column[n]) for n in (3, 70, 139)]
    assert read == ["reason"]


@pytest.mark.parametrize("rename", [0, 1])
def test_a_kill_at_either_rename_loses_nothing(rename: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.zarr"
    expected = filled(path).scores().score
    plain, made = os.replace, []

    def dying(source: Path, target: Path) -> None:
        if Path(source).name.startswith("scores.zarr"):
            made.append(source)
            if len(made) == rename + 1:
                os._exit(9)
        plain(source, target)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", dying)
        ScoreStore.open(path).compacted()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    recover(tmp_path)
    again = ScoreStore.open(path)
    np.testing.assert_array_equal(again.compacted().scores().score, expected)
    assert [one.name for one in tmp_path.iterdir()] == ["scores.zarr"]


def test_two_stores_of_the_same_scores_have_the_same_bytes(tmp_path: Path) -> None:
    kept = []
    for name in ("one", "other"):
        store = filled(tmp_path / name / "scores.zarr").compacted()
        kept.append(
            {path.relative_to(store.path): path.read_bytes() for path in store.path.rglob("*") if path.is_file()}
        )
    assert kept[0] == kept[1]
