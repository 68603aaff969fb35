"""AUPRO against a slow, direct reading of its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from skimage.measure import label

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.aupro import aupro

SHAPES = npst.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)
# Few distinct scores: many pixels share a threshold.
CASES = SHAPES.flatmap(
    lambda shape: st.tuples(npst.arrays(np.float32, shape, elements=st.integers(0, 6)), npst.arrays(bool, shape))
)
SQUARE = np.zeros((1, 8, 8), bool)
SQUARE[0, 2:5, 2:5] = True


def slow_aupro(maps: NDArray[np.float32], masks: NDArray[np.bool_], limit: float) -> float:
    """Every distinct threshold, every region; then the area from threshold to threshold."""
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        numbers = label(mask, connectivity=2)
        regions += [scores[numbers == number] for number in range(1, numbers.max() + 1)]
    area, x_before, y_before = 0.0, 0.0, 0.0
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        x = float((maps[~masks] >= threshold).mean())
        y = float(np.mean([(region >= threshold).mean() for region in regions]))
        if x > limit:
            y_at_limit = y_before + (y - y_before) * (limit - x_before) / (x - x_before)
            return (area + (limit - x_before) * (y_before + y_at_limit) / 2) / limit
        area += (x - x_before) * (y_before + y) / 2
        x_before, y_before = x, y
    return area / limit


@given(CASES, st.sampled_from([0.01, 0.05, 0.25, 0.3, 0.5, 1.0]))
def test_it_is_the_area_of_its_definition(case: tuple[NDArray[np.float32], NDArray[np.bool_]], limit: float) -> None:
    maps, masks = case
    if masks.all() or not masks.any():
        with pytest.raises(UsageError, match="both classes"):
            aupro(maps, masks, limit)
        return
    assert aupro(maps, masks, limit) == pytest.approx(slow_aupro(maps, masks, limit), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_area_of_its_definition_on_larger_maps_without_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = random.random((3, 20, 30)) < 0.2
    maps = (random.random((3, 20, 30)) + 0.3 * masks).astype(np.float32)
    assert aupro(maps, masks) == pytest.approx(slow_aupro(maps, masks, 0.3), abs=1e-12)


def test_a_perfect_map_has_all_of_the_area() -> None:
    assert aupro(SQUARE.astype(np.float32), SQUARE) == pytest.approx(1.0)


def test_an_upside_down_map_has_none_and_is_not_flipped() -> None:
    assert aupro(-SQUARE.astype(np.float32), SQUARE) == 0.0


@pytest.mark.parametrize("limit", [0.1, 0.3, 1.0])
def test_a_constant_map_has_half_the_limit(limit: float) -> None:
    # One threshold: the curve is the line from (0, 0) to (1, 1), with limit^2 / 2 below it.
    assert aupro(np.full(SQUARE.shape, 0.7), SQUARE, limit) == pytest.approx(limit / 2)


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    masks = np.zeros((2, 10, 10), bool)
    masks[0, :5, :5] = masks[1, 9, 9] = True
    found_large, found_small = np.zeros((2, 2, 10, 10))
    found_large[0], found_small[1] = masks[0], masks[1]
    # Half of the overlap at once; the rest is on the line to (1, 1), which is at 0.65 at the limit.
    for maps in (found_large, found_small):
        assert aupro(maps, masks) == pytest.approx((0.5 + 0.65) / 2)


def test_pixels_that_touch_by_a_corner_are_one_region() -> None:
    masks = np.zeros((1, 6, 6), bool)
    masks[0, [0, 1, 4], [0, 1, 4]] = True
    maps = np.zeros((1, 6, 6))
    maps[0, 4, 4] = 1
    # One of two regions is found at once, not one of three.
    assert aupro(maps, masks, 1.0) == pytest.approx((0.5 + 1) / 2)


def test_regions_end_with_their_image() -> None:
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :2, :2] = masks[1, 0, 0] = True
    maps = np.zeros((2, 4, 4))
    maps[1, 0, 0] = 1
    assert aupro(maps, masks, 1.0) == pytest.approx((0.5 + 1) / 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(bad: float) -> None:
    maps = np.zeros(SQUARE.shape)
    maps[0, 7, 7] = bad
    with pytest.raises(UsageError, match="AUPRO needs a finite score for each pixel"):
        aupro(maps, SQUARE)


def test_masks_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"scores are \(1, 4, 16\) and labels \(1, 8, 8\)"):
        aupro(np.zeros((1, 4, 16)), SQUARE)


@pytest.mark.parametrize("limit", [0.0, -0.3, 1.1, np.nan])
def test_a_limit_that_is_no_rate_is_refused(limit: float) -> None:
    with pytest.raises(UsageError, match="above 0 and up to 1"):
        aupro(np.zeros(SQUARE.shape), SQUARE, limit)
