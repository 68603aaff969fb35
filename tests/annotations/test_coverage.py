"""Shares of tiles: large outlines are cut into pieces first, and the labels are those of the whole outline."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from tests.hostile.bills import Stopwatch
from wsi_haloae.annotations.coverage import coverage


def tiles(width: int, height: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    x, y = np.meshgrid(np.arange(0, width, size), np.arange(0, height, size))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    return places, np.full_like(places, size)


def slowly(region: BaseGeometry, places: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each tile cut from the whole region."""
    boxes = shapely.box(places[:, 0], places[:, 1], *(places + sizes).T)
    share: NDArray[np.float64] = shapely.area(shapely.intersection(boxes, region)) / shapely.area(boxes)
    return share


def blobs(seed: int, count: int, vertices: int, side: int) -> BaseGeometry:
    """Stars of few vertices, smooth outlines of many: two stars of thousands of spikes would cross a million times."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    made = []
    for _ in range(count):
        spikes = rng.uniform(0.3, 1, vertices)
        waves = 0.65 + 0.3 * np.cos(angles * rng.integers(2, 9)) + 0.01 * spikes
        radii = side / 8 * (spikes if vertices <= 40 else waves)
        rings = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + rng.uniform(0, side, 2)
        made.append(shapely.make_valid(shapely.Polygon(rings.round(int(rng.integers(0, 3))))))
    return shapely.union_all(made)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), vertices=st.sampled_from([3, 4, 40, 600, 3000]))
def test_the_labels_are_those_of_the_whole_outline(seed: int, count: int, vertices: int) -> None:
    region = blobs(seed, count, vertices, 1000)
    places, sizes = tiles(1000, 1000, 100)
    expected, found = slowly(region, places, sizes), coverage(region, places, sizes)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    for least in (0.1, 0.25, 0.5, 0.75, 1.0):
        decided = np.abs(expected - least) > 1e-8
        assert ((found >= least) == (expected >= least))[decided].all()


def test_exactly_half_is_exactly_half_wherever_the_outline_is_cut() -> None:
    steps = [[float(x), 5.0 + (x % 2) * 200] for x in range(600)]  # many vertices far away, so that it is cut
    half = shapely.Polygon([[0, 1000], [1000, 1000], [1000, 550], [600, 550], *reversed(steps), [0, 550]])
    places, sizes = tiles(1000, 1000, 100)
    row = places[:, 1] == 500
    assert set(coverage(half, places[row & (places[:, 0] >= 600)], sizes[row & (places[:, 0] >= 600)])) == {0.5}


def test_lines_and_points_cover_nothing() -> None:
    places, sizes = tiles(100, 100, 50)
    region = shapely.GeometryCollection([shapely.box(0, 0, 50, 50), shapely.LineString([[0, 0], [99, 99]])])
    assert coverage(region, places, sizes).tolist() == [1, 0, 0, 0]
    assert coverage(shapely.Polygon(), places, sizes).tolist() == [0, 0, 0, 0]


def test_an_outline_of_100_000_parts_takes_seconds() -> None:
    x, y = np.meshgrid(np.arange(400) * 40.0, np.arange(250) * 40.0)
    region = shapely.multipolygons(shapely.box(x.ravel(), y.ravel(), x.ravel() + 20, y.ravel() + 30))
    places, sizes = tiles(16_000, 10_000, 256)
    watch = Stopwatch()
    share = coverage(region, places, sizes)
    assert watch.seconds < 10
    assert abs(float(share.mean()) - 20 * 30 / 40**2) < 0.02
