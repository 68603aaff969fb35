"""TissueMask.fractions against a slow reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wsi_haloae.tissue.mask import TissueMask


def _mask(pixels: NDArray[np.bool_], scale_x: float, scale_y: float) -> TissueMask:
    thumbnail = np.zeros((*pixels.shape, 3), np.uint8)
    return TissueMask(pixels.astype(np.uint8), thumbnail, scale_x, scale_y, {})


def _slow_fraction(mask: TissueMask, x: int, y: int, width: int, height: int) -> float:
    """Sum over every pixel of the mask of the area that the rectangle covers."""
    covered = 0.0
    for row, column in np.argwhere(mask.mask):
        left, top = column * mask.l0_per_pixel_x, row * mask.l0_per_pixel_y
        across = min(x + width, left + mask.l0_per_pixel_x) - max(x, left)
        down = min(y + height, top + mask.l0_per_pixel_y) - max(y, top)
        covered += max(0.0, across) * max(0.0, down)
    return covered / (width * height)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    scale=st.tuples(st.floats(1, 20), st.floats(1, 20)),
    rectangles=st.lists(
        st.tuples(st.integers(-30, 150), st.integers(-30, 150), st.integers(1, 90), st.integers(1, 90)), min_size=1
    ),
)
def test_fractions_equal_the_area_covered(
    seed: int,
    shape: tuple[int, int],
    scale: tuple[float, float],
    rectangles: list[tuple[int, int, int, int]],
) -> None:
    mask = _mask(np.random.default_rng(seed).random(shape) < 0.5, *scale)
    boxes = np.array(rectangles, np.int64)
    fractions = mask.fractions(boxes[:, :2], boxes[:, 2:])
    assert fractions.dtype == np.float32
    assert fractions.shape == (len(rectangles),)
    assert np.abs(fractions - [_slow_fraction(mask, *rectangle) for rectangle in rectangles]).max() < 1e-6


def test_no_rectangles_give_no_fractions() -> None:
    nothing = np.empty((0, 2), np.int64)
    assert _mask(np.ones((4, 4), bool), 8, 8).fractions(nothing, nothing).shape == (0,)
