"""Regions of chosen cells: how many there are, how large, that they are valid, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import Polygon

from tests.export.stores import Scene
from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.cells import CellEdges
from wsi_haloae.heatmap.regions import Region, find_regions


def found(chosen: NDArray[np.bool_] | list[str], **scene: object) -> list[Region]:
    """Regions of a drawing, "#" is chosen, on a slide of cells of 100 x 100 pixels."""
    if isinstance(chosen, list):
        chosen = np.array([[letter == "#" for letter in line] for line in chosen])
    rows, columns = chosen.shape
    made = Scene(**{"width": 100 * columns, "height": 100 * rows, "tile_size": 100, "stride": 100, **scene})  # type: ignore[arg-type]
    values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    heatmap = Heatmap(values, made.grid)
    return find_regions(heatmap, chosen, CellEdges.of(heatmap, made.slide))


def test_a_single_cell_keeps_its_place_and_its_area() -> None:
    [region] = found(["...", ".#.", "..."])
    assert region.polygon.bounds == (100, 100, 200, 200)
    assert region.polygon.area == pytest.approx(0.97 * 100**2, rel=1e-3)
    assert region.area == 100**2
    assert (region.row, region.column, region.tiles, region.mean_score, region.max_score) == (1, 1, 1, 4.0, 4.0)


def test_one_tile_at_a_rim_moves_the_mean_and_not_the_median() -> None:
    [region] = found(["##...", "#....", "....."])
    assert (region.mean_score, region.median_score, region.max_score) == (2.0, 1.0, 5.0)


def test_stairs_become_a_slope() -> None:
    """The middle of each side of a stair lies on the outline, its corners do not."""
    [region] = found(["#....", "##...", "###..", "####.", "#####"])
    ring = region.polygon.exterior
    for step in range(1, 4):
        assert ring.distance(shapely.Point(100 * step + 50, 100 * step)) < 0.01
        assert ring.distance(shapely.Point(100 * step, 100 * step)) > 15


def test_holes_stay_and_a_region_inside_one_is_its_own() -> None:
    outer, inner = found(["#####", "#...#", "#.#.#", "#...#", "#####"])
    assert (outer.tiles, inner.tiles) == (16, 1)
    assert len(outer.polygon.interiors) == 1
    assert Polygon(outer.polygon.interiors[0]).contains(inner.polygon)


def test_cells_that_meet_at_a_corner_are_two_regions_that_do_not_touch() -> None:
    first, second = found(["#.", ".#"])
    assert first.polygon.distance(second.polygon) > 1


def test_cells_that_meet_at_a_corner_of_one_region_leave_it_valid() -> None:
    for drawing in (["###", "#.#", "##.", "#.#", "###"], ["####", "#.##", "##.#", "####"]):
        [region] = found(drawing)
        assert region.polygon.is_valid
        assert region.polygon.area == pytest.approx(100**2 * sum(line.count("#") for line in drawing), rel=0.03)


def test_largest_first() -> None:
    assert [region.tiles for region in found(["#.##", "#...", "#.#."])] == [3, 2, 1]


def test_outside_the_bounds_there_is_nothing() -> None:
    regions = found(["####", "#..#", "####"], bounds=(150, 0, 120, 300))
    assert [region.tiles for region in regions] == [2, 2]  # what joins them lies outside
    for region in regions:
        assert shapely.box(150, 0, 270, 300).contains(region.polygon)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Scene, NDArray[np.bool_]]:
    tile = draw(st.integers(8, 80))
    width, height = draw(st.integers(20, 900)), draw(st.integers(20, 900))
    bounds = draw(st.none() | st.tuples(*[st.integers(0, 30)] * 2, st.integers(1, width), st.integers(1, height)))
    scale = st.floats(1, 3)
    scene = Scene(
        width=width, height=height, bounds=bounds, tile_size=tile, stride=draw(st.integers(tile // 2, tile)),
        l0_scale_x=draw(scale), l0_scale_y=draw(scale),
    )  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    field = ndimage.gaussian_filter(random.normal(size=(scene.grid.rows, scene.grid.columns)), draw(st.floats(0, 2)))
    return scene, field > np.quantile(field, draw(st.floats(0, 1)))


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_regions_are_the_connected_cells_and_have_their_area(layout: tuple[Scene, NDArray[np.bool_]]) -> None:
    scene, chosen = layout
    heatmap = Heatmap(np.zeros(chosen.shape, np.float32), scene.grid)
    edges = CellEdges.of(heatmap, scene.slide)
    regions = find_regions(heatmap, chosen, edges)
    labels, count = ndimage.label(chosen & edges.visible)
    areas = np.outer(np.diff(edges.y), np.diff(edges.x))
    assert len(regions) == count
    left, top, width, height = scene.bounds or (0, 0, scene.width, scene.height)
    frame = shapely.box(left, top, min(left + width, scene.width), min(top + height, scene.height))
    for region in regions:
        cells = labels == labels[region.row, region.column]
        assert region.polygon.is_valid, shapely.is_valid_reason(region.polygon)
        assert frame.covers(region.polygon)
        assert region.tiles == cells.sum()
        assert region.area == areas[cells].sum()
        assert region.polygon.area == pytest.approx(region.area, rel=0.05)
