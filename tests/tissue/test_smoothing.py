"""Smoothing and growing give what scikit-image gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from skimage import filters

from wsi_haloae.tissue.detection import _grown
from wsi_haloae.tissue.smoothing import BAND, gaussian


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (3, BAND, 31), (2, 3 * BAND + 1, 40)])
@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.5, 1.0, 1.7, 12.0])
def test_a_smoothed_picture_is_that_of_scikit_image(shape: tuple[int, int, int], deviation: float) -> None:
    planes = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = filters.gaussian(planes, deviation, channel_axis=0)  # type: ignore[no-untyped-call]
    np.testing.assert_array_max_ulp(gaussian(planes, deviation), expected, maxulp=1)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(0, 1, width=16)))
def test_faint_pixels_that_touch_tissue_are_tissue(stain: NDArray[np.float32]) -> None:
    seen = stain < 0.9
    alone = np.where(seen, stain, 0)
    expected = filters.apply_hysteresis_threshold(alone, 0.25, 0.5)  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(_grown(stain, seen, 0.25, 0.5), expected)
