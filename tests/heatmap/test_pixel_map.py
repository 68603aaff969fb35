"""The map of a whole slide: equal to laying tile on tile, seamless where tiles overlap, block by block."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.export.stores import Scene, make_index, make_store
from wsi_haloae.heatmap import pixel_map
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.heatmap.pixel_map import assemble_map
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState

SIDE = 16
"""Cells of a tile's map: four pixels of the tile a cell."""


def laid_tile_by_tile(store: ScoreStore) -> NDArray[np.float64]:
    """The slow reference: every tile added on the whole plane, cell by cell, in float64."""
    grid, cell = grid_of(store.header), 64 / SIDE
    rows = int(np.ceil(grid.slide_height / (cell * grid.l0_scale_y)))
    columns = int(np.ceil(grid.slide_width / (cell * grid.l0_scale_x)))
    total, weight = np.zeros((rows, columns)), np.zeros((rows, columns))
    states = store.states()
    for number in range(len(store)):
        if states[number] != TileState.DONE:
            continue
        one = store.anomaly_map(number)
        top = int(np.floor(store.index.row[number] * grid.stride / cell + 0.5))
        left = int(np.floor(store.index.column[number] * grid.stride / cell + 0.5))
        for y in range(SIDE):
            for x in range(SIDE):
                if top + y < rows and left + x < columns:
                    share = (min(y, SIDE - 1 - y) + 0.5) * (min(x, SIDE - 1 - x) + 0.5)
                    total[top + y, left + x] += share * one[y, x]
                    weight[top + y, left + x] += share
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)


@settings(max_examples=20, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    stride=st.integers(17, 64),
    scale=st.floats(1, 2.5),
    block=st.integers(5, 90),
    seed=st.integers(0, 99),
)
def test_equals_the_tile_by_tile_reference(
    width: int, height: int, stride: int, scale: float, block: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scene = Scene(width=width, height=height, stride=stride, l0_scale_x=scale, l0_scale_y=scale, map_size=SIDE)
    kept = random.random((scene.grid.rows, scene.grid.columns)) < 0.7
    tiles = int(kept.sum())
    maps = random.random((tiles, SIDE, SIDE), np.float32)
    state = random.choice([TileState.DONE, TileState.UNREADABLE, TileState.PENDING], tiles, p=[0.8, 0.1, 0.1])
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_map, "BLOCK", block)
        store = make_store(Path(folder) / "s.zarr", scene, kept=kept, state=state.astype(np.uint8), maps=maps)
        found = assemble_map(store)
        values = np.asarray(found.values.compute(scheduler="threads"))
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, laid_tile_by_tile(store), rtol=1e-5)
        assert max(max(sides) for sides in found.values.chunks) <= block


def seam(values: NDArray[np.float32], edges: NDArray[np.int64]) -> float:
    """Mean step over the columns where a tile ends, in mean steps elsewhere: 1 where no tile shows."""
    steps = np.abs(np.diff(values, axis=1)).mean(axis=0)
    at = np.zeros(len(steps), bool)
    at[edges[(edges > 0) & (edges <= len(steps))] - 1] = True
    return float(steps[at].mean() / steps[~at].mean())


@pytest.mark.parametrize(("stride", "shows"), [(64, True), (32, False), (48, False)])
def test_no_seam_shows_where_tiles_overlap(tmp_path: Path, stride: int, *, shows: bool) -> None:
    """Tiles of one smooth field, each with an offset of its own, as a model's view of a tile's edge differs."""
    random = np.random.default_rng(0)
    scene = Scene(width=1024, height=256, stride=stride, map_size=SIDE)
    index = make_index(scene)
    cells = np.arange(SIDE)
    left, top = index.column * stride / 4, index.row * stride / 4
    field = np.sin((left[:, None, None] + cells) / 9) + np.cos((top[:, None, None] + cells[:, None]) / 7)
    maps = (field + random.normal(0, 0.5, len(index))[:, None, None]).astype(np.float32)
    store = make_store(tmp_path / "scores.zarr", scene, maps=maps)
    values = np.asarray(assemble_map(store).values.compute())
    edges = np.unique(np.concatenate([index.column * stride // 4, index.column * stride // 4 + SIDE]))
    if shows:
        assert seam(values, edges) > 4
    else:
        assert seam(values, edges) < 1.5


def test_a_block_reads_the_tiles_that_touch_it_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_map, "BLOCK", 2 * SIDE)
    scene = Scene(width=40 * 64, height=10 * 64, map_size=SIDE)
    maps = np.ones((400, SIDE, SIDE), np.float32)
    store = make_store(tmp_path / "scores.zarr", scene, maps=maps)
    asked: list[slice] = []
    plain = ScoreStore.anomaly_maps

    def noted(self: ScoreStore, place: slice) -> NDArray[np.float32]:
        asked.append(place)
        return plain(self, place)

    monkeypatch.setattr(ScoreStore, "anomaly_maps", noted)
    assemble_map(store).values.blocks[1, 3].compute()
    assert sorted((place.start, place.stop) for place in asked) == [(86, 88), (126, 128)]


def test_a_store_without_maps_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no maps"):
        assemble_map(make_store(tmp_path / "scores.zarr", Scene()))
