"""Simulated changes of stain, scanner and compression."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import hed2rgb, rgb2hed
from skimage.exposure import adjust_gamma

from tests.data_paths import real_data
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS, blur, jpeg, sharpen, stain_amounts, white_balance


def tissue(seed: int = 0, side: int = 64) -> np.ndarray:
    """Smooth blobs of haematoxylin on eosin."""
    random = np.random.default_rng(seed)
    amounts = gaussian_filter(random.uniform(size=(side, side, 3)), (2, 2, 0))
    amounts = (amounts - amounts.min()) / np.ptp(amounts) * (0.12, 0.09, 0.02)
    return np.rint(255 * hed2rgb(amounts + 0.01)).astype(np.uint8)


def roughness(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_each_is_a_change_that_is_the_same_every_time(name: str) -> None:
    image = tissue()
    changed = PERTURBATIONS[name](image)
    assert changed.dtype == np.uint8
    assert changed.shape == image.shape
    assert (changed != image).any()
    np.testing.assert_array_equal(PERTURBATIONS[name](tissue()), changed)
    np.testing.assert_array_equal(image, tissue())


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_none_makes_a_real_tile_another_picture(name: str) -> None:
    with Image.open(next(real_data("tiles/glas_colon/train/malignant").glob("p02_*"))) as file:
        image = np.asarray(file.convert("RGB"))
    changed = PERTURBATIONS[name](image)
    assert 1 < np.abs(changed.astype(float) - image).mean() < 40
    assert np.corrcoef(changed.ravel(), image.ravel())[0, 1] > 0.9


def test_stain_scanner_and_compression_are_each_there_in_both_directions() -> None:
    assert set(PERTURBATIONS) == {
        "haematoxylin x0.7", "haematoxylin x1.3", "eosin x0.6", "eosin x1.4", "section x0.8", "section x1.25",
        "warm white", "cool white", "blur 1", "sharpen 60",
        "jpeg 70", "jpeg 50", "jpeg 30",
    }  # fmt: skip


@pytest.mark.parametrize(("place", "stain"), list(enumerate(["haematoxylin", "eosin", "dab"])))
@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_one_stain_alone_changes(place: int, stain: str, factor: float) -> None:
    image = tissue()
    before, after = (rgb2hed(one).mean(axis=(0, 1)) for one in (image, stain_amounts(image, **{stain: factor})))
    np.testing.assert_allclose(after[place], before[place] * factor, rtol=0.03)
    np.testing.assert_allclose(np.delete(after, place), np.delete(before, place), rtol=0.03)


@pytest.mark.parametrize("exponent", [0.8, 1.25])
def test_another_section_is_another_tone_curve(exponent: float) -> None:
    thicker = stain_amounts(tissue(), exponent, exponent, exponent)
    difference = thicker.astype(int) - adjust_gamma(tissue(), exponent)
    assert np.abs(difference).max() <= 1, "which cuts fractions off"


def test_white_takes_the_colour_of_the_light() -> None:
    found = white_balance(np.full((2, 2, 3), 240, np.uint8), (1.1, 1.0, 0.5))
    assert (found == (255, 240, 120)).all()


def test_blur_is_a_gaussian() -> None:
    expected = gaussian_filter(tissue().astype(float), (1, 1, 0), mode="nearest")
    assert np.abs(blur(tissue(), 1.0) - expected).mean() < 1


def test_blur_smooths_and_sharpening_roughens() -> None:
    assert roughness(blur(tissue(), 1.0)) < 0.95 * roughness(tissue())
    assert roughness(sharpen(tissue(), 60)) > 1.1 * roughness(tissue())


def test_less_quality_loses_more() -> None:
    image = tissue()
    errors = [np.abs(jpeg(image, quality).astype(float) - image).mean() for quality in (30, 50, 70, 95)]
    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) == 4
