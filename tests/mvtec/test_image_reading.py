"""Images and masks as squares of one size, and the level of brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.mvtec.image_reading import grey, median_grey, read_mask, read_square, to_median

RANDOM = np.random.default_rng(0)


def picture(height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_image_of_the_right_size_is_untouched(tmp_path: Path) -> None:
    pixels = picture()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_square(tmp_path / "a.png", 32), pixels)


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = 200  # a plain bilinear or nearest sample would see all of it or nothing
    Image.fromarray(stripes).save(tmp_path / "a.png")
    shrunk = read_square(tmp_path / "a.png", 8)
    assert shrunk.shape == (8, 8, 3)
    assert shrunk.dtype == np.uint8
    assert np.abs(shrunk[:, 1:-1].astype(int) - 50).max() <= 2


def test_an_oblong_image_is_squeezed_whole(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    square = read_square(tmp_path / "a.png", 20)
    assert square.shape == (20, 20, 3)
    assert (square[:, :9, 0] == 255).all()
    assert (square[:, 11:, 0] == 0).all()


def test_a_mask_is_resized_by_nearest_neighbour(tmp_path: Path) -> None:
    marked = RANDOM.random((8, 8)) > 0.5
    Image.fromarray(marked.repeat(4, axis=0).repeat(4, axis=1)).save(tmp_path / "a.png")
    found = read_mask([tmp_path / "a.png"], 8)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, marked)
    np.testing.assert_array_equal(read_mask([tmp_path / "a.png"], 64), marked.repeat(8, axis=0).repeat(8, axis=1))
    Image.fromarray(marked).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_mask([tmp_path / "b.png"], 4), marked[1::2, 1::2])  # no mixture of neighbours


def test_grey_keeps_equal_channels_and_weighs_green_most() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(grey(np.repeat(levels[..., None], 3, axis=2)), levels)
    assert [int(grey(np.array([[colour]], np.uint8))[0, 0]) for colour in ((255, 0, 0), (0, 255, 0))] == [76, 150]


@given(st.integers(1, 255), st.integers(1, 255))
def test_the_median_becomes_the_target(median: int, target: int) -> None:
    levels = np.array([median // 2, median, median, median, 255], np.uint8)
    image = np.repeat(levels[:, None, None], 3, axis=2)
    assert median_grey(image) == median
    scaled = to_median(image, target)
    assert median_grey(scaled) == target
    assert scaled.dtype == np.uint8
    assert scaled[-1, 0, 0] == min(255, round(255 * target / median))  # clipped, never wrapped


def test_scaling_keeps_the_hue() -> None:
    image = np.full((2, 2, 3), (40, 80, 20), np.uint8)
    assert to_median(image, 2 * median_grey(image))[0, 0].tolist() == [80, 160, 40]


def test_a_black_image_stays_black() -> None:
    image = np.zeros((3, 3, 3), np.uint8)
    image[0, 0] = 90
    np.testing.assert_array_equal(to_median(image, 100.0), image)
