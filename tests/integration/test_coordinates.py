"""Tiles that another program has chosen, from ``tile`` and ``score`` to the outputs, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wsi_haloae
from tests.coordinates.files import clam, trident
from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore

XY = np.array([[0, 0], [640, 448], [704, 448], [1000, 1001]])
"""The first is bare glass; the last lies off the grid of tiles of 64 pixels."""


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_scores_come_back_from_the_exported_coordinates(tiny: Tiny, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    assert run(["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(first), "-q"]) == 0
    assert run(["export", str(first), "--format", "trident", "--format", "clam", "-q"]) == 0
    one = ScoreStore.open(first / "tiny/scores.zarr")
    for name in ("trident", "clam"):
        listed = first / f"tiny/patches.{name}.h5"
        command = ["score", str(tiny.slide), "-m", str(tiny.model), "--coordinates", str(listed)]
        assert run([*command, "-o", str(again / name), "-q"]) == 0
        other = ScoreStore.open(again / name / "tiny/scores.zarr")
        np.testing.assert_array_equal(other.index.location, one.index.location)
        np.testing.assert_array_equal(other.read("score"), one.read("score"))


def test_tiles_are_cut_where_the_file_says_also_without_tissue(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "patches").mkdir()
    trident(tmp_path / "patches/tiny_patches.h5", XY, side=64)
    command = ["tile", str(tiny.slide), "--tile-size", "64", "--coordinates", str(tmp_path / "patches")]
    assert run([*command, "-o", str(tmp_path / "out")]) == 0
    words = told(capsys)
    assert "lie off the regular grid, by up to 24 pixels" in words
    assert "tiles are left out" not in words
    store = TileStore.open(tmp_path / "out/tiny/tiles.zarr")
    assert store.index.location.tolist() == XY.tolist()
    assert store.index.tissue_fraction[0] == 0


def test_the_coordinates_are_part_of_what_a_run_is(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (trident(tmp_path / f"{name}.h5", places, side=64) for name, places in (("a", XY), ("b", XY[:2])))
    command = ["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(tmp_path / "out")]
    assert run([*command, "--coordinates", str(one), "-q"]) == 0
    assert run([*command, "--coordinates", str(one)]) == 0
    assert "nothing to do" in told(capsys)
    assert run([*command, "--coordinates", str(other)]) != 0
    assert "--coordinates (it has" in told(capsys)
    assert run(command) != 0
    assert "--coordinates (it has" in told(capsys)
    assert run([*command, "--coordinates", str(other), "--overwrite", "-q"]) == 0


def test_overlap_is_taken_from_the_file_and_what_has_no_cell_is_counted(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = np.array([[640, 448], [672, 448], [704, 448]])
    listed = trident(tmp_path / "a.h5", places, side=64, overlap=128)
    command = ["tile", str(tiny.slide), "--tile-size", "64", "--coordinates"]
    assert run([*command, str(listed), "-o", str(tmp_path / "half")]) == 0
    assert "tiles are left out" not in told(capsys)
    assert TileStore.open(tmp_path / "half/tiny/tiles.zarr").header.grid.stride == 32
    listed = clam(tmp_path / "b.h5", places, size=64, level=0)  # it does not say that tiles overlap
    assert run([*command, str(listed), "-o", str(tmp_path / "whole")]) == 0
    assert "1 of 3 tiles are left out, because they overlap others" in told(capsys)


@pytest.mark.parametrize(
    ("places", "side", "why"),
    [
        (XY, 128, "its tiles are 128 pixels of level 0 wide, but 64 are needed"),
        (XY + 2000, 64, "4 of 4 tiles lie outside tiny.tif"),
    ],
)
def test_what_does_not_fit_is_refused(
    tiny: Tiny, tmp_path: Path, places: np.ndarray, side: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = trident(tmp_path / "a.h5", places, side=side)
    command = ["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(tmp_path / "out")]
    assert run([*command, "--coordinates", str(listed), "-q"]) == 2
    assert why in told(capsys)
    assert not (tmp_path / "out/tiny/scores.zarr").exists()


def test_a_notebook_can_say_which_tiles_and_which_tissue(tiny: Tiny, tmp_path: Path) -> None:
    listed = trident(tmp_path / "a.h5", XY, side=64)
    found = wsi_haloae.score(tiny.slide, tiny.model, tmp_path / "listed", coordinates=listed, tissue="all", quiet=True)
    assert len(found.tiles) == len(XY)
    with pytest.raises(WsiHaloaeError, match="no_such_mask"):
        wsi_haloae.score(tiny.slide, tiny.model, tmp_path / "none", tissue=tmp_path / "no_such_mask.png", quiet=True)
