"""The heatmap equals what laying out tile by tile gives, and reads no column twice."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.data_paths import REPOSITORY
from tests.export.stores import Scene, make_store
from wsi_haloae.heatmap.assembly import assemble_heatmap, grid_of
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState


def tile_by_tile(store: ScoreStore) -> NDArray[np.float32]:
    """The slow reference: one tile after the other, each read on its own terms."""
    grid = grid_of(store.header)
    values = np.full((grid.rows, grid.columns), np.nan, np.float32)
    scores, states = store.scores().score, store.states()
    for number in range(len(store)):
        if states[number] == TileState.DONE:
            values[store.index.row[number], store.index.column[number]] = scores[number]
    return values


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_equals_the_tile_by_tile_reference(data: st.DataObject) -> None:
    scene = Scene(
        width=data.draw(st.integers(1, 900)),
        height=data.draw(st.integers(1, 900)),
        stride=data.draw(st.integers(24, 64)),
        l0_scale_x=data.draw(st.floats(1, 3)),
        l0_scale_y=data.draw(st.floats(1, 3)),
    )
    shape = (scene.grid.rows, scene.grid.columns)
    kept = data.draw(hnp.arrays(np.bool_, shape))
    tiles = int(kept.sum())
    score = data.draw(hnp.arrays(np.float32, tiles, elements=st.floats(width=32, allow_infinity=False)))
    state = data.draw(hnp.arrays(np.uint8, tiles, elements=st.sampled_from([s.value for s in TileState])))

    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "scores.zarr", scene, kept=kept, score=score, state=state)
        heatmap = assemble_heatmap(store)
        assert heatmap.values.dtype == np.float32
        np.testing.assert_array_equal(heatmap.values, tile_by_tile(store))


def test_empty_store_gives_a_heatmap_of_nan(tmp_path: Path) -> None:
    scene = Scene()
    nothing = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    heatmap = assemble_heatmap(make_store(tmp_path / "scores.zarr", scene, kept=nothing))
    assert heatmap.values.shape == nothing.shape
    assert np.isnan(heatmap.values).all()


def test_each_column_is_read_once_however_large_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished store has a column in one piece: reading it in parts would unpack all of it for each."""
    scene = Scene(width=64 * 400, height=64 * 400)
    kept = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    kept[::50, ::50] = True
    store, read = make_store(tmp_path / "scores.zarr", scene, kept=kept), []
    real = ScoreStore.read
    monkeypatch.setattr(ScoreStore, "read", lambda self, name, *place: read.append(name) or real(self, name, *place))
    heatmap = assemble_heatmap(store)
    assert sorted(read) == ["score", "state"]
    np.testing.assert_array_equal(heatmap.values, tile_by_tile(store))


def test_other_column(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    np.testing.assert_array_equal(
        assemble_heatmap(store, "score_paper").values, assemble_heatmap(store, "score").values / 2
    )


def test_reopened_store_knows_its_grid(tmp_path: Path) -> None:
    scene = Scene(l0_scale_x=2.0, l0_scale_y=1.7)
    make_store(tmp_path / "scores.zarr", scene)
    assert grid_of(ScoreStore.open(tmp_path / "scores.zarr").header) == scene.grid


def test_cells_are_centred_in_overlapping_tiles(tmp_path: Path) -> None:
    scene = Scene(stride=32, l0_scale_x=2.0, l0_scale_y=3.0)
    heatmap = assemble_heatmap(make_store(tmp_path / "scores.zarr", scene))
    assert (heatmap.l0_cell_width, heatmap.l0_cell_height) == (64.0, 96.0)
    assert (heatmap.l0_offset_x, heatmap.l0_offset_y) == (32.0, 48.0)
    # Tile (0, 0) covers 0..128 in x: its middle is the middle of its cell.
    assert heatmap.l0_offset_x + heatmap.l0_cell_width / 2 == scene.grid.l0_tile_width / 2


def test_without_overlap_nothing_is_shifted(tmp_path: Path) -> None:
    heatmap = assemble_heatmap(make_store(tmp_path / "scores.zarr", Scene()))
    assert (heatmap.l0_offset_x, heatmap.l0_offset_y) == (0.0, 0.0)


def test_no_cluster_is_loaded_for_it(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene())
    script = (
        "import sys; from pathlib import Path; from wsi_haloae.stores.score_store import ScoreStore; "
        "from wsi_haloae.heatmap.assembly import assemble_heatmap; "
        f"assemble_heatmap(ScoreStore.open(Path({str(store.path)!r}))); assert 'distributed' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=REPOSITORY)
