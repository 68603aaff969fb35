"""OME-TIFF and SubIFDs: pixel size, levels, windows, damage."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.data_paths import case_input
from tests.slide.conformance import SlideConformance
from wsi_haloae.errors import MissingMppError, RegionReadError, SlideError
from wsi_haloae.slide import tile_cache
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.tiff_slide import TiffSlide, open_tiff

TILE = 64
PIXELS = np.random.default_rng(0).integers(0, 256, (450, 710, 3), dtype=np.uint8)


def write(path: Path, levels: int = 3, ome: dict[str, object] | None = None, **options: object) -> Path:
    """A pyramid in SubIFDs; each level every other pixel of the one before."""
    usual = {"photometric": "rgb", "tile": (TILE, TILE), "compression": "zlib", **options}
    metadata = {"metadata": {"axes": "YXS", **ome}} if ome is not None else {"metadata": None}
    with tifffile.TiffWriter(path, ome=ome is not None) as tiff:
        tiff.write(PIXELS, subifds=levels - 1, **metadata, **usual)
        for level in range(1, levels):
            tiff.write(PIXELS[:: 2**level, :: 2**level], subfiletype=1, metadata=None, **usual)
    return path


class TestOme(SlideConformance):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Slide]:
        path = write(tmp_path / "slide.ome.tif", ome={"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
        return lambda: open_slide(path)


class TestJpeg(SlideConformance):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Slide]:
        path = write(tmp_path / "slide.tif", compression="jpeg")
        return lambda: open_slide(path)


@pytest.mark.parametrize(("size", "unit"), [(0.25, "µm"), (250.0, "nm"), (0.00025, "mm"), (0.000025, "cm")])
def test_the_pixel_size_is_that_of_the_xml_in_any_unit(size: float, unit: str, tmp_path: Path) -> None:
    facts = {f"PhysicalSize{axis}": size for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    properties = open_slide(write(tmp_path / "slide.ome.tif", ome=facts)).properties
    assert properties.vendor == "ome-tiff"
    assert properties.known_mpp() == pytest.approx((0.25, 0.25))


def test_x_and_y_are_kept_apart_and_what_is_no_length_is_no_pixel_size(tmp_path: Path) -> None:
    facts = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    assert open_slide(write(tmp_path / "xy.ome.tif", ome=facts)).properties.known_mpp() == (0.5, 0.25)
    for name, facts in {
        "pixel": {"PhysicalSizeX": 1.0, "PhysicalSizeXUnit": "pixel"},
        "none": {},
        "implausible": {"PhysicalSizeX": 352.8, "PhysicalSizeY": 352.8},
    }.items():
        slide = open_slide(write(tmp_path / f"{name}.ome.tif", ome=facts))
        with pytest.raises(MissingMppError, match="--mpp"):
            slide.properties.known_mpp()


def test_all_levels_are_read_with_the_right_pixels(tmp_path: Path) -> None:
    slide = open_slide(write(tmp_path / "slide.ome.tif", ome={"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}))
    assert slide.properties.level_dimensions == ((710, 450), (355, 225), (178, 113))
    for level in range(3):
        expected = PIXELS[:: 2**level, :: 2**level][30:95, 50:160]
        np.testing.assert_array_equal(slide.read_region(50 * 2**level, 30 * 2**level, level, 110, 65), expected)
    whole = slide.read_region(0, 0, 0, 710, 450)
    np.testing.assert_array_equal(whole, PIXELS)


def test_a_window_decodes_only_the_tiles_that_it_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide = open_tiff(write(tmp_path / "slide.ome.tif", ome={}))
    decoded, decode = [], TiffSlide._decode
    monkeypatch.setattr(
        TiffSlide, "_decode", lambda self, level, number: decoded.append(number) or decode(self, level, number)
    )
    slide.read_region(TILE + 3, TILE + 3, 0, TILE, TILE)
    assert decoded == [13, 14, 25, 26]
    slide.read_region(TILE + 3, TILE + 3, 0, TILE, TILE)
    assert len(decoded) == 4


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_cache, "CACHE_BYTES", 8 * TILE * TILE * 3)
    slide = open_tiff(write(tmp_path / "slide.ome.tif", ome={}))
    np.testing.assert_array_equal(slide.read_region(0, 0, 0, 710, 450), PIXELS)
    assert len(slide._cache._decoded) <= 8


def test_threads_with_a_handle_each_read_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif", compression="jpeg")
    boxes = [(x, y, 0, 90, 90) for x in range(0, 600, 70) for y in range(0, 400, 70)]
    with ThreadHandles(lambda: open_slide(path)) as handles, ThreadPoolExecutor(4) as pool:
        regions = list(pool.map(lambda box: handles.get().read_region(*box), boxes))
    alone = open_slide(path)
    for box, region in zip(boxes, regions, strict=True):
        np.testing.assert_array_equal(region, alone.read_region(*box))


def test_a_damaged_tile_leaves_the_others_readable(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif", compression="jpeg")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages.first.dataoffsets[0], tiff.pages.first.databytecounts[0]
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\0" * count)
    slide = open_slide(path)
    with pytest.raises(RegionReadError, match="tile 0 of level 0"):
        slide.read_region(0, 0, 0, 8, 8)
    assert slide.read_region(TILE, TILE, 0, 8, 8).shape == (8, 8, 3)


def test_channels_that_are_no_colours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fluorescence.ome.tif"
    tifffile.imwrite(path, np.zeros((4, 128, 128), np.uint16), ome=True, metadata={"axes": "CYX"}, tile=(64, 64))
    with pytest.raises(SlideError, match=r"RGB with 8 bits.*16 bits"):
        open_slide(path)


def test_the_file_of_the_public_report() -> None:
    properties = open_slide(case_input("21-ome-tiff-pixel-size-and-levels/sub.ome.tif")).properties
    assert properties.known_mpp() == (0.5, 0.5)
    assert properties.level_dimensions == ((768, 512), (384, 256))
