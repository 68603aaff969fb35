"""Finished stores that a disk, a copy or a person has damaged: nothing goes unnoticed, and the piece is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.stores.fill import fill_scores, fill_tiles, read_all, score_store, tile_store
from wsi_haloae.errors import StoreError
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore

FLIPS = 200
KINDS = [ScoreStore, TileStore]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fill_scores(score_store(folder / ScoreStore.__name__, maps=4))
    fill_tiles(tile_store(folder / TileStore.__name__))
    return folder


def files(store: Path) -> list[Path]:
    return sorted(path.relative_to(store) for path in store.rglob("*") if path.is_file())


def refused(kind: type[ScoreStore | TileStore], store: Path, piece: Path) -> str:
    """What is said by opening the store and using the array or group that a piece is of."""
    with pytest.raises(StoreError) as told:
        read_all(kind.open(store), piece.parts[0])
    return str(told.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_goes_unnoticed(kind: type[ScoreStore | TileStore], whole: Path, tmp_path: Path) -> None:
    """Each bit of the store has the same chance; and then each file, since some are a thousand times as large."""
    store = shutil.copytree(whole / kind.__name__, tmp_path / "store")
    random, names = np.random.default_rng(19), files(store)
    sizes = np.array([(store / name).stat().st_size for name in names])
    victims = [*random.choice(len(names), FLIPS, p=sizes / sizes.sum()), *range(len(names))]
    for victim in victims:
        path = store / names[victim]
        raw = path.read_bytes()
        changed = bytearray(raw)
        changed[random.integers(len(raw))] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        told = refused(kind, store, names[victim])
        assert names[victim].as_posix() in told or names[victim].name == "zarr.json", told
        path.write_bytes(raw)
    read_all(kind.open(store))


@pytest.mark.parametrize("kind", KINDS)
def test_each_missing_file_is_named(kind: type[ScoreStore | TileStore], whole: Path, tmp_path: Path) -> None:
    store = shutil.copytree(whole / kind.__name__, tmp_path / "store")
    for name in files(store):
        (store / name).rename(tmp_path / "away")
        said = refused(kind, store, name)
        assert name.as_posix() == "zarr.json" or f"{name.as_posix()} is missing" in said, said
        (tmp_path / "away").rename(store / name)
    read_all(kind.open(store))


@pytest.mark.parametrize("kind", KINDS)
def test_each_cut_file_is_named_when_the_store_is_opened(
    kind: type[ScoreStore | TileStore], whole: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(whole / kind.__name__, tmp_path / "store")
    for name in files(store):
        if name.parts[0] in {"adapted", "zarr.json"}:  # the first has a seal of its own, the second is one
            continue
        raw = (store / name).read_bytes()
        (store / name).write_bytes(raw[:-1])
        with pytest.raises(
            StoreError, match=rf"damaged \({name.as_posix()} has [\d,]+ bytes in place of .*--overwrite"
        ):
            kind.open(store)
        (store / name).write_bytes(raw)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (TileStore, "pixels/c/0/0/0/0", "pixels/c/1/0/0/0"),
        (ScoreStore, "anomaly_map/c/0/0/0", "anomaly_map/c/1/0/0"),
        (ScoreStore, "score/c/0", "score_paper/c/0"),
        (ScoreStore, "row/c/0", "column/c/0"),
        (ScoreStore, "adapted/score/c/0", "adapted/p_value/c/0"),
    ],
)
def test_exchanged_files_are_noticed(
    kind: type[ScoreStore | TileStore], one: str, other: str, whole: Path, tmp_path: Path
) -> None:
    """Each of them is sound by itself, and most have one size."""
    store = shutil.copytree(whole / kind.__name__, tmp_path / "store")
    (store / one).rename(tmp_path / "away")
    (store / other).rename(store / one)
    (tmp_path / "away").rename(store / other)
    said = refused(kind, store, Path(one))
    assert f"({one} " in said or f"({other} " in said


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_belong_to_a_store_does_not_count(
    kind: type[ScoreStore | TileStore], whole: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(whole / kind.__name__, tmp_path / "store")
    (store / "shards").mkdir()
    (store / "shards/000000.bin").write_bytes(b"left")
    shutil.copytree(store / "row", store / "strange")
    read_all(kind.open(store))
