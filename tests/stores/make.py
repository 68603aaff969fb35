"""Small stores on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.stores.adaptation import ADAPTED_NAME
from wsi_haloae.stores.filling import SHARDS_NAME
from wsi_haloae.stores.gallery import Gallery, GalleryRole
from wsi_haloae.stores.score_header import ComputeRecord, ModelRecord, ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.seal import ROOT, Seal, pieces_below
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import GridRecord, SlideRecord, StoreHeader
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.grid import TileGrid

SIDE, COLUMNS = 4, 10


def make_index(count: int) -> TileIndex:
    rows, columns = np.divmod(np.arange(count, dtype=np.int64), COLUMNS)
    grid = TileGrid(SIDE * COLUMNS, SIDE * 100, SIDE, SIDE, 1.0, 1.0)
    fractions = np.linspace(0.5, 1, count, dtype=np.float32)
    return TileIndex(rows, columns, grid.locations(rows, columns), grid.clipped_sizes(rows, columns), fractions)


def tile_header(mpp: tuple[float, float] = (0.5, 0.5), fingerprint: str = "f" * 64) -> StoreHeader:
    return StoreHeader(
        slide=SlideRecord(
            name="slide.svs",
            vendor="test",
            width=SIDE * COLUMNS,
            height=SIDE * 100,
            mpp_x=mpp[0],
            mpp_y=mpp[1],
            objective_power=None,
            bounds=(1, 2, 3, 4),
            background=(250, 251, 252),
            fingerprint=fingerprint,
        ),
        grid=GridRecord(**asdict(TileGrid(SIDE * COLUMNS, SIDE * 100, SIDE, SIDE, 1.0, 1.0))),
        read_plan={"mpp_x": mpp[0], "mpp_y": mpp[1]},
        tissue={"min_fraction": 0.1},
    )


def score_header(map_size: int | None = None, threads: int = 1, sha256: str = "a" * 64) -> ScoreHeader:
    return ScoreHeader(
        **dict(tile_header()),
        model=ModelRecord(
            sha256=sha256, rule="test", mpp=0.5, display_range=(0.0, 1.0), calibration=None, artefacts=None
        ),
        compute=ComputeRecord(batch_size=4, dtype="float32", device="cpu", threads=threads),
        layers=("one", "two"),
        rules=("a", "b", "c"),
        map_size=map_size,
        roi_sha256=None,
    )


def make_tile_store(path: Path, count: int, **header: object) -> TileStore:
    return TileStore.create(path, tile_header(**header), make_index(count))


def make_score_store(path: Path, count: int, **header: object) -> ScoreStore:
    thumbnail = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    return ScoreStore.create(path, score_header(**header), make_index(count), thumbnail, thumbnail[..., 0] % 2 == 0)


def make_gallery(count: int, map_size: int = 2) -> Gallery:
    """The first ``count`` tiles, in roles that take turns."""
    random = np.random.default_rng(count)
    return Gallery(
        role=np.sort(np.arange(count, dtype=np.uint8) % len(GalleryRole)),
        number=np.arange(count, dtype=np.int64),
        pixels=random.integers(0, 255, (count, SIDE, SIDE, 3), dtype=np.uint8),
        maps=random.random((count, map_size, map_size), np.float32),
        score=random.random(count, np.float32),
        rule="content",
    )


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the attributes of a sealed group as its writer would."""
    seal = Seal.read((path / ROOT).read_bytes())
    attributes = deepcopy(dict(seal.attributes))
    change(attributes)
    (path / ROOT).write_bytes(Seal.make(attributes, seal.contents).raw)


def complete(path: Path) -> None:
    """Seal a store whose arrays were written by zarr, as they are now."""
    shutil.rmtree(path / SHARDS_NAME, ignore_errors=True)
    attributes = {**Seal.read((path / ROOT).read_bytes()).attributes, "complete": True}
    files = pieces_below(path)
    inside = {name: piece for name, piece in files.items() if not name.startswith(f"{ADAPTED_NAME}/")}
    (path / ROOT).write_bytes(Seal.make(attributes, inside).raw)
