"""A slide in a few numbers, against sums over tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.export.summary import recorded_calling, summarise, tissue_area
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState


def test_areas_and_shares_are_sums_over_scored_tiles(tmp_path: Path) -> None:
    scene = Scene(mpp_x=0.5, mpp_y=0.25, display_range=(0.0, 100.0))
    state = np.full(scene.grid.rows * scene.grid.columns, TileState.DONE, np.uint8)
    state[7] = TileState.UNREADABLE
    tiles = ScoredTiles.read(make_store(tmp_path / "scores.zarr", scene, state=state), Criterion(threshold=120.0))
    tissue = called = high = 0.0
    for number, score in enumerate(tiles.score.tolist()):
        width, height = tiles.index.size[number].tolist()
        area = width * height * 0.5 * 0.25 / 1e6 * float(tiles.index.tissue_fraction[number])
        if not np.isnan(score):
            tissue, called, high = tissue + area, called + area * (score > 120), high + area * (score > 100)
    found = summarise(tiles)
    assert found.tissue_mm2 == pytest.approx(tissue)
    assert found.anomalous_mm2 == pytest.approx(called)
    assert found.anomalous_share == pytest.approx(called / tissue)
    assert found.above_display == pytest.approx(high / tissue)
    assert found.p_below is None, "the model has no calibration"
    assert "not calibrated" in (found.why_none or "")
    assert found.median_score == pytest.approx(np.nanmedian(tiles.score))


def test_where_no_p_value_can_be_small_enough_nothing_is_0(tmp_path: Path) -> None:
    """Of two models that differ by a hair: on the same tiles one finds nothing, the other can find nothing."""
    found = []
    for effective in (18.88, 19.0):
        calibration = CalibrationFacts(tiles=39, groups=9, correlation=0.1, effective_tiles=effective)
        scene = Scene(calibration=calibration)
        p_value = np.full(scene.grid.rows * scene.grid.columns, 0.5, np.float32)
        tiles = ScoredTiles.read(make_store(tmp_path / f"{effective}/scores.zarr", scene, p_value=p_value))
        found.append(recorded_calling(tiles))
    hopeless, able = found
    assert hopeless["anomalous"] is None
    assert hopeless["counts"] == {"anomalous": None}
    assert [hopeless["summary"][name] for name in ("anomalous_mm2", "anomalous_share", "p_below")] == [None] * 3
    assert "0.0503" in hopeless["summary"]["why_none"]
    assert hopeless["summary"]["above_display"] is not None
    assert able["counts"] == {"anomalous": 0}
    assert able["summary"]["p_below"] == able["summary"]["anomalous_share"] == 0.0
    assert able["summary"]["why_none"] is None


@pytest.mark.parametrize("stride", [16, 32, 64])
def test_overlapping_tiles_count_their_tissue_once(stride: int, tmp_path: Path) -> None:
    """The tiles of a square stand for its area, whatever their stride, but for its edge, where fewer overlap."""
    scene = Scene(width=2560, height=2560, stride=stride)
    tiles = ScoredTiles.read(make_store(tmp_path / "scores.zarr", scene))
    area = tissue_area(tiles) / tiles.index.tissue_fraction
    assert area.sum() == pytest.approx(2560 * 2560 * 0.25e-6, rel=0.05)


def test_a_slide_without_scores_has_no_shares(tmp_path: Path) -> None:
    scene = Scene()
    state = np.full(scene.grid.rows * scene.grid.columns, TileState.UNREADABLE, np.uint8)
    found = summarise(ScoredTiles.read(make_store(tmp_path / "scores.zarr", scene, state=state)))
    assert found.tissue_mm2 == 0
    assert found.above_display is found.median_score is found.anomalous_share is None
