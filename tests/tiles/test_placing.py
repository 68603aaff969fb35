"""Given tiles on the grid: exact where the grids agree, nearest where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsi_haloae.coordinates.reading import GivenTiles
from wsi_haloae.errors import CoordinatesError
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.placing import place_on, require_fitting

SLIDE = SlideProperties("s.svs", "test", ((2000, 1500),), (1.0,), 0.25, 0.25, 40, None, (255,) * 3, "f")
GRID = TileGrid(2000, 1500, 256, 256, 1.98, 1.98)  # 506.88 pixels of level 0 a tile


def given(locations: list[list[int]], side: float = 507) -> GivenTiles:
    return GivenTiles(Path("s.h5"), np.array(locations, np.int64).reshape(-1, 2), {"patch_size_level0": side})


def test_tiles_of_the_same_grid_are_its_tiles() -> None:
    rows, columns = GRID.all_indices()
    mixed = np.random.default_rng(0).permutation(len(rows))
    places = place_on(GRID, GRID.locations(rows, columns)[mixed])
    np.testing.assert_array_equal(places.rows, rows)
    np.testing.assert_array_equal(places.columns, columns)
    np.testing.assert_array_equal(places.locations, GRID.locations(rows, columns))
    assert np.abs(places.sizes - GRID.clipped_sizes(rows, columns)).max() <= 1


def test_tiles_that_do_not_overlap_have_a_cell_each_wherever_they_lie() -> None:
    """Two grids with origins of their own, as CLAM makes them, side by side."""
    steps = np.arange(3) * 507
    one = np.stack(np.meshgrid(100 + steps[:2], 13 + steps[:2]), -1).reshape(-1, 2)
    other = np.stack(np.meshgrid([1200], 301 + steps[:2]), -1).reshape(-1, 2)
    places = place_on(GRID, np.concatenate([one, other]))
    assert len(places.rows) == 6
    cells = places.rows * GRID.columns + places.columns
    assert (np.diff(cells) > 0).all(), "in reading order"
    assert {tuple(place) for place in places.locations.tolist()} == {tuple(p) for p in [*one.tolist(), *other.tolist()]}


def test_of_overlapping_tiles_the_nearest_to_the_cell_is_kept() -> None:
    places = place_on(GRID, np.array([[520, 0], [507, 3], [400, 0], [507, 3]]))
    assert places.locations.tolist() == [[507, 3]]


def test_tiles_at_the_edge_are_clipped() -> None:
    places = place_on(GRID, np.array([[1900, 1400]]))
    assert places.sizes.tolist() == [[100, 100]]
    assert (places.rows[0], places.columns[0]) == (GRID.rows - 1, GRID.columns - 1)


def test_no_tile_at_all() -> None:
    assert len(place_on(GRID, np.empty((0, 2), np.int64)).rows) == 0


@pytest.mark.parametrize("side", [506, 507, 512])
def test_a_size_within_two_per_cent_fits(side: float) -> None:
    require_fitting(given([[0, 0]], side), SLIDE, GRID)


def test_another_size_is_refused_with_the_size_that_is_needed() -> None:
    with pytest.raises(CoordinatesError, match=r"256 pixels of level 0 wide, but 506\.9 are needed: 256 pixels"):
        require_fitting(given([[0, 0]], 256), SLIDE, GRID)


@pytest.mark.parametrize("place", [[-1, 0], [2000, 0], [0, 1500]])
def test_a_place_outside_the_slide_is_refused(place: list[int]) -> None:
    with pytest.raises(CoordinatesError, match=rf"1 of 2 tiles lie outside s\.svs .* \({place[0]}, {place[1]}\)"):
        require_fitting(given([[0, 0], place]), SLIDE, GRID)
