"""A store while it is filled: one file a shard, and the same bytes in the end whatever moment a kill chooses."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.stores.fill import UNREADABLE, fill_scores, fill_tiles, score_store, tile_store
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.errors import OutputExistsError, StoreError
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.filling import SHARDS_NAME
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.stores.tile_store import TileStore


def contents(path: Path) -> dict[str, bytes]:
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def shard_files(path: Path) -> list[str]:
    return sorted(one.name for one in (path / SHARDS_NAME).iterdir())


@pytest.fixture
def quiet(tmp_path: Path) -> dict[str, bytes]:
    """The bytes of a store that nobody disturbed."""
    store = score_store(tmp_path / "quiet/scores.zarr", maps=4)
    fill_scores(store)
    return contents(store.path)


@pytest.mark.parametrize("maps", [None, 4])
def test_each_shard_is_one_file_and_each_column_in_the_end(maps: int | None, tmp_path: Path) -> None:
    store = score_store(tmp_path / "scores.zarr", maps=maps)
    made = set(contents(store.path))
    store.assemble = lambda: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fill_scores(store)
    new = set(contents(store.path)) - made
    large = {f"anomaly_map/c/{shard}/0/0" for shard in range(3)} if maps else set()
    assert new == {f"{SHARDS_NAME}/{shard:06d}.bin" for shard in range(3)} | large
    half = {name: ScoreStore.open(store.path).read(name) for name in store.columns()}
    again = ScoreStore.open(store.path)
    fill_scores(again)
    assert not (store.path / SHARDS_NAME).exists()
    found = ScoreStore.open(store.path)
    for name, values in half.items():
        if name not in {"score", "p_value", "reference_scores"}:  # adapted meanwhile
            np.testing.assert_array_equal(found.read(name), values)
    assert [tile.reason for tile in found.unreadable()] == ["torn"]
    assert found.states()[UNREADABLE] == TileState.UNREADABLE
    for name in store.columns().keys() - {"anomaly_map"}:
        assert len(list((found.path / name / "c").rglob("*"))) - len(zarr.open_group(found.path)[name].shape) == 0


def test_zarr_reads_the_finished_store_by_itself(tmp_path: Path) -> None:
    store = score_store(tmp_path / "scores.zarr", maps=4)
    fill_scores(store)
    group = zarr.open_group(store.path, mode="r", zarr_format=3)
    for field in fields(TileScores):
        np.testing.assert_array_equal(group[field.name][:], super(ScoreStore, store).read(field.name))
        codec = group[field.name].metadata.to_dict()["codecs"][-1]
        assert codec["name"] in {"crc32c", "sharding_indexed"}


def test_a_store_that_was_killed_anywhere_ends_with_the_same_bytes(tmp_path: Path, quiet: dict[str, bytes]) -> None:
    """Killed at every call that makes, renames or removes something, and again at the next one."""
    path = tmp_path / "killed/scores.zarr"
    calls, killed = 0, True
    while killed:
        killed = _killed_at(calls, path)
        calls += 7
        if killed and path.exists():
            store = ScoreStore.open(path)
            store.take_up(Reporter(quiet=True))
        if calls % 3 == 0:
            shutil.rmtree(path.parent)
    assert calls > 100
    if not path.exists():
        _killed_at(100_000, path)
    assert contents(path) == quiet


def _killed_at(chosen: int, path: Path) -> bool:
    """Whether a process that makes the store, or goes on with it, came as far as its chosen call."""
    child = os.fork()
    if not child:
        count = 0

        def counting(plain):
            def call(*arguments, **options):
                nonlocal count
                count += 1
                if count > chosen:
                    os._exit(9)
                return plain(*arguments, **options)

            return call

        for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync", "link"):
            setattr(os, name, counting(getattr(os, name)))
        if path.exists():
            store = ScoreStore.open(path)
            store.take_up(Reporter(quiet=True))
        else:
            store = score_store(path, maps=4)
        fill_scores(store)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "gone", "another's", "another store's", "map gone"])
def test_a_damaged_shard_is_done_again_and_told(
    damage: str, tmp_path: Path, quiet: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    store = score_store(tmp_path / "scores.zarr", maps=4)
    store.assemble = lambda: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fill_scores(store)
    victim = store.path / SHARDS_NAME / "000001.bin"
    raw = victim.read_bytes()
    if damage == "bit":
        victim.write_bytes(raw[:999] + bytes([raw[999] ^ 4]) + raw[1000:])
    elif damage == "cut":
        victim.write_bytes(raw[:-1])
    elif damage == "empty":
        victim.write_bytes(b"")
    elif damage == "gone":
        victim.unlink()
    elif damage == "another's":
        shutil.copy(victim.with_name("000000.bin"), victim)
    elif damage == "another store's":
        victim.write_bytes(raw[:16] + b"x" * 32 + raw[48:])
    else:
        (store.path / "anomaly_map/c/1/0/0").unlink()
    again = ScoreStore.open(store.path)
    again.take_up(Reporter())
    assert again.pending_shards() == [1]
    told = capsys.readouterr().err
    assert damage == "gone" or "its tiles are done again" in told
    fill_scores(again)
    assert contents(store.path) == quiet


def test_a_shard_that_is_lost_while_columns_are_made_is_no_column_of_fill(tmp_path: Path) -> None:
    store = score_store(tmp_path / "scores.zarr")
    plain = store.assemble

    def late() -> None:
        (store.path / SHARDS_NAME / "000001.bin").unlink()
        plain()

    store.assemble = late  # type: ignore[method-assign]
    with pytest.raises(StoreError, match=r"shards/000001.bin is missing"):
        fill_scores(store)
    assert ScoreStore.open(store.path).pending_shards() == [1]


def test_nothing_more_is_written_into_a_complete_store(tmp_path: Path) -> None:
    store = tile_store(tmp_path / "tiles.zarr")
    fill_tiles(store)
    for each in (store, TileStore.open(store.path)):
        with pytest.raises(StoreError, match="read-only"):
            each.write_shard(0, each.read_shard(0), each.states()[:64])


def test_a_store_of_the_version_before_is_read_but_not_continued(tmp_path: Path) -> None:
    """It has no seal, and its columns have a file per shard."""
    store = score_store(tmp_path / "scores.zarr")
    fill_scores(store)
    expected = store.scores()
    group = zarr.open_group(store.path, mode="r+")
    attributes = {k: v for k, v in group.attrs.asdict().items() if k not in {"sha256", "contents", "key", "complete"}}
    group.attrs.put({**attributes, "format_version": ScoreStore.format_version - 1})
    for name in ("state", "score"):
        values = group[name][:]
        group.create_array(name, shape=values.shape, chunks=(64,), dtype=values.dtype, overwrite=True)[:] = values
    old = ScoreStore.open(store.path)
    assert old.finished
    for field in fields(TileScores):
        one, other = getattr(old.scores(), field.name), getattr(expected, field.name)
        assert (one is None and other is None) or np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    assert old.gallery() is not None
    old.adapt("none")
    assert ScoreStore.open(store.path).adapted is not None
    group["state"][64:] = 0
    begun = ScoreStore.open(store.path)
    assert begun.pending_shards() == [1, 2]
    with pytest.raises(OutputExistsError, match=r"begun by an earlier version.*--overwrite"):
        begun.take_up(Reporter(quiet=True))


def test_reasons_in_many_shards_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece each reading of the column unpacks all of it."""
    store, read = score_store(tmp_path / "scores.zarr"), []
    fill_scores(store)
    states = store.states().copy()
    states[[3, UNREADABLE, 139]] = TileState.UNREADABLE
    real = ScoreStore.read
    monkeypatch.setattr(ScoreStore, "states", lambda _store: states)
    monkeypatch.setattr(ScoreStore, "read", lambda self, name, *place: read.append(name) or real(self, name, *place))
    found, index = store.unreadable(), store.index
    assert [tile.reason for tile in found] == ["", "torn", ""]
    assert [(tile.row, tile.column) for tile in found] == [
        (index.row[n], index.column[n]) for n in (3, UNREADABLE, 139)
    ]
    assert read == ["reason"]
    assert len(FLAGS) == store.read("artefacts").shape[1]
