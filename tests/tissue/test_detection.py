"""find_tissue: keeps pale tissue, drops glass, pen and dust."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.data_paths import real_data
from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.thumbnail import MAX_SIDE, read_thumbnail
from wsi_haloae.tissue.detection import find_tissue

CONFIG = TissueConfig()
GLASS = (242, 241, 243)
PALE_EOSIN, EOSIN, HAEMATOXYLIN, DAB = (238, 219, 231), (205, 110, 160), (95, 60, 130), (150, 100, 60)
PALE_HAEMATOXYLIN = (214, 216, 232)


def _glass(height: int = 400, width: int = 600, seed: int = 0) -> NDArray[np.uint8]:
    """Noisy glass with vignetting, at 8 micrometres per pixel."""
    noise = np.random.default_rng(seed).normal(0, 1.5, (height, width, 3))
    shading = 3 * np.linspace(-1, 1, width)[:, None] ** 2
    return (np.array(GLASS) + noise - shading).clip(0, 255).astype(np.uint8)


def _paint(pixels: NDArray[np.uint8], box: tuple[slice, slice], colour: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).normal(0, 3, pixels[box].shape)
    pixels[box] = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)


def _slide(pixels: NDArray[np.uint8]) -> MemorySlide:
    return MemorySlide(pixels, mpp=(8.0, 8.0))


LEFT, RIGHT = np.s_[100:300, 50:250], np.s_[100:300, 350:550]


@pytest.mark.parametrize("colour", [PALE_EOSIN, EOSIN, HAEMATOXYLIN, DAB, PALE_HAEMATOXYLIN])
def test_tissue_is_kept_also_when_pale_and_beside_dark_tissue(colour: tuple[int, int, int]) -> None:
    pixels = _glass()
    _paint(pixels, LEFT, HAEMATOXYLIN)
    _paint(pixels, RIGHT, colour)
    found = find_tissue(_slide(pixels), CONFIG)
    assert found.mask[LEFT].mean() > 0.99
    assert found.mask[RIGHT].mean() > 0.99
    assert found.mask.sum() < 1.1 * 2 * 200 * 200
    assert not found.pen.any()


@pytest.mark.parametrize("level", [GLASS, (255, 255, 255), (215, 215, 218)])
def test_a_blank_slide_has_no_tissue(level: tuple[int, int, int]) -> None:
    shift = np.array(level) - np.array(GLASS)
    pixels = (_glass().astype(np.int16) + shift).clip(0, 255).astype(np.uint8)
    found = find_tissue(_slide(pixels), CONFIG)
    assert not found.mask.any()
    assert not found.pen.any()


def test_a_slide_of_nothing_but_tissue_is_all_tissue() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    _paint(pixels, np.s_[:, :], EOSIN)
    assert find_tissue(_slide(pixels), CONFIG).mask.all()


@pytest.mark.parametrize("ink", [(40, 60, 180), (80, 120, 220), (30, 140, 80), (200, 30, 40), (35, 33, 36)])
def test_pen_is_dropped_beside_and_over_tissue(ink: tuple[int, int, int]) -> None:
    pixels = _glass()
    _paint(pixels, LEFT, EOSIN)
    _paint(pixels, np.s_[180:230, 20:590], ink)
    found = find_tissue(_slide(pixels), CONFIG)
    assert not found.mask[180:230, 20:590].any()
    assert found.pen[180:230, 20:590].mean() > 0.98
    assert found.mask[105:170, 60:240].all()
    assert not found.mask[:, 260:].any()


def test_dust_is_dropped_and_small_holes_are_filled() -> None:
    pixels = _glass()
    _paint(pixels, np.s_[20:28, 300:308], (90, 85, 80))
    _paint(pixels, LEFT, EOSIN)
    _paint(pixels, np.s_[150:165, 100:115], GLASS)
    _paint(pixels, np.s_[200:260, 100:160], GLASS)
    mask = find_tissue(_slide(pixels), CONFIG).mask
    assert not mask[:60].any()
    assert mask[150:165, 100:115].all()
    assert not mask[210:250, 110:150].any()


def test_a_small_hole_at_the_edge_of_the_slide_is_filled_and_a_large_one_is_not() -> None:
    pixels = _glass()
    _paint(pixels, np.s_[:, :], EOSIN)
    _paint(pixels, np.s_[0:15, 100:115], GLASS)
    _paint(pixels, np.s_[0:60, 200:260], GLASS)
    mask = find_tissue(_slide(pixels), CONFIG).mask
    assert mask[0:15, 100:115].all()
    assert not mask[0:50, 210:250].any()


def test_pure_white_that_was_not_scanned_is_no_glass_colour() -> None:
    pixels = _glass()
    pixels[:, :250] = 255
    _paint(pixels, RIGHT, PALE_EOSIN)
    mask = find_tissue(_slide(pixels), CONFIG).mask
    assert mask[RIGHT].mean() > 0.99
    assert not mask[:, :320].any()


def test_what_cannot_be_decoded_counts_as_glass_and_is_told() -> None:
    pixels = _glass()
    _paint(pixels, LEFT, EOSIN)
    slide = MemorySlide(np.kron(pixels, np.ones((4, 4, 1), np.uint8)), mpp=(2.0, 2.0), unreadable=[(800, 800, 8, 8)])
    found = find_tissue(slide, CONFIG)
    lost = (found.thumbnail == 255).all(axis=2)
    assert lost[200, 200]
    assert 0 < lost.sum() <= 4 * 32 * 32
    assert found.mask[110:160, 60:240].all()
    assert len(found.warnings) == 1
    assert "cannot be decoded" in found.warnings[0]


def test_the_parameters_are_fit_for_json() -> None:
    found = find_tissue(_slide(_glass()), CONFIG)
    assert json.loads(json.dumps(found.parameters))["smallest_object"] == CONFIG.smallest_object


def test_a_thumbnail_has_the_pixel_size_asked_for_from_any_level() -> None:
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), np.ones((32, 32, 1), np.uint8))
    for downsamples in ((), (4,), (16,), (4, 64)):
        slide = MemorySlide(pixels, mpp=(0.25, 0.5), downsamples=downsamples)
        thumbnail = read_thumbnail(slide, 4.0)
        assert (thumbnail.l0_per_pixel_x, thumbnail.l0_per_pixel_y) == (16.0, 8.0)
        assert np.abs(thumbnail.rgb.astype(int) - pixels[4::8, 8::16]).max() <= 1


def test_a_thumbnail_is_never_larger_than_the_cap() -> None:
    slide = MemorySlide(np.zeros((10, MAX_SIDE * 2 + 6, 3), np.uint8), mpp=(8.0, 8.0))
    thumbnail = read_thumbnail(slide, 8.0)
    assert thumbnail.rgb.shape == (5, MAX_SIDE, 3)
    assert thumbnail.l0_per_pixel_x > 2


@pytest.mark.parametrize(
    ("relative", "mpp", "least", "most"),
    [
        ("wsi/hpylori_IHC_pathologyatlas.tiff", 0.5, 0.32, 0.39),
        ("wsi/cmu-1-small-region.svs", None, 0.38, 0.47),
        ("wsi/tcga-cr-7395-01a-01-ts1.svs", 0.25, 0.62, 0.73),
    ],
)
def test_real_slides_have_the_share_of_tissue_that_was_seen(
    relative: str, mpp: float | None, least: float, most: float
) -> None:
    found = find_tissue(open_slide(real_data(relative), mpp=mpp), CONFIG)
    assert least < found.mask.mean() < most
    assert not found.pen.any()
    assert found.warnings == ()
