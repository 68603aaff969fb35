"""More or less of a stain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import hed2rgb, rgb2hed

from wsi_haloae.stain.density import change_stains, map_densities

IMAGES = arrays(np.uint8, (5, 4, 3))
FACTORS = st.floats(0.5, 1.6)
SKIMAGE_UNIT = 6
"""scikit-image's amounts are in units of a density of 6."""


def stained(seed: int, side: int = 40) -> np.ndarray:
    """An image of haematoxylin, eosin and DAB in amounts that leave room for change."""
    amounts = np.random.default_rng(seed).uniform(0.12, 0.5, (side, side, 3))
    return np.rint(255 * hed2rgb(amounts / SKIMAGE_UNIT)).astype(np.uint8)


@settings(max_examples=100, deadline=None)
@given(IMAGES)
def test_no_change_gives_the_image_bit_by_bit(image: np.ndarray) -> None:
    np.testing.assert_array_equal(change_stains(image, (1, 1, 1), (0, 0, 0)), image)


def test_no_change_gives_every_level_back() -> None:
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3), axis=-1).reshape(52, -1, 3)
    np.testing.assert_array_equal(map_densities(levels, np.eye(3)), levels)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.tuples(FACTORS, FACTORS, FACTORS), st.tuples(*[st.floats(-0.05, 0.05)] * 3))
def test_stains_change_as_scikit_images_where_no_amount_is_negative(
    seed: int, scale: tuple[float, float, float], shift: tuple[float, float, float]
) -> None:
    image = stained(seed, side=6)
    expected = 255 * hed2rgb(rgb2hed(image) * scale + np.array(shift) / SKIMAGE_UNIT)
    assert np.abs(change_stains(image, scale, shift) - expected).max() <= 0.51


@settings(max_examples=50, deadline=None)
@given(IMAGES, FACTORS)
def test_all_stains_alike_is_a_power_of_each_channel(image: np.ndarray, factor: float) -> None:
    image = np.maximum(image, 1)
    expected = 255 * (image / 255) ** factor
    assert np.abs(change_stains(image, [factor] * 3) - expected).max() <= 0.51


@given(st.tuples(FACTORS, FACTORS, FACTORS))
def test_white_stays_white_without_a_shift(scale: tuple[float, float, float]) -> None:
    assert (change_stains(np.full((2, 3, 3), 255, np.uint8), scale) == 255).all()


def test_what_would_be_brighter_than_white_is_white() -> None:
    assert (change_stains(np.full((2, 3, 3), 250, np.uint8), (1, 1, 1), (-0.1, -0.1, -0.1)) == 255).all()


def test_the_image_given_is_left_as_it_was() -> None:
    image = stained(0)
    changed = change_stains(image, (1.2, 1, 1))
    np.testing.assert_array_equal(image, stained(0))
    assert changed.dtype == np.uint8
    assert changed.shape == image.shape


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_one_stain_changes_and_the_others_keep_their_amounts(stain: int) -> None:
    image, scale = stained(1), np.ones(3)
    scale[stain] = 0.7
    before, after = (SKIMAGE_UNIT * rgb2hed(one).mean(axis=(0, 1)) for one in (image, change_stains(image, scale)))
    np.testing.assert_allclose(after, before * scale, atol=0.002)
