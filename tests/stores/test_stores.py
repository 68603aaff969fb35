"""Tile and score stores: layout on disk, resume, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.model.tiny import tiny_descriptors
from tests.stores.make import (
    SIDE,
    edit,
    make_gallery,
    make_index,
    make_score_store,
    make_tile_store,
    score_header,
    tile_header,
)
from wsi_haloae.adaptation.neighbourhood import local_median
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.atomic import recover
from wsi_haloae.errors import OutputExistsError, StoreError
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.stores import filling
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import ShardedStore, TileIndex, TileState
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.stores.tile_store import TileStore

DONE = TileState.DONE
COUNT = 2 * SHARD_TILES + 3


def pixels(shard: int, count: int) -> np.ndarray:
    return np.random.default_rng(shard).integers(0, 20, (count, SIDE, SIDE, 3), dtype=np.uint8)


def fill(store: TileStore, shard: int) -> np.ndarray:
    place = store.shard_slice(shard)
    count = place.stop - place.start
    store.write_shard(shard, pixels(shard, count), np.full(count, DONE, np.uint8))
    return pixels(shard, count)


def scores(count: int, map_size: int | None = None) -> TileScores:
    random = np.random.default_rng(count)
    return TileScores(
        score=random.random(count, np.float32),
        score_paper=random.random(count, np.float32),
        p_value=random.random(count, np.float32),
        rules=random.random((count, 3), np.float32),
        layer_residuals=random.random((count, 2), np.float32),
        layer_dissimilarities=random.random((count, 2), np.float32),
        artefacts=random.random((count, len(FLAGS)), np.float32),
        flags=random.integers(0, 16, count).astype(np.uint8),
        tissue_cells=random.integers(0, 9, count).astype(np.int32),
        anomaly_map=None if map_size is None else random.random((count, map_size, map_size), np.float32),
    )


@pytest.mark.parametrize("count", [0, 1, SHARD_TILES, COUNT])
def test_the_index_comes_back_as_it_was_given(count: int, tmp_path: Path) -> None:
    make_tile_store(tmp_path / "tiles.zarr", count)
    store, expected = TileStore.open(tmp_path / "tiles.zarr"), make_index(count)
    assert len(store) == count
    for field in fields(TileIndex):
        found = getattr(store.index, field.name)
        np.testing.assert_array_equal(found, getattr(expected, field.name))
        assert found.dtype == getattr(expected, field.name).dtype
    assert store.header == tile_header()


def test_shards_are_pending_until_they_are_written(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", COUNT)
    assert store.shards == 3
    assert store.pending_shards() == [0, 1, 2]
    assert store.shard_slice(2) == slice(128, 131)
    for shard, left in ((1, [0, 2]), (2, [0]), (0, [])):
        fill(store, shard)
        assert TileStore.open(store.path).pending_shards() == left
    for shard in range(3):
        place = store.shard_slice(shard)
        expected = pixels(shard, place.stop - place.start)
        np.testing.assert_array_equal(store.read_shard(shard), expected)
        np.testing.assert_array_equal(store.read_tile(place.start + 1), expected[1])


def test_a_large_array_without_its_shard_is_still_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", COUNT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(filling, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        fill(store, 0)
    assert store.pending_shards() == [0, 1, 2]
    assert (store.path / "pixels/c/0/0/0/0").exists()
    assert not store.read_shard(0).any(), "it counts once the shard's file names it"


def test_states_may_not_be_committed_as_pending(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 2)
    with pytest.raises(AssertionError):
        store.write_shard(0, pixels(0, 2), np.zeros(2, np.uint8))


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 2)
    leftover = store.path / "pixels" / "c" / "0" / "x.partial"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    store.take_up(Reporter(quiet=True))
    assert not leftover.exists()


def test_a_killed_creation_leaves_no_store_and_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plain = tmp_path / "tiles.zarr", os.replace

    def dying(source: Path, target: Path) -> None:
        if target == path:
            os._exit(9)
        plain(source, target)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", dying)
        make_tile_store(path, 5)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not (tmp_path / "tiles.zarr").exists()
    recover(tmp_path)
    assert len(make_tile_store(tmp_path / "tiles.zarr", 2)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["tiles.zarr"]


def test_a_store_does_not_take_the_place_of_another(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 5)
    with pytest.raises(OSError, match="not empty"):
        make_tile_store(tmp_path / "tiles.zarr", 2)
    assert len(TileStore.open(store.path)) == 5


@pytest.mark.parametrize("linked", ["pixels/c/0/0/0", "pixels/c", "state/zarr.json", "strange"])
def test_a_link_in_a_store_is_refused(linked: str, tmp_path: Path) -> None:
    """It would show any file as pixels, or have a resumed run write into any folder."""
    store = make_tile_store(tmp_path / "tiles.zarr", COUNT)
    fill(store, 0)
    place, target = store.path / linked, tmp_path / "elsewhere"
    if place.exists():
        place.rename(target)
    place.symlink_to(target)
    with pytest.raises(StoreError, match=f"{linked}: is a symbolic link.*--overwrite"):
        TileStore.open(store.path)


def test_a_store_may_be_read_through_a_link_to_it(tmp_path: Path) -> None:
    fill(make_tile_store(tmp_path / "elsewhere.zarr", COUNT), 0)
    (tmp_path / "tiles.zarr").symlink_to(tmp_path / "elsewhere.zarr")
    assert TileStore.open(tmp_path / "tiles.zarr").pending_shards() == [1, 2]


def test_a_shard_is_one_compressed_file(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", COUNT)
    for shard in range(3):
        fill(store, shard)
    files = sorted(path for path in (store.path / "pixels").rglob("*") if path.is_file() and path.name != "zarr.json")
    assert [str(path.relative_to(store.path)) for path in files] == [f"pixels/c/{n}/0/0/0" for n in range(3)]
    layout = json.loads((store.path / "pixels" / "zarr.json").read_text())
    assert layout["zarr_format"] == 3
    (sharding,) = layout["codecs"]
    assert sharding["name"] == "sharding_indexed"
    assert sharding["configuration"]["chunk_shape"] == [1, SIDE, SIDE, 3]
    assert layout["chunk_grid"]["configuration"]["chunk_shape"] == [SHARD_TILES, SIDE, SIDE, 3]
    (blosc,) = [codec for codec in sharding["configuration"]["codecs"] if codec["name"] == "blosc"]
    assert blosc["configuration"]["cname"] == "zstd"


def test_black_tiles_come_back_black(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 3)
    store.write_shard(0, np.zeros((3, SIDE, SIDE, 3), np.uint8), np.full(3, DONE, np.uint8))
    assert not store.read_shard(0).any()
    assert store.pending_shards() == []


@pytest.mark.parametrize("map_size", [None, 3])
def test_scores_come_back_as_they_were_written(map_size: int | None, tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", SHARD_TILES + 2, map_size=map_size)
    assert np.isnan(store.scores().score).all()
    assert np.isnan(store.scores().layer_residuals).all()
    given = scores(2, map_size)
    store.write_shard(1, given, np.array([DONE, TileState.UNREADABLE], np.uint8))
    found = ScoreStore.open(store.path)
    columns = [field.name for field in fields(TileScores) if field.name not in {"anomaly_map", "descriptor"}]
    for name in columns:
        np.testing.assert_array_equal(getattr(found.scores(), name)[SHARD_TILES:], getattr(given, name))
    assert np.isnan(found.scores().score[:SHARD_TILES]).all()
    assert found.pending_shards() == [0]
    assert found.states()[SHARD_TILES:].tolist() == [DONE, TileState.UNREADABLE]
    if given.anomaly_map is not None:
        np.testing.assert_array_equal(found.anomaly_map(SHARD_TILES + 1), given.anomaly_map[1])
        assert np.isnan(found.anomaly_map(0)).all()


def test_descriptors_and_what_they_are_compared_with_come_back(tmp_path: Path) -> None:
    known = tiny_descriptors(20).reference
    header = score_header().model_copy(update={"descriptor_size": known.dimensions})
    thumbnail = np.zeros((5, 7, 3), np.uint8)
    store = ScoreStore.create(
        tmp_path / "scores.zarr", header, make_index(70), thumbnail, thumbnail[..., 0] > 0, reference=known
    )
    random = np.random.default_rng(0)
    for shard in range(store.shards):
        count = store.count_tiles([shard])
        given = replace(scores(count), descriptor=random.normal(size=(count, known.dimensions)).astype(np.float16))
        store.write_shard(shard, given, np.full(count, DONE, np.uint8))
    store.assemble()
    assert store.adapted is None
    before = store.read("score")
    store.adapt("anchors", np.arange(4))
    record = store.adapted.record
    for found in (store, ScoreStore.open(store.path)):
        assert found.adapted.record == record
        assert found.shown.model.display_range == record.display_range
        assert record.words in found.shown.model.rule
        assert found.header == header, "what the store was made with stays"
        assert not np.array_equal(found.read("score"), before)
        np.testing.assert_array_equal(found.read("score", slice(3, 5)), found.read("score")[3:5])
        level = known.metric.level(found.descriptors()[:4])
        np.testing.assert_allclose(found.read("score") * record.scale, level.distance(found.descriptors()), rtol=1e-5)
    single, again = found.read("score"), ScoreStore.open(store.path)
    again.adapt("anchors", np.arange(4), radius=SIDE)
    smooth = again.adapted.record
    assert ScoreStore.open(store.path).radius == smooth.radius == SIDE
    np.testing.assert_array_equal(again.read("score"), local_median(single, store.positions(), SIDE))
    assert smooth.words.endswith(f"; smoothed: the median of all tiles within {SIDE} µm")
    shutil.rmtree(store.path / "adapted")
    np.testing.assert_array_equal(ScoreStore.open(store.path).read("score"), before)


@pytest.mark.parametrize("damage", ["score", "attributes", "type", "reference"])
def test_a_damaged_adaptation_is_refused_in_one_sentence(damage: str, tmp_path: Path) -> None:
    known = tiny_descriptors(20).reference
    header = score_header().model_copy(update={"descriptor_size": known.dimensions})
    picture = np.zeros((5, 7, 3), np.uint8)
    store = ScoreStore.create(
        tmp_path / "scores.zarr", header, make_index(4), picture, picture[..., 0] > 0, reference=known
    )
    given = replace(scores(4), descriptor=np.ones((4, known.dimensions), np.float16))
    store.write_shard(0, given, np.full(4, DONE, np.uint8))
    store.adapt("none")
    inside = zarr.open_group(store.path / "adapted", mode="r+")
    if damage == "score":
        shutil.rmtree(store.path / "adapted" / "score")
    elif damage == "attributes":
        inside.attrs["mode"] = "other"
    elif damage == "type":
        inside.create_array("score", data=np.zeros(4), overwrite=True)
    else:
        shutil.rmtree(store.path / "reference" / "within")
    with pytest.raises(StoreError, match="is damaged"):
        opened = ScoreStore.open(store.path)
        opened.adapt("none") if damage == "reference" else opened.read("score")


def test_thumbnail_and_mask_come_back_as_they_were_given(tmp_path: Path) -> None:
    make_score_store(tmp_path / "scores.zarr", 2)
    store = ScoreStore.open(tmp_path / "scores.zarr")
    thumbnail = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    np.testing.assert_array_equal(store.thumbnail(), thumbnail)
    np.testing.assert_array_equal(store.tissue_parts(), thumbnail[..., 0] % 2 == 0)
    assert store.tissue_parts().dtype == np.uint8


@pytest.mark.parametrize("make", [make_tile_store, make_score_store])
def test_a_store_of_no_tiles_is_finished(make: Callable[..., ShardedStore], tmp_path: Path) -> None:
    store = make(tmp_path / "store.zarr", 0)
    assert (len(store), store.shards, store.pending_shards()) == (0, 0, [])
    assert store.states().shape == (0,)


def test_a_store_that_was_begun_before_a_flag_is_finished_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_score_store(tmp_path / "scores.zarr", SHARD_TILES + 2)
    monkeypatch.setitem(FLAGS, "new", FLAGS["pen"])
    given = scores(2)
    store.write_shard(1, given, np.full(2, DONE, np.uint8))
    assert given.artefacts.shape[1] == len(FLAGS)  # zarr leaves out what its array has no column for
    np.testing.assert_array_equal(store.read("artefacts")[SHARD_TILES:], given.artefacts[:, :-1])


def test_a_store_of_no_tiles_has_no_scores(tmp_path: Path) -> None:
    found = make_score_store(tmp_path / "scores.zarr", 0, map_size=3).scores()
    assert found.score.shape == (0,)
    assert found.layer_residuals.shape == (0, 2)


def test_a_store_made_from_the_same_is_taken(tmp_path: Path) -> None:
    make_tile_store(tmp_path / "tiles.zarr", 2).require_same(tile_header())
    TileStore.open(tmp_path / "tiles.zarr").require_same(tile_header())
    make_score_store(tmp_path / "scores.zarr", 2)
    ScoreStore.open(tmp_path / "scores.zarr").require_same(score_header())


def test_a_store_made_from_something_else_is_refused_by_what_differs(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 2)
    with pytest.raises(
        OutputExistsError, match=r"differs in: the slide \(it has ffffffff, this command 00000000\)\).*--over"
    ):
        store.require_same(tile_header(fingerprint="0" * 64))
    with pytest.raises(
        OutputExistsError, match=r"differs in: --mpp or --override-mpp \(it has 0\.5, this command 0\.25\)\)"
    ):
        store.require_same(tile_header(mpp=(0.25, 0.5)))


def test_scores_of_another_model_are_refused_but_another_number_of_threads_is_not(tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 2)
    store.require_same(score_header(threads=9))
    with pytest.raises(OutputExistsError, match=r"differs in: --model \(it has aaaaaaaa, this command bbbbbbbb\)\)"):
        store.require_same(score_header(sha256="b" * 64))
    with pytest.raises(OutputExistsError, match=r"differs in: --maps \(it has without, this command with\)\)"):
        store.require_same(score_header(map_size=4))


def test_what_training_used_is_learnt_later_but_not_forgotten(tmp_path: Path) -> None:
    """A store from before it was kept has no such key, and one of another patient is no other store."""
    store = make_score_store(tmp_path / "scores.zarr", 2)
    edit(store.path, lambda attributes: attributes["header"].pop("trained_on"))
    store = ScoreStore.open(store.path)
    assert store.header.trained_on is None
    unnamed, named = (
        score_header().model_copy(update={"trained_on": SlideUse(patient=patient)}) for patient in (None, ("train",))
    )
    store.require_same(named)
    for header, expected in ((unnamed, None), (named, named.trained_on), (unnamed, named.trained_on)):
        store.learn(header)
        assert ScoreStore.open(store.path).header.trained_on == expected


def test_a_store_from_before_rules_were_named_goes_on(tmp_path: Path) -> None:
    make_score_store(tmp_path / "scores.zarr", 2)
    edit(tmp_path / "scores.zarr", lambda attributes: attributes["header"]["model"].pop("rule_name"))
    store, asked = ScoreStore.open(tmp_path / "scores.zarr"), score_header()
    assert store.header.model.rule_name is None
    named = asked.model.model_copy(update={"rule_name": "content"})
    store.require_same(asked.model_copy(update={"model": named}))


@pytest.mark.parametrize("finished", [True, False])
def test_a_begun_store_takes_over_the_range_of_the_maps_to_come(tmp_path: Path, *, finished: bool) -> None:
    """With the maps of an older version, their range was another; it follows from the model, and refuses nothing."""
    store = make_score_store(tmp_path / "scores.zarr", 0)
    if finished:
        store.assemble()
        store.write_gallery(make_gallery(0))
    header = store.header.model_copy(update={"model": store.header.model.model_copy(update={"map_range": (-1.0, 2.0)})})
    store.require_same(header)
    store.learn(header)
    assert ScoreStore.open(store.path).header.model.map_range == (None if finished else (-1.0, 2.0))


def test_kept_maps_that_add_up_are_not_mixed_with_others(tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 3, map_size=4)
    with pytest.raises(OutputExistsError, match="map_adds_up"):
        store.require_same(store.header.model_copy(update={"map_adds_up": True}))


@pytest.mark.parametrize("version", [[4], {"is": 4}, "4", None])
def test_a_format_version_of_any_type_is_refused(version: object, tmp_path: Path) -> None:
    """`make fuzz` found the list."""
    store = make_tile_store(tmp_path / "tiles.zarr", 5)
    edit(store.path, lambda attributes: attributes.update(format_version=version))
    with pytest.raises(StoreError, match="format version"):
        TileStore.open(store.path)


@pytest.mark.parametrize("name", ["key", "complete"])
@pytest.mark.parametrize("value", ["zz", 7, [], None])
def test_attributes_of_its_progress_of_any_content_are_told(name: str, value: object, tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 5)
    edit(store.path, lambda attributes: attributes.pop(name) if value is None else attributes.update({name: value}))
    if name == "key" or value is None:
        with pytest.raises(StoreError, match="is damaged"):
            TileStore.open(store.path)
    else:
        assert len(TileStore.open(store.path)) == 5


def test_another_format_version_is_refused_by_its_number(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 2)
    edit(store.path, lambda attributes: attributes.update(format_version=99))
    with pytest.raises(StoreError, match="format version 99"):
        TileStore.open(store.path)


def test_another_kind_of_store_is_refused(tmp_path: Path) -> None:
    make_tile_store(tmp_path / "tiles.zarr", 2)
    with pytest.raises(StoreError, match="not a wsi-haloae score store"):
        ScoreStore.open(tmp_path / "tiles.zarr")
    edit(tmp_path / "tiles.zarr", lambda attributes: attributes.clear())
    with pytest.raises(StoreError, match="not a wsi-haloae tile store"):
        TileStore.open(tmp_path / "tiles.zarr")


@pytest.mark.parametrize("what", ["absent", "empty folder", "a file", "an array", "no JSON", "a list"])
def test_what_is_no_store_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "tiles.zarr"
    if what == "empty folder":
        path.mkdir()
    elif what == "a file":
        path.write_text("no store")
    elif what != "absent":
        make_tile_store(path, 2)
        if what == "an array":
            path = path / "pixels"
        else:
            (path / "zarr.json").write_text({"no JSON": "{", "a list": "[]"}[what])
    with pytest.raises(StoreError, match="no wsi-haloae tile store here"):
        TileStore.open(path)


def damage_header(path: Path) -> None:
    edit(path, lambda attributes: attributes["header"].pop("slide"))


def damage_chunk(path: Path) -> None:
    for chunk in (path / "location").rglob("c/**/*"):
        if chunk.is_file():
            chunk.write_bytes(b"\x00damaged")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "header incomplete": damage_header,
    "header missing": lambda path: edit(path, lambda attributes: attributes.pop("header")),
    "header with an unknown key": lambda path: edit(path, lambda attributes: attributes["header"].update(extra=1)),
    "index missing": lambda path: shutil.rmtree(path / "row"),
    "index cut": lambda path: (path / "row" / "zarr.json").write_text("{"),
    "chunk damaged": damage_chunk,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_store_is_refused_with_the_way_out(damage: Callable[[Path], None], tmp_path: Path) -> None:
    make_tile_store(tmp_path / "tiles.zarr", 2)
    damage(tmp_path / "tiles.zarr")
    with pytest.raises(StoreError, match=r"(?s)damaged.*--overwrite"):
        TileStore.open(tmp_path / "tiles.zarr")


def test_an_index_can_be_cut_by_mask_and_by_number() -> None:
    index = make_index(5)
    by_mask = index.select(np.array([True, False, False, True, False]))
    by_number = index.select(np.array([0, 3]))
    assert len(by_mask) == 2
    for field in fields(TileIndex):
        np.testing.assert_array_equal(getattr(by_mask, field.name), getattr(index, field.name)[[0, 3]])
        np.testing.assert_array_equal(getattr(by_number, field.name), getattr(by_mask, field.name))
