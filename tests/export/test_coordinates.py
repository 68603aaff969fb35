"""Coordinates for TRIDENT, CLAM and WSInfer: with the attributes by which each reads them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.export.stores import Scene, make_store
from wsi_haloae.coordinates.reading import read_coordinates
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import OpenStore

SCENE = Scene(width=4000, height=3000, stride=48, mpp_x=0.25, mpp_y=0.25, l0_scale_x=1.98, l0_scale_y=1.98)


@pytest.fixture
def source(tmp_path: Path) -> OpenStore:
    return write_exports(make_store(tmp_path / "scores.zarr", SCENE), tmp_path, formats=("trident", "clam"))


def test_trident_reads_tiles_of_the_right_size(source: OpenStore, tmp_path: Path) -> None:
    """It cuts ``round(patch_size * level0_magnification / target_magnification)`` pixels of level 0."""
    with h5py.File(tmp_path / "patches.trident.h5") as file:
        attributes = dict(file["coords"].attrs)
        np.testing.assert_array_equal(file["coords"][:], source.tiles.index.location)
        np.testing.assert_array_equal(file["scores"][:], source.tiles.score)
    magnification = attributes["level0_magnification"]
    assert magnification == 40
    assert round(64 * magnification / attributes["target_magnification"]) == attributes["patch_size_level0"] == 127
    assert (attributes["patch_size"], attributes["overlap"]) == (64, 16)
    assert (attributes["level0_width"], attributes["level0_height"]) == (4000, 3000)


def test_clam_and_wsinfer_read_them_from_level_0(source: OpenStore, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "patches.clam.h5") as file:
        attributes = dict(file["coords"].attrs)
        assert file["coords"].shape == (len(source.tiles), 2)
    assert (attributes["patch_size"], attributes["patch_level"]) == (127, 0)


@pytest.mark.parametrize("name", ["patches.trident.h5", "patches.clam.h5"])
def test_they_are_read_back_and_always_the_same_bytes(source: OpenStore, tmp_path: Path, name: str) -> None:
    given = read_coordinates(tmp_path / name)
    np.testing.assert_array_equal(given.locations, source.tiles.index.location)
    before = (tmp_path / name).read_bytes()
    write_exports(source.store, tmp_path, formats=("trident", "clam"))
    assert (tmp_path / name).read_bytes() == before
