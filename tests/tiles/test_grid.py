"""TileGrid: positions, coverage, edges."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsi_haloae.errors import UsageError
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.plan import ReadPlan

GRIDS = st.builds(
    lambda width, height, tile, share, sx, sy: TileGrid(width, height, tile, max(1, round(tile * share)), sx, sy),
    st.integers(1, 900),
    st.integers(1, 300),
    st.integers(2, 64),
    st.floats(0.01, 1),
    st.floats(0.98, 8),
    st.floats(0.98, 8),
)
AWKWARD = TileGrid(1500, 1201, 64, 64, 0.437 / 0.25, 0.437 / 0.254)
"""Rounded widths alone leave a pixel between some of its tiles."""


def boxes(grid: TileGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = grid.all_indices()
    return rows, columns, grid.locations(rows, columns), grid.clipped_sizes(rows, columns)


@settings(max_examples=150, deadline=None)
@given(GRIDS)
@example(AWKWARD)
@example(TileGrid(1000, 1, 2, 1, 1.5, 0.99))
def test_every_pixel_of_the_slide_lies_in_a_tile_and_every_tile_in_the_slide(grid: TileGrid) -> None:
    rows, columns, locations, sizes = boxes(grid)
    assert (sizes > 0).all()
    assert (locations >= 0).all()
    assert (locations + sizes <= [grid.slide_width, grid.slide_height]).all()
    for axis, (index, extent) in enumerate(((columns, grid.slide_width), (rows, grid.slide_height))):
        covered = np.zeros(extent, np.int64)
        for number in np.unique(index, return_index=True)[1]:
            start = locations[number, axis]
            covered[start : start + sizes[number, axis]] += 1
        assert covered.all()
        if grid.stride == grid.tile_size:
            assert (covered == 1).all(), "tiles that do not overlap share no pixel"


@settings(max_examples=100, deadline=None)
@given(GRIDS)
@example(AWKWARD)
def test_the_first_tile_that_reaches_the_edge_is_the_last(grid: TileGrid) -> None:
    rows, columns, locations, sizes = boxes(grid)
    assert len(rows) == grid.rows * grid.columns
    ends = locations + sizes
    np.testing.assert_array_equal(ends[:, 0] == grid.slide_width, columns == grid.columns - 1)
    np.testing.assert_array_equal(ends[:, 1] == grid.slide_height, rows == grid.rows - 1)


@given(st.integers(0, 5000), st.integers(1, 512), st.fractions(Fraction(98, 100), 40, max_denominator=50))
def test_positions_follow_the_contracts_formula(index: int, stride: int, scale: Fraction) -> None:
    grid = TileGrid(10**9, 10**9, 512, stride, float(scale), 1.0)
    exact = index * stride * scale + Fraction(1, 2)
    near_a_tie = abs(exact - round(exact)) < Fraction(1, 10**6)
    found = int(grid.locations(np.array([0]), np.array([index]))[0, 0])
    assert found in ({exact.__floor__(), round(exact), round(exact) - 1} if near_a_tie else {exact.__floor__()})


def test_positions_do_not_drift_along_a_long_row() -> None:
    grid = TileGrid(10**8, 512, 256, 256, 0.5 / 0.2527, 1.0)
    last = grid.columns - 1
    exact = Fraction(0.5 / 0.2527) * 256 * last + Fraction(1, 2)
    assert int(grid.locations(np.array([0]), np.array([last]))[0, 0]) == exact.__floor__()


def test_axes_are_scaled_apart() -> None:
    grid = TileGrid(1000, 1000, 10, 10, 2.0, 4.0)
    assert (grid.columns, grid.rows) == (50, 25)
    assert grid.locations(np.array([3]), np.array([2])).tolist() == [[40, 120]]
    assert grid.clipped_sizes(np.array([3]), np.array([2])).tolist() == [[20, 40]]
    assert (grid.l0_tile_width, grid.l0_tile_height) == (20, 40)


def test_indices_are_in_reading_order() -> None:
    rows, columns = TileGrid(30, 20, 10, 10, 1.0, 1.0).all_indices()
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_slide_smaller_than_a_tile_has_one() -> None:
    _, _, locations, sizes = boxes(TileGrid(30, 20, 64, 16, 1.0, 1.0))
    assert (len(locations), locations.tolist(), sizes.tolist()) == (1, [[0, 0]], [[30, 20]])


PLAN = ReadPlan(0, 1.0, 1.0, 2.0, 3.0, 0.5, 0.5)


@pytest.mark.parametrize("stride", [0, -1, 65])
def test_a_stride_that_leaves_gaps_or_stands_still_is_refused(stride: int) -> None:
    with pytest.raises(UsageError, match=rf"--stride {stride} .*between 1 and .*64"):
        TileGrid.for_plan(PLAN, 100, 100, 64, stride)


@pytest.mark.parametrize("stride", [1, 64])
def test_strides_up_to_the_tile_are_taken(stride: int) -> None:
    grid = TileGrid.for_plan(PLAN, 100, 200, 64, stride)
    assert grid == TileGrid(100, 200, 64, stride, 2.0, 3.0)
