"""Slides in sRGB: against Pillow on the whole picture, profiles that cannot be applied, threads."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.data_paths import real_data
from tests.slide.conformance import SlideConformance
from tests.slide.profiles import not_for_rgb, red_and_green_swapped, srgb, swapped_and_bright
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.thumbnail import read_thumbnail

PIXELS = np.random.default_rng(0).integers(0, 256, (384, 512, 3), dtype=np.uint8)
FILES = ("slide.tif", "slide.ome.tif")
"""Read by OpenSlide, and by tifffile."""


def write(path: Path, profile: bytes | None) -> Path:
    ome = path.name.endswith(".ome.tif")
    usual = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib", "iccprofile": profile}
    described = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5} if ome else None
    with tifffile.TiffWriter(path, ome=ome) as tiff:
        tiff.write(PIXELS, metadata=described, resolution=(20_000, 20_000), resolutionunit="CENTIMETER", **usual)
    return path


def by_pillow(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """The whole picture converted at once."""
    return np.asarray(
        ImageCms.profileToProfile(
            Image.fromarray(pixels),
            ImageCms.getOpenProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    )


class TestConformance(SlideConformance):
    @pytest.fixture(params=FILES)
    def opener(self, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Slide]:
        path = write(tmp_path / request.param, swapped_and_bright())
        return lambda: open_slide(path, colour_profile="apply")


@pytest.mark.parametrize("name", FILES)
def test_every_region_and_the_thumbnail_are_as_pillow_converts_the_whole(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, swapped_and_bright())
    expected = by_pillow(PIXELS, swapped_and_bright())
    assert np.abs(expected.astype(int) - PIXELS).mean() > 50, "the profile matters"
    with closing(open_slide(path, colour_profile="apply")) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 512, 384), expected)
        assert np.array_equal(slide.read_region(100, 50, 0, 77, 33), expected[50:83, 100:177])
        assert np.array_equal(read_thumbnail(slide, 0.5).rgb, expected)
        assert slide.properties.profile_use == "apply"
        assert "sRGB built-in" in slide.properties.colours
    with closing(open_slide(path)) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 512, 384), PIXELS), "without being asked nothing is converted"


def test_a_profile_that_swaps_two_colours_swaps_them_back(tmp_path: Path) -> None:
    with closing(open_slide(write(tmp_path / "a.tif", red_and_green_swapped()), colour_profile="apply")) as slide:
        found = slide.read_region(0, 0, 0, 512, 384).astype(int)
    assert np.abs(found - PIXELS[..., [1, 0, 2]]).max() <= 1


@pytest.mark.parametrize("name", FILES)
def test_without_a_profile_pixels_are_srgb_already(name: str, tmp_path: Path) -> None:
    with closing(open_slide(write(tmp_path / name, None), colour_profile="apply")) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 512, 384), PIXELS)
        assert slide.properties.profile is None
        assert "taken as sRGB" in slide.properties.colours


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (srgb()[:300], "300 bytes is damaged"),
        (bytes(500), "500 bytes is damaged"),
        (srgb().replace(b"rTRC", b"xxxx"), "is damaged"),
        (not_for_rgb(), "one from Lab to Lab, not for RGB"),
    ],
)
def test_a_profile_that_cannot_be_applied_is_an_error_only_then(
    name: str, profile: bytes, why: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, profile)
    with closing(open_slide(path)) as slide:
        assert np.array_equal(slide.read_region(0, 0, 0, 512, 384), PIXELS)
        assert slide.properties.profile is not None
        assert why in (slide.properties.profile.problem or "")
    with pytest.raises(SlideError, match=f"{why}.*--colour-profile ignore"):
        open_slide(path, colour_profile="apply")


@pytest.mark.parametrize("name", FILES)
def test_a_larger_profile_than_the_table_allows_is_not_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name, srgb())
    monkeypatch.setenv("WSI_HALOAE_MOST_COLOUR_PROFILE_BYTES", "100")
    with closing(open_slide(path)) as slide:
        assert slide.properties.profile is not None
        assert slide.properties.profile.data == b""
    with pytest.raises(SlideError, match=r"at most 100 are read.*WSI_HALOAE_MOST_COLOUR_PROFILE_BYTES=588"):
        open_slide(path, colour_profile="apply")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("osp_boxes.tiff", "'sRGB built-in', 588 bytes"),
        ("tcga-cr-7395-01a-01-ts1.svs", "'sRGB IEC61966-2.1', 3,144 bytes"),
    ],
)
def test_profiles_of_real_slides(name: str, words: str) -> None:
    path = real_data(f"wsi/{name}")
    with closing(open_slide(path)) as stored, closing(open_slide(path, colour_profile="apply")) as converted:
        assert str(stored.properties.profile) == words
        assert stored.properties.profile is not None and stored.properties.profile.problem is None
        plain, found = (slide.read_region(0, 0, 0, 200, 200) for slide in (stored, converted))
    assert np.abs(plain.astype(int) - found).max() <= 1, "their profile is sRGB"


def test_threads_with_their_own_handles(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", swapped_and_bright())
    expected = by_pillow(PIXELS, swapped_and_bright())
    places = [(x, y) for x in range(0, 448, 32) for y in range(0, 320, 32)] * 4
    with (
        ThreadHandles(lambda: open_slide(path, colour_profile="apply")) as handles,
        ThreadPoolExecutor(4) as pool,
    ):
        regions = list(pool.map(lambda place: handles.get().read_region(*place, 0, 64, 64), places))
    for (x, y), region in zip(places, regions, strict=True):
        assert np.array_equal(region, expected[y : y + 64, x : x + 64])
