"""Discs are as wide as their radius says, to the last pixel on their rim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from wsi_haloae.tissue.channels import average, by_channel, greatest, least
from wsi_haloae.tissue.discs import dilated, eroded


@pytest.mark.parametrize("radius", [0.0, 0.9, 1.0, 2**0.5, 2.0, 5**0.5, 2.5, 40.0, 64.0, 64.5])
def test_discs_hold_the_pixels_that_distances_say(radius: float) -> None:
    mask = np.random.default_rng(0).random((37, 53)) > 0.97
    np.testing.assert_array_equal(dilated(mask, radius), ndimage.distance_transform_edt(~mask) <= radius)
    np.testing.assert_array_equal(eroded(~mask, radius), ndimage.distance_transform_edt(~mask) > radius)


def test_an_empty_mask_stays_empty_and_a_full_one_full() -> None:
    for mask in (np.zeros((5, 7), np.bool_), np.ones((5, 7), np.bool_)):
        np.testing.assert_array_equal(dilated(mask, 2.0), mask)
        np.testing.assert_array_equal(eroded(mask, 2.0), mask)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_channels_are_reduced_to_the_same_bits(kind: type) -> None:
    colours = (255 * np.random.default_rng(0).random((31, 17, 3))).astype(kind)
    for same in (colours, by_channel(colours)):
        np.testing.assert_array_equal(same, colours)
        np.testing.assert_array_equal(least(same), colours.min(axis=2))
        np.testing.assert_array_equal(greatest(same), colours.max(axis=2))
        np.testing.assert_array_equal(average(same), colours.mean(axis=2, dtype=np.float32))
