"""Stores filled shard by shard, as scoring and tiling do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.export.stores import Scene, make_index
from tests.stores.make import SIDE, make_gallery, make_tile_store
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import ShardedStore, TileState
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.stores.tile_store import TileStore

UNREADABLE = 70
"""A tile that could not be read."""


def score_store(path: Path, *, maps: int | None = None) -> ScoreStore:
    """A new store of three shards with every tile pending."""
    scene = Scene(map_size=maps)
    known = _reference()
    header = scene.header.model_copy(update={"descriptor_size": known.dimensions})
    thumbnail = np.zeros((73, 100, 3), np.uint8)
    thumbnail[10:20] = np.arange(100, dtype=np.uint8)[:, None]
    mask = thumbnail[..., 0] > 7
    quantiles = np.linspace(0, 1, 9, dtype=np.float32)
    return ScoreStore.create(path, header, make_index(scene), thumbnail, mask, quantiles, known)


def fill_scores(store: ScoreStore) -> None:
    """Write the pending shards, make one file per column, adapt, and write the gallery: what `score_slide` does."""
    for shard in store.pending_shards():
        place, random = store.shard_slice(shard), np.random.default_rng(shard)
        count, side, size = place.stop - place.start, store.header.map_size, store.header.descriptor_size
        scores = TileScores(
            score=random.random(count, np.float32),
            score_paper=random.random(count, np.float32),
            p_value=random.random(count, np.float32),
            rules=random.random((count, 1), np.float32),
            layer_residuals=random.random((count, 1), np.float32),
            layer_dissimilarities=random.random((count, 1), np.float32),
            artefacts=random.random((count, len(FLAGS)), np.float32),
            flags=random.integers(0, 8, count).astype(np.uint8),
            tissue_cells=np.arange(count, dtype=np.int32),
            anomaly_map=None if side is None else random.random((count, side, side), np.float32),
            descriptor=random.normal(size=(count, size)).astype(np.float16),
        )
        store.write_shard(shard, scores, *_states(place))
    store.assemble()
    if not store.finished:
        store.adapt("none")
        side = store.header.grid.tile_size
        pixels = np.random.default_rng(0).integers(0, 255, (5, side, side, 3), np.uint8)
        store.write_gallery(replace(make_gallery(5, 4), pixels=pixels))


def fill_tiles(store: TileStore) -> None:
    """Write the pending shards, and make the store complete."""
    for shard in store.pending_shards():
        place = store.shard_slice(shard)
        pixels = np.random.default_rng(shard).integers(0, 255, (place.stop - place.start, SIDE, SIDE, 3), np.uint8)
        store.write_shard(shard, pixels, *_states(place))
    store.assemble()


def tile_store(path: Path) -> TileStore:
    """A new store of three shards with every tile pending."""
    return make_tile_store(path, 150)


def _reference(size: int = 5) -> ReferenceDescriptors:
    random = np.random.default_rng(0)
    metric = Metric(random.normal(size=size), np.eye(size) + 0.2, 2 * np.eye(size) + 0.1)
    held_out = random.normal(size=(60, size)).astype(np.float16)
    folds = np.split(np.arange(60), 2)
    groups = np.repeat(np.arange(6, dtype=np.int32), 10)
    known = ReferenceDescriptors(
        metric, tuple(HeldOut(metric, held_out[one], groups[one], nowhere(len(one))) for one in folds)
    )
    return ReferenceDescriptors.of(known.arrays())


def _states(place: slice) -> tuple[np.ndarray, list[str]]:
    lost = np.arange(place.start, place.stop) == UNREADABLE
    states = np.where(lost, TileState.UNREADABLE, TileState.DONE).astype(np.uint8)
    return states, ["torn" if each else "" for each in lost]


def read_all(store: ScoreStore | TileStore, only: str = "") -> None:
    """Use every byte of a finished store, or of one of its arrays and groups."""
    assert store.finished
    for name in store.columns():
        if only in {"", name}:
            ShardedStore.read(store, name)  # also the scores from before adaptation
    if isinstance(store, ScoreStore):
        groups = {"gallery": store.gallery, "adapted": lambda: store.adapted, "reference": store.reference}
        for name, read in groups.items():
            if only in {"", name}:
                assert read() is not None
