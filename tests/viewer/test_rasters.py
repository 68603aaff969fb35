"""Rasters: the numbers of tiles.csv, at their places of the grid."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from tests.viewer.scored import LOST, WAITING, Scored
from wsi_haloae.artefacts.flags import column_words, known_bits
from wsi_haloae.errors import StoreError
from wsi_haloae.viewer import rasters
from wsi_haloae.viewer.rasters import MOST_PLACES, Rasters, TileMark, tile_number


def test_rasters_say_what_the_table_says(scored: Scored) -> None:
    shown = Rasters(scored.store)
    with (scored.folder / "tiles.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == shown.scores.size
    for line in lines:
        place = int(line["row"]), int(line["column"])
        marks = TileMark(int(shown.marks[place]))
        assert np.isnan(shown.scores[place]) == (line["score"] == "")
        if line["score"]:
            assert shown.scores[place] == np.float32(line["score"])
            assert shown.p_values[place] == np.float32(line["p_value"])
        else:
            assert np.isnan(shown.p_values[place])
        assert (TileMark.ANOMALOUS in marks) == (line["anomalous"] == "yes")
        assert column_words(int(marks & TileMark.FLAGGED)) == line["flags"]
        assert (TileMark.UNREADABLE in marks, TileMark.PENDING in marks) == (
            line["state"] == "unreadable",
            line["state"] == "pending",
        )
        assert TileMark.TILE in marks
        assert (TileMark.LITTLE_TISSUE in marks) == (float(line["tissue_fraction"]) < 0.5)
    assert [line["state"] for line in (lines[LOST], lines[WAITING])] == ["unreadable", "pending"]


def test_flags_and_marks_do_not_share_bits() -> None:
    marks = [mark for mark in TileMark if mark is not TileMark.FLAGGED]
    assert all(mark > TileMark.FLAGGED >= known_bits() for mark in marks)


def test_places_without_a_tile_have_no_mark(tmp_path: Path) -> None:
    scene = Scene()
    kept = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    kept[3, 5] = kept[7, 0] = True
    store = make_store(tmp_path / "scores.zarr", scene, kept=kept)
    shown = Rasters(store)
    np.testing.assert_array_equal(shown.marks & TileMark.TILE, np.where(kept, TileMark.TILE, 0))
    assert not shown.marks[~kept].any()
    np.testing.assert_array_equal(np.isnan(shown.scores), ~kept)
    assert tile_number(store, 3, 5) == 0
    assert tile_number(store, 7, 0) == 1
    for row, column in ((3, 4), (0, 0), (-1, 5), (3, -1), (2, scene.grid.columns + 5), (99, 99), (10**30, 0)):
        assert tile_number(store, row, column) is None


def test_a_grid_that_no_browser_can_hold_is_refused(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasters, "MOST_PLACES", len(scored.store) - 1)
    with pytest.raises(StoreError, match="larger --stride"):
        Rasters(scored.store)
    assert MOST_PLACES * 4 <= 64 << 20
