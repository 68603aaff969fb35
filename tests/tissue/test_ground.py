"""Black padding is left out and tissue beside it kept; a dark background is told and nothing is scored."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import ndimage

from tests.data_paths import case_input, real_data
from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.thumbnail import read_thumbnail
from wsi_haloae.tissue.detection import find_tissue
from wsi_haloae.tissue.ground import _around
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.parts import Part, left_out, shares

SLIDES = {"cmu-1-small-region.svs": None, "tcga-cr-7395-01a-01-ts1.svs": 0.25, "liver-sarcoma.tiff": None}


@cache
def thumbnail_of(name: str) -> NDArray[np.uint8]:
    return read_thumbnail(open_slide(real_data(f"wsi/{name}"), mpp=SLIDES[name]), 8.0).rgb


def found_on(thumbnail: NDArray[np.uint8]) -> TissueMask:
    return find_tissue(MemorySlide(thumbnail, mpp=(8.0, 8.0)), TissueConfig())


@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "liver-sarcoma.tiff"])
@pytest.mark.parametrize("side", ["top", "bottom", "left", "right", "around"])
@pytest.mark.parametrize("grey", [0, 75])
def test_padding_at_any_side_is_left_out_and_tissue_beside_it_kept(name: str, side: str, grey: int) -> None:
    thumbnail = thumbnail_of(name)
    plain, (height, width) = found_on(thumbnail).mask, thumbnail.shape[:2]
    padded = np.zeros((height, width), np.bool_)
    padded[: height // 3] |= side == "top"
    padded[2 * height // 3 :] |= side == "bottom"
    padded[:, : width // 3] |= side == "left"
    padded[:, 2 * width // 3 :] |= side == "right"
    padded[:, : width // 8] |= side == "around"
    padded[: height // 8] |= side == "around"
    padded[7 * height // 8 :] |= side == "around"
    noise = np.random.default_rng(0).normal(0, 1.5, thumbnail.shape)
    pixels = np.where(padded[..., None], (grey + noise).clip(0, 255), thumbnail).astype(np.uint8)
    found = found_on(pixels)
    assert (found.parts[padded] == Part.PADDING).mean() > 0.99
    assert not found.mask[padded].any()
    assert found.mask[plain & ~padded].mean() > 0.95  # but for the border, where pixels are mixtures
    assert (found.mask & ~plain & ~padded).mean() < 0.005


def test_padding_is_said() -> None:
    pixels = thumbnail_of("cmu-1-small-region.svs").copy()
    pixels[:, :50] = 0
    found = found_on(pixels)
    assert 0.3 < shares(found.parts)["padding"] < 0.5
    assert "black padding 3" in left_out(found.parts)


def test_a_slide_of_padding_alone_is_not_empty_glass() -> None:
    found = found_on(np.zeros((200, 300, 3), np.uint8))
    assert not found.mask.any()
    assert found.why_empty is not None


@pytest.mark.parametrize("name", SLIDES)
def test_an_inverted_picture_has_a_dark_background(name: str) -> None:
    found = found_on(255 - thumbnail_of(name))
    assert not found.mask.any()
    assert found.why_empty is not None
    assert "background is dark" in found.why_empty


@pytest.mark.parametrize("background", [(0, 0, 0), (14, 14, 12), (2, 4, 40), (60, 60, 60)])
@pytest.mark.parametrize("channels", [(1, 0, 0), (0, 1, 0), (0.2, 0.3, 1), (1, 1, 1)])
def test_fluorescence_has_a_dark_background(background: tuple[int, ...], channels: tuple[float, ...]) -> None:
    thumbnail = thumbnail_of("cmu-1-small-region.svs")
    signal = (255 - thumbnail.mean(axis=2, keepdims=True)) * np.array(channels)
    noise = np.random.default_rng(0).normal(0, 1.5, thumbnail.shape)
    found = found_on((np.maximum(signal, background) + noise).clip(0, 255).astype(np.uint8))
    assert not found.mask.any()
    assert "background is dark" in str(found.why_empty)


def test_glass_with_a_little_dust_is_empty_and_no_reason_is_given() -> None:
    pixels = np.full((300, 400, 3), 243, np.uint8)
    pixels[100:106, 200:206] = 90
    found = found_on(pixels)
    assert not found.mask.any()
    assert found.why_empty is None


@pytest.mark.parametrize(("name", "least", "most"), [("left.tif", 0.25, 0.30), ("tight.tif", 0.35, 0.40)])
def test_padding_that_touches_tissue_of_a_converted_slide(name: str, least: float, most: float) -> None:
    slide = open_slide(case_input(f"07-black-padding-swallows-tissue/{name}"))
    found = find_tissue(slide, TissueConfig())
    assert least < found.mask.mean() < most
    black = read_thumbnail(slide, 8.0).rgb.max(axis=2) < 30
    assert not (found.mask & black).any()


def test_the_settings_must_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        TissueConfig(floor=0.2)


@given(level=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(0, 255, width=32)))
def test_extremes_around_a_pixel_are_those_of_scipy(level: np.ndarray) -> None:
    assert np.array_equal(_around(np.maximum, level), ndimage.maximum_filter(level, 3))
    assert np.array_equal(_around(np.minimum, level), ndimage.minimum_filter(level, 3))
