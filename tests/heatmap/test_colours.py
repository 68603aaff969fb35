"""Colours: blue is low, red is high, on a fixed range."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.errors import StoreError
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale


def test_low_is_blue_and_high_is_red() -> None:
    low, high = COLOUR_TABLE[0].astype(int), COLOUR_TABLE[-1].astype(int)
    assert low[2] > 2 * low[0]
    assert high[0] > 2 * high[2]


def test_no_colour_stands_twice() -> None:
    assert len(np.unique(COLOUR_TABLE, axis=0)) == len(COLOUR_TABLE) == 256


def test_values_beyond_the_range_take_its_ends() -> None:
    scale = ColourScale(1.0, 3.0)
    values = np.array([-np.inf, -5, 1, 3, 99, np.inf], np.float32)
    assert scale.entries(values).tolist() == [0, 0, 0, 255, 255, 255]


def test_scale_does_not_depend_on_the_other_values() -> None:
    scale = ColourScale(0.0, 10.0)
    alone = scale.rgba(np.array([4.0], np.float32))
    together = scale.rgba(np.array([4.0, 1e6, -1e6], np.float32))
    np.testing.assert_array_equal(alone[0], together[0])


def test_nan_is_transparent() -> None:
    rgba = ColourScale(0.0, 1.0).rgba(np.array([[np.nan, 0.5]], np.float32))
    assert rgba.shape == (1, 2, 4)
    assert rgba[0, 0].tolist() == [0, 0, 0, 0]
    assert rgba[0, 1, 3] == 255


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_empty_range_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(StoreError, match="display range"):
        ColourScale(*limits)
