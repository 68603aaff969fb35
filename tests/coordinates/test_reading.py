"""Coordinates of tiles as TRIDENT, CLAM and WSInfer write them, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.coordinates.files import clam, trident, write
from wsi_haloae.coordinates.reading import find_coordinates, read_coordinates
from wsi_haloae.errors import CoordinatesError
from wsi_haloae.slide.properties import SlideProperties

XY = np.array([[0, 0], [512, 0], [0, 512]])
SLIDE = SlideProperties("s.svs", "test", ((2000, 1500), (500, 375)), (1.0, 4.0), 0.25, 0.25, 40, None, (255,) * 3, "f")


def test_trident_says_the_size_at_level_0(tmp_path: Path) -> None:
    given = read_coordinates(trident(tmp_path / "s_patches.h5", XY, side=512, overlap=64))
    np.testing.assert_array_equal(given.locations, XY)
    assert given.l0_side(SLIDE) == 512
    assert given.overlap == 0.25


def test_clam_says_it_at_the_level_of_the_tiles(tmp_path: Path) -> None:
    given = read_coordinates(clam(tmp_path / "s.h5", XY, size=128, level=1))
    assert given.l0_side(SLIDE) == 512
    assert given.overlap == 0


def test_features_beside_them_are_not_read(tmp_path: Path) -> None:
    path = trident(tmp_path / "s.h5", XY, side=512)
    with h5py.File(path, "a") as file:
        file.create_dataset("features", shape=(3, 1 << 40), dtype="f4", chunks=(1, 1024))
    assert len(read_coordinates(path).locations) == 3


def test_no_tile_is_an_honest_list(tmp_path: Path) -> None:
    assert read_coordinates(trident(tmp_path / "s.h5", np.empty((0, 2)), side=512)).locations.shape == (0, 2)


def test_the_same_tiles_in_another_file_are_the_same(tmp_path: Path) -> None:
    one, same = (trident(tmp_path / name, XY, side=512, savetodir=name) for name in ("a.h5", "b.h5"))
    other, larger = trident(tmp_path / "c.h5", XY + 1, side=512), trident(tmp_path / "d.h5", XY, side=513)
    hashes = [read_coordinates(path).sha256 for path in (one, same, other, larger)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((3, 3)), "no table of numbers with two columns"),
        (np.zeros(4), "no table of numbers with two columns"),
        (np.array([[b"a", b"b"]]), "no table of numbers with two columns"),
        (np.array([[np.nan, 1]]), "values that are no positions"),
        (np.array([[1e300, 1]]), "values that are no positions"),
    ],
)
def test_what_is_no_list_of_places_is_refused(tmp_path: Path, values: Any, why: str) -> None:
    with pytest.raises(CoordinatesError, match=why):
        read_coordinates(write(tmp_path / "s.h5", values))


def test_what_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_text("x,y\n0,0\n")
    with pytest.raises(CoordinatesError, match=r"s\.h5: cannot be used .* An HDF5 file is needed with 'coords'"):
        read_coordinates(tmp_path / "s.h5")


def test_another_file_is_not_brought_in(tmp_path: Path) -> None:
    """Links and virtual data sets may point to any file that the user can read."""
    secret = trident(tmp_path / "secret.h5", XY, side=512)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["coords"] = h5py.ExternalLink(str(secret), "coords")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["coords"] = h5py.SoftLink("/elsewhere")
    layout = h5py.VirtualLayout((3, 2), "i8")
    layout[:] = h5py.VirtualSource(secret, "coords", (3, 2))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("coords", layout)
    (tmp_path / "raw").write_bytes(XY.astype("i8").tobytes())
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("coords", (3, 2), "i8", external=str(tmp_path / "raw"))
    for name in ("link", "soft", "virtual", "external"):
        with pytest.raises(CoordinatesError, match=r"no data set 'coords'|lies in other files"):
            read_coordinates(tmp_path / f"{name}.h5")


@pytest.mark.parametrize(("rows", "chunk"), [(1 << 40, 1024), (4, 1 << 23)])
def test_a_small_file_cannot_ask_for_any_memory(tmp_path: Path, rows: int, chunk: int) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.create_dataset("coords", (rows, 2), "i8", chunks=(chunk, 2), maxshape=(None, 2), compression="gzip")
    with pytest.raises(CoordinatesError, match="more than 4,194,304 rows"):
        read_coordinates(tmp_path / "s.h5")


def test_memory_and_time_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trident(tmp_path / "s.h5", XY, side=512)
    monkeypatch.setenv("WSI_HALOAE_MOST_COORDINATES_BYTES", "10000000")
    monkeypatch.setenv("MALLOC_TOP_PAD_", str(64 << 20))  # as Dask leaves it behind: memory taken before the limit
    with pytest.raises(CoordinatesError, match=r"cannot be read with 10,000,000 bytes of memory \(WSI_HALOAE_MOST"):
        read_coordinates(path)


def test_a_size_that_is_missing_or_of_another_slide_is_told(tmp_path: Path) -> None:
    with pytest.raises(CoordinatesError, match=r"how large its tiles are. .* patch_level from 0 to 1"):
        read_coordinates(write(tmp_path / "a.h5", XY, patch_size=256)).l0_side(SLIDE)
    with pytest.raises(CoordinatesError, match="how large its tiles are"):
        read_coordinates(clam(tmp_path / "b.h5", XY, size=256, level=2)).l0_side(SLIDE)
    with pytest.raises(CoordinatesError, match=r"of 2001 x 1500 pixels, but s\.svs has 2000 x 1500"):
        read_coordinates(trident(tmp_path / "c.h5", XY, side=512, level0_width=2001, level0_height=1500)).l0_side(SLIDE)


def test_each_slides_file_is_found_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    made = trident(tmp_path / "patches" / "s 1_patches.h5", XY, side=512)
    also = clam(tmp_path / "t.h5", XY, size=512, level=0)
    assert find_coordinates(tmp_path, Path("x/s 1.svs")) == made
    assert find_coordinates(tmp_path, Path("x/t.svs")) == also
    assert find_coordinates(also, Path("x/any.svs")) == also
    with pytest.raises(CoordinatesError, match=r"neither u_patches\.h5 nor u\.h5 .* for the slide u\.svs"):
        find_coordinates(tmp_path, Path("u.svs"))
