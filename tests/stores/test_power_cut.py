"""After a power cut, whatever got its name is there whole: files, folders, shards, stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.durability import Disk
from tests.stores.fill import fill_scores, fill_tiles, read_all, score_store, tile_store
from wsi_haloae.atomic import commit, new_tree, recover, replacing_tree, write_text
from wsi_haloae.errors import StoreError
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore

OLD, NEW = "old", "new and longer"


def write_tree(path: Path, text: str, how: Callable = replacing_tree) -> None:
    with how(path) as partial:
        (partial / "c").mkdir(parents=True)
        (partial / "zarr.json").write_text(text)
        (partial / "c/0").write_text(text)


WRITERS: dict[str, Callable[[Path, str], None]] = {
    "file": write_text,
    "commit": lambda path, text: commit(path, [text.encode()]),
    "folder": write_tree,
}


def texts(path: Path) -> list[str]:
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file.read_text() for file in files if file.is_file()]


def cuts(
    folder: Path, work: Callable[[], None], check: Callable[[Path], None], *, ignoring: bool = False, every: int = 1
) -> int:
    """Do ``work`` in ``folder``, and check what each cut of the power would leave. Returns how many there were."""
    disk, scratch, count = Disk(folder), folder.with_name(f"{folder.name}-cut"), 0

    def cut(*, last: bool = False) -> None:
        nonlocal count
        count += 1
        if count % every and not last:
            return
        for all_names in (False, True):
            check(disk.rebuild(scratch, all_names=all_names))
            shutil.rmtree(scratch)

    with disk.watching(cut, ignoring=ignoring):
        work()
        cut(last=True)
    return count


@pytest.mark.parametrize("before", [True, False], ids=["an old one", "none yet"])
@pytest.mark.parametrize("what", WRITERS)
def test_old_or_new_and_whole(what: str, before: bool, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if before:
        WRITERS[what](folder / "it", OLD)
    seen = []

    def check(left: Path) -> None:
        recover(left)
        found = texts(left / "it") if (left / "it").exists() else []
        assert set(found) in ([{OLD}, {NEW}] if before else [set(), {NEW}])
        assert len(found) in ({0, 2} if what == "folder" else {0, 1})
        seen.append(found)

    assert cuts(folder, lambda: WRITERS[what](folder / "it", NEW), check) > 3
    assert NEW in seen[-1], "what was promised is there"
    assert NEW in seen[-2]


def test_a_new_folder_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()

    def check(left: Path) -> None:
        assert not (left / "it").exists() or texts(left / "it") == [NEW, NEW]

    assert cuts(folder, lambda: write_tree(folder / "it", NEW, new_tree), check) > 5


@pytest.mark.parametrize("what", WRITERS)
def test_a_disk_that_does_not_write_is_noticed(what: str, tmp_path: Path) -> None:
    """These tests would fail without fsync."""
    folder, seen = tmp_path / "disk", set()
    folder.mkdir()

    def check(left: Path) -> None:
        recover(left)
        with suppress(FileNotFoundError):
            seen.update(texts(left / "it"))

    cuts(folder, lambda: WRITERS[what](folder / "it", NEW), check, ignoring=True)
    assert seen == {""}


@pytest.mark.parametrize(
    ("kind", "make", "fill"), [(ScoreStore, score_store, fill_scores), (TileStore, tile_store, fill_tiles)]
)
def test_a_store_goes_on_from_any_cut(kind: type, make: Callable, fill: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    states = set()

    def check(left: Path) -> None:
        if not (left / "it").exists():
            states.add("none")
            return
        store, told = kind.open(left / "it"), Reporter(quiet=True)
        store.take_up(told)
        assert not told.warnings, "no shard is torn"
        states.add("finished" if store.finished else f"{len(store.pending_shards())} pending")
        if store.finished:
            with suppress(AssertionError):  # adapted scores may be on their way
                read_all(store)
        elif len(states) % 2:
            fill(store)
            read_all(kind.open(left / "it"))

    def work() -> None:
        fill(make(folder / "it"))

    cuts(folder, work, check, every=5)
    assert {"none", "2 pending", "1 pending", "finished"} <= states


def test_a_store_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    """Of a disk that lies, a rename without the bytes is left: it is told, not shown as fill values."""
    fill_scores(score_store(tmp_path / "scores.zarr"))
    (tmp_path / "scores.zarr/score/c/0").write_bytes(b"")
    with pytest.raises(StoreError, match=r"score/c/0 has 0 bytes"):
        ScoreStore.open(tmp_path / "scores.zarr")
