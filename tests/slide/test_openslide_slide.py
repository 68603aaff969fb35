"""OpenSlideSlide: real files, damaged files, transparency."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.data_paths import real_data
from tests.slide.conformance import SlideConformance
from wsi_haloae.errors import RegionReadError, SlideError, UsageError
from wsi_haloae.slide import openslide_slide
from wsi_haloae.slide.openslide_slide import OpenSlideSlide, open_with_openslide
from wsi_haloae.slide.properties import Slide

TILE = 64


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    """A tiled JPEG TIFF of 4 x 4 tiles of noise."""
    path = tmp_path / "noise.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (4 * TILE, 4 * TILE, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, tile=(TILE, TILE), photometric="rgb", compression="jpeg", metadata=None)
    return path


class TestNoise(SlideConformance):
    @pytest.fixture
    def opener(self, tiff: Path) -> Callable[[], Slide]:
        return lambda: open_with_openslide(tiff)


class TestAperio(SlideConformance):
    @pytest.fixture
    def opener(self) -> Callable[[], Slide]:
        path = real_data("wsi/cmu-1-small-region.svs")
        return lambda: open_with_openslide(path)


class TestPyramid(SlideConformance):
    @pytest.fixture
    def opener(self) -> Callable[[], Slide]:
        path = real_data("wsi/hpylori_IHC_pathologyatlas.tiff")
        return lambda: open_with_openslide(path)


def test_the_facts_of_an_aperio_file() -> None:
    properties = open_with_openslide(real_data("wsi/cmu-1-small-region.svs")).properties
    assert properties.name == "cmu-1-small-region.svs"
    assert properties.vendor == "aperio"
    assert properties.level_dimensions == ((2220, 2967),)
    assert (properties.mpp_x, properties.mpp_y, properties.objective_power) == (0.499, 0.499, 20.0)
    assert properties.bounds is None
    assert properties.background == (255, 255, 255)


def test_dicom_opens() -> None:
    properties = open_with_openslide(real_data("wsi/osp_boxes_dicom/osp_boxes_0.dcm")).properties
    assert properties.vendor == "dicom"


def test_mpp_fills_in_what_is_missing_only() -> None:
    without = real_data("wsi/hpylori_IHC_pathologyatlas.tiff")
    assert open_with_openslide(without).properties.mpp_x is None
    assert open_with_openslide(without, mpp=0.5).properties.known_mpp() == (0.5, 0.5)
    stated = real_data("wsi/cmu-1-small-region.svs")
    with pytest.raises(UsageError, match="--override-mpp"):
        open_with_openslide(stated, mpp=0.25)
    assert open_with_openslide(stated, mpp=0.25, override_mpp=True).properties.mpp_y == 0.25


@pytest.mark.parametrize("relative", ["wsi/broken.svs", "wsi/not_a_slide.tif"])
def test_a_file_that_is_no_slide_is_refused(relative: str) -> None:
    path = real_data(relative)
    with pytest.raises(SlideError, match=r"whole-slide file is needed|stored in strips") as caught:
        open_with_openslide(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=r"missing\.svs: there is no such file\.$"):
        open_with_openslide(tmp_path / "missing.svs")
    with pytest.raises(SlideError, match=r"folder.*\.dcm"):
        open_with_openslide(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_so(tiff: Path) -> None:
    tiff.chmod(0)
    with pytest.raises(SlideError, match="Permission denied"):
        open_with_openslide(tiff)


def test_the_fingerprint_follows_the_content_not_the_path(tiff: Path) -> None:
    before = open_with_openslide(tiff).properties.fingerprint
    moved = tiff.with_name("moved.tif")
    shutil.copy(tiff, moved)
    os.utime(moved, (1, 1))
    assert open_with_openslide(moved).properties.fingerprint == before
    _damage_tile(moved, 9)
    assert open_with_openslide(moved).properties.fingerprint != before


def test_one_bad_tile_costs_only_itself(tiff: Path) -> None:
    intact = open_with_openslide(tiff)
    damaged_path = tiff.with_name("damaged.tif")
    shutil.copy(tiff, damaged_path)
    _damage_tile(damaged_path, 5)  # column 1, row 1
    damaged = open_with_openslide(damaged_path)
    for tile in [5, *range(16), 5, 0]:  # twice, and right after each other
        row, column = divmod(tile, 4)
        box = (column * TILE, row * TILE, 0, TILE, TILE)
        if tile == 5:
            with pytest.raises(RegionReadError, match=r"level-0 location \(64, 64\), level 0, 64 x 64"):
                damaged.read_region(*box)
        else:
            assert np.array_equal(damaged.read_region(*box), intact.read_region(*box))


def test_a_file_that_comes_back_is_read_again(tiff: Path) -> None:
    away = tiff.with_name("away.tif")
    _damage_tile(tiff, 0)
    slide = open_with_openslide(tiff)
    tiff.rename(away)
    with pytest.raises(SlideError, match="no longer be reached"):  # not of this region alone
        slide.read_region(0, 0, 0, 8, 8)
    away.rename(tiff)
    with pytest.raises(RegionReadError):
        slide.read_region(0, 0, 0, 8, 8)
    assert slide.read_region(2 * TILE, 0, 0, 8, 8).shape == (8, 8, 3)


def test_transparent_pixels_become_background(monkeypatch: pytest.MonkeyPatch, tiff: Path) -> None:
    slide = open_with_openslide(tiff)
    region = Image.new("RGBA", (3, 1))
    region.putdata([(0, 0, 0, 0), (100, 50, 0, 255), (100, 0, 50, 51)])
    monkeypatch.setattr(slide._handle, "read_region", lambda *_: region)
    background = np.array(slide.properties.background)
    expected = [background, (100, 50, 0), 0.2 * np.array([100, 0, 50]) + 0.8 * background]
    assert np.abs(slide.read_region(0, 0, 0, 3, 1)[0] - np.array(expected)).max() <= 1


class _Handle:
    level_dimensions = ((100, 80),)
    level_downsamples = (1.0,)

    def __init__(self, **properties: str) -> None:
        self.properties = {f"openslide.{name.replace('_', '-')}": value for name, value in properties.items()}


def test_values_that_mean_nothing_are_left_out() -> None:
    for value in ("0", "-1", "nan", "inf", "", "a quarter"):
        handle = _Handle(mpp_x=value, mpp_y=value, objective_power=value, background_color=value)
        read = openslide_slide._read_properties("x", handle, "")  # type: ignore[arg-type]  # a stand-in
        assert (read.mpp_x, read.mpp_y, read.objective_power) == (None, None, None)
        assert read.background == (255, 255, 255)


def test_bounds_need_all_four() -> None:
    three = {"bounds_x": "5", "bounds_y": "6", "bounds_width": "70"}
    read = openslide_slide._read_properties("x", _Handle(**three), "")  # type: ignore[arg-type]
    assert read.bounds is None
    four = _Handle(**three, bounds_height="60", background_color="F0E1d2")
    read = openslide_slide._read_properties("x", four, "")  # type: ignore[arg-type]
    assert read.bounds is not None
    assert (read.bounds.l0_x, read.bounds.l0_y, read.bounds.width, read.bounds.height) == (5, 6, 70, 60)
    assert read.background == (0xF0, 0xE1, 0xD2)


def test_an_unknown_level_does_not_pass_for_glass(tiff: Path) -> None:
    slide: OpenSlideSlide = open_with_openslide(tiff)
    with pytest.raises(AssertionError):
        slide.read_region(0, 0, 1, 8, 8)


def _damage_tile(path: Path, number: int) -> None:
    """Overwrite the bytes of one JPEG tile."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        offset, size = page.dataoffsets[number], page.databytecounts[number]
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\0" * size)
